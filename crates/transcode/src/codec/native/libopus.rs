//! Opus by libopus 1.6.

use bytes::Bytes;
use media::Rate;
use opus::{Application, Bitrate, Channels};

use crate::CodecError;
use crate::codec::{EncoderSettings, Format, OPUS_MAX_SAMPLES, OPUS_SAMPLES};

const LIBRARY: &str = "libopus";

/// The quality step 0..=10. 5 costs two thirds of 10; at 64 kbit/s for one channel the two are hard to tell apart
/// (docs/adr/0003).
const COMPLEXITY: i32 = 5;

/// Bytes of the largest packet of one frame (RFC 6716 §3.2.1).
const MAX_PACKET: usize = 1_275;

fn layout(channels: u8) -> Result<Channels, CodecError> {
    match channels {
        1 => Ok(Channels::Mono),
        2 => Ok(Channels::Stereo),
        other => Err(CodecError::setup(LIBRARY, format_args!("{other} channels"))),
    }
}

pub(super) struct Decoder {
    inner: opus::Decoder,
    channels: u8,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("libopus::Decoder").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn new(channels: u8) -> Result<Self, CodecError> {
        let inner = opus::Decoder::new(Rate::OPUS.hz(), layout(channels)?)
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        Ok(Self { inner, channels })
    }

    /// Runs the decoder into room for `samples`, and keeps what it made.
    fn run(
        &mut self,
        packet: &[u8],
        samples: usize,
        fec: bool,
        pcm: &mut Vec<f32>,
    ) -> Result<(), CodecError> {
        let (start, channels) = (pcm.len(), usize::from(self.channels));
        pcm.resize(start + samples * channels, 0.0);
        match self.inner.decode_float(packet, &mut pcm[start..], fec) {
            Ok(made) => {
                pcm.truncate(start + made * channels);
                Ok(())
            }
            Err(error) => {
                // No reset: the library refuses a packet before it touches its state, from which the loss is concealed.
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
        // libopus takes an empty packet as a lost one.
        if packet.is_empty() {
            return Err(CodecError::corrupt(LIBRARY, "empty packet"));
        }
        self.run(packet, OPUS_MAX_SAMPLES, false, pcm)?;
        Ok(Format { rate: Rate::OPUS, channels: self.channels })
    }

    fn conceal(&mut self, samples: usize, next: Option<&[u8]>, pcm: &mut Vec<f32>) -> Result<(), CodecError> {
        // With FEC, libopus conceals whatever `samples` exceeds the packet's own duration by.
        match next {
            Some(packet) if !packet.is_empty() => self.run(packet, samples, true, pcm),
            _ => self.run(&[], samples, false, pcm),
        }
    }

    fn reset(&mut self) {
        // Fails only on an unknown request code, which this is not.
        let _ = self.inner.reset_state();
    }
}

pub(super) struct Encoder {
    inner: opus::Encoder,
    delay: usize,
    packet: Box<[u8; MAX_PACKET]>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("libopus::Encoder").field("delay", &self.delay).finish_non_exhaustive()
    }
}

impl Encoder {
    pub(super) fn new(settings: EncoderSettings) -> Result<Self, CodecError> {
        let (inner, delay) = build(settings).map_err(|error| CodecError::setup(LIBRARY, error))??;
        Ok(Self { inner, delay, packet: Box::new([0; MAX_PACKET]) })
    }
}

/// An encoder and its look-ahead in samples.
fn build(settings: EncoderSettings) -> opus::Result<Result<(opus::Encoder, usize), CodecError>> {
    let channels = match layout(settings.channels) {
        Ok(channels) => channels,
        Err(error) => return Ok(Err(error)),
    };
    // `Audio`, not `Voip`: the latter filters out what lies under the voice, and this stage shall be transparent.
    let mut inner = opus::Encoder::new(Rate::OPUS.hz(), channels, Application::Audio)?;
    inner.set_bitrate(Bitrate::Bits(i32::try_from(settings.bitrate).unwrap_or(i32::MAX)))?;
    inner.set_complexity(COMPLEXITY)?;
    let delay = usize::try_from(inner.get_lookahead()?).unwrap_or(0);
    Ok(Ok((inner, delay)))
}

impl crate::codec::Encoder for Encoder {
    fn samples(&self) -> usize {
        OPUS_SAMPLES
    }

    fn delay(&self) -> usize {
        self.delay
    }

    fn encode(&mut self, pcm: &[f32]) -> Result<Bytes, CodecError> {
        match self.inner.encode_float(pcm, &mut self.packet[..]) {
            Ok(length) => Ok(Bytes::copy_from_slice(&self.packet[..length])),
            Err(error) => {
                // As for the decoder: it cannot fail.
                let _ = self.inner.reset_state();
                Err(CodecError::encode(LIBRARY, error))
            }
        }
    }
}
