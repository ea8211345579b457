//! When things are heard: delays are compensated, and how long the sound is on its way.

mod common;

use common::*;
use media::{Codec, TrackInfo};
use transcode::Target;

/// Starts of the clicks, off every grid of frames.
const CLICKS: [usize; 4] = [24_000, 50_111, 73_999, 101_503];

/// Worst distance, in samples, between where clicks went in and where they came out.
fn displacement(input: &TrackInfo, codec: Codec, start: i64) -> i64 {
    let pcm = clicks(144_000, &CLICKS);
    let from = input.codec();
    let frames = publish(from, &pcm, 1, start);
    let (pipeline, out) = run(input, Target::new(codec), &frames);
    let (heard, first) = listen(pipeline.output(), &out);
    let worst = CLICKS.map(|click| {
        let expected = (click as i64 + start - first) as usize;
        let found = loudest(&heard, expected - 4_000..expected + 4_000);
        (found as i64 - expected as i64).abs()
    });
    println!("{from} -> {codec}: clicks at most {worst:?} samples away");
    worst.into_iter().max().unwrap()
}

#[test]
fn a_click_is_heard_when_it_was_made() {
    for (input, codec) in [(opus_track(), Codec::Aac), (aac_track(48_000, 1), Codec::Opus)] {
        for start in [0, 1_234_567, -777] {
            assert!(displacement(&input, codec, start) <= 144, "3 ms");
        }
    }
}
