//! The metrics that dashboards made for MediaMTX ask for.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use api::Context;
use api::metrics::Filter;
use gateway::sessions::SessionKind;
use hub::Action;
use media::{CodecConfig, opus};
use support::{USER, context, enter, path};

fn scrape(context: &Context, query: &[(&str, &str)]) -> String {
    let parameters: HashMap<_, _> =
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut page = String::new();
    api::metrics::write(context, &Filter::new(parameters), &mut page).unwrap();
    page
}

/// The lines that are samples.
fn samples(page: &str) -> Vec<&str> {
    page.lines().filter(|line| !line.starts_with('#')).collect()
}

/// The names of samples.
fn names(page: &str) -> BTreeSet<&str> {
    samples(page).into_iter().map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

/// What a dashboard may ask for: each group, and what follows its name.
const NAMES: &[(&str, &[&str])] = &[
    ("paths", &["", "_readers", "_inbound_bytes", "_outbound_bytes", "_inbound_frames_in_error"]),
    ("paths", &["_bytes_received", "_bytes_sent"]),
    ("hls_muxers", &["", "_outbound_bytes", "_outbound_frames_discarded", "_bytes_sent"]),
    ("hls_sessions", &["", "_outbound_bytes"]),
    ("rtsp_conns", CONNECTION),
    ("rtsps_conns", CONNECTION),
    ("rtmp_conns", CONNECTION),
    ("rtmp_conns", &["_outbound_frames_discarded"]),
    ("rtmps_conns", CONNECTION),
    ("rtmps_conns", &["_outbound_frames_discarded"]),
    ("rtsp_sessions", CONNECTION),
    ("rtsp_sessions", RTP),
    ("rtsp_sessions", RTSP),
    ("rtsps_sessions", CONNECTION),
    ("rtsps_sessions", RTP),
    ("rtsps_sessions", RTSP),
    ("webrtc_sessions", CONNECTION),
    ("webrtc_sessions", RTP),
    ("webrtc_sessions", &["_outbound_frames_discarded"]),
    ("srt_conns", &["", "_bytes_received", "_bytes_sent", "_outbound_frames_discarded"]),
    ("moq_sessions", &["", "_inbound_bytes", "_outbound_bytes"]),
    ("forward_dests", &["", "_outbound_bytes"]),
];
const CONNECTION: &[&str] = &["", "_inbound_bytes", "_outbound_bytes", "_bytes_received", "_bytes_sent"];
const RTP: &[&str] = &[
    "_inbound_rtp_packets",
    "_inbound_rtp_packets_lost",
    "_inbound_rtp_packets_jitter",
    "_inbound_rtcp_packets",
    "_outbound_rtp_packets",
    "_outbound_rtcp_packets",
    "_rtp_packets_received",
    "_rtp_packets_sent",
    "_rtp_packets_lost",
    "_rtp_packets_jitter",
    "_rtcp_packets_received",
    "_rtcp_packets_sent",
];
const RTSP: &[&str] = &[
    "_inbound_rtp_packets_in_error",
    "_inbound_rtcp_packets_in_error",
    "_outbound_rtp_packets_reported_lost",
    "_outbound_rtp_packets_discarded",
    "_rtp_packets_in_error",
    "_rtcp_packets_in_error",
];

fn expected_names() -> BTreeSet<String> {
    let of_group = |(group, ends): &(&str, &[&str])| {
        ends.iter().map(move |end| format!("{group}{end}")).collect::<Vec<_>>()
    };
    NAMES.iter().flat_map(of_group).collect()
}

#[test]
fn every_name_is_there_also_when_nobody_is() {
    let mut context = context();
    let page = scrape(&context, &[]);
    let found: BTreeSet<_> = names(&page).into_iter().map(str::to_owned).collect();
    assert_eq!(found, expected_names());
    context.paths = std::sync::Arc::new(NoEntries);
    let page = scrape(&context, &[]);
    assert_eq!(samples(&page).len(), expected_names().len());
    assert!(samples(&page).iter().all(|line| line.ends_with(" 0") && !line.contains('{')), "{page}");
}

#[derive(Debug)]
struct NoEntries;

impl api::ConfiguredPaths for NoEntries {
    fn find(&self, _: &media::StreamPath) -> Option<api::ConfiguredPath> {
        None
    }

    fn own(&self) -> Vec<media::StreamPath> {
        Vec::new()
    }
}

#[test]
fn names_stand_as_they_are_without_a_type() {
    let page = scrape(&context(), &[("type", "rtmp_conns")]);
    assert!(
        page.contains("# TYPE rtmp_conns_bytes_received unknown\nrtmp_conns_bytes_received 0\n"),
        "{page}"
    );
    assert!(!page.contains("_total"), "{page}");
}

#[tokio::test]
async fn series_are_labelled_as_mediamtx_labels_them_but_for_addresses() {
    let context = context();
    let publisher = enter(&context, SessionKind::Rtmp, Action::Publish, "ward/3");
    publisher.bytes_in.store(123, Ordering::Relaxed);
    let feed = context.hub.feed(&path("ward/3")).unwrap();
    feed.add_track(CodecConfig::Opus(opus::Head { channels: 2 }));
    let viewer = enter(&context, SessionKind::Hls, Action::Read, "ward/3");
    let readers = [SessionKind::WebRtc, SessionKind::WebRtc, SessionKind::Flv, SessionKind::RtspConnection];
    let _readers = readers.map(|kind| enter(&context, kind, Action::Read, "ward/3"));
    let _muxer = context.sessions.enter_muxer(path("ward/3"));
    let page = scrape(&context, &[]);
    let connection = context.sessions.snapshot().last().unwrap().id;
    let labels = format!("{{id=\"{}\",path=\"ward/3\",state=\"publish\"}}", publisher.id);
    for line in [
        "paths{name=\"camera\",state=\"notReady\"} 1".to_owned(),
        "paths{name=\"ward/3\",state=\"ready\"} 1".to_owned(),
        "paths_readers{name=\"ward/3\",state=\"ready\",readerType=\"webRTCSession\"} 2".to_owned(),
        "paths_readers{name=\"ward/3\",state=\"ready\",readerType=\"flvSession\"} 1".to_owned(),
        "paths_readers{name=\"camera\",state=\"notReady\",readerType=\"\"} 0".to_owned(),
        "hls_muxers{name=\"ward/3\"} 1".to_owned(),
        format!("rtmp_conns{labels} 1"),
        format!("rtmp_conns_inbound_bytes{labels} 123"),
        format!("rtmp_conns_bytes_received{labels} 123"),
        format!("hls_sessions{{id=\"{}\",path=\"ward/3\"}} 1", viewer.id),
        format!("rtsp_conns{{id=\"{connection}\"}} 1"),
        "rtmps_conns 0".to_owned(),
    ] {
        assert!(samples(&page).contains(&line.as_str()), "{line} is not in\n{page}");
    }
    for secret in ["203.0.113", "50000", USER, "room=3", "Phone"] {
        assert!(!page.contains(secret), "{secret} is in\n{page}");
    }
}

#[test]
fn a_filter_leaves_what_is_asked_for() {
    let context = context();
    let [first, second] =
        [Action::Publish, Action::Read].map(|action| enter(&context, SessionKind::Rtmp, action, "ward/3"));
    let only = |query: &[(&str, &str)], groups: &[&str]| {
        let page = scrape(&context, query);
        let belongs = |name: &&str| groups.iter().any(|group| name.starts_with(group));
        assert!(names(&page).iter().all(belongs), "{query:?}: {page}");
        page
    };
    assert_eq!(samples(&only(&[("type", "rtmp_conns")], &["rtmp_conns"])).len(), 2 * 6);
    let page = only(&[("rtmp_conn", &first.id.to_string())], &["rtmp_conns"]);
    assert_eq!(samples(&page).len(), 6);
    assert!(!page.contains(&second.id.to_string()));
    let page = only(&[("path", "camera")], &["paths"]);
    assert_eq!(samples(&page).len(), 7);
    assert_eq!(only(&[("path", "nowhere")], &[]), "");
    assert_eq!(only(&[("rtmp_conn", "nobody")], &[]), "");
    assert_eq!(only(&[("type", "nonsense")], &[]), "");
}
