//! What is special about single paths, and who is told what becomes of their streams.

use std::fmt;
use std::time::Duration;

use media::StreamPath;

use crate::access::AccessRequest;

/// What holds for one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathPolicy {
    /// Readers at a time; `None`: [`crate::Options::max_readers`].
    pub max_readers: Option<usize>,
    /// Whether a publisher takes the path from the one that has it; else who comes second is refused.
    pub override_publisher: bool,
    /// Whether this process feeds the path itself ([`crate::Hub::feed`]); then nobody else may.
    pub fed_here: bool,
}

impl Default for PathPolicy {
    /// Of a path that nothing is special about.
    fn default() -> Self {
        Self { max_readers: None, override_publisher: true, fed_here: false }
    }
}

/// Knows what is special about single paths, and is told what becomes of their streams. `app` implements it over the
/// configuration.
///
/// All methods are called in the course of other work, some under a lock: they return at once and do not call the hub.
/// For one path [`Self::available`] and [`Self::unavailable`] come by turns.
pub trait Paths: Send + Sync + fmt::Debug {
    /// What holds for `path`.
    fn policy(&self, path: &StreamPath) -> PathPolicy {
        let _ = path;
        PathPolicy::default()
    }

    /// Somebody who may read asks for a stream that is not there. How long it is worth waiting for, if it can be sent
    /// for; it has been then. `None`: nobody knows where to get it.
    fn wanted(&self, request: &AccessRequest) -> Option<Duration> {
        let _ = request;
        None
    }

    /// The stream of `path` has its first track: it can be read.
    fn available(&self, path: &StreamPath) {
        let _ = path;
    }

    /// The stream of `path` has ended.
    fn unavailable(&self, path: &StreamPath) {
        let _ = path;
    }

    /// The last reader has left the stream of `path`. Another may have come meanwhile: [`crate::Hub::readers`] tells.
    fn abandoned(&self, path: &StreamPath) {
        let _ = path;
    }
}

/// Nothing is special about any path, and nobody is told anything.
#[derive(Debug)]
pub(crate) struct AllAlike;

impl Paths for AllAlike {}
