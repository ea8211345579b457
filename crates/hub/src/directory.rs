//! The hub: which streams there are, and how to get in.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use media::StreamPath;
use parking_lot::Mutex;

use crate::access::{AccessRequest, Authorizer, Denied, UserName};
use crate::publisher::Publisher;
use crate::rendition::TransformFactory;
use crate::stream::{EndReason, OnEnd, Stream, StreamSnapshot, Totals, TotalsSnapshot};
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
    streams: Mutex<Streams>,
    totals: Arc<Totals>,
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
    /// A hub without streams.
    pub fn new(
        options: Options,
        transforms: Arc<dyn TransformFactory>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        let streams = Mutex::new(Streams::default());
        Self { shared: Arc::new(Shared { options, transforms, authorizer, streams, totals: Arc::default() }) }
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
        self.shared.streams.lock().has_room_for(&path, self.shared.options.max_streams)?;
        Ok(PublishPermit { hub: self.clone(), path, user })
    }

    /// Admits a reader.
    ///
    /// # Errors
    /// [`HubError`]; nothing has changed then.
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription, HubError> {
        let user = self.shared.authorizer.authorize(&request.access).await?;
        let stream = {
            let streams = self.shared.streams.lock();
            if streams.closing {
                return Err(HubError::Closing);
            }
            streams.by_path.get(&request.access.path).map(Arc::clone).ok_or(HubError::NotFound)?
        };
        Subscription::join(stream, Arc::clone(&self.shared.transforms), user, request.wants, request.join)
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
    }

    fn forget(&self, stream: &Arc<Stream>) {
        self.shared.streams.lock().forget(stream.path(), stream);
    }

    fn stream_to_feed(&self, path: &StreamPath) -> Result<Arc<Stream>, HubError> {
        let mut streams = self.shared.streams.lock();
        streams.has_room_for(path, self.shared.options.max_streams)?;
        if let Some(stream) = streams.by_path.get(path) {
            return Ok(Arc::clone(stream));
        }
        let on_end = Box::new(Leave(Arc::downgrade(&self.shared)));
        let stream =
            Arc::new(Stream::new(path.clone(), self.shared.options, Arc::clone(&self.shared.totals), on_end));
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

    /// Becomes the path's publisher; the one that it has is evicted.
    ///
    /// # Errors
    /// [`HubError`]; nothing has changed then.
    pub fn admit(&self) -> Result<Publisher, HubError> {
        loop {
            let stream = self.hub.stream_to_feed(&self.path)?;
            // A stream that ended meanwhile has left the directory, or is about to.
            if let Some((generation, evicted)) = stream.admit() {
                return Ok(Publisher::new(stream, generation, evicted));
            }
            self.hub.forget(&stream);
        }
    }
}

/// Takes an ended stream out of the directory.
#[derive(Debug)]
struct Leave(Weak<Shared>);

impl OnEnd for Leave {
    fn ended(&self, path: &StreamPath, stream: &Stream) {
        if let Some(shared) = self.0.upgrade() {
            shared.streams.lock().forget(path, stream);
        }
    }
}
