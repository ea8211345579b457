//! The hub: which streams there are, and how to get in.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use media::StreamPath;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use crate::access::{AccessRequest, Authorizer, Denied, UserName};
use crate::paths::{AllAlike, PathPolicy, Paths};
use crate::publisher::Publisher;
use crate::rendition::TransformFactory;
use crate::stream::{Admission, EndReason, Stream, StreamSnapshot, Totals, TotalsSnapshot, Watcher};
use crate::subscription::{Join, Subscription, Wants};

/// The hub's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The longest GOP that is kept for readers who join.
    pub gop_cache: Duration,
    /// How far a reader may fall behind before frames are dropped for it.
    pub queue: Duration,
    /// Payload bytes that a stream keeps, whatever the two spans above.
    pub log_bytes: usize,
    /// How long a stream waits for its publisher to come back.
    pub grace: Duration,
    /// Publishers that can be asked (WebRTC) are asked for a random access point when the newest is older than this.
    pub keyframe_interval: Duration,
    /// The least time between two keyframe requests to one publisher.
    pub keyframe_throttle: Duration,
    /// Streams at a time.
    pub max_streams: usize,
    /// Readers of one stream at a time.
    pub max_readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gop_cache: Duration::from_secs(6),
            queue: Duration::from_secs(2),
            log_bytes: 32 << 20,
            grace: Duration::from_secs(10),
            keyframe_interval: Duration::from_secs(2),
            keyframe_throttle: Duration::from_millis(500),
            max_streams: 1_000,
            max_readers: 5_000,
        }
    }
}

/// Asks to feed a stream.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// Who asks, for what; its action is [`crate::Action::Publish`].
    pub access: AccessRequest,
}

/// Asks to take a stream.
#[derive(Clone, Debug)]
pub struct SubscribeRequest {
    /// Who asks, for what; its action is [`crate::Action::Read`].
    pub access: AccessRequest,
    /// The codecs that the reader can play.
    pub wants: Wants,
    /// Where in the stream to begin.
    pub join: Join,
}

/// Why nobody was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The authorizer said no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Nobody feeds this path.
    #[error("nobody publishes to this path")]
    NotFound,
    /// [`Options::max_streams`] is reached.
    #[error("the server carries as many streams as it may ({0})")]
    TooManyStreams(usize),
    /// [`Options::max_readers`] is reached.
    #[error("the stream has as many readers as it may ({0})")]
    TooManyReaders(usize),
    /// Somebody publishes to the path, and who comes second is refused ([`PathPolicy::override_publisher`]).
    #[error("somebody else publishes to this path")]
    Taken,
    /// Nobody but this process may publish to the path ([`PathPolicy::fed_here`]).
    #[error("the server takes this path from a source of its own")]
    FedHere,
    /// The server is closing.
    #[error("the server is closing")]
    Closing,
}

/// All live streams of this process. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    transforms: Arc<dyn TransformFactory>,
    authorizer: Arc<dyn Authorizer>,
    paths: Arc<dyn Paths>,
    streams: Mutex<Streams>,
    totals: Arc<Totals>,
    /// Told when a stream can be read, or none can any more; who waits for one looks again.
    appeared: Notify,
    /// Places for readers who wait for a stream that has been sent for.
    waiting: Semaphore,
}

#[derive(Debug, Default)]
struct Streams {
    by_path: HashMap<StreamPath, Arc<Stream>>,
    closing: bool,
}

impl Streams {
    /// Whether a publisher may come to `path` when there may be `most` streams.
    fn has_room_for(&self, path: &StreamPath, most: usize) -> Result<(), HubError> {
        if self.closing {
            return Err(HubError::Closing);
        }
        if !self.by_path.contains_key(path) && self.by_path.len() >= most {
            return Err(HubError::TooManyStreams(most));
        }
        Ok(())
    }

    fn forget(&mut self, path: &StreamPath, stream: &Stream) {
        let known = self.by_path.get(path);
        if known.is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), stream)) {
            self.by_path.remove(path);
        }
    }
}

impl Hub {
    /// A hub without streams, in which all paths are alike.
    pub fn new(
        options: Options,
        transforms: Arc<dyn TransformFactory>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        Self::with_paths(options, transforms, authorizer, Arc::new(AllAlike))
    }

    /// A hub without streams, in which `paths` knows what is special about some.
    pub fn with_paths(
        options: Options,
        transforms: Arc<dyn TransformFactory>,
        authorizer: Arc<dyn Authorizer>,
        paths: Arc<dyn Paths>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                transforms,
                authorizer,
                paths,
                streams: Mutex::default(),
                totals: Arc::default(),
                appeared: Notify::new(),
                waiting: Semaphore::new(options.max_readers.min(Semaphore::MAX_PERMITS)),
            }),
        }
    }

    /// Admits a publisher: [`Self::permit`] and [`PublishPermit::admit`] in one.
    ///
    /// # Errors
    /// [`HubError`]; nothing has changed then.
    pub async fn publish(&self, request: PublishRequest) -> Result<Publisher, HubError> {
        self.permit(request).await?.admit()
    }

    /// Asks whether somebody may publish, and changes nothing yet: a WHIP session that never connects must not evict
    /// the publisher that the path has.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn permit(&self, request: PublishRequest) -> Result<PublishPermit, HubError> {
        let user = self.shared.authorizer.authorize(&request.access).await?;
        let path = request.access.path;
        let policy = self.shared.paths.policy(&path);
        if policy.fed_here {
            return Err(HubError::FedHere);
        }
        self.shared.streams.lock().has_room_for(&path, self.shared.options.max_streams)?;
        if !policy.override_publisher && self.find(&path)?.is_some_and(|stream| stream.is_published()) {
            return Err(HubError::Taken);
        }
        Ok(PublishPermit { hub: self.clone(), path, user, policy })
    }

    /// Becomes the publisher of a path for this process itself: a part of it takes the stream from somewhere else.
    /// Nobody is asked.
    ///
    /// # Errors
    /// [`HubError::TooManyStreams`], [`HubError::Closing`].
    pub fn feed(&self, path: &StreamPath) -> Result<Publisher, HubError> {
        let policy = PathPolicy { override_publisher: true, ..self.shared.paths.policy(path) };
        PublishPermit { hub: self.clone(), path: path.clone(), user: None, policy }.admit()
    }

    /// Admits a reader: [`Self::permit_read`] and [`ReadPermit::admit`] in one.
    ///
    /// # Errors
    /// [`HubError`]; nothing has changed then.
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription, HubError> {
        let SubscribeRequest { access, wants, join } = request;
        self.permit_read(access).await?.admit(wants, join).await
    }

    /// Asks whether somebody may read, and takes nothing yet: many who watch by HLS share one subscription.
    ///
    /// # Errors
    /// [`HubError::Denied`]; whether there is a stream is told by [`ReadPermit::admit`].
    pub async fn permit_read(&self, access: AccessRequest) -> Result<ReadPermit, HubError> {
        let user = self.shared.authorizer.authorize(&access).await?;
        Ok(ReadPermit { hub: self.clone(), path: access.path.clone(), access: Some(access), user })
    }

    /// The permit of a part of this process that asks whoever it passes the stream on to.
    pub fn permit_own_read(&self, path: StreamPath) -> ReadPermit {
        ReadPermit { hub: self.clone(), path, access: None, user: None }
    }

    fn find(&self, path: &StreamPath) -> Result<Option<Arc<Stream>>, HubError> {
        let streams = self.shared.streams.lock();
        if streams.closing {
            return Err(HubError::Closing);
        }
        Ok(streams.by_path.get(path).map(Arc::clone))
    }

    /// Sends for a stream and waits until it can be read.
    async fn wait_for(&self, access: &AccessRequest) -> Result<Arc<Stream>, HubError> {
        let shared = &self.shared;
        let patience = shared.paths.wanted(access).ok_or(HubError::NotFound)?;
        let most = shared.options.max_readers;
        let _place = shared.waiting.try_acquire().map_err(|_| HubError::TooManyReaders(most))?;
        let appears = async {
            loop {
                let mut appeared = std::pin::pin!(shared.appeared.notified());
                // Before looking, or what appears between the two would wake nobody.
                appeared.as_mut().enable();
                match self.find(&access.path)? {
                    Some(stream) if stream.is_available() => return Ok(stream),
                    _ => appeared.await,
                }
            }
        };
        tokio::time::timeout(patience, appears).await.unwrap_or(Err(HubError::NotFound))
    }

    /// How many readers the stream of `path` has now.
    pub fn readers(&self, path: &StreamPath) -> usize {
        self.shared.streams.lock().by_path.get(path).map_or(0, |stream| stream.readers())
    }

    /// Whether who asks this may be asked for a [`crate::Proof`].
    pub fn takes_proof(&self, access: &AccessRequest) -> bool {
        self.shared.authorizer.takes_proof(access)
    }

    /// Whether a stream is there. For names that mean another stream when nobody publishes under them; who may know is
    /// asked when the stream is taken.
    pub fn has(&self, path: &StreamPath) -> bool {
        self.shared.streams.lock().by_path.contains_key(path)
    }

    /// What there is now, in order of the paths.
    pub fn snapshot(&self) -> Vec<StreamSnapshot> {
        let streams: Vec<_> = self.shared.streams.lock().by_path.values().map(Arc::clone).collect();
        let mut snapshots: Vec<_> = streams.iter().map(|stream| stream.snapshot()).collect();
        snapshots.sort_by(|a, b| a.path.cmp(&b.path));
        snapshots
    }

    /// What has been counted over all streams that ever were.
    pub fn totals(&self) -> TotalsSnapshot {
        self.shared.totals.read()
    }

    /// Ends every stream and admits nobody any more. Readers are told [`EndReason::ServerClosing`].
    pub fn close(&self) {
        let streams: Vec<_> = {
            let mut streams = self.shared.streams.lock();
            streams.closing = true;
            streams.by_path.values().map(Arc::clone).collect()
        };
        for stream in streams {
            stream.end(EndReason::ServerClosing);
        }
        self.shared.appeared.notify_waiters();
    }

    fn forget(&self, stream: &Arc<Stream>) {
        self.shared.streams.lock().forget(stream.path(), stream);
    }

    fn stream_to_feed(&self, path: &StreamPath, policy: PathPolicy) -> Result<Arc<Stream>, HubError> {
        let mut streams = self.shared.streams.lock();
        streams.has_room_for(path, self.shared.options.max_streams)?;
        if let Some(stream) = streams.by_path.get(path) {
            return Ok(Arc::clone(stream));
        }
        let most = self.shared.options.max_readers;
        let options = Options {
            max_readers: policy.max_readers.map_or(most, |own| own.min(most)),
            ..self.shared.options
        };
        let watcher = Box::new(Watch(Arc::downgrade(&self.shared)));
        let stream = Arc::new(Stream::new(path.clone(), options, Arc::clone(&self.shared.totals), watcher));
        streams.by_path.insert(path.clone(), Arc::clone(&stream));
        Ok(stream)
    }
}

/// The right to become the publisher of a path.
#[derive(Debug)]
pub struct PublishPermit {
    hub: Hub,
    path: StreamPath,
    user: Option<UserName>,
    policy: PathPolicy,
}

impl PublishPermit {
    /// The path that it is for.
    pub const fn path(&self) -> &StreamPath {
        &self.path
    }

    /// As whom the authorizer knows the publisher, if it asked for credentials.
    pub const fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// Becomes the path's publisher; the one that it has is evicted, unless the path is one where who comes second is
    /// refused.
    ///
    /// # Errors
    /// [`HubError`]; nothing has changed then.
    pub fn admit(&self) -> Result<Publisher, HubError> {
        loop {
            let stream = self.hub.stream_to_feed(&self.path, self.policy)?;
            match stream.admit(self.policy.override_publisher) {
                Admission::Granted(generation, evicted) => {
                    return Ok(Publisher::new(stream, generation, evicted));
                }
                Admission::Taken => return Err(HubError::Taken),
                // It has left the directory, or is about to.
                Admission::Ended => self.hub.forget(&stream),
            }
        }
    }
}

/// The right to become a reader of a path.
#[derive(Clone, Debug)]
pub struct ReadPermit {
    hub: Hub,
    path: StreamPath,
    /// `None`: this process itself, which sends for no stream.
    access: Option<AccessRequest>,
    user: Option<UserName>,
}

impl ReadPermit {
    /// The path that it is for.
    pub const fn path(&self) -> &StreamPath {
        &self.path
    }

    /// As whom the authorizer knows the reader, if it asked for credentials.
    pub const fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// Takes the stream. If it is not there and can be sent for ([`Paths::wanted`]), waits for it.
    ///
    /// # Errors
    /// [`HubError`]; nothing has changed then.
    pub async fn admit(&self, wants: Wants, join: Join) -> Result<Subscription, HubError> {
        let stream = match (self.hub.find(&self.path)?, &self.access) {
            (Some(stream), _) => stream,
            (None, Some(access)) => self.hub.wait_for(access).await?,
            (None, None) => return Err(HubError::NotFound),
        };
        let transforms = Arc::clone(&self.hub.shared.transforms);
        Subscription::join(stream, transforms, self.user.clone(), wants, join)
    }
}

/// Tells what becomes of a stream, and takes it out of the directory when it has ended.
#[derive(Debug)]
struct Watch(Weak<Shared>);

impl Watcher for Watch {
    fn available(&self, path: &StreamPath) {
        if let Some(shared) = self.0.upgrade() {
            shared.paths.available(path);
            shared.appeared.notify_waiters();
        }
    }

    fn unavailable(&self, path: &StreamPath) {
        if let Some(shared) = self.0.upgrade() {
            shared.paths.unavailable(path);
        }
    }

    fn abandoned(&self, path: &StreamPath) {
        if let Some(shared) = self.0.upgrade() {
            shared.paths.abandoned(path);
        }
    }

    fn ended(&self, path: &StreamPath, stream: &Stream) {
        if let Some(shared) = self.0.upgrade() {
            shared.streams.lock().forget(path, stream);
        }
    }
}
