//! What transcoding costs: `cargo bench -p transcode` prints, for each stage and for both whole ways, how much faster
//! than real time it runs and what share of one core a live stream takes. CPU time of the thread, so that other load
//! on the machine does not count; with `--features pure-rust` the pure-Rust codecs are measured beside the native.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{OUT, aac_track, opus_track, publish};
use media::{Codec, Frame, Rate, Timestamp};
use transcode::codec::{self, Decoder, Encoder, EncoderSettings};
use transcode::{CodecError, Pipeline, Target};

const SECONDS: usize = 60;

/// CPU time that this thread has used (Linux; elsewhere wall time).
fn cpu(start: Instant) -> Duration {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().next().and_then(|field| field.parse().ok()));
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Runs `work`, which treats [`SECONDS`] of sound, three times and prints the best.
fn measure(name: &str, mut work: impl FnMut()) {
    let origin = Instant::now();
    let runs = (0..3).map(|_| {
        let start = cpu(origin);
        work();
        (cpu(origin) - start).as_secs_f64()
    });
    let best = runs.fold(f64::INFINITY, f64::min);
    let seconds = SECONDS as f64;
    println!("{name:<44} {:>6.0} x real time {:>6.2} % of a core", seconds / best, 100.0 * best / seconds);
}

/// Speech-like sound: a gliding pitch with harmonics, in syllables, over a little noise.
fn speech(channels: usize) -> Vec<f32> {
    let (mut phase, mut noise) = (0.0_f32, 1_u32);
    let mut pcm = Vec::with_capacity(SECONDS * 48_000 * channels);
    for at in 0..SECONDS * 48_000 {
        let time = at as f32 / 48_000.0;
        phase += (140.0 + 40.0 * (time * 1.7).sin()) * std::f32::consts::TAU / 48_000.0;
        let voice: f32 = (1..12).map(|harmonic| (phase * harmonic as f32).sin() / harmonic as f32).sum();
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = (noise >> 8) as f32 / 8_388_608.0 - 1.0;
        let syllable = (time * 4.0 * std::f32::consts::TAU).sin().max(0.0);
        let value = 0.25 * voice * syllable + 0.004 * hiss;
        pcm.extend(std::iter::repeat_n(value, channels));
    }
    pcm
}

fn encode(
    name: &str,
    pcm: &[f32],
    settings: EncoderSettings,
    new: fn(EncoderSettings) -> Result<Box<dyn Encoder>, CodecError>,
) {
    let mut encoder = new(settings).unwrap();
    let size = encoder.samples() * usize::from(settings.channels);
    measure(name, || {
        for frame in pcm.chunks_exact(size) {
            black_box(encoder.encode(frame).unwrap());
        }
    });
}

fn decode(name: &str, frames: &[Frame], mut decoder: Box<dyn Decoder>) {
    let mut pcm = Vec::new();
    measure(name, || {
        for frame in frames {
            pcm.clear();
            decoder.decode(&frame.payload, &mut pcm).unwrap();
        }
    });
}

fn chain(name: &str, input: &media::TrackInfo, target: Target, frames: &[Frame]) {
    measure(name, || {
        let mut pipeline = Pipeline::new(input, target, OUT).unwrap();
        let mut out = Vec::new();
        for frame in frames {
            pipeline.push(frame, &mut out);
            out.clear();
        }
    });
}

/// The frames again, stamped for another sampling rate: what they decode to does not matter to the resampler.
fn at_rate(frames: &[Frame], rate: u32) -> Vec<Frame> {
    let rate = Rate::new(rate).unwrap();
    let stamped = frames.iter().enumerate().map(|(index, frame)| {
        let pts = Timestamp::new(index as i64 * 1_024, rate);
        Frame { pts, dts: pts, ..frame.clone() }
    });
    stamped.collect()
}

macro_rules! stages {
    ($name:literal, $backend:path, $mono:expr, $opus:expr, $aac:expr) => {{
        use $backend as backend;
        let settings = EncoderSettings { channels: 1, bitrate: 64_000 };
        let media::CodecConfig::Aac(config) = aac_track(48_000, 1).config else { return };
        encode(concat!($name, ": Opus encode, mono 64 kbit/s"), $mono, settings, backend::opus_encoder);
        decode(concat!($name, ": Opus decode, mono"), $opus, backend::opus_decoder(1).unwrap());
        encode(concat!($name, ": AAC encode, mono 64 kbit/s"), $mono, settings, backend::aac_encoder);
        decode(concat!($name, ": AAC decode, mono"), $aac, backend::aac_decoder(&config).unwrap());
    }};
}

fn main() {
    let (mono, stereo) = (speech(1), speech(2));
    let opus = publish(Codec::Opus, &mono, 1, 0);
    let opus_stereo = publish(Codec::Opus, &stereo, 2, 0);
    let aac = publish(Codec::Aac, &mono, 1, 0);
    let aac_stereo = publish(Codec::Aac, &stereo, 2, 0);
    println!("{SECONDS} s of sound, CPU time of one thread, best of three");
    #[cfg(feature = "native")]
    stages!("native", codec::native, &mono, &opus, &aac);
    #[cfg(feature = "pure-rust")]
    stages!("pure-rust", codec::pure_rust, &mono, &opus, &aac);
    println!("the whole way, {}:", if cfg!(feature = "native") { "native" } else { "pure-rust" });
    let two = Target { channels: Some(2), ..Target::new(Codec::Aac) };
    chain("Opus mono -> AAC mono 64 kbit/s", &opus_track(), Target::new(Codec::Aac), &opus);
    chain("Opus stereo -> AAC stereo 96 kbit/s", &opus_track(), two, &opus_stereo);
    chain("AAC 48 kHz mono -> Opus mono 64 kbit/s", &aac_track(48_000, 1), Target::new(Codec::Opus), &aac);
    chain(
        "AAC 48 kHz stereo -> Opus stereo 96 kbit/s",
        &aac_track(48_000, 2),
        Target::new(Codec::Opus),
        &aac_stereo,
    );
    let slower = at_rate(&aac, 44_100);
    chain("AAC 44.1 kHz mono -> Opus mono (65 s)", &aac_track(44_100, 1), Target::new(Codec::Opus), &slower);
}
