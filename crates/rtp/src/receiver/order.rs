//! Sequence numbers (RFC 3550 §A.1) and packets that overtake each other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::packet::Packet;

/// A sequence number this far ahead is a gap, not another source (RFC 3550 §A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3_000;
/// One this far behind is late (RFC 3550 §A.1, MAX_MISORDER).
const MAX_MISORDER: u16 = 1_000;
/// The most packets that wait for one that is missing: 60 ms at 50 Mbit/s are 300.
const MAX_HELD: usize = 512;

/// Extends sequence numbers and puts packets in order. In order nothing waits; behind a gap packets wait for `wait` at
/// the most, not at all where it is zero.
#[derive(Debug)]
pub(super) struct Order {
    wait: Duration,
    /// Extended by the count of wraps, beginning with one.
    highest: Option<u64>,
    ssrc: u32,
    /// The next one to give out.
    next: u64,
    held: BTreeMap<u64, (Packet, Instant)>,
    /// A packet that fits nowhere; the next one may prove that a source begins with it (RFC 3550 §A.1, bad_seq).
    suspect: Option<(Packet, Instant)>,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sequenced {
    /// It is of the source, with this extended sequence number.
    Known(u64),
    /// A source begins: with this packet, or with the one before, which waited to be confirmed.
    Began {
        /// The extended sequence number of the source's first packet.
        first: u64,
        /// Bytes of payload of the one that waited.
        held: Option<usize>,
    },
    /// It waits for one that confirms it.
    Suspect,
}

impl Sequenced {
    /// The packet's extended sequence number, if it was taken.
    pub(super) fn extended(self) -> Option<u64> {
        match self {
            Self::Known(extended) => Some(extended),
            Self::Began { first, held } => Some(first + u64::from(held.is_some())),
            Self::Suspect => None,
        }
    }
}

/// A packet in order.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) packet: Packet,
    pub(super) arrival: Instant,
    /// Packets are missing in front of it.
    pub(super) gap: bool,
}

impl Order {
    pub(super) const fn new(wait: Duration) -> Self {
        Self { wait, highest: None, ssrc: 0, next: 0, held: BTreeMap::new(), suspect: None }
    }

    /// Takes a packet; late and repeated ones are counted by the caller and otherwise forgotten.
    pub(super) fn push(&mut self, packet: Packet, now: Instant) -> Sequenced {
        let (sequence, ssrc) = (packet.header.sequence, packet.header.ssrc);
        let Some(highest) = self.highest else {
            return Sequenced::Began { first: self.begin(packet, now), held: None };
        };
        let ahead = sequence.wrapping_sub(highest as u16);
        let behind = ahead.wrapping_neg();
        if ssrc != self.ssrc || (ahead > MAX_DROPOUT && behind > MAX_MISORDER) {
            return self.suspect(packet, now);
        }
        self.suspect = None;
        let extended =
            if ahead <= MAX_DROPOUT { highest + u64::from(ahead) } else { highest - u64::from(behind) };
        self.highest = Some(highest.max(extended));
        if extended >= self.next {
            self.held.entry(extended).or_insert((packet, now));
        }
        Sequenced::Known(extended)
    }

    /// The next packet, if it is its turn or waiting for the one before is over.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Ordered> {
        let gap = *self.held.first_key_value()?.0 > self.next;
        if gap && self.held.len() <= MAX_HELD && self.deadline().is_some_and(|deadline| now < deadline) {
            return None;
        }
        let (extended, (packet, arrival)) = self.held.pop_first()?;
        self.next = extended + 1;
        Some(Ordered { packet, arrival, gap })
    }

    /// When waiting for a missing packet is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.values().map(|(_, arrival)| *arrival + self.wait).min()
    }

    fn suspect(&mut self, packet: Packet, now: Instant) -> Sequenced {
        let before = self.suspect.take().filter(|(before, _)| {
            before.header.ssrc == packet.header.ssrc
                && before.header.sequence.wrapping_add(1) == packet.header.sequence
        });
        let Some((first, arrival)) = before else {
            self.suspect = Some((packet, now));
            return Sequenced::Suspect;
        };
        let held = Some(first.payload.len());
        let first = self.begin(first, arrival);
        self.push(packet, now);
        Sequenced::Began { first, held }
    }

    fn begin(&mut self, packet: Packet, now: Instant) -> u64 {
        let first = (1 << 16) | u64::from(packet.header.sequence);
        self.held.clear();
        self.suspect = None;
        (self.highest, self.next, self.ssrc) = (Some(first), first, packet.header.ssrc);
        self.held.insert(first, (packet, now));
        first
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Header;

    const WAIT: Duration = Duration::from_millis(60);

    fn packet(ssrc: u32, sequence: u16) -> Packet {
        let header = Header { marker: false, payload_type: 96, sequence, timestamp: 0, ssrc };
        Packet { header, payload: Bytes::from_static(b"payload") }
    }

    fn drain(order: &mut Order, now: Instant) -> Vec<(u16, bool)> {
        std::iter::from_fn(|| order.pop(now)).map(|out| (out.packet.header.sequence, out.gap)).collect()
    }

    fn feed(order: &mut Order, sequences: &[u16], now: Instant) -> Vec<(u16, bool)> {
        let each = |&sequence: &u16| {
            order.push(packet(1, sequence), now);
            drain(order, now)
        };
        sequences.iter().flat_map(each).collect()
    }

    #[test]
    fn rule_7_packets_in_order_do_not_wait_also_across_a_wrap() {
        let (mut order, now) = (Order::new(WAIT), Instant::now());
        let sequences = [0xfffe, 0xffff, 0, 1];
        assert_eq!(feed(&mut order, &sequences, now), sequences.map(|s| (s, false)));
        assert_eq!(order.deadline(), None);
        assert_eq!(order.push(packet(1, 2), now), Sequenced::Known(0x2_0002));
    }

    #[test]
    fn a_packet_that_was_overtaken_is_put_back() {
        let (mut order, now) = (Order::new(WAIT), Instant::now());
        let out = feed(&mut order, &[5, 7, 8, 6, 9], now);
        assert_eq!(out, [5, 6, 7, 8, 9].map(|s| (s, false)));
    }

    #[test]
    fn a_lost_packet_is_waited_for_and_then_told() {
        let (mut order, now) = (Order::new(WAIT), Instant::now());
        assert_eq!(feed(&mut order, &[5, 7], now), [(5, false)]);
        assert_eq!(order.deadline(), Some(now + WAIT));
        assert_eq!(feed(&mut order, &[8], now + WAIT / 2), []);
        assert_eq!(drain(&mut order, now + WAIT), [(7, true), (8, false)]);
        assert_eq!(feed(&mut order, &[6, 7, 9], now + WAIT), [(9, false)], "too late");
    }

    #[test]
    fn over_tcp_nothing_waits() {
        let (mut order, now) = (Order::new(Duration::ZERO), Instant::now());
        assert_eq!(feed(&mut order, &[5, 7, 6, 8], now), [(5, false), (7, true), (8, false)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut order, now) = (Order::new(WAIT), Instant::now());
        let sequences: Vec<_> = [0].into_iter().chain(2..=MAX_HELD as u16 + 2).collect();
        let out = feed(&mut order, &sequences, now);
        assert_eq!(out.len(), sequences.len(), "the last one was one too many, and all went out");
    }

    #[test]
    fn one_stray_packet_is_ignored_two_are_a_new_source() {
        let (mut order, now) = (Order::new(WAIT), Instant::now());
        feed(&mut order, &[5], now);
        for (ssrc, sequence) in [(1, 30_000), (2, 6)] {
            assert_eq!(order.push(packet(ssrc, sequence), now), Sequenced::Suspect);
            assert_eq!(drain(&mut order, now), []);
        }
        assert_eq!(feed(&mut order, &[6], now), [(6, false)]);
        assert_eq!(order.push(packet(2, 40_000), now), Sequenced::Suspect);
        assert_eq!(
            order.push(packet(2, 40_001), now),
            Sequenced::Began { first: (1 << 16) | 40_000, held: Some(7) }
        );
        assert_eq!(drain(&mut order, now), [(40_000, false), (40_001, false)]);
    }

    proptest! {
        #[test]
        fn any_packets_come_out_once_in_order_and_in_time(
            packets in prop::collection::vec((0_u32..2, any::<u16>(), 0_u64..30), 0..80),
            spread in 1_u16..2_000,
        ) {
            let (mut order, start) = (Order::new(WAIT), Instant::now());
            let (mut now, mut last) = (start, None);
            for (ssrc, sequence, wait) in packets {
                now += Duration::from_millis(wait);
                let sequenced = order.push(packet(u32::from(ssrc == 0), sequence % spread), now);
                if matches!(sequenced, Sequenced::Began { .. }) {
                    last = None;
                }
                while let Some(out) = order.pop(now) {
                    prop_assert!(now.duration_since(out.arrival) <= WAIT + Duration::from_millis(30));
                    let next = Some(order.next);
                    prop_assert!(next > last);
                    last = next;
                }
                prop_assert!(order.deadline().is_none_or(|deadline| deadline > now));
            }
        }
    }
}
