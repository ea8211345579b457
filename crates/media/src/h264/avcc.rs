//! The length-prefixed format: the AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1) and access units whose
//! NAL units stand behind their length. With 4-byte lengths and without AUD, SPS and PPS it is the hub's form.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::nal::{NalType, nal_type};
use super::sps::Sps;
use super::{ParameterSets, annexb};

/// The most NAL units read from one access unit: a 4K IDR picture in slices of 1,200 bytes has fewer.
pub const MAX_NALS: usize = 2_048;

/// Why length-prefixed data were refused. Positions are in bytes from the beginning of the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AvccError {
    /// A field or a NAL unit reaches beyond the end.
    #[error("the data end at byte {at} in the middle of a NAL unit or field")]
    Truncated {
        /// Where the field or the NAL unit starts.
        at: usize,
    },
    /// `configurationVersion` is not 1 (§5.3.3.1.2).
    #[error("decoder configuration version {0}; only 1 exists")]
    Version(u8),
    /// `lengthSizeMinusOne` is 2, which §5.3.3.1.2 excludes, or a caller asked for such a size.
    #[error("NAL unit lengths of {0} bytes; allowed are 1, 2 and 4")]
    LengthSize(u8),
    /// A NAL unit in the place of a parameter set is none, or cannot be read, or is too long.
    #[error("the NAL unit at byte {at} is not a usable parameter set")]
    NotAParameterSet {
        /// Where the NAL unit starts.
        at: usize,
    },
    /// More than [`MAX_NALS`] NAL units in one access unit.
    #[error("more than 2048 NAL units in one access unit")]
    TooManyNals,
}

/// What an AVCDecoderConfigurationRecord says: an FLV sequence header, an `avcC` box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecoderConfiguration {
    /// Bytes of each NAL unit's length in the access units that follow: 1, 2 or 4.
    pub length_size: u8,
    /// The sets in it. May be incomplete: some encoders send an empty record first and the sets in the stream.
    pub sets: ParameterSets,
}

impl DecoderConfiguration {
    /// Reads a record. The profile fields at its start and the chroma fields at its end repeat the SPS and are not
    /// looked at; of two sets with one id the last counts.
    ///
    /// # Errors
    /// [`AvccError`]; a record that ends early is refused whole, since its sets would not decode.
    pub fn parse(record: &[u8]) -> Result<Self, AvccError> {
        let mut reader = Reader { rest: record, at: 0 };
        let version = reader.byte()?;
        if version != 1 {
            return Err(AvccError::Version(version));
        }
        reader.take(3)?; // profile, compatibility, level
        let length_size = (reader.byte()? & 3).saturating_add(1);
        if length_size == 3 {
            return Err(AvccError::LengthSize(length_size));
        }
        let mut sets = ParameterSets::default();
        for _ in 0..reader.byte()? & 0x1f {
            let found = ParameterSets { sps: vec![reader.parameter_set(NalType::Sps)?], pps: Vec::new() };
            sets.merge(&found);
        }
        for _ in 0..reader.byte()? {
            let found = ParameterSets { sps: Vec::new(), pps: vec![reader.parameter_set(NalType::Pps)?] };
            sets.merge(&found);
        }
        Ok(Self { length_size, sets })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], AvccError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(AvccError::Truncated { at: self.at })?;
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, AvccError> {
        self.take(1).map(|byte| byte.first().copied().unwrap_or_default())
    }

    fn parameter_set(&mut self, wanted: NalType) -> Result<Bytes, AvccError> {
        let len = self.take(2)?.get_u16();
        let at = self.at;
        let nal = self.take(len.into())?;
        let has_id = match wanted {
            NalType::Sps => super::sps_id(nal),
            _ => super::pps_id(nal),
        };
        if has_id.is_none() || nal.len() > ParameterSets::MAX_SET_LEN {
            return Err(AvccError::NotAParameterSet { at });
        }
        Ok(Bytes::copy_from_slice(nal))
    }
}

/// `sets` as an AVCDecoderConfigurationRecord with 4-byte lengths, the form that the hub's frames have. Profile,
/// compatibility and level are those of the first SPS. The record counts SPS in 5 bits and PPS in 8, so of 32 SPS and
/// 256 PPS the last is left out.
pub fn write_configuration(sets: &ParameterSets) -> Bytes {
    const LENGTH_SIZE: u8 = 4;
    let listed_sps = sets.sps.get(..31).unwrap_or(&sets.sps);
    let listed_pps = sets.pps.get(..255).unwrap_or(&sets.pps);
    let mut out = BytesMut::new();
    out.put_u8(1);
    match sets.sps.first().and_then(|sps| sps.get(1..4)) {
        Some(profile) => out.put_slice(profile),
        None => out.put_bytes(0, 3),
    }
    out.put_u8(0xfc | (LENGTH_SIZE.saturating_sub(1)));
    out.put_u8(0xe0 | u8::try_from(listed_sps.len()).unwrap_or(31));
    put_sets(&mut out, listed_sps);
    out.put_u8(u8::try_from(listed_pps.len()).unwrap_or(255));
    put_sets(&mut out, listed_pps);
    // §5.3.3.1.2: only the High profiles carry these fields; Baseline, Main and Extended end here.
    let sps = sets.sps.first().and_then(|sps| Sps::parse(sps).ok());
    if let Some(sps) = sps.filter(|sps| !matches!(sps.profile_idc, 66 | 77 | 88)) {
        out.put_u8(0xfc | sps.chroma_format_idc);
        out.put_u8(0xf8 | sps.bit_depth_luma.saturating_sub(8));
        out.put_u8(0xf8 | sps.bit_depth_chroma.saturating_sub(8));
        out.put_u8(0); // no SPS extensions
    }
    out.freeze()
}

fn put_sets(out: &mut BytesMut, sets: &[Bytes]) {
    for set in sets {
        let len = u16::try_from(set.len()).unwrap_or(u16::MAX);
        out.put_u16(len);
        out.put_slice(set.get(..len.into()).unwrap_or(set));
    }
}

/// The NAL units of an access unit whose lengths have `length_size` bytes (1, 2 or 4), as slices of `payload` without
/// copying. Empty ones are skipped (some encoders pad with them). Ends after the first error.
pub fn nals(payload: &Bytes, length_size: u8) -> Nals {
    let state = match length_size {
        1 | 2 | 4 => State::At(0),
        _ => State::Broken(AvccError::LengthSize(length_size)),
    };
    Nals { payload: payload.clone(), length_size: length_size.into(), state, count: 0 }
}

/// The iterator of [`nals`].
#[derive(Clone, Debug)]
pub struct Nals {
    payload: Bytes,
    length_size: usize,
    state: State,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    At(usize),
    Broken(AvccError),
    Done,
}

impl Nals {
    fn read(&mut self, mut at: usize) -> Result<Option<Bytes>, AvccError> {
        loop {
            if at == self.payload.len() {
                return Ok(None);
            }
            let truncated = AvccError::Truncated { at };
            let start = at.saturating_add(self.length_size);
            let prefix = self.payload.get(at..start).ok_or(truncated)?;
            let len = prefix.iter().fold(0_usize, |len, &byte| (len << 8) | usize::from(byte));
            let end = start.checked_add(len).filter(|&end| end <= self.payload.len()).ok_or(truncated)?;
            self.count = self.count.saturating_add(1);
            if self.count > MAX_NALS {
                return Err(AvccError::TooManyNals);
            }
            at = end;
            self.state = State::At(at);
            if len > 0 {
                return Ok(Some(self.payload.slice(start..end)));
            }
        }
    }
}

impl Iterator for Nals {
    type Item = Result<Bytes, AvccError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = match self.state {
            State::At(at) => self.read(at).transpose(),
            State::Broken(error) => Some(Err(error)),
            State::Done => None,
        };
        if !matches!(result, Some(Ok(_))) {
            self.state = State::Done;
        }
        result
    }
}

/// One access unit in the hub's form, and what was taken out of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessUnit {
    /// NAL units behind 4-byte lengths, without AUD, SPS, PPS and filler. Empty when there was no slice: then nothing
    /// is to be shown, only [`Self::sets`] are of use.
    pub payload: Bytes,
    /// Holds a slice of an IDR picture. The flags that protocols carry beside the bytes are not believed: encoders set
    /// them on recovery points too.
    pub random_access: bool,
    /// The parameter sets found, not yet merged with earlier ones; maybe empty.
    pub sets: ParameterSets,
}

/// The hub's form of one access unit, copied once. At most [`MAX_NALS`] NAL units are looked at. `None` if there was
/// neither a slice nor a parameter set.
pub fn access_unit<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Option<AccessUnit> {
    let mut builder = Builder::default();
    let mut payload = BytesMut::new();
    for nal in nals.into_iter().take(MAX_NALS) {
        if builder.keeps(nal) {
            put_nal(&mut payload, nal);
        }
    }
    builder.finish(payload.freeze())
}

/// The hub's form of a length-prefixed access unit (`length_size` 1, 2 or 4): without copying where `payload` already
/// has that form, as most RTMP publishers send it.
///
/// # Errors
/// [`AvccError`] if the lengths do not fit the data; half an access unit is not given out, since decoders show the
/// missing half as damage until the next IDR picture. Exception: data that start with a 4-byte start code and are no
/// valid length-prefixed data are read as a byte stream; some hardware encoders send that over RTMP.
pub fn canonical(payload: &Bytes, length_size: u8) -> Result<Option<AccessUnit>, AvccError> {
    let nals: Vec<Bytes> = match nals(payload, length_size).collect() {
        Ok(nals) => nals,
        Err(_) if payload.starts_with(&[0, 0, 0, 1]) => {
            return Ok(access_unit(annexb::nals(payload)));
        }
        Err(error) => return Err(error),
    };
    let mut builder = Builder::default();
    let before = nals.len();
    let kept: Vec<Bytes> = nals.into_iter().filter(|nal| builder.keeps(nal)).collect();
    let length: usize = kept.iter().fold(0, |sum, nal| sum.saturating_add(nal.len()).saturating_add(4));
    if length_size == 4 && kept.len() == before && length == payload.len() {
        return Ok(builder.finish(payload.clone()));
    }
    let mut out = BytesMut::with_capacity(length);
    kept.iter().for_each(|nal| put_nal(&mut out, nal));
    Ok(builder.finish(out.freeze()))
}

/// `nals` behind 4-byte lengths, nothing left out.
pub fn write<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    nals.into_iter().for_each(|nal| put_nal(&mut out, nal));
    out.freeze()
}

fn put_nal(out: &mut BytesMut, nal: &[u8]) {
    // 4 GiB cannot come in: every protocol bounds its messages far below.
    out.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
    out.put_slice(nal);
}

#[derive(Default)]
struct Builder {
    has_slice: bool,
    random_access: bool,
    sets: ParameterSets,
}

impl Builder {
    /// Whether `nal` belongs into the payload. Parameter sets are copied: a slice would keep the whole access unit in
    /// memory for as long as the set is in use.
    fn keeps(&mut self, nal: &[u8]) -> bool {
        match nal_type(nal) {
            None | Some(NalType::AccessUnitDelimiter | NalType::Filler) => false,
            // Both end the sequence for the decoder; across a seam between publishers that is not ours to say.
            Some(NalType::EndOfSequence | NalType::EndOfStream) => false,
            Some(NalType::Sps) => {
                self.sets.merge(&ParameterSets { sps: vec![Bytes::copy_from_slice(nal)], pps: Vec::new() });
                false
            }
            Some(NalType::Pps) => {
                self.sets.merge(&ParameterSets { sps: Vec::new(), pps: vec![Bytes::copy_from_slice(nal)] });
                false
            }
            Some(kind) => {
                self.has_slice |= kind.is_slice();
                self.random_access |= kind == NalType::Idr;
                true
            }
        }
    }

    fn finish(self, payload: Bytes) -> Option<AccessUnit> {
        if !self.has_slice && self.sets.is_empty() {
            return None;
        }
        let payload = if self.has_slice { payload } else { Bytes::new() };
        Some(AccessUnit { payload, random_access: self.random_access, sets: self.sets })
    }
}

#[cfg(test)]
mod tests;
