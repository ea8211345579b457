//! What a receiver reports about a source (RFC 3550 §6.4.1).

use std::time::Instant;

use media::Rate;

use crate::rtcp::ReportBlock;

/// Counts of one source since its first packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Packets that came, repeated and late ones among them.
    pub received: u64,
    /// Bytes of payload that came.
    pub bytes: u64,
    /// Packets that did not come, less those that came twice.
    pub lost: i64,
    /// Interarrival jitter in ticks of the track's clock (§A.8).
    pub jitter: u32,
}

/// The running counts (§A.3, §A.8).
#[derive(Debug, Default)]
pub(super) struct Counter {
    first: u64,
    highest: u64,
    received: u64,
    bytes: u64,
    /// Received and expected at the last report.
    prior: (u64, u64),
    /// Arrival minus timestamp of the last packet, in ticks.
    transit: Option<i32>,
    /// In 1/16 ticks, as §A.8 keeps it.
    jitter: u32,
    origin: Option<Instant>,
}

impl Counter {
    /// A source that begins with the extended sequence number `first`.
    pub(super) fn begin(first: u64) -> Self {
        Self { first, highest: first, ..Self::default() }
    }

    /// The source's first packet, of which no more than its size is known any more.
    pub(super) fn held(&mut self, bytes: usize) {
        self.received += 1;
        self.bytes += bytes as u64;
    }

    pub(super) fn packet(&mut self, extended: u64, timestamp: u32, bytes: usize, now: Instant, rate: Rate) {
        self.received += 1;
        self.bytes += bytes as u64;
        self.highest = self.highest.max(extended);
        let origin = *self.origin.get_or_insert(now);
        let nanos = now.saturating_duration_since(origin).as_nanos();
        let arrival = (nanos * u128::from(rate.hz()) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp).cast_signed();
        if let Some(last) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(last).unsigned_abs();
            // §A.8: J += (|D| - J) / 16, rounded.
            self.jitter = self.jitter.saturating_add(difference) - ((self.jitter + 8) >> 4);
        }
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }

    fn lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    pub(super) fn statistics(&self) -> Statistics {
        Statistics { received: self.received, bytes: self.bytes, lost: self.lost(), jitter: self.jitter >> 4 }
    }

    /// The report since the last one. `last_report` and `delay` are those of the last sender report.
    pub(super) fn report(&mut self, ssrc: u32, last_report: u32, delay: u32) -> ReportBlock {
        let expected = self.expected();
        let (received_before, expected_before) =
            std::mem::replace(&mut self.prior, (self.received, expected));
        let interval = expected - expected_before;
        let missing = interval.saturating_sub(self.received - received_before);
        let fraction = (missing << 8).checked_div(interval).unwrap_or(0);
        ReportBlock {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            // Extended numbers begin with one wrap, the report's with none.
            highest_sequence: (self.highest as u32).wrapping_sub(1 << 16),
            jitter: self.jitter >> 4,
            last_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FIRST: u64 = (1 << 16) | 0xfff0;

    fn receive(counter: &mut Counter, start: Instant, packets: impl IntoIterator<Item = u64>, late: u64) {
        for n in packets {
            let at = start + Duration::from_millis(n * 20 + if n % 2 == 1 { late } else { 0 });
            counter.packet(
                FIRST + n,
                7_u32.wrapping_sub(900).wrapping_add(n as u32 * 960),
                100,
                at,
                Rate::OPUS,
            );
        }
    }

    #[test]
    fn losses_are_counted_as_a_number_and_as_a_fraction_since_the_last_report() {
        let (mut counter, start) = (Counter::begin(FIRST), Instant::now());
        receive(&mut counter, start, (0..100).filter(|n| n % 4 != 1), 0);
        let block = counter.report(9, 1, 2);
        assert_eq!((block.lost, block.fraction_lost), (25, 64));
        assert_eq!(block.highest_sequence, 0xfff0 + 99, "one wrap");
        assert_eq!((block.ssrc, block.last_report, block.delay), (9, 1, 2));
        receive(&mut counter, start, 100..200, 0);
        let block = counter.report(9, 1, 2);
        assert_eq!((block.lost, block.fraction_lost), (25, 0));
        let expected = Statistics { received: 175, bytes: 17_500, lost: 25, jitter: 0 };
        assert_eq!(counter.statistics(), expected);
        assert_eq!(counter.report(9, 1, 2).fraction_lost, 0, "nothing expected");
    }

    #[test]
    fn packets_that_come_twice_make_the_count_negative_not_the_fraction() {
        let (mut counter, start) = (Counter::begin(FIRST), Instant::now());
        receive(&mut counter, start, (0..10).chain(0..10), 0);
        let block = counter.report(9, 0, 0);
        assert_eq!((block.lost, block.fraction_lost), (-10, 0));
    }

    #[test]
    fn jitter_settles_at_the_mean_deviation() {
        let (mut counter, start) = (Counter::begin(FIRST), Instant::now());
        receive(&mut counter, start, 0..500, 0);
        assert_eq!(counter.statistics().jitter, 0);
        receive(&mut counter, start, 500..1_000, 5);
        // Every second packet 5 ms late: |D| is always 240 ticks.
        assert!((235..=241).contains(&counter.statistics().jitter), "{:?}", counter.statistics());
    }
}
