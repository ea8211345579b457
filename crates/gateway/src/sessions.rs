//! Which sessions there are: for metrics, and later for lists and kicks.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use hub::{Action, Denied, HubError, Protocol};
use media::StreamPath;
use parking_lot::Mutex;

/// Figures of one session, counted where they arise.
#[derive(Debug)]
pub struct SessionStats {
    /// By which protocol.
    pub protocol: Protocol,
    /// Publisher or reader.
    pub action: Action,
    /// Of which stream.
    pub path: StreamPath,
    /// Since when.
    pub since: Instant,
    /// Bytes that came over its connection.
    pub bytes_in: AtomicU64,
    /// Bytes that went out over its connection.
    pub bytes_out: AtomicU64,
    /// Frames that it was too slow to take.
    pub frames_dropped: AtomicU64,
}

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
pub struct Sessions(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    next: AtomicU64,
    live: Mutex<BTreeMap<u64, Arc<SessionStats>>>,
    counters: SessionCounters,
}

/// A session's entry; dropping it removes the session.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    sessions: Sessions,
    id: u64,
    stats: Arc<SessionStats>,
}

impl Sessions {
    /// The live sessions in order of their start.
    pub fn snapshot(&self) -> Vec<Arc<SessionStats>> {
        self.0.live.lock().values().map(Arc::clone).collect()
    }

    /// The counters since the start.
    pub fn counters(&self) -> &SessionCounters {
        &self.0.counters
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

    pub(crate) fn enter(&self, protocol: Protocol, action: Action, path: StreamPath) -> SessionEntry {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let zero = || AtomicU64::new(0);
        let stats = Arc::new(SessionStats {
            protocol,
            action,
            path,
            since: Instant::now(),
            bytes_in: zero(),
            bytes_out: zero(),
            frames_dropped: zero(),
        });
        self.0.live.lock().insert(id, Arc::clone(&stats));
        SessionEntry { sessions: self.clone(), id, stats }
    }
}

impl SessionEntry {
    /// What is counted over all sessions.
    pub(crate) fn counters(&self) -> &SessionCounters {
        self.sessions.counters()
    }
}

impl std::ops::Deref for SessionEntry {
    type Target = SessionStats;

    fn deref(&self) -> &SessionStats {
        &self.stats
    }
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        self.sessions.0.live.lock().remove(&self.id);
    }
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
