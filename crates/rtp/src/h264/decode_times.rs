//! Decode times, which RTP does not carry.

use std::collections::VecDeque;

use media::h264::sps::Sps;
use media::{Rate, Timestamp};

/// The most pictures that a decoder holds back (H.264 §A.3.1, MaxDpbFrames).
const MAX_DEPTH: usize = 16;
/// Between two pictures where the SPS does not say, in ticks of 90 kHz: 25 a second.
const INTERVAL: i64 = 3_600;
/// What an SPS may say about it: 240 to 5 a second.
const INTERVALS: std::ops::RangeInclusive<i64> = 375..=18_000;
/// Where decode times have to be made up they are so far apart, in ticks of 90 kHz: a millisecond, RTMP's resolution.
const SPACING: i64 = 90;

/// Gives each picture a decode time: pictures come in decoding order, and their RTP timestamps are presentation times
/// (RFC 6184 §5.1).
///
/// A decoder that holds back `depth` pictures gives out, with the picture that comes in, the one that is then
/// `depth`th from the end in order of presentation (H.264 §C.4.5.3). The decode time of a picture is the presentation
/// time of the one that goes out: it never exceeds that of the picture that came in, it strictly increases, and it is
/// known at once. Presentation times stay as they came, so the sound need not be moved (MediaMTX shifts the picture, and
/// plays it 159 ms away from its sound).
///
/// The depth is `max_num_reorder_frames` of the SPS, and more where the stream shows it: counted for each picture are
/// those that came before it and are shown after it. Without either it is zero.
#[derive(Debug)]
pub struct DecodeTimes {
    declared: usize,
    interval: i64,
    /// The depth seen since the last random access point, and between it and the one before: a stream that went back
    /// once is not held back forever.
    seen: [usize; 2],
    /// The last [`MAX_DEPTH`] presentation times in decoding order.
    decoded: VecDeque<i64>,
    /// The presentation times that did not go out yet, ascending.
    held: Vec<i64>,
    started: bool,
    last: Option<i64>,
}

impl Default for DecodeTimes {
    fn default() -> Self {
        Self {
            declared: 0,
            interval: INTERVAL,
            seen: [0; 2],
            decoded: VecDeque::with_capacity(MAX_DEPTH),
            held: Vec::with_capacity(MAX_DEPTH + 1),
            started: false,
            last: None,
        }
    }
}

impl DecodeTimes {
    /// Takes over what the SPS of the pictures that follow says.
    pub fn configure(&mut self, sps: &Sps) {
        self.declared = (sps.max_num_reorder_frames.unwrap_or(0) as usize).min(MAX_DEPTH);
        let interval =
            sps.frame_rate.map(|(frames, seconds)| 90_000 * i64::from(seconds) / i64::from(frames));
        self.interval = interval.filter(|ticks| INTERVALS.contains(ticks)).unwrap_or(INTERVAL);
    }

    /// Pictures are missing; the next one is a random access point.
    pub fn restart(&mut self) {
        self.started = false;
    }

    /// Presentation and decode time of the next picture in decoding order, both at 90 kHz. The presentation time is
    /// `pts` but where no decode time fits: pictures that go back deeper than anything announced it, the first such ones
    /// only.
    pub fn stamp(&mut self, pts: Timestamp, random_access: bool) -> (Timestamp, Timestamp) {
        let pts = pts.to_rate(Rate::VIDEO).ticks();
        if random_access {
            self.seen = [0, self.seen[0]];
        }
        let depth = self.depth(pts);
        if !self.started {
            self.start(pts, depth);
        }
        let place = self.held.partition_point(|&held| held <= pts);
        self.held.insert(place, pts);
        let out = self.held.len().saturating_sub(depth);
        // Nothing goes out while the depth grows.
        let going = self.held.drain(..out).next_back().unwrap_or(i64::MIN);
        let after =
            self.last.map_or(i64::MIN, |last| if last + SPACING <= pts { last + SPACING } else { last + 1 });
        let dts = going.max(after);
        self.last = Some(dts);
        (Timestamp::new(pts.max(dts), Rate::VIDEO), Timestamp::new(dts, Rate::VIDEO))
    }

    fn depth(&mut self, pts: i64) -> usize {
        if !self.started {
            self.decoded.clear();
        }
        let later = self.decoded.iter().filter(|&&decoded| decoded > pts).count();
        self.seen[0] = self.seen[0].max(later);
        if self.decoded.len() == MAX_DEPTH {
            self.decoded.pop_front();
        }
        self.decoded.push_back(pts);
        self.seen.iter().copied().fold(self.declared, usize::max)
    }

    /// As if pictures had come before at the stream's rate.
    fn start(&mut self, pts: i64, depth: usize) {
        self.started = true;
        self.held.clear();
        self.held.extend((1..=depth as i64).rev().map(|back| pts - back * self.interval));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: i64 = 3_600;

    /// `max_num_reorder_frames` of an SPS that says nothing else.
    fn declared(depth: usize) -> DecodeTimes {
        DecodeTimes { declared: depth, ..DecodeTimes::default() }
    }

    /// Presentation and decode times of frames whose places in output order are given in decoding order.
    fn stamp(times: &mut DecodeTimes, order: &[i64]) -> Vec<(i64, i64)> {
        let of = |&place: &i64| {
            let (pts, dts) = times.stamp(Timestamp::new(place * FRAME, Rate::VIDEO), place == order[0]);
            (pts.ticks(), dts.ticks())
        };
        order.iter().map(of).collect()
    }

    fn assert_valid(stamps: &[(i64, i64)]) {
        assert!(stamps.windows(2).all(|pair| pair[0].1 < pair[1].1), "{stamps:?}");
        assert!(stamps.iter().all(|(pts, dts)| dts <= pts), "{stamps:?}");
    }

    fn untouched(stamps: &[(i64, i64)], order: &[i64]) -> bool {
        stamps.iter().zip(order).all(|((pts, _), place)| *pts == place * FRAME)
    }

    #[test]
    fn without_reordering_both_times_are_the_same() {
        let order: Vec<_> = (0..20).collect();
        let stamps = stamp(&mut DecodeTimes::default(), &order);
        assert!(stamps.iter().all(|(pts, dts)| pts == dts));
        assert!(untouched(&stamps, &order));
    }

    #[test]
    fn two_b_frames_are_decoded_one_picture_early() {
        let order = [0, 3, 1, 2, 6, 4, 5];
        let stamps = stamp(&mut declared(1), &order);
        let dts: Vec<_> = stamps.iter().map(|(_, dts)| dts / FRAME).collect();
        assert_eq!(dts, [-1, 0, 1, 2, 3, 4, 5]);
        assert!(untouched(&stamps, &order));
    }

    #[test]
    fn a_pyramid_is_decoded_two_pictures_early() {
        let order = [0, 4, 2, 1, 3, 8, 6, 5, 7];
        let stamps = stamp(&mut declared(2), &order);
        let dts: Vec<_> = stamps.iter().map(|(_, dts)| dts / FRAME).collect();
        assert_eq!(dts, [-2, -1, 0, 1, 2, 3, 4, 5, 6]);
        assert!(untouched(&stamps, &order));
    }

    #[test]
    fn depth_that_nothing_declared_is_learnt_from_the_first_pictures_that_show_it() {
        for order in [&[0, 3, 1, 2, 6, 4, 5, 9, 7, 8][..], &[0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11]] {
            let stamps = stamp(&mut DecodeTimes::default(), order);
            assert_valid(&stamps);
            assert!(untouched(&stamps[5..], &order[5..]), "{stamps:?}");
            let distance = |at: usize| stamps[at].1 - stamps[at - 1].1;
            assert!((8..order.len()).all(|at| distance(at) == FRAME), "{stamps:?}");
        }
    }

    #[test]
    fn a_step_back_is_forgotten_two_random_access_points_later() {
        let mut times = DecodeTimes::default();
        let mut order: Vec<_> = (10..20).chain(12..40).collect();
        order.dedup();
        assert_valid(&stamp(&mut times, &order));
        stamp(&mut times, &(40..50).collect::<Vec<_>>());
        let stamps = stamp(&mut times, &(50..60).collect::<Vec<_>>());
        assert!(stamps.iter().all(|(pts, dts)| pts == dts), "{stamps:?}");
    }

    #[test]
    fn rule_8_behind_a_loss_the_pictures_in_front_of_it_do_not_count() {
        let mut times = declared(2);
        let before = stamp(&mut times, &[0, 4, 2, 1, 3]);
        times.restart();
        let after = stamp(&mut times, &[100, 104, 102, 101, 103]);
        assert_eq!(after[0], (100 * FRAME, 98 * FRAME));
        assert_valid(&[before, after].concat());
        times.restart();
        // No room: the decode times of what was given out are just behind.
        let near = stamp(&mut times, &[105, 109, 107, 106, 108]);
        assert_valid(&near);
        assert!(near[0].1 > 101 * FRAME && untouched(&near, &[105, 109, 107, 106, 108]));
    }

    #[test]
    fn the_first_decode_times_are_as_far_apart_as_the_sps_says() {
        // ffmpeg 5.1, libx264 -bf 3 -x264-params b-pyramid=normal, 25 pictures a second.
        let sps = [
            0x67, 0x64, 0x00, 0x0a, 0xac, 0xd9, 0x42, 0x0d, 0xb0, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
            0x00, 0x03, 0x00, 0x32, 0x0f, 0x12, 0x25, 0x96,
        ];
        let mut times = DecodeTimes::default();
        times.configure(&Sps::parse(&sps).unwrap());
        assert_eq!(stamp(&mut times, &[10])[0], (10 * FRAME, 8 * FRAME));
        // 1 picture in 1,000 s is no rate: 25 a second are assumed.
        times.configure(&Sps { frame_rate: Some((1, 1_000)), ..Sps::parse(&sps).unwrap() });
        assert_eq!(times.interval, INTERVAL);
    }

    proptest! {
        #[test]
        fn any_order_within_the_depth_keeps_its_presentation_times(
            depth in 0_usize..6,
            keys in prop::collection::vec(any::<u32>(), 1..200),
        ) {
            let mut places: Vec<i64> = (1..keys.len() as i64).collect();
            let mut order = vec![0];
            for key in &keys[1..] {
                // Take one of the next ones, but no picture may be overtaken by more than `depth`.
                let overdue = places.first().is_some_and(|first| order.iter().filter(|&p| p > first).count() >= depth);
                let pick = if overdue { 0 } else { *key as usize % (depth + 1).min(places.len()) };
                order.push(places.remove(pick));
            }
            let mut times = declared(depth);
            let stamps: Vec<_> = order
                .iter()
                .map(|&place| times.stamp(Timestamp::new(place * FRAME, Rate::VIDEO), place == 0))
                .map(|(pts, dts)| (pts.ticks(), dts.ticks()))
                .collect();
            assert_valid(&stamps);
            prop_assert!(untouched(&stamps, &order), "{:?} gave {:?}", order, stamps);
        }

        #[test]
        fn any_times_at_all_give_decode_times_that_increase(
            pictures in prop::collection::vec((-1_000_000_i64..1_000_000, any::<bool>(), any::<bool>()), 1..100),
            depth in 0_usize..17,
        ) {
            let mut times = declared(depth);
            let mut stamps = Vec::new();
            for (pts, random_access, lost) in pictures {
                if lost && random_access {
                    times.restart();
                }
                let (pts, dts) = times.stamp(Timestamp::new(pts, Rate::VIDEO), random_access);
                stamps.push((pts.ticks(), dts.ticks()));
                prop_assert!(times.held.len() <= MAX_DEPTH);
            }
            assert_valid(&stamps);
        }
    }
}
