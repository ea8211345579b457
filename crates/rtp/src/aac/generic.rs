//! MPEG4-GENERIC in the modes AAC-hbr and AAC-lbr (RFC 3640 §3.3.5, §3.3.6).

use std::sync::Arc;

use bytes::Bytes;
use media::aac::adts;

use super::{AacError, AccessUnit, Fragments, MAX_ACCESS_UNIT};
use crate::Payloads;
use crate::packet::Packet;

/// The most access units of one packet: two seconds of AAC-LC.
pub(super) const MAX_UNITS: usize = 96;
/// AU-headers-length and one AU-header of AAC-hbr (RFC 3640 §3.2.1, §3.3.6).
const HEADERS: usize = 4;
/// The longest access unit that AAC-hbr can carry: AU-size has 13 bits.
const MAX_SIZE: usize = 0x1fff;

/// The RTP payloads of one AAC access unit in mode AAC-hbr: one AU a packet, so that it goes out when it is there; one
/// longer than `max_payload` in fragments (RFC 3640 §3.2.3.1). None for a unit beyond 8,191 bytes, which the mode
/// cannot carry and no stereo encoder makes.
pub fn packetize(access_unit: &Bytes, max_payload: usize) -> Payloads {
    let size = access_unit.len();
    if size > MAX_SIZE {
        return Payloads::from(Vec::new());
    }
    // Each fragment says the size of the whole unit, and AU-Index 0.
    let [high, low] = ((size as u16) << 3).to_be_bytes();
    let headers = [0, 16, high, low];
    let part = max_payload.saturating_sub(HEADERS).max(1);
    let payload = |part: &[u8]| Arc::<[u8]>::from([&headers, part].concat());
    Payloads::from(access_unit.chunks(part).map(payload).collect::<Vec<_>>())
}

/// The fields of an AU-header as the SDP's `fmtp` sizes them, in bits (RFC 3640 §4.1). Streams with others
/// (`ctsdeltalength`, `auxiliarydatasizelength` and so on) are not AAC-hbr or AAC-lbr and have to be refused before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuHeaders {
    /// `sizelength`: 13 in AAC-hbr, 6 in AAC-lbr.
    pub size: u8,
    /// `indexlength`: 3 or 2.
    pub index: u8,
    /// `indexdeltalength`: 3 or 2.
    pub index_delta: u8,
}

impl AuHeaders {
    /// AAC-hbr (RFC 3640 §3.3.6), what every encoder of today sends.
    pub const HBR: Self = Self { size: 13, index: 3, index_delta: 3 };

    /// The sizes of the `fmtp` parameters; `None` where the mode cannot be read: no size at all, or more than 16 bits of
    /// size or 8 of an index.
    pub const fn new(size: u8, index: u8, index_delta: u8) -> Option<Self> {
        let readable = size >= 1 && size <= 16 && index <= 8 && index_delta <= 8;
        if readable { Some(Self { size, index, index_delta }) } else { None }
    }

    /// Size and index of each access unit in a header section of `bits` bits.
    fn read(self, section: &[u8], mut bits: usize) -> Vec<(usize, u32)> {
        let (mut at, mut units, mut index) = (0, Vec::new(), 0);
        loop {
            let index_bits = if units.is_empty() { self.index } else { self.index_delta };
            let len = usize::from(self.size) + usize::from(index_bits);
            if len > bits || units.len() > MAX_UNITS {
                return units;
            }
            let size = field(section, at, self.size);
            let delta = field(section, at + usize::from(self.size), index_bits);
            // AU-Index-delta is one less than the step (§3.2.1.1); the first AU-Index is 0 without interleaving.
            index += if units.is_empty() { 0 } else { delta + 1 };
            units.push((size as usize, index));
            (at, bits) = (at + len, bits - len);
        }
    }
}

/// `bits` bits at bit `at` as a number; bits beyond the end are zero.
fn field(bytes: &[u8], at: usize, bits: u8) -> u32 {
    (at..at + usize::from(bits)).fold(0, |value, bit| {
        let byte = bytes.get(bit >> 3).copied().unwrap_or(0);
        (value << 1) | u32::from((byte >> (7 - (bit & 7))) & 1)
    })
}

/// Takes AAC access units out of the packets of one source, which must come in order.
#[derive(Debug)]
pub struct GenericDepacketizer {
    headers: AuHeaders,
    fragments: Fragments,
    /// Bytes of the unit that comes in fragments.
    size: usize,
}

impl GenericDepacketizer {
    /// For packets with these AU-headers.
    pub fn new(headers: AuHeaders) -> Self {
        Self { headers, fragments: Fragments::default(), size: 0 }
    }

    /// Packets are missing in front of the next one: what they belonged to is given up.
    pub fn lose(&mut self) {
        self.fragments.forget();
    }

    /// The access units that are complete with this packet.
    ///
    /// # Errors
    /// [`AacError`] for a payload that is none.
    pub fn push(&mut self, packet: &Packet) -> Result<Vec<AccessUnit>, AacError> {
        let (sequence, payload) = (packet.header.sequence, &packet.payload);
        if payload.is_empty() {
            return Ok(Vec::new());
        }
        let truncated = AacError::Truncated { sequence, len: payload.len() };
        let length = payload.first_chunk().ok_or(truncated)?;
        let bits = usize::from(u16::from_be_bytes(*length));
        let start = 2 + bits.div_ceil(8);
        let section = payload.get(2..start).ok_or(truncated)?;
        let units = self.headers.read(section, bits);
        if units.len() > MAX_UNITS {
            return Err(AacError::TooMany { sequence, count: units.len() });
        }
        let available = payload.len() - start;
        if let [(size, _)] = units[..]
            && size > available
        {
            return self.fragment(packet, size, &payload[start..]);
        }
        self.lose();
        if units.iter().map(|(size, _)| size).sum::<usize>() > available {
            return Err(truncated);
        }
        let mut at = start;
        let cut = units.into_iter().map(|(size, index)| {
            at += size;
            AccessUnit { index, payload: without_adts(payload.slice(at - size..at)) }
        });
        Ok(cut.filter(|unit| !unit.payload.is_empty()).collect())
    }

    /// One of the packets over which a unit of `size` bytes is spread (RFC 3640 §3.2.3.1): all have its size and its
    /// timestamp.
    fn fragment(&mut self, packet: &Packet, size: usize, part: &[u8]) -> Result<Vec<AccessUnit>, AacError> {
        let (sequence, timestamp) = (packet.header.sequence, packet.header.timestamp);
        if size > MAX_ACCESS_UNIT {
            return Err(AacError::TooLarge { sequence });
        }
        let begins = !self.fragments.is_open(timestamp) || self.size != size;
        self.size = size;
        if self.fragments.add(timestamp, part, begins, sequence)? < size {
            return Ok(Vec::new());
        }
        let unit = self.fragments.take().filter(|unit| unit.len() == size);
        let unit = unit.ok_or(AacError::Truncated { sequence, len: part.len() })?;
        Ok(vec![AccessUnit { index: 0, payload: without_adts(unit) }])
    }
}

/// Some cameras put each access unit behind an ADTS header, which RFC 3640 does not know.
fn without_adts(unit: Bytes) -> Bytes {
    match adts::parse_header(&unit) {
        Ok(header) if usize::from(header.frame_len) == unit.len() && header.blocks == 1 => {
            unit.slice(usize::from(header.header_len)..)
        }
        _ => unit,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Header;

    fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Packet {
        let header = Header { marker: true, payload_type: 97, sequence, timestamp, ssrc: 1 };
        Packet { header, payload: Bytes::copy_from_slice(payload) }
    }

    fn unit(len: usize) -> Bytes {
        (0..len).map(|i| i as u8 | 1).collect::<Vec<_>>().into()
    }

    fn depacketizer() -> GenericDepacketizer {
        GenericDepacketizer::new(AuHeaders::HBR)
    }

    #[test]
    fn one_access_unit_is_one_packet_with_its_size_in_front() {
        let payloads = packetize(&unit(371), 1_200);
        let payload = payloads.iter().next().unwrap();
        assert_eq!((payloads.len(), &payload[..4]), (1, &[0, 16, 0x0b, 0x98][..]));
        let units = depacketizer().push(&packet(1, 0, payload)).unwrap();
        assert_eq!(units, [AccessUnit { index: 0, payload: unit(371) }]);
    }

    #[test]
    fn a_long_access_unit_is_sent_in_fragments_with_the_size_of_the_whole() {
        let payloads = packetize(&unit(3_000), 1_200);
        assert_eq!(payloads.iter().map(|p| p.len()).collect::<Vec<_>>(), [1_200, 1_200, 612]);
        let mut depacketizer = depacketizer();
        let packets = payloads.iter().zip(1..).map(|(payload, sequence)| packet(sequence, 5, payload));
        let units: Vec<_> = packets.map(|p| depacketizer.push(&p).unwrap()).collect();
        assert_eq!(units, [vec![], vec![], vec![AccessUnit { index: 0, payload: unit(3_000) }]]);
        assert!(packetize(&unit(8_192), 1_200).is_empty());
    }

    #[test]
    fn several_access_units_of_one_packet_have_their_own_place() {
        // ffmpeg puts several into a packet: 3 units of 2, 0 and 1 bytes.
        let payload = [0, 48, 0, 0x10, 0, 0, 0, 0x08, 0xaa, 0xbb, 0xcc];
        let units = depacketizer().push(&packet(1, 0, &payload)).unwrap();
        let expected = [(0, &[0xaa, 0xbb][..]), (2, &[0xcc])];
        assert!(units.iter().map(|unit| (unit.index, &unit.payload[..])).eq(expected));
    }

    #[test]
    fn the_sizes_of_the_fields_are_those_of_the_sdp() {
        // AAC-lbr: 6 bits of size, 2 of index; the second unit has an AU-Index-delta of 1 (interleaved).
        let mut depacketizer = GenericDepacketizer::new(AuHeaders::new(6, 2, 2).unwrap());
        let units = depacketizer.push(&packet(1, 0, &[0, 16, 1 << 2, (1 << 2) | 1, 7, 8])).unwrap();
        assert_eq!(units.iter().map(|unit| unit.index).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(AuHeaders::new(0, 3, 3), None);
        assert_eq!(AuHeaders::new(17, 3, 3), None);
    }

    #[test]
    fn rule_8_a_unit_that_lost_a_fragment_is_given_up() {
        let packets = |timestamp| {
            let payloads = packetize(&unit(3_000), 1_200);
            payloads.iter().map(|p| packet(1, timestamp, p)).collect::<Vec<_>>()
        };
        for lost in 0..3 {
            let mut depacketizer = depacketizer();
            let mut units = Vec::new();
            for (index, packet) in packets(5).iter().enumerate() {
                match index == lost {
                    true => depacketizer.lose(),
                    false => units.extend(depacketizer.push(packet).unwrap_or_default()),
                }
            }
            assert_eq!(units, [], "without fragment {lost}");
            let next: Vec<_> = packets(6).iter().flat_map(|p| depacketizer.push(p).unwrap()).collect();
            assert_eq!(next.len(), 1);
        }
    }

    #[test]
    fn headers_that_promise_more_than_there_is_are_refused() {
        let push = |payload: &[u8]| depacketizer().push(&packet(9, 0, payload));
        let truncated = |len| Err(AacError::Truncated { sequence: 9, len });
        assert_eq!(push(&[0]), truncated(1));
        assert_eq!(push(&[0xff, 0xff, 0, 8, 1]), truncated(5));
        assert_eq!(push(&[0, 32, 0, 8, 0, 16, 1, 2]), truncated(8));
        assert_eq!(push(&[]), Ok(Vec::new()));
        assert_eq!(push(&[0, 0]), Ok(Vec::new()));
        let many = [&(97_u16 * 16).to_be_bytes()[..], &[0; 97 * 2]].concat();
        assert_eq!(push(&many), Err(AacError::TooMany { sequence: 9, count: 97 }));
    }

    #[test]
    fn an_adts_header_is_taken_off() {
        let adts = [&[0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc][..], &[0x21, 7]].concat();
        let payloads = packetize(&adts.into(), 1_200);
        let units = depacketizer().push(&packet(1, 0, payloads.iter().next().unwrap())).unwrap();
        assert_eq!(units[0].payload[..], [0x21, 7]);
    }

    proptest! {
        #[test]
        fn any_payloads_give_units_within_bounds(
            payloads in prop::collection::vec((0_u32..3, prop::collection::vec(any::<u8>(), 0..40)), 0..30),
            sizes in (1_u8..=16, 0_u8..=8, 0_u8..=8),
        ) {
            let headers = AuHeaders::new(sizes.0, sizes.1, sizes.2).unwrap();
            let mut depacketizer = GenericDepacketizer::new(headers);
            for (timestamp, payload) in payloads {
                for unit in depacketizer.push(&packet(1, timestamp, &payload)).unwrap_or_default() {
                    prop_assert!(!unit.payload.is_empty() && unit.payload.len() <= MAX_ACCESS_UNIT);
                }
            }
        }

        #[test]
        fn what_is_packetized_comes_back(len in 1..8_192_usize, max in 5..2_000_usize) {
            let mut depacketizer = depacketizer();
            let payloads = packetize(&unit(len), max);
            let units: Vec<_> =
                payloads.iter().flat_map(|p| depacketizer.push(&packet(1, 0, p)).unwrap()).collect();
            prop_assert!(payloads.iter().all(|p| p.len() <= max));
            prop_assert_eq!(units, [AccessUnit { index: 0, payload: unit(len) }]);
        }
    }
}
