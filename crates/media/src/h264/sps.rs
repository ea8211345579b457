//! The sequence parameter set (ITU-T H.264 §7.3.2.1, Annex E): picture size and how far pictures are reordered.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::ParameterSets;
use super::nal::{NalType, nal_type, unescape};
use crate::bits::{BitError, BitReader};

/// Why a sequence parameter set was refused. Bits are counted after the NAL unit's header byte, without emulation
/// prevention.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpsError {
    /// Another NAL unit, or an empty one.
    #[error("not a sequence parameter set")]
    NotSps,
    /// Longer than [`ParameterSets::MAX_SET_LEN`].
    #[error("the sequence parameter set has {0} bytes; at most 4096 are accepted")]
    TooLong(usize),
    /// The data end inside a field.
    #[error("the sequence parameter set ends in the field at bit {bit}")]
    Truncated {
        /// Where the field starts.
        bit: usize,
    },
    /// A value that §7.4.2.1 or Annex E does not allow.
    #[error("{field} has the value {value}, which H.264 does not allow")]
    Range {
        /// The syntax element's name in the standard.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// An Exp-Golomb code that is longer than any syntax element.
    #[error("the code at bit {bit} of the sequence parameter set is too long")]
    ExpGolomb {
        /// Where the code starts.
        bit: usize,
    },
    /// No picture is left after cropping, or a side is longer than [`Sps::MAX_SIDE`].
    #[error("the picture has {width} x {height} pixels; 1 to 16384 are accepted for each side")]
    Size {
        /// Pixels, after cropping.
        width: u32,
        /// Pixels, after cropping.
        height: u32,
    },
}

impl From<BitError> for SpsError {
    fn from(error: BitError) -> Self {
        match error {
            BitError::End { bit } => Self::Truncated { bit },
            BitError::ExpGolomb { bit } => Self::ExpGolomb { bit },
        }
    }
}

/// What Medley needs of a sequence parameter set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sps {
    /// `profile_idc` (Annex A): 66 Baseline, 77 Main, 100 High.
    pub profile_idc: u8,
    /// The byte with `constraint_set0_flag` in its highest bit.
    pub constraint_flags: u8,
    /// `level_idc`: ten times the level, 31 = 3.1.
    pub level_idc: u8,
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// Bits of a luma sample, 8 to 14.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub bit_depth_chroma: u8,
    /// Pixels that are shown, after cropping; 1 to [`Self::MAX_SIDE`].
    pub width: u32,
    /// Pixels that are shown, after cropping; 1 to [`Self::MAX_SIDE`].
    pub height: u32,
    /// Pictures a second as numerator and denominator, neither zero, where the SPS declares them (`time_scale` over
    /// twice `num_units_in_tick`, Annex E.2.1). Encoders of variable rate declare anything: a hint only.
    pub frame_rate: Option<(u32, u32)>,
    /// Width over height of one pixel, neither zero, where the SPS declares it (Annex E, table E-1); otherwise players
    /// take pixels for squares.
    pub sample_aspect_ratio: Option<(u16, u16)>,
    /// How many pictures may precede another in decoding and follow it in output. 0: decoding order is output order,
    /// so there are no B pictures that would break WebRTC. From `bitstream_restriction`, else implied by the profile
    /// or by `pic_order_cnt_type` 2; `None` where neither says.
    pub max_num_reorder_frames: Option<u32>,
}

impl Sps {
    /// The longest side of a picture, in pixels: level 6.2 ends at 16,864, no encoder in use exceeds 8,192.
    pub const MAX_SIDE: u32 = 16_384;

    /// Reads a sequence parameter set, a NAL unit with its header byte and emulation prevention.
    ///
    /// A broken VUI does not refuse the set, it only leaves what it would declare to what is implied: decoders ignore it
    /// too, and several camera encoders write it wrong.
    ///
    /// # Errors
    /// [`SpsError`] says which field is missing or not allowed.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        if nal_type(nal) != Some(NalType::Sps) {
            return Err(SpsError::NotSps);
        }
        if nal.len() > ParameterSets::MAX_SET_LEN {
            return Err(SpsError::TooLong(nal.len()));
        }
        let rbsp = unescape(nal.get(1..).unwrap_or_default());
        let reader = &mut BitReader::new(&rbsp);
        let profile_idc = reader.small(8)?;
        let constraint_flags = reader.small(8)?;
        let level_idc = reader.small(8)?;
        let id = small_ue(reader, "seq_parameter_set_id", 31)?;
        let chroma = if has_chroma_fields(profile_idc) { Chroma::parse(reader)? } else { Chroma::DEFAULT };
        small_ue(reader, "log2_max_frame_num_minus4", 12)?;
        let order = OrderCount::parse(reader)?;
        ue(reader, "max_num_ref_frames", 16)?;
        reader.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let (width, height) = size(reader, &chroma)?;
        let vui = if reader.flag()? { vui(reader) } else { Vui::default() };
        let implied = (order == OrderCount::OutputIsDecoding
            || never_reorders(profile_idc, constraint_flags))
        .then_some(0);
        Ok(Self {
            profile_idc,
            constraint_flags,
            level_idc,
            id,
            chroma_format_idc: chroma.format_idc,
            bit_depth_luma: chroma.bit_depth_luma,
            bit_depth_chroma: chroma.bit_depth_chroma,
            width,
            height,
            frame_rate: vui.frame_rate,
            sample_aspect_ratio: vui.sample_aspect_ratio,
            max_num_reorder_frames: implied.or(vui.max_num_reorder_frames),
        })
    }
}

/// `ue(v)` that must not exceed `max`.
fn ue(reader: &mut BitReader<'_>, field: &'static str, max: u32) -> Result<u32, SpsError> {
    match reader.ue()? {
        value if value > max => Err(SpsError::Range { field, value }),
        value => Ok(value),
    }
}

/// As [`ue`], for a `max` that fits a byte.
fn small_ue(reader: &mut BitReader<'_>, field: &'static str, max: u8) -> Result<u8, SpsError> {
    ue(reader, field, max.into()).map(|value| u8::try_from(value).unwrap_or(max))
}

/// The profiles whose SPS carries chroma format and bit depth (§7.3.2.1.1).
const fn has_chroma_fields(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// Baseline has no B slices (§A.2.1); the Intra profiles have no inter prediction at all (§A.2.8 to §A.2.11), for which
/// §E.2.1 infers `max_num_reorder_frames` 0.
const fn never_reorders(profile_idc: u8, constraint_flags: u8) -> bool {
    let constraint_set3 = constraint_flags & 0x10 != 0;
    profile_idc == 66
        || profile_idc == 44
        || (constraint_set3 && matches!(profile_idc, 86 | 100 | 110 | 122 | 244))
}

struct Chroma {
    format_idc: u8,
    separate_planes: bool,
    bit_depth_luma: u8,
    bit_depth_chroma: u8,
}

impl Chroma {
    const DEFAULT: Self =
        Self { format_idc: 1, separate_planes: false, bit_depth_luma: 8, bit_depth_chroma: 8 };

    fn parse(reader: &mut BitReader<'_>) -> Result<Self, SpsError> {
        let format_idc = small_ue(reader, "chroma_format_idc", 3)?;
        let separate_planes = format_idc == 3 && reader.flag()?;
        let bit_depth_luma = small_ue(reader, "bit_depth_luma_minus8", 6)?.saturating_add(8);
        let bit_depth_chroma = small_ue(reader, "bit_depth_chroma_minus8", 6)?.saturating_add(8);
        reader.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if reader.flag()? {
            let lists = if format_idc == 3 { 12 } else { 8 };
            for list in 0..lists {
                if reader.flag()? {
                    skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(Self { format_idc, separate_planes, bit_depth_luma, bit_depth_chroma })
    }
}

/// `scaling_list()` (§7.3.2.1.1.1): as long as the next scale is not 0, each entry has a delta.
fn skip_scaling_list(reader: &mut BitReader<'_>, size: usize) -> Result<(), SpsError> {
    let mut next = 8_i32;
    for _ in 0..size {
        if next == 0 {
            break;
        }
        next = next.wrapping_add(reader.se()?) & 0xff;
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum OrderCount {
    /// `pic_order_cnt_type` 0 or 1: pictures may be reordered.
    Free,
    /// `pic_order_cnt_type` 2: output order is decoding order (§8.2.1.3).
    OutputIsDecoding,
}

impl OrderCount {
    fn parse(reader: &mut BitReader<'_>) -> Result<Self, SpsError> {
        match ue(reader, "pic_order_cnt_type", 2)? {
            0 => {
                small_ue(reader, "log2_max_pic_order_cnt_lsb_minus4", 12)?;
                Ok(Self::Free)
            }
            1 => {
                reader.skip(1)?; // delta_pic_order_always_zero_flag
                reader.se()?; // offset_for_non_ref_pic
                reader.se()?; // offset_for_top_to_bottom_field
                for _ in 0..ue(reader, "num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                    reader.se()?; // offset_for_ref_frame
                }
                Ok(Self::Free)
            }
            _ => Ok(Self::OutputIsDecoding),
        }
    }
}

/// Width and height after cropping (§7.4.2.1.1, equations 7-18 to 7-21).
fn size(reader: &mut BitReader<'_>, chroma: &Chroma) -> Result<(u32, u32), SpsError> {
    const MAX_UNITS: u32 = Sps::MAX_SIDE >> 4;
    let columns = ue(reader, "pic_width_in_mbs_minus1", MAX_UNITS)?.saturating_add(1);
    let rows = ue(reader, "pic_height_in_map_units_minus1", MAX_UNITS)?.saturating_add(1);
    let frames_only = reader.flag()?;
    if !frames_only {
        reader.skip(1)?; // mb_adaptive_frame_field_flag
    }
    reader.skip(1)?; // direct_8x8_inference_flag
    let fields = if frames_only { 1 } else { 2 };
    let mut width = columns.saturating_mul(16);
    let mut height = rows.saturating_mul(16).saturating_mul(fields);
    if reader.flag()? {
        let (unit_x, unit_y) = match chroma.format_idc {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        debug_assert!(!chroma.separate_planes || (unit_x, unit_y) == (1, 1), "separate planes are 4:4:4");
        let mut edge = |field| ue(reader, field, Sps::MAX_SIDE);
        let left = edge("frame_crop_left_offset")?;
        let right = edge("frame_crop_right_offset")?;
        let top = edge("frame_crop_top_offset")?;
        let bottom = edge("frame_crop_bottom_offset")?;
        width = width.saturating_sub(left.saturating_add(right).saturating_mul(unit_x));
        height =
            height.saturating_sub(top.saturating_add(bottom).saturating_mul(unit_y).saturating_mul(fields));
    }
    let accepted = 1..=Sps::MAX_SIDE;
    if !accepted.contains(&width) || !accepted.contains(&height) {
        return Err(SpsError::Size { width, height });
    }
    Ok((width, height))
}

#[derive(Default)]
struct Vui {
    frame_rate: Option<(u32, u32)>,
    sample_aspect_ratio: Option<(u16, u16)>,
    max_num_reorder_frames: Option<u32>,
}

/// `vui_parameters()` (§E.1.1) as far as it can be read.
fn vui(reader: &mut BitReader<'_>) -> Vui {
    let mut vui = Vui::default();
    // What was read before the error stays.
    let _ = parse_vui(reader, &mut vui);
    vui
}

/// `sample_aspect_ratio` of an `aspect_ratio_idc` (table E-1).
const fn listed_aspect_ratio(idc: u8) -> Option<(u16, u16)> {
    Some(match idc {
        1 => (1, 1),
        2 => (12, 11),
        3 => (10, 11),
        4 => (16, 11),
        5 => (40, 33),
        6 => (24, 11),
        7 => (20, 11),
        8 => (32, 11),
        9 => (80, 33),
        10 => (18, 11),
        11 => (15, 11),
        12 => (64, 33),
        13 => (160, 99),
        14 => (4, 3),
        15 => (3, 2),
        16 => (2, 1),
        _ => return None,
    })
}

fn aspect_ratio(reader: &mut BitReader<'_>) -> Result<Option<(u16, u16)>, SpsError> {
    const EXTENDED_SAR: u8 = 255;
    let idc = reader.small(8)?;
    if idc != EXTENDED_SAR {
        return Ok(listed_aspect_ratio(idc));
    }
    let mut side = || reader.bits(16).map(|side| u16::try_from(side).unwrap_or_default());
    let (width, height) = (side()?, side()?);
    // §E.2.1: a zero means unspecified.
    Ok((width > 0 && height > 0).then_some((width, height)))
}

fn parse_vui(reader: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), SpsError> {
    if reader.flag()? {
        vui.sample_aspect_ratio = aspect_ratio(reader)?;
    }
    if reader.flag()? {
        reader.skip(1)?; // overscan_appropriate_flag
    }
    if reader.flag()? {
        reader.skip(4)?; // video_format, video_full_range_flag
        if reader.flag()? {
            reader.skip(24)?; // colour description
        }
    }
    if reader.flag()? {
        reader.ue()?; // chroma_sample_loc_type_top_field
        reader.ue()?; // chroma_sample_loc_type_bottom_field
    }
    if reader.flag()? {
        let units = reader.bits(32)?;
        let scale = reader.bits(32)?;
        reader.skip(1)?; // fixed_frame_rate_flag
        vui.frame_rate =
            units.checked_mul(2).filter(|&units| units > 0 && scale > 0).map(|units| (scale, units));
    }
    let nal_hrd = reader.flag()?;
    if nal_hrd {
        skip_hrd(reader)?;
    }
    let vcl_hrd = reader.flag()?;
    if vcl_hrd {
        skip_hrd(reader)?;
    }
    if nal_hrd || vcl_hrd {
        reader.skip(1)?; // low_delay_hrd_flag
    }
    reader.skip(1)?; // pic_struct_present_flag
    if reader.flag()? {
        reader.skip(1)?; // motion_vectors_over_pic_boundaries_flag
        for _ in 0..4 {
            reader.ue()?; // byte, bit and motion vector limits
        }
        vui.max_num_reorder_frames = Some(ue(reader, "max_num_reorder_frames", 16)?);
    }
    Ok(())
}

/// `hrd_parameters()` (§E.1.2).
fn skip_hrd(reader: &mut BitReader<'_>) -> Result<(), SpsError> {
    let count = ue(reader, "cpb_cnt_minus1", 31)?.saturating_add(1);
    reader.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        reader.ue()?; // bit_rate_value_minus1
        reader.ue()?; // cpb_size_value_minus1
        reader.skip(1)?; // cbr_flag
    }
    reader.skip(20)?; // delay lengths, time_offset_length
    Ok(())
}

#[cfg(test)]
mod tests;
