//! The byte stream format: NAL units behind start codes (ITU-T H.264 Annex B).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, Bytes, BytesMut};

const START_CODE: [u8; 3] = [0, 0, 1];

/// The NAL units of a byte stream, in order: start codes of 3 and 4 bytes, `trailing_zero_8bits` removed (§B.1.1),
/// empty ones skipped. Bytes before the first start code belong to no NAL unit.
pub fn nals(annexb: &[u8]) -> impl Iterator<Item = &[u8]> {
    Nals { rest: after_start_code(annexb) }.map(trim).filter(|nal| !nal.is_empty())
}

/// `nals` as a byte stream, each behind a 4-byte start code.
pub fn write<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    for nal in nals {
        out.put_u32(1);
        out.put_slice(nal);
    }
    out.freeze()
}

struct Nals<'a> {
    /// What follows the last start code found; `None` at the end.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Nals<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = find_start_code(rest).unwrap_or(rest.len());
        self.rest = after_start_code(rest);
        rest.get(..end)
    }
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(START_CODE.len()).position(|window| window == START_CODE)
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(find_start_code(bytes)?.saturating_add(START_CODE.len())..)
}

/// A NAL unit never ends in a zero byte (§7.4.1): zeros are the next start code's first byte or padding.
fn trim(nal: &[u8]) -> &[u8] {
    let zeros = nal.iter().rev().take_while(|&&byte| byte == 0).count();
    nal.get(..nal.len().saturating_sub(zeros)).unwrap_or_default()
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

    fn split(annexb: &[u8]) -> Vec<&[u8]> {
        nals(annexb).collect()
    }

    #[test]
    fn start_codes_of_both_lengths_and_padding() {
        let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0x65, 3, 0, 0, 0];
        assert_eq!(split(&stream), [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]]);
    }

    #[test]
    fn nothing_to_find() {
        for stream in [&[][..], &[0], &[0, 0], &[0, 0, 1], &[0, 0, 0, 1], &[1, 2, 3], &[0, 0, 1, 0, 0, 1]] {
            assert!(split(stream).is_empty(), "{stream:?}");
        }
        assert_eq!(split(&[9, 9, 0, 0, 1, 0x65]), [&[0x65]], "bytes before the first start code");
    }

    proptest! {
        #[test]
        fn written_nal_units_are_read_back(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..10)) {
            let nals: Vec<Vec<u8>> = bodies.iter().map(|body| {
                let mut nal = vec![0x41];
                super::super::nal::escape(body, &mut nal);
                nal.push(0x80);
                nal
            }).collect();
            let stream = write(nals.iter().map(Vec::as_slice));
            prop_assert_eq!(split(&stream), nals);
        }

        #[test]
        fn any_bytes_give_only_nal_units_without_start_codes(bytes in prop::collection::vec(0..3_u8, 0..80)) {
            for nal in nals(&bytes) {
                prop_assert!(!nal.is_empty() && nal.last() != Some(&0));
                prop_assert!(find_start_code(nal).is_none());
            }
        }
    }
}
