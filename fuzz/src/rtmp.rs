//! RTMP: handshake, chunks, values, messages, and both sessions above them.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtmp::amf0::{self, Value};
use rtmp::chunk::{self, Header, Limits, Reader, Writer};
use rtmp::handshake::{self, Client, Progress, Scheme, Server};
use rtmp::message::{self, Message, write_command};
use rtmp::session::{
    ClientConfig, ClientEvent, ClientSession, Config, EndReason, Event, Output, Request, ServerSession,
    StatusCode, Url,
};
use rtmp::{Error, MediaKind, Metadata, StreamTarget};

use crate::pieces::pieces;

/// Two bytes that decide the cuts, one that chooses the side, then what the other side says: any cuts give the same
/// answer, and exactly the handshake's bytes are taken.
pub fn handshake(input: &[u8]) {
    let Some((&[cuts @ .., role], bytes)) = input.split_first_chunk::<3>() else { return };
    let whole = shake(role, std::iter::once(bytes));
    assert_eq!(whole, shake(role, pieces(bytes, u16::from_be_bytes(cuts))));
    if let Ok((Progress::Done, taken, answer)) = whole {
        // C0, C1 and C2, or S0, S1 and S2: as much each way.
        let each = 1 + 2 * handshake::BLOCK;
        assert_eq!((taken, answer.len()), (each, each));
    }
}

/// How far it got, how many bytes it took, what was said.
type Shaken = Result<(Progress, usize, BytesMut), handshake::Error>;

fn shake<'a>(role: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Shaken {
    let scheme = if role & 1 == 0 { Scheme::AtEight } else { Scheme::At772 };
    let mut client = if role & 2 == 0 { Client::simple(1) } else { Client::digest(1, scheme) };
    let (mut server, mut answer) = (Server::new(1), BytesMut::new());
    if role & 3 != 0 {
        client.start(&mut answer);
    }
    let (mut progress, mut taken) = (Progress::Pending, 0);
    for piece in pieces {
        let mut rest = piece;
        progress = if role & 3 == 0 {
            server.advance(&mut rest, &mut answer)?
        } else {
            client.advance(&mut rest, &mut answer)?
        };
        taken += piece.len() - rest.len();
        assert!(rest.is_empty() || progress == Progress::Done);
    }
    Ok((progress, taken, answer))
}

/// Two bytes that decide the cuts, then chunks: any cuts give the same messages, and these written give them again.
pub fn chunks(input: &[u8]) {
    let Some((&cuts, bytes)) = input.split_first_chunk() else { return };
    let whole = read(std::iter::once(bytes));
    assert_eq!(whole, read(pieces(bytes, u16::from_be_bytes(cuts))));
    let (messages, _) = whole;
    let (mut writer, mut written) = (Writer::default(), BytesMut::new());
    messages.iter().for_each(|message| writer.write(&mut written, message));
    assert_eq!(read(std::iter::once(&written[..])), (messages, None));
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<chunk::Message>, Option<chunk::Error>) {
    // So small that an input can reach each of them.
    let limits = Limits { media: 6_144, command: 1_024, chunk_streams: 6, partial: 7_168 };
    let (mut reader, mut messages) = (Reader::new(limits), Vec::new());
    for piece in pieces {
        let mut rest = piece;
        loop {
            match reader.read(&mut rest) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(rest.is_empty());
    }
    (messages, None)
}

/// Any bytes as AMF0: what is understood can be written, and means the same then.
pub fn amf0(input: &[u8]) {
    if let Ok(values) = amf0::parse(input) {
        let once = written(&values);
        let again = amf0::parse(&once).expect("what was written can be read");
        assert_eq!(again.len(), values.len());
        // As bytes: a number may be NaN, which equals nothing.
        assert_eq!(written(&again), once);
    }
}

fn written(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    values.iter().for_each(|value| amf0::write(&mut out, value));
    out
}

/// A message type, then a body.
pub fn messages(input: &[u8]) {
    let Some((&kind, body)) = input.split_first() else { return };
    let header = Header { chunk_stream: 3, kind, stream: 1, timestamp: 0xffff_ff00 };
    match Message::parse(chunk::Message { header, body: Bytes::copy_from_slice(body) }) {
        Ok(Message::Media(media)) => {
            assert!(media.len() <= 1_024);
            assert!(media.iter().map(|media| media.body.len()).sum::<usize>() <= body.len());
        }
        Ok(Message::Command(command)) => {
            let once = write_command(&command.name, command.transaction, &command.arguments);
            let header = Header { kind: message::kind::COMMAND, ..header };
            let Ok(Message::Command(again)) =
                Message::parse(chunk::Message { header, body: once.clone().freeze() })
            else {
                panic!("a command that was written cannot be read");
            };
            assert_eq!(write_command(&again.name, again.transaction, &again.arguments), once);
        }
        Ok(Message::UserControl(event)) => {
            let header = Header { kind: message::kind::USER_CONTROL, ..header };
            let body = event.write().freeze();
            assert_eq!(
                Message::parse(chunk::Message { header, body }),
                Ok(Message::UserControl(event)),
                "an event that was written reads otherwise"
            );
        }
        _ => {}
    }
}

/// Any bytes as the body of a data message.
pub fn metadata(input: &[u8]) {
    let Some(metadata) = Metadata::parse(input) else { return };
    assert!(metadata.encoder.as_deref().is_none_or(|name| name.len() <= 64 && name.is_ascii()));
    let read = Metadata::parse(&metadata.write()).expect("what was written can be read");
    // Codecs given as text are written as numbers; from there on nothing changes.
    let (video_codec, audio_codec) = (metadata.video_codec, metadata.audio_codec);
    assert_eq!(Metadata { video_codec, audio_codec, ..read.clone() }, metadata);
    assert_eq!(Metadata::parse(&read.write()), Some(read));
}

/// The app, `tcUrl` and key, each on a line, and the same text as URL.
pub fn stream_target(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n').chain(["", ""]);
    let (app, tc_url, key) = (lines.next(), lines.next(), lines.next());
    let target =
        StreamTarget::parse(app.unwrap_or_default(), tc_url.unwrap_or_default(), key.unwrap_or_default());
    if let Ok(path) = target.path {
        let name = path.as_str();
        assert!((1..=media::StreamPath::MAX_LEN).contains(&name.len()));
        assert!(name.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.~/".contains(&byte)), "{name}");
        assert_eq!(media::StreamPath::new(name), Ok(path));
    }
    assert!(Url::parse(&text).is_none_or(|url| !url.host.reveal().is_empty()));
}

/// What a side of the handshake gets to see: the version, then two blocks, here of zeros.
const HANDSHAKE: [u8; 1 + 2 * handshake::BLOCK] = {
    let mut bytes = [0; 1 + 2 * handshake::BLOCK];
    bytes[0] = handshake::VERSION;
    bytes
};

/// Two bytes that decide the cuts, one whose bits accept (0) or refuse (1) each request in turn, then what a client
/// sends behind the handshake.
pub fn server_session(input: &[u8]) {
    let Some((&[cuts @ .., refusals], bytes)) = input.split_first_chunk::<3>() else { return };
    let now = Instant::now();
    let whole = serve(now, refusals, std::iter::once(bytes));
    let cut = serve(now, refusals, pieces(bytes, u16::from_be_bytes(cuts)));
    // What a publisher sends waits for the answer to its request, so cuts cannot matter. A reader may withdraw a request
    // before or after its answer.
    let plays = |(events, _): &Served| events.iter().any(|event| matches!(event, Event::PlayRequested(_)));
    if !plays(&whole) && !plays(&cut) {
        assert_eq!(whole, cut);
    }
}

/// All events, and what ended the session if it was not in order.
type Served = (Vec<Event>, Option<Error>);

fn serve<'a>(now: Instant, refusals: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Served {
    let mut server = ServerSession::new(Config::default(), 1, now);
    let (mut gateway, mut received) = (Gateway { refusals, ..Gateway::default() }, 0);
    for piece in std::iter::once(&HANDSHAKE[..]).chain(pieces) {
        received += piece.len();
        let result = server.handle_input(piece, now);
        let result = result.and(gateway.drain(&mut server));
        if let Err(error) = result {
            let _ = gateway.drain(&mut server);
            server.handle_input(piece, now).expect("input behind the end is ignored");
            return (gateway.events, Some(error));
        }
    }
    // Answers stay in proportion to what was asked.
    assert!(gateway.sent <= 16_384 + 64 * received, "{} bytes for {received}", gateway.sent);
    let events = std::mem::take(&mut gateway.events);
    let _ = server.ping(7);
    let _ = server.end_play(EndReason::Complete);
    let _ = server.handle_timeout(now + Duration::from_secs(3_600));
    let _ = gateway.drain(&mut server);
    (events, None)
}

/// Stands for the one that a session asks.
#[derive(Default)]
struct Gateway {
    refusals: u8,
    events: Vec<Event>,
    sent: usize,
}

impl Gateway {
    fn drain(&mut self, server: &mut ServerSession) -> Result<(), Error> {
        while let Some(output) = server.poll_output() {
            let event = match output {
                Output::Write(bytes) => {
                    self.sent += bytes.len();
                    continue;
                }
                Output::Event(event) => event,
            };
            let request = matches!(event, Event::PublishRequested(_) | Event::PlayRequested(_));
            let publish = matches!(event, Event::PublishRequested(_));
            self.events.push(event);
            if !request {
                continue;
            }
            let refused = self.refusals & 1 != 0;
            self.refusals = self.refusals.rotate_right(1);
            if refused {
                server.reject(StatusCode::PublishDenied, "refused");
            } else if publish {
                server.accept_publish()?;
            } else {
                // Fails where the reader has withdrawn its request in the meantime.
                let _ = server.accept_play();
            }
        }
        Ok(())
    }
}

/// Two bytes that decide the cuts, one that chooses to publish or to play, then what a server sends behind the
/// handshake.
pub fn client_session(input: &[u8]) {
    let Some((&[cuts @ .., role], bytes)) = input.split_first_chunk::<3>() else { return };
    let request = if role & 1 == 0 { Request::Play } else { Request::Publish };
    let whole = ask(request, std::iter::once(bytes));
    assert_eq!(whole, ask(request, pieces(bytes, u16::from_be_bytes(cuts))));
}

fn ask<'a>(request: Request, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<ClientEvent>, Option<Error>) {
    let url = Url::parse("rtmp://example.org/live/key").expect("a URL");
    let mut client = ClientSession::new(ClientConfig::new(request, url), 1, Instant::now());
    let mut events = Vec::new();
    for piece in std::iter::once(&HANDSHAKE[..]).chain(pieces) {
        let result = client.handle_input(piece);
        while let Some(output) = client.poll_output() {
            if let Output::Event(event) = output {
                events.push(event);
            }
        }
        if let Err(error) = result {
            return (events, Some(error));
        }
    }
    let _ = client.send_media(MediaKind::Video, 0, Bytes::from_static(&[0x17, 1, 0, 0, 0]));
    client.end();
    while client.poll_output().is_some() {}
    (events, None)
}
