//! Media both ways, over clean and bad networks.

use std::time::{Duration, Instant};

use media::{CodecConfig, Kind};

use super::pair::{CLEAN, Network, Pair, Source, client, frames, server, sets};
use crate::error::CloseReason;
use crate::peer::{AUDIO_TRACK, Event, Peer, Publisher, Subscriber, VIDEO_TRACK};

const BOTH: [Kind; 2] = [Kind::Video, Kind::Audio];
const BAD: Network =
    Network { latency: Duration::from_millis(25), jitter: Duration::from_millis(15), loss: 0.05 };

fn whip(network: Network) -> Pair<Subscriber, Publisher> {
    let start = Instant::now();
    let (offering, offer) = crate::client::publisher(&client(), &BOTH, start).unwrap();
    let (server, answer) = Peer::publisher(&server(), &offer, start).unwrap();
    Pair::new(offering.accept(&answer).unwrap(), server, start, network)
}

fn whep(network: Network) -> Pair<Publisher, Subscriber> {
    let start = Instant::now();
    let (offering, offer) = crate::client::subscriber(&client(), &BOTH, start).unwrap();
    let (server, answer) = Peer::subscriber(&server(), &offer, &[], start).unwrap();
    Pair::new(offering.accept(&answer).unwrap(), server, start, network)
}

/// Serves a reader for `seconds`, as [`publish`] does.
fn serve(pair: &mut Pair<Publisher, Subscriber>, source: &mut Source, seconds: u64) {
    for _ in 0..seconds * 50 {
        let seen = pair.server_events.len();
        source.tick(&mut pair.server, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
        source.wants_keyframe |= pair.server_events[seen..].iter().any(|(_, e)| *e == Event::KeyframeRequest);
    }
}

/// Publishes for `seconds`; answers requests for random access points as a browser does.
fn publish(pair: &mut Pair<Subscriber, Publisher>, source: &mut Source, seconds: u64) {
    for _ in 0..seconds * 50 {
        let seen = pair.client_events.len();
        source.tick(&mut pair.client, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
        source.wants_keyframe |= pair.client_events[seen..].iter().any(|(_, e)| *e == Event::KeyframeRequest);
    }
}

fn lost(events: &[(Instant, Event)]) -> usize {
    events.iter().filter(|(_, event)| matches!(event, Event::Lost(_))).count()
}

#[test]
fn everything_a_publisher_sends_arrives_in_order_and_canonical() {
    let mut pair = whip(CLEAN);
    pair.connect();
    let mut source = Source::new();
    publish(&mut pair, &mut source, 4);
    pair.run(Duration::from_millis(500));
    let video = frames(&pair.server_events, VIDEO_TRACK);
    let audio = frames(&pair.server_events, AUDIO_TRACK);
    assert!(video.iter().map(|f| &f.payload).eq(&source.pictures));
    assert!(audio.iter().map(|f| &f.payload).eq(&source.packets));
    let access: Vec<_> = (0..).zip(&video).filter(|(_, f)| f.random_access).map(|(i, _)| i).collect();
    assert_eq!(access, [0, 50]);
    assert!(video.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    let spacing: Vec<_> = audio.windows(2).map(|pair| pair[1].pts.minus(pair[0].pts).ticks()).collect();
    assert!(spacing.iter().all(|ticks| (959..=961).contains(ticks)), "{spacing:?}");
    let tracks = pair.server_events.iter().filter_map(|(_, e)| match e {
        Event::Track(info) => Some(info.clone()),
        _ => None,
    });
    let tracks: Vec<_> = tracks.collect();
    assert_eq!(tracks.len(), 2, "each track is announced once: {tracks:?}");
    assert!(tracks.iter().any(|t| t.config == CodecConfig::H264(sets())));
    assert_eq!(lost(&pair.server_events), 0);
}

#[test]
fn a_reader_gets_everything_and_sees_sound_and_picture_in_sync() {
    let mut pair = whep(CLEAN);
    pair.connect();
    let mut source = Source::new();
    serve(&mut pair, &mut source, 10);
    pair.run(Duration::from_millis(500));
    let video = frames(&pair.client_events, VIDEO_TRACK);
    let audio = frames(&pair.client_events, AUDIO_TRACK);
    assert!(video.iter().map(|f| &f.payload).eq(&source.pictures));
    assert!(audio.iter().map(|f| &f.payload).eq(&source.packets));
    // Picture 240 and packet 480 were taken at the same instant; the client knows that from sender reports alone.
    let apart = video[240].pts.minus(audio[480].pts).as_micros();
    assert!(apart.abs() < 2_000, "{apart} us");
}

#[test]
fn losses_are_repaired_by_retransmission_both_ways() {
    let mut pair = whip(BAD);
    pair.connect();
    let mut source = Source::new();
    publish(&mut pair, &mut source, 8);
    pair.run(Duration::from_secs(1));
    let got = frames(&pair.server_events, VIDEO_TRACK).len();
    assert!(got * 100 >= source.pictures.len() * 90, "{got} of {} pictures", source.pictures.len());

    let mut pair = whep(BAD);
    pair.connect();
    let mut source = Source::new();
    serve(&mut pair, &mut source, 8);
    pair.run(Duration::from_secs(1));
    let got = frames(&pair.client_events, VIDEO_TRACK).len();
    assert!(got * 100 >= source.pictures.len() * 90, "{got} of {} pictures", source.pictures.len());
}

#[test]
fn rule_8_what_cannot_be_repaired_is_dropped_up_to_a_random_access_point_that_was_asked_for() {
    let mut pair = whip(Network { loss: 0.3, ..BAD });
    pair.connect();
    let mut source = Source::new();
    source.gop = 10_000; // only what is asked for
    publish(&mut pair, &mut source, 20);
    assert!(lost(&pair.server_events) > 0, "30 % loss leaves holes");
    let requests = pair.client_events.iter().filter(|(_, e)| *e == Event::KeyframeRequest).count();
    assert!((1..=41).contains(&requests), "{requests} requests in 20 s");
    let mut waiting = true;
    for (_, event) in &pair.server_events {
        match event {
            Event::Lost(_) => waiting = true,
            Event::Frame(frame) if frame.track == VIDEO_TRACK => {
                waiting &= !frame.random_access;
                assert!(!waiting, "a frame that refers to a lost one");
                assert!(source.pictures.contains(&frame.payload), "half a frame");
            }
            _ => {}
        }
    }
    let got = frames(&pair.server_events, VIDEO_TRACK).len();
    assert!(got > 20, "{got} pictures");
}

#[test]
fn requests_for_random_access_points_are_throttled_and_none_is_forgotten() {
    let mut pair = whip(CLEAN);
    pair.connect();
    let mut source = Source::new();
    publish(&mut pair, &mut source, 1);
    let start = pair.now;
    for _ in 0..120 {
        pair.server.request_keyframe(pair.now);
        pair.drain();
        pair.run(Duration::from_millis(10));
    }
    pair.run(Duration::from_secs(1));
    let requests = pair.client_events.iter().filter(|(_, e)| *e == Event::KeyframeRequest);
    let at: Vec<_> = requests.map(|(at, _)| at.duration_since(start).as_millis()).collect();
    assert!((3..=4).contains(&at.len()), "{at:?}");
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 490), "{at:?}");
}

#[test]
fn a_reader_that_asks_for_a_picture_is_heard() {
    let mut pair = whep(CLEAN);
    pair.connect();
    let mut source = Source::new();
    for _ in 0..25 {
        source.tick(&mut pair.server, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
    }
    pair.client.request_keyframe(pair.now);
    pair.drain();
    pair.run(Duration::from_millis(200));
    assert!(pair.server_events.iter().any(|(_, event)| *event == Event::KeyframeRequest));
}

#[test]
fn a_readers_picture_begins_with_a_random_access_point() {
    let mut pair = whep(CLEAN);
    pair.connect();
    let mut source = Source::new();
    source.pictures.push(bytes::Bytes::new()); // the random access point was before this reader came
    serve(&mut pair, &mut source, 3);
    let video = frames(&pair.client_events, VIDEO_TRACK);
    assert_eq!(video[0].payload, source.pictures[50]);
}

#[test]
fn rule_16_a_new_publisher_continues_the_readers_timestamps() {
    let mut pair = whep(CLEAN);
    pair.connect();
    let mut source = Source::new();
    source.at = 3_600_000;
    serve(&mut pair, &mut source, 2);
    source.at = 0; // as the timeline of a stream that was published anew
    serve(&mut pair, &mut source, 2);
    pair.run(Duration::from_millis(200));
    for (track, step) in [(VIDEO_TRACK, 40_000), (AUDIO_TRACK, 20_000)] {
        let got = frames(&pair.client_events, track);
        let steps: Vec<_> = got.windows(2).map(|pair| pair[1].pts.minus(pair[0].pts).as_micros()).collect();
        assert!(steps.iter().all(|us| (us - step).abs() < 2_000), "{track:?}: {steps:?}");
    }
    assert_eq!(frames(&pair.client_events, VIDEO_TRACK).len(), 100);
}

#[test]
fn either_side_can_end_the_session_and_the_other_one_is_told() {
    let mut pair = whip(CLEAN);
    pair.connect();
    pair.server.close(pair.now);
    pair.drain();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.server_events.last().unwrap().1, Event::Closed(CloseReason::Local));
    assert_eq!(pair.client_events.last().unwrap().1, Event::Closed(CloseReason::Peer));

    let mut pair = whep(CLEAN);
    pair.connect();
    pair.client.close(pair.now);
    pair.drain();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.server_events.last().unwrap().1, Event::Closed(CloseReason::Peer));
}

#[test]
fn a_peer_that_vanishes_is_noticed() {
    let mut pair = whep(CLEAN);
    pair.connect();
    pair.network.loss = 1.0;
    pair.run(Duration::from_secs(25));
    assert_eq!(pair.server_events.last().unwrap().1, Event::Closed(CloseReason::Silent));
}

#[test]
fn a_peer_that_never_connects_is_given_up_after_ten_seconds() {
    let mut pair = whep(Network { loss: 1.0, ..CLEAN });
    pair.run(Duration::from_secs(9));
    assert!(pair.server_events.is_empty());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.server_events.last().unwrap().1, Event::Closed(CloseReason::ConnectTimeout));
}

#[test]
fn the_packets_of_a_picture_have_one_size_so_that_one_system_call_sends_them() {
    let mut pair = whep(CLEAN);
    pair.connect();
    let mut source = Source::new();
    serve(&mut pair, &mut source, 2);
    pair.wire.clear();
    source.tick(&mut pair.server, pair.now);
    pair.drain();
    let sizes: Vec<_> = pair.wire.iter().map(|t| t.bytes.len()).filter(|&len| len > 200).collect();
    let (last, rest) = sizes.split_last().unwrap();
    // The parameter sets of a random access point go in front, in a packet of their own.
    assert!(rest.len() > 10 && rest.iter().all(|size| size == &rest[0]) && last <= &rest[0], "{sizes:?}");
}

#[test]
fn peers_can_move_between_threads() {
    const fn send<T: Send>() {}
    send::<Peer<Publisher>>();
    send::<Peer<Subscriber>>();
}

#[test]
fn a_publishers_jitter_is_told_as_the_network_makes_it() {
    let told = |network| {
        let mut pair = whip(network);
        pair.connect();
        publish(&mut pair, &mut Source::new(), 12);
        let jitter = pair.server_events.iter().rev().find_map(|(_, event)| match event {
            Event::Jitter { ticks } => Some(*ticks),
            _ => None,
        });
        jitter.expect("two intervals have passed")
    };
    let (clean, bad) = (told(CLEAN), told(BAD));
    assert!(clean < 90, "less than a millisecond: {clean}");
    assert!((200..4_000).contains(&bad), "milliseconds, not microseconds or seconds: {bad}");
}
