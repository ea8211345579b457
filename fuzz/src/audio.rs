//! AAC and Opus headers.

use media::aac::{AudioConfig, adts};
use media::opus::{Head, packet};

/// Any bytes as AudioSpecificConfig and as ADTS header.
pub fn aac_config(input: &[u8]) {
    if let Ok(config) = AudioConfig::parse(input) {
        assert_eq!(config.bytes(), input);
        check_config(&config);
    }
    if let Ok(header) = adts::parse_header(input) {
        check_config(&header.config);
        assert!(usize::from(header.header_len) <= input.len());
        assert!(u16::from(header.header_len) <= header.frame_len && (1..=4).contains(&header.blocks));
        assert_eq!(AudioConfig::parse(header.config.bytes()), Ok(header.config));
    }
}

/// What a resampler and an encoder are set up with must be plausible.
fn check_config(config: &AudioConfig) {
    let (core, output) = (config.core_rate().hz(), config.rate().hz());
    assert!((4_000..=192_000).contains(&core) && (output == core || output == 2 * core), "{config:?}");
    assert!((1..=48).contains(&config.channels()), "{config:?}");
    assert!((480..=2_048).contains(&config.samples_per_frame()), "{config:?}");
    assert!(config.has_sbr() || !config.has_ps(), "{config:?}");
}

/// Any bytes as Opus packet and as identification header.
pub fn opus_packet(input: &[u8]) {
    if let Ok(samples) = packet::duration_samples(input) {
        assert!(samples % 120 == 0 && (120..=packet::MAX_DURATION).contains(&samples), "{samples}");
    }
    assert_eq!(packet::is_stereo(input).is_none(), input.is_empty());
    if let Ok(head) = Head::parse(input) {
        assert_eq!(Head::parse(&head.write()), Ok(head));
    }
}
