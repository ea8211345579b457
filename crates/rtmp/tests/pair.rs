//! Our client against our server: every flow, whatever the pieces in which bytes travel.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use bytes::{Buf, Bytes};
use proptest::prelude::*;
use rtmp::handshake::Scheme;
use rtmp::metadata::{AUDIO_AAC, VIDEO_AVC};
use rtmp::session::{ClientConfig, ClientEvent, EndReason, Event, Level, Request, Status, StatusCode, Url};
use rtmp::{Media, MediaKind, Metadata, wire};
use support::{ALL_CODES, Pair};

fn config(request: Request, url: &str) -> ClientConfig {
    ClientConfig::new(request, Url::parse(url).unwrap())
}

fn metadata() -> Metadata {
    Metadata {
        width: Some(640),
        height: Some(480),
        video_codec: Some(VIDEO_AVC),
        audio_codec: Some(AUDIO_AAC),
        ..Metadata::default()
    }
}

/// Times around both overflows, bodies around the chunk sizes in use.
fn media() -> Vec<Media> {
    let times = [0, 40, 0xff_fffe, 0xff_ffff, 0x0100_0001, u32::MAX, 3, 3];
    let lengths = [5, 60_001, 127, 128, 129, 0, 59_999, 4096];
    let kinds = [MediaKind::Video, MediaKind::Audio];
    let body = |len: usize| Bytes::from((0..len).map(|at| at as u8).collect::<Vec<u8>>());
    let media = times.into_iter().zip(lengths).zip(kinds.into_iter().cycle());
    media.map(|((timestamp, len), kind)| Media { kind, timestamp, body: body(len) }).collect()
}

fn media_of(events: &[Event]) -> Vec<Media> {
    events
        .iter()
        .filter_map(|event| if let Event::Media(media) = event { Some(media.clone()) } else { None })
        .collect()
}

fn publish(pair: &mut Pair) {
    pair.run();
    assert_eq!(pair.client_events, [ClientEvent::Ready]);
    pair.client.send_metadata(&metadata()).unwrap();
    for media in media() {
        pair.client.send_media(media.kind, media.timestamp, media.body).unwrap();
    }
    pair.run();
    pair.client.end();
    pair.run();
}

fn assert_published(pair: &Pair) {
    let [
        Event::Connected(client),
        Event::PublishRequested(target),
        Event::Metadata(hints),
        middle @ ..,
        last,
    ] = &pair.server_events[..]
    else {
        panic!("{:?}", pair.server_events)
    };
    assert_eq!(client.flash_ver, "FMLE/3.0 (compatible; Medley)");
    assert_eq!(target.path.as_ref().unwrap().as_str(), "ward/bed");
    assert_eq!(target.query.reveal(), "user=a&pass=b");
    assert_eq!((hints, media_of(middle), last), (&metadata(), media(), &Event::PublishEnded));
    assert_eq!(pair.client_events, [ClientEvent::Ready, ClientEvent::Ended]);
}

const URL: &str = "rtmp://h/ward/bed?user=a&pass=b";

#[test]
fn publish_with_each_handshake() {
    for digest in [None, Some(Scheme::AtEight), Some(Scheme::At772)] {
        let mut pair = Pair::new(ClientConfig { digest, ..config(Request::Publish, URL) });
        publish(&mut pair);
        assert_published(&pair);
    }
}

#[test]
fn play_with_shared_bytes_between_the_sessions_own() {
    let mut pair = Pair::new(config(Request::Play, "rtmp://h/doctorStream?token=t"));
    pair.run();
    assert_eq!(pair.client_events, play_started());
    pair.write_shared(&wire::message(MediaKind::Data, 0, metadata().write()).unwrap());
    for media in media() {
        let tag = media.body.slice(..media.body.len().min(5));
        let payload = media.body.slice(tag.len()..);
        pair.write_shared(&wire::message(media.kind, media.timestamp, tag.chain(payload)).unwrap());
        pair.server.ping(media.timestamp).unwrap();
    }
    pair.run();
    pair.server.end_play(EndReason::Unpublished).unwrap();
    pair.run();

    let mut expected = play_started();
    expected.push(ClientEvent::Metadata(metadata()));
    expected.extend(media().into_iter().map(ClientEvent::Media));
    expected.push(ClientEvent::Ended);
    assert_eq!(pair.client_events, expected);
    let pongs = pair.server_events.iter().filter(|event| matches!(event, Event::Pong(_))).count();
    assert_eq!(pongs, media().len());
    assert_eq!(pair.server_events.last(), Some(&Event::Close));
}

/// What players get before media.
fn play_started() -> Vec<ClientEvent> {
    let body = Bytes::from_static(b"\x02\0\x11|RtmpSampleAccess\x01\x01\x01\x01");
    vec![
        ClientEvent::Status(Status {
            level: Level::Status,
            code: "NetStream.Play.Reset".into(),
            description: "Playing and resetting the stream.".into(),
        }),
        ClientEvent::Ready,
        ClientEvent::Media(Media { kind: MediaKind::Data, timestamp: 0, body }),
    ]
}

#[test]
fn a_stream_that_is_over_ends_its_player_once() {
    let mut pair = Pair::new(config(Request::Play, "rtmp://h/a"));
    pair.run();
    pair.server.end_play(EndReason::Complete).unwrap();
    assert_eq!(pair.server.end_play(EndReason::Complete), Err(rtmp::Error::State));
    pair.run();
    let ends = pair.client_events.iter().filter(|event| **event == ClientEvent::Ended).count();
    assert_eq!(ends, 1);
}

#[test]
fn a_refusal_reaches_the_client_with_its_code() {
    for (request, code) in [Request::Publish, Request::Play]
        .into_iter()
        .flat_map(|request| ALL_CODES.map(|code| (request, code)))
    {
        let mut pair = Pair::new(config(request, "rtmp://h/a"));
        pair.accept = false;
        pair.run();
        pair.server.reject(code, "not today");
        pair.run();
        let [ClientEvent::Refused(status)] = &pair.client_events[..] else {
            panic!("{:?}", pair.client_events)
        };
        assert_eq!((status.level, status.code.as_str()), (Level::Error, code.as_str()));
        assert_eq!(status.description, "not today");
        assert_eq!(pair.server_events.last(), Some(&Event::Close));
    }
}

#[test]
fn a_publisher_is_told_when_it_is_thrown_out() {
    let mut pair = Pair::new(config(Request::Publish, "rtmp://h/a"));
    pair.run();
    pair.server.reject(StatusCode::StreamFailed, "replaced by another device");
    pair.run();
    assert!(matches!(&pair.client_events[..], [ClientEvent::Ready, ClientEvent::Refused(_)]));
    let late = pair.client.send_media(MediaKind::Audio, 0, Bytes::new());
    assert_eq!(late, Err(rtmp::Error::State));
}

#[test]
fn enhanced_clients_are_known_by_their_codecs() {
    let four_cc = vec![*b"hvc1", *b"Opus"];
    let mut pair = Pair::new(ClientConfig { four_cc, ..config(Request::Play, "rtmp://h/a") });
    pair.run();
    let Event::Connected(client) = &pair.server_events[0] else { panic!() };
    assert!(client.capabilities.supports(b"hvc1") && client.capabilities.supports(b"Opus"));
    assert!(!client.capabilities.supports(b"av01"));
}

#[test]
fn more_than_a_window_gets_through() {
    let mut pair = Pair::new(config(Request::Publish, "rtmp://h/a"));
    pair.run();
    for _ in 0..6 {
        pair.client.send_media(MediaKind::Video, 0, Bytes::from(vec![0; 1 << 20])).unwrap();
        pair.run();
    }
    assert_eq!(media_of(&pair.server_events).len(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn publishing_does_not_depend_on_the_pieces(pieces in prop::collection::vec(1..3000usize, 1..20), chunk_size in 100..70_000usize) {
        let config = ClientConfig { chunk_size, ..config(Request::Publish, URL) };
        let mut pair = Pair::with_pieces(config, pieces);
        publish(&mut pair);
        assert_published(&pair);
    }

    #[test]
    fn playing_does_not_depend_on_the_pieces(pieces in prop::collection::vec(1..3000usize, 1..20)) {
        let mut pair = Pair::with_pieces(config(Request::Play, "rtmp://h/a"), pieces);
        pair.run();
        media().into_iter().for_each(|media| {
            pair.write_shared(&wire::message(media.kind, media.timestamp, media.body).unwrap());
        });
        pair.run();
        let mut expected = play_started();
        expected.extend(media().into_iter().map(ClientEvent::Media));
        prop_assert_eq!(&pair.client_events, &expected);
    }
}
