//! `onMetaData`: what a publisher says about its tracks, and what a reader is told.

use crate::amf0::{self, Object, Value};
use crate::capabilities::FourCc;
use crate::sanitize;
use bytes::{Bytes, BytesMut};

/// FLV's number for AVC (FLV 10.1 §E.4.3.1).
pub const VIDEO_AVC: CodecId = CodecId::Flv(7);
/// FLV's number for AAC (FLV 10.1 §E.4.2.1).
pub const AUDIO_AAC: CodecId = CodecId::Flv(10);

/// A codec as metadata names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodecId {
    /// FLV's number.
    Flv(u8),
    /// Enhanced RTMP; in old files also the text `avc1` or `mp4a`.
    FourCc(FourCc),
}

impl CodecId {
    /// A number up to 255 is FLV's, a larger one four characters (Enhanced RTMP v2, "onMetaData").
    fn parse(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return FourCc::try_from(text.as_bytes()).ok().map(Self::FourCc);
        }
        let number = whole(value)?;
        Some(u8::try_from(number).map_or_else(|_| Self::FourCc(number.to_be_bytes()), Self::Flv))
    }

    fn write(self) -> f64 {
        match self {
            Self::Flv(number) => f64::from(number),
            Self::FourCc(four_cc) => f64::from(u32::from_be_bytes(four_cc)),
        }
    }
}

/// Hints, none of them reliable: encoders announce sampling rates that the AudioSpecificConfig contradicts (WeChat with
/// `audio-quality="low"`) and codecs that never come. Good for knowing which tracks to wait for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Metadata {
    /// `videocodecid`.
    pub video_codec: Option<CodecId>,
    /// `audiocodecid`.
    pub audio_codec: Option<CodecId>,
    /// Luma samples.
    pub width: Option<u32>,
    /// Luma samples.
    pub height: Option<u32>,
    /// Pictures per second.
    pub frame_rate: Option<f64>,
    /// Hz.
    pub audio_sample_rate: Option<u32>,
    /// Whether there are two channels.
    pub stereo: Option<bool>,
    /// The program that encodes; printable ASCII, at most 64 characters.
    pub encoder: Option<String>,
}

impl Metadata {
    /// Reads the body of a data message; `None` if it is not `onMetaData` or not AMF0.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut parser = amf0::Parser::new(body);
        if parser.next_value().ok()??.as_str() != Some("onMetaData") {
            return None;
        }
        let value = parser.next_value().ok()??;
        let properties = value.as_object()?;
        let number = |name| properties.find(name).and_then(whole);
        let rate = properties.find("framerate").and_then(Value::as_number);
        Some(Self {
            video_codec: properties.find("videocodecid").and_then(CodecId::parse),
            audio_codec: properties.find("audiocodecid").and_then(CodecId::parse),
            width: number("width"),
            height: number("height"),
            frame_rate: rate.filter(|rate| rate.is_finite() && *rate > 0.0),
            audio_sample_rate: number("audiosamplerate"),
            stereo: properties.find("stereo").and_then(Value::as_bool),
            encoder: properties.find("encoder").and_then(Value::as_str).map(sanitize),
        })
    }

    /// The body of a data message for readers (no `@setDataFrame`, which is for servers only).
    pub fn write(&self) -> Bytes {
        let numbers = [
            ("width", self.width.map(f64::from)),
            ("height", self.height.map(f64::from)),
            ("framerate", self.frame_rate),
            ("videocodecid", self.video_codec.map(CodecId::write)),
            ("audiocodecid", self.audio_codec.map(CodecId::write)),
            ("audiosamplerate", self.audio_sample_rate.map(f64::from)),
            ("audiosamplesize", self.audio_codec.map(|_| 16.0)),
        ];
        let numbers =
            numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Value::Number(number?))));
        let stereo = self.stereo.map(|stereo| ("stereo".to_owned(), Value::Boolean(stereo)));
        let encoder = self.encoder.as_deref().map(|encoder| ("encoder".to_owned(), encoder.into()));
        let properties: Object = numbers.chain(stereo).chain(encoder).collect();
        let mut body = BytesMut::with_capacity(256);
        amf0::write_string(&mut body, "onMetaData");
        amf0::write(&mut body, &Value::EcmaArray(properties));
        body.freeze()
    }
}

/// A number without fraction that fits 32 bits; encoders write 0 for "unknown".
fn whole(value: &Value) -> Option<u32> {
    let number = value.as_number().filter(|number| *number >= 1.0 && *number <= f64::from(u32::MAX))?;
    Some(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(name: &str, value: &Value) -> BytesMut {
        let mut body = BytesMut::new();
        amf0::write_string(&mut body, name);
        amf0::write(&mut body, value);
        body
    }

    #[test]
    fn what_is_written_reads_back() {
        let metadata = Metadata {
            video_codec: Some(VIDEO_AVC),
            audio_codec: Some(CodecId::FourCc(*b"Opus")),
            width: Some(640),
            height: Some(480),
            frame_rate: Some(29.97),
            audio_sample_rate: Some(48_000),
            stereo: Some(false),
            encoder: Some("Medley".into()),
        };
        assert_eq!(Metadata::parse(&metadata.write()), Some(metadata));
        assert_eq!(Metadata::parse(&Metadata::default().write()), Some(Metadata::default()));
    }

    #[test]
    fn codecs_as_text_and_values_that_are_none() {
        let object = Object::new()
            .with("videocodecid", "avc1")
            .with("audiocodecid", "too long")
            .with("width", -1.0)
            .with("height", f64::NAN)
            .with("framerate", f64::INFINITY)
            .with("encoder", "Lavf\n59\u{202e}");
        let metadata = Metadata::parse(&body("onMetaData", &object.into())).unwrap();
        let video_codec = Some(CodecId::FourCc(*b"avc1"));
        let encoder = Some("Lavf?59?".into());
        assert_eq!(metadata, Metadata { video_codec, encoder, ..Metadata::default() });
    }

    #[test]
    fn other_data_is_not_metadata() {
        assert_eq!(Metadata::parse(&body("onTextData", &Object::new().into())), None);
        assert_eq!(Metadata::parse(&body("onMetaData", &Value::Null)), None);
        assert_eq!(Metadata::parse(b"\xff"), None);
        assert_eq!(Metadata::parse(b""), None);
    }
}
