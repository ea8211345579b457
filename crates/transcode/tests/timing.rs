//! When things are heard: delays are compensated, and how long the sound is on its way.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use common::*;
use media::{Codec, CodecConfig, Frame, TrackInfo};
use transcode::Target;

/// Starts of the clicks, off every grid of frames.
const CLICKS: [usize; 4] = [24_000, 50_111, 73_999, 101_503];

const THREE_MS: i64 = 144;

/// Distances, in samples, between where clicks went in and where they are in `heard`, which starts at `first`.
fn displacements(heard: &[f32], first: i64, start: i64) -> [i64; 4] {
    CLICKS.map(|click| {
        let expected = (click as i64 + start - first) as usize;
        let found = loudest(heard, expected - 4_000..expected + 4_000);
        (found as i64 - expected as i64).abs()
    })
}

fn transcoded_clicks(input: &TrackInfo, codec: Codec, start: i64) -> (TrackInfo, Vec<Frame>) {
    let frames = publish(input.codec(), &clicks(144_000, &CLICKS), 1, start);
    let (pipeline, out) = run(input, Target::new(codec), &frames);
    (pipeline.output().clone(), out)
}

#[test]
fn rule_4_a_click_is_heard_when_it_was_made() {
    for (input, codec) in ways() {
        for start in [0, 1_234_567, -777] {
            let (track, out) = transcoded_clicks(&input, codec, start);
            let (heard, first) = listen(&track, &out);
            let worst = displacements(&heard, first, start);
            println!("{} -> {codec}: {worst:?} samples", input.codec());
            assert!(worst.iter().all(|&distance| distance <= THREE_MS), "{worst:?}");
        }
    }
}

#[test]
fn ffmpeg_hears_the_click_there_too() {
    if !has_ffmpeg() {
        return;
    }
    let (track, out) = transcoded_clicks(&opus_track(), Codec::Aac, 0);
    contiguous(&out);
    let CodecConfig::Aac(config) = &track.config else { panic!("AAC") };
    let heard = ffmpeg_decode(config, &out);
    let worst = displacements(&heard, out[0].pts.ticks(), 0);
    println!("Opus -> AAC -> ffmpeg: {worst:?} samples");
    assert!(worst.iter().all(|&distance| distance <= THREE_MS), "{worst:?}");
}

/// Milliseconds from the arrival of a sound to its departure: on average, at most, and how much later a player that
/// never runs dry has to play. A frame arrives when its last sample has been made.
fn added_latency(input: &TrackInfo, codec: Codec) -> (f64, f64, f64) {
    let frames = publish(input.codec(), &tone(440.0, 20.0, 1), 1, 0);
    let step = frames[1].pts.ticks() - frames[0].pts.ticks();
    let mut pipeline = transcode::Pipeline::new(input, Target::new(codec), OUT).unwrap();
    let (mut out, mut departures) = (Vec::new(), Vec::new());
    for frame in &frames {
        pipeline.push(frame, &mut out);
        departures.resize(out.len(), frame.pts.ticks() + step);
    }
    let made = out[1].pts.ticks() - out[0].pts.ticks();
    let departure =
        |time: i64| departures.get(usize::try_from((time - out[0].pts.ticks()).div_euclid(made)).unwrap());
    let first = frames[0].pts.ticks();
    let added = (48_000..800_000).step_by(11).map(|time| {
        let arrival = first + ((time - first).div_euclid(step) + 1) * step;
        (departure(time).unwrap() - arrival) as f64 / 48.0
    });
    let added: Vec<f64> = added.collect();
    let held =
        out.iter().zip(&departures).map(|(frame, departure)| departure - frame.pts.ticks()).max().unwrap();
    let mean = added.iter().sum::<f64>() / added.len() as f64;
    (mean, added.into_iter().fold(0.0, f64::max), (held - step) as f64 / 48.0)
}

#[test]
fn the_added_latency_is_below_60_ms() {
    for (input, codec) in ways() {
        let (mean, most, held) = added_latency(&input, codec);
        println!(
            "{} -> {codec}: {mean:.1} ms on average, {most:.1} at most, playout {held:.1} later",
            input.codec()
        );
        assert!(mean < 60.0);
    }
}
