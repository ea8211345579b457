//! What playlists promise, under publishers that keep no time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use container::fmp4;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::{CodecConfig, Frame, Kind, Rate, Timestamp, TrackId, TrackInfo};
use proptest::prelude::*;

use crate::{Cadence, Directives, File, FileName, Missing, Muxer, Options, Rendition, Skip, Variant};

/// Of OpenH264 in Chromium, 640 x 480, at level 3.1 and at level 3.0.
const SPS: [&[u8]; 2] = [
    &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a],
    &[0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a],
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

fn video(which: usize) -> Arc<TrackInfo> {
    let sets =
        ParameterSets { sps: vec![Bytes::from_static(SPS[which])], pps: vec![Bytes::from_static(PPS)] };
    Arc::new(TrackInfo { id: TrackId(1), config: CodecConfig::H264(sets) })
}

fn audio(hz: u32) -> Arc<TrackInfo> {
    let config = AudioConfig::lc(Rate::new(hz).unwrap(), 1).unwrap();
    Arc::new(TrackInfo { id: TrackId(2), config: CodecConfig::Aac(config) })
}

/// A muxer, what it was fed, and all that its playlists have said.
struct Bench {
    muxer: Muxer,
    video: Arc<TrackInfo>,
    audio: Arc<TrackInfo>,
    seen: BTreeMap<&'static str, Vec<Listed>>,
}

/// A segment as a playlist listed it.
#[derive(Clone, PartialEq, Debug)]
struct Listed {
    number: u64,
    discontinuity: bool,
    map: String,
    /// Milliseconds of the day.
    date: u64,
    /// Microseconds and whether independent.
    parts: Vec<(u64, bool)>,
    /// Microseconds; 0 while it grows.
    duration: u64,
}

fn micros(text: &str) -> u64 {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    seconds.parse::<u64>().unwrap() * 1_000_000 + format!("{fraction:0<6}").parse::<u64>().unwrap()
}

fn attribute<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = line.split_once(&format!("{name}="))?;
    Some(rest.split(',').next().unwrap().trim_matches('"'))
}

fn tag<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Of the time of day in a date.
fn milliseconds(date: &str) -> u64 {
    let time: Vec<_> = date[11..].trim_end_matches('Z').split(':').collect();
    let minutes = time[0].parse::<u64>().unwrap() * 60 + time[1].parse::<u64>().unwrap();
    minutes * 60_000 + micros(time[2]) / 1_000
}

fn parse(text: &str) -> Vec<Listed> {
    let mut number = tag(text, "#EXT-X-MEDIA-SEQUENCE").unwrap().parse().unwrap();
    if let Some(skip) = tag(text, "#EXT-X-SKIP") {
        number += attribute(skip, "SKIPPED-SEGMENTS").unwrap().parse::<u64>().unwrap();
    }
    let (mut listed, mut map) = (Vec::new(), String::new());
    let fresh = |number, map: &str| Listed {
        number,
        discontinuity: false,
        map: map.to_owned(),
        date: 0,
        parts: vec![],
        duration: 0,
    };
    let mut growing = fresh(number, &map);
    for line in text.lines() {
        if line == "#EXT-X-DISCONTINUITY" {
            growing.discontinuity = true;
        } else if let Some(rest) = line.strip_prefix("#EXT-X-MAP:") {
            map = attribute(rest, "URI").unwrap().to_owned();
            growing.map.clone_from(&map);
        } else if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            growing.date = milliseconds(date);
        } else if let Some(rest) = line.strip_prefix("#EXT-X-PART:") {
            let duration = micros(attribute(rest, "DURATION").unwrap());
            growing.parts.push((duration, attribute(rest, "INDEPENDENT") == Some("YES")));
        } else if let Some(rest) = line.strip_prefix("#EXTINF:") {
            growing.duration = micros(rest.trim_end_matches(','));
            number += 1;
            listed.push(std::mem::replace(&mut growing, fresh(number, &map)));
        }
    }
    if !growing.parts.is_empty() {
        listed.push(growing);
    }
    listed
}

impl Bench {
    fn new(options: Options, cadence: Cadence) -> Self {
        Self::with(options, cadence, true, true)
    }

    fn with(options: Options, cadence: Cadence, has_video: bool, has_audio: bool) -> Self {
        let (video, audio) = (video(0), audio(48_000));
        let mut tracks = Vec::new();
        tracks.extend(has_video.then(|| Arc::clone(&video)));
        tracks.extend(has_audio.then(|| Arc::clone(&audio)));
        let muxer = Muxer::new("t".to_owned(), options, cadence, &tracks).unwrap();
        Self { muxer, video, audio, seen: BTreeMap::new() }
    }

    fn push(&mut self, track: &Arc<TrackInfo>, at: Timestamp, random_access: bool) -> crate::Pushed {
        let payload = Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]);
        let frame = Frame { track: track.id, pts: at, dts: at, random_access, payload };
        let arrived = wallclock(at);
        let pushed = self.muxer.push(&frame, track, arrived).unwrap();
        if pushed.news {
            self.look();
        }
        pushed
    }

    fn picture(&mut self, millis: i64, random_access: bool) -> crate::Pushed {
        let track = Arc::clone(&self.video);
        self.push(&track, Timestamp::from_millis(millis).to_rate(Rate::VIDEO), random_access)
    }

    fn sound(&mut self, at: Timestamp) -> crate::Pushed {
        let track = Arc::clone(&self.audio);
        self.push(&track, at.to_rate(track.rate()), true)
    }

    /// Pictures at `stamps`, a random access point where the GOP is over, and regular sound between them.
    fn feed(&mut self, stamps: impl IntoIterator<Item = i64>, gop: i64, audio_from: i64) {
        let (mut key, mut samples) = (None, audio_from * 48);
        for millis in stamps {
            while samples < millis * 48 {
                let _ = self.sound(Timestamp::new(samples, Rate::OPUS));
                samples += 1_024;
            }
            let random_access = key.is_none_or(|key| millis - key >= gop);
            if random_access {
                key = Some(millis);
            }
            let _ = self.picture(millis, random_access);
        }
    }

    /// Reads the playlists and holds them to what they said before.
    fn look(&mut self) {
        for rendition in [Rendition::Video, Rendition::Audio, Rendition::Main] {
            let Ok(text) = self.muxer.playlist(rendition, &Directives::default(), "") else { continue };
            let listed = parse(&text);
            self.check_stated(rendition, &text);
            let target = micros(tag(&text, "#EXT-X-TARGETDURATION").unwrap());
            check_segments(
                &listed,
                target,
                tag(&text, "#EXT-X-PART-INF").map(|inf| micros(attribute(inf, "PART-TARGET").unwrap())),
            );
            let seen = self.seen.entry(rendition.name()).or_default();
            let known = listed.iter().map(|it| it.number).min().unwrap_or(0);
            for segment in &listed {
                match seen.iter_mut().find(|old| old.number == segment.number) {
                    Some(old) => {
                        assert!(old.duration == 0 || old.duration == segment.duration, "{old:?} {segment:?}");
                        assert!(
                            segment.parts.is_empty() || segment.parts.starts_with(&old.parts),
                            "{old:?} {segment:?}"
                        );
                        if !segment.parts.is_empty() {
                            *old = segment.clone();
                        }
                    }
                    None => seen.push(segment.clone()),
                }
            }
            assert!(
                seen.iter().all(|old| old.number < known || listed.iter().any(|it| it.number == old.number))
            );
            let gone = seen.iter().filter(|old| old.number < known && old.discontinuity).count();
            let sequence = tag(&text, "#EXT-X-DISCONTINUITY-SEQUENCE").map_or(0, |it| it.parse().unwrap());
            assert_eq!(gone, sequence, "{text}");
        }
    }

    fn check_stated(&self, rendition: Rendition, text: &str) {
        let target = self.muxer.target_duration().as_secs().to_string();
        assert_eq!(tag(text, "#EXT-X-TARGETDURATION"), Some(&*target));
        let Some(inf) = tag(text, "#EXT-X-PART-INF") else { return };
        let part = micros(attribute(inf, "PART-TARGET").unwrap());
        assert_eq!(u128::from(part), (self.muxer.part_target(rendition).as_nanos() + 500) / 1_000);
        let control = tag(text, "#EXT-X-SERVER-CONTROL").unwrap();
        assert!(micros(attribute(control, "PART-HOLD-BACK").unwrap()) >= 2 * part, "{text}");
        let skip_until = micros(attribute(control, "CAN-SKIP-UNTIL").unwrap());
        assert!(skip_until >= 6_000_000 * self.muxer.target_duration().as_secs(), "{text}");
    }

    fn text(&self, rendition: Rendition) -> String {
        self.muxer.playlist(rendition, &Directives::default(), "").unwrap()
    }

    /// Decode time, presentation time and duration of every sample of a rendition that is still there, in ticks.
    fn samples(&self, rendition: Rendition) -> Vec<(i64, i64, i64)> {
        let init = |number| self.muxer.resource(rendition, File::Init(number)).unwrap().pieces.concat();
        let reader = fmp4::Init::parse(&init(0)).unwrap();
        let mut samples = Vec::new();
        for number in 0..1_000 {
            let Ok(segment) = self.muxer.resource(rendition, File::Segment(number)) else { continue };
            for fragment in reader.fragments(&segment.pieces.concat().into()).unwrap() {
                let run = &fragment.runs[0];
                let of = |sample: &fmp4::ReadSample| {
                    (sample.frame.dts.ticks(), sample.frame.pts.ticks(), i64::from(sample.duration))
                };
                assert_eq!(run.samples[0].frame.dts.ticks(), i64::try_from(run.base_decode_time).unwrap());
                samples.extend(run.samples.iter().map(of));
            }
        }
        samples
    }
}

fn wallclock(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + at.to_duration().unwrap_or_default()
}

/// HLS2 §4.4.3.1 and §4.4.4.9.
fn check_segments(listed: &[Listed], target: u64, part_target: Option<u64>) {
    for (index, segment) in listed.iter().enumerate() {
        assert!((segment.duration + 500_000) / 1_000_000 * 1_000_000 <= target, "{segment:?}");
        let part_target = part_target.unwrap_or(u64::MAX / 100);
        for (at, (duration, _)) in segment.parts.iter().enumerate() {
            assert!(*duration <= part_target, "{segment:?}");
            let last = at + 1 == segment.parts.len() && (segment.duration > 0 || index + 1 < listed.len());
            assert!(last || *duration * 100 >= part_target * 85, "{segment:?}, target {part_target}");
        }
        if let Some(next) = listed.get(index + 1).filter(|next| !next.discontinuity) {
            let end = segment.date + segment.duration / 1_000;
            assert!(next.date.abs_diff(end) <= 2, "the date of {next:?} after {segment:?}");
        }
        let sum: u64 = segment.parts.iter().map(|(duration, _)| duration).sum();
        let rounding = segment.parts.len() as u64;
        assert!(
            segment.parts.is_empty() || segment.duration == 0 || sum.abs_diff(segment.duration) <= rounding
        );
    }
}

fn cadence(interval: u64, gop: u64) -> Cadence {
    Cadence { frame_interval: Some(Duration::from_millis(interval)), gop: Some(Duration::from_millis(gop)) }
}

/// Stamps of 30 pictures a second, rounded to milliseconds as RTMP does.
fn thirty(from: i64, to: i64) -> impl Iterator<Item = i64> {
    (from * 30 / 1_000..to * 30 / 1_000).map(|index| index * 1_000 / 30)
}

#[test]
fn regular_pictures_make_regular_parts() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 20_000), 2_000, 0);
    let listed = parse(&bench.text(Rendition::Video));
    let whole: Vec<_> = listed.iter().filter(|it| it.duration > 0).collect();
    assert_eq!(whole.len(), 7);
    assert!(whole.iter().all(|it| it.duration.abs_diff(2_000_000) <= 1_000), "{whole:#?}");
    let recent = whole.last().unwrap();
    assert_eq!(recent.parts.len(), 10);
    assert!(recent.parts[..9].iter().all(|(duration, _)| *duration == 200_000), "{recent:?}");
    let independent: Vec<_> = recent.parts.iter().map(|(_, independent)| *independent).collect();
    assert_eq!(independent, [&[true][..], &[false; 9]].concat());
}

#[test]
fn a_part_is_there_as_soon_as_its_last_picture_is() {
    let mut bench = Bench::with(Options::default(), cadence(33, 2_000), true, false);
    bench.feed(thirty(0, 6_000), 2_000, 0);
    let before = bench.muxer.playlist(Rendition::Video, &Directives::default(), "").unwrap();
    let count = |text: &str| text.matches("#EXT-X-PART:").count();
    let pushed: Vec<_> = thirty(6_000, 6_234).map(|at| bench.picture(at, at == 6_000).news).collect();
    // The random access point ends a segment; the sixth picture ends a part, without a seventh.
    assert_eq!(pushed, [true, false, false, false, false, true, false]);
    assert_eq!(count(&bench.text(Rendition::Video)), count(&before) + 1);
}

#[test]
fn sound_and_picture_begin_their_segments_together() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 20_000), 2_000, 0);
    let dates = |rendition| {
        let text = bench.text(rendition);
        let dates = text.lines().filter_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:"));
        dates.map(|date| micros(date[17..].trim_end_matches('Z'))).collect::<Vec<_>>()
    };
    let pairs: Vec<_> = dates(Rendition::Video).into_iter().zip(dates(Rendition::Audio)).collect();
    assert!(pairs.iter().all(|(video, audio)| video.abs_diff(*audio) < 25_000), "{pairs:?}");
    let sequence = |rendition| tag(&bench.text(rendition), "#EXT-X-MEDIA-SEQUENCE").unwrap().to_owned();
    assert_eq!(sequence(Rendition::Video), sequence(Rendition::Audio));
}

#[test]
fn pictures_keep_their_times_and_decode_times_have_no_holes() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 8_000), 2_000, 0);
    bench.muxer.end().unwrap();
    let samples = bench.samples(Rendition::Video);
    assert_eq!(samples.len(), 240);
    for (index, (dts, pts, duration)) in samples.iter().enumerate() {
        let at = i64::try_from(index).unwrap() * 1_000 / 30 * 90;
        assert!((pts - at).abs() <= 90, "picture {index} at {pts} and not {at}");
        assert!(pts >= dts);
        if let Some((next, ..)) = samples.get(index + 1) {
            assert_eq!(dts + duration, *next);
        }
    }
}

#[test]
fn sound_is_contiguous_though_its_stamps_are_rounded() {
    let mut bench = Bench::with(Options::default(), Cadence::default(), false, true);
    for index in 0..1_000 {
        let _ = bench.sound(Timestamp::from_millis(index * 1_024 * 1_000 / 48_000));
    }
    bench.muxer.end().unwrap();
    let samples = bench.samples(Rendition::Audio);
    assert!(samples.iter().all(|(dts, pts, duration)| dts == pts && *duration == 1_024));
    assert!(samples.windows(2).all(|pair| pair[0].0 + 1_024 == pair[1].0));
    assert!(samples.len() > 300, "{}", samples.len());
}

#[test]
fn a_gop_without_end_is_cut_before_the_target_duration_is_exceeded() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 30_000), i64::MAX, 0);
    let listed = parse(&bench.text(Rendition::Video));
    let whole: Vec<_> = listed.iter().filter(|it| it.duration > 0).map(|it| it.duration).collect();
    assert!(whole.iter().all(|duration| (2_000_000..=2_400_000).contains(duration)), "{whole:?}");
}

#[test]
fn a_random_access_point_makes_segments_independent_again() {
    let mut bench = Bench::with(Options::default(), cadence(33, 2_000), true, false);
    bench.feed(thirty(0, 10_000), 3_700, 0);
    let segments = &bench.seen["video"];
    let independent = segments.iter().filter(|it| it.parts.first().is_some_and(|(_, first)| *first)).count();
    assert!(independent >= 3, "{segments:#?}");
}

#[test]
fn the_first_playlist_does_not_wait_for_the_end_of_a_long_gop() {
    for variant in [Variant::LowLatency, Variant::MpegTs] {
        let mut bench = Bench::new(Options { variant, ..Options::default() }, cadence(33, 8_000));
        bench.feed(thirty(0, 1_300), 8_000, 0);
        assert!(!bench.muxer.is_ready(), "what was stored makes one segment");
        bench.muxer.go_live();
        bench.feed(thirty(1_300, 3_500), i64::MAX, 1_300);
        assert!(bench.muxer.is_ready(), "{variant:?}");
    }
}

#[test]
fn the_first_segment_asks_for_a_random_access_point_and_ends_at_it() {
    let mut bench = Bench::new(Options::default(), cadence(33, 20_000));
    bench.feed(thirty(0, 1_300), 20_000, 0);
    assert!(!bench.picture(1_300, false).keyframe_wanted, "what was stored asks for nothing");
    bench.muxer.go_live();
    assert!(bench.picture(1_333, false).keyframe_wanted);
    bench.feed(thirty(1_367, 2_000), i64::MAX, 1_300);
    let listed = &bench.seen["video"];
    assert!(bench.muxer.is_ready() && listed.len() == 2, "{listed:?}");
    assert!(
        listed.iter().all(|it| it.parts.first().is_some_and(|(_, independent)| *independent)),
        "{listed:?}"
    );
    assert!(!bench.picture(2_000, false).keyframe_wanted);
}

#[test]
fn sound_that_begins_after_the_pictures_does_not_keep_anybody_waiting() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    for at in thirty(0, 2_100) {
        let _ = bench.picture(at, at % 2_000 == 0);
    }
    assert!(!bench.muxer.is_ready());
    bench.muxer.go_live();
    bench.feed(thirty(2_100, 2_400), i64::MAX, 2_100);
    assert!(bench.muxer.is_ready());
    bench.feed(thirty(2_400, 8_000), 2_000, 2_400);
    let numbers = |rendition| parse(&bench.text(rendition)).last().unwrap().number;
    assert!(numbers(Rendition::Video).abs_diff(numbers(Rendition::Audio)) <= 1);
}

#[test]
fn other_parameters_begin_with_a_discontinuity_and_their_init_section_in_both() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 4_000), 2_000, 0);
    bench.video = video(1);
    bench.feed(thirty(4_000, 8_000), 2_000, 4_000);
    for rendition in [Rendition::Video, Rendition::Audio] {
        let listed = parse(&bench.text(rendition));
        let jumps: Vec<_> = listed.iter().filter(|it| it.discontinuity).collect();
        assert_eq!(jumps.len(), 1, "{rendition:?} {listed:#?}");
        let map = if rendition == Rendition::Video { "t_video_init1.mp4" } else { "t_audio_init0.mp4" };
        assert_eq!(jumps[0].map, map);
    }
    bench.audio = audio(44_100);
    bench.feed(thirty(8_000, 12_000), 2_000, 8_000);
    assert_eq!(parse(&bench.text(Rendition::Audio)).last().unwrap().map, "t_audio_init1.mp4");
    let jumps = |rendition| parse(&bench.text(rendition)).iter().filter(|it| it.discontinuity).count();
    assert_eq!((jumps(Rendition::Video), jumps(Rendition::Audio)), (2, 2));
}

#[test]
fn a_publisher_that_was_away_goes_on_with_a_discontinuity_in_both() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 4_000), 2_000, 0);
    bench.feed(thirty(10_000, 16_000), 2_000, 10_000);
    for rendition in [Rendition::Video, Rendition::Audio] {
        let listed = parse(&bench.text(rendition));
        assert_eq!(listed.iter().filter(|it| it.discontinuity).count(), 1, "{rendition:?} {listed:#?}");
    }
}

#[test]
fn times_without_pictures_are_filled_with_later_ones() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    // The network swallows 900 ms of a GOP; the next picture is a random access point.
    bench.feed(thirty(0, 5_000), 2_000, 0);
    bench.feed(thirty(5_900, 9_000), 2_000, 5_000);
    bench.muxer.end().unwrap();
    bench.look();
    let samples = bench.samples(Rendition::Video);
    assert!(samples.windows(2).all(|pair| pair[0].0 + pair[0].2 == pair[1].0), "no hole in decode times");
    let shown: Vec<_> = samples.iter().map(|(_, pts, _)| pts / 90).collect();
    let published: Vec<_> = thirty(0, 5_000).chain(thirty(5_900, 9_000)).collect();
    assert!(shown.iter().zip(&published).all(|(shown, published)| (shown - published).abs() <= 1));
    assert_eq!(shown.len(), published.len());
    for segments in bench.seen.values() {
        assert!(!segments.iter().any(|it| it.discontinuity), "{segments:#?}");
    }
}

#[test]
fn times_without_sound_are_filled_with_silence() {
    let mut bench = Bench::with(Options::default(), Cadence::default(), false, true);
    for index in (0..100).chain(130..300) {
        let _ = bench.sound(Timestamp::new(index * 1_024, Rate::OPUS));
    }
    bench.muxer.end().unwrap();
    let samples = bench.samples(Rendition::Audio);
    assert_eq!(samples.len(), 300);
    assert!(samples.windows(2).all(|pair| pair[0].0 + 1_024 == pair[1].0));
    bench = Bench::with(Options::default(), Cadence::default(), false, true);
    for index in (0..100).chain(300..400) {
        let _ = bench.sound(Timestamp::new(index * 1_024, Rate::OPUS));
    }
    assert!(bench.seen["audio"].iter().any(|it| it.discontinuity), "four seconds are too many to fill");
}

#[test]
fn a_track_that_has_gone_makes_the_muxer_outdated() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 4_000), 2_000, 0);
    let outdated: Vec<_> = thirty(4_000, 10_000)
        .filter(|&at| bench.picture(at, at % 2_000 == 0).outdated == Some(Kind::Audio))
        .collect();
    assert!(outdated[0] >= 8_900 && outdated[0] <= 9_100, "{outdated:?}");
}

#[test]
fn a_kind_of_track_that_came_late_makes_the_muxer_outdated() {
    let mut bench = Bench::with(Options::default(), cadence(33, 2_000), true, false);
    assert_eq!(bench.picture(0, true).outdated, None);
    assert_eq!(bench.sound(Timestamp::from_millis(1)).outdated, Some(Kind::Audio));
}

#[test]
fn slow_pictures_get_parts_of_their_own_and_long_ones() {
    let mut bench = Bench::with(Options::default(), cadence(500, 2_000), true, false);
    assert_eq!(bench.muxer.part_target(Rendition::Video), Duration::from_millis(550));
    bench.feed((0..40).map(|index| index * 500), 2_000, 0);
    assert!(parse(&bench.text(Rendition::Video)).len() >= 7);
}

#[test]
fn the_end_is_told_and_nothing_is_waited_for() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 5_100), 2_000, 0);
    bench.muxer.end().unwrap();
    bench.look();
    let text = bench.text(Rendition::Video);
    assert!(text.ends_with("#EXT-X-ENDLIST\n") && !text.contains("PRELOAD-HINT"), "{text}");
    let total: u64 = bench.seen["video"].iter().map(|it| it.duration).sum();
    assert!(total.abs_diff(5_100_000) < 40_000, "{total}");
    let directives = Directives { segment: Some(99), part: None, skip: Skip::No };
    assert!(bench.muxer.playlist(Rendition::Video, &directives, "").is_ok());
}

#[test]
fn a_delta_update_leaves_out_what_is_beyond_the_skip_boundary() {
    let options = Options { segments: 20, ..Options::default() };
    let mut bench = Bench::new(options, cadence(33, 2_000));
    bench.feed(thirty(0, 60_000), 2_000, 0);
    let whole = parse(&bench.text(Rendition::Video));
    let directives = Directives { skip: Skip::Yes, ..Directives::default() };
    let text = bench.muxer.playlist(Rendition::Video, &directives, "").unwrap();
    let delta = parse(&text);
    assert!(text.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS="), "{text}");
    assert_eq!(delta[..], whole[whole.len() - delta.len()..]);
    let kept: u64 = delta.iter().map(|it| it.duration.max(it.parts.iter().map(|part| part.0).sum())).sum();
    assert!((12_000_000..=14_000_000).contains(&kept), "{kept}");
}

#[test]
fn playlists_carry_the_query_in_every_uri_and_the_reports_of_the_other() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 6_000), 2_000, 0);
    let text = bench.muxer.playlist(Rendition::Video, &Directives::default(), "session=abc").unwrap();
    let uris = text.matches(".mp4").count() + text.matches(".m3u8").count();
    assert_eq!(text.matches("?session=abc").count(), uris, "{text}");
    let report = tag(&text, "#EXT-X-RENDITION-REPORT").unwrap();
    assert_eq!(attribute(report, "URI"), Some("t_audio.m3u8?session=abc"));
    assert!(attribute(report, "LAST-MSN").is_some() && attribute(report, "LAST-PART").is_some());
}

#[test]
fn every_listed_uri_can_be_fetched_and_the_hint_is_waited_for() {
    let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
    bench.feed(thirty(0, 30_000), 2_000, 0);
    for rendition in [Rendition::Video, Rendition::Audio] {
        let text = bench.text(rendition);
        for line in text.lines() {
            let uri = if line.starts_with('#') { attribute(line, "URI") } else { Some(line) };
            let Some(name) = uri.and_then(FileName::parse) else { continue };
            if name.file == File::Playlist {
                continue;
            }
            let found = bench.muxer.resource(name.rendition, name.file).map(|found| found.len());
            let expected = if line.contains("PRELOAD-HINT") {
                found == Err(Missing::NotYet)
            } else {
                found.unwrap() > 0
            };
            assert!(expected, "{line}");
        }
    }
}

#[test]
fn the_multivariant_playlist_tells_the_truth() {
    let mut bench = Bench::new(Options::default(), cadence(40, 2_000));
    assert_eq!(bench.muxer.multivariant(""), Err(Missing::NotYet));
    bench.feed(thirty(0, 6_000), 2_000, 0);
    let text = bench.muxer.multivariant("session=x").unwrap();
    assert!(text.contains("CODECS=\"avc1.42c01f,mp4a.40.2\""), "{text}");
    assert!(text.contains("FRAME-RATE=25.000,AUDIO=\"audio\"\nt_video.m3u8?session=x\n"), "{text}");
    assert!(text.contains("CHANNELS=\"1\",URI=\"t_audio.m3u8?session=x\"\n"), "{text}");
    let mut bench = Bench::with(Options::default(), Cadence::default(), false, true);
    for index in 0..200 {
        let _ = bench.sound(Timestamp::new(index * 1_024, Rate::OPUS));
    }
    let text = bench.muxer.multivariant("").unwrap();
    assert!(text.contains("CODECS=\"mp4a.40.2\"\nt_audio.m3u8\n") && !text.contains("EXT-X-MEDIA"), "{text}");
}

#[test]
fn whole_segments_have_neither_parts_nor_hints() {
    let options = Options { variant: Variant::Fmp4, ..Options::default() };
    let mut bench = Bench::new(options, cadence(33, 2_000));
    bench.feed(thirty(0, 20_000), 2_000, 0);
    let text = bench.text(Rendition::Video);
    assert!(!text.contains("PART") && !text.contains("SKIP") && text.contains("#EXT-X-VERSION:7"), "{text}");
    assert_eq!(parse(&text).len(), 7);
    assert_eq!(bench.muxer.resource(Rendition::Video, File::Part(7, 0)).unwrap_err(), Missing::Gone);
}

#[test]
fn a_transport_stream_has_segments_of_both() {
    let options = Options { variant: Variant::MpegTs, ..Options::default() };
    let mut bench = Bench::new(options, cadence(33, 2_000));
    bench.feed(thirty(0, 20_000), 2_000, 0);
    let text = bench.text(Rendition::Main);
    assert!(text.contains("#EXT-X-VERSION:3") && !text.contains("MAP"), "{text}");
    let listed = parse(&text);
    assert!(listed.len() == 7 && listed.iter().all(|it| it.duration == 2_000_000), "{text}");
    assert_eq!(bench.muxer.resource(Rendition::Video, File::Segment(7)).unwrap_err(), Missing::Gone);
}

#[test]
fn a_segment_ends_when_it_has_its_bytes() {
    let options = Options { segment_max_bytes: 20, ..Options::default() };
    let mut bench = Bench::with(options, cadence(33, 2_000), true, false);
    bench.feed(thirty(0, 10_000), 2_000, 0);
    assert!(bench.seen["video"].iter().all(|it| it.parts.len() <= 2), "{:#?}", bench.seen);
}

/// Stamps whose distances are as `distances` say.
fn stamps(distances: &[i64]) -> Vec<i64> {
    distances.iter().scan(0, |at, distance| Some(std::mem::replace(at, *at + distance))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// `Bench::look` holds every playlist to the draft's rules and to what was said before.
    #[test]
    fn no_jitter_of_pictures_breaks_a_promise(
        distances in prop::collection::vec(1_i64..120, 200..500),
        part in 60_u64..400,
        gop in 500_i64..5_000,
    ) {
        let options = Options { part: Duration::from_millis(part), ..Options::default() };
        let mut bench = Bench::new(options, cadence(60, u64::try_from(gop).unwrap()));
        bench.feed(stamps(&distances), gop, 0);
        bench.muxer.end().unwrap();
        bench.look();
        let samples = bench.samples(Rendition::Video);
        prop_assert!(samples.windows(2).all(|pair| pair[0].0 < pair[1].0), "decode times increase");
        prop_assert!(samples.windows(2).all(|pair| pair[0].1 < pair[1].1), "and so do times of presentation");
    }

    #[test]
    fn no_stall_and_no_burst_breaks_a_promise(
        distances in prop::collection::vec(prop_oneof![8 => 30_i64..36, 1 => 1_i64..5, 1 => 200_i64..4_000], 200..400),
        keys in prop::collection::vec(any::<bool>(), 400),
    ) {
        let mut bench = Bench::with(Options::default(), cadence(33, 2_000), true, false);
        for (at, key) in stamps(&distances).into_iter().zip(keys) {
            let _ = bench.picture(at, key || at == 0);
        }
    }

    #[test]
    fn no_jitter_of_sound_breaks_a_promise(
        jitter in prop::collection::vec(-60_i64..60, 300),
        drift in 900_i64..1_100,
    ) {
        let mut bench = Bench::with(Options::default(), Cadence::default(), false, true);
        for (index, jitter) in (0..).zip(jitter) {
            let _ = bench.sound(Timestamp::from_millis((index * 1_024 / 48 * drift / 1_000 + jitter).max(0)));
        }
        bench.muxer.end().unwrap();
        bench.look();
        let samples = bench.samples(Rendition::Audio);
        prop_assert!(samples.windows(2).all(|pair| pair[0].0 + pair[0].2 <= pair[1].0));
    }

    #[test]
    fn a_change_of_the_frame_rate_breaks_no_promise(rates in prop::collection::vec(4_i64..70, 2..8)) {
        let mut bench = Bench::new(Options::default(), cadence(33, 2_000));
        let distances: Vec<_> = rates.iter().flat_map(|rate| vec![1_000 / rate; usize::try_from(rate * 2).unwrap()]).collect();
        bench.feed(stamps(&distances), 2_000, 0);
    }
}
