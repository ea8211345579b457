//! Paths: those that are fed, and those with an entry of their own in the configuration.

use std::collections::{BTreeMap, HashMap};

use gateway::sessions::Session;
use hub::{Action, StreamSnapshot};
use media::{StreamPath, Utc};
use serde::Serialize;

use super::tracks::{self, Track};
use crate::context::{ConfiguredPath, Context};

/// MediaMTX's entry for whatever has none.
const ALL_OTHERS: &str = "all_others";

/// A path.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Path {
    pub(crate) name: String,
    conf_name: String,
    ready: bool,
    ready_time: Option<String>,
    pub(crate) available: bool,
    available_time: Option<String>,
    online: bool,
    online_time: Option<String>,
    source: Option<Party>,
    tracks: Vec<&'static str>,
    tracks2: Vec<Track>,
    pub(crate) readers: Vec<Party>,
    pub(crate) inbound_bytes: u64,
    pub(crate) outbound_bytes: u64,
    pub(crate) inbound_frames_in_error: u64,
    bytes_received: u64,
    bytes_sent: u64,
}

/// Who feeds or takes a path.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Party {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Empty for sources that have none.
    id: String,
}

/// All paths as they were when they were read.
#[derive(Debug)]
pub(crate) struct Paths<'c> {
    context: &'c Context,
    streams: BTreeMap<StreamPath, Option<StreamSnapshot>>,
    parties: HashMap<StreamPath, Parties>,
}

#[derive(Default, Debug)]
struct Parties {
    publisher: Option<Party>,
    readers: Vec<Party>,
}

impl<'c> Paths<'c> {
    pub(crate) fn read(context: &'c Context) -> Self {
        let mut streams: BTreeMap<_, _> = context.paths.own().into_iter().map(|path| (path, None)).collect();
        streams.extend(context.hub.snapshot().into_iter().map(|stream| (stream.path.clone(), Some(stream))));
        let mut parties = HashMap::<_, Parties>::new();
        for session in context.sessions.snapshot() {
            let Some(activity) = session.details().activity else { continue };
            let parties = parties.entry(activity.path).or_default();
            match activity.action {
                Action::Publish => parties.publisher = Some(Party::of(&session)),
                Action::Read => parties.readers.push(Party::of(&session)),
            }
        }
        Self { context, streams, parties }
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> Vec<StreamPath> {
        self.streams.keys().cloned().collect()
    }

    pub(crate) fn has(&self, name: &StreamPath) -> bool {
        self.streams.contains_key(name)
    }

    /// One of them; nothing happens on a path that is none of them.
    pub(crate) fn show(&self, name: &StreamPath) -> Path {
        let stream = self.streams.get(name).and_then(Option::as_ref);
        let configured = self.context.paths.find(name);
        let time = |at: Option<_>| at.map(|at| Utc(at).to_string());
        let available = stream.and_then(|stream| stream.available_since);
        // A publisher without tracks feeds nothing yet.
        let published = stream.and_then(|stream| stream.published_since).filter(|_| available.is_some());
        let totals = stream.map(|stream| stream.totals).unwrap_or_default();
        let tracks = || stream.into_iter().flat_map(|stream| &stream.tracks).filter(|track| !track.rendition);
        Path {
            name: name.to_string(),
            ready: available.is_some(),
            ready_time: time(available),
            available: available.is_some(),
            available_time: time(available),
            online: published.is_some(),
            online_time: time(published),
            source: self.source(name, stream, configured.as_ref()),
            conf_name: configured.map_or_else(|| ALL_OTHERS.to_owned(), |configured| configured.entry),
            tracks: tracks().map(|track| tracks::name(&track.info)).collect(),
            tracks2: tracks().map(|track| Track::of(&track.info)).collect(),
            readers: self.parties.get(name).map(|parties| parties.readers.clone()).unwrap_or_default(),
            inbound_bytes: totals.bytes_in,
            outbound_bytes: totals.bytes_out,
            inbound_frames_in_error: totals.frames_broken,
            bytes_received: totals.bytes_in,
            bytes_sent: totals.bytes_out,
        }
    }

    /// Who feeds it. A source that this process asks is one before it gives anything, as in MediaMTX.
    fn source(
        &self,
        name: &StreamPath,
        stream: Option<&StreamSnapshot>,
        configured: Option<&ConfiguredPath>,
    ) -> Option<Party> {
        if let Some(kind) = configured.and_then(|configured| configured.source) {
            return Some(Party { kind, id: String::new() });
        }
        stream?.published_since?;
        self.parties.get(name)?.publisher.clone()
    }
}

impl Party {
    fn of(session: &Session) -> Self {
        Self { kind: session.kind.name(), id: session.id.to_string() }
    }
}
