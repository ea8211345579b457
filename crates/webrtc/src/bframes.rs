//! Pictures out of order, which WebRTC has no means to carry.
//!
//! RTP timestamps are presentation times, and a browser's decoder gives out pictures as they come (Chromium turns the
//! decoder's reordering off): a B-frame makes the picture jump back. Pictures that nothing refers to may be left out
//! without harm (H.264 §7.4.1, `nal_ref_idc` 0); a B-frame that others refer to may not, and such a stream is refused
//! with a reason instead of being shown torn (SRS drops those too and shows damage, SRS #4414).

use media::Frame;
use media::h264::avcc;
use media::h264::nal::{NalType, SliceType, nal_ref_idc, nal_type, slice_type};
use thiserror::Error;

/// A stream that no WebRTC reader can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BFrameError {
    /// A B-frame that other pictures refer to.
    #[error(
        "the stream's B-frames are referred to by other pictures: encode with bframes=0 or profile baseline"
    )]
    Reference,
}

/// What to do with an access unit on its way to a WebRTC reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Keep,
    /// Leave it out; nothing refers to it.
    Drop,
}

/// Judges one H.264 frame in canonical form.
///
/// A B-frame is told by its slices, not by `pts` and `dts`: live encoders shift `dts` without reordering anything.
///
/// # Errors
/// [`BFrameError::Reference`] for a B-frame with `nal_ref_idc` above 0.
pub fn judge(frame: &Frame) -> Result<Verdict, BFrameError> {
    if frame.random_access {
        return Ok(Verdict::Keep);
    }
    for nal in avcc::nals(&frame.payload, 4).map_while(Result::ok) {
        let coded = matches!(nal_type(&nal), Some(NalType::NonIdr | NalType::PartitionA));
        if coded && slice_type(&nal) == Some(SliceType::B) {
            return if nal_ref_idc(&nal) == 0 { Ok(Verdict::Drop) } else { Err(BFrameError::Reference) };
        }
    }
    Ok(Verdict::Keep)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::{Rate, Timestamp, TrackId};

    use super::*;

    /// A slice header starts with first_mb_in_slice = 0 (`1`) and slice_type as ue(v) (H.264 §7.3.3).
    fn frame(slices: &[&[u8]], random_access: bool) -> Frame {
        let at = Timestamp::new(0, Rate::VIDEO);
        let payload = avcc::write(slices.iter().copied());
        Frame { track: TrackId(0), pts: at, dts: at, random_access, payload }
    }

    const P: u8 = 0b1100_0000; // slice_type 0: `1`
    const B: u8 = 0b1010_0000; // slice_type 1: `010`

    #[test]
    fn rule_11_p_frames_pass_b_frames_nobody_needs_are_dropped_and_needed_ones_refused() {
        assert_eq!(judge(&frame(&[&[0x41, P, 0, 0]], false)), Ok(Verdict::Keep));
        assert_eq!(judge(&frame(&[&[0x01, B, 0, 0]], false)), Ok(Verdict::Drop));
        assert_eq!(judge(&frame(&[&[0x21, B, 0, 0]], false)), Err(BFrameError::Reference));
    }

    #[test]
    fn a_disposable_p_frame_is_kept_and_sei_is_looked_past() {
        assert_eq!(judge(&frame(&[&[0x01, P, 0, 0]], false)), Ok(Verdict::Keep));
        assert_eq!(judge(&frame(&[&[0x06, 5, 1, 0], &[0x01, B, 0, 0]], false)), Ok(Verdict::Drop));
    }

    #[test]
    fn random_access_points_and_broken_frames_pass() {
        assert_eq!(judge(&frame(&[&[0x65, B, 0, 0]], true)), Ok(Verdict::Keep));
        let mut broken = frame(&[], false);
        broken.payload = Bytes::from_static(&[0, 0, 0, 9, 1]);
        assert_eq!(judge(&broken), Ok(Verdict::Keep));
    }
}
