use fdk_aac_sys as sys;
use media::Rate;
use media::aac::AudioConfig;

use super::{Decoder, Encoder};
use crate::codec::{Decoder as _, Encoder as _, EncoderSettings};

const MONO: EncoderSettings = EncoderSettings { channels: 1, bitrate: 64_000 };

fn encoder(settings: EncoderSettings, object_type: u32, rate: u32) -> Encoder {
    let parameters =
        [(sys::AACENC_PARAM_AACENC_AOT, object_type), (sys::AACENC_PARAM_AACENC_SAMPLERATE, rate)];
    Encoder::with_parameters(settings, &parameters).unwrap()
}

/// Half a second of 1 kHz, silence, and a click of 2 ms at 0.7 s.
fn signal(rate: u32, channels: u8) -> Vec<f32> {
    let rate = rate as usize;
    let value = |at: usize| {
        let phase = |hz: f32| at as f32 * hz * std::f32::consts::TAU / rate as f32;
        match at {
            at if at < rate / 2 => 0.5 * phase(1_000.0).sin(),
            at if (rate * 7 / 10..rate * 7 / 10 + rate / 500).contains(&at) => 0.8 * phase(3_000.0).sin(),
            _ => 0.0,
        }
    };
    (0..rate).flat_map(|at| std::iter::repeat_n(value(at), usize::from(channels))).collect()
}

/// Where the loudest 2 ms of the first channel are, from sample `from` on.
fn loudest(pcm: &[f32], channels: usize, from: usize) -> usize {
    let energy = |start: usize| (0..96).map(|at| pcm[(start + at) * channels].powi(2)).sum::<f32>();
    (from..pcm.len() / channels - 96).max_by(|&a, &b| energy(a).total_cmp(&energy(b))).unwrap()
}

#[test]
fn the_library_announces_the_configuration_that_the_pipeline_announces() {
    for channels in [1, 2] {
        let mut encoder = Encoder::new(EncoderSettings { channels, ..MONO }).unwrap();
        let ours = AudioConfig::lc(Rate::OPUS, channels).unwrap();
        assert_eq!(encoder.config(), ours.bytes());
        // The AAC core alone looks less far ahead than one that might have to feed SBR (2,048).
        assert_eq!((encoder.samples(), encoder.delay()), (1_024, 1_600));
    }
}

#[test]
fn he_aac_and_five_one_come_back_at_their_time() {
    for (channels, bitrate, object_type, rate) in
        [(1, 32_000, 5, 48_000), (1, 24_000, 5, 16_000), (2, 32_000, 29, 44_100), (6, 192_000, 2, 48_000)]
    {
        let mut encoder = encoder(EncoderSettings { channels, bitrate }, object_type, rate);
        let config = AudioConfig::parse(&encoder.config()).unwrap();
        assert_eq!((config.rate().hz(), config.channels()), (rate, channels));
        assert_eq!(config.samples_per_frame() as usize, encoder.samples());
        let mut decoder = Decoder::new(&config).unwrap();
        let (mut heard, mut made) = (Vec::new(), 0);
        for pcm in signal(rate, channels).chunks_exact(encoder.samples() * usize::from(channels)) {
            let format = decoder.decode(&encoder.encode(pcm).unwrap(), &mut heard).unwrap();
            assert_eq!(format.rate.hz(), rate);
            made = usize::from(format.channels);
        }
        // SBR's delay in the decoder is a part of what the encoder reports.
        assert!(encoder.delay() >= decoder.delay());
        let expected = rate as usize * 7 / 10 + encoder.delay();
        if expected + 96 < heard.len() / made {
            let found = loudest(&heard, made, rate as usize * 6 / 10 + encoder.delay());
            assert!(
                found.abs_diff(expected) <= 8,
                "object type {object_type}: {found} instead of {expected}"
            );
        }
    }
}

#[test]
fn a_decoder_survives_garbage_and_goes_on() {
    let mut encoder = encoder(EncoderSettings { channels: 1, bitrate: 32_000 }, 5, 48_000);
    let mut decoder = Decoder::new(&AudioConfig::parse(&encoder.config()).unwrap()).unwrap();
    let mut heard = Vec::new();
    for (index, pcm) in signal(48_000, 1).chunks_exact(encoder.samples()).enumerate() {
        let packet = encoder.encode(pcm).unwrap();
        if index % 5 == 4 {
            for garbage in [&[][..], &[0xFF; 40], &vec![0xA5; 7_000], &packet[..packet.len() / 2]] {
                let _ = decoder.decode(garbage, &mut Vec::new());
            }
        }
        // The first packet after garbage may be refused too.
        let decoded = decoder.decode(&packet, &mut heard);
        assert!(decoded.is_ok() || index % 5 == 4, "packet {index}: {decoded:?}");
    }
}

/// Writes tests/vectors: HE-AAC for both backends, which nothing on a plain Debian can encode.
#[test]
#[ignore = "makes the committed vectors"]
fn write_vectors() {
    for (name, channels, object_type, rate) in
        [("he-aac-v1-48k-mono", 1, 5, 48_000), ("he-aac-v2-44k1-stereo", 2, 29, 44_100)]
    {
        let mut encoder = encoder(EncoderSettings { channels, bitrate: 32_000 }, object_type, rate);
        let config = encoder.config();
        let mut file = vec![config.len() as u8];
        file.extend_from_slice(&config);
        let mut pcm = signal(rate, channels);
        pcm.resize(pcm.len() * 2, 0.0);
        for frame in pcm.chunks_exact(encoder.samples() * usize::from(channels)) {
            let packet = encoder.encode(frame).unwrap();
            file.extend_from_slice(&(packet.len() as u16).to_be_bytes());
            file.extend_from_slice(&packet);
        }
        let path = format!("{}/../../tests/vectors/fdk-aac/{name}.bin", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(&path, file).unwrap();
        println!("{path}: delay {}", encoder.delay());
    }
}
