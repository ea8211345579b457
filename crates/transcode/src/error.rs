//! What can go wrong.

use media::Codec;

/// A transcoder that cannot be built or reconfigured.
///
/// Nothing that arrives *after* that is an error: a packet that does not decode is concealed and counted
/// ([`crate::Stats::corrupt`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a sound codec that this crate reads or writes.
    #[error("{0} is not a sound codec that can be transcoded")]
    Codec(Codec),
    /// An AAC object type other than LC (2), SBR (5) and PS (29), ISO/IEC 14496-3 Table 1.17.
    #[error("AAC object type {0} is not supported: only LC, HE-AAC and HE-AAC v2 are")]
    ObjectType(u8),
    /// A sampling rate outside the thirteen of ISO/IEC 14496-3 Table 1.18.
    #[error(
        "a sampling rate of {0} Hz is not supported: only the rates from 7,350 to 96,000 Hz that AAC names are"
    )]
    Rate(u32),
    /// More channels than a target can have.
    #[error("{0} channels are not supported: only 1 and 2 are")]
    Channels(u8),
    /// A target bit rate that no encoder takes.
    #[error("a bit rate of {0} bit/s is not supported: only 16,000 to 256,000 is")]
    Bitrate(u32),
    /// The codec library refused its configuration.
    #[error(transparent)]
    Library(#[from] CodecError),
}

/// A codec library's refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The library would not start or take a parameter.
    #[error("{library} cannot be set up: {reason}")]
    Setup {
        /// Which library.
        library: &'static str,
        /// The library's words or its error code.
        reason: String,
    },
    /// The bytes are not a packet of this codec.
    #[error("{library} cannot decode the packet: {reason}")]
    Corrupt {
        /// Which library.
        library: &'static str,
        /// The library's words or its error code.
        reason: String,
    },
    /// The encoder failed on valid samples.
    #[error("{library} cannot encode: {reason}")]
    Encode {
        /// Which library.
        library: &'static str,
        /// The library's words or its error code.
        reason: String,
    },
    /// The decoder has no concealment of its own.
    #[error("{library} does not conceal losses")]
    NoConcealment {
        /// Which library.
        library: &'static str,
    },
}

impl CodecError {
    pub(crate) fn setup(library: &'static str, reason: impl ToString) -> Self {
        Self::Setup { library, reason: reason.to_string() }
    }

    pub(crate) fn corrupt(library: &'static str, reason: impl ToString) -> Self {
        Self::Corrupt { library, reason: reason.to_string() }
    }

    pub(crate) fn encode(library: &'static str, reason: impl ToString) -> Self {
        Self::Encode { library, reason: reason.to_string() }
    }
}
