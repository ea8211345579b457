//! Instants on a stream's timeline.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Ticks a second of a [`Timestamp`], in Hz. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rate(NonZeroU32);

impl Rate {
    /// 1,000 Hz: RTMP and FLV timestamps.
    pub const MILLIS: Self = Self::constant(1_000);
    /// 90,000 Hz: the RTP clock of every video codec (RFC 6184 §8.2.1).
    pub const VIDEO: Self = Self::constant(90_000);
    /// 48,000 Hz: the RTP clock of Opus, whatever the encoder's bandwidth (RFC 7587 §4.1).
    pub const OPUS: Self = Self::constant(48_000);
    /// 8,000 Hz: G.711 as telephones and cameras send it (RFC 3551 table 4).
    pub const TELEPHONE: Self = Self::constant(8_000);

    const fn constant(hz: u32) -> Self {
        match NonZeroU32::new(hz) {
            Some(hz) => Self(hz),
            None => panic!("a clock rate is never zero"),
        }
    }

    /// A rate of `hz` ticks a second, or `None` for zero.
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// Ticks a second.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// An instant on a stream's timeline: `ticks / rate` seconds after the stream's origin. May be negative.
///
/// Ordering and equality compare instants, not representations: 1,000 ticks at 1 kHz equal 90,000 at 90 kHz.
#[derive(Clone, Copy)]
pub struct Timestamp {
    ticks: i64,
    rate: Rate,
}

impl Timestamp {
    /// `ticks` of a clock that runs at `rate`.
    pub const fn new(ticks: i64, rate: Rate) -> Self {
        Self { ticks, rate }
    }

    /// `millis` milliseconds after the origin, on the 1 kHz clock of RTMP and FLV.
    pub const fn from_millis(millis: i64) -> Self {
        Self::new(millis, Rate::MILLIS)
    }

    /// Ticks since the origin, in units of `1 / rate` seconds.
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// The clock rate of [`Self::ticks`].
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// The same instant on another clock, rounded to the nearest tick (halves towards the future).
    pub fn to_rate(self, rate: Rate) -> Self {
        if rate == self.rate {
            return self;
        }
        Self::new(rescale(self.ticks, self.rate, rate), rate)
    }

    /// Milliseconds since the origin, rounded to the nearest.
    pub fn as_millis(self) -> i64 {
        self.to_rate(Rate::MILLIS).ticks
    }

    /// Microseconds since the origin, rounded to the nearest.
    pub fn as_micros(self) -> i64 {
        rescale(self.ticks, self.rate, Rate::constant(1_000_000))
    }

    /// This instant moved by `other`, whatever clock `other` is on; the result keeps this clock.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::new(self.ticks.saturating_add(other.to_rate(self.rate).ticks), self.rate)
    }

    /// What lies between `earlier` and this instant, negative if `earlier` is later; the result keeps this clock.
    #[must_use]
    pub fn minus(self, earlier: Self) -> Self {
        Self::new(self.ticks.saturating_sub(earlier.to_rate(self.rate).ticks), self.rate)
    }

    /// A span of time as a timestamp on this clock, rounded to the nearest tick.
    pub fn from_duration(span: Duration, rate: Rate) -> Self {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self::new(rescale(nanos, Rate::constant(1_000_000_000), rate), rate)
    }

    /// The span since the origin, or `None` before it.
    pub fn to_duration(self) -> Option<Duration> {
        let nanos = i128::from(self.ticks) * 1_000_000_000 / i128::from(self.rate.hz());
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }
}

/// `ticks · to / from`, rounded to the nearest, saturating at the ends of `i64`.
fn rescale(ticks: i64, from: Rate, to: Rate) -> i64 {
    let (from, to) = (i128::from(from.hz()), i128::from(to.hz()));
    let scaled = (i128::from(ticks) * to * 2 + from).div_euclid(from * 2);
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i128::from(self.ticks) * i128::from(other.rate.hz());
        left.cmp(&(i128::from(other.ticks) * i128::from(self.rate.hz())))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ticks, self.rate.hz())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_compare_across_rates() {
        assert_eq!(Timestamp::from_millis(1_000), Timestamp::new(90_000, Rate::VIDEO));
        assert!(Timestamp::new(1, Rate::VIDEO) > Timestamp::from_millis(0));
        assert!(Timestamp::from_millis(-1) < Timestamp::new(0, Rate::OPUS));
    }

    #[test]
    fn milliseconds_survive_the_way_through_90_khz() {
        for millis in [-5, 0, 1, 33, 16_777_215, 4_294_967_295] {
            assert_eq!(Timestamp::from_millis(millis).to_rate(Rate::VIDEO).as_millis(), millis);
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_also_below_zero() {
        let rate = Rate::new(44_100).unwrap();
        assert_eq!(Timestamp::new(1_024, rate).as_millis(), 23); // 23.22
        assert_eq!(Timestamp::new(-1_024, rate).as_millis(), -23);
        assert_eq!(Timestamp::new(2_048, rate).as_millis(), 46); // 46.44
    }

    #[test]
    fn extremes_saturate() {
        let end = Timestamp::new(i64::MAX, Rate::MILLIS).to_rate(Rate::VIDEO);
        assert_eq!(end.ticks(), i64::MAX);
        assert_eq!(Timestamp::new(i64::MIN, Rate::MILLIS).minus(Timestamp::from_millis(1)).ticks(), i64::MIN);
    }
}
