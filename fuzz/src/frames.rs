//! Frames out of an input, for the round trips through containers.

use bytes::Bytes;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::{CodecConfig, Rate, TrackId, TrackInfo};

/// A picture and a sound track, with the names that the muxers' readers give them.
pub(crate) fn tracks() -> [TrackInfo; 2] {
    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
    let sets =
        ParameterSets { sps: vec![Bytes::from_static(SPS)], pps: vec![Bytes::from_static(&[0x68, 0xce])] };
    let sound = AudioConfig::lc(Rate::OPUS, 2).expect("what every encoder has");
    let track = |id, config| TrackInfo { id: TrackId(id), config };
    [track(1, CodecConfig::H264(sets)), track(2, CodecConfig::Aac(sound))]
}

/// One frame of a plan.
pub(crate) struct Planned<'i> {
    pub(crate) video: bool,
    pub(crate) random_access: bool,
    /// Ticks of the track's clock to the next frame.
    pub(crate) step: u32,
    /// Ticks between decoding and presentation.
    pub(crate) composition: i16,
    body: &'i [u8],
    /// How often the body is repeated: huge frames out of small inputs.
    times: usize,
}

impl Planned<'_> {
    /// The body, as often as the plan says; a byte where it is empty.
    pub(crate) fn payload(&self) -> Bytes {
        match self.body {
            [] => Bytes::from_static(&[0]),
            body => body.repeat(self.times).into(),
        }
    }
}

/// Four bytes of start, then a control byte for each frame (bit 0: picture; bit 1: random access; the upper four: the
/// body is repeated 2 to the power of so many times, as long as all have not 1 MiB together), four of step, two of
/// composition, two of length, and the body.
pub(crate) fn plan(input: &[u8]) -> (u32, Vec<Planned<'_>>) {
    let mut budget = 1_usize << 20;
    let Some((start, mut rest)) = input.split_first_chunk() else { return (0, Vec::new()) };
    let mut plan = Vec::new();
    while let Some((&[control, s3, s2, s1, s0, c1, c0, l1, l0], after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([l1, l0])).min(after.len());
        let (body, after) = after.split_at(len);
        let times = (1 << (control >> 4)).min(budget / body.len().max(1)).max(1);
        budget = budget.saturating_sub(times * body.len());
        plan.push(Planned {
            video: control & 1 != 0,
            random_access: control & 1 == 0 || control & 2 != 0,
            step: u32::from_be_bytes([s3, s2, s1, s0]),
            composition: i16::from_be_bytes([c1, c0]),
            body,
            times,
        });
        rest = after;
    }
    (u32::from_be_bytes(*start), plan)
}
