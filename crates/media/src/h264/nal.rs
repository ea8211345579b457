//! One NAL unit: its header, the emulation prevention inside it, and the ids and types at its very beginning
//! (ITU-T H.264 §7.3.1 to §7.3.3).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use crate::bits::BitReader;

/// `nal_unit_type` (H.264 table 7-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NalType {
    /// 1: slice of a picture that is not an IDR picture.
    NonIdr,
    /// 2: slice data partition A.
    PartitionA,
    /// 3: slice data partition B.
    PartitionB,
    /// 4: slice data partition C.
    PartitionC,
    /// 5: slice of an IDR picture.
    Idr,
    /// 6: supplemental enhancement information.
    Sei,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9: access unit delimiter.
    AccessUnitDelimiter,
    /// 10: end of sequence.
    EndOfSequence,
    /// 11: end of stream.
    EndOfStream,
    /// 12: filler data.
    Filler,
    /// 13: sequence parameter set extension.
    SpsExtension,
    /// Any other, as its 5-bit number: prefix and subset NAL units of SVC/MVC, auxiliary slices, and 24 to 31, which
    /// only RTP uses (RFC 6184 §5.2).
    Other(u8),
}

impl From<u8> for NalType {
    /// From the first byte of a NAL unit; the other three bits do not matter.
    fn from(header: u8) -> Self {
        match header & 0x1f {
            1 => Self::NonIdr,
            2 => Self::PartitionA,
            3 => Self::PartitionB,
            4 => Self::PartitionC,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::AccessUnitDelimiter,
            10 => Self::EndOfSequence,
            11 => Self::EndOfStream,
            12 => Self::Filler,
            13 => Self::SpsExtension,
            other => Self::Other(other),
        }
    }
}

impl NalType {
    /// Carries part of a picture (a VCL NAL unit, H.264 table 7-1).
    pub const fn is_slice(self) -> bool {
        matches!(self, Self::NonIdr | Self::PartitionA | Self::PartitionB | Self::PartitionC | Self::Idr)
    }
}

/// `slice_type` (H.264 table 7-6); the values 5 to 9 mean the same as 0 to 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SliceType {
    /// Predicted from one list.
    P,
    /// Predicted from two lists; usually shown before a picture that was decoded earlier.
    B,
    /// Not predicted.
    I,
    /// Switching P.
    Sp,
    /// Switching I.
    Si,
}

/// The type of a NAL unit, `None` when it is empty.
pub fn nal_type(nal: &[u8]) -> Option<NalType> {
    nal.first().map(|&header| NalType::from(header))
}

/// `nal_ref_idc`, 0 to 3: 0 says that no other picture refers to this one, so it may be dropped. 0 when `nal` is empty.
pub fn nal_ref_idc(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| (header >> 5) & 3)
}

/// The slice type of a NAL unit with a slice header (types 1, 2 and 5), `None` for every other or a broken header.
pub fn slice_type(nal: &[u8]) -> Option<SliceType> {
    if !matches!(nal_type(nal)?, NalType::NonIdr | NalType::PartitionA | NalType::Idr) {
        return None;
    }
    let head = head(nal);
    let mut reader = BitReader::new(&head);
    reader.ue().ok()?; // first_mb_in_slice
    match reader.ue().ok()? {
        0 | 5 => Some(SliceType::P),
        1 | 6 => Some(SliceType::B),
        2 | 7 => Some(SliceType::I),
        3 | 8 => Some(SliceType::Sp),
        4 | 9 => Some(SliceType::Si),
        _ => None,
    }
}

/// `seq_parameter_set_id` of an SPS (0 to 31), `None` for any other NAL unit or a broken one.
pub fn sps_id(nal: &[u8]) -> Option<u8> {
    if nal_type(nal)? != NalType::Sps {
        return None;
    }
    let head = head(nal);
    let mut reader = BitReader::new(&head);
    reader.skip(24).ok()?; // profile_idc, constraint flags, level_idc
    let id = reader.ue().ok()?;
    u8::try_from(id).ok().filter(|&id| id < 32)
}

/// `pic_parameter_set_id` of a PPS (0 to 255), `None` for any other NAL unit or a broken one.
pub fn pps_id(nal: &[u8]) -> Option<u8> {
    if nal_type(nal)? != NalType::Pps {
        return None;
    }
    let head = head(nal);
    u8::try_from(BitReader::new(&head).ue().ok()?).ok()
}

/// The first payload bytes, enough for two Exp-Golomb codes: a frame must not be unescaped to learn its type.
fn head(nal: &[u8]) -> Cow<'_, [u8]> {
    const LEN: usize = 24;
    let payload = nal.get(1..).unwrap_or_default();
    unescape(payload.get(..LEN).unwrap_or(payload))
}

/// Removes `emulation_prevention_three_byte`s: 00 00 03 becomes 00 00 (H.264 §7.3.1). Copies only if there is one.
pub fn unescape(escaped: &[u8]) -> Cow<'_, [u8]> {
    if !escaped.windows(3).any(|window| window == [0, 0, 3]) {
        return Cow::Borrowed(escaped);
    }
    let mut plain = Vec::with_capacity(escaped.len());
    let mut zeros = 0_u8;
    for &byte in escaped {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        plain.push(byte);
    }
    Cow::Owned(plain)
}

/// Inserts `emulation_prevention_three_byte`s where the bytes would look like a start code, and behind final
/// `cabac_zero_word`s (H.264 §7.4.1), and appends the result to `out`. `plain` ends with its stop bit, as every RBSP.
pub fn escape(plain: &[u8], out: &mut Vec<u8>) {
    out.reserve(plain.len());
    let mut zeros = 0_u8;
    for &byte in plain {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        out.push(byte);
    }
    if zeros >= 2 {
        out.push(3);
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
    fn header_fields_of_real_nal_units() {
        // x264: IDR slice header 0x65, non-reference B slice 0x01, SEI 0x06, AUD 0x09 0xf0.
        assert_eq!(nal_type(&[0x65, 0x88]), Some(NalType::Idr));
        assert_eq!(nal_type(&[0x09, 0xf0]), Some(NalType::AccessUnitDelimiter));
        assert_eq!(nal_type(&[0x18]), Some(NalType::Other(24)));
        assert_eq!(nal_type(&[]), None);
        assert_eq!(nal_ref_idc(&[0x65]), 3);
        assert_eq!(nal_ref_idc(&[0x01]), 0);
        assert_eq!(nal_ref_idc(&[]), 0);
    }

    #[test]
    fn slice_types() {
        assert_eq!(slice_type(&[0x65, 0x88, 0x84]), Some(SliceType::I)); // mb 0, type 7
        assert_eq!(slice_type(&[0x41, 0x9a, 0x24]), Some(SliceType::P)); // mb 0, type 5
        assert_eq!(slice_type(&[0x01, 0x9e, 0x42]), Some(SliceType::B)); // mb 0, type 6
        assert_eq!(slice_type(&[0x06, 0x9e, 0x42]), None, "SEI has no slice header");
        assert_eq!(slice_type(&[0x65]), None);
        assert_eq!(slice_type(&[0x65, 0x80 | 0b000_0101, 0x80]), None, "slice type 10 does not exist");
    }

    #[test]
    fn parameter_set_ids() {
        assert_eq!(sps_id(&[0x67, 0x42, 0xc0, 0x1f, 0xda]), Some(0));
        assert_eq!(sps_id(&[0x67, 0x42, 0xc0, 0x1f, 0b0110_0000]), Some(2));
        assert_eq!(sps_id(&[0x67, 0x42, 0xc0, 0x1f, 0b0000_0100, 0b0010_0000]), None, "id 32");
        assert_eq!(sps_id(&[0x68, 0x42, 0xc0, 0x1f, 0xda]), None);
        assert_eq!(pps_id(&[0x68, 0xce, 0x3c, 0x80]), Some(0));
        assert_eq!(pps_id(&[0x68]), None);
    }

    #[test]
    fn emulation_prevention_by_table() {
        let cases: [(&[u8], &[u8]); 6] = [
            (&[0x80, 0, 0], &[0x80, 0, 0, 3]),
            (&[0, 0, 1], &[0, 0, 3, 1]),
            (&[0, 0, 3], &[0, 0, 3, 3]),
            (&[0, 0, 4], &[0, 0, 4]),
            (&[0, 0, 0, 0, 0, 1], &[0, 0, 3, 0, 0, 3, 0, 1]),
            (&[1, 2, 3], &[1, 2, 3]),
        ];
        for (plain, escaped) in cases {
            let mut out = Vec::new();
            escape(plain, &mut out);
            assert_eq!(out, escaped, "{plain:?}");
            assert_eq!(&*unescape(escaped), plain);
        }
    }

    proptest! {
        #[test]
        fn escaping_round_trips_and_hides_every_start_code(plain in prop::collection::vec(0..5_u8, 0..64)) {
            let mut escaped = Vec::new();
            escape(&plain, &mut escaped);
            prop_assert_eq!(&*unescape(&escaped), &plain[..]);
            prop_assert!(!escaped.windows(3).any(|window| matches!(window, [0, 0, 0..=2])));
        }

        #[test]
        fn any_bytes_are_looked_at_without_panic(nal in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (nal_type(&nal), slice_type(&nal), sps_id(&nal), pps_id(&nal));
        }
    }
}
