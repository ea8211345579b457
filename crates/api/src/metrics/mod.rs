//! The metric families of MediaMTX, old names beside new.
//!
//! MediaMTX gives its values without a type, and counters without `_total`. In OpenMetrics that is the type `unknown`,
//! so a store that scraped MediaMTX sees the same names of the same type.
//!
//! Series are labelled as MediaMTX labels them, but for `remoteAddr`: addresses of patients do not belong into a
//! monitoring system, and to Prometheus a label that is empty is one that is absent.

mod columns;
mod filter;

use std::collections::BTreeMap;
use std::fmt;

use gateway::sessions::{HlsMuxer, Session, SessionKind};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::context::Context;
use crate::resources::{Path, Paths, state};
use columns::{Column, Columns};
pub use filter::Filter;
use filter::Selection;

/// The groups of sessions and connections.
const SESSIONS: &[(&str, SessionKind, Columns<Session>)] = &[
    ("hls_sessions", SessionKind::Hls, columns::HLS_SESSIONS),
    ("rtsp_conns", SessionKind::RtspConnection, columns::RTSP_CONNECTIONS),
    ("rtsp_sessions", SessionKind::RtspSession, columns::RTSP_SESSIONS),
    ("rtsps_conns", SessionKind::RtspsConnection, columns::RTSP_CONNECTIONS),
    ("rtsps_sessions", SessionKind::RtspsSession, columns::RTSP_SESSIONS),
    ("rtmp_conns", SessionKind::Rtmp, columns::RTMP_CONNECTIONS),
    ("rtmps_conns", SessionKind::Rtmps, columns::RTMP_CONNECTIONS),
    ("webrtc_sessions", SessionKind::WebRtc, columns::WEBRTC_SESSIONS),
];

/// The groups of what is not served here. A panel that adds up all protocols would be empty without them.
const ABSENT: &[(&str, Columns<()>)] = &[
    ("srt_conns", columns::SRT_CONNECTIONS),
    ("moq_sessions", columns::MOQ_SESSIONS),
    ("forward_dests", columns::FORWARD_DESTINATIONS),
];

/// Writes those families that `filter` leaves, without the line that ends a page.
///
/// # Errors
/// None that `page` does not give.
pub fn write(context: &Context, filter: &Filter, page: &mut String) -> fmt::Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families { context: context.clone(), filter: filter.clone() }));
    text::encode_registry(page, &registry)
}

#[derive(Debug)]
struct Families {
    context: Context,
    filter: Filter,
}

/// One line in each family of a group.
struct Series<'t, T> {
    /// By which it is filtered.
    key: String,
    labels: Labels,
    of: &'t T,
}

type Labels = Vec<(&'static str, String)>;

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.paths(&mut encoder)?;
        let sessions = self.context.sessions.snapshot();
        for &(group, kind, columns) in SESSIONS {
            let of_kind = sessions.iter().filter(|session| session.kind == kind);
            self.group(&mut encoder, group, columns, of_kind.map(|session| of_session(session)).collect())?;
        }
        let muxers = self.context.sessions.muxers();
        let series = muxers.iter().map(|muxer| of_muxer(muxer)).collect();
        self.group(&mut encoder, "hls_muxers", columns::HLS_MUXERS, series)?;
        for &(group, columns) in ABSENT {
            self.group(&mut encoder, group, columns, Vec::new())?;
        }
        Ok(())
    }
}

impl Families {
    fn paths(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let paths = Paths::read(&self.context);
        let paths: Vec<_> = paths.names().iter().map(|name| paths.show(name)).collect();
        self.group(encoder, "paths", columns::PATHS, paths.iter().map(of_path).collect())?;
        let readers: Vec<_> = paths.iter().flat_map(readers).collect();
        self.group(encoder, "paths", columns::PATH_READERS, readers.iter().map(of_readers).collect())
    }

    /// Writes the families of `group`: a line for each series, and one with 0 if there is none.
    fn group<T: 'static>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        group: &str,
        columns: Columns<T>,
        mut series: Vec<Series<'_, T>>,
    ) -> fmt::Result {
        match self.filter.of(group) {
            Selection::Nothing => return Ok(()),
            Selection::Everything => {}
            Selection::Only(key) => {
                series.retain(|one| one.key == key);
                if series.is_empty() {
                    return Ok(());
                }
            }
        }
        for Column { suffix, help, read } in columns.iter().copied().flatten() {
            let name = format!("{group}{suffix}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Unknown)?;
            for one in &series {
                ConstGauge::new(read(one.of)).encode(family.encode_family(&one.labels)?)?;
            }
            if series.is_empty() {
                ConstGauge::new(0_u64).encode(family)?;
            }
        }
        Ok(())
    }
}

fn of_path(path: &Path) -> Series<'_, Path> {
    let state = if path.available { "ready" } else { "notReady" };
    let labels = vec![("name", path.name.clone()), ("state", state.to_owned())];
    Series { key: path.name.clone(), labels, of: path }
}

/// The readers of one kind that a path has, and how many; no kind and 0 for none.
type Readers<'p> = (&'p Path, &'static str, u64);

fn readers(path: &Path) -> Vec<Readers<'_>> {
    let mut kinds = BTreeMap::new();
    for reader in &path.readers {
        *kinds.entry(reader.kind).or_default() += 1;
    }
    if kinds.is_empty() {
        kinds.insert("", 0);
    }
    kinds.into_iter().map(|(kind, count)| (path, kind, count)).collect()
}

fn of_readers<'t>((path, kind, count): &'t Readers<'_>) -> Series<'t, u64> {
    let Series { key, mut labels, .. } = of_path(path);
    labels.push(("readerType", (*kind).to_owned()));
    Series { key, labels, of: count }
}

fn of_muxer(muxer: &HlsMuxer) -> Series<'_, HlsMuxer> {
    let name = muxer.path.to_string();
    Series { key: name.clone(), labels: vec![("name", name)], of: muxer }
}

fn of_session(session: &Session) -> Series<'_, Session> {
    let key = session.id.to_string();
    let mut labels = vec![("id", key.clone())];
    let activity = session.details().activity;
    // A connection of RTSP does nothing itself, and whoever watches by HLS reads.
    let (has_path, has_state) = match session.kind {
        SessionKind::RtspConnection | SessionKind::RtspsConnection => (false, false),
        SessionKind::Hls => (true, false),
        _ => (true, true),
    };
    if has_path {
        labels
            .push(("path", activity.as_ref().map(|activity| activity.path.to_string()).unwrap_or_default()));
    }
    if has_state {
        labels.push(("state", state(activity.map(|activity| activity.action)).to_owned()));
    }
    Series { key, labels, of: session }
}
