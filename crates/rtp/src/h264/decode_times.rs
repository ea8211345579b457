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
