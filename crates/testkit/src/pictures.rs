//! Pictures that look like H.264 to everything but a decoder: valid parameter sets and slice headers, slice data of
//! chosen size that nobody decodes.

use bytes::{Bytes, BytesMut};
use media::h264::{ParameterSets, avcc};
use media::{CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo};

use crate::stamp::Stamp;

/// Pictures a second.
pub const FRAME_RATE: u32 = 30;
/// Pictures from one random access point to the next: 2 s.
pub const GOP: u32 = 60;
/// How many other pictures a random access point weighs, as encoders for calls make them.
const IDR_WEIGHT: u32 = 6;
/// The track of the pictures.
pub const TRACK: TrackId = TrackId(1);

/// A source of pictures: 640x480, baseline, 30 a second, no B-frames; a GOP of 2 s.
#[derive(Debug)]
pub struct Pictures {
    idr: Bytes,
    other: Bytes,
    next: u32,
    /// Pictures from one random access point to the next, over and over.
    gops: &'static [u32],
    /// How many random access points there were.
    begun: usize,
    /// The number of the next one.
    next_idr: u32,
}

impl Pictures {
    /// Pictures of `bps` bit/s on average.
    pub fn new(bps: u32) -> Self {
        let gop_bytes = bps / 8 * GOP / FRAME_RATE;
        let other = gop_bytes / (GOP - 1 + IDR_WEIGHT);
        // first_mb 0, I (7) or P (5), PPS 0: ue(v) codes of §7.3.3.
        Self {
            idr: slice(0x65, 0x88, other * IDR_WEIGHT),
            other: slice(0x41, 0x9a, other),
            next: 0,
            gops: &[GOP],
            begun: 0,
            next_idr: 0,
        }
    }

    /// The same with random access points at no regular distance, as browsers make them: when somebody asks.
    #[must_use]
    pub fn irregular(self) -> Self {
        Self { gops: &[60, 17, 143, 8, 95, 31], ..self }
    }

    /// The parameters of all such pictures.
    pub fn track() -> TrackInfo {
        let sets = ParameterSets { sps: vec![sps()], pps: vec![pps()] };
        TrackInfo { id: TRACK, config: CodecConfig::H264(sets) }
    }

    /// Microseconds from the first picture to the next one.
    pub fn due_micros(&self) -> u64 {
        u64::from(self.next) * 1_000_000 / u64::from(FRAME_RATE)
    }

    /// The next picture, stamped with the time of this call.
    pub fn make(&mut self) -> Frame {
        let number = self.next;
        self.next += 1;
        let random_access = number == self.next_idr;
        if random_access {
            self.next_idr += self.gops[self.begun % self.gops.len()];
            self.begun += 1;
        }
        let slice = if random_access { &self.idr } else { &self.other };
        let ticks = i64::from(number) * i64::from(Rate::VIDEO.hz() / FRAME_RATE);
        let pts = Timestamp::new(ticks, Rate::VIDEO);
        let payload = avcc::write([&Stamp::now(number.into()).write()[..], slice]);
        Frame { track: TRACK, pts, dts: pts, random_access, payload }
    }
}

/// A slice NAL unit of `size` bytes; the filler never needs emulation prevention (§7.4.1.1).
fn slice(header: u8, first: u8, size: u32) -> Bytes {
    let mut noise = 0x9e37_79b9_u32;
    let filler = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8 | 0x04
    });
    [header, first, 0x84].into_iter().chain(filler).take(size as usize).collect()
}

/// Writes `u(n)` and `ue(v)` (§9.1).
#[derive(Default)]
struct Bits {
    bytes: BytesMut,
    filled: u32,
}

impl Bits {
    fn u(mut self, value: u32, count: u32) -> Self {
        for shift in (0..count).rev() {
            if self.filled.is_multiple_of(8) {
                self.bytes.extend_from_slice(&[0]);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << (7 - self.filled % 8);
            }
            self.filled += 1;
        }
        self
    }

    fn ue(self, value: u32) -> Self {
        let zeros = (value + 1).ilog2();
        self.u(0, zeros).u(value + 1, zeros + 1)
    }

    fn nal(self, header: u8) -> Bytes {
        let rbsp = self.u(1, 1).bytes;
        [&[header], &rbsp[..]].concat().into()
    }
}

/// §7.3.2.1: constrained baseline, level 3.0, 40 x 30 macroblocks, frames only, output in decoding order.
fn sps() -> Bytes {
    let bits = Bits::default().u(66, 8).u(0xc0, 8).u(30, 8).ue(0).ue(0).ue(2).ue(1).u(0, 1);
    bits.ue(39).ue(29).u(0b1100, 4).nal(0x67)
}

/// §7.3.2.2: CAVLC, one slice group, no weighted prediction.
fn pps() -> Bytes {
    let bits = Bits::default().ue(0).ue(0).u(0, 2).ue(0).ue(0).ue(0).u(0, 3);
    bits.ue(0).ue(0).ue(0).u(0, 3).nal(0x68)
}

#[cfg(test)]
mod tests {
    use media::h264::sps::Sps;

    use super::*;

    #[test]
    fn the_parameters_are_those_of_vga_baseline() {
        let CodecConfig::H264(sets) = Pictures::track().config else { panic!() };
        let sps = Sps::parse(&sets.sps[0]).unwrap();
        assert_eq!((sps.profile_idc, sps.level_idc, sps.width, sps.height), (66, 30, 640, 480));
        assert!(sets.is_complete());
    }

    #[test]
    fn a_gop_has_its_bytes_and_one_random_access_point() {
        let mut pictures = Pictures::new(2_000_000);
        let gop: Vec<Frame> = (0..GOP).map(|_| pictures.make()).collect();
        let bytes: usize = gop.iter().map(|frame| frame.payload.len()).sum();
        assert!((490_000..505_000).contains(&bytes), "{bytes}");
        assert_eq!(gop.iter().filter(|frame| frame.random_access).count(), 1);
        assert!(gop[0].random_access && gop[0].payload.len() > 40_000);
        assert_eq!(pictures.due_micros(), 2_000_000);
    }

    #[test]
    fn irregular_random_access_points_come_at_their_distances() {
        let mut pictures = Pictures::new(1_000_000).irregular();
        let found: Vec<usize> = (0..360).filter(|_| pictures.make().random_access).collect();
        assert_eq!(found, [0, 60, 77, 220, 228, 323, 354]);
    }

    #[test]
    fn a_picture_carries_its_stamp_and_only_canonical_nal_units() {
        let mut pictures = Pictures::new(1_000_000);
        let before = crate::stamp::nanos();
        pictures.make();
        let frame = pictures.make();
        let stamp = Stamp::of(&frame).unwrap();
        assert_eq!(stamp.number, 1);
        assert!((before..=crate::stamp::nanos()).contains(&stamp.nanos));
        let canonical = avcc::canonical(&frame.payload, 4).unwrap().unwrap();
        assert_eq!((canonical.payload, canonical.random_access), (frame.payload, false));
    }
}
