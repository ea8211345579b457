//! AAC by `syom`.

use bytes::Bytes;
use media::Rate;
use media::aac::AudioConfig;
use syom::{DecodeOptions, EncodeOptions};

use crate::CodecError;
use crate::codec::{AAC_SAMPLES, EncoderSettings, Format};

const LIBRARY: &str = "syom";

/// What the filter banks of SBR hold back, in samples of its own, doubled rate: 481 of the core's (ISO/IEC 14496-3
/// §4.5.2.8.2.1). `syom` leaves them in.
const SBR_DELAY: usize = 962;

pub(super) struct Decoder {
    inner: syom::Decoder,
    config: Bytes,
    rate: Rate,
    delay: usize,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("syom::Decoder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn new(config: &AudioConfig) -> Result<Self, CodecError> {
        // Unbounded in duration: a consultation may last as long as it likes, and nothing is collected here.
        let inner = syom::Decoder::from_asc(config.bytes(), DecodeOptions::unbounded())
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        Ok(Self { inner, config: config.bytes().clone(), rate: config.rate(), delay: 0 })
    }
}

impl crate::codec::Decoder for Decoder {
    fn delay(&self) -> usize {
        self.delay
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        let start = pcm.len();
        let mut format = Format { rate: self.rate, channels: 0 };
        let mut samples = 0;
        let decoded = self.inner.decode_au(packet, |frame| {
            format.rate = Rate::new(frame.sample_rate).unwrap_or(format.rate);
            samples = frame.samples;
            format.channels = u8::try_from(frame.planar.len()).unwrap_or(u8::MAX);
            for index in 0..frame.samples {
                pcm.extend(frame.planar.iter().map(|plane| plane.get(index).copied().unwrap_or(0.0)));
            }
            Ok(())
        });
        match decoded {
            Ok(()) if format.channels > 0 => {
                self.delay = if samples > AAC_SAMPLES { SBR_DELAY } else { 0 };
                Ok(format)
            }
            Ok(()) => Err(CodecError::corrupt(LIBRARY, "no sound in the access unit")),
            Err(error) => {
                pcm.truncate(start);
                crate::codec::Decoder::reset(self);
                Err(CodecError::corrupt(LIBRARY, error))
            }
        }
    }

    fn conceal(
        &mut self,
        _samples: usize,
        _next: Option<&[u8]>,
        _pcm: &mut Vec<f32>,
    ) -> Result<(), CodecError> {
        Err(CodecError::NoConcealment { library: LIBRARY })
    }

    fn reset(&mut self) {
        // A failed decoder stays failed until it gets its configuration again, which has been accepted once.
        self.inner.reset();
        let _ = self.inner.set_asc(&self.config);
    }
}

pub(super) struct Encoder {
    inner: syom::Encoder,
    channels: u8,
    planes: [Vec<f32>; 2],
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("syom::Encoder").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Encoder {
    pub(super) fn new(settings: EncoderSettings) -> Result<Self, CodecError> {
        let options = EncodeOptions::raw().with_bitrate_bps(settings.bitrate);
        let inner = syom::Encoder::new(Rate::OPUS.hz(), usize::from(settings.channels), &options)
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        Ok(Self { inner, channels: settings.channels, planes: [Vec::new(), Vec::new()] })
    }
}

impl crate::codec::Encoder for Encoder {
    fn samples(&self) -> usize {
        AAC_SAMPLES
    }

    /// The overlap of the first block; without look-ahead the library adds nothing.
    fn delay(&self) -> usize {
        AAC_SAMPLES
    }

    fn encode(&mut self, pcm: &[f32]) -> Result<Bytes, CodecError> {
        let channels = usize::from(self.channels);
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            plane.clear();
            // The library refuses what exceeds full scale instead of clipping it.
            plane.extend(pcm.iter().skip(channel).step_by(channels).map(|value| value.clamp(-1.0, 1.0)));
        }
        let planes = [&self.planes[0][..], &self.planes[1][..]];
        let mut packet = None;
        let fed = self.inner.feed(&planes[..channels], |frame| {
            packet = Some(Bytes::copy_from_slice(frame.au));
            Ok(())
        });
        if let Err(error) = fed {
            // Fails never: it only clears state.
            let _ = self.inner.reset();
            return Err(CodecError::encode(LIBRARY, error));
        }
        packet.ok_or_else(|| CodecError::encode(LIBRARY, "no packet"))
    }
}
