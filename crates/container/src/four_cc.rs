//! Four-character codes.

use std::fmt;

/// A four-character code: a codec (Enhanced RTMP, `FOURCC`) or a box (ISO/IEC 14496-12 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// H.264.
    pub const AVC: Self = Self(*b"avc1");
    /// AAC.
    pub const AAC: Self = Self(*b"mp4a");
    /// Opus.
    pub const OPUS: Self = Self(*b"Opus");

    /// As `onMetaData` writes it in `videocodecid` and `audiocodecid` (Enhanced RTMP v1, "Enhancing onMetaData").
    pub const fn number(self) -> u32 {
        u32::from_be_bytes(self.0)
    }
}

impl fmt::Display for FourCc {
    /// The characters; what is none, escaped: the code comes from outside.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
