//! What a reader is told about time: RTP timestamps that go on across publishers, and the wallclock of sender reports.

use std::time::{Duration, Instant};

use media::{Rate, Timestamp};

/// Sender reports are about the past; a frame may be ahead of the steady line by this much. A publisher that was held up
/// while it connected sends what it held back at once, to readers who are there already; were the line moved for that,
/// the report of one track would stand on the old line and that of the other on the new one, and Chromium, which fits a
/// line through its last 20 reports, played sound 390 ms after picture for more than a minute.
const MARGIN: i64 = 2_000_000_000;
/// A timestamp this far behind the last one of its track is of another timeline.
const BACK: i64 = 1_000_000_000;
/// A timestamp this far ahead of its time is of another timeline. A group of pictures sent at once to a reader that
/// joins is not.
const AHEAD: i64 = 20_000_000_000;
/// The wallclock of timestamps is corrected by at most one part in this many.
const MAX_SLEW_DIVISOR: i64 = 1_000;

/// The clock of positions on a reader's timeline.
pub(super) const NANOS: Rate = match Rate::new(1_000_000_000) {
    Some(rate) => rate,
    None => unreachable!(),
};

/// Maps the timeline of a stream to the one of a reader. Both tracks share it, so what is in sync stays in sync.
#[derive(Debug, Default)]
pub(super) struct SenderClock {
    /// Added to every timestamp, in ns.
    shift: i64,
    rebase: bool,
    /// The wallclock of `origin.1` ns on the reader's timeline, and when it was last corrected.
    origin: Option<(Instant, i64, Instant)>,
}

/// What a track last sent: position on the reader's timeline in ns, and when.
pub(super) type Sent = (i64, Instant);

impl SenderClock {
    /// The next frame starts a new timeline.
    pub(super) const fn rebase(&mut self) {
        self.rebase = true;
    }

    /// The position of a frame on the reader's timeline in ns, given what its track sent last.
    pub(super) fn position(&mut self, pts: Timestamp, last: Option<Sent>, now: Instant) -> i64 {
        let nanos = nanos_of(pts);
        let position = nanos.saturating_add(self.shift);
        let Some((last, at)) = last else { return position };
        let expected = last.saturating_add(nanos_between(at, now));
        let other_timeline =
            position < last.saturating_sub(BACK) || position > expected.saturating_add(AHEAD);
        if !other_timeline && !self.rebase {
            return position;
        }
        self.rebase = false;
        self.shift = self.shift.saturating_add(expected.saturating_sub(position));
        nanos.saturating_add(self.shift)
    }

    /// The wallclock of a position: never later than `now`, since str0m extrapolates sender reports from it.
    pub(super) fn wallclock(&mut self, position: i64, now: Instant) -> Instant {
        let margin = Duration::from_nanos(MARGIN as u64);
        let (at, origin, corrected) = *self.origin.get_or_insert((now - margin, position, now));
        let wallclock = offset(at, position.saturating_sub(origin));
        if wallclock > now {
            self.origin = Some((now - margin, position, now));
            return now - margin;
        }
        let error = nanos_between(wallclock, now) - MARGIN;
        let limit = nanos_between(corrected, now) / MAX_SLEW_DIVISOR;
        self.origin = Some((offset(at, error.clamp(-limit, limit)), origin, now));
        wallclock
    }
}

/// ns since the origin, rounded to the nearest; [`Timestamp`] keeps the codec's exact ticks.
fn nanos_of(at: Timestamp) -> i64 {
    at.to_rate(NANOS).ticks()
}

fn nanos_between(from: Instant, to: Instant) -> i64 {
    i64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(i64::MAX)
}

fn offset(at: Instant, nanos: i64) -> Instant {
    let span = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { at.checked_sub(span).unwrap_or(at) } else { at.checked_add(span).unwrap_or(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_timeline_that_starts_over_continues_where_the_last_one_would_be() {
        let (mut clock, start) = (SenderClock::default(), Instant::now());
        let first = clock.position(ms(300_000), None, start);
        let later = start + Duration::from_millis(5_000);
        let second = clock.position(ms(40), Some((first, start)), later);
        assert_eq!(second - first, 5_000_000_000);
        // The other track of the new timeline fits without another shift.
        let audio = clock.position(ms(60), Some((first + 20_000_000, start)), later);
        assert_eq!(audio - second, 20_000_000);
    }

    #[test]
    fn a_stall_and_a_group_of_pictures_at_once_are_not_another_timeline() {
        let (mut clock, start) = (SenderClock::default(), Instant::now());
        let mut last = (clock.position(ms(0), None, start), start);
        for millis in (40..4_000).step_by(40) {
            last = (clock.position(ms(millis), Some(last), start), start);
        }
        let later = start + Duration::from_secs(8);
        assert_eq!(clock.position(ms(4_000), Some(last), later), 4_000_000_000);
    }

    #[test]
    fn wallclocks_stay_in_the_past_and_follow_a_fast_publisher() {
        let (mut clock, start) = (SenderClock::default(), Instant::now());
        for second in 0..3_600_u64 {
            // 500 ppm fast.
            let now = start + Duration::from_secs(second);
            let wallclock = clock.wallclock((second * 1_000_500_000) as i64, now);
            assert!(wallclock <= now);
            assert!(now - wallclock < Duration::from_millis(2_250), "{second}: {:?}", now - wallclock);
        }
    }

    #[test]
    fn what_a_publisher_held_back_does_not_move_the_wallclock() {
        let (mut clock, start) = (SenderClock::default(), Instant::now());
        let audio = clock.wallclock(0, start);
        let video = clock.wallclock(600_000_000, start + Duration::from_millis(5));
        assert_eq!((video - audio).as_millis(), 600);
    }

    #[test]
    fn wallclocks_keep_two_tracks_apart_by_what_their_timestamps_are() {
        let (mut clock, start) = (SenderClock::default(), Instant::now());
        let audio = clock.wallclock(0, start);
        let video = clock.wallclock(80_000_000, start + Duration::from_millis(100));
        assert_eq!(video - audio, Duration::from_millis(80));
    }
}
