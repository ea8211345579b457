//! H.264: NAL units, parameter sets, both framings.

use bytes::Bytes;
use media::h264::avcc::{self, AccessUnit, DecoderConfiguration};
use media::h264::nal::{self, NalType};
use media::h264::sps::Sps;
use media::h264::{ParameterSets, annexb, sei};

/// Any bytes as NAL unit, and escaped.
pub fn nal(input: &[u8]) {
    let kind = nal::nal_type(input);
    assert!(nal::nal_ref_idc(input) <= 3);
    assert!(nal::slice_type(input).is_none() || kind.is_some_and(NalType::is_slice));
    assert!(nal::sps_id(input).is_none_or(|id| id < 32 && kind == Some(NalType::Sps)));
    assert!(nal::pps_id(input).is_none() || kind == Some(NalType::Pps));
    let mut escaped = Vec::new();
    nal::escape(input, &mut escaped);
    assert!(!escaped.windows(3).any(|bytes| matches!(bytes, [0, 0, 0..=2])), "a start code is left");
    assert_eq!(nal::unescape(&escaped), input);
    assert!(nal::unescape(input).len() <= input.len());
}

/// Any bytes as sequence parameter set.
pub fn sps(input: &[u8]) {
    let Ok(sps) = Sps::parse(input) else { return };
    let sides = 1..=Sps::MAX_SIDE;
    assert!(sides.contains(&sps.width) && sides.contains(&sps.height), "{sps:?}");
    assert!(sps.chroma_format_idc <= 3, "{sps:?}");
    assert!([sps.bit_depth_luma, sps.bit_depth_chroma].iter().all(|bits| (8..=14).contains(bits)), "{sps:?}");
    assert!(sps.frame_rate.is_none_or(|(over, under)| over > 0 && under > 0), "{sps:?}");
    assert_eq!(nal::sps_id(input), Some(sps.id));
}

/// 16 bytes of UUID, then bytes that are looked into as an SEI NAL unit, written as one and read back.
pub fn user_data(input: &[u8]) {
    let Some((uuid, payload)) = input.split_first_chunk::<16>() else { return };
    let found = sei::find_user_data(payload, uuid);
    assert!(found.is_none_or(|found| found.len() + 16 < payload.len()));
    let written = sei::write_user_data(uuid, payload);
    assert_eq!(sei::find_user_data(&written, uuid).as_deref(), Some(payload));
}

/// A byte that chooses the size of lengths, then bytes that are read as AVCDecoderConfigurationRecord, as
/// length-prefixed access unit and as byte stream.
pub fn avcc(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    if let Ok(config) = DecoderConfiguration::parse(bytes) {
        assert!(matches!(config.length_size, 1 | 2 | 4));
        check_record(&config.sets);
    }
    let length_size = [1, 2, 4][usize::from(choice % 3)];
    if let Ok(Some(unit)) = avcc::canonical(&Bytes::copy_from_slice(bytes), length_size) {
        check_unit(&unit);
    }
    let nals: Vec<&[u8]> = annexb::nals(bytes).collect();
    let written = annexb::write(nals.iter().copied());
    assert!(annexb::nals(&written).eq(nals.iter().copied()), "start codes inside NAL units");
    if let Some(unit) = avcc::access_unit(nals) {
        check_unit(&unit);
    }
}

/// A record of `sets` reads back, as long as its counts can tell all of them.
pub(crate) fn check_record(sets: &ParameterSets) {
    if sets.sps.len() <= 31 && sets.pps.len() <= 255 {
        let read = DecoderConfiguration::parse(&avcc::write_configuration(sets));
        assert_eq!(read, Ok(DecoderConfiguration { length_size: 4, sets: sets.clone() }));
    }
}

/// An access unit is in the hub's form, and stays as it is when it is brought into that form again.
pub(crate) fn check_unit(unit: &AccessUnit) {
    if unit.payload.is_empty() {
        assert!(!unit.sets.is_empty(), "neither a picture nor parameter sets");
        return;
    }
    check_payload(&unit.payload, unit.random_access);
    let again = avcc::canonical(&unit.payload, 4);
    let (payload, random_access) = (unit.payload.clone(), unit.random_access);
    assert_eq!(again, Ok(Some(AccessUnit { payload, random_access, sets: ParameterSets::default() })));
}

/// What every reader of the hub relies on.
pub(crate) fn check_payload(payload: &Bytes, random_access: bool) {
    let nals: Result<Vec<Bytes>, _> = avcc::nals(payload, 4).collect();
    let nals = nals.expect("4-byte lengths that fit");
    let kinds: Vec<NalType> = nals.iter().filter_map(|nal| nal::nal_type(nal)).collect();
    let foreign = |kind: &NalType| {
        matches!(kind, NalType::AccessUnitDelimiter | NalType::Sps | NalType::Pps | NalType::Filler)
    };
    assert!(kinds.iter().any(|kind| kind.is_slice()) && !kinds.iter().any(foreign), "{kinds:?}");
    assert_eq!(random_access, kinds.contains(&NalType::Idr), "{kinds:?}");
}
