//! Which sessions there are: for metrics, lists and kicks.
//!
//! A gateway enters a session when its connection comes, notes what it does ([`Session::begin`], [`Session::idle`]),
//! counts into its atomics and selects on [`Session::kicked`]; dropping the entry ends the session's life here.

mod id;
mod live;
mod muxer;
mod session;
mod watcher;

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use hub::{Denied, HubError, Protocol};
use media::{Pii, StreamPath};

use live::Live;

pub use id::{SessionId, SessionIdError};
pub use live::Entry;
pub use muxer::HlsMuxer;
pub use session::{Activity, Details, Route, RtpCounters, Session, SessionKind, Transport};
pub use watcher::SessionWatcher;

/// A session's place among the sessions; dropping it takes the session out.
pub type SessionEntry = Entry<Session>;

/// What happened to sessions since the start; each is a metric.
#[derive(Debug, Default)]
pub struct SessionCounters {
    /// Connections and requests refused because a limit was reached.
    pub refused: AtomicU64,
    /// Connections that did not get as far as publish or play in time.
    pub handshake_timeouts: AtomicU64,
    /// Connections ended because of bytes that break the protocol.
    pub protocol_errors: AtomicU64,
    /// Requests that the authorizer denied.
    pub denied: AtomicU64,
    /// Sessions that ended by a panic: each is a bug, and cost only itself.
    pub panics: AtomicU64,
}

/// All sessions of the process. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    sessions: Live<Session>,
    muxers: Live<HlsMuxer>,
    counters: Arc<SessionCounters>,
    watcher: Option<Arc<dyn SessionWatcher>>,
}

impl Sessions {
    /// No sessions yet; `watcher` is told of those that come.
    pub fn watched(watcher: Arc<dyn SessionWatcher>) -> Self {
        Self { watcher: Some(watcher), ..Self::default() }
    }

    /// Takes in a session that came from `remote` and does nothing yet.
    pub fn enter(&self, kind: SessionKind, remote: Pii<SocketAddr>) -> SessionEntry {
        self.sessions.enter(Session::new(kind, remote, Arc::clone(&self.counters), self.watcher.clone()))
    }

    /// Takes in an HLS muxer.
    pub fn enter_muxer(&self, path: StreamPath) -> Entry<HlsMuxer> {
        self.muxers.enter(HlsMuxer::new(path))
    }

    /// The live sessions in order of their start.
    pub fn snapshot(&self) -> Vec<Arc<Session>> {
        self.sessions.snapshot()
    }

    /// The live HLS muxers in order of their start.
    pub fn muxers(&self) -> Vec<Arc<HlsMuxer>> {
        self.muxers.snapshot()
    }

    /// The counters since the start.
    pub fn counters(&self) -> &SessionCounters {
        &self.counters
    }

    /// Runs a session, or a step of it. A panic ends that session alone (`None`), frees what it held, and is counted.
    pub(crate) async fn contain<T>(&self, protocol: Protocol, session: impl Future<Output = T>) -> Option<T> {
        let result = AssertUnwindSafe(session).catch_unwind().await.ok();
        if result.is_none() {
            count(&self.counters().panics, 1);
            tracing::error!(%protocol, "a session panicked and was ended");
        }
        result
    }

    /// Counts that the hub let somebody not in, and tells of a limit.
    pub(crate) fn turned_away(&self, error: HubError) {
        let counters = self.counters();
        match error {
            HubError::Denied(Denied::Busy) | HubError::TooManyStreams(_) | HubError::TooManyReaders(_) => {
                count(&counters.refused, 1);
                tracing::warn!(%error, "a limit is reached; refused one");
            }
            HubError::Denied(_) => count(&counters.denied, 1),
            _ => {}
        }
    }
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hub::Action;
    use tokio::time::timeout;

    use super::*;

    fn remote() -> Pii<SocketAddr> {
        Pii(([203, 0, 113, 9], 50_000).into())
    }

    fn activity(action: Action) -> Activity {
        Activity {
            action,
            path: StreamPath::new("ward/3").unwrap(),
            query: Pii("room=3".to_owned()),
            user: Some(Pii("lihua".to_owned())),
        }
    }

    #[test]
    fn a_session_is_listed_until_its_entry_is_dropped() {
        let sessions = Sessions::default();
        let first = sessions.enter(SessionKind::Rtmp, remote());
        let second = sessions.enter(SessionKind::WebRtc, remote());
        let listed = || sessions.snapshot().iter().map(|session| session.id).collect::<Vec<_>>();
        assert_eq!(listed(), [first.id, second.id], "in order of their start");
        assert_eq!((first.action(), first.path()), (None, None));
        first.begin(activity(Action::Publish));
        assert_eq!(first.action(), Some(Action::Publish));
        first.idle();
        assert_eq!(first.action(), None);
        let second_id = second.id;
        drop(first);
        assert_eq!(listed(), [second_id]);
    }

    #[tokio::test]
    async fn a_kick_wakes_who_waits_and_is_seen_by_who_comes_later() {
        let sessions = Sessions::default();
        let entry = Arc::new(sessions.enter(SessionKind::Rtmp, remote()));
        timeout(Duration::from_millis(10), entry.kicked()).await.expect_err("nobody kicked it");
        let waiting = tokio::spawn({
            let entry = Arc::clone(&entry);
            async move { entry.kicked().await }
        });
        tokio::task::yield_now().await;
        sessions.snapshot()[0].kick();
        timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        timeout(Duration::from_secs(5), entry.kicked()).await.unwrap();
    }

    #[test]
    fn nothing_that_identifies_a_person_shows_in_debug_output() {
        let sessions = Sessions::default();
        let entry = sessions.enter(SessionKind::Rtmp, remote());
        entry.begin(activity(Action::Read));
        entry.update(|details| details.user_agent = Some(Pii("Phone of lihua".to_owned())));
        let shown = format!("{entry:?}");
        for secret in ["203.0.113", "50000", "lihua", "room=3"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    #[derive(Debug, Default)]
    struct Notes(parking_lot::Mutex<Vec<String>>);

    impl SessionWatcher for Notes {
        fn came(&self, session: &Session) {
            self.0.lock().push(format!("came {:?}", session.kind));
        }

        fn began(&self, _: &Session, activity: &Activity) {
            self.0.lock().push(format!("began {} {}", activity.action, activity.path));
        }

        fn ended(&self, _: &Session, activity: &Activity) {
            self.0.lock().push(format!("ended {} {}", activity.action, activity.path));
        }

        fn left(&self, session: &Session) {
            self.0.lock().push(format!("left {:?}", session.kind));
        }
    }

    #[test]
    fn a_watcher_is_told_in_pairs_whatever_becomes_of_a_session() {
        let notes = Arc::new(Notes::default());
        let sessions = Sessions::watched(Arc::clone(&notes) as _);
        let told = || std::mem::take(&mut *notes.0.lock());
        let entry = sessions.enter(SessionKind::Rtmp, remote());
        entry.begin(activity(Action::Publish));
        entry.begin(activity(Action::Read));
        entry.idle();
        entry.idle();
        entry.begin(activity(Action::Read));
        assert_eq!(
            told(),
            [
                "came Rtmp",
                "began publish ward/3",
                "ended publish ward/3",
                "began read ward/3",
                "ended read ward/3",
                "began read ward/3"
            ]
        );
        drop(entry);
        assert_eq!(told(), ["ended read ward/3", "left Rtmp"]);
    }

    #[test]
    fn a_muxer_knows_when_it_was_last_asked() {
        let sessions = Sessions::default();
        let muxer = sessions.enter_muxer(StreamPath::new("ward").unwrap());
        let age = muxer.last_request().duration_since(muxer.created).unwrap_or_default();
        assert!(age < Duration::from_secs(1), "{age:?}");
        assert_eq!(sessions.muxers().len(), 1);
        drop(muxer);
        assert!(sessions.muxers().is_empty());
    }
}
