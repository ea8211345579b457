//! One Opus packet: what its first two bytes say (RFC 6716 §3.1, §3.2).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// The longest packet, 120 ms (RFC 6716 §3.2.5 R5), in samples at 48 kHz.
pub const MAX_DURATION: u32 = 5_760;

/// Why a packet has no duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpusError {
    /// No TOC byte (RFC 6716 §3.4 R1). Chrome sends RTP packets without payload as bandwidth probes.
    #[error("the Opus packet is empty")]
    Empty,
    /// A code 3 packet without its frame count byte (RFC 6716 §3.4 R6).
    #[error("the Opus packet ends before its frame count")]
    NoFrameCount,
    /// A code 3 packet with no frames (RFC 6716 §3.2.5).
    #[error("the Opus packet declares no frames")]
    NoFrames,
    /// More than 120 ms (RFC 6716 §3.4 R5).
    #[error("the Opus packet declares {0} samples at 48 kHz; at most 5760 (120 ms) are allowed")]
    TooLong(u32),
}

/// How much sound a packet holds, in samples at 48 kHz: 120 (2.5 ms) to [`MAX_DURATION`]. Only the header is read, so
/// a damaged packet still has its place on the timeline.
///
/// # Errors
/// [`OpusError`] says which rule of RFC 6716 §3.4 the header breaks.
pub fn duration_samples(packet: &[u8]) -> Result<u32, OpusError> {
    let &toc = packet.first().ok_or(OpusError::Empty)?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).ok_or(OpusError::NoFrameCount)? & 0x3f),
    };
    if frames == 0 {
        return Err(OpusError::NoFrames);
    }
    let samples = frame_samples(toc).saturating_mul(frames);
    if samples > MAX_DURATION {
        return Err(OpusError::TooLong(samples));
    }
    Ok(samples)
}

/// Whether the packet codes two channels, `None` when it is empty. A property of the packet, not of the stream: the
/// encoder may change it at any time (RFC 6716 §3.1).
pub fn is_stereo(packet: &[u8]) -> Option<bool> {
    packet.first().map(|toc| toc & 0x04 != 0)
}

/// The duration of each frame of a packet, in samples at 48 kHz (RFC 6716 table 2).
const fn frame_samples(toc: u8) -> u32 {
    let config = toc >> 3;
    match (config, config & 3) {
        (0..=11, 0) => 480,
        (0..=11, 1) => 960,
        (0..=11, 2) => 1_920,
        (0..=11, _) => 2_880,
        (12..=15, size) => 480 << (size & 1),
        (_, size) => 120 << size,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frame_sizes_of_every_configuration() {
        // RFC 6716 table 2, in tenths of a millisecond.
        let silk = [100, 200, 400, 600];
        let hybrid = [100, 200];
        let celt = [25, 50, 100, 200];
        let table: Vec<u32> = [silk.repeat(3), hybrid.repeat(2), celt.repeat(4)].concat();
        assert_eq!(table.len(), 32);
        for (config, tenths) in (0_u8..).zip(table) {
            assert_eq!(duration_samples(&[config << 3]), Ok(tenths * 48 / 10), "{config}");
        }
    }

    #[test]
    fn frame_counts_of_every_code() {
        let celt_20_ms = 0xf8;
        assert_eq!(duration_samples(&[celt_20_ms]), Ok(960));
        assert_eq!(duration_samples(&[celt_20_ms | 1, 0, 0]), Ok(1_920));
        assert_eq!(duration_samples(&[celt_20_ms | 2, 1, 0, 0]), Ok(1_920));
        assert_eq!(duration_samples(&[celt_20_ms | 3, 0x80 | 6]), Ok(5_760), "VBR bit set");
        assert_eq!(duration_samples(&[celt_20_ms | 3, 7]), Err(OpusError::TooLong(6_720)));
        assert_eq!(duration_samples(&[celt_20_ms | 3, 0xc0]), Err(OpusError::NoFrames));
        assert_eq!(duration_samples(&[celt_20_ms | 3]), Err(OpusError::NoFrameCount));
        assert_eq!(duration_samples(&[]), Err(OpusError::Empty));
        assert_eq!(duration_samples(&[0x1b, 2]), Ok(5_760), "two SILK frames of 60 ms");
    }

    #[test]
    fn stereo_is_the_third_bit() {
        // Chrome: 0x78 hybrid mono, 0xfc CELT stereo.
        assert_eq!(is_stereo(&[0x78]), Some(false));
        assert_eq!(is_stereo(&[0xfc]), Some(true));
        assert_eq!(is_stereo(&[]), None);
    }

    proptest! {
        #[test]
        fn every_duration_is_a_multiple_of_2_5_ms_up_to_120(packet in prop::collection::vec(any::<u8>(), 0..4)) {
            if let Ok(samples) = duration_samples(&packet) {
                prop_assert!(samples % 120 == 0 && (120..=MAX_DURATION).contains(&samples));
            }
        }
    }
}
