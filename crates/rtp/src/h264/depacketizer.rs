//! RTP payloads -> access units.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use media::h264::avcc::{AccessUnit, access_unit};
use thiserror::Error;

use super::{FU_A, FU_END, FU_START, NRI_MASK, STAP_A, TYPE_MASK};
use crate::packet::{Header, Packet};

/// The largest access unit in bytes. A 4K random access point at 100 Mbit/s stays below 2 MiB.
pub const MAX_ACCESS_UNIT: usize = 4 << 20;
/// The most NAL units of one access unit.
const MAX_NALS: usize = 1_024;

/// What came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Popped {
    /// A complete access unit. Its payload may be empty when only parameter sets came.
    AccessUnit {
        /// RTP timestamp.
        timestamp: u32,
        /// The access unit in canonical form.
        unit: AccessUnit,
    },
    /// Packets are missing. No picture comes before the next random access point; ask for one.
    Lost,
}

/// A payload that is not H.264 in packetization-mode 0 or 1. The access unit it belongs to is given up as after a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DepacketizeError {
    /// A payload structure of the interleaved mode (RFC 6184 §5.2: STAP-B, MTAP, FU-B) or a reserved one.
    #[error("RTP packet {sequence}: NAL unit type {kind} is not of packetization-mode 1")]
    Unsupported {
        /// The packet's sequence number.
        sequence: u16,
        /// The type field.
        kind: u8,
    },
    /// The sizes inside the payload do not fit it.
    #[error("RTP packet {sequence}: the payload ends at byte {at} of a NAL unit that is longer")]
    Truncated {
        /// The packet's sequence number.
        sequence: u16,
        /// Where the unit that does not fit begins.
        at: usize,
    },
    /// More than [`MAX_ACCESS_UNIT`] bytes or 1,024 NAL units with one timestamp.
    #[error("RTP packet {sequence}: the access unit is too large")]
    TooLarge {
        /// The packet's sequence number.
        sequence: u16,
    },
}

/// Puts access units together from the packets of one SSRC (RFC 6184 §5.6 to §5.8), which must come in order: from
/// TCP, or from behind a reorder buffer. One depacketizer per SSRC.
///
/// An access unit ends with the marker, or where the timestamp changes. Some cameras set the marker on every NAL unit;
/// the first packet that shows it makes the timestamp alone count from there on.
#[derive(Debug, Default)]
pub struct Depacketizer {
    last: Option<u16>,
    timestamp: Option<u32>,
    nals: Vec<Bytes>,
    size: usize,
    fragment: Option<BytesMut>,
    /// The timestamp of the unit that a marker ended.
    ended: Option<u32>,
    markers_lie: bool,
    /// Something of the unit being read is missing.
    broken: bool,
    waiting: bool,
    out: VecDeque<Popped>,
}

impl Depacketizer {
    /// One that waits for a random access point.
    pub fn new() -> Self {
        Self { waiting: true, ..Self::default() }
    }

    /// Takes the next packet; then call [`Self::pop`] until it is empty.
    ///
    /// # Errors
    /// [`DepacketizeError`] for a payload that is none; the depacketizer goes on with the next random access point.
    pub fn push(&mut self, packet: &Packet) -> Result<(), DepacketizeError> {
        let Header { sequence, timestamp, marker, .. } = packet.header;
        if !self.follows(sequence) {
            return Ok(());
        }
        if self.timestamp.is_some_and(|last| last != timestamp) {
            self.finish();
        }
        self.timestamp = Some(timestamp);
        // An empty packet only counts as a sequence number: probes and keep-alives of browsers (SRS #4160).
        let taken = if packet.payload.is_empty() { Ok(()) } else { self.payload(packet) };
        if taken.is_err() {
            self.lose();
        }
        // Behind parameter sets alone a marker lies about nothing: cameras mark each of the NAL units in front of an IDR.
        if marker && !self.markers_lie && self.finish() {
            self.ended = Some(timestamp);
        }
        taken
    }

    /// The packets that follow are those of another source: sequence numbers and timestamps start anew.
    pub fn restart(&mut self) {
        self.last = None;
        self.timestamp = None;
        self.ended = None;
        self.nals.clear();
        self.size = 0;
        self.lose();
        self.broken = false;
    }

    /// What is complete.
    pub fn pop(&mut self) -> Option<Popped> {
        self.out.pop_front()
    }

    /// Whether the packet is a new one; notes the loss in front of it.
    fn follows(&mut self, sequence: u16) -> bool {
        let ahead = self.last.map_or(1, |last| sequence.wrapping_sub(last));
        if ahead == 0 || ahead > 0x8000 {
            return false; // a duplicate, or late: what it belongs to has been given up
        }
        self.last = Some(sequence);
        if ahead > 1 {
            // The missing packets may have ended one unit and begun the next: neither is whole.
            self.timestamp = None;
            self.lose();
        }
        true
    }

    fn payload(&mut self, packet: &Packet) -> Result<(), DepacketizeError> {
        let Header { sequence, timestamp, .. } = packet.header;
        if self.ended == Some(timestamp) && self.nals.is_empty() && self.fragment.is_none() {
            self.markers_lie = true;
            self.lose();
        }
        let payload = &packet.payload;
        match payload[0] & TYPE_MASK {
            1..=23 => self.nal(sequence, payload.clone()),
            STAP_A => self.aggregate(sequence, payload),
            FU_A => self.fragment(sequence, payload),
            kind => Err(DepacketizeError::Unsupported { sequence, kind }),
        }
    }

    fn nal(&mut self, sequence: u16, nal: Bytes) -> Result<(), DepacketizeError> {
        self.size += nal.len();
        if self.size > MAX_ACCESS_UNIT || self.nals.len() == MAX_NALS {
            return Err(DepacketizeError::TooLarge { sequence });
        }
        self.nals.push(nal);
        Ok(())
    }

    /// STAP-A (RFC 6184 §5.7.1).
    fn aggregate(&mut self, sequence: u16, payload: &Bytes) -> Result<(), DepacketizeError> {
        let mut at = 1;
        while at < payload.len() {
            let truncated = DepacketizeError::Truncated { sequence, at };
            let size = payload.get(at..at + 2).ok_or(truncated)?;
            let end = at + 2 + usize::from(u16::from_be_bytes([size[0], size[1]]));
            if end > payload.len() {
                return Err(truncated);
            }
            if end > at + 2 {
                self.nal(sequence, payload.slice(at + 2..end))?;
            }
            at = end;
        }
        Ok(())
    }

    /// FU-A (RFC 6184 §5.8).
    fn fragment(&mut self, sequence: u16, payload: &Bytes) -> Result<(), DepacketizeError> {
        let [indicator, header, ref part @ ..] = payload[..] else {
            return Err(DepacketizeError::Truncated { sequence, at: payload.len() });
        };
        if header & FU_START != 0 {
            // An unfinished one was cut short by a sender that started over.
            let unfinished =
                self.fragment.replace(BytesMut::from(&[(indicator & NRI_MASK) | (header & TYPE_MASK)][..]));
            if unfinished.is_some() {
                self.lose_unit();
            }
        }
        let Some(fragment) = &mut self.fragment else {
            self.lose_unit();
            return Ok(());
        };
        if self.size + fragment.len() + part.len() > MAX_ACCESS_UNIT {
            self.fragment = None;
            return Err(DepacketizeError::TooLarge { sequence });
        }
        fragment.extend_from_slice(part);
        if header & FU_END != 0 {
            let nal = self.fragment.take().map(BytesMut::freeze).unwrap_or_default();
            return self.nal(sequence, nal);
        }
        Ok(())
    }

    /// The unit being read is not whole.
    fn lose_unit(&mut self) {
        self.broken = true;
        if !self.waiting {
            self.waiting = true;
            self.out.push_back(Popped::Lost);
        }
    }

    /// Gives up what was collected, parameter sets apart: those are whole NAL units.
    fn lose(&mut self) {
        self.fragment = None;
        self.lose_unit();
    }

    /// Gives out what was collected; true if there was a slice in it.
    fn finish(&mut self) -> bool {
        if self.fragment.take().is_some() {
            self.lose_unit();
        }
        let nals = std::mem::take(&mut self.nals);
        let broken = std::mem::take(&mut self.broken);
        self.size = 0;
        let (Some(timestamp), Some(mut unit)) =
            (self.timestamp.take(), access_unit(nals.iter().map(|nal| &nal[..])))
        else {
            return broken;
        };
        let picture = broken || !unit.payload.is_empty();
        self.waiting &= broken || !unit.random_access;
        if self.waiting {
            unit.payload = Bytes::new();
            unit.random_access = false;
        }
        if !unit.payload.is_empty() || !unit.sets.is_empty() {
            self.out.push_back(Popped::AccessUnit { timestamp, unit });
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use media::h264::{ParameterSets, avcc};
    use proptest::prelude::*;

    use super::*;
    use crate::h264::Packetizer;

    fn sets() -> ParameterSets {
        ParameterSets {
            sps: vec![Bytes::from_static(&[0x67, 0x42, 0xe0, 0x1f, 0x95, 0xa0, 0x14])],
            pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
        }
    }

    fn packet(sequence: u16, timestamp: u32, marker: bool, payload: impl Into<Bytes>) -> Packet {
        let header = Header { marker, payload_type: 96, sequence, timestamp, ssrc: 1 };
        Packet { header, payload: payload.into() }
    }

    /// A picture of `len` bytes and its packets.
    fn picture(number: u32, idr: bool, len: usize, sequence: &mut u16) -> (Bytes, Vec<Packet>) {
        let mut nal = vec![if idr { 0x65 } else { 0x41 }];
        nal.extend((0..len).map(|i| 1 + (i as u32 * 3 + number) as u8 % 250));
        let payload = avcc::write([&nal[..]]);
        let payloads = Packetizer::default().packetize(&payload, idr.then(sets).as_ref());
        let last = payloads.len() - 1;
        let packets = payloads.iter().enumerate().map(|(i, bytes)| {
            *sequence = sequence.wrapping_add(1);
            packet(*sequence, number * 3_600, i == last, Bytes::copy_from_slice(bytes))
        });
        let packets = packets.collect();
        (payload, packets)
    }

    fn feed(depacketizer: &mut Depacketizer, packets: impl IntoIterator<Item = Packet>) -> Vec<Popped> {
        let mut out = Vec::new();
        for packet in packets {
            let _ = depacketizer.push(&packet);
            out.extend(std::iter::from_fn(|| depacketizer.pop()));
        }
        out
    }

    fn payloads(out: &[Popped]) -> Vec<Bytes> {
        let payload = |popped: &Popped| match popped {
            Popped::AccessUnit { unit, .. } => Some(unit.payload.clone()),
            Popped::Lost => None,
        };
        out.iter().filter_map(payload).collect()
    }

    #[test]
    fn rule_7_what_was_packetized_comes_back_across_a_wrap_of_sequence_numbers() {
        let (mut sequence, mut depacketizer) = (0xfffa, Depacketizer::new());
        for (number, len) in [(0, 9_000), (1, 300), (2, 1_199), (3, 1_200), (4, 40_000)] {
            let (payload, packets) = picture(number, number == 0, len, &mut sequence);
            let out = feed(&mut depacketizer, packets);
            assert_eq!(payloads(&out), [payload]);
            let Popped::AccessUnit { timestamp, unit } = &out[0] else { panic!("lost") };
            assert_eq!((*timestamp, unit.random_access), (number * 3_600, number == 0));
            assert_eq!(unit.sets == sets(), number == 0);
        }
    }

    #[test]
    fn rule_8_a_lost_packet_costs_everything_up_to_the_next_random_access_point() {
        let (mut sequence, mut depacketizer) = (0, Depacketizer::new());
        let mut all = Vec::new();
        for number in 0..9 {
            all.push(picture(number, number % 4 == 0, 3_000, &mut sequence));
        }
        for gone in 0..3 {
            let mut depacketizer = Depacketizer::new();
            let packets = all.iter().enumerate().flat_map(|(n, (_, packets))| {
                packets.iter().enumerate().filter(move |(i, _)| (n, *i) != (2, gone)).map(|(_, p)| p.clone())
            });
            let out = feed(&mut depacketizer, packets);
            let expected: Vec<_> = [0, 1, 4, 5, 6, 7, 8].iter().map(|&n: &usize| all[n].0.clone()).collect();
            assert_eq!(payloads(&out), expected, "without packet {gone}");
            assert_eq!(out.iter().filter(|popped| **popped == Popped::Lost).count(), 1);
        }
        // Nothing before the first random access point either.
        let late = all[1..].iter().flat_map(|(_, packets)| packets.clone());
        assert_eq!(payloads(&feed(&mut depacketizer, late))[0], all[4].0);
    }

    #[test]
    fn rule_7_empty_packets_advance_the_sequence_number_and_duplicates_do_nothing() {
        let (mut sequence, mut depacketizer) = (0, Depacketizer::new());
        let (first, mut packets) = picture(0, true, 3_000, &mut sequence);
        sequence += 1;
        packets.push(packet(sequence, 0, false, Bytes::new()));
        packets.push(packets[1].clone());
        let (second, more) = picture(1, false, 100, &mut sequence);
        packets.extend(more);
        assert_eq!(payloads(&feed(&mut depacketizer, packets)), [first, second]);
    }

    #[test]
    fn rule_8_a_missing_marker_is_made_up_for_by_the_next_timestamp() {
        let (mut sequence, mut depacketizer) = (0, Depacketizer::new());
        let (first, packets) = picture(0, true, 100, &mut sequence);
        let (second, more) = picture(1, false, 100, &mut sequence);
        let unmarked = packets.into_iter().map(|mut packet| {
            packet.header.marker = false;
            packet
        });
        assert_eq!(payloads(&feed(&mut depacketizer, unmarked.chain(more))), [first, second]);
    }

    #[test]
    fn markers_on_every_nal_unit_are_found_out_and_ignored() {
        let (mut sequence, mut out) = (0, Vec::new());
        let mut depacketizer = Depacketizer::new();
        let mut pictures = Vec::new();
        for number in 0..6_u32 {
            let slices: Vec<Vec<u8>> = (0..2).map(|i| vec![0x65, 0x88, i + 1, number as u8 + 1]).collect();
            for slice in &slices {
                sequence += 1;
                let packet = packet(sequence, number * 3_600, true, Bytes::copy_from_slice(slice));
                out.extend(feed(&mut depacketizer, [packet]));
            }
            pictures.push(avcc::write(slices.iter().map(|s| &s[..])));
        }
        assert_eq!(
            payloads(&out)[1..],
            pictures[1..5],
            "the first is half, from the second on all are whole"
        );
    }

    #[test]
    fn payloads_of_other_modes_and_broken_sizes_are_errors() {
        let packet = |sequence, bytes: &'static [u8]| packet(sequence, 0, false, bytes);
        let mut depacketizer = Depacketizer::new();
        let kind = |error| depacketizer.push(&error).unwrap_err();
        let errors: Vec<_> =
            [packet(1, &[25, 0]), packet(2, &[0x78, 0, 9, 0x67]), packet(3, &[0x7c])].map(kind).into();
        assert_eq!(
            errors,
            [
                DepacketizeError::Unsupported { sequence: 1, kind: 25 },
                DepacketizeError::Truncated { sequence: 2, at: 1 },
                DepacketizeError::Truncated { sequence: 3, at: 1 },
            ]
        );
    }

    #[test]
    fn an_endless_fragment_does_not_fill_memory() {
        let mut depacketizer = Depacketizer::new();
        let body = Bytes::from(vec![0x7c; 60_000]);
        let mut refused = 0;
        for sequence in 1..200 {
            let mut payload = body.to_vec();
            payload[1] = if sequence == 1 { 0x85 } else { 0x05 };
            refused += usize::from(depacketizer.push(&packet(sequence, 0, false, payload)).is_err());
        }
        assert_eq!(refused, 1, "once, then the rest has no beginning");
    }

    proptest! {
        #[test]
        fn no_packets_panic_and_every_access_unit_is_canonical(
            packets in prop::collection::vec(
                (0_u16..40, 0_u32..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..60),
        ) {
            let mut depacketizer = Depacketizer::new();
            let packets = packets.into_iter().map(|(sequence, timestamp, marker, payload)| {
                packet(sequence, timestamp, marker, payload)
            });
            for payload in payloads(&feed(&mut depacketizer, packets)) {
                prop_assert!(avcc::nals(&payload, 4).all(|nal| nal.is_ok()));
            }
        }
    }
}
