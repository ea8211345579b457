#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the test's own numbers; a panic is a failure"
)]

use proptest::prelude::*;

use super::*;
use crate::bits::BitWriter;
use crate::h264::nal::escape;

/// The fields that a test varies; everything else is as x264 writes it.
#[derive(Clone, Debug)]
struct Fields {
    profile: u8,
    constraints: u8,
    id: u32,
    chroma: u32,
    order_type: u32,
    columns: u32,
    rows: u32,
    frames_only: bool,
    crop: Option<[u32; 4]>,
    /// `aspect_ratio_idc`, and what follows 255.
    aspect: (u32, u32),
    timing: Option<(u32, u32)>,
    reorder: Option<u32>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            profile: 100,
            constraints: 0,
            id: 0,
            chroma: 1,
            order_type: 0,
            columns: 40,
            rows: 30,
            frames_only: true,
            crop: None,
            aspect: (255, 0x0001_0001),
            timing: None,
            reorder: None,
        }
    }
}

fn write(fields: &Fields) -> Vec<u8> {
    let out = &mut BitWriter::default();
    out.bits(fields.profile.into(), 8);
    out.bits(fields.constraints.into(), 8);
    out.bits(31, 8);
    out.ue(fields.id);
    if has_chroma_fields(fields.profile) {
        out.ue(fields.chroma);
        if fields.chroma == 3 {
            out.bits(0, 1);
        }
        out.ue(0);
        out.ue(0);
        out.bits(0b01, 2); // no bypass, scaling matrix present
        out.bits(1, 1);
        out.se(-8); // next scale 0: the list ends
        out.bits(0, if fields.chroma == 3 { 11 } else { 7 });
    }
    out.ue(0);
    out.ue(fields.order_type);
    match fields.order_type {
        0 => out.ue(2),
        1 => {
            out.bits(0, 1);
            out.se(-3);
            out.se(4);
            out.ue(2);
            out.se(1);
            out.se(-1);
        }
        _ => {}
    }
    out.ue(3);
    out.bits(0, 1);
    out.ue(fields.columns - 1);
    out.ue(fields.rows - 1);
    out.bits(fields.frames_only.into(), 1);
    if !fields.frames_only {
        out.bits(0, 1);
    }
    out.bits(1, 1);
    out.bits(fields.crop.is_some().into(), 1);
    fields.crop.iter().flatten().for_each(|&edge| out.ue(edge));
    write_vui(out, fields);
    out.bits(1, 1); // rbsp_stop_one_bit
    let mut nal = vec![0x67];
    escape(&std::mem::take(out).into_bytes(), &mut nal);
    nal
}

fn write_vui(out: &mut BitWriter, fields: &Fields) {
    let present = fields.timing.is_some() || fields.reorder.is_some();
    out.bits(present.into(), 1);
    if !present {
        return;
    }
    out.bits(1, 1); // aspect ratio
    out.bits(fields.aspect.0, 8);
    if fields.aspect.0 == 255 {
        out.bits(fields.aspect.1, 32);
    }
    out.bits(0b1_0, 2); // overscan
    out.bits(0b11_0101, 6); // video signal, colour description
    out.bits(0x01_01_01, 24);
    out.bits(0, 1); // chroma location
    out.bits(fields.timing.is_some().into(), 1);
    if let Some((scale, units)) = fields.timing {
        out.bits(units, 32);
        out.bits(scale, 32);
        out.bits(1, 1);
    }
    out.bits(1, 1); // NAL HRD
    out.ue(0);
    out.bits(0, 8);
    out.ue(1_000);
    out.ue(2_000);
    out.bits(0, 1);
    out.bits(0, 20);
    out.bits(0b0_0, 2); // no VCL HRD, low delay
    out.bits(0, 1);
    out.bits(fields.reorder.is_some().into(), 1);
    if let Some(reorder) = fields.reorder {
        out.bits(1, 1);
        [0, 0, 10, 10].into_iter().for_each(|limit| out.ue(limit));
        out.ue(reorder);
        out.ue(reorder);
    }
}

#[test]
fn sets_as_encoders_write_them() {
    // OpenH264's layout, 640x480 constrained baseline.
    let openh264 = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
    let sps = Sps::parse(&openh264).unwrap();
    assert_eq!((sps.width, sps.height, sps.profile_idc, sps.level_idc), (640, 480, 66, 31));
    assert_eq!(sps.max_num_reorder_frames, Some(0));
    // x264 High, 1920x1080 at 25: cropped from 1088 rows, B pictures.
    let x264 = [
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00,
        0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];
    let sps = Sps::parse(&x264).unwrap();
    assert_eq!((sps.width, sps.height, sps.profile_idc, sps.level_idc), (1920, 1080, 100, 40));
    assert_eq!((sps.frame_rate, sps.max_num_reorder_frames), (Some((50, 2)), Some(2)));
}

#[test]
fn reordering_by_what_is_declared_or_implied() {
    let reorder = |fields: Fields| Sps::parse(&write(&fields)).unwrap().max_num_reorder_frames;
    assert_eq!(reorder(Fields::default()), None);
    assert_eq!(reorder(Fields { reorder: Some(2), ..Fields::default() }), Some(2));
    assert_eq!(reorder(Fields { order_type: 2, ..Fields::default() }), Some(0));
    assert_eq!(reorder(Fields { profile: 66, ..Fields::default() }), Some(0));
    assert_eq!(reorder(Fields { profile: 77, ..Fields::default() }), None);
    assert_eq!(
        reorder(Fields { profile: 100, constraints: 0x10, ..Fields::default() }),
        Some(0),
        "High Intra"
    );
}

#[test]
fn shapes_of_pixels() {
    let shape = |idc, extended| {
        let fields = Fields { aspect: (idc, extended), timing: Some((50, 1)), ..Fields::default() };
        let sps = Sps::parse(&write(&fields)).unwrap();
        assert_eq!(sps.frame_rate, Some((50, 2)), "what follows is still read");
        sps.sample_aspect_ratio
    };
    assert_eq!(shape(1, 0), Some((1, 1)));
    assert_eq!(shape(14, 0), Some((4, 3)));
    assert_eq!(shape(0, 0), None, "unspecified");
    assert_eq!(shape(17, 0), None, "reserved");
    assert_eq!(shape(255, 0x0010_000b), Some((16, 11)));
    assert_eq!(shape(255, 0x0010_0000), None, "a zero is unspecified");
    assert_eq!(Sps::parse(&write(&Fields::default())).unwrap().sample_aspect_ratio, None, "no VUI");
}

#[test]
fn values_that_the_standard_excludes() {
    let parse = |fields: Fields| Sps::parse(&write(&fields));
    let range = |field, value| Err(SpsError::Range { field, value });
    assert_eq!(parse(Fields { id: 32, ..Fields::default() }), range("seq_parameter_set_id", 32));
    assert_eq!(parse(Fields { order_type: 3, ..Fields::default() }), range("pic_order_cnt_type", 3));
    assert_eq!(
        parse(Fields { columns: 1_025, ..Fields::default() }),
        Err(SpsError::Size { width: 16_400, height: 480 })
    );
    assert_eq!(
        parse(Fields { columns: 5_000, ..Fields::default() }),
        range("pic_width_in_mbs_minus1", 4_999)
    );
    let crop = Some([0, 320, 0, 0]);
    assert_eq!(parse(Fields { crop, ..Fields::default() }), Err(SpsError::Size { width: 0, height: 480 }));
}

#[test]
fn what_is_no_sps() {
    assert_eq!(Sps::parse(&[]), Err(SpsError::NotSps));
    assert_eq!(Sps::parse(&[0x68, 0xce]), Err(SpsError::NotSps));
    assert_eq!(Sps::parse(&[0x67, 0x42, 0xc0]), Err(SpsError::Truncated { bit: 16 }));
    assert_eq!(Sps::parse(&[0x67, 0x42, 0xc0, 31, 0, 0, 0, 0, 0, 0]), Err(SpsError::ExpGolomb { bit: 24 }));
    assert_eq!(Sps::parse(&[0x67; 5_000]), Err(SpsError::TooLong(5_000)));
}

#[test]
fn a_broken_vui_leaves_the_picture_size() {
    let nal = write(&Fields { timing: Some((50, 1)), reorder: Some(1), ..Fields::default() });
    let cut = Sps::parse(&nal[..nal.len() - 6]).unwrap();
    assert_eq!((cut.width, cut.height, cut.max_num_reorder_frames), (640, 480, None));
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        (profile, chroma) in prop_oneof![Just((66, 1)), Just((77, 1)), (Just(100), 0..4_u32)],
        id in 0..32_u32,
        order_type in 0..3_u32,
        (columns, rows) in (2..=1_024_u32, 2..=512_u32),
        frames_only in any::<bool>(),
        crop in prop::option::of([0..4_u32, 0..4, 0..4, 0..4]),
        timing in prop::option::of((1..1_000_000_u32, 1..1_000_000_u32)),
        reorder in prop::option::of(0..17_u32),
    ) {
        let fields = Fields { profile, id, chroma, order_type, columns, rows, frames_only, crop, timing, reorder, ..Fields::default() };
        let sps = Sps::parse(&write(&fields)).unwrap();
        let (x, y) = match chroma { 1 => (2, 2), 2 => (2, 1), _ => (1, 1) };
        let field_rows = if frames_only { 1 } else { 2 };
        let [left, right, top, bottom] = crop.unwrap_or_default();
        prop_assert_eq!(sps.width, columns * 16 - (left + right) * x);
        prop_assert_eq!(sps.height, (rows * 16 - (top + bottom) * y) * field_rows);
        prop_assert_eq!(u32::from(sps.id), id);
        prop_assert_eq!(u32::from(sps.chroma_format_idc), chroma);
        prop_assert_eq!(sps.frame_rate, timing.map(|(scale, units)| (scale, units * 2)));
    }

    #[test]
    fn any_bytes_do_not_panic(mut nal in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 1..120)) {
        nal[0] = 0x67;
        if let Ok(sps) = Sps::parse(&nal) {
            prop_assert!(sps.width <= Sps::MAX_SIDE && sps.height <= Sps::MAX_SIDE && sps.id < 32);
        }
    }

    #[test]
    fn one_flipped_bit_does_not_panic(at in 8..200_usize) {
        let mut nal = write(&Fields { crop: Some([1, 1, 1, 1]), timing: Some((50, 1)), reorder: Some(1), ..Fields::default() });
        let at = at % (nal.len() * 8);
        nal[at / 8] ^= 0x80 >> (at % 8);
        let _ = Sps::parse(&nal);
    }
}
