//! The RTP packet (RFC 3550 §5.1).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;
use thiserror::Error;

/// RFC 3550 §5.1: the first two bits of every RTP and RTCP packet.
pub(crate) const VERSION: u8 = 2;

/// The fields of an RTP packet's fixed header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What a frame of the payload format ends or begins with, by the format's own rule.
    pub marker: bool,
    /// 0 to 127: the number that the SDP gave to the payload format.
    pub payload_type: u8,
    /// One more with each packet, modulo 2^16.
    pub sequence: u16,
    /// The instant of the payload's first byte in units of the track's clock rate, from a random start.
    pub timestamp: u32,
    /// Names the source of sequence numbers and timestamps.
    pub ssrc: u32,
}

impl Header {
    /// Bytes of a header without CSRCs and extension, the only kind that we send.
    pub const LEN: usize = 12;

    /// The header of a packet without CSRCs, extension and padding. The payload type's eighth bit is lost.
    pub const fn write(&self) -> [u8; Self::LEN] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let kind = (self.payload_type & 0x7f) | if self.marker { 0x80 } else { 0 };
        [VERSION << 6, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

/// One RTP packet that came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The fixed fields. CSRCs and extension are checked and skipped: no payload format here needs them.
    pub header: Header,
    /// What is left without padding; a slice of the packet. Empty in keep-alives and probes.
    pub payload: Bytes,
}

/// Bytes that are no RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The packet ends inside its header.
    #[error("an RTP packet of {len} bytes ends inside its header")]
    Truncated {
        /// Bytes of the packet.
        len: usize,
    },
    /// Not version 2.
    #[error("RTP version {0}; only 2 is accepted")]
    Version(u8),
    /// The padding's length, which is its last byte, is zero or reaches into the header.
    #[error("RTP packet {sequence}: {padding} bytes of padding in {available}")]
    Padding {
        /// The packet's sequence number.
        sequence: u16,
        /// What its last byte says.
        padding: u8,
        /// Bytes behind the header.
        available: usize,
    },
}

impl Packet {
    /// Reads one packet, the whole of a datagram or of an interleaved block.
    ///
    /// # Errors
    /// [`PacketError`] says what does not fit.
    pub fn parse(packet: &Bytes) -> Result<Self, PacketError> {
        let truncated = PacketError::Truncated { len: packet.len() };
        let fixed: &[u8; Header::LEN] = packet.first_chunk().ok_or(truncated)?;
        let &[flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = fixed;
        if flags >> 6 != VERSION {
            return Err(PacketError::Version(flags >> 6));
        }
        let header = Header {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        let csrcs = usize::from(flags & 0x0f).saturating_mul(4);
        let mut start = Header::LEN.saturating_add(csrcs);
        if flags & 0x10 != 0 {
            start = start.saturating_add(extension_len(packet, start).ok_or(truncated)?);
        }
        let available = packet.len().checked_sub(start).ok_or(truncated)?;
        let padding = if flags & 0x20 != 0 { packet.last().copied().unwrap_or(0) } else { 0 };
        // §5.1: the count includes itself, so zero is as wrong as too many.
        let padded = flags & 0x20 != 0 && padding == 0;
        let len = available.checked_sub(padding.into()).filter(|_| !padded);
        let len = len.ok_or(PacketError::Padding { sequence: header.sequence, padding, available })?;
        Ok(Self { header, payload: packet.slice(start..start.saturating_add(len)) })
    }
}

/// Bytes of the header extension that begins at `start` (§5.3.1): four, and as many words as they say.
fn extension_len(packet: &[u8], start: usize) -> Option<usize> {
    let &[_, _, high, low] = packet.get(start..)?.first_chunk()?;
    usize::from(u16::from_be_bytes([high, low])).checked_add(1)?.checked_mul(4)
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

    const HEADER: Header = Header {
        marker: true,
        payload_type: 96,
        sequence: 0xfffe,
        timestamp: 0x8000_0001,
        ssrc: 0xdead_beef,
    };

    fn packet(flags: u8, rest: &[u8]) -> Bytes {
        let mut bytes = HEADER.write().to_vec();
        bytes[0] |= flags;
        bytes.extend_from_slice(rest);
        bytes.into()
    }

    fn payload(flags: u8, rest: &[u8]) -> Result<Vec<u8>, PacketError> {
        Packet::parse(&packet(flags, rest)).map(|packet| packet.payload.to_vec())
    }

    #[test]
    fn the_header_is_written_as_rfc_3550_draws_it() {
        assert_eq!(HEADER.write(), [0x80, 0xe0, 0xff, 0xfe, 0x80, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(Packet::parse(&packet(0, b"abc")).unwrap().header, HEADER);
    }

    #[test]
    fn csrcs_extension_and_padding_are_no_payload() {
        assert_eq!(payload(0, b"abc"), Ok(b"abc".to_vec()));
        assert_eq!(payload(2, b"11112222abc"), Ok(b"abc".to_vec()));
        // ONVIF cameras send a word or three of extension (profile 0xabac).
        assert_eq!(payload(0x10, b"\xab\xac\x00\x01wordabc"), Ok(b"abc".to_vec()));
        assert_eq!(payload(0x11, b"csrc\xab\xac\x00\x00abc"), Ok(b"abc".to_vec()));
        assert_eq!(payload(0x20, b"abc\x00\x00\x03"), Ok(b"abc".to_vec()));
        assert_eq!(payload(0x31, b"csrc\xab\xac\x00\x01wordabc\x01"), Ok(b"abc".to_vec()));
    }

    #[test]
    fn a_packet_of_nothing_but_padding_has_an_empty_payload() {
        assert_eq!(payload(0x20, &[0, 0, 0, 4]), Ok(Vec::new()));
        assert_eq!(payload(0, &[]), Ok(Vec::new()));
    }

    #[test]
    fn lengths_beyond_the_packet_are_refused() {
        assert_eq!(Packet::parse(&packet(0, &[]).slice(..11)), Err(PacketError::Truncated { len: 11 }));
        assert_eq!(payload(15, &[0; 59]), Err(PacketError::Truncated { len: 71 }));
        assert_eq!(payload(0x10, &[0xab, 0xac, 0]), Err(PacketError::Truncated { len: 15 }));
        assert_eq!(payload(0x10, &[0xab, 0xac, 0xff, 0xff, 1]), Err(PacketError::Truncated { len: 17 }));
        let padding = |padding, available| Err(PacketError::Padding { sequence: 0xfffe, padding, available });
        assert_eq!(payload(0x20, &[0, 0, 4]), padding(4, 3));
        assert_eq!(payload(0x20, &[1, 2, 0]), padding(0, 3));
        // Without payload the last byte is one of the header, here 0xef.
        assert_eq!(payload(0x20, &[]), padding(0xef, 0));
        assert_eq!(Packet::parse(&Bytes::from_static(&[0; 20])), Err(PacketError::Version(0)));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_slice_of_themselves_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let bytes = Bytes::from(bytes);
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + Header::LEN <= bytes.len());
                let range = bytes.as_ptr_range();
                prop_assert!(packet.payload.is_empty() || range.contains(&packet.payload.as_ptr()), "copied");
            }
        }
    }
}
