//! What the hub and the gateways tell, as it comes, and what the hub asks.

use std::sync::Arc;
use std::time::Duration;

use gateway::sessions::{Activity, Session, SessionId, SessionKind, SessionWatcher};
use hub::{AccessRequest, Action, PathPolicy, Paths};
use media::{Pii, StreamPath};
use tokio::sync::mpsc;

use super::table::PathTable;
use crate::config::{PathRules, Source};

/// Something that may make a command or a source run or end.
#[derive(Debug)]
pub(super) enum Event {
    /// A reader waits for a path.
    Wanted(StreamPath),
    /// A stream has its first track.
    Available(StreamPath),
    /// A stream has ended.
    Unavailable(StreamPath),
    /// The last reader has left a path.
    Abandoned(StreamPath),
    /// A time that was set for a path has come; the number says which.
    Due(StreamPath, u64),
    Connected(SessionId, SessionKind),
    Disconnected(SessionId),
    Reads(Reader),
    Unread(SessionId),
    /// The server ends; nothing follows.
    Stop,
}

/// Somebody who reads a path.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) id: SessionId,
    pub(super) kind: SessionKind,
    pub(super) path: StreamPath,
    pub(super) query: Pii<String>,
}

/// Answers the hub's questions by the table at once, and passes on what it and the gateways tell.
#[derive(Debug)]
pub(crate) struct Notices {
    table: Arc<PathTable>,
    /// Whether somebody wants to know of connections.
    connections: bool,
    events: mpsc::UnboundedSender<Event>,
}

impl Notices {
    pub(super) const fn new(
        table: Arc<PathTable>,
        connections: bool,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self { table, connections, events }
    }

    /// Passes it on; false if nobody listens any more.
    fn send(&self, event: Event) -> bool {
        self.events.send(event).is_ok()
    }

    /// Passes it on if there are rules for the path that care.
    fn send_if(&self, path: &StreamPath, cares: fn(&PathRules) -> bool, event: Event) {
        if self.table.find(path).is_some_and(|found| cares(&found.rules)) {
            self.send(event);
        }
    }
}

/// How long readers wait for a path that something brings on demand.
fn patience(rules: &PathRules) -> Option<Duration> {
    let on_demand = match rules.source {
        Source::Publisher => rules.on_demand.as_ref().map(|(_, on_demand)| *on_demand),
        Source::Pull(_) => rules.source_on_demand,
    };
    on_demand.map(|on_demand| on_demand.start_timeout)
}

impl Paths for Notices {
    fn policy(&self, path: &StreamPath) -> PathPolicy {
        let Some(found) = self.table.find(path) else { return PathPolicy::default() };
        PathPolicy {
            max_readers: found.rules.max_readers.map(|readers| readers as usize),
            override_publisher: found.rules.override_publisher,
            fed_here: found.rules.source != Source::Publisher,
        }
    }

    fn wanted(&self, request: &AccessRequest) -> Option<Duration> {
        let patience = patience(&self.table.find(&request.path)?.rules)?;
        self.send(Event::Wanted(request.path.clone())).then_some(patience)
    }

    fn available(&self, path: &StreamPath) {
        self.send_if(path, |_| true, Event::Available(path.clone()));
    }

    fn unavailable(&self, path: &StreamPath) {
        self.send_if(path, |_| true, Event::Unavailable(path.clone()));
    }

    fn abandoned(&self, path: &StreamPath) {
        self.send_if(path, |rules| patience(rules).is_some(), Event::Abandoned(path.clone()));
    }
}

impl SessionWatcher for Notices {
    fn came(&self, session: &Session) {
        if self.connections && is_connection(session.kind) {
            self.send(Event::Connected(session.id, session.kind));
        }
    }

    fn began(&self, session: &Session, activity: &Activity) {
        if activity.action == Action::Read {
            let Activity { path, query, .. } = activity;
            let reader =
                Reader { id: session.id, kind: session.kind, path: path.clone(), query: query.clone() };
            let cares = |rules: &PathRules| rules.on_read.is_some() || rules.on_unread.is_some();
            self.send_if(path, cares, Event::Reads(reader));
        }
    }

    fn ended(&self, session: &Session, activity: &Activity) {
        if activity.action == Action::Read {
            let cares = |rules: &PathRules| rules.on_read.is_some() || rules.on_unread.is_some();
            self.send_if(&activity.path, cares, Event::Unread(session.id));
        }
    }

    fn left(&self, session: &Session) {
        if self.connections && is_connection(session.kind) {
            self.send(Event::Disconnected(session.id));
        }
    }
}

/// MediaMTX runs commands for the connections of protocols that have them, and not for HTTP requests and what they
/// begin.
const fn is_connection(kind: SessionKind) -> bool {
    match kind {
        SessionKind::Rtmp
        | SessionKind::Rtmps
        | SessionKind::RtspConnection
        | SessionKind::RtspsConnection => true,
        SessionKind::WebRtc
        | SessionKind::RtspSession
        | SessionKind::RtspsSession
        | SessionKind::Hls
        | SessionKind::Flv => false,
    }
}
