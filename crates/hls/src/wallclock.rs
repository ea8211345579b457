//! Stream time and the time of day.

use std::time::SystemTime;

use media::Timestamp;

/// Which time of day a stream's time is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    stream: Timestamp,
    wallclock: SystemTime,
}

impl Anchor {
    /// What is at `stream` was captured at `wallclock`.
    pub(crate) const fn new(stream: Timestamp, wallclock: SystemTime) -> Self {
        Self { stream, wallclock }
    }

    /// The time of day at `time` of the stream.
    pub(crate) fn at(&self, time: Timestamp) -> SystemTime {
        let moved = match time.minus(self.stream).to_duration() {
            Some(after) => self.wallclock.checked_add(after),
            None => {
                self.stream.minus(time).to_duration().and_then(|before| self.wallclock.checked_sub(before))
            }
        };
        moved.unwrap_or(self.wallclock)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn an_anchor_dates_what_is_before_it_too() {
        let start = UNIX_EPOCH + Duration::from_secs(1_000);
        let anchor = Anchor::new(Timestamp::from_millis(500), start);
        assert_eq!(anchor.at(Timestamp::from_millis(0)), start - Duration::from_millis(500));
        assert_eq!(anchor.at(Timestamp::from_millis(1_500)), start + Duration::from_secs(1));
    }
}
