//! FLV (Adobe Flash Video File Format Specification 10.1, Annex E) and its enhanced form (Veovera, Enhanced RTMP v1 and
//! v2): the bodies of RTMP's audio and video messages, the tags of a file and of HTTP-FLV.
//!
//! | from | to | module |
//! |---|---|---|
//! | bytes of a file or an HTTP body | tags | [`Reader`] |
//! | a tag's body | packet: configuration, frame, end | [`video`], [`audio`] |
//! | packets with timestamps | tracks and [`media::Frame`]s | [`Demuxer`] |
//! | tracks and frames | tag bodies | [`mux`] |
//! | tag bodies | bytes of a file | [`write_tag`], [`file_header`] |

pub mod audio;
mod demuxer;
mod file;
mod milliseconds;
pub mod mux;
mod tag;
pub mod video;

use media::aac::AscError;
use media::h264::avcc::AvccError;
use media::opus::HeadError;
use media::opus::packet::OpusError;

pub use crate::FourCc;
pub use demuxer::{AUDIO, Announced, Demuxer, Event, VIDEO, Warning};
pub use file::{FILE_HEADER_LEN, Reader, Tag, file_header, tag_header, tag_trailer, write_tag};
pub use milliseconds::timestamp_ms;
pub use mux::Format;
pub use tag::{ForeignCodec, TagKind};

/// What is wrong with FLV data. Positions are bytes from the beginning of the tag body or the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlvError {
    /// The body ends inside its header.
    #[error("the tag body ends in the field at byte {at}")]
    Truncated {
        /// Where the field starts.
        at: usize,
    },
    /// A codec that Medley does not carry.
    #[error("{0} is not supported; publish H.264 video with AAC, Opus or G.711 audio")]
    Codec(ForeignCodec),
    /// Several tracks in one message (Enhanced RTMP v2, `Multitrack`).
    #[error("multitrack messages are not supported; publish one video and one audio track")]
    Multitrack,
    /// A packet type that no specification defines for the codec.
    #[error("packet type {0} is unknown")]
    PacketType(u8),
    /// More extensions in front of a packet than any publisher has (Enhanced RTMP v2, `ModEx`).
    #[error("more than 8 packet modifiers")]
    Modifiers,
    /// Of H.264: the sequence header or the NAL units of a frame.
    #[error("the H.264 data are broken: {0}")]
    Avc(#[from] AvccError),
    /// Of AAC: the sequence header.
    #[error("the AAC sequence header is not usable: {0}")]
    Asc(#[from] AscError),
    /// Of Opus: the sequence header.
    #[error("the Opus sequence header is not usable: {0}")]
    OpusHead(#[from] HeadError),
    /// Of G.711: what the tag declares.
    #[error("the G.711 audio is not usable: {0}")]
    G711(#[from] media::g711::ConfigError),
    /// Of Opus: a frame.
    #[error("the Opus packet is broken: {0}")]
    Opus(#[from] OpusError),
    /// The file does not begin with an FLV header of version 1 (§E.2).
    #[error("not an FLV file of version 1")]
    NotFlv,
    /// An encrypted tag (§E.4.1, `Filter`).
    #[error("the tag at byte {at} is encrypted")]
    Encrypted {
        /// Where the tag starts in the file.
        at: u64,
    },
    /// A body that a 24-bit length cannot tell.
    #[error("a tag body of {0} bytes; 16777215 are the most")]
    TooLong(usize),
    /// The format cannot carry the track: Opus has no place in legacy FLV, G.711 is only read, or the parameter sets are not
    /// complete.
    #[error("the format cannot carry the {0} track as it is")]
    NotCarried(media::Codec),
}
