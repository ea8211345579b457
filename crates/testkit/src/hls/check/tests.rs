//! Every rule with an example that breaks it.

use container::fmp4::{Run, Sample, fragment, init_segment};
use media::aac::AudioConfig;
use media::{CodecConfig, Frame, Rate, TrackId, TrackInfo};

use super::*;

/// A playlist of two-second segments with parts of 200 ms that keeps every rule: `first` is the media sequence, then
/// come `complete` segments and `parts` parts of the one under way.
fn playlist(first: u64, complete: u64, parts: usize) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.5,CAN-SKIP-UNTIL=12\n\
         #EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for number in first..=first + complete {
        let open = number == first + complete;
        text +=
            &format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:{:02}:{:02}Z\n", number / 30, number % 30 * 2);
        let listed = if open { parts } else { 10 };
        for part in 0..listed {
            let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
            // Three target durations from the end: three segments, and the one that reaches into them.
            if number + 4 >= first + complete {
                text += &format!("#EXT-X-PART:DURATION=0.2,URI=\"{number}.{part}.mp4\"{independent}\n");
            }
        }
        if !open {
            text += &format!("#EXTINF:2.0,\n{number}.mp4\n");
        }
    }
    let next = first + complete;
    text += &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{next}.{parts}.mp4\"\n");
    text + &format!("#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN={next},LAST-PART=0\n")
}

fn rules(violations: &[Violation]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = violations.iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// The rules that a playlist breaks in which `from` is replaced by `to`.
fn single(from: &str, to: &str) -> Vec<Rule> {
    let text = playlist(7, 4, 3);
    let changed = text.replace(from, to);
    assert_ne!(text, changed, "{from} must be in it");
    rules(&Checker::new().playlist(&changed))
}

/// The rules that `after` breaks behind `before`.
fn update(before: &str, after: &str) -> Vec<Rule> {
    let mut checker = Checker::new();
    assert_eq!(checker.playlist(before), []);
    rules(&checker.playlist(after))
}

#[test]
fn a_stream_that_keeps_the_rules() {
    let mut checker = Checker::new();
    for second in 0..40_u64 {
        for part in 0..10 {
            let first = second.saturating_sub(6);
            let text = playlist(first, second - first, part);
            assert_eq!(checker.playlist(&text), [], "{text}");
            assert_eq!(checker.playlist(&text), [], "the same again");
        }
    }
}

#[test]
fn syntax() {
    assert_eq!(single("#EXTM3U\n", ""), [Rule::Syntax]);
    assert_eq!(single("DURATION=0.2,", ""), [Rule::Syntax]);
    assert_eq!(single("PART-TARGET=0.2", "PART-TARGET=fast"), [Rule::Syntax]);
}

#[test]
fn version() {
    assert_eq!(single("#EXT-X-VERSION:9\n", "#EXT-X-VERSION:5\n"), [Rule::Version]);
    assert_eq!(single("#EXT-X-VERSION:9\n", ""), [Rule::Version]);
    let text = playlist(0, 9, 3).replace("#EXT-X-VERSION:9", "#EXT-X-VERSION:8");
    assert_eq!(update(&text, &skipping(&text, 3)), [Rule::Version]);
}

#[test]
fn target_durations() {
    assert_eq!(single("#EXT-X-TARGETDURATION:2\n", ""), [Rule::TargetDuration]);
    assert_eq!(
        single("#EXTINF:2.0,\n7.mp4", "#EXTINF:2.5,\n7.mp4"),
        [Rule::TargetDuration, Rule::PartsOfSegment, Rule::DateTime]
    );
    let (before, after) = (playlist(7, 4, 3), playlist(7, 4, 4));
    let changed = after.replace("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:1");
    assert!(update(&before, &changed).contains(&Rule::TargetDurationChanged));
}

#[test]
fn part_targets() {
    assert_eq!(single("#EXT-X-PART-INF:PART-TARGET=0.2\n", ""), [Rule::PartTarget]);
    assert_eq!(single("0.2,URI=\"11.1.mp4\"", "0.200001,URI=\"11.1.mp4\""), [Rule::PartTarget]);
    let (before, after) = (playlist(7, 4, 3), playlist(7, 4, 4));
    let changed = after.replace("PART-TARGET=0.2", "PART-TARGET=0.21");
    assert_eq!(update(&before, &changed), [Rule::PartTargetChanged]);
}

#[test]
fn short_parts() {
    assert_eq!(single("0.2,URI=\"11.1.mp4\"", "0.169,URI=\"11.1.mp4\""), [Rule::PartTooShort]);
    assert_eq!(single("0.2,URI=\"11.1.mp4\"", "0.17,URI=\"11.1.mp4\""), [], "85 %");
    assert_eq!(single("0.2,URI=\"11.0.mp4\"", "0.1,URI=\"11.0.mp4\""), [], "independent");
    assert_eq!(single("0.2,URI=\"11.2.mp4\"", "0.1,URI=\"11.2.mp4\""), [], "maybe the last");
    assert_eq!(single("0.2,URI=\"11.1.mp4\"", "0.1,URI=\"11.1.mp4\",GAP=YES"), [], "a gap");
}

#[test]
fn parts_and_their_segment() {
    assert_eq!(single("0.2,URI=\"9.9.mp4\"", "0.1,URI=\"9.9.mp4\""), [Rule::PartsOfSegment]);
    let (before, after) = (playlist(7, 4, 3), playlist(7, 4, 4));
    let parts: String =
        after.lines().filter(|line| !line.contains("URI=\"9.")).map(|line| format!("{line}\n")).collect();
    assert_eq!(update(&before, &parts), [Rule::PartsRemoved]);
}

#[test]
fn hold_backs() {
    assert_eq!(single("PART-HOLD-BACK=0.5", "PART-HOLD-BACK=0.39"), [Rule::HoldBack]);
    assert_eq!(single("PART-HOLD-BACK=0.5", "PART-HOLD-BACK=0.4"), []);
    assert_eq!(single(",PART-HOLD-BACK=0.5", ""), [Rule::HoldBack]);
    assert_eq!(single("PART-HOLD-BACK=0.5", "PART-HOLD-BACK=0.5,HOLD-BACK=5.9"), [Rule::HoldBack]);
    assert_eq!(single("CAN-SKIP-UNTIL=12", "CAN-SKIP-UNTIL=11.9"), [Rule::SkipBoundary]);
    assert_eq!(single("CAN-BLOCK-RELOAD=YES,", ""), [Rule::BlockingReload]);
}

#[test]
fn blocking_reloads_are_answered() {
    let mut checker = Checker::new();
    assert_eq!(checker.reload(&playlist(7, 4, 3), 11, Some(2)), []);
    assert_eq!(rules(&checker.reload(&playlist(7, 4, 3), 11, Some(3))), [Rule::Reload]);
    assert_eq!(rules(&checker.reload(&playlist(7, 4, 4), 11, None)), [Rule::Reload]);
    assert_eq!(
        checker.reload(&playlist(7, 5, 0), 11, Some(10)),
        [],
        "the first part of the next segment would do"
    );
}

#[test]
fn sequences() {
    let now = playlist(7, 4, 3);
    assert_eq!(update(&now, &playlist(6, 5, 3)), [Rule::Sequence]);
    assert_eq!(update(&now, &playlist(7, 4, 2)), [Rule::Sequence, Rule::Stable]);
    assert_eq!(update(&now, &playlist(7, 3, 9)), [Rule::Sequence, Rule::Stable]);
}

#[test]
fn what_is_listed_stays_as_it_is() {
    let (before, after) = (playlist(7, 4, 3), playlist(7, 4, 4));
    let changed = |from: &str, to: &str| {
        assert!(after.contains(from), "{from}");
        update(&before, &after.replace(from, to))
    };
    assert_eq!(changed("\n9.mp4", "\nx.mp4"), [Rule::Stable]);
    assert_eq!(changed("9.3.mp4", "x.mp4"), [Rule::Stable]);
    assert_eq!(changed("init.mp4", "init2.mp4"), [Rule::Stable]);
    assert_eq!(changed("00:16Z", "00:16.001Z"), [Rule::Stable]);
    assert_eq!(changed("#EXTINF:2.0,\n9.mp4", "#EXTINF:2.0001,\n9.mp4"), [Rule::Stable]);
    assert_eq!(update(&before, &after), []);
}

#[test]
fn uris_name_one_thing() {
    assert_eq!(single("\n9.mp4", "\n8.mp4"), [Rule::Uri]);
    let later = playlist(7, 5, 0).replace("\n11.mp4", "\n7.mp4");
    assert_eq!(update(&playlist(7, 4, 9), &later), [Rule::Uri]);
}

#[test]
fn playlists_stay_long_enough() {
    assert_eq!(update(&playlist(7, 4, 3), &playlist(9, 2, 4)), [Rule::TooShort]);
    assert_eq!(update(&playlist(7, 4, 3), &playlist(8, 3, 4)), []);
}

#[test]
fn discontinuities_are_counted() {
    let with = |text: String, sequence: u64| {
        let text = text.replace(
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:14Z",
            "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:14Z",
        );
        text.replace("#EXT-X-MAP", &format!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}\n#EXT-X-MAP"))
    };
    let before = with(playlist(7, 4, 3), 5);
    assert_eq!(update(&before, &with(playlist(7, 4, 4), 5)), []);
    assert_eq!(update(&before, &with(playlist(8, 4, 0), 6)), [], "the tag has left with its segment");
    assert_eq!(update(&before, &with(playlist(8, 4, 0), 5)), [Rule::Discontinuity]);
    assert_eq!(update(&before, &playlist(7, 4, 4)), [Rule::Discontinuity]);
}

#[test]
fn dates_go_on() {
    assert_eq!(single("00:18Z", "00:18.020Z"), [Rule::DateTime]);
    assert_eq!(single("00:18Z", "00:18.010Z"), []);
    let jump = "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:01:00Z";
    assert_eq!(single("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:22Z", jump), [], "a discontinuity");
}

#[test]
fn init_sections() {
    assert_eq!(single("#EXT-X-MAP:URI=\"init.mp4\"\n", ""), [Rule::Map]);
}

#[test]
fn hints() {
    assert_eq!(single("TYPE=PART", "TYPE=SEGMENT"), [Rule::PreloadHint]);
    assert_eq!(single("TYPE=PART,URI=\"11.3.mp4\"", "TYPE=PART,URI=\"11.2.mp4\""), [Rule::PreloadHint]);
    let twice = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a\"\n#EXT-X-PRELOAD-HINT:TYPE=PART";
    assert_eq!(single("#EXT-X-PRELOAD-HINT:TYPE=PART", twice), [Rule::PreloadHint]);
    assert_eq!(single("#EXT-X-PRELOAD-HINT", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT"), [Rule::PreloadHint]);
}

#[test]
fn rendition_reports() {
    assert_eq!(single("URI=\"audio.m3u8\",", ""), [Rule::RenditionReport]);
    assert_eq!(single("audio.m3u8", "http://a/audio.m3u8"), [Rule::RenditionReport]);
    assert_eq!(single(",LAST-MSN=11", ""), [Rule::RenditionReport]);
    assert_eq!(single(",LAST-PART=0", ""), [Rule::RenditionReport]);
}

/// The delta update of a playlist that leaves out its first `count` segments.
fn skipping(text: &str, count: usize) -> String {
    let (head, body) = text.split_once("#EXT-X-PROGRAM").expect("segments");
    let head = head.replace("#EXT-X-MAP:URI=\"init.mp4\"\n", "");
    let kept: Vec<&str> = body.split("#EXT-X-PROGRAM").skip(count).collect();
    format!("{head}#EXT-X-SKIP:SKIPPED-SEGMENTS={count}\n#EXT-X-PROGRAM{}", kept.join("#EXT-X-PROGRAM"))
}

#[test]
fn delta_updates() {
    let text = playlist(0, 9, 3);
    assert_eq!(delta(&text, &skipping(&text, 3)), []);
    assert_eq!(delta(&text, &text), [], "a server need not skip");
    assert_eq!(rules(&delta(&text, &skipping(&text, 4))), [Rule::Delta], "10.6 s from the end");
    assert_eq!(rules(&delta(&text, &skipping(&playlist(0, 9, 4), 3))), [Rule::Delta], "another moment");
    assert_eq!(rules(&delta(&text, &skipping(&text, 3).replace("\n7.mp4", "\nx.mp4"))), [Rule::Delta]);
    assert_eq!(update(&text, &skipping(&playlist(0, 9, 4), 3)), []);
    assert_eq!(rules(&Checker::new().playlist(&skipping(&text, 3))), [Rule::Delta], "of nothing");
    let without = text.replace(",CAN-SKIP-UNTIL=12", "");
    assert_eq!(update(&without, &skipping(&without, 3)), [Rule::Delta]);
    assert_eq!(rules(&delta(&without, &skipping(&without, 3))), [Rule::Delta]);
}

#[test]
fn nothing_follows_the_end() {
    let ended = format!("{}#EXT-X-ENDLIST\n", playlist(7, 4, 3).split("#EXT-X-PRELOAD").next().unwrap());
    assert_eq!(update(&ended, &ended), []);
    assert!(update(&ended, &playlist(7, 4, 4)).contains(&Rule::Ended));
}

#[test]
fn independence_is_said_of_segments() {
    let declared = "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP";
    assert_eq!(single("#EXT-X-MAP", declared), []);
    let text = playlist(7, 4, 3)
        .replace("#EXT-X-MAP", declared)
        .replace("\"11.0.mp4\",INDEPENDENT=YES", "\"11.0.mp4\"");
    assert_eq!(rules(&Checker::new().playlist(&text)), [Rule::Independent]);
}

/// 200 ms of silence in frames of 20 ms, at 48 kHz, from `start` on.
fn sound(start: u64, frames: usize, random_access: bool) -> Bytes {
    let at = media::Timestamp::new(0, Rate::OPUS);
    let frame =
        Frame { track: TrackId(1), pts: at, dts: at, random_access, payload: Bytes::from_static(b"x") };
    let frames: Vec<Frame> = std::iter::repeat_n(frame, frames).collect();
    let samples: Vec<Sample<'_>> = frames.iter().map(|frame| Sample { frame, duration: 960 }).collect();
    fragment(1, &[Run { track: 1, rate: Rate::OPUS, base_decode_time: start, samples: &samples }]).unwrap()
}

/// A checker that knows the init section and the base playlist.
fn with_media() -> Checker {
    let config = CodecConfig::Aac(AudioConfig::lc(Rate::OPUS, 1).unwrap());
    let init = init_segment(&[&TrackInfo { id: TrackId(1), config }]).unwrap();
    let mut checker = Checker::new();
    assert_eq!(checker.init("init.mp4", &init), []);
    assert_eq!(checker.playlist(&playlist(7, 4, 3)), []);
    checker
}

#[test]
fn media_is_as_long_as_it_is_said() {
    let mut checker = with_media();
    assert_eq!(checker.media("10.8.mp4", &sound(0, 10, true)), []);
    assert_eq!(rules(&checker.media("10.9.mp4", &sound(9_600, 9, true))), [Rule::MediaDuration]);
    assert_eq!(rules(&checker.media("11.mp4", &sound(0, 100, true))), [Rule::Media], "never listed");
    assert_eq!(with_media().media("9.mp4", &sound(0, 100, true)), [], "a whole segment");
    assert_eq!(rules(&with_media().media("9.mp4", &sound(0, 99, true))), [Rule::MediaDuration]);
}

#[test]
fn media_follows_without_a_gap() {
    let mut checker = with_media();
    for (uri, start, expected) in [
        ("10.8.mp4", 5_000, vec![]),
        ("10.9.mp4", 5_000 + 9_600, vec![]),
        ("11.0.mp4", 5_000 + 9_600 * 2, vec![]),
        ("11.1.mp4", 5_000 + 9_600 * 3 + 1, vec![Rule::MediaTimeline]),
    ] {
        assert_eq!(rules(&checker.media(uri, &sound(start, 10, true))), expected, "{uri}");
    }
    let mut checker = with_media();
    checker.media("10.0.mp4", &sound(0, 10, true));
    assert_eq!(checker.media("10.2.mp4", &sound(0, 10, true)), [], "one was left out");
}

#[test]
fn independent_media_begins_with_a_random_access_point() {
    assert_eq!(rules(&with_media().media("11.0.mp4", &sound(0, 10, false))), [Rule::Independent]);
    assert_eq!(with_media().media("11.1.mp4", &sound(0, 10, false)), []);
}

#[test]
fn media_that_cannot_be_read() {
    let mut checker = with_media();
    assert_eq!(rules(&checker.media("11.0.mp4", &sound(0, 10, true).slice(..90))), [Rule::Media]);
    assert_eq!(rules(&checker.init("init.mp4", b"x")), [Rule::Media]);
    let mut checker = Checker::new();
    checker.playlist(&playlist(7, 4, 3));
    assert_eq!(rules(&checker.media("11.0.mp4", &sound(0, 10, true))), [Rule::Media], "no init section");
}

#[test]
fn variants() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"sound\",URI=\"a.m3u8\"\n\
                #EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x480,AUDIO=\"a\"\nv.m3u8\n";
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        rules(&multivariant(&text.replace(from, to)))
    };
    assert_eq!(multivariant(text), []);
    for from in
        ["BANDWIDTH=2000000,", "CODECS=\"avc1.42c01e,mp4a.40.2\",", "RESOLUTION=640x480,", "avc1.42c01e,"]
    {
        assert_eq!(broken(from, ""), [Rule::Variant], "{from}");
    }
    assert_eq!(broken("AUDIO=\"a\"", "AUDIO=\"b\""), [Rule::Variant]);
    assert_eq!(broken("v.m3u8\n", ""), [Rule::Syntax]);
    assert_eq!(rules(&multivariant("#EXTM3U\n")), [Rule::Variant]);
}
