//! Bytes of real clients and servers, see `SOURCE.md` beside each.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use rtmp::session::{
    ClientConfig, ClientEvent, ClientSession, Config, Event, Output, Request, ServerSession, Url,
};
use rtmp::{MediaKind, Metadata};
use std::time::Instant;

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Plays a client's bytes to a server that accepts everything, in pieces of `step` bytes.
fn replay(bytes: &[u8], step: usize) -> Vec<Event> {
    let now = Instant::now();
    let mut server = ServerSession::new(Config::default(), 1, now);
    let mut events = vec![];
    for piece in bytes.chunks(step) {
        server.handle_input(piece, now).unwrap();
        while let Some(output) = server.poll_output() {
            let Output::Event(event) = output else { continue };
            match &event {
                Event::PublishRequested(_) => server.accept_publish().unwrap(),
                Event::PlayRequested(_) => server.accept_play().unwrap(),
                _ => {}
            }
            events.push(event);
        }
    }
    events
}

/// Byte by byte, and in larger pieces up to all at once.
fn replayed(name: &str) -> Vec<Event> {
    let bytes = vector(name);
    let events = replay(&bytes, 1);
    for step in [7, 100, 4096, usize::MAX] {
        assert_eq!(replay(&bytes, step), events, "in pieces of {step}");
    }
    events
}

/// Count, sum of bytes, first and last time.
fn summary(events: &[Event], kind: MediaKind) -> (usize, usize, u32, u32) {
    let media: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::Media(media) = event { Some(media) } else { None })
        .filter(|media| media.kind == kind)
        .collect();
    let times: Vec<u32> = media.iter().map(|media| media.timestamp).collect();
    assert!(times.is_sorted(), "{times:?}");
    (media.len(), media.iter().map(|media| media.body.len()).sum(), times[0], times[times.len() - 1])
}

/// The clip of all vectors, as ffmpeg's FLV file of it says.
fn assert_published(events: &[Event], flash_ver: &str, target: &str, last_times: (u32, u32)) {
    let [Event::Connected(client), Event::PublishRequested(asked), Event::Metadata(metadata), .., last] =
        events
    else {
        panic!("{events:?}")
    };
    assert_eq!(client.flash_ver, flash_ver);
    assert_eq!(format!("{}?{}", asked.path.as_ref().unwrap(), asked.query.reveal()), target);
    assert_eq!((metadata.width, metadata.height), (Some(96), Some(64)));
    assert_eq!(summary(events, MediaKind::Audio), (46, 4243, 0, last_times.0));
    assert_eq!(summary(events, MediaKind::Video), (12, 9480, 0, last_times.1));
    assert_eq!(last, &Event::PublishEnded);
}

#[test]
fn ffmpeg_publishes() {
    let flash_ver = "FMLE/3.0 (compatible; Lavf59.27.100)";
    let events = replayed("ffmpeg-5.1/rtmp-publish.client");
    assert_published(&events, flash_ver, "live/patient?token=example", (1021, 923));
}

#[test]
fn librtmp_publishes() {
    let events = replayed("librtmp-2.4/publish.client");
    assert_published(&events, "", "live/patient?token=example", (1021, 923));
}

#[test]
fn librtmp_publishes_past_24_bits_of_time() {
    let events = replayed("librtmp-2.4/publish-late.client");
    assert_published(&events, "", "live/patient?token=example", (16_777_798, 16_777_700));
}

fn assert_played(name: &str, flash_ver: &str, target: &str) -> Vec<Event> {
    let events = replayed(name);
    let [Event::Connected(client), Event::PlayRequested(asked), ..] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(client.flash_ver, flash_ver);
    assert_eq!(format!("{}?{}", asked.path.as_ref().unwrap(), asked.query.reveal()), target);
    events
}

#[test]
fn ffmpeg_plays() {
    assert_played("ffmpeg-5.1/rtmp-play.client", "LNX 9,0,124,2", "doctorStream?token=example");
}

#[test]
fn rtmpdump_plays() {
    assert_played("librtmp-2.4/play.client", "LNX 10,0,32,18", "live/doctorStream?token=example");
    assert_played("librtmp-2.4/play-set-playlist.client", "LNX 10,0,32,18", "live/doctorStream?");
}

#[test]
fn ffmpeg_serves() {
    let url = Url::parse("rtmp://127.0.0.1/live/s").unwrap();
    let mut client = ClientSession::new(ClientConfig::new(Request::Play, url), 99, Instant::now());
    let (mut events, mut sent) = (vec![], 0);
    for piece in vector("ffmpeg-5.1/rtmp-listen.server").chunks(100) {
        client.handle_input(piece).unwrap();
        while let Some(output) = client.poll_output() {
            match output {
                Output::Write(bytes) => sent += bytes.len(),
                Output::Event(event) => events.push(event),
            }
        }
    }
    assert!(sent > 2 * 1536, "handshake and commands");
    let [ClientEvent::Ready, ClientEvent::Metadata(Metadata { width: Some(96), .. }), media @ ..] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(
        media.len() > 20 && media.iter().all(|event| matches!(event, ClientEvent::Media(_))),
        "{media:?}"
    );
}
