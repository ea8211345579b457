//! Publishers and readers that measure, against the real binary over real sockets.
//!
//! | module | what it gives |
//! |---|---|
//! | [`pictures`], [`sounds`] | synthetic media: every picture carries its number and the time when it was made |
//! | [`feed`] | both in real time, as an encoder would give them |
//! | [`rtmp`], [`rtsp`], [`rtc`], [`flv`] | who publishes and reads them, light enough for hundreds of readers in one thread |
//! | [`hls`] | an HLS player that measures, and a checker of playlists |
//! | [`server`] | the server under test, and nginx beside it, each pinned to a core of its own |
//! | [`process`] | what a process costs |
//! | [`stats`] | percentiles and medians |
//!
//! Publishers and readers of a measurement live in one process, so that one monotonic clock serves both ends.
#![forbid(unsafe_code)]

pub mod feed;
pub mod flv;
pub mod hls;
pub mod http;
pub mod onset;
pub mod pictures;
pub mod process;
pub mod rtc;
pub mod rtmp;
pub mod rtsp;
pub mod server;
pub mod sounds;
pub mod stamp;
pub mod stats;
