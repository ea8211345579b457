//! What the API reads.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use gateway::Sessions;
use hub::Hub;
use media::StreamPath;

/// What the API reads. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Context {
    /// The streams.
    pub hub: Hub,
    /// Who publishes and reads them.
    pub sessions: Sessions,
    /// What the configuration says of paths.
    pub paths: Arc<dyn ConfiguredPaths>,
    /// The process.
    pub info: Info,
}

/// The process, as `/v3/info` tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The version that runs.
    pub version: &'static str,
    /// Since when.
    pub started: SystemTime,
}

/// What the configuration says of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfiguredPath {
    /// The name of the entry that holds for it: the path itself or a pattern.
    pub entry: String,
    /// The kind of source that this process takes it from; `None`: whoever publishes it.
    pub source: Option<&'static str>,
}

/// Knows what the configuration says of paths. `app` implements it.
pub trait ConfiguredPaths: Send + Sync + fmt::Debug {
    /// What holds for `path`; `None` if there is no entry for it.
    fn find(&self, path: &StreamPath) -> Option<ConfiguredPath>;

    /// The paths that have an entry of their own. They are listed whether somebody feeds them or not.
    fn own(&self) -> Vec<StreamPath>;
}
