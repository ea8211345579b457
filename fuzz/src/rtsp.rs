//! RTSP: messages and frames out of a stream, the server's session, and session descriptions.

use std::time::Instant;

use bytes::BytesMut;
use rtsp::auth::{Authorization, Challenge, Nonces};
use rtsp::framer::{Framer, Item, MAX_BODY, MAX_HEADER};
use rtsp::sdp;
use rtsp::session::{
    ClientConfig, ClientSession, Config, Event, Lower, Offered, Output, RtpInfo, ServerSession, UdpPorts, Url,
};
use rtsp::{Error, Target};

use crate::pieces::pieces;

/// Two bytes that decide the cuts, then a stream: any cuts give the same items, and what waits is bounded.
pub fn messages(input: &[u8]) {
    let Some((&cuts, bytes)) = input.split_first_chunk() else { return };
    let whole = read(std::iter::once(bytes));
    assert_eq!(whole, read(pieces(bytes, u16::from_be_bytes(cuts))));
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<Error>) {
    let (mut framer, mut buffer, mut items) = (Framer::new(), BytesMut::new(), Vec::new());
    framer.allow_channel(3);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(Item::Packet { channel, packet })) => items.push(format!("{channel} {packet:?}")),
                Ok(Some(Item::Request(request))) => items.push(format!("{request:?}")),
                Ok(Some(Item::Response(response))) => items.push(format!("{response:?}")),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert!(buffer.len() <= MAX_HEADER + MAX_BODY.max(usize::from(u16::MAX) + 4));
    }
    (items, None)
}

/// Two bytes that decide the cuts, then what a client says to a server that lets everybody do everything: any cuts give
/// the same answers.
pub fn server_session(input: &[u8]) {
    let Some((&cuts, bytes)) = input.split_first_chunk() else { return };
    let whole = serve(std::iter::once(bytes));
    assert_eq!(whole, serve(pieces(bytes, u16::from_be_bytes(cuts))));
}

fn serve<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<Error>) {
    // Nonces depend on it, so it is the same for every run.
    let now = *START.get_or_init(Instant::now);
    let config = Config { udp: Some(UdpPorts { rtp: 8_000, rtcp: 8_001 }), ..Config::default() };
    let mut session = ServerSession::new(config, Nonces::new(&[0; 32], now), 1, now);
    let (mut buffer, mut said) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let result = session.handle_input(&mut buffer, now);
            let mut asked = false;
            while let Some(output) = session.poll_output() {
                said.push(format!("{output:?}"));
                if let Output::Event(event) = output {
                    asked |= answer(&mut session, &event, now);
                }
            }
            if let Err(error) = result {
                return (said, Some(error));
            }
            if !asked {
                break;
            }
        }
    }
    (said, None)
}

static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

/// A gateway that refuses nothing; whether it was asked.
fn answer(session: &mut ServerSession, event: &Event, now: Instant) -> bool {
    let result = match event {
        Event::ReadRequested(_) => {
            let media = sdp::Media {
                payload_type: 96,
                format: sdp::Format::Opus { channels: 2 },
                control: String::new(),
            };
            session.accept_read(
                vec![Offered { media: media.clone(), ssrc: 1 }, Offered { media, ssrc: 2 }],
                1,
                now,
            )
        }
        Event::PublishRequested(_, presentation) => {
            assert!(!presentation.media.is_empty());
            session.accept_publish()
        }
        Event::PlayRequested => session.accept_play(&[RtpInfo { track: 0, sequence: 1, timestamp: 1 }], now),
        Event::RecordRequested => session.accept_record(now),
        _ => return false,
    };
    result.expect("it asked");
    true
}

/// What a camera says to a client that takes it by TCP.
pub fn client_session(input: &[u8]) {
    let now = Instant::now();
    let url = Url::parse("rtsp://user:password@camera/stream").expect("a URL");
    let mut session =
        ClientSession::new(ClientConfig { url, idle_timeout: std::time::Duration::MAX / 4 }, 1, now);
    let mut buffer = BytesMut::from(input);
    loop {
        let result = session.handle_input(&mut buffer, now);
        let mut described = false;
        while let Some(output) = session.poll_output() {
            described |= matches!(output, Output::Event(rtsp::session::ClientEvent::Described(_)));
        }
        if result.is_err() || !described || session.set_up(Lower::Tcp, now).is_err() {
            return;
        }
    }
}

/// A session description: what is read of it can be written, and reads the same again.
pub fn description(input: &[u8]) {
    let Ok(presentation) = sdp::read(input) else { return };
    assert!(!presentation.media.is_empty() && presentation.media.len() <= 2);
    let media: Vec<_> = presentation
        .media
        .into_iter()
        .enumerate()
        .map(|(track, media)| sdp::Media { control: format!("trackID={track}"), ..media })
        .collect();
    let again = sdp::read(sdp::write(&media, 1).as_bytes()).expect("our own");
    assert_eq!(again.media.len(), media.len());
    for (again, media) in again.media.iter().zip(&media) {
        assert_eq!((again.payload_type, &again.control), (media.payload_type, &media.control));
        assert_eq!(std::mem::discriminant(&again.format), std::mem::discriminant(&media.format));
    }
}

/// What stands in headers and URLs.
pub fn words(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = Authorization::parse(text, "DESCRIBE");
    if let Some(challenge) = Challenge::parse(text) {
        let answer = challenge.answer(("user", "password"), ("DESCRIBE", "rtsp://h/a"), 1);
        assert!(Authorization::parse(&answer, "DESCRIBE").is_some(), "{answer}");
    }
    let _ = Target::parse(text);
    let _ = Url::parse(text);
}
