//! What time it is in the sound: counts samples, compares the count with the frames' timestamps, and says what to do
//! about the difference.
//!
//! The output's timeline is `origin + samples`, never the timestamp of an input frame: those are rounded to
//! milliseconds (RTMP) and lie on another grid than the output's frames (SRS stamps its AAC frames with the time of
//! the Opus packet, and its readers hear the jitter). Three kinds of difference are told apart:
//!
//! - A *gap* between a frame and the end of the one before it: packets that were lost or never sent. Filled, so
//!   that the count stays equal to the time.
//! - *Drift and jitter*: smoothed over [`SMOOTHING`] samples, then corrected by at most [`STEEPEST`], a speed at which
//!   no correction is audible. A drift of 100 ppm settles at 1.5 ms.
//! - A *jump* that neither explains: the timeline starts anew ([`Arrival::Jump`]).

/// 48 kHz, the rate of the timeline, in samples a millisecond.
pub(super) const PER_MS: i64 = 48;

/// A longer gap is not filled but jumped over: a second of silence in one burst would be a second of delay.
const LONGEST_FILL: i64 = 1_000 * PER_MS;

/// A larger difference between count and timestamps is a jump.
const JUMP: i64 = 200 * PER_MS;

/// How far behind the count a frame may lie and be late. Farther is a jump back: better one step in the timeline than
/// minutes without sound.
const LATEST: i64 = 10_000 * PER_MS;

/// The longest time by which fills are held back for late frames.
const LONGEST_HOLD: i64 = 1_000 * PER_MS;

/// Time constant of the smoothing of the difference.
const SMOOTHING: f64 = (2_000 * PER_MS) as f64;

/// Time constant of the correction.
const CORRECTION: f64 = (10_000 * PER_MS) as f64;

/// Differences below this are left alone, so that sound without drift passes untouched.
const DEAD_ZONE: f64 = PER_MS as f64 / 2.0;

/// ±0.5 %.
const STEEPEST: f64 = 0.005;

/// What gaps the timestamps of a codec can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct GapRule {
    /// The shortest.
    pub(super) shortest: i64,
    /// A gap is a multiple of this.
    pub(super) step: i64,
    /// A frame can claim to last into the next, whose beginning is then left out.
    pub(super) overlaps: bool,
    /// A gap is only as long as the count is behind: stamps that come in bursts show gaps that are none.
    pub(super) confirmed: bool,
}

impl GapRule {
    /// Opus: RTP time counts samples exactly, packets are multiples of 2.5 ms; the hub's mapping to the stream's
    /// timeline may move by less than that.
    pub(super) const OPUS: Self = Self { shortest: 2 * PER_MS, step: 120, overlaps: true, confirmed: false };
    /// AAC: stamped in milliseconds, by some phones in bursts of two or three frames (the time when the capture buffer
    /// came). What is shorter is left to the drift correction, which does no harm if it was jitter.
    pub(super) const AAC: Self = Self { shortest: 100 * PER_MS, step: 1, overlaps: false, confirmed: false };
    /// G.711: packets last 20 ms (RFC 3551 §4.2) and more, so a shorter gap is none. RTP time counts samples exactly on
    /// the one camera and follows its wall clock on the other; FLV has milliseconds.
    pub(super) const G711: Self = Self { shortest: 15 * PER_MS, step: 1, overlaps: false, confirmed: true };
}

/// What to do with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// Play it.
    Follows,
    /// Fill so many samples, then play it.
    AfterGap(i64),
    /// Its time has been filled with silence: leave out so many of its first samples, maybe all.
    Late(i64),
    /// Start a new timeline at this frame.
    Jump,
}

/// Counts samples at 48 kHz.
#[derive(Debug)]
pub(super) struct Clock {
    /// When sample 0 is, in ticks of 48 kHz.
    origin: i64,
    /// Samples counted, with a fraction where the input's rate is another: numerator over `rate`.
    counted: i64,
    input: i64,
    rate: i64,
    /// When the last frame was, and when it ended, by its own timestamp.
    last: i64,
    end: i64,
    /// Smoothed difference: positive if the frames' time is ahead of the count.
    error: f64,
    /// Silence was put where frames may yet come.
    filled: bool,
    /// By how much fills are held back.
    hold: i64,
}

impl Clock {
    /// A clock that starts at `origin`, for input of `rate` samples a second.
    pub(super) fn new(origin: i64, rate: u32) -> Self {
        let rate = i64::from(rate);
        Self {
            origin,
            counted: 0,
            input: 0,
            rate,
            last: i64::MIN,
            end: origin,
            error: 0.0,
            filled: false,
            hold: 0,
        }
    }

    /// When the next sample is due.
    pub(super) fn now(&self) -> i64 {
        self.origin + self.counted + self.input * 48_000 / self.rate
    }

    /// The input has another rate from here on.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.counted += self.input * 48_000 / self.rate;
        self.input = 0;
        self.rate = i64::from(rate);
    }

    /// So many samples at the input's rate went by.
    pub(super) fn count(&mut self, samples: usize) {
        self.input += i64::try_from(samples).unwrap_or(0);
    }

    /// So many samples of 48 kHz were added (or taken away) besides.
    pub(super) fn stretched(&mut self, samples: i64) {
        self.counted += samples;
    }

    /// How much longer the sound shall be made: a share, 0.001 for one sample more in a thousand.
    pub(super) fn correction(&self) -> f64 {
        let beyond = (self.error.abs() - DEAD_ZONE).max(0.0).copysign(self.error);
        (beyond / CORRECTION).clamp(-STEEPEST, STEEPEST)
    }

    /// A frame stamped `pts` that lasts `duration` has come.
    pub(super) fn arrive(&mut self, pts: i64, duration: i64, rule: GapRule) -> Arrival {
        let error = pts.saturating_sub(self.now());
        let ran_back = std::mem::replace(&mut self.last, pts) >= pts;
        let end = self.end;
        self.end = pts.saturating_add(duration);
        if self.filled {
            self.hold = self.hold.max(error.saturating_neg()).clamp(0, LONGEST_HOLD);
            return self.arrive_after_fill(error, duration, ran_back, rule);
        }
        let gap = round_to(pts.saturating_sub(end), rule.step);
        if rule.overlaps && gap <= -rule.shortest && !ran_back {
            self.end = self.end.max(end);
            return Arrival::Late(gap.saturating_neg());
        }
        let gap = if rule.confirmed { gap.min(error) } else { gap };
        let gap = if gap >= rule.shortest { gap } else { 0 };
        let rest = error.saturating_sub(gap);
        if gap > LONGEST_FILL || rest > JUMP {
            return Arrival::Jump;
        }
        if rest < -JUMP {
            return self.arrive_after_fill(error, duration, ran_back, rule);
        }
        self.smooth(rest, duration);
        if gap > 0 { Arrival::AfterGap(gap) } else { Arrival::Follows }
    }

    /// The count may be ahead of the frame: then what is behind is left out until the frames have caught up, so that
    /// the output's timeline only steps back where the input's does.
    fn arrive_after_fill(&mut self, error: i64, duration: i64, ran_back: bool, rule: GapRule) -> Arrival {
        if !(-LATEST..=LONGEST_FILL).contains(&error) || (ran_back && error < -JUMP) {
            return Arrival::Jump;
        }
        self.filled = error.saturating_neg() >= duration.max(rule.shortest);
        match error {
            error if error >= rule.shortest => Arrival::AfterGap(round_to(error, rule.step)),
            error if error > -rule.shortest => Arrival::Follows,
            error => Arrival::Late(error.saturating_neg()),
        }
    }

    /// Samples of silence due by `until`, in whole steps of 10 ms; `None` if so much that it has to be a jump.
    pub(super) fn silence_due(&mut self, until: i64) -> Option<i64> {
        let due = until.saturating_sub(self.hold).saturating_sub(self.now());
        if due > LONGEST_FILL {
            return None;
        }
        let due = due.max(0) / (10 * PER_MS) * (10 * PER_MS);
        if due > 0 {
            // What was owed is settled by the next frame's place in the silence.
            (self.filled, self.error) = (true, 0.0);
        }
        Some(due)
    }

    fn smooth(&mut self, error: i64, duration: i64) {
        let weight = (duration as f64 / SMOOTHING).min(1.0);
        self.error += (error as f64 - self.error) * weight;
    }

    /// The time of the next frame is `pts`.
    pub(super) fn restart(&mut self, pts: i64) {
        *self = Self { hold: self.hold, rate: self.rate, ..Self::new(pts, 1) };
    }

    /// What comes from here on may have been filled: the time of the next frame was a guess.
    pub(super) fn guessed(&mut self) {
        self.filled = true;
    }
}

fn round_to(value: i64, step: i64) -> i64 {
    (value.saturating_add(step / 2)).div_euclid(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 960;

    fn opus_clock() -> Clock {
        let mut clock = Clock::new(0, 48_000);
        assert_eq!(clock.arrive(0, FRAME, GapRule::OPUS), Arrival::Follows);
        clock.count(960);
        clock
    }

    #[test]
    fn lost_packets_are_gaps_and_jitter_is_not() {
        let mut clock = opus_clock();
        assert_eq!(clock.arrive(FRAME + 40, FRAME, GapRule::OPUS), Arrival::Follows);
        clock.count(960);
        assert_eq!(clock.arrive(4 * FRAME, FRAME, GapRule::OPUS), Arrival::AfterGap(2 * FRAME));
    }

    #[test]
    fn aac_jitter_of_three_frames_is_left_to_the_correction() {
        let mut clock = Clock::new(0, 48_000);
        for index in 0..200 {
            let burst = index / 3 * 3; // three frames with the time of the first
            assert_eq!(clock.arrive(burst * 1_024, 1_024, GapRule::AAC), Arrival::Follows, "frame {index}");
            clock.count(1_024);
        }
        assert!(clock.correction().abs() < STEEPEST);
    }

    #[test]
    fn a_lost_g711_packet_is_a_gap_and_two_with_one_stamp_are_not() {
        let mut clock = Clock::new(0, 8_000);
        for index in 0..100 {
            let burst = index / 2 * 2;
            assert_eq!(clock.arrive(burst * 1_920, 1_920, GapRule::G711), Arrival::Follows, "packet {index}");
            clock.count(320);
        }
        assert_eq!(clock.arrive(101 * 1_920, 1_920, GapRule::G711), Arrival::AfterGap(1_920));
    }

    #[test]
    fn a_long_pause_is_a_jump_and_a_long_gap_is_filled() {
        assert_eq!(opus_clock().arrive(FRAME + 48_000, FRAME, GapRule::OPUS), Arrival::AfterGap(48_000));
        assert_eq!(opus_clock().arrive(FRAME + 48_120, FRAME, GapRule::OPUS), Arrival::Jump);
        assert_eq!(opus_clock().arrive(-9_000, FRAME, GapRule::OPUS), Arrival::Jump);
    }

    #[test]
    fn packets_that_claim_to_overlap_are_cut_and_never_turn_time_back() {
        let mut clock = opus_clock();
        for index in 1..1_000 {
            let before = clock.now();
            let cut = match clock.arrive(index * FRAME, 6 * FRAME, GapRule::OPUS) {
                Arrival::Follows => 0,
                Arrival::Late(cut) => cut,
                other => panic!("{other:?}"),
            };
            clock.count(usize::try_from((6 * FRAME - cut).max(0)).unwrap());
            assert!(clock.now() >= before && clock.now() <= (index + 6) * FRAME);
        }
    }

    #[test]
    fn frames_that_last_longer_than_their_timestamps_are_thinned_out() {
        let (mut clock, mut dropped) = (Clock::new(0, 48_000), 0);
        for index in 0..10_000 {
            match clock.arrive(index * 1_000, 1_024, GapRule::AAC) {
                Arrival::Follows => clock.count(1_024),
                Arrival::Late(cut) => {
                    dropped += 1;
                    clock.count(usize::try_from((1_024 - cut).max(0)).unwrap());
                }
                other => panic!("{other:?}"),
            }
            assert!(clock.now() - index * 1_000 < JUMP + 2_048);
        }
        assert!(dropped > 0);
    }

    #[test]
    fn frames_that_come_after_their_silence_are_cut_and_silence_learns_to_wait() {
        let mut clock = opus_clock();
        assert_eq!(clock.silence_due(FRAME + 1_000), Some(960));
        clock.count(960);
        assert_eq!(clock.arrive(FRAME, FRAME, GapRule::OPUS), Arrival::Late(FRAME));
        assert_eq!(clock.arrive(2 * FRAME, FRAME, GapRule::OPUS), Arrival::Follows);
        clock.count(960);
        assert_eq!(clock.silence_due(3 * FRAME + 960), Some(0), "held back by what came late");
        assert_eq!(clock.silence_due(3 * FRAME + 1_920), Some(960));
    }

    #[test]
    fn silence_follows_the_time_that_it_is_told_in_steps() {
        let mut clock = opus_clock();
        assert_eq!(clock.silence_due(FRAME), Some(0));
        assert_eq!(clock.silence_due(FRAME - 5_000), Some(0));
        assert_eq!(clock.silence_due(FRAME + 481), Some(480));
        assert_eq!(clock.silence_due(FRAME + 48_001), None);
        assert_eq!(clock.silence_due(i64::MAX), None);
        assert_eq!(clock.silence_due(i64::MIN), Some(0));
    }

    #[test]
    fn rule_1_ten_hours_of_drift_and_loss_are_followed_within_the_limit() {
        for ppm in [100, -100] {
            let mut clock = Clock::new(0, 48_000);
            let (mut owed, mut worst, mut seed) = (0.0_f64, 0, 1_u64);
            for index in 0..10 * 3_600 * 50 {
                let time = index * FRAME + index * FRAME / 1_000 * ppm / 1_000;
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if (seed >> 33) % 50 == 0 {
                    continue;
                }
                match clock.arrive(time, FRAME, GapRule::OPUS) {
                    Arrival::Follows => {}
                    Arrival::AfterGap(gap) => clock.count(usize::try_from(gap).unwrap()),
                    other => panic!("{other:?} at {index}"),
                }
                worst = worst.max((time - clock.now()).abs());
                assert!(clock.correction().abs() <= STEEPEST);
                owed += clock.correction() * FRAME as f64;
                clock.stretched(owed as i64);
                owed -= owed.trunc();
                clock.count(960);
            }
            assert!(worst < 3 * PER_MS, "{ppm} ppm: {worst} samples");
        }
    }

    #[test]
    fn a_fraction_of_a_sample_is_not_lost() {
        let mut clock = Clock::new(0, 44_100);
        for _ in 0..44_100 {
            clock.count(1_024);
        }
        assert_eq!(clock.now(), 1_024 * 48_000);
    }

    #[test]
    fn absurd_timestamps_are_jumps() {
        for pts in [i64::MIN, i64::MAX] {
            assert_eq!(opus_clock().arrive(pts, FRAME, GapRule::OPUS), Arrival::Jump);
        }
    }
}
