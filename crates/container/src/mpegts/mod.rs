//! MPEG transport streams (ISO/IEC 13818-1, also ITU-T H.222.0): the segments of HLS for players without fMP4.
//!
//! | from | to | type |
//! |---|---|---|
//! | tracks and frames | packets of 188 bytes | [`Muxer`] |
//! | packets | tracks and frames | [`Demuxer`] |
//!
//! One program; H.264 as byte stream with access unit delimiters and the parameter sets in front of every random access
//! point, AAC as ADTS, one access unit in each PES packet.

mod clock;
mod demuxer;
mod muxer;
mod packet;
mod pes;
mod psi;

use media::aac::adts::AdtsError;
use media::h264::avcc::AvccError;
use media::{Codec, TrackId};

pub use demuxer::{Demuxer, Event, Losses, MAX_PES, MAX_STREAMS};
pub use muxer::Muxer;
pub use packet::PACKET_LEN;

/// What cannot be put into a transport stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TsError {
    /// No track, or more than [`MAX_STREAMS`].
    #[error("{0} tracks in one transport stream; 1 to 8 are accepted")]
    Tracks(usize),
    /// Opus has no place that players know, and H.264 needs its parameter sets.
    #[error("a transport stream cannot carry the {0} track as it is; it carries H.264 and AAC")]
    NotCarried(Codec),
    /// A frame of a track that the muxer was not made for, or whose codec has changed.
    #[error("track {} is not in this transport stream", .0.0)]
    UnknownTrack(TrackId),
    /// The AAC configuration or a frame of it has no ADTS header.
    #[error("the AAC track cannot be carried: {0}")]
    Adts(#[from] AdtsError),
    /// The lengths in an H.264 frame do not fit it.
    #[error("the H.264 frame is broken: {0}")]
    Avc(#[from] AvccError),
}

#[cfg(test)]
mod tests;
