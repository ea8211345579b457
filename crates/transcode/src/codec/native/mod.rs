//! The libraries that have been proven in the field: libopus, FDK AAC and symphonia.

mod fdk;
mod libopus;
mod symphonia;

use media::aac::AudioConfig;

use super::{AAC_SAMPLES, Decoder, Encoder, EncoderSettings};
use crate::CodecError;

/// A decoder that turns any Opus packet, mono or stereo, into `channels` channels at 48 kHz.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn opus_decoder(channels: u8) -> Result<Box<dyn Decoder>, CodecError> {
    Ok(Box::new(libopus::Decoder::new(channels)?))
}

/// An encoder of 20 ms Opus packets.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn opus_encoder(settings: EncoderSettings) -> Result<Box<dyn Encoder>, CodecError> {
    Ok(Box::new(libopus::Encoder::new(settings)?))
}

/// A decoder for `config`: symphonia, which has no `unsafe`, for what WeChat, OBS and ffmpeg send, FDK for the rest.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn aac_decoder(config: &AudioConfig) -> Result<Box<dyn Decoder>, CodecError> {
    if is_plain_lc(config) {
        return Ok(Box::new(symphonia::Decoder::new(config)?));
    }
    Ok(Box::new(fdk::Decoder::new(config)?))
}

/// An encoder of AAC-LC at 48 kHz.
///
/// # Errors
/// [`CodecError::Setup`].
pub fn aac_encoder(settings: EncoderSettings) -> Result<Box<dyn Encoder>, CodecError> {
    Ok(Box::new(fdk::Encoder::new(settings)?))
}

fn is_plain_lc(config: &AudioConfig) -> bool {
    config.object_type() == media::aac::LC
        && config.rate() == config.core_rate()
        && config.channels() <= 2
        && config.samples_per_frame() as usize == AAC_SAMPLES
}
