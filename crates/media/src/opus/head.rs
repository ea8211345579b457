//! The identification header (RFC 7845 §5.1), as Ogg, Matroska and enhanced RTMP carry it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// How an Opus stream is declared: the part of RFC 7845 §5.1 that a live stream needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// 1 or 2.
    pub channels: u8,
}

/// Why an identification header was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Fewer than 19 bytes.
    #[error("the OpusHead has {0} bytes; 19 are the least")]
    Truncated(usize),
    /// It does not begin with `OpusHead`, or its major version is not 0 (RFC 7845 §5.1, field 2).
    #[error("not an OpusHead of version 1")]
    Version,
    /// Neither mono nor stereo: browsers and phones play nothing else.
    #[error("{channels} Opus channels in mapping family {family}; accepted are 1 and 2 in family 0")]
    Channels {
        /// Output channels.
        channels: u8,
        /// Channel mapping family.
        family: u8,
    },
}

impl Head {
    const MAGIC: [u8; 8] = *b"OpusHead";
    /// Bytes of a header without channel mapping table.
    pub const LEN: usize = 19;

    /// Reads an identification header. Pre-skip, input rate and gain do not matter for a stream that is joined in its
    /// middle.
    ///
    /// # Errors
    /// [`HeadError`] says what is missing or not supported.
    pub fn parse(head: &[u8]) -> Result<Self, HeadError> {
        let fields: &[u8; Self::LEN] = head.first_chunk().ok_or(HeadError::Truncated(head.len()))?;
        let [magic @ .., version, channels, _, _, _, _, _, _, _, _, family] = fields;
        if *magic != Self::MAGIC || version >> 4 != 0 {
            return Err(HeadError::Version);
        }
        match (*channels, *family) {
            (channels @ 1..=2, 0) => Ok(Self { channels }),
            (channels, family) => Err(HeadError::Channels { channels, family }),
        }
    }

    /// The identification header: 48 kHz, no gain, a pre-skip of 312 samples (libopus' delay, what every encoder in
    /// browsers has).
    pub const fn write(self) -> [u8; Self::LEN] {
        let [p0, p1] = 312_u16.to_le_bytes();
        let [r0, r1, r2, r3] = 48_000_u32.to_le_bytes();
        let [m0, m1, m2, m3, m4, m5, m6, m7] = Self::MAGIC;
        [m0, m1, m2, m3, m4, m5, m6, m7, 1, self.channels, p0, p1, r0, r1, r2, r3, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_channel_counts_round_trip() {
        for channels in [1, 2] {
            assert_eq!(Head::parse(&Head { channels }.write()), Ok(Head { channels }));
        }
        assert_eq!(Head { channels: 2 }.write()[..], *b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0");
    }

    #[test]
    fn refusals() {
        let changed = |at: usize, value: u8| {
            let mut head = Head { channels: 2 }.write();
            *head.get_mut(at).unwrap() = value;
            Head::parse(&head)
        };
        assert_eq!(Head::parse(b"OpusHead"), Err(HeadError::Truncated(8)));
        assert_eq!(changed(0, b'o'), Err(HeadError::Version));
        assert_eq!(changed(8, 0x10), Err(HeadError::Version));
        assert_eq!(changed(8, 0x0f), Ok(Head { channels: 2 }), "a later minor version");
        assert_eq!(changed(9, 0), Err(HeadError::Channels { channels: 0, family: 0 }));
        assert_eq!(changed(18, 1), Err(HeadError::Channels { channels: 2, family: 1 }));
    }
}
