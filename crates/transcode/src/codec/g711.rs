//! G.711 decoding, the same for both backends: one byte, one sample (ITU-T G.711 tables 1 and 2).

use audio_codec_algorithms::{decode_alaw, decode_ulaw};
use media::g711::{AudioConfig, Law};

use super::{Decoder, Format};
use crate::CodecError;

const LIBRARY: &str = "G.711";

/// A decoder for `config`.
pub fn decoder(config: AudioConfig) -> Box<dyn Decoder> {
    Box::new(Expander { config })
}

/// Expands what the encoder has companded.
#[derive(Debug)]
struct Expander {
    config: AudioConfig,
}

impl Decoder for Expander {
    fn delay(&self) -> usize {
        0
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        let channels = self.config.channels();
        let expand = match self.config.law() {
            Law::A => decode_alaw,
            Law::Mu => decode_ulaw,
        };
        let whole = packet.len() - packet.len() % usize::from(channels);
        pcm.extend(packet[..whole].iter().map(|&code| f32::from(expand(code)) / 32_768.0));
        Ok(Format { rate: self.config.rate(), channels })
    }

    fn conceal(
        &mut self,
        _samples: usize,
        _next: Option<&[u8]>,
        _pcm: &mut Vec<f32>,
    ) -> Result<(), CodecError> {
        Err(CodecError::NoConcealment { library: LIBRARY })
    }

    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use media::Rate;

    use super::*;

    /// All 256 codes as ffmpeg hears them (vectors/ffmpeg-5.1/g711-SOURCE.md).
    const FFMPEG: [(Law, &[u8; 512]); 2] = [
        (Law::A, include_bytes!("../../../../tests/vectors/ffmpeg-5.1/g711-alaw.s16le")),
        (Law::Mu, include_bytes!("../../../../tests/vectors/ffmpeg-5.1/g711-mulaw.s16le")),
    ];

    fn decoded(config: AudioConfig, packet: &[u8]) -> Vec<f32> {
        let mut pcm = Vec::new();
        let format = decoder(config).decode(packet, &mut pcm).unwrap();
        assert_eq!((format.rate, format.channels), (config.rate(), config.channels()));
        pcm
    }

    #[test]
    fn every_code_is_what_ffmpeg_hears() {
        let codes: Vec<u8> = (0..=255).collect();
        for (law, heard) in FFMPEG {
            let heard: Vec<f32> = heard
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&two| f32::from(i16::from_le_bytes(two)) / 32_768.0)
                .collect();
            assert_eq!(decoded(AudioConfig::telephone(law), &codes), heard, "{law}");
        }
    }

    #[test]
    fn half_a_sample_at_the_end_is_left_out() {
        let stereo = AudioConfig::new(Law::A, Rate::TELEPHONE, 2).unwrap();
        assert_eq!(decoded(stereo, &[0xd5, 0x55, 0xd5]).len(), 2);
        assert_eq!(decoded(stereo, &[0xd5]).len(), 0);
    }
}
