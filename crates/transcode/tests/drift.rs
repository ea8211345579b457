//! Hours of a call in virtual time: the output stays with the input, whatever the clocks do.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use bytes::Bytes;
use common::*;
use media::g711::Law;
use media::{Codec, Frame, Rate};
use transcode::codec::{Decoder, Encoder, Format};
use transcode::{CodecError, Pipeline, Stats, Target};

/// A codec that costs little. Its packets carry the time of their first sample, its sound is the time of each sample
/// (a saw tooth of one second), and its frames carry the first two samples.
#[derive(Debug, Default)]
struct Ticking {
    next: i64,
}

const SAMPLES: i64 = 2_880;

impl Ticking {
    fn tick(&mut self, samples: usize, pcm: &mut Vec<f32>) {
        pcm.extend(
            (self.next..self.next + samples as i64).map(|time| time.rem_euclid(48_000) as f32 / 48_000.0),
        );
        self.next += samples as i64;
    }
}

impl Decoder for Ticking {
    fn delay(&self) -> usize {
        0
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        self.next = i64::from_be_bytes(packet[1..].try_into().unwrap());
        self.tick(SAMPLES as usize, pcm);
        Ok(Format { rate: Rate::OPUS, channels: 1 })
    }

    fn conceal(
        &mut self,
        samples: usize,
        _next: Option<&[u8]>,
        pcm: &mut Vec<f32>,
    ) -> Result<(), CodecError> {
        self.tick(samples, pcm);
        Ok(())
    }

    fn reset(&mut self) {}
}

impl Encoder for Ticking {
    fn samples(&self) -> usize {
        SAMPLES as usize
    }

    fn delay(&self) -> usize {
        0
    }

    fn encode(&mut self, pcm: &[f32]) -> Result<Bytes, CodecError> {
        Ok([pcm[0].to_be_bytes(), pcm[1].to_be_bytes()].concat().into())
    }
}

/// Runs `seconds` of Opus whose clock is off by `ppm` through a pipeline, and returns the worst difference between input
/// and output time, in milliseconds.
fn worst_difference(seconds: i64, ppm: i64, percent_lost: u64) -> (f64, Stats) {
    let [decoder, encoder] = [(); 2].map(|()| Box::new(Ticking::default()));
    let mut pipeline =
        Pipeline::with_codecs(&opus_track(), Target::new(Codec::Aac), OUT, decoder, encoder).unwrap();
    let (mut out, mut worst, mut told, mut seed): (Vec<Frame>, f64, i64, u64) = (Vec::new(), 0.0, 0, 1);
    for index in 0..seconds * 48_000 / SAMPLES {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if (seed >> 33) % 100 < percent_lost {
            continue;
        }
        let sent = index * SAMPLES;
        let time = sent + sent / 1_000 * ppm / 1_000;
        let mut packet = vec![3 << 3]; // SILK, 60 ms
        packet.extend_from_slice(&time.to_be_bytes());
        assert_eq!(pipeline.push(&frame(at(time), packet.into()), &mut out), None);
        for made in out.drain(..) {
            let sample =
                |at: usize| f64::from(f32::from_be_bytes(made.payload[at..at + 4].try_into().unwrap()));
            let (heard, next) = (sample(0), sample(4));
            let stamped = made.pts.ticks() as f64 / 48_000.0;
            let difference = (heard - stamped + 0.5).rem_euclid(1.0) - 0.5;
            // A frame that starts in a fade or at the tooth's edge does not tell.
            if ((next - heard) * 48_000.0 - 1.0).abs() < 0.02 {
                worst = worst.max(difference.abs());
                told += 1;
            }
        }
    }
    assert!(told > seconds * 12, "most frames tell the time");
    (worst * 1_000.0, pipeline.stats())
}

#[test]
fn rule_1_hours_of_drift_and_loss_stay_within_20_ms() {
    // Ten hours take seconds with optimisation and minutes without; the clock alone does its ten hours in its own test.
    let seconds = if cfg!(debug_assertions) { 900 } else { 36_000 };
    for ppm in [100, -100] {
        let (worst, stats) = worst_difference(seconds, ppm, 2);
        let owed = seconds * 48 / 1_000 * ppm;
        println!("{seconds} s at {ppm} ppm: {worst:.2} ms, {stats:?}");
        assert!(worst < 20.0, "{worst} ms");
        assert!((stats.stretched - owed).abs() < 48 * 20, "{} of {owed} samples", stats.stretched);
        assert_eq!((stats.reanchored, stats.late, stats.corrupt), (0, 0, 0));
    }
}

#[test]
fn rule_1_an_hour_of_a_camera_whose_clock_drifts() {
    let (packet, seconds) = (Bytes::from(vec![0xd5; 320]), 3_600);
    for ppm in [100, -100] {
        let (mut pipeline, mut out) = (
            Pipeline::with_codecs(
                &g711_track(Law::A, 1),
                Target::new(Codec::Opus),
                OUT,
                transcode::codec::g711::decoder(media::g711::AudioConfig::telephone(Law::A)),
                Box::new(Ticking::default()),
            )
            .unwrap(),
            Vec::new(),
        );
        let mut behind = Vec::new();
        for sent in (0..seconds * 48_000).step_by(1_920) {
            let time = sent + sent / 1_000 * ppm / 1_000;
            assert_eq!(pipeline.push(&frame(at(time), packet.clone()), &mut out), None);
            let end = out.last().map_or(0, |last: &Frame| last.pts.ticks() + SAMPLES);
            behind.push(time + 1_920 - end);
            out.drain(..out.len().saturating_sub(1));
        }
        let stats = pipeline.stats();
        let (least, most) = (behind.iter().min().unwrap(), behind.iter().max().unwrap());
        println!("{seconds} s at {ppm} ppm: {least} to {most} samples behind, {stats:?}");
        // A frame of 60 ms that is being collected, the resampler's 10 ms, and what the drift may owe.
        assert!(*least > -48 * 5 && *most < SAMPLES + 48 * 15);
        assert!((stats.stretched - seconds * 48 / 1_000 * ppm).abs() < 48 * 5, "{}", stats.stretched);
        assert_eq!((stats.filled, stats.reanchored, stats.late, stats.corrupt), (0, 0, 0, 0));
    }
}
