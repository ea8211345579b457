//! Signals, and the codecs as a publisher and a reader would use them.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use audio_codec_algorithms::{encode_alaw, encode_ulaw};
use bytes::Bytes;
use media::aac::AudioConfig;
use media::g711::{self, Law};
use media::{Codec, CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo, opus};
use symphonia_codec_aac::AacDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use transcode::codec::{Decoder, Encoder, EncoderSettings, backend};
use transcode::{Pipeline, Target};

pub(crate) const IN: TrackId = TrackId(1);
pub(crate) const OUT: TrackId = TrackId(2);

pub(crate) fn opus_track() -> TrackInfo {
    TrackInfo { id: IN, config: CodecConfig::Opus(opus::Head { channels: 2 }) }
}

pub(crate) fn aac_track(rate: u32, channels: u8) -> TrackInfo {
    let config = AudioConfig::lc(Rate::new(rate).unwrap(), channels).unwrap();
    TrackInfo { id: IN, config: CodecConfig::Aac(config) }
}

pub(crate) fn g711_track(law: Law, channels: u8) -> TrackInfo {
    let config = g711::AudioConfig::new(law, Rate::TELEPHONE, channels).unwrap();
    TrackInfo { id: IN, config: CodecConfig::G711(config) }
}

/// Every way from one codec to another, mono.
pub(crate) fn ways() -> Vec<(TrackInfo, Codec)> {
    vec![
        (opus_track(), Codec::Aac),
        (aac_track(48_000, 1), Codec::Opus),
        (g711_track(Law::A, 1), Codec::Aac),
        (g711_track(Law::A, 1), Codec::Opus),
    ]
}

pub(crate) fn at(ticks: i64) -> Timestamp {
    Timestamp::new(ticks, Rate::OPUS)
}

pub(crate) fn frame(pts: Timestamp, payload: Bytes) -> Frame {
    Frame { track: IN, pts, dts: pts, random_access: true, payload }
}

/// `seconds` of a sine of `hz` at 48 kHz, half of full scale.
pub(crate) fn tone(hz: f32, seconds: f32, channels: usize) -> Vec<f32> {
    let samples = (seconds * 48_000.0) as usize;
    (0..samples)
        .flat_map(|at| {
            std::iter::repeat_n((at as f32 * hz * std::f32::consts::TAU / 48_000.0).sin() * 0.5, channels)
        })
        .collect()
}

/// Silence with short clicks (a 1 ms burst of 3 kHz) that start at the given samples.
pub(crate) fn clicks(samples: usize, starts: &[usize]) -> Vec<f32> {
    let mut pcm = vec![0.0; samples];
    for &start in starts {
        for offset in 0..48 {
            pcm[start + offset] = 0.8 * (offset as f32 * 3_000.0 * std::f32::consts::TAU / 48_000.0).sin();
        }
    }
    pcm
}

/// Encodes 48 kHz PCM; the frames are stamped so that what was put in at sample `n` is heard at `n` after `start`. G.711
/// is A-law.
pub(crate) fn publish(codec: Codec, pcm: &[f32], channels: u8, start: i64) -> Vec<Frame> {
    if codec == Codec::G711 {
        return publish_g711(Law::A, pcm, channels, start);
    }
    let settings = EncoderSettings { channels, bitrate: if channels == 1 { 64_000 } else { 96_000 } };
    let mut encoder: Box<dyn Encoder> = match codec {
        Codec::Aac => backend::aac_encoder(settings).unwrap(),
        _ => backend::opus_encoder(settings).unwrap(),
    };
    let samples = encoder.samples();
    let delay = encoder.delay() as i64;
    pcm.chunks_exact(samples * usize::from(channels))
        .enumerate()
        .map(|(index, chunk)| {
            frame(at(start + (index * samples) as i64 - delay), encoder.encode(chunk).unwrap())
        })
        .collect()
}

/// Packets of 20 ms with every sixth sample of `pcm`.
pub(crate) fn publish_g711(law: Law, pcm: &[f32], channels: u8, start: i64) -> Vec<Frame> {
    let compress = match law {
        Law::A => encode_alaw,
        Law::Mu => encode_ulaw,
    };
    let code = |value: &f32| compress((value * 32_767.0) as i16);
    let samples: Vec<&[f32]> = pcm.chunks_exact(channels.into()).step_by(6).collect();
    let packet = |samples: &[&[f32]]| samples.iter().copied().flatten().map(code).collect();
    (0..)
        .zip(samples.chunks_exact(160))
        .map(|(index, samples)| frame(at(start + index * 960), packet(samples)))
        .collect()
}

/// Runs all frames through a pipeline.
pub(crate) fn run(input: &TrackInfo, target: Target, frames: &[Frame]) -> (Pipeline, Vec<Frame>) {
    let mut pipeline = Pipeline::new(input, target, OUT).unwrap();
    let mut out = Vec::new();
    for frame in frames {
        assert_eq!(pipeline.push(frame, &mut out), None, "no cut");
    }
    (pipeline, out)
}

/// Decodes the frames of one track as a reader does. Returns the PCM at 48 kHz and the time of its first sample.
pub(crate) fn listen(track: &TrackInfo, frames: &[Frame]) -> (Vec<f32>, i64) {
    contiguous(frames);
    let pcm = match &track.config {
        CodecConfig::Aac(config) => symphonia(config, frames),
        CodecConfig::Opus(head) => {
            let mut decoder: Box<dyn Decoder> = backend::opus_decoder(head.channels).unwrap();
            let mut pcm = Vec::new();
            for frame in frames {
                decoder.decode(&frame.payload, &mut pcm).unwrap();
            }
            pcm
        }
        other => panic!("{other:?}"),
    };
    (pcm, frames[0].pts.ticks())
}

pub(crate) fn symphonia(config: &AudioConfig, frames: &[Frame]) -> Vec<f32> {
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(CODEC_ID_AAC);
    parameters.extra_data = Some(config.bytes().to_vec().into());
    let mut decoder = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).unwrap();
    let (mut pcm, mut part) = (Vec::new(), Vec::<f32>::new());
    for frame in frames {
        let packet = PacketRef::new(0, 0.into(), 0u32.into(), &frame.payload);
        decoder.decode_ref(&packet).unwrap().copy_to_vec_interleaved(&mut part);
        pcm.extend_from_slice(&part);
    }
    pcm
}

/// Every frame starts where the one before it ended.
pub(crate) fn contiguous(frames: &[Frame]) {
    let step = frames[1].pts.ticks() - frames[0].pts.ticks();
    assert!(step == 960 || step == 1_024, "a frame of {step} samples");
    for pair in frames.windows(2) {
        assert_eq!(pair[1].pts.ticks() - pair[0].pts.ticks(), step, "at {:?}", pair[0].pts);
        assert_eq!(pair[0].pts.rate(), Rate::OPUS);
        assert!(pair.iter().all(|frame| frame.pts == frame.dts && frame.track == OUT && frame.random_access));
    }
}

/// Where the loudest millisecond of `pcm` (one channel) within `range` begins.
pub(crate) fn loudest(pcm: &[f32], range: std::ops::Range<usize>) -> usize {
    let energy = |start: usize| pcm[start..start + 48].iter().map(|value| value * value).sum::<f32>();
    range.max_by(|&a, &b| energy(a).total_cmp(&energy(b))).unwrap()
}

/// The amplitude of `hz` in `pcm` of one channel at 48 kHz (Goertzel).
pub(crate) fn amplitude(pcm: &[f32], hz: f64) -> f64 {
    let step = hz * std::f64::consts::TAU / 48_000.0;
    let (re, im) = pcm.iter().enumerate().fold((0.0, 0.0), |(re, im), (at, &value)| {
        let phase = step * at as f64;
        (re + f64::from(value) * phase.cos(), im + f64::from(value) * phase.sin())
    });
    2.0 * f64::hypot(re, im) / pcm.len() as f64
}

pub(crate) fn rms(pcm: &[f32]) -> f64 {
    (pcm.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>() / pcm.len().max(1) as f64)
        .sqrt()
}

/// One channel of interleaved PCM.
pub(crate) fn channel(pcm: &[f32], channels: usize, index: usize) -> Vec<f32> {
    pcm.iter().skip(index).step_by(channels).copied().collect()
}

/// AAC access units with ADTS headers (ISO/IEC 14496-3 §1.A.3.2), 48 kHz.
pub(crate) fn adts(config: &AudioConfig, frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        let length = frame.payload.len() + 7;
        let channels = config.channels();
        bytes.extend_from_slice(&[
            0xFF,
            0xF1,
            0x40 | 3 << 2 | channels >> 2,
            channels << 6 | (length >> 11) as u8,
        ]);
        bytes.extend_from_slice(&[(length >> 3) as u8, ((length & 7) << 5) as u8 | 0x1F, 0xFC]);
        bytes.extend_from_slice(&frame.payload);
    }
    bytes
}

/// Runs ffmpeg on `input` and returns what it writes.
pub(crate) fn ffmpeg(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-xerror"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "ffmpeg {arguments:?}");
    writer.join().unwrap().unwrap();
    output.stdout
}

pub(crate) fn has_ffmpeg() -> bool {
    let has = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !has {
        println!("skipped: no ffmpeg");
    }
    has
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// What ffmpeg's decoder hears.
pub(crate) fn ffmpeg_decode(config: &AudioConfig, frames: &[Frame]) -> Vec<f32> {
    floats(&ffmpeg(&["-f", "aac", "-i", "-", "-f", "f32le", "-"], &adts(config, frames)))
}

/// What ffmpeg's encoder makes of 48 kHz PCM: the track, and its frames stamped in milliseconds as RTMP does.
pub(crate) fn ffmpeg_encode(pcm: &[f32], channels: u8, rate: u32) -> (TrackInfo, Vec<Frame>) {
    let bytes: Vec<u8> = pcm.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (channels_in, rate_out) = (channels.to_string(), rate.to_string());
    let adts = ffmpeg(
        &[
            "-f",
            "f32le",
            "-ar",
            "48000",
            "-ac",
            &channels_in,
            "-i",
            "-",
            "-ar",
            &rate_out,
            "-c:a",
            "aac",
            "-f",
            "adts",
            "-",
        ],
        &bytes,
    );
    let track = aac_track(rate, channels);
    let (mut frames, mut rest) = (Vec::new(), &adts[..]);
    while let [_, _, _, third, fourth, fifth, ..] = *rest {
        let length = usize::from(third & 3) << 11 | usize::from(fourth) << 3 | usize::from(fifth >> 5);
        let (unit, next) = rest.split_at(length);
        // ffmpeg's encoder delays by one frame, which its RTMP output shifts to zero.
        let ticks = (frames.len() as i64 - 1) * 1_024;
        let pts = Timestamp::new(ticks, Rate::new(rate).unwrap()).as_millis();
        frames.push(frame(Timestamp::from_millis(pts), Bytes::copy_from_slice(&unit[7..])));
        rest = next;
    }
    (track, frames)
}

/// An AAC stream of tests/vectors/fdk-aac: its track, and its frames, the first of which is stamped `-delay`.
pub(crate) fn vector(name: &str, delay: i64) -> (TrackInfo, Vec<Frame>) {
    let file =
        std::fs::read(format!("{}/../../tests/vectors/fdk-aac/{name}.bin", env!("CARGO_MANIFEST_DIR")))
            .unwrap();
    let (asc, mut rest) = file[1..].split_at(usize::from(file[0]));
    let config = AudioConfig::parse(asc).unwrap();
    let (rate, samples) = (config.rate(), i64::from(config.samples_per_frame()));
    let track = TrackInfo { id: IN, config: CodecConfig::Aac(config) };
    let mut frames = Vec::new();
    while let [high, low, ref next @ ..] = *rest {
        let (unit, next) = next.split_at(usize::from(u16::from_be_bytes([high, low])));
        let pts = Timestamp::new(frames.len() as i64 * samples - delay, rate);
        frames.push(frame(pts, Bytes::copy_from_slice(unit)));
        rest = next;
    }
    (track, frames)
}
