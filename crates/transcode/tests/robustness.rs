//! Hostile bytes: nothing panics, nothing stops the timeline, nothing grows.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use bytes::Bytes;
use common::*;
use media::aac::AudioConfig;
use media::g711::Law;
use media::{Codec, CodecConfig, Frame, TrackInfo};
use transcode::{Pipeline, Target};

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// Bits flipped, the end cut off, or all of it noise.
    fn mutated(&mut self, payload: &[u8]) -> Bytes {
        let mut bytes = payload.to_vec();
        match self.below(4) {
            0 => bytes.truncate(self.below(bytes.len() + 1)),
            1 => bytes.iter_mut().for_each(|byte| *byte = self.below(256) as u8),
            _ => {
                for _ in 0..=self.below(8) {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
            }
        }
        bytes.into()
    }
}

/// Pushes `count` frames, two of three mutated, and returns what came out.
fn attack(input: &TrackInfo, codec: Codec, frames: &[Frame], count: usize) -> (Pipeline, Vec<Frame>) {
    let mut random = Random(count as u64);
    let mut pipeline = Pipeline::new(input, Target::new(codec), OUT).unwrap();
    let mut out = Vec::new();
    let step = frames[1].pts.minus(frames[0].pts).ticks();
    for index in 0..count {
        let original = &frames[index % frames.len()];
        let payload =
            if index % 3 == 0 { original.payload.clone() } else { random.mutated(&original.payload) };
        let pts = media::Timestamp::new(step * index as i64, original.pts.rate());
        pipeline.push(&frame(pts, payload), &mut out);
    }
    (pipeline, out)
}

#[test]
fn ten_thousand_mutated_opus_packets() {
    let frames = publish(Codec::Opus, &tone(440.0, 2.0, 2), 2, 0);
    let (pipeline, out) = attack(&opus_track(), Codec::Aac, &frames, 10_000);
    println!("{:?}", pipeline.stats());
    assert!(out.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    assert!(out.len() > 9_000);
    // And every frame is one that a player can decode.
    let CodecConfig::Aac(config) = &pipeline.output().config else { panic!("AAC") };
    assert!(symphonia(config, &out[..2_000]).iter().all(|value| value.is_finite()));
}

#[test]
fn ten_thousand_mutated_aac_access_units() {
    let frames = publish(Codec::Aac, &tone(440.0, 2.0, 2), 2, 0);
    let (pipeline, out) = attack(&aac_track(48_000, 2), Codec::Opus, &frames, 10_000);
    println!("{:?}", pipeline.stats());
    assert!(pipeline.stats().corrupt > 100);
    assert!(out.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    let end = out.last().unwrap().pts.ticks();
    assert!((end - 10_000 * 1_024).abs() < 48 * 200, "the timeline went on: {end}");
}

#[test]
fn mutated_he_aac() {
    for (name, delay) in [("he-aac-v1-48k-mono", 4_096), ("he-aac-v2-44k1-stereo", 6_144)] {
        let (input, frames) = vector(name, delay);
        let (pipeline, out) = attack(&input, Codec::Opus, &frames, 600);
        println!("{name}: {:?}", pipeline.stats());
        assert!(out.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    }
}

#[test]
fn sound_is_whole_again_right_after_garbage() {
    for (input, codec) in ways() {
        let frames = publish(input.codec(), &tone(440.0, 3.0, 1), 1, 0);
        let garbage = frames.iter().enumerate().map(|(index, original)| match index {
            40..60 => frame(original.pts, Bytes::from_static(&[0x01, 0xFF, 0xFF, 0xFF])),
            _ => original.clone(),
        });
        let (pipeline, out) = run(&input, Target::new(codec), &garbage.collect::<Vec<_>>());
        let (heard, first) = listen(pipeline.output(), &out);
        let from = usize::try_from(frames[63].pts.ticks() - first).unwrap();
        let level = amplitude(&heard[from..from + 24_000], 440.0);
        assert!((level - 0.5).abs() < 0.02, "{codec}: {level}");
        // To G.711 nothing is garbage: four bytes are half a millisecond of noise.
        assert!(pipeline.stats().corrupt >= 19 || input.codec() == Codec::G711, "{:?}", pipeline.stats());
    }
}

#[test]
fn g711_packets_of_any_size_are_played_or_left_out() {
    let mut random = Random(5);
    let mut pipeline = Pipeline::new(&g711_track(Law::Mu, 2), Target::new(Codec::Aac), OUT).unwrap();
    let mut out = Vec::new();
    for index in 0..2_000 {
        let noise: Vec<u8> = (0..random.below(4_000)).map(|_| random.below(256) as u8).collect();
        pipeline.push(&frame(at(index * 960), noise.into()), &mut out);
    }
    // Too long to be live, and nothing at all.
    for size in [0, 1, 16_002, 16_000_000] {
        let before = (out.len(), pipeline.stats().corrupt);
        pipeline.push(&frame(at(2_000 * 960), vec![0x55; size].into()), &mut out);
        assert_eq!((out.len(), pipeline.stats().corrupt), (before.0, before.1 + 1), "{size} bytes");
    }
    assert!(out.windows(2).all(|pair| pair[0].dts < pair[1].dts));
}

#[test]
fn any_audio_specific_config_is_taken_or_refused() {
    let mut random = Random(11);
    let frames = publish(Codec::Aac, &tone(440.0, 0.2, 1), 1, 0);
    let mut taken = 0;
    for _ in 0..1_000 {
        let length = 2 + random.below(6);
        let mut asc: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        asc[0] = [0x10, 0x28, 0xE8][random.below(3)] | asc[0] & 7; // LC, SBR or PS
        let Ok(config) = AudioConfig::parse(&asc) else { continue };
        let input = TrackInfo { id: IN, config: CodecConfig::Aac(config) };
        let Ok(mut pipeline) = Pipeline::new(&input, Target::new(Codec::Opus), OUT) else { continue };
        taken += 1;
        let mut out = Vec::new();
        for original in &frames {
            pipeline.push(&frame(original.pts, random.mutated(&original.payload)), &mut out);
        }
    }
    println!("{taken} configurations taken");
    assert!(taken > 50);
}

/// Resident memory of this process in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("0");
    line.split_ascii_whitespace().nth(1).and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "measures the process: run alone, with --ignored"]
fn memory_stays_where_it_is() {
    let opus = publish(Codec::Opus, &tone(440.0, 2.0, 1), 1, 0);
    let aac = publish(Codec::Aac, &tone(440.0, 2.0, 1), 1, 0);
    let before = resident();
    let mut pipelines: Vec<(Pipeline, &[Frame], i64)> = (0..20)
        .map(|index| match index % 2 {
            0 => (Pipeline::new(&opus_track(), Target::new(Codec::Aac), OUT).unwrap(), &opus[..], 960),
            _ => (
                Pipeline::new(&aac_track(48_000, 1), Target::new(Codec::Opus), OUT).unwrap(),
                &aac[..],
                1_024,
            ),
        })
        .collect();
    let mut measured = Vec::new();
    for round in 0..4_000_i64 {
        for (pipeline, frames, step) in &mut pipelines {
            let payload = frames[round as usize % frames.len()].payload.clone();
            pipeline.push(&frame(at(round * *step), payload), &mut Vec::new());
        }
        if round % 1_000 == 999 {
            measured.push(resident() - before);
        }
    }
    println!("10 consultations: {measured:?} KiB, {} KiB each", measured[3] / 10);
    assert!(measured[3] - measured[0] < 256, "{measured:?}");
    assert!(measured[3] / 10 < 1_024, "{measured:?}");
}
