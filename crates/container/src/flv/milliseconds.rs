//! FLV's clock: 32-bit milliseconds that wrap after 49.7 days, and what they lost by rounding.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use media::{Rate, Timestamp};

/// The decode time of a frame as the 32-bit millisecond stamp of RTMP and FLV. Wraps; what lies before the origin wraps
/// too, so senders start their timeline at or after 0.
pub fn timestamp_ms(dts: Timestamp) -> u32 {
    const MASK: i64 = 0xffff_ffff;
    u32::try_from(dts.as_millis() & MASK).unwrap_or_default()
}

/// Continues 32-bit stamps beyond their wrap. One for all tracks, so that they wrap together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The stamp as the value nearest to the one before: up to 24.8 days ahead or behind (RTMP 1.0 §4 asks for the serial
    /// arithmetic of RFC 1982). A backward step stays one; the stream's clock decides what it means.
    pub(super) fn unwrap(&mut self, stamp: u32) -> Timestamp {
        let millis = match self.last {
            None => i64::from(stamp),
            Some(last) => {
                let low = u32::try_from(last & 0xffff_ffff).unwrap_or_default();
                let step = stamp.wrapping_sub(low).cast_signed();
                last.saturating_add(step.into())
            }
        };
        self.last = Some(millis);
        Timestamp::from_millis(millis)
    }
}

/// Gives audio frames back the sample positions that whole milliseconds lost: 1,024 samples at 44.1 kHz are 23.22 ms and
/// arrive as 23, 23, 24. While the stamps fit a gapless row of frames within a millisecond, the row counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SampleGrid {
    next: Option<Timestamp>,
}

impl SampleGrid {
    /// Where a frame of `samples` at `rate` stamped `stamp` begins.
    pub(super) fn place(&mut self, stamp: Timestamp, samples: u32, rate: Rate) -> Timestamp {
        let stamped = stamp.to_rate(rate);
        let tolerance = i64::from(rate.hz() / 1_000);
        let on_grid = |next: &Timestamp| {
            next.rate() == rate && next.minus(stamped).ticks().saturating_abs() <= tolerance
        };
        let start = self.next.filter(on_grid).unwrap_or(stamped);
        self.next = Some(start.plus(Timestamp::new(samples.into(), rate)));
        start
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stamps_go_on_beyond_49_7_days() {
        let mut unwrapper = Unwrapper::default();
        let stamps = [u32::MAX - 20, u32::MAX, 12, 5, 45];
        let millis = stamps.map(|stamp| unwrapper.unwrap(stamp).as_millis());
        assert_eq!(millis, [4_294_967_275, 4_294_967_295, 4_294_967_308, 4_294_967_301, 4_294_967_341]);
    }

    #[test]
    fn a_frame_before_the_first_is_negative() {
        let mut unwrapper = Unwrapper::default();
        assert_eq!([5, u32::MAX - 4].map(|stamp| unwrapper.unwrap(stamp).as_millis()), [5, -5]);
    }

    #[test]
    fn rounded_stamps_become_exact_sample_positions() {
        let rate = Rate::new(44_100).unwrap();
        let mut grid = SampleGrid::default();
        for frame in 0..10_000_i64 {
            let floor = Timestamp::from_millis(frame * 1_024 * 1_000 / 44_100);
            assert_eq!(grid.place(floor, 1_024, rate).ticks(), frame * 1_024);
        }
    }

    #[test]
    fn a_real_gap_is_kept() {
        let mut grid = SampleGrid::default();
        let places =
            [0, 21, 43, 100, 121].map(|ms| grid.place(Timestamp::from_millis(ms), 1_024, Rate::OPUS).ticks());
        assert_eq!(places, [0, 1_024, 2_048, 4_800, 5_824]);
    }

    proptest! {
        #[test]
        fn stamps_survive_the_way_out_and_in(start in any::<u32>(), steps in prop::collection::vec(-1_000..2_000_000_000_i64, 1..20)) {
            let mut unwrapper = Unwrapper::default();
            let mut millis = unwrapper.unwrap(start).as_millis();
            for step in steps {
                millis += step;
                let stamp = timestamp_ms(Timestamp::from_millis(millis));
                prop_assert_eq!(unwrapper.unwrap(stamp).as_millis(), millis);
            }
        }

        #[test]
        fn a_place_is_never_more_than_a_millisecond_off(stamps in prop::collection::vec(0..60_000_i64, 1..50), hz in 8_000..96_000_u32) {
            let rate = Rate::new(hz).unwrap();
            let mut grid = SampleGrid::default();
            for stamp in stamps {
                let place = grid.place(Timestamp::from_millis(stamp), 1_024, rate);
                prop_assert!((place.as_millis() - stamp).abs() <= 1, "{place:?} for {stamp}");
            }
        }
    }
}
