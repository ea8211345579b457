//! Init sections and fragments -> tracks and frames: for what measures our own output, and for what MP4 files of others
//! hold in the same form. One level of boxes after the other, no recursion: what is nested deeper than the standard
//! nests it is passed over.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Range;

use bytes::Bytes;
use media::aac::AudioConfig;
use media::h264::avcc::DecoderConfiguration;
use media::opus::Head;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo};

use super::Fmp4Error;
use super::boxes::Fields;
use super::fragment::{NON_SYNC, tfhd, trun};
use crate::FourCc;

/// The most tracks of a file.
pub const MAX_TRACKS: usize = 16;
/// The most samples of one fragment, and of all that [`Init::fragments`] reads at once: the samples may claim no bytes of
/// their own, so the length of the input does not bound them.
pub const MAX_SAMPLES: usize = 65_536;
/// Bit of a sample's flags (§8.8.3.1).
const IS_NON_SYNC: u32 = 0x0001_0000;

/// One track of an init section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// Codec and parameters; the id is the track_ID.
    pub info: TrackInfo,
    /// The timescale: the clock of the fragments' timestamps. In our own files it is [`TrackInfo::rate`].
    pub rate: Rate,
    /// What `trex` says of samples that say nothing themselves.
    defaults: Defaults,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// An init section that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Init {
    /// In order of the file, at most [`MAX_TRACKS`].
    pub tracks: Vec<Track>,
}

/// A fragment that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Of its `mfhd`.
    pub sequence: u32,
    /// One for each `traf`.
    pub runs: Vec<ReadRun>,
}

/// The samples of one track in a fragment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadRun {
    /// track_ID.
    pub track: u32,
    /// `baseMediaDecodeTime`, in ticks of the track's rate.
    pub base_decode_time: u64,
    /// In decoding order.
    pub samples: Vec<ReadSample>,
}

/// One sample that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadSample {
    /// The sample's bytes as they stand there, and its times on the track's clock.
    pub frame: Frame,
    /// In ticks of the track's rate.
    pub duration: u32,
}

impl Init {
    /// Reads an init section. Tracks that are neither video nor audio are passed over.
    ///
    /// # Errors
    /// [`Fmp4Error`] says what is missing or not supported, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fmp4Error> {
        let mut movie = Fields::new(bytes).descend([b"moov"])?;
        let mut tracks = Vec::new();
        let mut extends = None;
        while let Some(found) = movie.next_box()? {
            match &found.kind.0 {
                b"trak" if tracks.len() == MAX_TRACKS => return Err(Fmp4Error::Tracks(MAX_TRACKS)),
                b"trak" => tracks.extend(track(found.body)?),
                b"mvex" => extends = Some(found.body),
                _ => {}
            }
        }
        let extends = extends.ok_or(Fmp4Error::Missing(FourCc(*b"mvex")))?;
        read_defaults(extends, &mut tracks)?;
        Ok(Self { tracks })
    }

    /// Reads what follows the init section, whole fragments only: the bytes of a part or a segment.
    ///
    /// # Errors
    /// [`Fmp4Error`] says what is broken or not supported, and where.
    pub fn fragments(&self, bytes: &Bytes) -> Result<Vec<Fragment>, Fmp4Error> {
        let mut fields = Fields::new(bytes);
        let mut fragments = Vec::new();
        let mut movie_fragment = None;
        let mut budget = MAX_SAMPLES;
        while let Some(found) = fields.next_box()? {
            match (&found.kind.0, movie_fragment) {
                (b"moof", _) => movie_fragment = Some(found),
                (b"mdat", Some(moof)) => {
                    let start = found.body.at();
                    let data = start..start.saturating_add(found.body.rest().len());
                    let source = Source { bytes, moof_at: moof.at, data };
                    fragments.push(self.fragment(&source, moof.body, &mut budget)?);
                    movie_fragment = None;
                }
                _ => {}
            }
        }
        match movie_fragment {
            Some(_) => Err(Fmp4Error::Missing(FourCc(*b"mdat"))),
            None => Ok(fragments),
        }
    }

    fn fragment(
        &self,
        source: &Source<'_>,
        mut moof: Fields<'_>,
        budget: &mut usize,
    ) -> Result<Fragment, Fmp4Error> {
        let mut header = moof.descend([b"mfhd"])?;
        header.version_and_flags()?;
        let sequence = header.u32()?;
        let mut runs = Vec::new();
        while let Some(found) = moof.next_box()? {
            if found.kind.0 == *b"traf" {
                runs.push(self.track_fragment(source, found.body, budget)?);
            }
        }
        Ok(Fragment { sequence, runs })
    }

    fn track_fragment(
        &self,
        source: &Source<'_>,
        mut traf: Fields<'_>,
        budget: &mut usize,
    ) -> Result<ReadRun, Fmp4Error> {
        let mut header = traf.descend([b"tfhd"])?;
        let (_, flags) = header.version_and_flags()?;
        let id = header.u32()?;
        let track = self.tracks.iter().find(|track| track.info.id.0 == id);
        let track = track.ok_or(Fmp4Error::UnknownTrack(id))?;
        let addressed_from_elsewhere = flags & tfhd::BASE_DATA_OFFSET != 0;
        if addressed_from_elsewhere || flags & tfhd::BASE_IS_MOOF == 0 {
            return Err(Fmp4Error::Form { kind: FourCc(*b"tfhd"), at: header.at() });
        }
        if flags & tfhd::DESCRIPTION_INDEX != 0 {
            header.u32()?;
        }
        let mut optional = |flag, default| if flags & flag == 0 { Ok(default) } else { header.u32() };
        let defaults = Defaults {
            duration: optional(tfhd::DURATION, track.defaults.duration)?,
            size: optional(tfhd::SIZE, track.defaults.size)?,
            flags: optional(tfhd::FLAGS, track.defaults.flags)?,
        };
        let base_decode_time = base_decode_time(traf)?;
        let mut state = RunState {
            track,
            defaults,
            decode_time: i64::try_from(base_decode_time).unwrap_or(i64::MAX),
            data_at: source.moof_at,
            samples: Vec::new(),
        };
        while let Some(found) = traf.next_box()? {
            if found.kind.0 == *b"trun" {
                state.read(source, found.body, budget)?;
            }
        }
        Ok(ReadRun { track: id, base_decode_time, samples: state.samples })
    }
}

/// Where the samples of a fragment are.
struct Source<'a> {
    bytes: &'a Bytes,
    moof_at: usize,
    /// The content of `mdat`.
    data: Range<usize>,
}

impl Source<'_> {
    fn sample(&self, at: usize, len: u32) -> Result<Bytes, Fmp4Error> {
        let outside = Fmp4Error::Sample { at, len };
        let end = at.checked_add(usize::try_from(len).map_err(|_| outside)?).ok_or(outside)?;
        if len == 0 || at < self.data.start || end > self.data.end {
            return Err(outside);
        }
        Ok(self.bytes.slice(at..end))
    }
}

/// What passes from one `trun` of a `traf` to the next.
struct RunState<'a> {
    track: &'a Track,
    defaults: Defaults,
    decode_time: i64,
    data_at: usize,
    samples: Vec<ReadSample>,
}

impl RunState<'_> {
    fn read(
        &mut self,
        source: &Source<'_>,
        mut run: Fields<'_>,
        budget: &mut usize,
    ) -> Result<(), Fmp4Error> {
        let at = run.at();
        let (version, flags) = run.version_and_flags()?;
        let count = run.u32()?;
        *budget = usize::try_from(count)
            .ok()
            .and_then(|count| budget.checked_sub(count))
            .ok_or(Fmp4Error::Samples)?;
        if flags & trun::DATA_OFFSET != 0 {
            let offset = run.u32()?.cast_signed();
            let form = Fmp4Error::Form { kind: FourCc(*b"trun"), at };
            let offset = isize::try_from(offset).map_err(|_| form)?;
            self.data_at = source.moof_at.checked_add_signed(offset).ok_or(form)?;
        }
        let mut first_flags = if flags & trun::FIRST_FLAGS == 0 { None } else { Some(run.u32()?) };
        for _ in 0..count {
            let mut optional = |flag, default| if flags & flag == 0 { Ok(default) } else { run.u32() };
            let duration = optional(trun::DURATION, self.defaults.duration)?;
            let size = optional(trun::SIZE, self.defaults.size)?;
            let own_flags = optional(trun::FLAGS, self.defaults.flags)?;
            let composition = optional(trun::COMPOSITION, 0)?;
            let composition = match version {
                0 => i64::from(composition),
                _ => composition.cast_signed().into(),
            };
            let sample_flags = first_flags.take().unwrap_or(own_flags);
            let payload = source.sample(self.data_at, size)?;
            self.data_at = self.data_at.saturating_add(payload.len());
            let stamp = |ticks| Timestamp::new(ticks, self.track.rate);
            let frame = Frame {
                track: self.track.info.id,
                pts: stamp(self.decode_time.saturating_add(composition)),
                dts: stamp(self.decode_time),
                random_access: sample_flags & IS_NON_SYNC == 0,
                payload,
            };
            self.decode_time = self.decode_time.saturating_add(duration.into());
            self.samples.push(ReadSample { frame, duration });
        }
        Ok(())
    }
}

/// `baseMediaDecodeTime` of `tfdt` (§8.8.12).
fn base_decode_time(traf: Fields<'_>) -> Result<u64, Fmp4Error> {
    let mut fields = traf.descend([b"tfdt"])?;
    match fields.version_and_flags()?.0 {
        0 => fields.u32().map(u64::from),
        _ => fields.u64(),
    }
}

/// A `trak`; `None` where it is neither video nor audio.
fn track(trak: Fields<'_>) -> Result<Option<Track>, Fmp4Error> {
    let mut handler = trak.descend([b"mdia", b"hdlr"])?;
    handler.take(8)?;
    if !matches!(&handler.u32()?.to_be_bytes(), b"vide" | b"soun") {
        return Ok(None);
    }
    let mut header = trak.descend([b"tkhd"])?;
    let (version, _) = header.version_and_flags()?;
    header.take(times_len(version))?;
    let id = TrackId(header.u32()?);
    let mut media_header = trak.descend([b"mdia", b"mdhd"])?;
    let at = media_header.at();
    let (version, _) = media_header.version_and_flags()?;
    media_header.take(times_len(version))?;
    let form = Fmp4Error::Form { kind: FourCc(*b"mdhd"), at };
    let rate = Rate::new(media_header.u32()?).ok_or(form)?;
    let mut descriptions = trak.descend([b"mdia", b"minf", b"stbl", b"stsd"])?;
    descriptions.take(8)?;
    let entry = descriptions.next_box()?.ok_or(Fmp4Error::Missing(FourCc(*b"stsd")))?;
    let config = sample_entry(entry.kind, entry.body)?;
    let defaults = Defaults { flags: NON_SYNC, ..Defaults::default() };
    Ok(Some(Track { info: TrackInfo { id, config }, rate, defaults }))
}

/// Bytes of creation and modification time (§8.2.2.2).
const fn times_len(version: u8) -> usize {
    if version == 0 { 8 } else { 16 }
}

fn sample_entry(kind: FourCc, mut entry: Fields<'_>) -> Result<CodecConfig, Fmp4Error> {
    const VISUAL: usize = 78;
    const AUDIO: usize = 28;
    Ok(match &kind.0 {
        b"avc1" | b"avc3" => {
            entry.take(VISUAL)?;
            let record = entry.descend([b"avcC"])?;
            let configuration = DecoderConfiguration::parse(record.rest())?;
            if configuration.length_size != 4 {
                return Err(Fmp4Error::Form { kind: FourCc(*b"avcC"), at: record.at() });
            }
            CodecConfig::H264(configuration.sets)
        }
        b"mp4a" => {
            entry.take(AUDIO)?;
            CodecConfig::Aac(AudioConfig::parse(audio_specific_config(entry.descend([b"esds"])?)?)?)
        }
        b"Opus" => {
            entry.take(AUDIO)?;
            let mut specific = entry.descend([b"dOps"])?;
            let form = Fmp4Error::Form { kind: FourCc(*b"dOps"), at: specific.at() };
            let version = specific.u8()?;
            let channels = specific.u8()?;
            if version != 0 || !matches!(channels, 1 | 2) {
                return Err(form);
            }
            CodecConfig::Opus(Head { channels })
        }
        _ => return Err(Fmp4Error::Codec(kind)),
    })
}

/// The AudioSpecificConfig in an `esds` box (ISO/IEC 14496-1 §7.2.6.5 to §7.2.6.7).
fn audio_specific_config(mut esds: Fields<'_>) -> Result<&[u8], Fmp4Error> {
    let form = Fmp4Error::Form { kind: FourCc(*b"esds"), at: esds.at() };
    esds.version_and_flags()?;
    open_descriptor(&mut esds, 3, form)?;
    esds.take(2)?; // ES_ID
    let flags = esds.u8()?;
    if flags & 0x80 != 0 {
        esds.take(2)?; // dependsOn_ES_ID
    }
    if flags & 0x40 != 0 {
        let len = esds.u8()?;
        esds.take(len.into())?; // URL
    }
    if flags & 0x20 != 0 {
        esds.take(2)?; // OCR_ES_ID
    }
    open_descriptor(&mut esds, 4, form)?;
    esds.take(13)?;
    let len = open_descriptor(&mut esds, 5, form)?;
    esds.take(len)
}

/// Reads a descriptor's tag, which must be `tag`, and its length (ISO/IEC 14496-1 §8.3.3).
fn open_descriptor(fields: &mut Fields<'_>, tag: u8, form: Fmp4Error) -> Result<usize, Fmp4Error> {
    if fields.u8()? != tag {
        return Err(form);
    }
    let mut len = 0_usize;
    for _ in 0..4 {
        let byte = fields.u8()?;
        len = (len << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(len);
        }
    }
    Err(form)
}

/// The `trex` boxes (§8.8.3).
fn read_defaults(mut extends: Fields<'_>, tracks: &mut [Track]) -> Result<(), Fmp4Error> {
    while let Some(found) = extends.next_box()? {
        if found.kind.0 != *b"trex" {
            continue;
        }
        let mut fields = found.body;
        fields.version_and_flags()?;
        let id = TrackId(fields.u32()?);
        fields.u32()?; // sample description
        let defaults = Defaults { duration: fields.u32()?, size: fields.u32()?, flags: fields.u32()? };
        for track in tracks.iter_mut().filter(|track| track.info.id == id) {
            track.defaults = defaults;
        }
    }
    Ok(())
}
