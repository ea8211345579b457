//! The header of a PES packet (ISO/IEC 13818-1 §2.4.3.6).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};

const START_CODE: [u8; 3] = [0, 0, 1];
/// Start code, stream_id and `PES_packet_length`.
pub(super) const PREFIX_LEN: usize = 6;
/// The most bytes of the whole header that we write.
pub(super) const MAX_HEADER_LEN: usize = PREFIX_LEN + 3 + 10;

/// Writes the header of a packet with `data` bytes behind it; DTS only where it differs. A length that 16 bits cannot tell
/// is written as 0, which is allowed for video only: the packet then ends where the next begins.
pub(super) fn put_header(out: &mut BytesMut, stream_id: u8, pts: u64, dts: u64, data: usize) {
    const PTS: u8 = 0x80;
    const PTS_AND_DTS: u8 = 0xc0;
    let (flags, stamps_len) = if pts == dts { (PTS, 5_u8) } else { (PTS_AND_DTS, 10) };
    let len = data.saturating_add(3).saturating_add(stamps_len.into());
    out.put_slice(&START_CODE);
    out.put_u8(stream_id);
    out.put_u16(u16::try_from(len).unwrap_or(0));
    out.put_slice(&[0x84, flags, stamps_len]); // data_alignment_indicator: an access unit begins here
    if pts == dts {
        put_stamp(out, 0x2, pts);
    } else {
        put_stamp(out, 0x3, pts);
        put_stamp(out, 0x1, dts);
    }
}

/// Four bits of `prefix`, then 3, 15 and 15 bits of the stamp, each with a marker bit behind.
fn put_stamp(out: &mut BytesMut, prefix: u64, stamp: u64) {
    let bits = (prefix << 36)
        | ((stamp >> 30) & 0x7) << 33
        | 1 << 32
        | ((stamp >> 15) & 0x7fff) << 17
        | 1 << 16
        | (stamp & 0x7fff) << 1
        | 1;
    out.put_uint(bits, 5);
}

/// What the header of a PES packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// Where the data begin.
    pub(super) len: usize,
    /// Both 33 bits at 90 kHz.
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
}

impl Header {
    /// Reads the header of a packet of an audio or video stream; `None` where it is none or not whole.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (prefix, rest) = packet.split_at_checked(PREFIX_LEN)?;
        let (&[marker, flags, stamps_len], rest) = rest.split_first_chunk()?;
        if !prefix.starts_with(&START_CODE) || marker & 0xc0 != 0x80 {
            return None;
        }
        let stamps = rest.get(..stamps_len.into())?;
        let (first, second) = stamps.split_at_checked(5).unwrap_or_default();
        let pts = if flags & 0x80 == 0 { None } else { Some(stamp(first)?) };
        let dts = if flags & 0xc0 == 0xc0 { Some(stamp(second)?) } else { None };
        Some(Self { len: PREFIX_LEN.saturating_add(3).saturating_add(stamps_len.into()), pts, dts })
    }
}

fn stamp(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = bytes.first_chunk()?;
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some(((a >> 1) & 0x7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

/// How long a PES packet is as a whole by its length field; `None` where that is 0, or not yet there.
pub(super) fn declared_len(packet: &[u8]) -> Option<usize> {
    let &[_, _, _, _, high, low] = packet.first_chunk::<PREFIX_LEN>()?;
    match u16::from_be_bytes([high, low]) {
        0 => None,
        len => Some(PREFIX_LEN.saturating_add(len.into())),
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

    fn written(pts: u64, dts: u64, data: usize) -> BytesMut {
        let mut out = BytesMut::new();
        put_header(&mut out, 0xe0, pts, dts, data);
        out
    }

    #[test]
    fn headers_of_the_standards_layout() {
        assert_eq!(
            written(0x1_5555_5555, 0x1_5555_5555, 10)[..],
            [0, 0, 1, 0xe0, 0, 18, 0x84, 0x80, 5, 0x2b, 0x55, 0x55, 0xaa, 0xab]
        );
        assert_eq!(written(3, 2, 10)[4..9], [0, 23, 0x84, 0xc0, 10]);
        assert_eq!(written(3, 3, 65_527)[4..6], [0xff, 0xff]);
        assert_eq!(written(3, 3, 65_528)[4..6], [0, 0], "no length");
    }

    #[test]
    fn headers_that_are_none() {
        let good = written(3, 2, 10);
        assert!(Header::parse(&good).is_some());
        assert_eq!(Header::parse(&good[..18]), None, "cut off");
        for (at, value) in [(2, 0), (6, 0x04), (8, 9)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Header::parse(&bad), None, "{at}");
        }
    }

    proptest! {
        #[test]
        fn stamps_are_read_back(pts in 0..1_u64 << 33, dts in 0..1_u64 << 33, data in 0..70_000_usize) {
            let out = written(pts, dts, data);
            let header = Header::parse(&out).unwrap();
            prop_assert_eq!((header.len, header.pts, header.dts.unwrap_or(pts)), (out.len(), Some(pts), dts));
            prop_assert!(declared_len(&out).is_none_or(|len| len == out.len() + data));
        }
    }
}
