//! Codecs without C: `opus-pure` and `syom`. No licence beyond MIT and BSD, half the encoder's delay; under a year old.

mod opus;
mod syom;

use media::aac::AudioConfig;

use super::{Decoder, Encoder, EncoderSettings};
use crate::CodecError;

/// A decoder that turns any Opus packet, mono or stereo, into `channels` channels at 48 kHz.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn opus_decoder(channels: u8) -> Result<Box<dyn Decoder>, CodecError> {
    Ok(Box::new(opus::Decoder::new(channels)?))
}

/// An encoder of 20 ms Opus packets.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn opus_encoder(settings: EncoderSettings) -> Result<Box<dyn Encoder>, CodecError> {
    Ok(Box::new(opus::Encoder::new(settings)?))
}

/// A decoder for `config`.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn aac_decoder(config: &AudioConfig) -> Result<Box<dyn Decoder>, CodecError> {
    Ok(Box::new(syom::Decoder::new(config)?))
}

/// An encoder of AAC-LC at 48 kHz.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn aac_encoder(settings: EncoderSettings) -> Result<Box<dyn Encoder>, CodecError> {
    Ok(Box::new(syom::Encoder::new(settings)?))
}
