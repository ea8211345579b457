//! Peers that want the server to fall over.

mod support;

use bytes::BytesMut;
use rtmp::amf0::{self, Value};
use rtmp::chunk::{Header, put_message};
use rtmp::message::{Message, UserControl, kind};
use rtmp::{Error, chunk, message};
use support::Raw;

/// `connect` with `levels` objects inside each other.
fn nested_connect(levels: usize) -> Vec<u8> {
    let mut body = BytesMut::new();
    amf0::write_string(&mut body, "connect");
    amf0::write(&mut body, &Value::Number(1.0));
    let mut body = body.to_vec();
    (0..levels).for_each(|_| body.extend(b"\x03\0\x01a"));
    body
}

#[test]
fn nested_objects_end_the_session_and_nothing_else() {
    // 1,000 levels kill SRS, 10,000 xiu, 100,000 nginx-rtmp.
    let mut raw = Raw::new();
    let too_deep = message::Error::Amf0(amf0::Error::TooDeep { at: 19 + 4 * amf0::MAX_DEPTH });
    for levels in [1_000, 10_000] {
        let mut raw = Raw::new();
        let error = raw.send(kind::COMMAND, 0, nested_connect(levels)).unwrap_err();
        assert!(matches!(error, Error::Message { source, .. } if source == too_deep), "{error}");
    }
    let error = raw.send(kind::COMMAND, 0, nested_connect(100_000)).unwrap_err();
    let too_long = chunk::Error::TooLong { kind: kind::COMMAND, len: 400_019, limit: 65_536 };
    assert!(matches!(error, Error::Chunk { source, .. } if source == too_long), "{error}");
}

#[test]
fn a_chunk_size_of_two_gigabytes_costs_nothing() {
    let mut raw = Raw::publisher();
    raw.send(kind::SET_CHUNK_SIZE, 0, 0x7fff_ffff_u32.to_be_bytes().to_vec()).unwrap();
    raw.send(kind::AUDIO, 1, &b"\xaf\x01abc"[..]).unwrap();
    assert_eq!(raw.events.len(), 1);
}

#[test]
fn storms_of_aborts_and_pings_are_answered_in_proportion() {
    let mut raw = Raw::publisher();
    for _ in 0..10_000 {
        raw.send(kind::ABORT, 0, 6u32.to_be_bytes().to_vec()).unwrap();
    }
    assert_eq!(raw.messages, []);
    for number in 0..1000 {
        raw.user_control(UserControl::PingRequest(number));
    }
    assert_eq!(raw.messages.len(), 1000);
    assert!(
        raw.messages
            .iter()
            .all(|message| matches!(message, Message::UserControl(UserControl::PingResponse(_))))
    );
}

#[test]
fn a_window_of_one_byte_brings_one_acknowledgement_a_read() {
    let mut raw = Raw::publisher();
    raw.send(kind::WINDOW_ACK_SIZE, 0, vec![0, 0, 0, 0]).unwrap();
    raw.messages.clear();
    let mut out = BytesMut::new();
    let header = Header { chunk_stream: 4, kind: kind::AUDIO, stream: 1, timestamp: 0 };
    (0..100).for_each(|_| put_message(&mut out, 128, &header, &b"\xaf\x01"[..]));
    raw.input(&out).unwrap();
    assert_eq!((raw.events.len(), raw.messages.len()), (100, 1));
}

#[test]
fn strangers_are_refused_at_their_first_byte() {
    for (first, hello) in [(b'G', &b"GET / HTTP/1.1\r\n"[..]), (0x16, &[0x16, 3, 1]), (6, &[6])] {
        let refused =
            Error::Handshake { at: hello.len() as u64, source: rtmp::handshake::Error::Version(first) };
        assert_eq!(Raw::silent().input(hello), Err(refused));
    }
}
