//! The 33-bit clock of 90 kHz (ISO/IEC 13818-1 §2.4.3.7), which wraps after 26.5 hours.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use media::{Rate, Timestamp};

const MASK: i64 = (1 << 33) - 1;

/// A timestamp as PTS, DTS or base of a PCR.
pub(super) fn wrapped(stamp: Timestamp) -> u64 {
    (stamp.to_rate(Rate::VIDEO).ticks() & MASK).cast_unsigned()
}

/// Continues 33-bit stamps beyond their wrap. One for all tracks, so that they wrap together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The stamp as the value nearest to the one before: up to 13.2 hours ahead or behind.
    pub(super) fn unwrap(&mut self, stamp: u64) -> Timestamp {
        let stamp = stamp.cast_signed() & MASK;
        let ticks = match self.last {
            None => stamp,
            Some(last) => {
                let ahead = stamp.wrapping_sub(last) & MASK;
                // Sign extension of the difference's 33 bits.
                last.saturating_add((ahead << 31) >> 31)
            }
        };
        self.last = Some(ticks);
        Timestamp::new(ticks, Rate::VIDEO)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "the test's own numbers; a panic is a failure")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stamps_go_on_beyond_the_wrap() {
        let mut unwrapper = Unwrapper::default();
        let ticks = [(1 << 33) - 10, 5, (1 << 33) - 2, 20].map(|stamp| unwrapper.unwrap(stamp).ticks());
        assert_eq!(ticks, [(1 << 33) - 10, (1 << 33) + 5, (1 << 33) - 2, (1 << 33) + 20]);
        assert_eq!(wrapped(Timestamp::new(-1, Rate::VIDEO)), (1 << 33) - 1, "before the origin");
    }

    proptest! {
        #[test]
        fn stamps_survive_the_way_out_and_in(start in 0..1_i64 << 33, steps in prop::collection::vec(-(1_i64 << 32) + 1..1 << 32, 1..20)) {
            let mut unwrapper = Unwrapper::default();
            let mut ticks = start;
            prop_assert_eq!(unwrapper.unwrap(wrapped(Timestamp::new(ticks, Rate::VIDEO))).ticks(), start);
            for step in steps {
                ticks += step;
                let stamp = Timestamp::new(ticks, Rate::VIDEO);
                prop_assert_eq!(unwrapper.unwrap(wrapped(stamp)), stamp);
            }
        }
    }
}
