//! When a player shows what it got.

use std::time::Duration;

use media::Timestamp;

/// A player's clock: it begins with the first frame, goes on in real time, and waits where a frame is not there in time.
/// It never plays faster to catch up, so the distance behind live is what the server's playlists and the network make of
/// it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Playback {
    /// A frame's presentation time, and when it was shown.
    anchor: Option<(Timestamp, u64)>,
    stalls: u64,
    stalled: Duration,
}

impl Playback {
    /// A player that shows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// When a frame with this presentation time that arrived at `arrived` is shown; both on the clock of
    /// [`crate::stamp::nanos`].
    pub fn show(&mut self, pts: Timestamp, arrived: u64) -> u64 {
        let (start, shown) = *self.anchor.get_or_insert((pts, arrived));
        let behind = pts.minus(start).to_duration().unwrap_or_default();
        let due = shown + nanos(behind);
        let Some(late) = arrived.checked_sub(due).filter(|&late| late > 0) else { return due };
        self.stalls += 1;
        self.stalled += Duration::from_nanos(late);
        self.anchor = Some((start, shown + late));
        arrived
    }

    /// Notes sound with this presentation time that arrived at `arrived`. It has no clock of its own: where it is not there
    /// in time, the pictures wait for it. What comes before the first picture is not waited for, and what belongs before it
    /// is never heard.
    pub fn hear(&mut self, pts: Timestamp, arrived: u64) {
        if self.anchor.is_some_and(|(start, _)| pts.minus(start).ticks() >= 0) {
            self.show(pts, arrived);
        }
    }

    /// How often it had to wait, and how long together.
    pub const fn stalls(&self) -> (u64, Duration) {
        (self.stalls, self.stalled)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_shown_at_their_distance_and_late_ones_move_what_follows() {
        let mut playback = Playback::new();
        let ms = 1_000_000;
        let mut show = |pts: i64, arrived: u64| {
            let shown = playback.show(Timestamp::from_millis(pts), arrived * ms) / ms;
            (shown, playback.stalls().0)
        };
        assert_eq!(show(5_000, 100), (100, 0));
        assert_eq!(show(5_040, 100), (140, 0));
        assert_eq!(show(5_080, 200), (200, 1), "20 ms late");
        assert_eq!(show(5_120, 200), (240, 1));
        assert_eq!(playback.stalls().1, Duration::from_millis(20));
    }

    #[test]
    fn pictures_wait_for_sound_that_is_late_but_not_for_sound_from_before_them() {
        let mut playback = Playback::new();
        let (ms, at) = (1_000_000, Timestamp::from_millis);
        playback.hear(at(4_990), 90 * ms);
        assert_eq!(playback.show(at(5_000), 100 * ms), 100 * ms);
        playback.hear(at(4_990), 110 * ms);
        playback.hear(at(5_010), 110 * ms);
        assert_eq!(playback.stalls().0, 0);
        playback.hear(at(5_030), 150 * ms);
        assert_eq!(playback.stalls(), (1, Duration::from_millis(20)));
        assert_eq!(playback.show(at(5_040), 120 * ms), 160 * ms);
    }
}
