//! Fragmented MP4 (ISO/IEC 14496-12): the init section that sets up a player, the fragments that feed it, and a reader
//! of both. Sample entries by ISO/IEC 14496-15 (H.264), 14496-14 (AAC) and "Encapsulation of Opus in ISOBMFF".
//!
//! | from | to | function |
//! |---|---|---|
//! | tracks | `ftyp`, `moov` | [`init_segment`] |
//! | frames | `moof`, `mdat` | [`fragment`] |
//! | bytes of an init section | tracks | [`Init::parse`] |
//! | bytes of fragments | frames | [`Init::fragments`] |
//!
//! The boxes are written and read here and not by a library: docs/adr/0006.

mod boxes;
mod fragment;
mod init;
mod reader;

use media::Codec;
use media::aac::AscError;
use media::h264::avcc::AvccError;

use crate::FourCc;

pub use fragment::{Run, Sample, fragment};
pub use init::init_segment;
pub use reader::{Fragment, Init, MAX_SAMPLES, MAX_TRACKS, ReadRun, ReadSample, Track};

/// What is wrong with tracks or frames that were to be written, or with bytes that were read. Positions are bytes from
/// the beginning of what was given to the reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fmp4Error {
    /// An init section without tracks, or a fragment without samples.
    #[error("nothing to write: no track or no sample")]
    Empty,
    /// More than [`MAX_TRACKS`] tracks.
    #[error("{0} tracks in one file; at most 16 are accepted")]
    Tracks(usize),
    /// More than [`MAX_SAMPLES`] samples.
    #[error("more than 65536 samples at once")]
    Samples,
    /// The track cannot be described: H.264 without parameter sets.
    #[error("the {0} track cannot be described as it is")]
    NotCarried(Codec),
    /// The sizes of a fragment do not fit 32 bits.
    #[error("a fragment of more than 2 GiB")]
    TooLong,
    /// A picture is shown so long before or after its decoding that 32 bits cannot tell.
    #[error("composition offset {0} does not fit 32 bits")]
    Composition(i64),
    /// A box or a field reaches beyond what holds it.
    #[error("the data end in the box or field at byte {at}")]
    Truncated {
        /// Where it starts.
        at: usize,
    },
    /// A box that must be there is not.
    #[error("no '{0}' box")]
    Missing(FourCc),
    /// A sample entry of a codec that Medley does not carry.
    #[error("the codec {0} is not supported")]
    Codec(FourCc),
    /// A field with a value that the reader does not follow: another version, another way to address samples.
    #[error("the '{kind}' box at byte {at} has a form that is not supported")]
    Form {
        /// The box.
        kind: FourCc,
        /// Where its content starts.
        at: usize,
    },
    /// A sample lies outside of the media data.
    #[error("the sample of {len} bytes at byte {at} is outside of the media data")]
    Sample {
        /// Where it would start.
        at: usize,
        /// Bytes.
        len: u32,
    },
    /// A fragment of a track that the init section does not have.
    #[error("the init section has no track {0}")]
    UnknownTrack(u32),
    /// Of H.264: the decoder configuration.
    #[error("the H.264 configuration is broken: {0}")]
    Avc(#[from] AvccError),
    /// Of AAC: the AudioSpecificConfig.
    #[error("the AAC configuration is not usable: {0}")]
    Asc(#[from] AscError),
}

#[cfg(test)]
mod tests;
