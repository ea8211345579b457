//! HLS: `/{path}/index.m3u8` and what its playlists name, for players of every kind.
//!
//! One muxer for each path and variant is a single reader of the hub (`egress`), there only while somebody asks for its
//! files; who watches is a `viewer` with a session of their own.

mod egress;
mod file;
mod muxer;
mod routes;
mod viewer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::hls::Variant;
use axum::http::StatusCode;
use hub::{Action, Hub, HubError, Protocol, ReadPermit};
use media::StreamPath;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::refusal::Refusal;
use crate::request::{Caller, Origins};
use crate::sessions::{SessionKind, Sessions, count};
use muxer::Muxer;
use viewer::{Viewer, Viewers};

pub use routes::{compression, layer};

/// How often idle viewers are looked for, and streams that are to be muxed always.
const TICK: Duration = Duration::from_secs(1);
/// Requests that wait for news, over all viewers: each costs a task and a connection.
const MOST_WAITING: usize = 10_000;

/// What HLS is set up with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Lengths and bounds, and the variant of who asks for none.
    pub muxer: ::hls::Options,
    /// A muxer that nobody has asked for anything for so long ends, and so does a viewer's session.
    pub close_after: Duration,
    /// Whether every stream has a muxer all the time.
    pub always_remux: bool,
    /// Viewers at a time.
    pub max_viewers: usize,
    /// Origins whose pages may play it.
    pub allow_origins: Origins,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            muxer: ::hls::Options::default(),
            close_after: Duration::from_secs(60),
            always_remux: false,
            max_viewers: 5_000,
            allow_origins: Origins::default(),
        }
    }
}

/// The HLS gateway.
#[derive(Debug)]
pub struct Hls {
    hub: Hub,
    sessions: Sessions,
    options: Options,
    muxers: Mutex<HashMap<(StreamPath, Variant), Arc<Muxer>>>,
    viewers: Viewers,
    waiting: Semaphore,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Hls {
    /// A gateway without muxers.
    pub fn new(hub: Hub, sessions: Sessions, options: Options, shutdown: CancellationToken) -> Arc<Self> {
        let viewers = Viewers::new(options.max_viewers, options.close_after);
        Arc::new(Self {
            hub,
            sessions,
            options,
            muxers: Mutex::default(),
            viewers,
            waiting: Semaphore::new(MOST_WAITING),
            tasks: TaskTracker::new(),
            shutdown,
        })
    }

    /// Ends the sessions of viewers who left, and begins what is to be there always, until shutdown; then waits until
    /// every muxer has ended.
    pub async fn run(self: Arc<Self>) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                _ = tick.tick() => {}
            }
            self.viewers.forget_the_idle();
            if self.options.always_remux {
                self.remux_all().await;
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn remux_all(self: &Arc<Self>) {
        for stream in self.hub.snapshot().into_iter().filter(|stream| stream.published_since.is_some()) {
            let permit = self.hub.permit_own_read(stream.path);
            if let Err(error) = self.muxer(&permit, self.options.muxer.variant).await {
                tracing::debug!(path = %permit.path(), %error, "HLS: no muxer");
            }
        }
    }

    /// Asks whether somebody may watch.
    async fn authorize(&self, caller: &Caller, path: &StreamPath) -> Result<ReadPermit, Refusal> {
        let access = caller.access(Action::Read, path.clone(), Protocol::Hls);
        self.hub.permit_read(access).await.map_err(|error| self.turned_away(error))
    }

    /// Begins the session of somebody who may watch.
    fn enter(&self, caller: Caller, permit: &ReadPermit) -> Result<Arc<Viewer>, Refusal> {
        let (path, user) = (permit.path(), permit.user().cloned());
        let viewer = self.viewers.admit(path, || {
            caller.enter(&self.sessions, SessionKind::Hls, (Action::Read, path.clone()), user)
        });
        let Some(viewer) = viewer else {
            count(&self.sessions.counters().refused, 1);
            tracing::warn!(limit = self.options.max_viewers, "HLS: too many viewers; refused one");
            let detail = "the server has as many viewers as it may";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        };
        tracing::info!(%path, session = %viewer.entry.id, "HLS: session started");
        Ok(viewer)
    }

    fn turned_away(&self, error: HubError) -> Refusal {
        self.sessions.turned_away(error);
        error.into()
    }

    /// The muxer of a stream, begun if there is none.
    async fn muxer(self: &Arc<Self>, permit: &ReadPermit, variant: Variant) -> Result<Arc<Muxer>, HubError> {
        let key = (permit.path().clone(), variant);
        if let Some(muxer) = self.muxers.lock().get(&key).filter(|muxer| !muxer.is_over()) {
            muxer.requested();
            return Ok(Arc::clone(muxer));
        }
        let subscription = permit.admit(egress::wants(), egress::JOIN).await?;
        let mut muxers = self.muxers.lock();
        // Somebody else may have been quicker while this one waited for the stream.
        if let Some(muxer) = muxers.get(&key).filter(|muxer| !muxer.is_over()) {
            muxer.requested();
            return Ok(Arc::clone(muxer));
        }
        let entry = self.sessions.enter_muxer(key.0.clone());
        let muxer = Arc::new(Muxer::new(entry));
        muxers.insert(key.clone(), Arc::clone(&muxer));
        drop(muxers);
        let options = ::hls::Options { variant, ..self.options.muxer };
        let (gateway, task) = (Arc::clone(self), Arc::clone(&muxer));
        self.tasks.spawn(async move {
            let run = egress::run(&task, subscription, options, || gateway.closes(&key, &task));
            tokio::select! {
                _ = gateway.sessions.contain(Protocol::Hls, run) => {}
                () = gateway.shutdown.cancelled() => {}
            }
            task.finish();
            gateway.forget(&key, &task);
        });
        Ok(muxer)
    }

    /// The muxer that has the files of `instance`.
    fn muxer_of(&self, path: &StreamPath, instance: &str) -> Option<Arc<Muxer>> {
        let muxers = self.muxers.lock();
        let variants = [Variant::LowLatency, Variant::Fmp4, Variant::MpegTs];
        let mut known = variants.iter().filter_map(|&variant| muxers.get(&(path.clone(), variant)));
        let found = known.find(|muxer| muxer.is_instance(instance)).map(Arc::clone);
        if let Some(muxer) = &found {
            muxer.requested();
        }
        found
    }

    /// Whether a muxer is to end because nobody asks for it; if so, nobody can any more.
    fn closes(&self, key: &(StreamPath, Variant), muxer: &Arc<Muxer>) -> bool {
        let always = self.options.always_remux && key.1 == self.options.muxer.variant;
        if (always && !muxer.is_over()) || muxer.idle() < self.options.close_after {
            return false;
        }
        let mut muxers = self.muxers.lock();
        // Nobody takes it from the map while it is locked: the answer stays true.
        let idle = muxer.idle() >= self.options.close_after;
        if idle && muxers.get(key).is_some_and(|known| Arc::ptr_eq(known, muxer)) {
            muxers.remove(key);
        }
        idle
    }

    fn forget(&self, key: &(StreamPath, Variant), muxer: &Arc<Muxer>) {
        let mut muxers = self.muxers.lock();
        if muxers.get(key).is_some_and(|known| Arc::ptr_eq(known, muxer)) {
            muxers.remove(key);
        }
    }
}
