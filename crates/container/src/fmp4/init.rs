//! The init section: `ftyp` and a `moov` whose tracks have no samples of their own (ISO/IEC 14496-12 §8.8).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, Bytes, BytesMut};
use media::aac::AudioConfig;
use media::h264::sps::Sps;
use media::h264::{ParameterSets, avcc};
use media::opus::Head;
use media::{CodecConfig, Kind, TrackInfo};

use super::boxes::{put_box, put_full_box};
use super::{Fmp4Error, MAX_TRACKS};

/// `unity matrix` (§8.2.2.2): pictures are neither scaled nor turned.
const MATRIX: [u32; 9] = [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000];
/// "und" in three letters of five bits (§8.4.2.3).
const LANGUAGE_UNDETERMINED: u16 = 0x55c4;

/// The init section of `tracks`: the track with index `i` gets track_ID `i + 1` and the timescale of its
/// [`TrackInfo::rate`]. There are no edit lists: the timestamps of our frames have no encoder delay in them.
///
/// # Errors
/// [`Fmp4Error::Empty`], [`Fmp4Error::Tracks`], and [`Fmp4Error::NotCarried`] for H.264 whose parameter sets are not
/// complete or whose SPS cannot be read.
pub fn init_segment(tracks: &[&TrackInfo]) -> Result<Bytes, Fmp4Error> {
    if tracks.is_empty() {
        return Err(Fmp4Error::Empty);
    }
    if tracks.len() > MAX_TRACKS {
        return Err(Fmp4Error::Tracks(tracks.len()));
    }
    let entries: Vec<Entry<'_>> = tracks.iter().map(|track| Entry::new(track)).collect::<Result<_, _>>()?;
    let mut out = BytesMut::with_capacity(1_024);
    put_box(&mut out, b"ftyp", |out| {
        // RFC 8216bis §3.1.2 asks for iso6 or later: `default-base-is-moof` and `tfdt`.
        out.put_slice(b"iso6\0\0\0\0iso6mp41");
    });
    put_box(&mut out, b"moov", |out| {
        put_movie_header(out, entries.len());
        for (id, entry) in (1..).zip(&entries) {
            put_track(out, id, entry);
        }
        put_box(out, b"mvex", |out| {
            for (id, _) in (1..).zip(&entries) {
                put_full_box(out, b"trex", 0, 0, |out| {
                    // Sample description 1; duration, size and flags stand in each fragment.
                    [id, 1, 0, 0, 0].into_iter().for_each(|field| out.put_u32(field));
                });
            }
        });
    });
    Ok(out.freeze())
}

/// A track with the facts that its boxes need.
struct Entry<'t> {
    info: &'t TrackInfo,
    codec: CodecEntry<'t>,
}

enum CodecEntry<'t> {
    H264(&'t ParameterSets, Sps),
    Aac(&'t AudioConfig),
    Opus(Head),
}

impl<'t> Entry<'t> {
    fn new(info: &'t TrackInfo) -> Result<Self, Fmp4Error> {
        let refused = Fmp4Error::NotCarried(info.codec());
        let codec = match &info.config {
            CodecConfig::H264(sets) => {
                let sps = sets.sps.first().filter(|_| sets.is_complete()).ok_or(refused)?;
                CodecEntry::H264(sets, Sps::parse(sps).map_err(|_| refused)?)
            }
            CodecConfig::Aac(config) => CodecEntry::Aac(config),
            CodecConfig::Opus(head) => CodecEntry::Opus(*head),
            _ => return Err(refused),
        };
        Ok(Self { info, codec })
    }

    /// How large the pictures are shown, in 1/65,536 pixels: the shape of pixels stretches the width (§8.3.2.3).
    fn presentation_size(&self) -> (u32, u32) {
        let CodecEntry::H264(_, sps) = &self.codec else { return (0, 0) };
        let (over, under) = sps.sample_aspect_ratio.unwrap_or((1, 1));
        let fixed = |side: u32| u64::from(side) << 16;
        let width = fixed(sps.width).saturating_mul(over.into()).checked_div(under.into());
        let narrow = |side| u32::try_from(side).unwrap_or(u32::MAX);
        (narrow(width.unwrap_or_default()), narrow(fixed(sps.height)))
    }
}

/// `mvhd` (§8.2.2). Duration 0: the length is not known.
fn put_movie_header(out: &mut BytesMut, tracks: usize) {
    put_full_box(out, b"mvhd", 0, 0, |out| {
        [0, 0, 1_000, 0].into_iter().for_each(|field| out.put_u32(field)); // times, timescale, duration
        out.put_u32(0x0001_0000); // rate 1
        out.put_u16(0x0100); // volume 1
        out.put_bytes(0, 10);
        MATRIX.into_iter().for_each(|field| out.put_u32(field));
        out.put_bytes(0, 24);
        out.put_u32(u32::try_from(tracks).unwrap_or(u32::MAX).saturating_add(1)); // next track_ID
    });
}

fn put_track(out: &mut BytesMut, id: u32, entry: &Entry<'_>) {
    let kind = entry.info.kind();
    put_box(out, b"trak", |out| {
        put_full_box(out, b"tkhd", 0, ENABLED_IN_MOVIE, |out| {
            [0, 0, id, 0, 0].into_iter().for_each(|field| out.put_u32(field)); // times, track_ID, reserved, duration
            out.put_bytes(0, 12); // reserved, layer, alternate group
            out.put_u16(if kind == Kind::Audio { 0x0100 } else { 0 }); // volume
            out.put_u16(0);
            MATRIX.into_iter().for_each(|field| out.put_u32(field));
            let (width, height) = entry.presentation_size();
            out.put_u32(width);
            out.put_u32(height);
        });
        put_box(out, b"mdia", |out| {
            put_full_box(out, b"mdhd", 0, 0, |out| {
                [0, 0, entry.info.rate().hz(), 0].into_iter().for_each(|field| out.put_u32(field));
                out.put_u16(LANGUAGE_UNDETERMINED);
                out.put_u16(0);
            });
            put_handler(out, kind);
            put_box(out, b"minf", |out| put_media_information(out, entry));
        });
    });
}

/// `track_enabled` and `track_in_movie` (§8.3.2.3).
const ENABLED_IN_MOVIE: u32 = 3;

/// `hdlr` (§8.4.3).
fn put_handler(out: &mut BytesMut, kind: Kind) {
    put_full_box(out, b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(match kind {
            Kind::Video => b"vide",
            Kind::Audio => b"soun",
        });
        out.put_bytes(0, 12);
        out.put_u8(0); // no name
    });
}

fn put_media_information(out: &mut BytesMut, entry: &Entry<'_>) {
    match entry.info.kind() {
        Kind::Video => put_full_box(out, b"vmhd", 0, 1, |out| out.put_bytes(0, 8)),
        Kind::Audio => put_full_box(out, b"smhd", 0, 0, |out| out.put_bytes(0, 4)),
    }
    put_box(out, b"dinf", |out| {
        put_full_box(out, b"dref", 0, 0, |out| {
            out.put_u32(1);
            put_full_box(out, b"url ", 0, 1, |_| ()); // the data are in the same file
        });
    });
    put_box(out, b"stbl", |out| {
        put_full_box(out, b"stsd", 0, 0, |out| {
            out.put_u32(1);
            put_sample_entry(out, entry);
        });
        for empty in [b"stts", b"stsc", b"stco"] {
            put_full_box(out, empty, 0, 0, |out| out.put_u32(0));
        }
        put_full_box(out, b"stsz", 0, 0, |out| out.put_u64(0));
    });
}

fn put_sample_entry(out: &mut BytesMut, entry: &Entry<'_>) {
    match &entry.codec {
        CodecEntry::H264(sets, sps) => put_box(out, b"avc1", |out| put_avc(out, sets, sps)),
        CodecEntry::Aac(config) => put_box(out, b"mp4a", |out| {
            put_audio_entry(out, config.channels(), config.rate().hz());
            put_full_box(out, b"esds", 0, 0, |out| put_es_descriptor(out, config));
        }),
        CodecEntry::Opus(head) => put_box(out, b"Opus", |out| {
            put_audio_entry(out, head.channels, entry.info.rate().hz());
            put_box(out, b"dOps", |out| put_opus(out, *head));
        }),
    }
}

/// Reserved bytes and the data reference (§8.5.2.2).
fn put_entry_start(out: &mut BytesMut) {
    out.put_bytes(0, 6);
    out.put_u16(1);
}

/// `VisualSampleEntry` (§12.1.3) with the boxes of ISO/IEC 14496-15 §5.4.2. Colours are not repeated from the SPS: every
/// decoder reads them there.
fn put_avc(out: &mut BytesMut, sets: &ParameterSets, sps: &Sps) {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    put_entry_start(out);
    out.put_bytes(0, 16);
    out.put_u16(side(sps.width));
    out.put_u16(side(sps.height));
    out.put_u32(0x0048_0000); // 72 dots an inch, as the standard wants it
    out.put_u32(0x0048_0000);
    out.put_u32(0);
    out.put_u16(1); // one picture a sample
    out.put_bytes(0, 32); // no compressor name
    out.put_u16(24); // depth
    out.put_i16(-1);
    put_box(out, b"avcC", |out| out.put_slice(&avcc::write_configuration(sets)));
    if let Some((horizontal, vertical)) = sps.sample_aspect_ratio {
        put_box(out, b"pasp", |out| {
            out.put_u32(horizontal.into());
            out.put_u32(vertical.into());
        });
    }
}

/// `AudioSampleEntry` (§12.2.3).
fn put_audio_entry(out: &mut BytesMut, channels: u8, hz: u32) {
    put_entry_start(out);
    out.put_bytes(0, 8);
    out.put_u16(channels.into());
    out.put_u16(16); // bits of a sample
    out.put_u32(0);
    // 16.16 fixed point; beyond 65,535 Hz there is no value, and only the decoder's configuration counts.
    out.put_u16(u16::try_from(hz).unwrap_or_default());
    out.put_u16(0);
}

/// `ES_Descriptor` (ISO/IEC 14496-1 §7.2.6.5, 14496-14 §3.1.2) around the AudioSpecificConfig.
fn put_es_descriptor(out: &mut BytesMut, config: &AudioConfig) {
    const MPEG4_AUDIO: u8 = 0x40;
    const AUDIO_STREAM: u8 = 0x15;
    let mut decoder = BytesMut::new();
    decoder.put_u8(MPEG4_AUDIO);
    decoder.put_u8(AUDIO_STREAM);
    decoder.put_bytes(0, 11); // buffer size and bit rates are not known
    put_descriptor(&mut decoder, 5, config.bytes());
    let mut stream = BytesMut::new();
    stream.put_bytes(0, 3); // ES_ID 0, no flags
    put_descriptor(&mut stream, 4, &decoder);
    put_descriptor(&mut stream, 6, &[2]); // SLConfigDescriptor: as MP4 files want it
    put_descriptor(out, 3, &stream);
}

/// Tag, length in groups of seven bits (ISO/IEC 14496-1 §8.3.3), content. Always four groups, as ffmpeg and Apple write
/// it: old parsers skip four bytes unread.
fn put_descriptor(out: &mut BytesMut, tag: u8, body: &[u8]) {
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let group = |shift: u32| u8::try_from((len >> shift) & 0x7f).unwrap_or_default();
    out.put_slice(&[tag, 0x80 | group(21), 0x80 | group(14), 0x80 | group(7), group(0)]);
    out.put_slice(body);
}

/// `OpusSpecificBox` ("Encapsulation of Opus in ISOBMFF" §4.3.2). No pre-skip: a stream that is joined in its middle has no
/// beginning that a decoder would have to drop.
fn put_opus(out: &mut BytesMut, head: Head) {
    out.put_u8(0); // version
    out.put_u8(head.channels);
    out.put_u16(0);
    out.put_u32(48_000);
    out.put_i16(0); // gain
    out.put_u8(0); // mapping family
}
