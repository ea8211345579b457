//! HLS (RFC 8216, draft-pantos-hls-rfc8216bis-16, here "HLS2"): frames in, playlists and the bytes of segments and
//! parts out. No sockets and no clock: the caller says when a frame arrived.
//!
//! ```text
//! Muxer::push(frame) -> one lane per track: VideoLane, AudioLane (fMP4), or one for all: TsLane
//!                         -> Window: the last segments, their parts and init sections
//! Muxer::playlist(), Muxer::resource() <- FileName::parse(the last part of a URL)
//! ```
//!
//! A [`Muxer`] is one writer of one stream in one [`Variant`]. What its playlists state never changes while it lives:
//! the target duration, the part target and the hold-backs are decided from the first frames and kept by construction
//! (`docs/adr/0007-hls-parts.md`):
//!
//! * Parts of video lie on a grid of exactly the part target, counted from the start of their segment. Frames come when
//!   they come; a frame is in the part in whose span it is decoded. So every part is as long as the target but the last
//!   of its segment, whatever the frames' distances are.
//! * Parts of audio hold a fixed number of frames.
//! * A segment ends at a random access point, or else before it would outgrow the target duration.
#![forbid(unsafe_code)]

mod audio;
mod bandwidth;
mod fragments;
mod muxer;
mod name;
mod options;
mod playlist;
mod targets;
mod ts;
mod video;
mod wallclock;
mod window;

#[cfg(test)]
mod tests;

pub use muxer::{Missing, Muxer, PushError, Pushed, Resource};
pub use name::{File, FileName, Rendition};
pub use options::{Cadence, Options, Variant};
pub use playlist::{Directives, DirectivesError, Skip};
