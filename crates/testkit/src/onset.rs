//! Where a burst of sound begins.

use anyhow::Result;
use media::{CodecConfig, TrackInfo};
use transcode::codec::{Decoder, backend};

/// Louder than this is sound: -20 dB of full scale; encoders' noise is far below, a burst far above.
const THRESHOLD: f32 = 0.1;
/// So much silence belongs before an onset, in samples of 48 kHz.
const SILENCE: usize = 4_800;

/// Listens to a track and tells in which packet each burst becomes audible.
#[derive(Debug)]
pub struct Onsets {
    decoder: Box<dyn Decoder>,
    pcm: Vec<f32>,
    /// Samples since it was last loud.
    quiet: usize,
}

impl Onsets {
    /// A listener to `track`.
    ///
    /// # Errors
    /// If there is no decoder for it.
    pub fn new(track: &TrackInfo) -> Result<Self> {
        let decoder = match &track.config {
            CodecConfig::Aac(config) => backend::aac_decoder(config)?,
            CodecConfig::Opus(_) => backend::opus_decoder(1)?,
            _ => anyhow::bail!("not a track of sound"),
        };
        Ok(Self { decoder, pcm: Vec::new(), quiet: 0 })
    }

    /// Whether a burst begins in this packet.
    ///
    /// # Errors
    /// If it does not decode.
    pub fn hear(&mut self, packet: &[u8]) -> Result<bool> {
        self.pcm.clear();
        let format = self.decoder.decode(packet, &mut self.pcm)?;
        let mut heard = false;
        for sample in self.pcm.chunks_exact(format.channels.into()) {
            if sample.iter().any(|value| value.abs() > THRESHOLD) {
                heard |= self.quiet >= SILENCE;
                self.quiet = 0;
            } else {
                self.quiet += 1;
            }
        }
        Ok(heard)
    }
}

#[cfg(test)]
mod tests {
    use media::Codec;

    use super::*;
    use crate::sounds::{BURST_PERIOD, Content, Sounds};

    #[test]
    fn every_burst_is_heard_once() {
        for codec in [Codec::Aac, Codec::Opus] {
            let sounds = Sounds::new(codec, 1, 64_000, Content::Bursts).unwrap();
            let mut onsets = Onsets::new(&sounds.track()).unwrap();
            let heard = sounds.packets().iter().filter(|packet| onsets.hear(packet).unwrap()).count();
            // The first has no silence before it.
            assert_eq!(heard, 1_024 * 15 * 25 / BURST_PERIOD - 1, "{codec}");
        }
    }
}
