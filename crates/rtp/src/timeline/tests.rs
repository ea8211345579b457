//! Simulated senders against the clock.

use std::time::{Duration, Instant};

use media::{Rate, Timestamp};
use proptest::prelude::*;

use super::{ClockTrack, SenderReport, StreamClock};

const HOUR: f64 = 3_600.0;

/// A sender of 50 audio packets and 25 pictures a second whose clocks are wrong in every way at once.
struct Sender {
    clock: StreamClock,
    start: Instant,
    lines: [Line; 2],
    seed: u64,
}

struct Line {
    track: ClockTrack,
    rate: Rate,
    /// Media clock against true time, parts per million.
    ppm: f64,
    first: u32,
    /// Seconds that the fastest packet takes.
    path: f64,
    /// Seconds that queueing adds at most.
    jitter: f64,
    /// What the sender reports are wrong by, in seconds; `None`: no reports.
    report_error: Option<f64>,
    interval: f64,
    last: Option<(f64, Timestamp)>,
}

impl Line {
    fn rtp(&self, at: f64) -> u32 {
        let ticks = at * f64::from(self.rate.hz()) * (1.0 + self.ppm * 1e-6);
        self.first.wrapping_add(ticks.round() as i64 as u32)
    }

    /// Where the timeline puts what was captured at `at`, in seconds, by the last frame.
    fn position(&self, at: f64) -> f64 {
        let (captured, stamp) = self.last.unwrap();
        seconds(stamp) + (at - captured)
    }
}

fn seconds(stamp: Timestamp) -> f64 {
    stamp.ticks() as f64 / f64::from(stamp.rate().hz())
}

impl Sender {
    fn new() -> Self {
        let mut clock = StreamClock::new();
        let line = |track, rate, interval, first| Line {
            track,
            rate,
            ppm: 0.0,
            first,
            path: 0.02,
            jitter: 0.0,
            report_error: None,
            interval,
            last: None,
        };
        let audio = clock.add_track(Rate::OPUS, true);
        let video = clock.add_track(Rate::VIDEO, false);
        let lines = [line(audio, Rate::OPUS, 0.02, 0xffff_f000), line(video, Rate::VIDEO, 0.04, 7)];
        Self { clock, start: Instant::now(), lines, seed: 1 }
    }

    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Sends from `from` to `to` (seconds since the start); each frame is checked to come after the one before.
    fn run(&mut self, from: f64, to: f64, loss: f64) {
        let steps = ((to - from) / 0.02) as u64;
        for step in 0..steps {
            let at = from + step as f64 * 0.02;
            for index in 0..2 {
                let every = (self.lines[index].interval / 0.02) as u64;
                if ((at / 0.02).round() as u64).is_multiple_of(every) && self.random() >= loss {
                    self.frame(index, at);
                }
                if (at / 0.02).round() as u64 % 150 == 149 {
                    self.report(index, at);
                }
            }
        }
    }

    fn frame(&mut self, index: usize, at: f64) {
        let queued = self.random().powi(2);
        let line = &mut self.lines[index];
        let arrival = self.start + Duration::from_secs_f64(at + line.path + queued * line.jitter);
        let stamp = self.clock.stamp(line.track, line.rtp(at), arrival);
        assert!(
            line.last.is_none_or(|(_, last)| last < stamp),
            "went back from {:?} to {stamp:?}",
            line.last
        );
        line.last = Some((at, stamp));
    }

    fn report(&mut self, index: usize, at: f64) {
        let line = &self.lines[index];
        let Some(error) = line.report_error else {
            return;
        };
        let ntp_nanos = ((at + error) * 1e9) as i64 + 3_900_000_000_000_000_000;
        self.clock.sender_report(line.track, SenderReport { ntp_nanos, rtp: line.rtp(at) });
    }

    /// Video against audio for the same instant of capture, in ms; positive: the picture is late.
    fn offset(&self, at: f64) -> f64 {
        (self.lines[1].position(at) - self.lines[0].position(at)) * 1e3
    }
}

#[test]
fn the_first_packet_is_the_origin_and_timestamps_advance_exactly() {
    let mut clock = StreamClock::new();
    let track = clock.add_track(Rate::OPUS, true);
    let start = Instant::now();
    for i in 0..1_000_u32 {
        let stamp = clock.stamp(track, (i * 960).wrapping_sub(50_000), start + Duration::from_millis(20) * i);
        assert_eq!(stamp.ticks(), i64::from(i) * 960, "RTP timestamps wrap at packet 53");
    }
}

#[test]
fn drift_of_100_ppm_each_way_stays_below_20_ms_in_ten_hours_with_reports() {
    let mut sender = Sender::new();
    sender.lines[0].ppm = 100.0;
    sender.lines[1].ppm = -100.0;
    for line in &mut sender.lines {
        (line.jitter, line.report_error) = (0.04, Some(0.0));
    }
    for minute in 0..600 {
        sender.run(f64::from(minute) * 60.0, f64::from(minute + 1) * 60.0, 0.01);
        let offset = sender.offset(f64::from(minute + 1) * 60.0);
        assert!(offset.abs() < 20.0, "{offset} ms after {minute} min");
    }
    let wall = sender.lines[0].position(10.0 * HOUR) - 10.0 * HOUR;
    assert!(wall.abs() < 0.1, "the timeline is {wall} s off the local clock");
}

#[test]
fn rule_12_drift_of_100_ppm_each_way_stays_below_20_ms_in_ten_hours_without_reports() {
    let mut sender = Sender::new();
    sender.lines[0].ppm = -100.0;
    sender.lines[1].ppm = 100.0;
    sender.lines.iter_mut().for_each(|line| line.jitter = 0.03);
    for minute in 0..600 {
        sender.run(f64::from(minute) * 60.0, f64::from(minute + 1) * 60.0, 0.01);
        let offset = sender.offset(f64::from(minute + 1) * 60.0);
        assert!(offset.abs() < 20.0, "{offset} ms after {minute} min");
    }
}

#[test]
fn rule_12_late_reports_are_slewed_in_not_stepped() {
    let mut sender = Sender::new();
    sender.lines[1].path = 0.12; // the picture takes 100 ms longer through encoder and pacer
    sender.run(0.0, 5.0, 0.0);
    assert!((sender.offset(5.0) - 100.0).abs() < 1.0, "by arrival");
    sender.lines.iter_mut().for_each(|line| line.report_error = Some(0.0));
    let mut last = sender.offset(5.0);
    for second in 5..65 {
        sender.run(f64::from(second), f64::from(second + 1), 0.0);
        let offset = sender.offset(f64::from(second + 1));
        assert!((last - offset).abs() < 5.5, "stepped from {last} to {offset} ms");
        last = offset;
    }
    assert!(last.abs() < 1.0, "{last} ms a minute after the reports began");
}

#[test]
fn rule_12_insane_reports_change_nothing() {
    for error in [[0.0, 7_200.0], [-3_900_000_000.0, 0.0], [1.5, -1.5], [0.0, 2.0]] {
        let mut sender = Sender::new();
        for (line, error) in sender.lines.iter_mut().zip(error) {
            line.report_error = Some(error);
        }
        sender.run(0.0, 60.0, 0.0);
        assert!(sender.offset(60.0).abs() < 1.0, "{error:?}: {} ms", sender.offset(60.0));
    }
}

#[test]
fn rule_12_reports_before_the_first_packets_put_the_tracks_together_at_once() {
    for first in [0, 1] {
        let mut sender = Sender::new();
        for line in &mut sender.lines {
            line.report_error = Some(0.0);
        }
        // Pictures are sent 80 ms before the sound that belongs to them: the encoder reorders them.
        sender.lines[0].path = 0.1;
        for index in [first, 1 - first] {
            sender.report(index, 0.0);
            sender.frame(index, 0.0);
        }
        assert!(sender.offset(0.0).abs() < 0.1, "at once: {} ms", sender.offset(0.0));
        sender.run(0.02, 30.0, 0.0);
        assert!(sender.offset(30.0).abs() < 5.0, "while both move: {} ms", sender.offset(30.0));
    }
}

#[test]
fn rule_12_reports_that_the_first_packets_overtook_put_the_tracks_together_at_once() {
    for wait in [0.02, 0.5] {
        let mut sender = Sender::new();
        for line in &mut sender.lines {
            line.report_error = Some(0.0);
        }
        sender.lines[0].path = 0.1;
        sender.run(0.0, wait, 0.0);
        assert!((sender.offset(wait) + 80.0).abs() < 1.0, "by arrival: {} ms", sender.offset(wait));
        sender.report(0, wait);
        sender.report(1, wait);
        sender.run(wait, wait + 0.1, 0.0);
        let offset = sender.offset(wait + 0.1);
        assert!(offset.abs() < 5.0, "{offset} ms after the reports");
    }
}

#[test]
fn rule_7_a_source_that_begins_anew_a_little_earlier_is_placed_where_it_arrives() {
    let mut sender = Sender::new();
    sender.run(0.0, 20.0, 0.0);
    // Five seconds back: too near to be taken for another source by its timestamps.
    sender.lines[1].first = sender.lines[1].first.wrapping_sub(5 * 90_000);
    sender.clock.restart(sender.lines[1].track);
    sender.run(20.0, 25.0, 0.0);
    assert!(sender.offset(25.0).abs() < 1.0, "{} ms", sender.offset(25.0));
}

#[test]
fn one_contradicting_report_is_not_believed_three_are() {
    let mut sender = Sender::new();
    sender.lines.iter_mut().for_each(|line| line.report_error = Some(0.0));
    sender.run(0.0, 30.0, 0.0);
    let stray = sender.lines[1].rtp(30.0).wrapping_add(90_000 / 5);
    let track = sender.lines[1].track;
    let ntp_nanos = 3_900_000_030_000_000_000;
    sender.clock.sender_report(track, SenderReport { ntp_nanos, rtp: stray });
    sender.run(30.0, 32.9, 0.0);
    assert!(sender.offset(32.9).abs() < 1.0, "{}", sender.offset(32.9));
    sender.lines[1].report_error = Some(0.15);
    sender.run(33.0, 120.0, 0.0);
    assert!((sender.offset(120.0) - 150.0).abs() < 2.0, "{}", sender.offset(120.0));
}

#[test]
fn rule_7_a_restarted_source_continues_on_the_timeline_in_sync() {
    let mut sender = Sender::new();
    sender.lines.iter_mut().for_each(|line| line.report_error = Some(0.0));
    sender.run(0.0, 20.0, 0.0);
    sender.lines[1].first = 0x8765_4321; // SSRC change: a new random start
    sender.run(20.0, 40.0, 0.0);
    assert!(sender.offset(40.0).abs() < 1.0, "{}", sender.offset(40.0));
    assert!((sender.lines[0].position(40.0) - 40.0).abs() < 0.1);
}

#[test]
fn a_stall_of_the_network_does_not_move_the_timeline() {
    let mut sender = Sender::new();
    sender.run(0.0, 20.0, 0.0);
    let before = sender.lines[0].position(20.0);
    // Three seconds in one burst.
    for step in 0..150 {
        let at = 20.0 + f64::from(step) * 0.02;
        for line in &mut sender.lines {
            line.path = 23.0 - at;
        }
        sender.frame(0, at);
        sender.frame(1, at);
    }
    sender.lines.iter_mut().for_each(|line| line.path = 0.02);
    sender.run(23.0, 40.0, 0.0);
    assert!((sender.lines[0].position(40.0) - before - 20.0).abs() < 0.002);
    assert!(sender.offset(40.0).abs() < 1.0, "{}", sender.offset(40.0));
}

#[test]
fn a_first_packet_that_came_late_is_put_right_for_both_tracks_at_once() {
    let mut sender = Sender::new();
    sender.lines[1].path = 0.9; // the first picture waited behind its own fragments
    sender.run(0.0, 0.04, 0.0);
    sender.lines[1].path = 0.02;
    sender.run(1.0, 10.0, 0.0);
    assert!(sender.offset(10.0).abs() < 2.0, "{}", sender.offset(10.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_sane_sender_stays_in_sync(
        seed in 1_u64..1_000_000,
        starts in any::<[u32; 2]>(),
        ppm in [-100.0..100.0, -100.0..100.0],
        jitter in 0.0..0.06,
        loss in 0.0..0.3,
        reports in any::<bool>(),
    ) {
        let mut sender = Sender::new();
        sender.seed = seed;
        for (i, line) in sender.lines.iter_mut().enumerate() {
            (line.first, line.ppm, line.jitter) = (starts[i], ppm[i], jitter);
            line.report_error = reports.then_some(0.0);
        }
        sender.run(0.0, 120.0, loss);
        let offset = sender.offset(120.0);
        prop_assert!(offset.abs() < 20.0, "{} ms", offset);
    }

    #[test]
    fn anything_in_gives_a_timeline_that_neither_panics_nor_stands(
        packets in prop::collection::vec((any::<u32>(), 0_u64..100, any::<bool>(), any::<i64>()), 1..200),
    ) {
        let mut clock = StreamClock::new();
        let tracks = [clock.add_track(Rate::OPUS, true), clock.add_track(Rate::VIDEO, false)];
        let mut now = Instant::now();
        for (rtp, wait, video, ntp_nanos) in packets {
            now += Duration::from_millis(wait);
            let track = tracks[usize::from(video)];
            clock.sender_report(track, SenderReport { ntp_nanos, rtp: rtp.rotate_left(3) });
            clock.stamp(track, rtp, now);
        }
    }
}
