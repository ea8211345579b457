//! How many bits a second a rendition takes, measured.

use std::time::Duration;

use crate::window::{Segment, Window};

/// Bits a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bandwidth {
    /// Of the segment with the most (HLS2 §4.4.6.2, BANDWIDTH).
    pub(crate) peak: u64,
    /// Of all (AVERAGE-BANDWIDTH).
    pub(crate) average: u64,
}

impl Bandwidth {
    /// Of what the playlist lists.
    pub(crate) fn of(window: &Window) -> Self {
        let (mut bytes, mut span, mut peak) = (0, Duration::ZERO, 0);
        for segment in window.listed() {
            bytes += segment.bytes();
            span += segment.duration();
            if segment.complete {
                peak = peak.max(rate_of(segment));
            }
        }
        let average = rate(bytes, span);
        Self { peak: peak.max(average), average }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { peak: self.peak + other.peak, average: self.average + other.average }
    }
}

fn rate_of(segment: &Segment) -> u64 {
    rate(segment.bytes(), segment.duration())
}

fn rate(bytes: usize, span: Duration) -> u64 {
    let micros = span.as_micros().max(1);
    u64::try_from((bytes as u128 * 8_000_000).div_ceil(micros)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::*;
    use crate::window::Part;

    #[test]
    fn the_peak_is_the_largest_segments_and_the_average_is_over_all() {
        let mut window = Window::new(Duration::from_secs(1), 7);
        for kilobytes in [100, 300, 200] {
            window.begin_segment(UNIX_EPOCH, None, false);
            let bytes = Bytes::from(vec![0; kilobytes * 1_000]);
            window.push(Part { duration: Duration::from_secs(1), independent: true, bytes });
        }
        window.begin_segment(UNIX_EPOCH, None, false);
        assert_eq!(Bandwidth::of(&window), Bandwidth { peak: 2_400_000, average: 1_600_000 });
        assert_eq!(Bandwidth::of(&Window::new(Duration::from_secs(1), 7)), Bandwidth::default());
    }
}
