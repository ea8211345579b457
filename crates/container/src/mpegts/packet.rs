//! Packets of 188 bytes (ISO/IEC 13818-1 §2.4.3.2 to §2.4.3.5).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};

/// Bytes of a packet.
pub const PACKET_LEN: usize = 188;
pub(super) const SYNC: u8 = 0x47;
const HEADER_LEN: usize = 4;
const MAX_PAYLOAD: usize = PACKET_LEN - HEADER_LEN;
const PADDING: u8 = 0xff;

const UNIT_START: u8 = 0x40;
const HAS_ADAPTATION: u8 = 0x20;
const HAS_PAYLOAD: u8 = 0x10;
const DISCONTINUITY: u8 = 0x80;
const RANDOM_ACCESS: u8 = 0x40;
const HAS_PCR: u8 = 0x10;

/// What the adaptation field of a unit's first packet says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    /// `random_access_indicator`.
    pub(super) random_access: bool,
    /// The base of a program clock reference, 33 bits at 90 kHz; its extension is always 0.
    pub(super) pcr: Option<u64>,
}

impl Start {
    /// The content of the adaptation field; empty where there is nothing to say.
    fn field(self) -> ([u8; 7], usize) {
        let flags = if self.random_access { RANDOM_ACCESS } else { 0 };
        let Some(base) = self.pcr else {
            return ([flags, 0, 0, 0, 0, 0, 0], if flags == 0 { 0 } else { 1 });
        };
        // 33 bits of base, six reserved bits that are set, nine bits of extension.
        let [.., b0, b1, b2, b3, b4, b5] = ((base << 15) | (0x3f << 9)).to_be_bytes();
        ([flags | HAS_PCR, b0, b1, b2, b3, b4, b5], 7)
    }
}

/// Appends a unit (a PES packet, or a section behind its pointer) in as many packets as it needs; the last one is filled
/// up by its adaptation field. `counter` is the PID's continuity counter.
pub(super) fn put_unit(out: &mut BytesMut, pid: u16, counter: &mut u8, start: Start, unit: &[u8]) {
    let (field, mut field_len) = start.field();
    let [pid_high, pid_low] = pid.to_be_bytes();
    let mut first = UNIT_START;
    let mut rest = unit;
    while !rest.is_empty() {
        // The field's length takes a byte of its own.
        let reserved = if field_len == 0 { 0 } else { field_len.saturating_add(1) };
        let (payload, after) =
            rest.split_at_checked(MAX_PAYLOAD.saturating_sub(reserved)).unwrap_or((rest, &[]));
        let adaptation_len = MAX_PAYLOAD.saturating_sub(payload.len());
        let control = HAS_PAYLOAD | if adaptation_len > 0 { HAS_ADAPTATION } else { 0 };
        out.put_slice(&[SYNC, first | (pid_high & 0x1f), pid_low, control | *counter]);
        if let Some(len) = adaptation_len.checked_sub(1) {
            out.put_u8(u8::try_from(len).unwrap_or_default());
            // A field of one byte has no flags; any longer one does.
            let written = if len == 0 { &[][..] } else { field.get(..field_len.max(1)).unwrap_or_default() };
            out.put_slice(written);
            out.put_bytes(PADDING, len.saturating_sub(written.len()));
        }
        out.put_slice(payload);
        *counter = counter.wrapping_add(1) & 0x0f;
        (first, field_len, rest) = (0, 0, after);
    }
}

/// A packet that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    pub(super) unit_start: bool,
    /// `discontinuity_indicator`: the counter may jump.
    pub(super) discontinuity: bool,
    pub(super) counter: u8,
    /// `None` where there is none, which does not move the counter.
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` for one that is marked as damaged, scrambled, or contradicts itself.
    pub(super) fn parse(packet: &'a [u8; PACKET_LEN]) -> Option<Self> {
        const ERROR: u8 = 0x80;
        let [sync, high, low, control, rest @ ..] = packet;
        if *sync != SYNC || high & ERROR != 0 || control & 0xc0 != 0 {
            return None;
        }
        let mut body = &rest[..];
        let mut discontinuity = false;
        if control & HAS_ADAPTATION != 0 {
            let (&len, after) = body.split_first()?;
            let (field, after) = after.split_at_checked(len.into())?;
            discontinuity = field.first().is_some_and(|flags| flags & DISCONTINUITY != 0);
            body = after;
        }
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1f, *low]),
            unit_start: high & UNIT_START != 0,
            discontinuity,
            counter: control & 0x0f,
            payload: (control & HAS_PAYLOAD != 0).then_some(body),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use super::*;

    fn packets(start: Start, len: usize) -> Vec<[u8; PACKET_LEN]> {
        let (mut out, mut counter) = (BytesMut::new(), 14);
        let unit: Vec<u8> = (0..len).map(|index| index as u8).collect();
        put_unit(&mut out, 0x1abc, &mut counter, start, &unit);
        let (packets, rest) = out.as_chunks();
        assert!(rest.is_empty());
        assert_eq!(usize::from(counter), (14 + packets.len()) % 16);
        packets.to_vec()
    }

    #[test]
    fn units_of_every_length_are_read_back() {
        let starts = [(false, None), (true, None), (false, Some(1)), (true, Some((1 << 33) - 1))];
        for (random_access, pcr) in starts {
            for len in 1..600 {
                let packets = packets(Start { random_access, pcr }, len);
                let read: Vec<Packet<'_>> =
                    packets.iter().map(|packet| Packet::parse(packet).unwrap()).collect();
                let unit: Vec<u8> = read.iter().flat_map(|packet| packet.payload.unwrap()).copied().collect();
                assert!(
                    unit.iter().enumerate().all(|(index, &byte)| byte == index as u8) && unit.len() == len
                );
                for (index, packet) in read.iter().enumerate() {
                    assert_eq!((packet.pid, packet.unit_start), (0x1abc, index == 0));
                    assert_eq!(usize::from(packet.counter), (14 + index) % 16);
                }
            }
        }
    }

    #[test]
    fn the_adaptation_field_of_the_standard() {
        let field = |random_access, pcr, len: usize| packets(Start { random_access, pcr }, len)[0];
        assert_eq!(field(false, None, 184)[..5], [0x47, 0x5a, 0xbc, 0x1e, 0], "nothing to say");
        assert_eq!(field(false, None, 183)[..6], [0x47, 0x5a, 0xbc, 0x3e, 0, 0], "one byte too many");
        assert_eq!(field(false, None, 182)[..7], [0x47, 0x5a, 0xbc, 0x3e, 1, 0, 0]);
        assert_eq!(field(false, None, 181)[..8], [0x47, 0x5a, 0xbc, 0x3e, 2, 0, 0xff, 0]);
        assert_eq!(field(true, None, 184)[..7], [0x47, 0x5a, 0xbc, 0x3e, 1, 0x40, 0]);
        let pcr = field(true, Some(0x1_2345_6789), 184);
        assert_eq!(pcr[4..13], [7, 0x50, 0x91, 0xa2, 0xb3, 0xc4, 0xfe, 0, 0]);
    }

    #[test]
    fn damaged_packets_are_left_out() {
        let good = packets(Start::default(), 10)[0];
        let changed = |at: usize, value: u8| {
            let mut packet = good;
            packet[at] = value;
            Packet::parse(&packet).is_some()
        };
        assert!(Packet::parse(&good).is_some());
        assert!(!changed(0, 0x48), "no sync byte");
        assert!(!changed(1, 0xda), "marked as damaged");
        assert!(!changed(3, 0xbe), "scrambled");
        assert!(!changed(4, 184), "an adaptation field longer than the packet");
        assert!(changed(4, 183));
    }
}
