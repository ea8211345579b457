//! What does not come in: lost packets, pauses, frames that are late, timestamps that jump or jitter.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use bytes::Bytes;
use common::*;
use media::g711::Law;
use media::{Codec, Frame, Timestamp};
use opus_pure::{Application, OpusEncoder};
use transcode::{Pipeline, Reanchor, Target};

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn opus_to_aac() -> Pipeline {
    Pipeline::new(&opus_track(), Target::new(Codec::Aac), OUT).unwrap()
}

/// Where the output has got to.
fn end(out: &[Frame]) -> i64 {
    out.last().unwrap().pts.ticks() + 1_024
}

/// The part of `out` from `from` to `to` on the timeline, as a reader hears it.
fn heard(pipeline: &Pipeline, out: &[Frame], from: i64, to: i64) -> Vec<f32> {
    let (pcm, first) = listen(pipeline.output(), out);
    pcm[usize::try_from(from - first).unwrap()..usize::try_from(to - first).unwrap()].to_vec()
}

#[test]
fn rule_2_lost_packets_leave_no_hole_and_no_shift() {
    let frames = publish(Codec::Opus, &tone(440.0, 20.0, 1), 1, 0);
    for percent in [2, 10, 30] {
        let mut random = Random(percent);
        let kept: Vec<Frame> = frames.iter().filter(|_| random.below(100) >= percent).cloned().collect();
        let (pipeline, out) = run(&opus_track(), Target::new(Codec::Aac), &kept);
        let lost = (frames.len() - kept.len()) as u64 * 960;
        assert!(pipeline.stats().filled.abs_diff(lost) <= 2 * 960, "{percent} %: {:?}", pipeline.stats());
        assert!(kept.last().unwrap().pts.ticks() + 960 - end(&out) <= 3 * 1_024);
        let pcm = heard(&pipeline, &out, 48_000, 900_000);
        println!("{percent} %: level {:.3}", rms(&pcm));
        assert!(rms(&pcm) > 0.30, "{percent} %: concealed, not silent");
    }
}

#[test]
fn rule_2_lost_g711_is_silent_in_time_also_when_stamped_in_milliseconds() {
    let frames = publish(Codec::G711, &tone(440.0, 20.0, 1), 1, 0);
    for codec in [Codec::Aac, Codec::Opus] {
        let mut random = Random(4);
        let kept: Vec<Frame> = frames
            .iter()
            .filter(|_| random.below(100) >= 5)
            .map(|sent| frame(Timestamp::from_millis(sent.pts.as_millis()), sent.payload.clone()))
            .collect();
        let (pipeline, out) = run(&g711_track(Law::A, 1), Target::new(codec), &kept);
        let lost = (frames.len() - kept.len()) as u64 * 960;
        let stats = pipeline.stats();
        assert!(stats.filled.abs_diff(lost) <= 2 * 960, "{codec}: {stats:?}");
        assert_eq!((stats.late, stats.stretched), (0, 0), "{codec}");
        let (pcm, first) = listen(pipeline.output(), &out);
        let end = first + pcm.len() as i64;
        assert!((kept.last().unwrap().pts.to_rate(media::Rate::OPUS).ticks() + 960 - end).abs() <= 3 * 1_024);
        let steepest = pcm[4_800..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.1, "{codec}: a step of {steepest}");
    }
}

/// Speech-like: voiced, and another pitch every 20 ms, so that repeating the past is wrong.
fn babble(seconds: usize) -> Vec<f32> {
    let mut random = Random(7);
    let mut phase = 0.0_f32;
    let mut pcm = Vec::new();
    for _ in 0..seconds * 50 {
        let pitch = 100.0 + random.below(300) as f32;
        for _ in 0..960 {
            phase += pitch * std::f32::consts::TAU / 48_000.0;
            pcm.push(
                (1..=8).map(|harmonic| (phase * harmonic as f32).sin() / harmonic as f32).sum::<f32>() * 0.25,
            );
        }
    }
    pcm
}

/// Level of what is wrong in the lost packets' time when every seventh packet is lost.
fn wrongness(redundancy: bool) -> f64 {
    let mut encoder = OpusEncoder::new(48_000, 1, Application::Voip).unwrap();
    encoder.bitrate_bps = 32_000;
    encoder.use_inband_fec = redundancy;
    encoder.packet_loss_perc = if redundancy { 25 } else { 0 };
    let mut buffer = [0; 1_275];
    let frames: Vec<Frame> = babble(6)
        .chunks_exact(960)
        .enumerate()
        .map(|(index, pcm)| {
            let length = encoder.encode(pcm, 960, &mut buffer).unwrap();
            frame(at(index as i64 * 960), Bytes::copy_from_slice(&buffer[..length]))
        })
        .collect();
    let lost = |index: usize| index % 7 == 6;
    let kept: Vec<Frame> =
        frames.iter().enumerate().filter(|(index, _)| !lost(*index)).map(|(_, f)| f.clone()).collect();
    let [whole, holed] = [&frames, &kept].map(|frames| {
        let (pipeline, out) = run(&opus_track(), Target::new(Codec::Aac), frames);
        heard(&pipeline, &out, 0, 270_000)
    });
    let difference: Vec<f32> = (0..270_000 / 960)
        .filter(|&index| lost(index))
        .flat_map(|index| {
            (index * 960..(index + 1) * 960).map(|at| whole[at] - holed[at]).collect::<Vec<_>>()
        })
        .collect();
    rms(&difference)
}

#[test]
fn rule_2_the_last_lost_packet_is_recovered_from_the_next() {
    let (recovered, concealed) = (wrongness(true), wrongness(false));
    println!("wrong by {recovered:.3} with redundancy, by {concealed:.3} without");
    assert!(recovered < 0.6 * concealed, "{recovered} against {concealed}");
}

#[test]
fn rule_2_discontinuous_transmission_is_filled() {
    // A packet every 400 ms during silence (RFC 6716 §2.1.9).
    let mut frames = publish(Codec::Opus, &tone(440.0, 1.0, 1), 1, 0);
    let talk = frames.len() as i64;
    for index in 0..10 {
        frames.push(frame(at((talk + 20 * index) * 960), Bytes::from_static(&[0xF8])));
    }
    let (pipeline, out) = run(&opus_track(), Target::new(Codec::Aac), &frames);
    assert!(frames.last().unwrap().pts.ticks() + 960 - end(&out) <= 3 * 1_024);
    assert!(rms(&heard(&pipeline, &out, 96_000, 180_000)) < 1e-3, "silent");
}

#[test]
fn rule_2_a_muted_track_is_silent_in_time_and_comes_back_in_time() {
    for (input, codec) in ways() {
        let mut pcm = tone(440.0, 1.0, 1);
        pcm.resize(10 * 48_000, 0.0);
        pcm[8 * 48_000..8 * 48_000 + 48].copy_from_slice(&clicks(48, &[0]));
        let frames = publish(input.codec(), &pcm, 1, 0);
        let mut pipeline = Pipeline::new(&input, Target::new(codec), OUT).unwrap();
        let mut out = Vec::new();
        let muted = |frame: &&Frame| (48_000..7 * 48_000).contains(&frame.pts.ticks());
        for frame in frames.iter().filter(|frame| frame.pts.ticks() < 48_000) {
            assert_eq!(pipeline.push(frame, &mut out), None);
        }
        for millis in (1_250..7_000).step_by(50) {
            let now = Timestamp::from_millis(millis - 125); // as the hub tells it
            assert_eq!(pipeline.silence_until(now, &mut out), None);
            let behind = now.to_rate(media::Rate::OPUS).ticks() - end(&out);
            assert!(behind < 48 * 75, "{millis} ms: {behind} samples behind");
        }
        for frame in frames.iter().filter(|frame| frame.pts.ticks() >= 48_000 && !muted(frame)) {
            assert_eq!(pipeline.push(frame, &mut out), None);
        }
        let (pcm, first) = listen(pipeline.output(), &out);
        let place = |time: i64| usize::try_from(time - first).unwrap();
        assert!(rms(&pcm[place(24_000)..place(44_000)]) > 0.3, "before");
        assert!(rms(&pcm[place(60_000)..place(330_000)]) < 1e-3, "muted");
        let expected = place(8 * 48_000);
        assert!(
            loudest(&pcm, expected - 4_000..expected + 4_000).abs_diff(expected) <= 144,
            "{codec}: after"
        );
        assert_eq!((pipeline.stats().late, pipeline.stats().reanchored), (0, 0));
    }
}

#[test]
fn a_track_that_starts_muted_starts_with_silence() {
    let mut pipeline = opus_to_aac();
    let mut out = Vec::new();
    for millis in (5_000..6_000).step_by(50) {
        assert_eq!(pipeline.silence_until(Timestamp::from_millis(millis), &mut out), None);
    }
    contiguous(&out);
    assert!(out[0].pts > Timestamp::from_millis(4_960) && end(&out) > 6_000 * 48 - 8_000);
}

#[test]
fn without_silence_a_long_pause_cuts_the_timeline_and_says_so() {
    let frames = publish(Codec::Opus, &tone(440.0, 10.0, 1), 1, 0);
    let mut pipeline = opus_to_aac();
    let mut out = Vec::new();
    let mut cuts = Vec::new();
    for frame in frames.iter().filter(|frame| !(48_000..4 * 48_000).contains(&frame.pts.ticks())) {
        cuts.extend(pipeline.push(frame, &mut out));
    }
    let [Reanchor { from, to }] = cuts[..] else { panic!("{cuts:?}") };
    assert!((to.minus(from).as_millis() - 3_000).abs() < 25, "{from:?} to {to:?}");
    assert!(out.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    assert!(out.len() < 350, "no burst of silence");
    assert_eq!(pipeline.stats().reanchored, 1);
    let hole = out.windows(2).position(|pair| pair[1].pts.ticks() - pair[0].pts.ticks() != 1_024).unwrap();
    contiguous(&out[..=hole]);
    contiguous(&out[hole + 1..]);
}

#[test]
fn sound_that_comes_after_its_silence_is_left_out_and_then_waited_for() {
    let frames = publish(Codec::Opus, &tone(440.0, 6.0, 1), 1, 0);
    let mut pipeline = opus_to_aac();
    let mut out = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        // Twice the connection stalls, and what was sent meanwhile comes in a burst.
        if index == 50 || index == 150 {
            let late_by = if index == 50 { 300 } else { 250 };
            let now = frame.pts.plus(Timestamp::from_millis(late_by));
            pipeline.silence_until(now, &mut out);
        }
        assert_eq!(pipeline.push(frame, &mut out), None);
    }
    contiguous(&out);
    let late = pipeline.stats().late;
    assert_eq!(late, 15, "the first burst of 300 ms; the second silence was held back");
    assert!(frames.last().unwrap().pts.ticks() + 960 - end(&out) <= 3 * 1_024, "nothing stale stays behind");
}

#[test]
fn rule_1_stamps_in_milliseconds_and_in_bursts_do_not_disturb_the_sound() {
    let frames = publish(Codec::Aac, &tone(440.0, 30.0, 1), 1, 0);
    let mut random = Random(3);
    let jittered: Vec<Frame> = frames
        .iter()
        .enumerate()
        .map(|(index, original)| {
            // Two frames with one stamp, as from a capture buffer of 43 ms, rounded, ± 5 ms.
            let stamp =
                frames[index / 2 * 2].pts.as_millis() + random.below(11) as i64 - 5 + (index % 2) as i64;
            frame(Timestamp::from_millis(stamp), original.payload.clone())
        })
        .collect();
    let (pipeline, out) = run(&aac_track(48_000, 1), Target::new(Codec::Opus), &jittered);
    let stats = pipeline.stats();
    assert_eq!((stats.filled, stats.late), (0, 0));
    assert!(stats.stretched.abs() < 48 * 15, "{} samples for a mean error of 11 ms", stats.stretched);
    let (pcm, _) = listen(pipeline.output(), &out);
    let steepest = pcm[4_800..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.04, "a step of {steepest}");
}

#[test]
fn timestamps_that_run_back_are_followed_and_reported() {
    let frames = publish(Codec::Aac, &tone(440.0, 4.0, 1), 1, 10_000_000);
    let again = publish(Codec::Aac, &tone(440.0, 4.0, 1), 1, 0);
    let mut pipeline = Pipeline::new(&aac_track(48_000, 1), Target::new(Codec::Opus), OUT).unwrap();
    let mut out = Vec::new();
    let cuts: Vec<_> =
        frames.iter().chain(&again).filter_map(|frame| pipeline.push(frame, &mut out)).collect();
    assert_eq!(cuts.len(), 1);
    assert!(cuts[0].to < cuts[0].from);
    assert!((end(&out) - again.last().unwrap().pts.ticks()).abs() < 3_000);
}
