//! What ffmpeg publishes over RTSP (`tests/vectors/ffmpeg-5.1/rtsp-SOURCE.md`) against what ffprobe reads out of the same
//! files.

#![allow(clippy::unwrap_used, reason = "a panic is a failure")]

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::{CodecConfig, Frame, Kind, Rate, Timestamp, TrackId};
use proptest::prelude::*;
use rtp::aac::AuHeaders;
use rtp::receiver::{Event, Format, REORDER_WAIT, Receiver, TrackConfig};

const VIDEO: TrackId = TrackId(1);
const AUDIO: TrackId = TrackId(2);

struct Vector {
    blocks: &'static [u8],
    packets: &'static str,
    /// `sprop-parameter-sets`.
    sets: [&'static [u8]; 2],
    audio: fn() -> (Format, Rate),
    /// Pictures that others overtake.
    depth: usize,
}

const B2: Vector = Vector {
    blocks: include_bytes!("../../../tests/vectors/ffmpeg-5.1/rtsp-publish-b2.rtp"),
    packets: include_str!("../../../tests/vectors/ffmpeg-5.1/rtsp-publish-b2.csv"),
    sets: [
        b"\x67\x64\x00\x0a\xac\xd3\x08\x36\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x48\x94\xe0",
        b"\x68\xef\x83\x9c\xb0",
    ],
    audio: || {
        let config = AudioConfig::parse(&[0x12, 0x08, 0x56, 0xe5, 0x00]).unwrap();
        let rate = config.rate();
        (Format::AacGeneric { config, headers: AuHeaders::HBR }, rate)
    },
    depth: 1,
};

const PYRAMID: Vector = Vector {
    blocks: include_bytes!("../../../tests/vectors/ffmpeg-5.1/rtsp-publish-pyramid.rtp"),
    packets: include_str!("../../../tests/vectors/ffmpeg-5.1/rtsp-publish-pyramid.csv"),
    sets: [
        b"\x67\x64\x00\x0a\xac\xd9\x42\x0d\xb0\x11\x00\x00\x03\x00\x01\x00\x00\x03\x00\x32\x0f\x12\x25\x96",
        b"\x68\xef\x83\x9c\xb0",
    ],
    audio: || (Format::Opus { channels: 1 }, Rate::OPUS),
    depth: 2,
};

/// One block of the capture: when it came, on which channel, what.
type Block = (Duration, u8, Bytes);

impl Vector {
    fn blocks(&self) -> Vec<Block> {
        let mut rest = Bytes::from_static(self.blocks);
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let at = Duration::from_micros(rest.get_u32().into());
            assert_eq!(rest.get_u8(), b'$');
            let channel = rest.get_u8();
            let len = usize::from(rest.get_u16());
            blocks.push((at, channel, rest.split_to(len)));
        }
        blocks
    }

    /// Presentation time, decode time and size of each picture or frame of sound.
    fn expected(&self, kind: &str, rate: Rate) -> Vec<(Timestamp, Timestamp, usize)> {
        let lines = self.packets.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let of_kind = lines.filter(|fields| fields[0] == kind);
        let at = |field: &str| Timestamp::new(field.parse().unwrap(), rate);
        of_kind.map(|fields| (at(fields[1]), at(fields[2]), fields[3].parse().unwrap())).collect()
    }

    fn sets(&self) -> ParameterSets {
        let [sps, pps] = self.sets.map(Bytes::from_static);
        ParameterSets { sps: vec![sps], pps: vec![pps] }
    }

    fn receiver(&self, sets: ParameterSets, reorder_wait: Duration) -> Receiver {
        let mut receiver = Receiver::new(7);
        let (format, rate) = (self.audio)();
        let track =
            |id, payload_type, rate, format| TrackConfig { id, payload_type, rate, format, reorder_wait };
        receiver.add_track(track(VIDEO, 96, Rate::VIDEO, Format::H264 { sets }));
        receiver.add_track(track(AUDIO, 97, rate, format));
        receiver
    }
}

/// The pictures' rate in the files.
fn file_rate() -> Rate {
    Rate::new(12_800).unwrap()
}

fn feed(receiver: &mut Receiver, start: Instant, (at, channel, packet): &Block) -> Vec<Event> {
    let (now, track) = (start + *at, if channel / 2 == 0 { VIDEO } else { AUDIO });
    match channel % 2 {
        0 => receiver.handle_rtp(track, packet, now).unwrap(),
        _ => receiver.handle_rtcp(track, packet, now).unwrap(),
    }
    std::iter::from_fn(|| receiver.poll_event()).collect()
}

fn receive(vector: &Vector) -> (Vec<Frame>, Vec<Frame>) {
    let (mut receiver, start) = (vector.receiver(vector.sets(), Duration::ZERO), Instant::now());
    let mut frames = Vec::new();
    for block in vector.blocks() {
        let events = feed(&mut receiver, start, &block);
        frames.extend(events.into_iter().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            Event::Lost(_) => panic!("nothing is missing"),
            _ => None,
        }));
    }
    frames.into_iter().partition(|frame| frame.track == VIDEO)
}

fn offset(at: Timestamp, expected: Timestamp) -> f64 {
    (at.minus(expected.to_rate(at.rate())).ticks() as f64) / f64::from(at.rate().hz())
}

#[test]
fn every_picture_comes_whole_with_the_times_that_the_encoder_gave_it() {
    for vector in [B2, PYRAMID] {
        let expected = vector.expected("video", file_rate());
        let (pictures, _) = receive(&vector);
        assert_eq!(pictures.len(), expected.len());
        let origin = offset(pictures[0].pts, expected[0].0);
        for (index, (picture, (pts, dts, len))) in pictures.iter().zip(&expected).enumerate() {
            assert_eq!(picture.payload.len(), *len, "picture {index}");
            let wrong = [(picture.pts, *pts), (picture.dts, *dts)].map(|(at, by)| offset(at, by) - origin);
            // Slewing may have moved it by half a percent of a second.
            assert!(wrong.iter().all(|seconds| seconds.abs() < 0.007), "picture {index} is off by {wrong:?}");
        }
        assert!(pictures.windows(2).all(|pair| pair[0].dts < pair[1].dts));
        assert!(pictures.iter().all(|picture| picture.dts <= picture.pts));
        let overtaken = |at: usize| pictures[..at].iter().filter(|p| p.pts > pictures[at].pts).count();
        assert_eq!((0..pictures.len()).map(overtaken).max(), Some(vector.depth));
    }
}

#[test]
fn sound_is_beside_its_picture_from_the_first_frame_on_though_pictures_are_reordered() {
    for vector in [B2, PYRAMID] {
        let (pictures, sound) = receive(&vector);
        let rate = (vector.audio)().1;
        let expected = vector.expected("audio", rate);
        // ffmpeg does not send the last access units of AAC.
        assert!((expected.len() - 1..=expected.len()).contains(&sound.len()), "{}", sound.len());
        let picture = offset(pictures[0].pts, vector.expected("video", file_rate())[0].0);
        for (index, (frame, (pts, _, len))) in sound.iter().zip(&expected).enumerate() {
            assert_eq!(frame.payload.len(), *len, "frame {index}");
            let apart = offset(frame.pts, *pts) - picture;
            assert!(apart.abs() < 0.007, "frame {index} is {apart} s beside the picture");
            assert_eq!((frame.dts, frame.random_access), (frame.pts, true));
        }
    }
}

#[test]
fn a_picture_goes_out_with_its_last_packet() {
    let (mut receiver, start) = (PYRAMID.receiver(PYRAMID.sets(), REORDER_WAIT), Instant::now());
    for block in PYRAMID.blocks() {
        let marked = block.1 == 0 && block.2[1] & 0x80 != 0;
        let events = feed(&mut receiver, start, &block);
        let pictures = events.iter().filter(|event| matches!(event, Event::Frame(f) if f.track == VIDEO));
        assert_eq!(pictures.count(), usize::from(marked));
        let due = receiver.poll_timeout().map(|due| due - start);
        assert!(due.is_none_or(|due| due > Duration::from_secs(4)), "only the report waits: {due:?}");
    }
}

#[test]
fn rule_10_parameter_sets_come_from_the_description_or_with_the_pictures() {
    let announced = |vector: &Vector, sets: ParameterSets| {
        let (mut receiver, start) = (vector.receiver(sets, Duration::ZERO), Instant::now());
        let mut events: Vec<_> = std::iter::from_fn(|| receiver.poll_event()).collect();
        let at_once = events.len();
        for block in vector.blocks() {
            events.extend(feed(&mut receiver, start, &block));
        }
        let tracks = events.iter().enumerate().filter_map(|(at, event)| match event {
            Event::Track(info) if info.kind() == Kind::Video => Some((at < at_once, info.config.clone())),
            _ => None,
        });
        (tracks.collect::<Vec<_>>(), events.iter().any(|e| matches!(e, Event::Frame(f) if f.track == VIDEO)))
    };
    let (described, in_stream) = (CodecConfig::H264(B2.sets()), CodecConfig::H264(B2.sets()));
    assert_eq!(announced(&B2, ParameterSets::default()), (vec![(false, in_stream)], true));
    assert_eq!(announced(&B2, B2.sets()), (vec![(true, described)], true), "the same sets are no change");
    assert_eq!(announced(&PYRAMID, ParameterSets::default()), (vec![], false), "nothing can be decoded");
}

#[test]
fn reports_are_due_every_five_seconds_and_name_the_source() {
    let (mut receiver, start) = (B2.receiver(ParameterSets::default(), REORDER_WAIT), Instant::now());
    assert_eq!(receiver.poll_timeout(), None);
    for block in B2.blocks() {
        feed(&mut receiver, start, &block);
    }
    assert_eq!(receiver.poll_report(start + Duration::from_secs(4)), None);
    let at = start + Duration::from_millis(5_500);
    let reports: Vec<_> = std::iter::from_fn(|| receiver.poll_report(at)).collect();
    assert_eq!(reports.iter().map(|(track, _)| *track).collect::<Vec<_>>(), [VIDEO, AUDIO]);
    for (channel, (track, report)) in [0, 2].into_iter().zip(reports) {
        let packets: Vec<_> = rtp::rtcp::parse(&report).map(Result::unwrap).collect();
        let [rtp::rtcp::Packet::ReceiverReport { blocks, .. }, rtp::rtcp::Packet::SourceDescription(_)] =
            &packets[..]
        else {
            panic!("{packets:?}")
        };
        let block = blocks[0];
        let first = B2.blocks().into_iter().find(|block| block.1 == channel).unwrap().2;
        assert_eq!(block.ssrc.to_be_bytes(), first[8..12]);
        assert_eq!((block.lost, block.fraction_lost), (0, 0));
        assert!(block.last_report != 0 && (5.0..5.6).contains(&(f64::from(block.delay) / 65_536.0)));
        assert_eq!(receiver.statistics(track).unwrap().lost, 0);
    }
    assert!(receiver.poll_timeout().unwrap() > at);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn packets_that_overtake_each_other_make_no_difference(swaps in prop::collection::vec(1_usize..60, 0..20)) {
        let mut blocks = PYRAMID.blocks();
        for at in swaps {
            // Arrival times stay in order.
            let (a, b) = (blocks[at].0, blocks[at + 1].0);
            if at > 6 {
                blocks.swap(at, at + 1);
            }
            (blocks[at].0, blocks[at + 1].0) = (a, b);
        }
        let (mut receiver, start) = (PYRAMID.receiver(PYRAMID.sets(), REORDER_WAIT), Instant::now());
        let events: Vec<_> = blocks.iter().flat_map(|block| feed(&mut receiver, start, block)).collect();
        let frames = events.iter().filter(|event| matches!(event, Event::Frame(_))).count();
        prop_assert!(!events.contains(&Event::Lost(VIDEO)));
        prop_assert_eq!(frames, PYRAMID.packets.lines().count());
    }

    #[test]
    fn rule_8_whatever_is_lost_only_whole_pictures_come_and_the_first_is_a_random_access_point(
        lost in prop::collection::vec(0_usize..70, 1..6),
    ) {
        let (mut receiver, start) = (PYRAMID.receiver(PYRAMID.sets(), REORDER_WAIT), Instant::now());
        let sizes: Vec<_> = PYRAMID.expected("video", file_rate()).iter().map(|(_, _, len)| *len).collect();
        let (mut waiting, mut last) = (true, None);
        for (index, block) in PYRAMID.blocks().iter().enumerate() {
            if lost.contains(&index) {
                continue;
            }
            receiver.handle_timeout(start + block.0).unwrap();
            for event in feed(&mut receiver, start, block) {
                match event {
                    Event::Lost(_) => waiting = true,
                    Event::Frame(frame) if frame.track == VIDEO => {
                        prop_assert!(frame.random_access || !waiting);
                        prop_assert!(sizes.contains(&frame.payload.len()));
                        prop_assert!(Some(frame.dts) > last && frame.dts <= frame.pts);
                        (waiting, last) = (false, Some(frame.dts));
                    }
                    _ => {}
                }
            }
        }
    }
}
