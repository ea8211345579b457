//! A stream's time: one clock for all its tracks, across publishers that come and go.

use std::time::{Duration, Instant};

use media::{Frame, Timestamp};

/// How far a publisher's timestamps may leave the time of arrival before they are taken for a restart of its clock:
/// WeChat's and OBS's pushers jump when they resume, cameras when they are set (rule 18 of ARCHITECTURE.md, SRS #2507).
const JUMP: i64 = 10_000;
/// The same, backwards: smaller steps back are repaired frame by frame.
const JUMP_BACK: i64 = 1_000;

/// Maps publishers' timestamps to the stream's timeline.
///
/// The offset is a whole number of milliseconds, so that RTMP's stamps pass unchanged in their fraction and 90 kHz and
/// 48 kHz stay exact. Tracks share it: what was in sync at the publisher stays in sync.
#[derive(Debug, Default)]
pub(crate) struct StreamClock {
    /// Milliseconds from the publisher's timeline to the stream's; `None` until a publisher's first frame.
    offset: Option<i64>,
    /// The newest stamp given, in milliseconds, and when.
    newest: Option<(i64, Instant)>,
}

impl StreamClock {
    /// The next frame comes from another publisher, whose timestamps start anywhere.
    pub(crate) const fn publisher_changed(&mut self) {
        self.offset = None;
    }

    /// The stream's time at `now`, once it has begun: the newest stamp and what has passed since.
    pub(crate) fn at(&self, now: Instant) -> Option<Timestamp> {
        let (newest, at) = self.newest?;
        Some(Timestamp::from_millis(newest.saturating_add(millis(now.saturating_duration_since(at)))))
    }

    /// Puts `frame` on the stream's timeline. `last_dts` is the last stamp that its track was given: decode times
    /// strictly increase within a track, whatever the publisher sends ("repair, never kill").
    pub(crate) fn stamp(&mut self, frame: &mut Frame, last_dts: Option<Timestamp>, now: Instant) {
        let theirs = frame.dts.as_millis();
        let expected = self.at(now).map_or(0, Timestamp::as_millis);
        let offset = match self.offset {
            Some(offset) if !jumped(theirs.saturating_add(offset), expected, last_dts) => offset,
            Some(_) | None => expected.saturating_sub(theirs),
        };
        self.offset = Some(offset);
        let shift = Timestamp::from_millis(offset);
        frame.dts = frame.dts.plus(shift);
        frame.pts = frame.pts.plus(shift);
        if let Some(last) = last_dts
            && frame.dts <= last
        {
            let late = frame.dts;
            let last = last.to_rate(frame.dts.rate());
            frame.dts = Timestamp::new(last.ticks().saturating_add(1), last.rate());
            frame.pts = frame.pts.plus(frame.dts.minus(late)).max(frame.dts);
        }
        let stamped = frame.dts.as_millis();
        if self.newest.is_none_or(|(newest, _)| stamped >= newest) {
            self.newest = Some((stamped, now));
        }
    }
}

fn jumped(ours: i64, expected: i64, last_dts: Option<Timestamp>) -> bool {
    let ahead = ours.saturating_sub(expected);
    let back = last_dts.map_or(0, |last| last.as_millis().saturating_sub(ours));
    ahead.abs() > JUMP || back > JUMP_BACK
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::TrackId;

    use super::*;

    /// Stamps frames of one track; each is (publisher's milliseconds, milliseconds of arrival).
    fn stamp_all(clock: &mut StreamClock, start: Instant, frames: &[(i64, u64)]) -> Vec<i64> {
        let mut last = None;
        let stamp = |&(theirs, arrival): &(i64, u64)| {
            let at = Timestamp::from_millis(theirs);
            let mut frame = Frame {
                track: TrackId(1),
                pts: at,
                dts: at,
                random_access: false,
                payload: Bytes::from_static(b"x"),
            };
            clock.stamp(&mut frame, last, start + Duration::from_millis(arrival));
            last = Some(frame.dts);
            frame.dts.as_millis()
        };
        frames.iter().map(stamp).collect()
    }

    #[test]
    fn the_first_frame_is_the_origin() {
        let stamps =
            stamp_all(&mut StreamClock::default(), Instant::now(), &[(86_400_000, 0), (86_400_033, 33)]);
        assert_eq!(stamps, [0, 33]);
    }

    #[test]
    fn rule_18_decode_times_strictly_increase() {
        let frames = [(0, 0), (33, 33), (33, 66), (20, 99), (132, 132)];
        assert_eq!(stamp_all(&mut StreamClock::default(), Instant::now(), &frames), [0, 33, 34, 35, 132]);
    }

    #[test]
    fn a_publisher_that_restarts_its_clock_goes_on_where_time_is() {
        let frames = [(0, 0), (5_000, 5_000), (0, 5_033), (33, 5_066), (100_000, 5_100), (100_033, 5_133)];
        let stamps = stamp_all(&mut StreamClock::default(), Instant::now(), &frames);
        assert_eq!(stamps, [0, 5_000, 5_033, 5_066, 5_100, 5_133]);
    }

    #[test]
    fn rule_16_time_goes_on_across_publishers() {
        let (mut clock, start) = (StreamClock::default(), Instant::now());
        assert_eq!(stamp_all(&mut clock, start, &[(700, 0), (733, 33)]), [0, 33]);
        clock.publisher_changed();
        assert_eq!(stamp_all(&mut clock, start, &[(9_000_000, 3_033), (9_000_033, 3_066)]), [3_033, 3_066]);
    }

    #[test]
    fn tracks_keep_their_distance() {
        let (mut clock, now) = (StreamClock::default(), Instant::now());
        let frame = |ticks: i64, rate| {
            let at = Timestamp::new(ticks, rate);
            Frame {
                track: TrackId(1),
                pts: at,
                dts: at,
                random_access: true,
                payload: Bytes::from_static(b"x"),
            }
        };
        let mut video = frame(90_000, media::Rate::VIDEO);
        let mut audio = frame(48_000 + 480, media::Rate::OPUS);
        clock.stamp(&mut video, None, now);
        clock.stamp(&mut audio, None, now);
        assert_eq!(audio.pts.minus(video.pts).as_millis(), 10);
    }
}
