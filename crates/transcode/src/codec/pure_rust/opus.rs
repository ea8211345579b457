//! Opus by `opus-pure`.

use bytes::Bytes;
use media::Rate;
use opus_pure::{Application, OpusDecoder, OpusEncoder};

use crate::CodecError;
use crate::codec::{EncoderSettings, Format, OPUS_MAX_SAMPLES, OPUS_SAMPLES};

const LIBRARY: &str = "opus-pure";

/// As with libopus, so that the two are compared at the same price.
const COMPLEXITY: i32 = 5;

/// Bytes of the largest packet of one frame (RFC 6716 §3.2.1).
const MAX_PACKET: usize = 1_275;

/// 48 kHz as this library spells it.
const RATE: i32 = 48_000;

#[derive(Debug)]
pub(super) struct Decoder {
    inner: OpusDecoder,
    channels: u8,
}

/// What to run the decoder on.
enum Source<'a> {
    Packet(&'a [u8]),
    Redundancy(&'a [u8]),
    Nothing,
}

impl Decoder {
    pub(super) fn new(channels: u8) -> Result<Self, CodecError> {
        let inner = OpusDecoder::new(RATE, usize::from(channels))
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        Ok(Self { inner, channels })
    }

    /// Runs the decoder into room for `samples`, and keeps what it made.
    fn run(&mut self, source: Source<'_>, samples: usize, pcm: &mut Vec<f32>) -> Result<(), CodecError> {
        let (start, channels) = (pcm.len(), usize::from(self.channels));
        pcm.resize(start + samples * channels, 0.0);
        let room = &mut pcm[start..];
        let made = match source {
            Source::Packet(packet) => self.inner.decode(packet, samples, room),
            Source::Redundancy(packet) => self.inner.decode_fec(packet, samples, room),
            Source::Nothing => self.inner.decode(&[], samples, room),
        };
        match made {
            Ok(made) => {
                pcm.truncate(start + made * channels);
                Ok(())
            }
            Err(error) => {
                // No reset: the loss is concealed from the state that the last packet left.
                pcm.truncate(start);
                Err(CodecError::corrupt(LIBRARY, error))
            }
        }
    }
}

impl crate::codec::Decoder for Decoder {
    fn delay(&self) -> usize {
        0
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        // An empty packet would be taken as a lost one.
        if packet.is_empty() {
            return Err(CodecError::corrupt(LIBRARY, "empty packet"));
        }
        self.run(Source::Packet(packet), OPUS_MAX_SAMPLES, pcm)?;
        Ok(Format { rate: Rate::OPUS, channels: self.channels })
    }

    fn conceal(&mut self, samples: usize, next: Option<&[u8]>, pcm: &mut Vec<f32>) -> Result<(), CodecError> {
        let source = match next {
            Some(packet) if !packet.is_empty() => Source::Redundancy(packet),
            _ => Source::Nothing,
        };
        self.run(source, samples, pcm)
    }

    fn reset(&mut self) {
        // Fails only where construction with the same arguments would.
        let _ = self.inner.reset_state();
    }
}

#[derive(Debug)]
pub(super) struct Encoder {
    inner: OpusEncoder,
    packet: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(settings: EncoderSettings) -> Result<Self, CodecError> {
        let mut inner = OpusEncoder::new(RATE, usize::from(settings.channels), Application::Audio)
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        inner.bitrate_bps = i32::try_from(settings.bitrate).unwrap_or(i32::MAX);
        inner.complexity = COMPLEXITY;
        Ok(Self { inner, packet: vec![0; MAX_PACKET] })
    }
}

impl crate::codec::Encoder for Encoder {
    fn samples(&self) -> usize {
        OPUS_SAMPLES
    }

    fn delay(&self) -> usize {
        self.inner.lookahead()
    }

    fn encode(&mut self, pcm: &[f32]) -> Result<Bytes, CodecError> {
        match self.inner.encode(pcm, OPUS_SAMPLES, &mut self.packet) {
            Ok(length) => Ok(Bytes::copy_from_slice(&self.packet[..length])),
            Err(error) => {
                // Fails only where construction with the same arguments would.
                let _ = self.inner.reset_state();
                Err(CodecError::encode(LIBRARY, error))
            }
        }
    }
}
