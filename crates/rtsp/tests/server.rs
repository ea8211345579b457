//! The server's side: what each request is answered with, in each state.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use rtsp::Error;
use rtsp::auth::{Authorization, Challenge};
use rtsp::message::StatusCode;
use rtsp::session::{Config, Event, Refusal, RtpInfo, Setup};
use rtsp::transport::Transport;
use support::{ANNOUNCED, Answer, Server, URL, offered};

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
const SDP: &str = "Content-Type: application/sdp";

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(Answer::status).collect()
}

#[test]
fn a_reader_on_tcp() {
    let mut server = Server::new();
    assert!(server.say("OPTIONS", URL, &[]).header("Public").unwrap().contains("GET_PARAMETER"));
    let Event::ReadRequested(access) = server.asks("DESCRIBE", &format!("{URL}?audio=aac"), &[], "") else {
        panic!()
    };
    assert_eq!((access.path.as_str(), access.target.query.reveal().as_str()), ("ward/bed", "audio=aac"));
    server.session.accept_read(offered(), 7, server.now).unwrap();
    let described = server.answer();
    assert_eq!(described.header("Content-Base"), Some("rtsp://h:8554/ward/bed/"));
    assert!(described.0.contains("a=control:trackID=1"), "{described:?}");
    let first =
        server.say("SETUP", &format!("{URL}/trackID=0"), &["Transport: RTP/AVP/TCP;unicast;interleaved=4-5"]);
    assert_eq!(first.header("Transport"), Some("RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=00000011"));
    let session = first.header("Session").unwrap().to_owned();
    assert_eq!(session, "0000000000000abc;timeout=60");
    let header = format!("Session: {session}");
    let taken = server.say(
        "SETUP",
        &format!("{URL}?audio=aac/trackID=1"),
        &[&header, "Transport: RTP/AVP/TCP;unicast;interleaved=5-6"],
    );
    assert_eq!(
        taken.header("Transport"),
        Some("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000022"),
        "5 is taken"
    );
    assert_eq!(
        server.asks("PLAY", "rtsp://h:8554/ward/bed/", &[&header, "Range: npt=0.000-"], ""),
        Event::PlayRequested
    );
    let setups: Vec<_> = server.session.setups().collect();
    let interleaved = |rtp, rtcp| Transport::Interleaved { rtp, rtcp };
    assert_eq!(
        setups,
        [Setup { track: 0, transport: interleaved(4, 5) }, Setup { track: 1, transport: interleaved(0, 1) }]
    );
    let infos = [(0, 10, 100), (1, 20, 200)].map(|(track, sequence, timestamp)| RtpInfo {
        track,
        sequence,
        timestamp,
    });
    server.session.accept_play(&infos, server.now).unwrap();
    let expected = "url=rtsp://h:8554/ward/bed/trackID=0;seq=10;rtptime=100,\
                    url=rtsp://h:8554/ward/bed/trackID=1;seq=20;rtptime=200";
    assert_eq!(server.answer().header("RTP-Info"), Some(expected));
    // Its receiver reports are no events.
    assert_eq!(statuses(&server.feed(b"$\x05\0\x08\x80\xc9\0\x01\0\0\0\0").unwrap()), []);
    assert!(server.events.is_empty());
    assert_eq!(server.session.poll_timeout(), None, "what it takes shows that it is there");
    assert_eq!(server.say("GET_PARAMETER", URL, &[&header]).status(), 200);
    assert_eq!(server.say("PAUSE", URL, &[&header]).status(), 200);
    assert_eq!(server.events.pop(), Some(Event::Paused));
    assert_eq!(server.asks("PLAY", URL, &[&header], ""), Event::PlayRequested);
    server.session.accept_play(&[], server.now).unwrap();
    server.drain();
    assert_eq!(server.say("TEARDOWN", URL, &[&header]).status(), 200);
    assert_eq!(server.events.pop(), Some(Event::Ended));
    assert_eq!(server.say("PLAY", URL, &[&header]).status(), 454, "that session is over");
}

#[test]
fn a_reader_on_udp() {
    let mut server = Server::described();
    let both =
        "Transport: RTP/AVP;multicast;client_port=1-2,RTP/AVP;unicast;client_port=5000-5001;mode=\"PLAY\"";
    let answer = server.say("SETUP", &format!("{URL}/trackID=0"), &[both]);
    let expected = "RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001;ssrc=00000011";
    assert_eq!(answer.header("Transport"), Some(expected));
    let mixed = server.say("SETUP", &format!("{URL}/trackID=1"), &[TCP]);
    assert_eq!(mixed.status(), 461, "all tracks travel alike");
    server.asks("PLAY", URL, &[], "");
    server.session.accept_play(&[], server.now).unwrap();
    server.drain();
    // Alive by requests, then by packets, then no more.
    let minute = Duration::from_secs(60);
    assert_eq!(server.session.poll_timeout(), Some(server.now + minute));
    server.now += minute / 2;
    server.session.note_packet(server.now);
    assert_eq!(server.pass(minute / 2), Ok(()));
    assert_eq!(server.pass(minute / 2), Err(Error::SessionTimeout));
}

#[test]
fn a_player_that_does_not_ask_for_a_description() {
    let mut server = Server::new();
    let event = server.asks("SETUP", &format!("{URL}/trackID=1"), &[TCP], "");
    assert!(matches!(event, Event::ReadRequested(_)), "{event:?}");
    server.session.accept_read(offered(), 7, server.now).unwrap();
    assert_eq!(server.answer().status(), 200);
}

#[test]
fn a_publisher_sets_up_also_what_is_thrown_away() {
    let mut server = Server::new();
    let Event::PublishRequested(access, presentation) = server.asks("ANNOUNCE", URL, &[SDP], ANNOUNCED)
    else {
        panic!()
    };
    assert_eq!(access.path.as_str(), "ward/bed");
    assert_eq!((presentation.media.len(), presentation.ignored.len()), (2, 1));
    server.session.accept_publish().unwrap();
    assert_eq!(server.answer().status(), 200);
    for (track, channels) in [(0, "0-1"), (1, "2-3"), (2, "4-5")] {
        let header = format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels};mode=record");
        let answer = server.say("SETUP", &format!("{URL}/streamid={track}"), &[&header]);
        assert_eq!(answer.header("Transport"), header.strip_prefix("Transport: "));
    }
    assert_eq!(server.asks("RECORD", URL, &[], ""), Event::RecordRequested);
    // Pipelined behind RECORD: not read before the answer.
    server.feed(b"$\x02\0\x01h$\x04\0\x02op$\x05\0\x03rtc").unwrap();
    assert!(server.events.is_empty());
    server.session.accept_record(server.now).unwrap();
    server.feed(b"").unwrap();
    let packets: Vec<_> = std::mem::take(&mut server.events)
        .into_iter()
        .map(|event| match event {
            Event::Packet { track, rtcp, packet } => (track, rtcp, packet.to_vec()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(packets, [(1, false, b"op".to_vec()), (1, true, b"rtc".to_vec())]);
    assert_eq!(server.pass(Duration::from_secs(9)), Ok(()));
    assert_eq!(server.pass(Duration::from_secs(1)), Err(Error::IdleTimeout));
}

#[test]
fn what_cannot_be_published_is_told_apart() {
    let mut server = Server::new();
    assert_eq!(server.say_with("ANNOUNCE", URL, &[], ANNOUNCED).status(), 415);
    assert_eq!(server.say_with("ANNOUNCE", URL, &[SDP], "nonsense").status(), 400);
    let h265 = "v=0\r\ns=x\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\n";
    assert_eq!(server.say_with("ANNOUNCE", URL, &[SDP], h265).status(), 415);
    assert_eq!(server.say_with("ANNOUNCE", "rtsp://h/", &[SDP], ANNOUNCED).status(), 404);
    assert!(server.events.is_empty());
}

#[test]
fn requests_in_the_wrong_state_or_place() {
    let mut server = Server::new();
    for (method, status) in
        [("PLAY", 455), ("RECORD", 455), ("PAUSE", 455), ("TEARDOWN", 454), ("REDIRECT", 501), ("FLY", 501)]
    {
        assert_eq!(server.say(method, URL, &[]).status(), status, "{method}");
    }
    assert_eq!(server.say("SETUP", URL, &["Transport: RTP/AVP/TCP;unicast;mode=record"]).status(), 455);
    assert_eq!(
        server.say("OPTIONS", URL, &["Require: www.onvif.org/ver20/backchannel"]).header("Unsupported"),
        Some("www.onvif.org/ver20/backchannel")
    );
    assert_eq!(server.say("DESCRIBE", "rtsp://h/a//b", &[]).status(), 404);
    assert_eq!(server.say("DESCRIBE", URL, &["Accept: text/html"]).status(), 406);
    let mut server = Server::described();
    for (url, transport, status) in [
        ("/trackID=0", "RTP/AVP;multicast", 461),
        ("/trackID=0", "RTP/SAVP;unicast;client_port=1-2", 461),
        ("/trackID=0", "RTP/AVP;unicast;client_port=0-1", 462),
        ("", "RTP/AVP/TCP;unicast", 459),
        ("/trackID=2", "RTP/AVP/TCP;unicast", 404),
    ] {
        let answer = server.say("SETUP", &format!("{URL}{url}"), &[&format!("Transport: {transport}")]);
        assert_eq!(answer.status(), status, "{url} {transport}");
    }
    assert_eq!(server.say("PLAY", URL, &[]).status(), 455, "nothing is set up");
    assert_eq!(server.say("SETUP", "rtsp://h/other/trackID=0", &[TCP]).status(), 404);
    let mut server = Server::playing();
    assert_eq!(server.say("SETUP", &format!("{URL}/trackID=0"), &[TCP]).status(), 455);
    assert_eq!(server.say_with("ANNOUNCE", URL, &[SDP], ANNOUNCED).status(), 455);
    assert_eq!(server.say("PLAY", URL, &[]).status(), 200, "a sign of life of old players");
    assert_eq!(server.say("DESCRIBE", URL, &[]).status(), 200);
}

#[test]
fn a_session_of_another_connection_opens_nothing() {
    let mut server = Server::playing();
    let foreign = "Session: 00000000000000ff";
    for method in ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SETUP", "OPTIONS"] {
        assert_eq!(server.say(method, URL, &[foreign]).status(), 454, "{method}");
    }
    assert!(server.events.is_empty());
    let mut stranger = Server::new();
    assert_eq!(stranger.say("PLAY", URL, &["Session: 0000000000000abc"]).status(), 454);
}

#[test]
fn requests_behind_one_that_waits_are_answered_in_order() {
    let mut server = Server::new();
    server.send("DESCRIBE", URL, &[], "");
    server.send("OPTIONS", URL, &[], "");
    assert_eq!(statuses(&server.feed(b"").unwrap()), []);
    server.session.refuse(Refusal::Status(StatusCode::NotFound), server.now).unwrap();
    assert_eq!(statuses(&server.drain()), [404]);
    assert_eq!(statuses(&server.feed(b"").unwrap()), [200]);
    assert_eq!(server.session.refuse(Refusal::Status(StatusCode::NotFound), server.now), Err(Error::State));
}

#[test]
fn credentials_are_asked_for_and_handed_on() {
    let mut server = Server::new();
    server.asks("DESCRIBE", URL, &[], "");
    server.session.refuse(Refusal::CredentialsNeeded { digest: true }, server.now).unwrap();
    let refused = server.answer();
    assert_eq!(refused.status(), 401);
    let asked: Vec<_> =
        refused.0.split("\r\n").filter_map(|line| line.strip_prefix("WWW-Authenticate: ")).collect();
    let [digest, "Basic realm=\"medley\""] = asked[..] else { panic!("{asked:?}") };
    let challenge = Challenge::parse(digest).unwrap();
    let shown =
        |url: &str| format!("Authorization: {}", challenge.answer(("li", "pw"), ("DESCRIBE", url), 1));
    let Event::ReadRequested(access) = server.asks("DESCRIBE", URL, &[&shown(URL)], "") else { panic!() };
    let Some(Authorization::Digest(digest)) = access.authorization else { panic!() };
    assert!(digest.proves("pw") && !digest.proves("px"));
    server.session.refuse(Refusal::CredentialsNeeded { digest: false }, server.now).unwrap();
    assert!(!server.answer().0.contains("Digest"));
    let foreign = server.say("DESCRIBE", URL, &[&shown("rtsp://h/other")]);
    assert_eq!(foreign.status(), 401, "signed for another stream");
    server.now += Duration::from_secs(301);
    let stale = server.say("DESCRIBE", URL, &[&shown(URL)]);
    assert!(stale.0.contains("stale=true"), "{stale:?}");
    let basic = server.asks("DESCRIBE", URL, &["Authorization: Basic bGk6cHc="], "");
    let Event::ReadRequested(access) = basic else { panic!() };
    assert!(matches!(access.authorization, Some(Authorization::Basic { .. })));
}

#[test]
fn who_asks_for_nothing_is_sent_away() {
    let mut server = Server::new();
    assert_eq!(server.pass(Duration::from_millis(9_999)), Ok(()));
    server.say("OPTIONS", URL, &[]);
    assert_eq!(server.pass(Duration::from_millis(1)), Err(Error::HandshakeTimeout));
    let mut server = Server::playing();
    server.say("PAUSE", URL, &[]);
    assert_eq!(server.pass(Duration::from_secs(59)), Ok(()));
    assert_eq!(server.pass(Duration::from_secs(1)), Err(Error::SessionTimeout));
    let mut server = Server::playing();
    server.say("TEARDOWN", URL, &[]);
    assert_eq!(server.pass(Duration::from_secs(10)), Err(Error::HandshakeTimeout));
}

#[test]
fn a_server_without_udp_refuses_it() {
    let mut server = Server::with(Config::default());
    server.asks("DESCRIBE", URL, &[], "");
    server.session.accept_read(offered(), 7, server.now).unwrap();
    server.drain();
    let answer = server.say(
        "SETUP",
        &format!("{URL}/trackID=0"),
        &["Transport: RTP/AVP;unicast;client_port=5000-5001"],
    );
    assert_eq!(answer.status(), 461);
}

#[test]
fn a_malformed_message_is_answered_before_the_end() {
    let mut server = Server::new();
    assert_eq!(server.feed(b"DESCRIBE  RTSP/1.0\r\n\r\n").unwrap_err(), Error::Malformed { at: 0 });
    let mut server = Server::new();
    server.input.extend_from_slice(b"OPTIONS * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n");
    assert!(server.session.handle_input(&mut server.input, server.now).is_err());
    assert_eq!(statuses(&server.drain()), [413]);
    let mut server = Server::new();
    assert_eq!(
        statuses(&server.feed(b"OPTIONS * RTSP/1.0\r\n\r\nOPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n").unwrap()),
        [400, 505]
    );
}
