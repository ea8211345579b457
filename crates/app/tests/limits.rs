//! Strangers, hostile bytes and limits: each is refused within its bound, told in a log line without an address, and
//! counted.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use gateway::rtmp::{Client, ClientError};
use support::{EVERYBODY_HERE, Running, closed_after};

const TIGHT: &str = "[limits]\nhandshake_timeout_ms = 400\nrtmp_message_bytes = 65536\n\
     webrtc_sessions = 1\nstreams = 1\nsubscribers = 1\n";

fn start(name: &str) -> Running {
    start_with(name, "connections = 2\n")
}

fn start_with(name: &str, connections: &str) -> Running {
    Running::start(
        name,
        &format!("{TIGHT}{connections}{}", EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread =")),
    )
}

/// A handshake of version 3 with anything in it (RTMP 1.0 §5.2).
fn handshake(stream: &mut TcpStream) {
    stream.write_all(&[&[3][..], &[0; 1536]].concat()).unwrap();
    let mut answer = vec![0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).unwrap();
    stream.write_all(&answer[1..1537]).unwrap();
}

#[test]
fn an_rtmp_connection_that_says_nothing_is_closed() {
    let server = start("half-open.toml");
    let mut silent = server.connect("rtmp");
    assert!(closed_after(&mut silent) >= Duration::from_millis(300));
    let mut shook_hands = server.connect("rtmp");
    handshake(&mut shook_hands);
    closed_after(&mut shook_hands);
    server.comes_to("medley_handshake_timeouts_total", 2);
    server.logged("no publish or play in time");
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let server = start("many.toml");
    let _two = [server.connect("rtmp"), server.connect("rtmp")];
    closed_after(&mut server.connect("rtmp"));
    server.comes_to("medley_connections_refused_total", 1);
    server.logged("too many connections; refused one");
}

#[tokio::test]
async fn streams_and_readers_beyond_the_limit_are_refused() {
    let server = start_with("streams.toml", "connections = 10\n");
    let rtmp = server.address("rtmp").unwrap();
    let _first = Client::publish(rtmp, "first").await.unwrap();
    for refused in [Client::publish(rtmp, "second").await, {
        let _reader = Client::play(rtmp, "first").await.unwrap();
        Client::play(rtmp, "first").await
    }] {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, ClientError::Refused(code) if code == "NetConnection.Connect.Rejected"),
            "{error}"
        );
    }
    server.comes_to("medley_connections_refused_total", 2);
    server.logged("a limit is reached; refused one");
}

#[test]
fn webrtc_sessions_beyond_the_limit_are_refused() {
    let server = start("sessions.toml");
    let offer = include_str!("../../../tests/vectors/chromium-156/whip-offer.sdp");
    let post = || {
        let mut stream = server.connect("http");
        let length = offer.len();
        write!(
            stream,
            "POST /a/whip HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/sdp\r\n\
             content-length: {length}\r\n\r\n{offer}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!([post(), post()], ["201", "503"]);
    server.comes_to("medley_connections_refused_total", 1);
    // The first one never connects.
    server.comes_to("medley_handshake_timeouts_total", 1);
    server.logged("WebRTC: too many sessions; refused one");
}

#[test]
fn a_message_larger_than_accepted_ends_the_connection_before_it_is_stored() {
    let server = start("large.toml");
    let mut stream = server.connect("rtmp");
    handshake(&mut stream);
    // Chunk stream 4, 16,000,000 bytes of video (RTMP 1.0 §5.3.1.2.1).
    stream.write_all(&[&[4, 0, 0, 0, 0xf4, 0x24, 0, 9, 1, 0, 0, 0][..], &[0; 128]].concat()).unwrap();
    closed_after(&mut stream);
    server.comes_to("medley_protocol_errors_total", 1);
    server.logged("16000000 bytes, accepted are");
}

#[test]
fn deeply_nested_command_objects_end_the_connection() {
    let server = start("nested.toml");
    let mut stream = server.connect("rtmp");
    handshake(&mut stream);
    // "connect", 1, then objects in objects: 03, key "a", 03, ... (AMF0 §2.5).
    let mut command = b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0".to_vec();
    command.extend((0..20).flat_map(|_| [3, 0, 1, b'a']));
    let len = u8::try_from(command.len()).unwrap();
    assert!(len < 128, "one chunk");
    stream.write_all(&[&[3, 0, 0, 0, 0, 0, len, 20, 0, 0, 0, 0][..], &command].concat()).unwrap();
    closed_after(&mut stream);
    server.comes_to("medley_protocol_errors_total", 1);
    server.logged("nests deeper than 16 levels");
}

#[test]
fn commands_whose_answers_nobody_takes_do_not_gather_in_the_server() {
    let server = Running::start("deaf.toml", EVERYBODY_HERE);
    let mut deaf = server.connect("rtmp");
    handshake(&mut deaf);
    // A chunk of 12 bytes (RTMP 1.0 §5.3.1.2.1) with a command: "connect", 1, { app: "a" }; "createStream", 2, null.
    let command = |body: &[u8]| {
        let length = u8::try_from(body.len()).unwrap();
        [&[3, 0, 0, 0, 0, 0, length, 20, 0, 0, 0, 0][..], body].concat()
    };
    let connect = b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0\x03\0\x03app\x02\0\x01a\0\0\x09";
    deaf.write_all(&command(connect)).unwrap();
    let mut first = [0; 16];
    deaf.read_exact(&mut first).expect("an answer");
    deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let create = command(b"\x02\x00\x0ccreateStream\x00\x40\0\0\0\0\0\0\0\x05");
    deaf.write_all(&create.repeat(1_500_000)).expect_err("it is not read on");
    assert!(server.get("/healthz").contains("\"ok\""), "others are served meanwhile");
}

#[test]
fn garbage_at_the_ice_port_is_dropped_and_counted() {
    let server = start("garbage.toml");
    let ice = server.address("ice").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [1, 20, 200, 1400] {
        socket.send_to(&vec![0x16; length], ice).unwrap();
    }
    server.comes_to("medley_datagrams_unknown_total", 4);
    let mut tcp = server.connect("ice");
    tcp.write_all(&[0, 20]).unwrap();
    tcp.write_all(&[0; 20]).unwrap();
    closed_after(&mut tcp);
    assert_eq!(server.metric("medley_sessions{protocol=\"webrtc\",action=\"read\"}"), 0);
}

#[test]
fn an_http_header_that_does_not_end_is_not_waited_for() {
    let server = start("header.toml");
    let mut stream = server.connect("http");
    stream.write_all(b"POST /a/whip HTTP/1.1\r\nhost: x\r\n").unwrap();
    closed_after(&mut stream);
    server.comes_to("medley_http_header_timeouts_total{listener=\"http\"}", 1);
    server.logged("no whole header in time");
}
