#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the test's own numbers; a panic is a failure"
)]

use media::Codec;
use media::g711::{AudioConfig, Law};
use media::h264::annexb;
use proptest::prelude::*;

use super::*;
use crate::flv::ForeignCodec;

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
const OTHER_SPS: &[u8] =
    &[0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00, 0x10];
const P: &[u8] = &[0x41, 0x9a, 0x24, 0x6c];

fn sets(sps: &'static [u8]) -> ParameterSets {
    ParameterSets { sps: vec![Bytes::from_static(sps)], pps: vec![Bytes::from_static(PPS)] }
}

fn record(sps: &'static [u8]) -> Bytes {
    [&[0x17, 0, 0, 0, 0][..], &avcc::write_configuration(&sets(sps))].concat().into()
}

fn nalu(first: u8, composition: [u8; 3], nals: &[&[u8]]) -> Bytes {
    [&[first, 1][..], &composition, &avcc::write(nals.iter().copied())].concat().into()
}

fn events(demuxer: &mut Demuxer) -> Vec<Event> {
    std::iter::from_fn(|| demuxer.poll_event()).collect()
}

fn track(sps: &'static [u8]) -> Event {
    Event::Track(TrackInfo { id: VIDEO, config: CodecConfig::H264(sets(sps)) })
}

fn frame(pts_ms: i64, dts_ms: i64, random_access: bool, nals: &[&[u8]]) -> Event {
    Event::Frame(Frame {
        track: VIDEO,
        pts: Timestamp::from_millis(pts_ms),
        dts: Timestamp::from_millis(dts_ms),
        random_access,
        payload: avcc::write(nals.iter().copied()),
    })
}

#[test]
fn a_usual_video_track() {
    let mut demuxer = Demuxer::new();
    demuxer.push_video(0, &record(SPS));
    demuxer.push_video(40, &nalu(0x17, [0, 0, 80], &[IDR]));
    demuxer.push_video(80, &nalu(0x27, [0xff, 0xff, 0xec], &[P]));
    let all = events(&mut demuxer);
    assert_eq!(all, [track(SPS), frame(120, 40, true, &[IDR]), frame(60, 80, false, &[P])]);
    let Some(Event::Frame(last)) = all.last() else { panic!("a frame") };
    assert_eq!((last.dts.rate(), last.dts.ticks()), (Rate::VIDEO, 7_200));
}

#[test]
fn rule_10_a_track_is_told_only_when_its_bytes_change() {
    let mut demuxer = Demuxer::new();
    for stamp in [0, 0, 0] {
        demuxer.push_video(stamp, &record(SPS));
        demuxer.push_video(stamp, &nalu(0x17, [0; 3], &[SPS, PPS, IDR]));
    }
    let told = events(&mut demuxer).into_iter().filter(|event| matches!(event, Event::Track(_))).count();
    assert_eq!(told, 1);
    demuxer.push_video(40, &record(OTHER_SPS));
    assert_eq!(events(&mut demuxer), [track(OTHER_SPS)]);
    demuxer.push_video(80, &nalu(0x17, [0; 3], &[SPS, IDR]));
    assert_eq!(
        events(&mut demuxer),
        [track(SPS), frame(80, 80, true, &[IDR])],
        "a new set inside the stream"
    );
}

#[test]
fn parameter_sets_inside_the_stream_do_without_a_sequence_header() {
    let mut demuxer = Demuxer::new();
    demuxer.push_video(0, &nalu(0x27, [0; 3], &[SPS, P]));
    let lost = Warning::BeforeConfig(Kind::Video);
    assert_eq!(events(&mut demuxer), [Event::Warning { warning: lost, count: 1 }], "the PPS is missing");
    let body = [&[0x17, 1, 0, 0, 0][..], &annexb::write([PPS, IDR])].concat();
    demuxer.push_video(33, &body.into());
    assert_eq!(events(&mut demuxer), [track(SPS), frame(33, 33, true, &[IDR])], "even as a byte stream");
}

#[test]
fn random_access_is_what_the_nal_units_say() {
    let mut demuxer = Demuxer::new();
    demuxer.push_video(0, &record(SPS));
    demuxer.push_video(0, &nalu(0x17, [0; 3], &[P]));
    demuxer.push_video(1, &nalu(0x27, [0; 3], &[IDR, IDR]));
    assert_eq!(events(&mut demuxer)[1..], [frame(0, 0, false, &[P]), frame(1, 1, true, &[IDR, IDR])]);
}

#[test]
fn shorter_lengths_become_four_bytes() {
    let mut demuxer = Demuxer::new();
    let mut config = record(SPS).to_vec();
    config[9] = 0xfd; // 2-byte lengths
    demuxer.push_video(0, &config.into());
    demuxer.push_video(0, &[&[0x27, 1, 0, 0, 0, 0, 4][..], P].concat().into());
    assert_eq!(events(&mut demuxer)[1..], [frame(0, 0, false, &[P])]);
}

#[test]
fn rule_18_stamps_wrap_after_49_7_days_on_both_tracks_together() {
    let mut demuxer = Demuxer::new();
    demuxer.push_video(0, &record(SPS));
    demuxer.push_audio(0, &Bytes::from_static(&[0xaf, 0, 0x11, 0x90]));
    demuxer.push_video(u32::MAX - 15, &nalu(0x17, [0; 3], &[IDR]));
    demuxer.push_audio(u32::MAX - 5, &Bytes::from_static(&[0xaf, 1, 0x21]));
    demuxer.push_video(0, &record(SPS)); // OBS stamps it 0 at any time
    demuxer.push_video(17, &nalu(0x27, [0; 3], &[P]));
    demuxer.push_audio(16, &Bytes::from_static(&[0xaf, 1, 0x21]));
    let millis: Vec<i64> = events(&mut demuxer)
        .into_iter()
        .filter_map(|event| if let Event::Frame(frame) = event { Some(frame.dts.as_millis()) } else { None })
        .collect();
    let wrap = 1_i64 << 32;
    assert_eq!(millis, [wrap - 16, wrap - 6, wrap + 17, wrap + 15]);
}

#[test]
fn rule_5_audio_is_what_the_asc_says_also_when_it_changes() {
    let mut demuxer = Demuxer::new();
    demuxer.push_audio(7, &Bytes::from_static(&[0xaf, 1, 0x21]));
    let lost = Warning::BeforeConfig(Kind::Audio);
    assert_eq!(events(&mut demuxer), [Event::Warning { warning: lost, count: 1 }]);
    // 16 kHz mono under a byte that says 44.1 kHz stereo: WeChat's `audio-quality` low.
    demuxer.push_audio(10, &Bytes::from_static(&[0xaf, 0, 0x14, 0x08]));
    demuxer.push_audio(10, &Bytes::from_static(&[0xaf, 0, 0x14, 0x08]));
    demuxer.push_audio(10, &Bytes::from_static(&[0xaf, 1]));
    demuxer.push_audio(10, &Bytes::from_static(&[0xaf, 1, 0x21]));
    demuxer.push_audio(74, &Bytes::from_static(&[0xaf, 1, 0x22]));
    demuxer.push_audio(138, &Bytes::from_static(&[0xaf, 0, 0x11, 0x88]));
    let events = events(&mut demuxer);
    let [Event::Track(first), Event::Frame(frame), Event::Frame(second), Event::Track(changed)] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((first.codec(), first.rate().hz(), changed.rate().hz()), (Codec::Aac, 16_000, 48_000));
    assert_eq!((frame.dts.ticks(), second.dts.ticks()), (160, 160 + 1_024));
    assert!(frame.random_access && frame.payload[..] == [0x21]);
}

#[test]
fn opus_in_enhanced_tags() {
    let mut demuxer = Demuxer::new();
    demuxer.push_audio(0, &[&b"\x90Opus"[..], &Head { channels: 2 }.write()].concat().into());
    demuxer.push_audio(0, &Bytes::from_static(b"\x91Opus\xfcx")); // 20 ms
    demuxer.push_audio(21, &Bytes::from_static(b"\x91Opus\xfcy"));
    demuxer.push_audio(40, &Bytes::from_static(b"\x91Opus\xfb\x00")); // a count of 0
    demuxer.push_audio(40, &Bytes::from_static(&[0xaf, 1, 0x21])); // AAC without its configuration
    let events = events(&mut demuxer);
    let [
        Event::Track(track),
        Event::Frame(first),
        Event::Frame(second),
        Event::Warning { warning: opus, .. },
        Event::Warning { warning: aac, .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(track.codec(), Codec::Opus);
    assert_eq!((first.dts.ticks(), second.dts.ticks()), (0, 960));
    assert!(matches!(opus, Warning::Tag { error: FlvError::Opus(_), .. }));
    assert_eq!(*aac, Warning::BeforeConfig(Kind::Audio));
}

#[test]
fn g711_needs_no_sequence_header() {
    let mut demuxer = Demuxer::new();
    let packet = |first: u8| Bytes::from([&[first][..], &[0xd5; 164]].concat()); // 20.5 ms
    demuxer.push_audio(0, &Bytes::from_static(&[0x72]));
    for (stamp, first) in [(0, 0x72), (20, 0x72), (41, 0x72), (61, 0x82)] {
        demuxer.push_audio(stamp, &packet(first));
    }
    let events = events(&mut demuxer);
    let [
        Event::Track(track),
        Event::Frame(_),
        Event::Frame(second),
        Event::Frame(third),
        Event::Track(mu),
        _,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    let config = |track: &TrackInfo| track.config.clone();
    assert_eq!(config(track), CodecConfig::G711(AudioConfig::telephone(Law::A)));
    assert_eq!(config(mu), CodecConfig::G711(AudioConfig::telephone(Law::Mu)));
    assert_eq!((second.dts.ticks(), third.dts.ticks(), third.payload.len()), (164, 328, 164));
}

#[test]
fn broken_tags_are_dropped_and_told_ever_less_often() {
    let mut demuxer = Demuxer::new();
    demuxer.push_video(0, &record(SPS));
    for _ in 0..1_000 {
        demuxer.push_video(0, &Bytes::from_static(&[0x27, 1, 0, 0, 0, 0, 0, 0, 9, 0x41]));
    }
    demuxer.push_video(0, &Bytes::from_static(b"\x90hvc1"));
    let all = events(&mut demuxer);
    let counts: Vec<u64> = all
        .iter()
        .filter_map(|event| if let Event::Warning { count, .. } = event { Some(*count) } else { None })
        .collect();
    assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1]);
    let Some(Event::Warning { warning: Warning::Tag { error, .. }, .. }) = all.last() else {
        panic!("{all:?}")
    };
    assert!(matches!(error, FlvError::Codec(ForeignCodec::FourCc(_))));
    demuxer.push_video(40, &nalu(0x17, [0; 3], &[IDR]));
    assert_eq!(events(&mut demuxer), [frame(40, 40, true, &[IDR])], "the session goes on");
}

#[test]
fn rule_13_announced_tracks_are_pending_until_their_parameters_come() {
    let mut demuxer = Demuxer::new();
    demuxer.push_metadata(Announced { video: true, audio: true });
    assert_eq!(demuxer.pending(), Announced { video: true, audio: true });
    demuxer.push_video(0, &record(SPS));
    assert_eq!(demuxer.pending(), Announced { video: false, audio: true });
    demuxer.push_audio(3_000, &Bytes::from_static(&[0xaf, 0, 0x11, 0x90]));
    assert_eq!(demuxer.pending(), Announced::default());
}

/// What a push with hostile content may look like.
fn push() -> impl Strategy<Value = (bool, u32, Vec<u8>)> {
    let heads = prop_oneof![
        Just(record(SPS).to_vec()),
        Just(vec![0x17, 0, 0, 0, 0, 1]),
        Just(vec![0x27, 1, 0, 0, 0, 0, 0, 0]),
        Just(vec![0xaf, 0]),
        Just(vec![0xaf, 0, 0x11, 0x90]),
        Just(vec![0xaf, 1]),
        Just(vec![0x72]),
        Just(vec![0x83]),
        Just(b"\x91Opus".to_vec()),
        Just(b"\xa1avc1".to_vec()),
        Just(vec![]),
    ];
    (any::<bool>(), any::<u32>(), heads, prop::collection::vec(any::<u8>(), 0..30))
        .prop_map(|(video, stamp, head, tail)| (video, stamp, [head, tail].concat()))
}

proptest! {
    #[test]
    fn hostile_tags_give_at_most_three_events_and_only_canonical_frames(pushes in prop::collection::vec(push(), 0..40)) {
        let mut demuxer = Demuxer::new();
        for (video, stamp, body) in pushes {
            let body = Bytes::from(body);
            if video { demuxer.push_video(stamp, &body) } else { demuxer.push_audio(stamp, &body) }
            let events = events(&mut demuxer);
            prop_assert!(events.len() <= 3);
            for event in events {
                if let Event::Frame(frame) = event {
                    prop_assert!(!frame.payload.is_empty());
                    if frame.track == VIDEO {
                        let unit = avcc::canonical(&frame.payload, 4).unwrap().unwrap();
                        prop_assert_eq!(unit.payload, frame.payload);
                    }
                }
            }
        }
    }
}
