//! The server session towards clients that are slow, wrong, early or unusual.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use proptest::prelude::*;
use rtmp::amf0::{Object, Value};
use rtmp::message::{Message, PeerBandwidthLimit, UserControl, kind};
use rtmp::session::{Event, StatusCode};
use rtmp::{Error, Order};
use std::time::Duration;
use support::Raw;

fn connect(raw: &mut Raw, object: Object) {
    raw.call(0, "connect", 1.0, &[object.into()]).unwrap();
}

fn answer(name: &str, transaction: f64, code: &str) -> (String, f64, String) {
    (name.to_owned(), transaction, code.to_owned())
}

fn no_code(name: &str, transaction: f64) -> (String, f64, String) {
    answer(name, transaction, "")
}

/// As WeChat's SDK is known to speak: librtmp's order with its flashVer and FMLE's publishing type.
#[test]
fn wechat_publishes() {
    let mut raw = Raw::new();
    let object = Object::new()
        .with("app", "c")
        .with("type", "nonprivate")
        .with("flashVer", "LNX 10,0,32,18")
        .with("tcUrl", "rtmp://h:1935/c")
        .with("fpad", false)
        .with("capabilities", 15.0)
        .with("audioCodecs", 4071.0)
        .with("videoCodecs", 252.0)
        .with("videoFunction", 1.0)
        .with("objectEncoding", 0.0);
    connect(&mut raw, object);
    assert_eq!(
        raw.messages[..2],
        [
            Message::WindowAckSize(2_500_000),
            Message::SetPeerBandwidth { size: 2_500_000, limit: PeerBandwidthLimit::Dynamic }
        ]
    );
    raw.send(kind::SET_CHUNK_SIZE, 0, 4096u32.to_be_bytes().to_vec()).unwrap();
    raw.call(0, "releaseStream", 2.0, &[Value::Null, "s?t=token".into()]).unwrap();
    raw.call(0, "FCPublish", 3.0, &[Value::Null, "s?t=token".into()]).unwrap();
    raw.call(0, "createStream", 4.0, &[Value::Null]).unwrap();
    raw.call(0, "_checkbw", 5.0, &[Value::Null]).unwrap();
    raw.call(1, "publish", 6.0, &[Value::Null, "s?t=token".into(), "live".into()]).unwrap();
    let Some(Event::PublishRequested(target)) = raw.events.last() else { panic!("{:?}", raw.events) };
    assert_eq!(target.path.as_ref().unwrap().as_str(), "c/s");
    assert_eq!(target.query.reveal(), "t=token");
    raw.server.accept_publish().unwrap();
    raw.drain();
    let expected = [
        answer("_result", 1.0, "NetConnection.Connect.Success"),
        no_code("_result", 2.0),
        no_code("_result", 3.0),
        no_code("_result", 4.0),
        no_code("_result", 5.0),
        answer("onFCPublish", 0.0, "NetStream.Publish.Start"),
        answer("onStatus", 0.0, "NetStream.Publish.Start"),
    ];
    assert_eq!(raw.answers(), expected);
    raw.send(kind::VIDEO, 1, &b"\x17\0"[..]).unwrap();
    raw.call(0, "FCUnpublish", 7.0, &[Value::Null, "s?t=token".into()]).unwrap();
    raw.call(0, "deleteStream", 8.0, &[Value::Null, Value::Number(1.0)]).unwrap();
    assert!(matches!(&raw.events[2..], [Event::Media(_), Event::PublishEnded]), "{:?}", raw.events);
}

#[test]
fn wechat_plays() {
    let mut raw = Raw::new();
    connect(
        &mut raw,
        Object::new().with("app", "doctorStream").with("tcUrl", "rtmp://h/doctorStream?token=t"),
    );
    raw.call(0, "createStream", 2.0, &[Value::Null]).unwrap();
    raw.call(0, "FCSubscribe", 3.0, &[Value::Null, "".into()]).unwrap();
    raw.call(0, "set_playlist", 0.0, &[Value::Null, Value::Null]).unwrap();
    raw.call(1, "play", 0.0, &[Value::Null, "".into(), Value::Number(-2000.0)]).unwrap();
    raw.user_control(UserControl::SetBufferLength { stream: 1, millis: 3000 });
    let Some(Event::PlayRequested(target)) = raw.events.last() else { panic!("{:?}", raw.events) };
    assert_eq!(
        (target.path.as_ref().unwrap().as_str(), target.query.reveal().as_str()),
        ("doctorStream", "token=t")
    );
    raw.messages.clear();
    raw.server.accept_play().unwrap();
    raw.drain();
    assert_eq!(raw.messages[0], Message::UserControl(UserControl::StreamBegin(1)));
    let codes = raw.answers();
    assert_eq!(
        codes,
        ["NetStream.Play.Reset", "NetStream.Play.Start"].map(|code| answer("onStatus", 0.0, code))
    );
}

#[test]
fn a_client_that_gets_nowhere_is_cut_off_after_ten_seconds() {
    let mut idle = Raw::silent();
    assert_eq!(idle.after(Duration::from_millis(9_999)), Ok(()));
    assert_eq!(idle.after(Duration::from_millis(1)), Err(Error::HandshakeTimeout));
    assert_eq!(idle.server.poll_timeout(), None);

    let mut connected = Raw::new();
    connect(&mut connected, Object::new());
    assert_eq!(connected.after(Duration::from_secs(10)), Err(Error::HandshakeTimeout));

    // Asked in time: the decision may take longer.
    let mut asked = Raw::request("live", "publish", "a");
    assert_eq!(asked.after(Duration::from_secs(60)), Ok(()));
}

#[test]
fn a_silent_publisher_is_cut_off_and_a_silent_reader_is_not() {
    let mut publisher = Raw::publisher();
    assert_eq!(publisher.after(Duration::from_secs(29)), Ok(()));
    publisher.send(kind::AUDIO, 1, &b"\xaf\x01"[..]).unwrap();
    assert_eq!(publisher.after(Duration::from_secs(29)), Ok(()));
    assert_eq!(publisher.after(Duration::from_secs(1)), Err(Error::IdleTimeout));

    let mut reader = Raw::request("live", "play", "a");
    reader.server.accept_play().unwrap();
    assert_eq!(reader.after(Duration::from_secs(3600)), Ok(()));
}

#[test]
fn no_media_counts_before_the_answer() {
    let mut raw = Raw::request("live", "publish", "a");
    raw.events.clear();
    for body in [&b"\x17\0"[..], &b"\x17\x01"[..]] {
        raw.send(kind::VIDEO, 1, body).unwrap();
    }
    assert_eq!(raw.events, []);
    raw.server.accept_publish().unwrap();
    raw.drain();
    assert_eq!(raw.events.len(), 2, "a client that does not wait loses nothing");

    let mut refused = Raw::request("live", "publish", "a");
    refused.send(kind::VIDEO, 1, &b"\x17\0"[..]).unwrap();
    refused.events.clear();
    refused.server.reject(StatusCode::PublishDenied, "no");
    refused.drain();
    assert_eq!(refused.events, [Event::Close]);

    let mut reader = Raw::request("live", "play", "a");
    reader.server.accept_play().unwrap();
    reader.events.clear();
    reader.send(kind::VIDEO, 1, &b"\x17\0"[..]).unwrap();
    assert_eq!(reader.events, [], "a reader publishes nothing");
}

#[test]
fn only_accepted_publishers_may_send_much() {
    let large = || vec![0x17; 100_000];
    let mut stranger = Raw::new();
    connect(&mut stranger, Object::new());
    assert!(matches!(stranger.send(kind::VIDEO, 1, large()), Err(Error::Chunk { .. })));

    let mut asking = Raw::request("live", "publish", "a");
    assert_eq!(asking.send(kind::VIDEO, 1, large()), Ok(()));
    assert_eq!(asking.send(kind::VIDEO, 1, large()), Ok(()));
    assert_eq!(asking.send(kind::VIDEO, 1, large()), Err(Error::Impatient));
    assert_eq!(asking.server.accept_publish(), Err(Error::State));

    let mut accepted = Raw::publisher();
    assert_eq!(accepted.send(kind::VIDEO, 1, large()), Ok(()));
    assert_eq!(accepted.events.len(), 1);
}

#[test]
fn commands_out_of_order_end_the_session() {
    let order = |result: Result<(), Error>| match result {
        Err(Error::Order { order, .. }) => order,
        other => panic!("{other:?}"),
    };
    let mut early = Raw::new();
    assert_eq!(order(early.call(1, "publish", 1.0, &[Value::Null, "a".into()])), Order::BeforeConnect);
    assert_eq!(early.input(b"ignored from here on"), Ok(()));

    let mut twice = Raw::publisher();
    assert_eq!(order(twice.call(0, "connect", 9.0, &[Object::new().into()])), Order::SecondConnect);

    for name in ["publish", "play"] {
        let mut asked = Raw::request("live", "publish", "a");
        asked.call(1, name, 9.0, &[Value::Null, "b".into()]).unwrap();
        assert_eq!(order(asked.server.accept_publish()), Order::SecondRequest);
        let mut asked = Raw::request("live", "play", "a");
        assert_eq!(order(asked.call(1, name, 9.0, &[Value::Null, "b".into()])), Order::SecondRequest);
        let mut publishing = Raw::publisher();
        assert_eq!(order(publishing.call(1, name, 9.0, &[Value::Null, "b".into()])), Order::SecondRequest);
    }
}

#[test]
fn one_connection_may_publish_again_under_another_name() {
    let mut raw = Raw::publisher();
    raw.call(1, "closeStream", 0.0, &[Value::Null]).unwrap();
    assert_eq!(raw.events, [Event::PublishEnded]);
    raw.send(kind::VIDEO, 1, &b"\x17\0"[..]).unwrap();
    assert_eq!(raw.events.len(), 1, "what comes late is dropped");
    raw.call(1, "publish", 0.0, &[Value::Null, "b".into()]).unwrap();
    assert!(
        matches!(&raw.events[1], Event::PublishRequested(target) if target.path.as_ref().unwrap().as_str() == "live/b")
    );
    raw.server.accept_publish().unwrap();
    raw.call(1, "publish", 0.0, &[Value::Null, Value::Boolean(false)]).unwrap();
    assert_eq!(raw.events.last(), Some(&Event::PublishEnded));
    assert_eq!(raw.after(Duration::from_secs(10)), Err(Error::HandshakeTimeout), "and then must go on");
}

#[test]
fn an_answer_to_what_was_not_asked_is_an_error() {
    let mut publisher = Raw::request("live", "publish", "a");
    assert_eq!(publisher.server.accept_play(), Err(Error::State));
    assert_eq!(publisher.server.accept_publish(), Ok(()));
    assert_eq!(publisher.server.accept_publish(), Err(Error::State));
    let mut reader = Raw::request("live", "play", "a");
    assert_eq!(reader.server.accept_publish(), Err(Error::State));
    assert_eq!(reader.server.accept_play(), Ok(()));
}

#[test]
fn a_request_may_be_withdrawn_before_its_answer() {
    let delete =
        |raw: &mut Raw| raw.call(0, "deleteStream", 0.0, &[Value::Null, Value::Number(1.0)]).unwrap();
    let mut reader = Raw::request("live", "play", "a");
    delete(&mut reader);
    assert_eq!(reader.events.last(), Some(&Event::PlayEnded));
    assert_eq!(reader.server.accept_play(), Err(Error::State));

    let mut publisher = Raw::request("live", "publish", "a");
    publisher.send(kind::VIDEO, 1, &b"\x17\0"[..]).unwrap();
    delete(&mut publisher);
    publisher.server.accept_publish().unwrap();
    publisher.drain();
    assert!(
        matches!(&publisher.events[2..], [Event::Media(_), Event::PublishEnded]),
        "{:?}",
        publisher.events
    );
}

#[test]
fn after_a_refusal_nothing_more_is_heard() {
    let mut raw = Raw::request("live", "publish", "a");
    raw.server.reject(StatusCode::PublishDenied, "wrong password");
    raw.server.reject(StatusCode::PublishDenied, "twice");
    raw.drain();
    assert_eq!(raw.answers(), [answer("onStatus", 0.0, "NetStream.Publish.Denied")]);
    assert_eq!(raw.events.last(), Some(&Event::Close));
    raw.call(1, "publish", 9.0, &[Value::Null, "b".into()]).unwrap();
    assert_eq!(raw.events.iter().filter(|event| **event == Event::Close).count(), 1);
    assert_eq!(raw.server.poll_timeout(), None);
}

#[test]
fn unknown_calls_are_answered_if_they_want_an_answer() {
    let mut raw = Raw::publisher();
    raw.call(0, "whatever", 9.0, &[Value::Null]).unwrap();
    raw.call(0, "whatever", 0.0, &[Value::Null]).unwrap();
    raw.call(0, "_result", 4.0, &[Value::Null]).unwrap();
    raw.call(0, "getStreamLength", 10.0, &[Value::Null, "a".into()]).unwrap();
    assert_eq!(raw.answers(), [answer("_error", 9.0, "NetConnection.Call.Failed"), no_code("_result", 10.0)]);
}

#[test]
fn a_reader_pauses_and_chooses() {
    let mut raw = Raw::request("live", "play", "a");
    raw.call(1, "pause", 0.0, &[Value::Null, true.into(), Value::Number(0.0)]).unwrap();
    raw.server.accept_play().unwrap();
    raw.drain();
    raw.events.clear();
    raw.messages.clear();
    raw.call(1, "pause", 0.0, &[Value::Null, true.into(), Value::Number(0.0)]).unwrap();
    raw.call(1, "pauseRaw", 0.0, &[Value::Null, false.into(), Value::Number(0.0)]).unwrap();
    raw.call(1, "receiveAudio", 0.0, &[Value::Null, false.into()]).unwrap();
    raw.call(1, "receiveVideo", 0.0, &[Value::Null, true.into()]).unwrap();
    let (audio, video) =
        (Event::Receive(media::Kind::Audio, false), Event::Receive(media::Kind::Video, true));
    assert_eq!(raw.events, [Event::Paused(true), Event::Paused(false), audio, video]);
    let codes =
        ["NetStream.Pause.Notify", "NetStream.Unpause.Notify"].map(|code| answer("onStatus", 0.0, code));
    assert_eq!(raw.answers(), codes);
}

#[test]
fn pings_are_answered_and_windows_kept() {
    let mut raw = Raw::publisher();
    raw.user_control(UserControl::PingRequest(77));
    assert_eq!(raw.messages, [Message::UserControl(UserControl::PingResponse(77))]);
    raw.server.ping(5).unwrap();
    raw.drain();
    assert_eq!(raw.messages[1], Message::UserControl(UserControl::PingRequest(5)));
    raw.user_control(UserControl::PingResponse(5));
    assert_eq!(raw.events, [Event::Pong(5)]);
    raw.messages.clear();

    raw.send(kind::SET_PEER_BANDWIDTH, 0, vec![0, 0, 4, 0, 0]).unwrap();
    raw.send(kind::SET_PEER_BANDWIDTH, 0, vec![0, 0, 4, 0, 0]).unwrap();
    assert_eq!(raw.messages, [Message::WindowAckSize(1024)], "announced once");
    raw.messages.clear();

    raw.send(kind::WINDOW_ACK_SIZE, 0, 20_000u32.to_be_bytes().to_vec()).unwrap();
    for _ in 0..60 {
        raw.send(kind::AUDIO, 1, vec![0xaf; 1000]).unwrap();
    }
    let acknowledged: Vec<u32> = raw
        .messages
        .iter()
        .map(
            |message| {
                if let Message::Acknowledgement(bytes) = message { *bytes } else { panic!("{message:?}") }
            },
        )
        .collect();
    assert_eq!(acknowledged.len(), 3, "{acknowledged:?}");
    assert!(acknowledged.windows(2).all(|pair| pair[1] - pair[0] >= 20_000), "{acknowledged:?}");
}

#[test]
fn an_error_names_the_byte_of_the_connection() {
    let mut raw = Raw::new();
    let start = 1 + 2 * 1536;
    assert_eq!(
        raw.input(&[0xc5]),
        Err(Error::Chunk { at: start, chunk_stream: 5, source: rtmp::chunk::Error::NoEarlierHeader(3) })
    );
    let mut raw = Raw::new();
    let error = raw.send(kind::COMMAND, 0, &b"\xff"[..]).unwrap_err();
    let source = rtmp::message::Error::Amf0(rtmp::amf0::Error::Marker { at: 0, marker: 0xff });
    assert_eq!(error, Error::Message { at: start + 13, chunk_stream: 3, kind: kind::COMMAND, source });
    let shown = error.to_string();
    assert_eq!(
        shown,
        "byte 3086, chunk stream 3, message type 20: AMF0 marker 0xff at byte 0 is not accepted"
    );
}

#[test]
fn what_a_client_calls_itself_is_made_fit_for_a_log() {
    let mut raw = Raw::new();
    let flash_ver = format!("evil\n\x1b[31m{}", "x".repeat(1000));
    connect(&mut raw, Object::new().with("flashVer", flash_ver.as_str()));
    let Event::Connected(client) = &raw.events[0] else { panic!() };
    assert_eq!(client.flash_ver, format!("evil??[31m{}", "x".repeat(54)));
}

#[test]
fn nothing_personal_is_shown() {
    let raw = Raw::request("live?user=doctor-li", "publish", "a?pass=secret");
    let shown = format!("{:?} {:?}", raw.events, raw.server);
    assert!(!shown.contains("doctor-li") && !shown.contains("secret"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_after_connect_act_alike_whatever_the_cuts(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(3), Just(0xc3), Just(20), any::<u8>()], 0..500),
        cut in any::<prop::sample::Index>(),
    ) {
        let run = |pieces: &[&[u8]]| {
            let mut raw = Raw::publisher();
            let result: Result<Vec<()>, Error> = pieces.iter().map(|piece| raw.input(piece)).collect();
            (result.map(|_| ()), raw.events)
        };
        let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(run(&[&bytes]), run(&[left, right]));
    }
}
