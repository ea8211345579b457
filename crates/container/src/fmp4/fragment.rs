//! A fragment: `moof` and `mdat` (ISO/IEC 14496-12 §8.8.4 to §8.8.8, §8.8.12).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, Bytes, BytesMut};
use media::{Frame, Rate};

use super::boxes::{patch, put_box, put_full_box};
use super::{Fmp4Error, MAX_SAMPLES};

/// `sample_depends_on` 2: decodable alone (§8.8.3.1).
pub(super) const SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` 1 and `sample_is_non_sync_sample`.
pub(super) const NON_SYNC: u32 = 0x0101_0000;

/// Flags of `tfhd` (§8.8.7.1).
pub(super) mod tfhd {
    pub(in super::super) const BASE_DATA_OFFSET: u32 = 0x01;
    pub(in super::super) const DESCRIPTION_INDEX: u32 = 0x02;
    pub(in super::super) const DURATION: u32 = 0x08;
    pub(in super::super) const SIZE: u32 = 0x10;
    pub(in super::super) const FLAGS: u32 = 0x20;
    pub(in super::super) const BASE_IS_MOOF: u32 = 0x02_0000;
}

/// Flags of `trun` (§8.8.8.1).
pub(super) mod trun {
    pub(in super::super) const DATA_OFFSET: u32 = 0x01;
    pub(in super::super) const FIRST_FLAGS: u32 = 0x04;
    pub(in super::super) const DURATION: u32 = 0x100;
    pub(in super::super) const SIZE: u32 = 0x200;
    pub(in super::super) const FLAGS: u32 = 0x400;
    pub(in super::super) const COMPOSITION: u32 = 0x800;
}

/// One frame of a run.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'f> {
    /// The frame; its `track` is not looked at.
    pub frame: &'f Frame,
    /// Until the next frame of the track is decoded, in ticks of the run's rate.
    pub duration: u32,
}

/// Frames of one track that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Run<'f> {
    /// track_ID: the track's index in the init section, plus 1.
    pub track: u32,
    /// The track's timescale in the init section.
    pub rate: Rate,
    /// When the first frame is decoded, in ticks of `rate` from the beginning of the presentation.
    pub base_decode_time: u64,
    /// In decoding order.
    pub samples: &'f [Sample<'f>],
}

/// One fragment with the samples of all `runs`, each run's data behind the other's. Runs without samples are left out.
/// `sequence` increases from fragment to fragment (§8.8.5).
///
/// A sample is decoded when those before it in its run have had their durations, and is shown as long after the first
/// one's decoding as the frames' timestamps say: a duration that differs from the distance of two `dts` moves only the
/// decoding.
///
/// # Errors
/// [`Fmp4Error::Empty`] without any sample, [`Fmp4Error::Samples`], [`Fmp4Error::TooLong`], [`Fmp4Error::Composition`].
pub fn fragment(sequence: u32, runs: &[Run<'_>]) -> Result<Bytes, Fmp4Error> {
    let runs = || runs.iter().filter(|run| !run.samples.is_empty());
    let count = runs().fold(0_usize, |sum, run| sum.saturating_add(run.samples.len()));
    if count == 0 {
        return Err(Fmp4Error::Empty);
    }
    if count > MAX_SAMPLES {
        return Err(Fmp4Error::Samples);
    }
    let data_len = runs().flat_map(|run| run.samples).try_fold(0_u32, |sum, sample| {
        sum.checked_add(u32::try_from(sample.frame.payload.len()).ok()?).filter(|&sum| sum < MAX_DATA)
    });
    let data_len = data_len.ok_or(Fmp4Error::TooLong)?;
    let mut out = BytesMut::with_capacity(capacity(runs().count(), count, data_len));
    let mut offsets = Vec::new();
    let mut problem = Ok(());
    put_box(&mut out, b"moof", |out| {
        put_full_box(out, b"mfhd", 0, 0, |out| out.put_u32(sequence));
        for run in runs() {
            match put_track_fragment(out, run) {
                Ok(at) => offsets.push(at),
                Err(error) => problem = Err(error),
            }
        }
    });
    problem?;
    // The offset of a run's data counts from the beginning of `moof`, which is that of the fragment.
    let mut offset = u32::try_from(out.len()).unwrap_or(u32::MAX).saturating_add(8);
    for (run, at) in runs().zip(offsets) {
        patch(&mut out, at, offset);
        offset = run.samples.iter().fold(offset, |offset, sample| offset.saturating_add(size(sample)));
    }
    out.put_u32(data_len.saturating_add(8));
    out.put_slice(b"mdat");
    runs().flat_map(|run| run.samples).for_each(|sample| out.put_slice(&sample.frame.payload));
    Ok(out.freeze())
}

/// Data offsets are signed 32-bit numbers, and the `moof` stands in front: [`MAX_SAMPLES`] entries stay below 2 MiB.
const MAX_DATA: u32 = (1 << 31) - (1 << 21);

/// Bytes of a fragment at most, so that its buffer is allocated once.
fn capacity(runs: usize, samples: usize, data: u32) -> usize {
    const FRAGMENT: usize = 8 + 16 + 8;
    const RUN: usize = 8 + 24 + 20 + 20;
    const SAMPLE: usize = 16;
    let boxes = runs.saturating_mul(RUN).saturating_add(samples.saturating_mul(SAMPLE));
    FRAGMENT.saturating_add(boxes).saturating_add(usize::try_from(data).unwrap_or_default())
}

fn size(sample: &Sample<'_>) -> u32 {
    u32::try_from(sample.frame.payload.len()).unwrap_or(u32::MAX)
}

const fn flags(sample: &Sample<'_>) -> u32 {
    if sample.frame.random_access { SYNC } else { NON_SYNC }
}

/// What all samples of a run have in common stands once, in `tfhd`.
struct Defaults {
    duration: Option<u32>,
    flags: Option<u32>,
}

impl Defaults {
    fn of(samples: &[Sample<'_>]) -> Self {
        let common = |field: fn(&Sample<'_>) -> u32| {
            let first = samples.first().map(field)?;
            samples.iter().all(|sample| field(sample) == first).then_some(first)
        };
        Self { duration: common(|sample| sample.duration), flags: common(flags) }
    }
}

/// Writes a `traf`; where the data offset is to be filled in.
fn put_track_fragment(out: &mut BytesMut, run: &Run<'_>) -> Result<usize, Fmp4Error> {
    let compositions = compositions(run)?;
    let defaults = Defaults::of(run.samples);
    let mut offset_at = 0;
    put_box(out, b"traf", |out| {
        let bit = |flag, value: Option<u32>| if value.is_some() { flag } else { 0 };
        let head_flags =
            tfhd::BASE_IS_MOOF | bit(tfhd::DURATION, defaults.duration) | bit(tfhd::FLAGS, defaults.flags);
        put_full_box(out, b"tfhd", 0, head_flags, |out| {
            out.put_u32(run.track);
            defaults.duration.into_iter().chain(defaults.flags).for_each(|field| out.put_u32(field));
        });
        put_full_box(out, b"tfdt", 1, 0, |out| out.put_u64(run.base_decode_time));
        let reordered = compositions.iter().any(|&offset| offset != 0);
        let run_flags = trun::DATA_OFFSET
            | trun::SIZE
            | if defaults.duration.is_none() { trun::DURATION } else { 0 }
            | if defaults.flags.is_none() { trun::FLAGS } else { 0 }
            | if reordered { trun::COMPOSITION } else { 0 };
        // Version 1: composition offsets have a sign.
        put_full_box(out, b"trun", 1, run_flags, |out| {
            out.put_u32(u32::try_from(run.samples.len()).unwrap_or(u32::MAX));
            offset_at = out.len();
            out.put_u32(0);
            for (sample, &composition) in run.samples.iter().zip(&compositions) {
                if defaults.duration.is_none() {
                    out.put_u32(sample.duration);
                }
                out.put_u32(size(sample));
                if defaults.flags.is_none() {
                    out.put_u32(flags(sample));
                }
                if reordered {
                    out.put_i32(composition);
                }
            }
        });
    });
    Ok(offset_at)
}

/// When each sample is shown, counted from when it is decoded.
fn compositions(run: &Run<'_>) -> Result<Vec<i32>, Fmp4Error> {
    let Some(first) = run.samples.first() else { return Ok(Vec::new()) };
    let start = first.frame.dts.to_rate(run.rate);
    let mut decoded = 0_i64;
    run.samples
        .iter()
        .map(|sample| {
            let shown = sample.frame.pts.to_rate(run.rate).minus(start).ticks();
            let offset = shown.saturating_sub(decoded);
            decoded = decoded.saturating_add(sample.duration.into());
            i32::try_from(offset).map_err(|_| Fmp4Error::Composition(offset))
        })
        .collect()
}
