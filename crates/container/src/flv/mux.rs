//! Tracks and frames -> tag bodies, for RTMP readers and FLV files. Pure functions: what they give is the same for every
//! reader of a stream and is built once.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Deref;

use bytes::{BufMut, Bytes, BytesMut};
use media::h264::avcc;
use media::h264::sps::Sps;
use media::{Codec, CodecConfig, Frame, TrackInfo};

use super::FlvError;
use crate::FourCc;

/// Which header a tag body gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// Adobe's: H.264 and AAC, understood by everyone. WeChat's player knows nothing else.
    Legacy,
    /// With a FourCC, for readers that asked for it (`fourCcList` in `connect`); the only one for Opus.
    Enhanced,
}

/// The header of a tag body, at most 8 bytes: put in front of a frame's payload, on the wire or by [`Self::join`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl Prefix {
    const MAX_LEN: usize = 8;

    fn new(parts: [&[u8]; 3]) -> Self {
        let mut prefix = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        for &byte in parts.into_iter().flatten() {
            if let Some(slot) = prefix.bytes.get_mut(prefix.len) {
                *slot = byte;
                prefix.len = prefix.len.saturating_add(1);
            }
        }
        prefix
    }

    /// Header and payload in one buffer.
    pub fn join(&self, payload: &[u8]) -> Bytes {
        let mut body = BytesMut::with_capacity(self.len.saturating_add(payload.len()));
        body.put_slice(self);
        body.put_slice(payload);
        body.freeze()
    }
}

impl Deref for Prefix {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

/// The header of a video frame's body (§E.4.3, ExVideoTagHeader): key frame only for a random access point; `pts - dts`
/// in milliseconds as composition time, limited to the ±2.3 hours of 24 bits.
pub fn video_prefix(frame: &Frame, format: Format) -> Prefix {
    const MOST: i64 = 0x7f_ffff;
    let frame_type: u8 = if frame.random_access { 1 } else { 2 };
    // The difference of the rounded stamps, so that stamp and composition time add up to the rounded pts.
    let composition = frame.pts.as_millis().saturating_sub(frame.dts.as_millis()).clamp(-MOST, MOST);
    let [.., high, middle, low] = composition.to_be_bytes();
    let composition = [high, middle, low];
    let first = frame_type << 4;
    match format {
        Format::Legacy => Prefix::new([&[first | 7, 1], &composition, &[]]),
        Format::Enhanced if composition == [0; 3] => Prefix::new([&[0x80 | first | 3], &FourCc::AVC.0, &[]]),
        Format::Enhanced => Prefix::new([&[0x80 | first | 1], &FourCc::AVC.0, &composition]),
    }
}

/// The body of a video frame.
pub fn video_body(frame: &Frame, format: Format) -> Bytes {
    video_prefix(frame, format).join(&frame.payload)
}

/// The body of the sequence header of an H.264 track.
///
/// # Errors
/// [`FlvError::NotCarried`] for another codec and for parameter sets that are not complete.
pub fn video_config_body(info: &TrackInfo, format: Format) -> Result<Bytes, FlvError> {
    let CodecConfig::H264(sets) = &info.config else {
        return Err(FlvError::NotCarried(info.codec()));
    };
    if !sets.is_complete() {
        return Err(FlvError::NotCarried(Codec::H264));
    }
    let prefix = match format {
        Format::Legacy => Prefix::new([&[0x17, 0], &[0; 3], &[]]),
        Format::Enhanced => Prefix::new([&[0x90], &FourCc::AVC.0, &[]]),
    };
    Ok(prefix.join(&avcc::write_configuration(sets)))
}

/// The body that says that an H.264 track has ended.
pub fn video_end_body(format: Format) -> Bytes {
    match format {
        Format::Legacy => Bytes::from_static(&[0x17, 2, 0, 0, 0]),
        Format::Enhanced => Bytes::from_static(b"\x92avc1"),
    }
}

/// The header of an audio frame's body. For AAC the first byte is 0xAF whatever the real rate and channels are
/// (§E.4.2.1); readers trust the sequence header.
///
/// # Errors
/// [`FlvError::NotCarried`] for Opus in the legacy format, and for video.
pub fn audio_prefix(codec: Codec, format: Format) -> Result<Prefix, FlvError> {
    audio_header(codec, format, 1)
}

/// The body of an audio frame of a track with `codec`.
///
/// # Errors
/// As [`audio_prefix`].
pub fn audio_body(frame: &Frame, codec: Codec, format: Format) -> Result<Bytes, FlvError> {
    Ok(audio_prefix(codec, format)?.join(&frame.payload))
}

/// The body of the sequence header of an audio track: AudioSpecificConfig or OpusHead.
///
/// # Errors
/// As [`audio_prefix`].
pub fn audio_config_body(info: &TrackInfo, format: Format) -> Result<Bytes, FlvError> {
    let prefix = audio_header(info.codec(), format, 0)?;
    match &info.config {
        CodecConfig::Aac(config) => Ok(prefix.join(config.bytes())),
        CodecConfig::Opus(head) => Ok(prefix.join(&head.write())),
        _ => Err(FlvError::NotCarried(info.codec())),
    }
}

fn audio_header(codec: Codec, format: Format, packet_type: u8) -> Result<Prefix, FlvError> {
    match (codec, format) {
        (Codec::Aac, Format::Legacy) => Ok(Prefix::new([&[0xaf, packet_type], &[], &[]])),
        (Codec::Aac, Format::Enhanced) => Ok(Prefix::new([&[0x90 | packet_type], &FourCc::AAC.0, &[]])),
        (Codec::Opus, Format::Enhanced) => Ok(Prefix::new([&[0x90 | packet_type], &FourCc::OPUS.0, &[]])),
        (Codec::Opus, Format::Legacy) | (Codec::H264 | Codec::G711, _) => Err(FlvError::NotCarried(codec)),
    }
}

/// The numbers of `onMetaData` (§E.5, Enhanced RTMP v1 "Enhancing onMetaData"), `None` where a track or a fact is
/// missing. AMF0 is written by whoever sends it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Metadata {
    /// Pixels.
    pub width: Option<f64>,
    /// Pixels.
    pub height: Option<f64>,
    /// Pictures a second, only if the SPS declares it.
    pub framerate: Option<f64>,
    /// 7, or the FourCC as a number.
    pub videocodecid: Option<f64>,
    /// 10, or the FourCC as a number.
    pub audiocodecid: Option<f64>,
    /// Hz.
    pub audiosamplerate: Option<f64>,
    /// More than one channel.
    pub stereo: Option<bool>,
}

/// The numbers of `onMetaData` for a stream's tracks, of which the last of each kind counts.
pub fn metadata<'a>(tracks: impl IntoIterator<Item = &'a TrackInfo>, format: Format) -> Metadata {
    let mut metadata = Metadata::default();
    for track in tracks {
        let channels = match &track.config {
            CodecConfig::H264(sets) => {
                metadata.videocodecid = Some(codec_id(7, FourCc::AVC, format));
                let sps = sets.sps.first().and_then(|sps| Sps::parse(sps).ok());
                metadata.width = sps.map(|sps| sps.width.into());
                metadata.height = sps.map(|sps| sps.height.into());
                let rate = sps.and_then(|sps| sps.frame_rate);
                metadata.framerate = rate.map(|(pictures, seconds)| f64::from(pictures) / f64::from(seconds));
                continue;
            }
            CodecConfig::Aac(config) => {
                metadata.audiocodecid = Some(codec_id(10, FourCc::AAC, format));
                config.channels()
            }
            CodecConfig::Opus(head) => {
                metadata.audiocodecid = Some(FourCc::OPUS.number().into());
                head.channels
            }
            _ => continue,
        };
        metadata.audiosamplerate = Some(track.rate().hz().into());
        metadata.stereo = Some(channels > 1);
    }
    metadata
}

fn codec_id(legacy: u32, code: FourCc, format: Format) -> f64 {
    f64::from(match format {
        Format::Legacy => legacy,
        Format::Enhanced => code.number(),
    })
}

#[cfg(test)]
mod tests;
