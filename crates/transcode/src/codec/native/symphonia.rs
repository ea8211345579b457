//! AAC-LC decoding by symphonia, which has no `unsafe`: the first choice for bytes from outside.

use media::aac::AudioConfig;
use symphonia_codec_aac::AacDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use crate::CodecError;
use crate::codec::Format;

const LIBRARY: &str = "symphonia";

pub(super) struct Decoder {
    inner: AacDecoder,
    format: Format,
    scratch: Vec<f32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("symphonia::Decoder").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn new(config: &AudioConfig) -> Result<Self, CodecError> {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_AAC);
        parameters.extra_data = Some(config.bytes().to_vec().into_boxed_slice());
        let inner = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default())
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        let format = Format { rate: config.rate(), channels: config.channels() };
        Ok(Self { inner, format, scratch: Vec::new() })
    }
}

impl crate::codec::Decoder for Decoder {
    fn delay(&self) -> usize {
        0
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        let packet = PacketRef::new(0, Timestamp::new(0), Duration::new(0), packet);
        let format = match self.inner.decode_ref(&packet) {
            Ok(buffer) => {
                buffer.copy_to_vec_interleaved(&mut self.scratch);
                let channels = u8::try_from(buffer.num_planes()).unwrap_or(u8::MAX);
                Format { rate: self.format.rate, channels }
            }
            Err(error) => {
                self.inner.reset();
                return Err(CodecError::corrupt(LIBRARY, error));
            }
        };
        pcm.extend_from_slice(&self.scratch);
        Ok(format)
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
        self.inner.reset();
    }
}
