#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the test's own numbers; a panic is a failure"
)]

use proptest::prelude::*;

use super::*;

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x0a, 0xac, 0xd9, 0x44, 0x26, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03,
    0x00, 0xf0, 0x3c, 0x48, 0x96, 0x58,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00, 0x10];
const SEI: &[u8] = &[0x06, 0x05, 0x01, 0xaa, 0x80];
const AUD: &[u8] = &[0x09, 0xf0];
const P: &[u8] = &[0x41, 0x9a, 0x24, 0x6c];

fn sets() -> ParameterSets {
    ParameterSets { sps: vec![Bytes::from_static(SPS)], pps: vec![Bytes::from_static(PPS)] }
}

fn collect(payload: &[u8], length_size: u8) -> Result<Vec<Bytes>, AvccError> {
    nals(&Bytes::copy_from_slice(payload), length_size).collect()
}

#[test]
fn a_written_configuration_has_the_standards_layout() {
    let record = write_configuration(&sets());
    assert_eq!(record[..6], [1, 0x64, 0x00, 0x0a, 0xff, 0xe1]);
    assert_eq!(record[6..8], [0, 23]);
    assert_eq!(record[record.len() - 4..], [0xfd, 0xf8, 0xf8, 0], "4:2:0, 8 bits, no extension");
    let parsed = DecoderConfiguration::parse(&record).unwrap();
    assert_eq!(parsed, DecoderConfiguration { length_size: 4, sets: sets() });
}

#[test]
fn baseline_has_no_chroma_fields() {
    let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe9]);
    let record = write_configuration(&ParameterSets { sps: vec![sps], ..sets() });
    assert!(record.ends_with(PPS));
}

#[test]
fn broken_records_say_where() {
    let record = write_configuration(&sets());
    let broken = |change: fn(&mut Vec<u8>)| {
        let mut bytes = record.to_vec();
        change(&mut bytes);
        DecoderConfiguration::parse(&bytes)
    };
    assert_eq!(broken(|b| b[0] = 0), Err(AvccError::Version(0)));
    assert_eq!(broken(|b| b[4] = 0xfe), Err(AvccError::LengthSize(3)));
    assert_eq!(broken(|b| b[6] = 0xff), Err(AvccError::Truncated { at: 8 }));
    assert_eq!(broken(|b| b[8] = 0x68), Err(AvccError::NotAParameterSet { at: 8 }));
    assert_eq!(broken(|b| b.truncate(20)), Err(AvccError::Truncated { at: 8 }));
    assert_eq!(DecoderConfiguration::parse(&[]), Err(AvccError::Truncated { at: 0 }));
}

#[test]
fn a_record_without_sets_is_legal_and_incomplete() {
    let parsed = DecoderConfiguration::parse(&[1, 0x42, 0, 0x1f, 0xff, 0xe0, 0]).unwrap();
    assert!(!parsed.sets.is_complete());
}

#[test]
fn lengths_of_one_two_and_four_bytes() {
    assert_eq!(collect(&[2, 0x41, 7, 1, 0x41], 1).unwrap(), [&[0x41, 7][..], &[0x41]]);
    assert_eq!(collect(&[0, 2, 0x41, 7, 0, 1, 0x41], 2).unwrap(), [&[0x41, 7][..], &[0x41]]);
    assert_eq!(collect(&[0, 0, 0, 1, 0x41, 0, 0, 0, 0], 4).unwrap(), [&[0x41][..]], "empty one skipped");
    assert_eq!(collect(&[0, 0, 1], 3), Err(AvccError::LengthSize(3)));
}

#[test]
fn bad_lengths_end_the_iteration_with_their_place() {
    let mut nals = nals(&Bytes::from_static(&[0, 1, 0x41, 0, 9, 0x41]), 2);
    assert_eq!(nals.next(), Some(Ok(Bytes::from_static(&[0x41]))));
    assert_eq!(nals.next(), Some(Err(AvccError::Truncated { at: 3 })));
    assert_eq!(nals.next(), None);
    assert_eq!(collect(&[0xff, 0xff, 0xff, 0xff, 1], 4), Err(AvccError::Truncated { at: 0 }));
    assert_eq!(collect(&[0, 0, 0], 4), Err(AvccError::Truncated { at: 0 }));
    assert_eq!(collect(&[0; MAX_NALS * 2 + 2], 2), Err(AvccError::TooManyNals));
}

#[test]
fn an_access_unit_keeps_slices_and_sei_only() {
    let unit = access_unit([AUD, SPS, PPS, SEI, IDR, &[], &[0x0c, 0xff, 0x80]]).unwrap();
    assert_eq!(unit.payload, write([SEI, IDR]));
    assert!(unit.random_access);
    assert_eq!(unit.sets, sets());
    let unit = access_unit([AUD, P]).unwrap();
    assert!(!unit.random_access && unit.sets.is_empty());
}

#[test]
fn without_a_slice_there_is_nothing_to_show() {
    let unit = access_unit([SPS, PPS, SEI]).unwrap();
    assert!(unit.payload.is_empty());
    assert_eq!(unit.sets, sets());
    assert_eq!(access_unit([AUD, SEI]), None);
    assert_eq!(access_unit([]), None);
}

#[test]
fn canonical_data_are_passed_on_without_copying() {
    let payload = write([SEI, IDR]);
    let unit = canonical(&payload, 4).unwrap().unwrap();
    assert_eq!(unit.payload.as_ptr(), payload.as_ptr());
    assert!(unit.random_access);
}

#[test]
fn other_data_are_brought_into_the_canonical_form() {
    let unit = canonical(&write([AUD, SPS, PPS, IDR]), 4).unwrap().unwrap();
    assert_eq!((unit.payload, unit.sets), (write([IDR]), sets()));
    let short = Bytes::from([&[0, 4], P].concat());
    assert_eq!(canonical(&short, 2).unwrap().unwrap().payload, write([P]));
    assert_eq!(canonical(&write([IDR]).slice(..6), 4), Err(AvccError::Truncated { at: 0 }));
}

#[test]
fn a_byte_stream_in_place_of_lengths_is_repaired() {
    let unit = canonical(&annexb::write([SPS, PPS, IDR]), 4).unwrap().unwrap();
    assert_eq!((unit.payload, unit.sets), (write([IDR]), sets()));
    // One-byte NAL units look like start codes and are none.
    let payload = write([&[0x41][..], &[0x41]]);
    assert_eq!(canonical(&payload, 4).unwrap().unwrap().payload, payload);
}

fn escaped_nal(header: u8, body: &[u8]) -> Vec<u8> {
    let mut nal = vec![header];
    crate::h264::nal::escape(body, &mut nal);
    nal.push(0x80);
    nal
}

proptest! {
    #[test]
    fn byte_stream_and_lengths_carry_the_same_nal_units(
        list in prop::collection::vec((1..12_u8, prop::collection::vec(any::<u8>(), 1..40)), 1..12),
    ) {
        let list: Vec<Vec<u8>> = list.iter().map(|(header, body)| escaped_nal(*header, body)).collect();
        let stream = annexb::write(list.iter().map(Vec::as_slice));
        let lengths = write(annexb::nals(&stream));
        prop_assert_eq!(collect(&lengths, 4).unwrap(), list.clone());
        let back: Vec<Bytes> = nals(&lengths, 4).map(Result::unwrap).collect();
        prop_assert_eq!(annexb::write(back.iter().map(|nal| &nal[..])), stream);
        prop_assert_eq!(canonical(&lengths, 4).unwrap(), access_unit(list.iter().map(Vec::as_slice)));
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point(payload in prop::collection::vec(any::<u8>(), 0..200), size in 0..6_u8) {
        if let Ok(Some(unit)) = canonical(&payload.into(), size) && !unit.payload.is_empty() {
            let again = canonical(&unit.payload, 4).unwrap().unwrap();
            prop_assert_eq!(&again.payload, &unit.payload);
            prop_assert_eq!(again.random_access, unit.random_access);
            prop_assert!(again.sets.is_empty());
        }
    }

    #[test]
    fn records_of_any_bytes_do_not_panic(tail in prop::collection::vec(any::<u8>(), 0..100)) {
        let record = [&[1, 0x42, 0, 0x1f][..], &tail].concat();
        if let Ok(parsed) = DecoderConfiguration::parse(&record) {
            let written = write_configuration(&parsed.sets);
            prop_assert_eq!(DecoderConfiguration::parse(&written).unwrap().sets, parsed.sets);
        }
    }
}
