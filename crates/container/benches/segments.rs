//! What the media of HLS cost: a part of 200 ms at 2 Mbit/s as fMP4 fragment and as transport stream.
//!
//! `cargo bench -p container --bench segments`. Both are made once for all readers of a stream. CPU time is this thread's,
//! as the scheduler counts it, so a busy machine does not show; beside it stands what copying the payload alone costs.
#![expect(clippy::print_stdout, reason = "a benchmark reports on its standard output")]

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use container::{fmp4, mpegts};
use media::aac::AudioConfig;
use media::h264::{ParameterSets, avcc};
use media::{CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo};

const ROUNDS: u32 = 20_000;
/// 2 Mbit/s at 25 pictures a second.
const PICTURE: usize = 10_000;
const PICTURES: i64 = 5;
/// 64 kbit/s at 46.9 frames a second.
const SOUND: usize = 170;
const SOUNDS: i64 = 9;
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];

fn main() {
    let sets =
        ParameterSets { sps: vec![Bytes::from_static(SPS)], pps: vec![Bytes::from_static(&[0x68, 0xce])] };
    let video = TrackInfo { id: TrackId(1), config: CodecConfig::H264(sets) };
    let config = AudioConfig::lc(Rate::OPUS, 1).expect("what every encoder has");
    let audio = TrackInfo { id: TrackId(2), config: CodecConfig::Aac(config) };
    let pictures: Vec<Frame> = (0..PICTURES).map(|index| frame(&video, index * 3_600, PICTURE)).collect();
    let sounds: Vec<Frame> = (0..SOUNDS).map(|index| frame(&audio, index * 1_024, SOUND)).collect();

    let samples = |frames: &[Frame], duration| -> Vec<(Frame, u32)> {
        frames.iter().map(|frame| (frame.clone(), duration)).collect()
    };
    let (video_samples, audio_samples) = (samples(&pictures, 3_600), samples(&sounds, 1_024));
    report("fragment", || fragment([&video, &audio], [&video_samples, &audio_samples]).len());

    let mut muxer = mpegts::Muxer::new(&[&video, &audio]).expect("tracks that can be carried");
    report("transport stream", || {
        let mut out = BytesMut::with_capacity(60_000);
        muxer.tables(&mut out);
        for (track, frame) in
            pictures.iter().map(|frame| (&video, frame)).chain(sounds.iter().map(|frame| (&audio, frame)))
        {
            muxer.frame(frame, track, &mut out).expect("a frame of the track");
        }
        out.len()
    });
    report("copy alone", || {
        let mut out = BytesMut::with_capacity(60_000);
        pictures.iter().chain(&sounds).for_each(|frame| out.extend_from_slice(&frame.payload));
        out.len()
    });
    report("init section", || {
        fmp4::init_segment(&[&video, &audio]).expect("tracks that can be described").len()
    });
}

fn frame(track: &TrackInfo, at: i64, len: usize) -> Frame {
    let at = Timestamp::new(at, track.rate());
    let random_access = at.ticks() == 0;
    let body = vec![if random_access { 0x65 } else { 0x41 }; len];
    let payload = if track.rate() == Rate::VIDEO { avcc::write([&body[..]]) } else { body.into() };
    Frame { track: track.id, pts: at, dts: at, random_access, payload }
}

fn fragment(tracks: [&TrackInfo; 2], frames: [&[(Frame, u32)]; 2]) -> Bytes {
    let samples = frames.map(|frames| {
        frames.iter().map(|(frame, duration)| fmp4::Sample { frame, duration: *duration }).collect::<Vec<_>>()
    });
    let run = |index: usize| fmp4::Run {
        track: index as u32 + 1,
        rate: tracks[index].rate(),
        base_decode_time: 0,
        samples: &samples[index],
    };
    fmp4::fragment(1, &[run(0), run(1)]).expect("samples")
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

fn report(name: &str, mut work: impl FnMut() -> usize) {
    let begun = cpu_time();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        bytes = black_box(work());
    }
    let each = (cpu_time() - begun) / ROUNDS;
    println!("{name:16} {bytes:6} bytes {each:8.1?}");
}
