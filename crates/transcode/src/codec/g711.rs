//! G.711 decoding, the same for both backends: two tables of ITU-T G.711.
//!
//! symphonia-codec-pcm has it too, behind a packet, a buffer and a conversion of it; and `pure-rust` has no symphonia.

use media::g711::{AudioConfig, Law};

use super::{Decoder, Format};
use crate::CodecError;

const LIBRARY: &str = "G.711";

const A_LAW: [f32; 256] = table(Law::A);
const MU_LAW: [f32; 256] = table(Law::Mu);

/// A decoder for `config`.
pub fn decoder(config: AudioConfig) -> Box<dyn Decoder> {
    let table = match config.law() {
        Law::A => &A_LAW,
        Law::Mu => &MU_LAW,
    };
    Box::new(Tabled { table, format: Format { rate: config.rate(), channels: config.channels() } })
}

#[derive(Debug)]
struct Tabled {
    table: &'static [f32; 256],
    format: Format,
}

impl Decoder for Tabled {
    fn delay(&self) -> usize {
        0
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        let whole = packet.len() - packet.len() % usize::from(self.format.channels);
        pcm.extend(packet[..whole].iter().map(|&code| self.table[usize::from(code)]));
        Ok(self.format)
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

const fn table(law: Law) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut code = 0_u8;
    loop {
        let value = match law {
            Law::A => a_law(code),
            Law::Mu => mu_law(code),
        };
        table[code as usize] = value as f32 / 32_768.0;
        if code == u8::MAX {
            return table;
        }
        code += 1;
    }
}

/// The 13 bits of table 1a and 1b, column 8, in the upper bits of 16. Every other bit is sent inverted (note 1).
const fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, (code & 0x0f) as i16);
    let magnitude = match segment {
        0 => (step << 4) + 8,
        segment => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// The 14 bits of table 2a and 2b, column 8, in the upper bits of 16. Every bit is sent inverted (note 2).
const fn mu_law(code: u8) -> i16 {
    /// 33 steps, which make the segments' ends powers of two.
    const BIAS: i16 = 33 << 2;
    let code = !code;
    let magnitude = ((((code & 0x0f) as i16) << 3) + BIAS << ((code >> 4) & 7)) - BIAS;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
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
