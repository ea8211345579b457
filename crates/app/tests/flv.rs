//! HTTP-FLV and WebSocket-FLV on the real binary, fed by ffmpeg.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use container::flv::{Demuxer, Event, FILE_HEADER_LEN, Reader, TagKind, file_header};
use media::{Codec, Kind, Timestamp};
use support::{EVERYBODY_HERE, Running, ffmpeg};

const WITH_USER: &str = "[[auth.user]]\nname = \"any\"\npublish = [\"*\"]\n[[auth.user]]\nname = \"ward\"\n\
     password = \"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$TFRNMqAsldvDFuCtmYfcH+dAjyMCGoN4mpSCNW0zX9U\"\nread = [\"*\"]\n";

/// Waits longer than the grace in which a stream waits for its publisher.
fn open(server: &Running, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address("http").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(format!("{request}\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    stream
}

/// The answer's head; what follows stays in the socket.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

/// One chunk of the body (RFC 9112 §7.1), `None` for the last.
fn chunk(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
    let mut body = vec![0; length + 2];
    stream.read_exact(&mut body).unwrap();
    body.truncate(length);
    (length > 0).then_some(body)
}

/// Waits until the stream is there.
fn play(server: &Running, path: &str) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut stream = open(server, &format!("GET {path} HTTP/1.1"));
        let head = head(&mut stream);
        if head.starts_with("http/1.1 200") {
            assert!(
                head.contains("content-type: video/x-flv") && head.contains("transfer-encoding: chunked")
            );
            assert!(head.contains("access-control-allow-origin: *"), "{head}");
            return stream;
        }
        assert!(head.starts_with("http/1.1 404") && Instant::now() < deadline, "{head}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_reader_gets_both_tracks_at_once_and_the_end_when_the_publisher_leaves() {
    let server = Running::start("flv.toml", &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="));
    let mut publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "ward/3", 8);
    std::thread::sleep(Duration::from_secs(3));
    // The side-car's name for the same stream.
    let mut stream = play(&server, "/ward/3_aac.flv");
    let begun = Instant::now();
    let (mut reader, mut demuxer) = (Reader::new(), Demuxer::new());
    let (mut tracks, mut last, mut first_picture) = (Vec::new(), [None, None], None);
    let mut scripts = 0;
    while let Some(bytes) = chunk(&mut stream) {
        reader.push(&bytes);
        while let Some(tag) = reader.next_tag().unwrap() {
            match tag.kind {
                TagKind::Video => demuxer.push_video(tag.timestamp_ms, &tag.body),
                TagKind::Audio => demuxer.push_audio(tag.timestamp_ms, &tag.body),
                TagKind::Script => scripts += 1,
            }
        }
        while let Some(event) = demuxer.poll_event() {
            match event {
                Event::Track(track) => tracks.push(track.codec()),
                Event::Frame(frame) => {
                    let kind = if frame.track == container::flv::VIDEO { Kind::Video } else { Kind::Audio };
                    let last = &mut last[usize::from(kind == Kind::Audio)];
                    assert!(last.is_none_or(|last: Timestamp| frame.dts > last), "{kind:?} {:?}", frame.dts);
                    *last = Some(frame.dts);
                    if kind == Kind::Video && first_picture.is_none() {
                        assert!(frame.random_access);
                        first_picture = Some(begun.elapsed());
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((tracks, scripts), (vec![Codec::H264, Codec::Aac], 1));
    assert!(last.iter().all(|last| last.is_some_and(|last| last.as_millis() > 6_000)), "{last:?}");
    // A GOP lasts 2 s: without the cached one the first picture were a second late on average.
    assert!(first_picture.unwrap() < Duration::from_millis(500), "{first_picture:?}");
    publisher.wait().unwrap();
}

#[test]
fn a_websocket_gets_the_file_in_messages() {
    let server =
        Running::start("flv-ws.toml", &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="));
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 30);
    drop(play(&server, "/a.flv"));
    let mut stream = open(
        &server,
        "GET /a.flv HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    );
    let head = head(&mut stream);
    assert!(head.starts_with("http/1.1 101") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    // RFC 6455 §5.2: a final binary frame, its length below 126.
    let mut frame = [0; 2 + FILE_HEADER_LEN];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[..2], [0x82, FILE_HEADER_LEN as u8]);
    assert_eq!(frame[2..], file_header());
}

#[test]
fn who_asks_for_the_head_gets_it_and_keeps_the_connection() {
    let server =
        Running::start("flv-head.toml", &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="));
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 30);
    drop(play(&server, "/a.flv"));
    let mut stream = open(&server, "HEAD /a.flv HTTP/1.1");
    let first = head(&mut stream);
    assert!(first.starts_with("http/1.1 200") && first.contains("content-type: video/x-flv"), "{first}");
    stream.write_all(b"GET /a.flv HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let second = head(&mut stream);
    assert!(second.contains("connection: close") && second.contains("\r\ndate: "), "{second}");
    assert_eq!(chunk(&mut stream).unwrap(), file_header());
}

#[test]
fn http_1_0_gets_the_file_as_it_is() {
    let server =
        Running::start("flv-1.0.toml", &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="));
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 30);
    drop(play(&server, "/a.flv"));
    let mut stream = open(&server, "GET /a.flv HTTP/1.0");
    let head = head(&mut stream);
    assert!(head.starts_with("http/1.1 200") && !head.contains("transfer-encoding"), "{head}");
    let mut reader = Reader::new();
    let mut bytes = [0; 4096];
    for _ in 0..20 {
        let taken = stream.read(&mut bytes).unwrap();
        reader.push(&bytes[..taken]);
    }
    assert_eq!(reader.next_tag().unwrap().unwrap().kind, TagKind::Script);
}

#[test]
fn requests_that_are_wrong_are_refused_with_a_reason() {
    let server = Running::start("flv-wrong.toml", WITH_USER);
    let answer = |request: &str| {
        let mut stream = open(&server, &format!("{request}\r\nconnection: close"));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.to_ascii_lowercase()
    };
    // Players show the credentials of their URL only to who asks for `Basic`.
    let unknown = answer("GET /a.flv HTTP/1.1");
    assert!(unknown.starts_with("http/1.1 401") && unknown.contains("www-authenticate: basic"), "{unknown}");
    let wrong = answer("GET /a.flv?user=ward&pass=guess HTTP/1.1");
    assert!(wrong.starts_with("http/1.1 401"), "{wrong}");
    assert!(answer("POST /a.flv HTTP/1.1").contains("accepted methods: get, head, options"));
    assert!(answer("OPTIONS /a.flv HTTP/1.1").starts_with("http/1.1 204"));
    for path in
        ["/../a.flv", "/%2e%2e/a.flv", "/%252e/a.flv", "/a%00.flv", "/a\\..\\b.flv", "/.flv", "//a.flv"]
    {
        let answer = answer(&format!("GET {path} HTTP/1.1"));
        assert!(answer.starts_with("http/1.1 400"), "{path}: {answer}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_closed_and_another_is_not_disturbed() {
    let server =
        Running::start("flv-slow.toml", &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="));
    let _publisher = ffmpeg::publish_at(server.address("rtmp").unwrap(), "a", 60, "20M");
    let mut reader = play(&server, "/a.flv");
    let stopped = play(&server, "/a.flv");
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut last = Instant::now();
    while server.get("/metrics").contains("medley_sessions{protocol=\"flv\",action=\"read\"} 2") {
        assert!(Instant::now() < deadline, "the reader that stopped is still there");
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            chunk(&mut reader).unwrap();
            assert!(last.elapsed() < Duration::from_secs(2), "the other reader waits");
            last = Instant::now();
        }
    }
    stopped.set_nonblocking(true).unwrap();
    let mut rest = vec![0; 1 << 20];
    let closed = loop {
        match (&stopped).read(&mut rest) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    assert!(closed);
}
