//! Our client takes a stream from our server, by text that both have to understand; and cameras that are difficult.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtsp::Error;
use rtsp::message::StatusCode;
use rtsp::session::{
    ClientConfig, ClientEvent, ClientSession, ClientTrack, Event, Lower, Output, Refusal, RtpInfo, Url,
};
use rtsp::transport::Transport;
use support::{Server, offered};

struct Client {
    session: ClientSession,
    input: BytesMut,
    now: Instant,
    events: Vec<ClientEvent>,
    sent: String,
}

impl Client {
    fn new(url: &str) -> Self {
        let now = Instant::now();
        let config = ClientConfig { url: Url::parse(url).unwrap(), idle_timeout: Duration::from_secs(10) };
        let session = ClientSession::new(config, 1, now);
        let mut this = Self { session, input: BytesMut::new(), now, events: Vec::new(), sent: String::new() };
        this.drain();
        this
    }

    fn drain(&mut self) {
        self.sent.clear();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => self.sent.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// The camera answers what was last sent.
    fn hear(&mut self, status: &str, headers: &[&str], body: &str) -> Result<(), Error> {
        let cseq = self.sent.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0").to_owned();
        let mut text = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n");
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.input.extend_from_slice(text.as_bytes());
        let result = self.session.handle_input(&mut self.input, self.now);
        self.drain();
        result
    }

    fn described(url: &str, headers: &[&str]) -> Self {
        let mut client = Self::new(url);
        client.hear("200 OK", &["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER"], "").unwrap();
        client.hear("200 OK", headers, CAMERA).unwrap();
        assert!(matches!(client.events.pop(), Some(ClientEvent::Described(_))));
        client
    }

    fn pass(&mut self, span: Duration) -> Result<(), Error> {
        self.now += span;
        let result = self.session.handle_timeout(self.now);
        self.drain();
        result
    }
}

const CAMERA: &str = "v=0\r\ns=x\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n\
    m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n";

/// Carries text from one to the other until both are silent; the server is friendly.
fn talk(client: &mut Client, server: &mut Server, password: Option<&str>) -> Result<(), Error> {
    loop {
        if client.sent.is_empty() {
            return Ok(());
        }
        let mut answers = server.feed(std::mem::take(&mut client.sent).as_bytes()).unwrap();
        for event in std::mem::take(&mut server.events) {
            let now = server.now;
            match event {
                Event::ReadRequested(access) => match (password, &access.authorization) {
                    (Some(password), Some(rtsp::auth::Authorization::Digest(digest)))
                        if digest.proves(password) =>
                    {
                        server.session.accept_read(offered(), 7, now).unwrap();
                    }
                    (Some(_), _) => {
                        server.session.refuse(Refusal::CredentialsNeeded { digest: true }, now).unwrap();
                    }
                    (None, _) => server.session.accept_read(offered(), 7, now).unwrap(),
                },
                Event::PlayRequested => {
                    let infos = [0, 1].map(|track| RtpInfo { track, sequence: 1, timestamp: 1 });
                    server.session.accept_play(&infos, now).unwrap();
                }
                _ => {}
            }
        }
        answers.extend(server.drain());
        for answer in answers {
            client.input.extend_from_slice(answer.0.as_bytes());
        }
        client.session.handle_input(&mut client.input, client.now)?;
        client.drain();
        if let Some(ClientEvent::Described(presentation)) = client.events.last() {
            assert_eq!(presentation.media.len(), 2);
            client.events.clear();
            client.session.set_up(Lower::Tcp, client.now).unwrap();
            client.drain();
        }
    }
}

#[test]
fn our_client_plays_from_our_server_with_a_digest() {
    let mut server = Server::new();
    let mut client = Client::new("rtsp://li:p%40w@h:8554/ward/bed?x=1");
    talk(&mut client, &mut server, Some("p@w")).unwrap();
    let tracks = [(0, 1, 0x11), (2, 3, 0x22)].map(|(rtp, rtcp, ssrc)| ClientTrack {
        transport: Transport::Interleaved { rtp, rtcp },
        server_port: None,
        ssrc: Some(ssrc),
    });
    assert_eq!(client.events, [ClientEvent::Playing(tracks.to_vec())]);
    client.input.extend_from_slice(b"$\x02\0\x05sound$\x09\0\x01x$\x03\0\x01r");
    client.session.handle_input(&mut client.input, client.now).unwrap();
    client.events.clear();
    client.drain();
    let packet = |rtcp, packet: &'static [u8]| ClientEvent::Packet { track: 1, rtcp, packet: packet.into() };
    assert_eq!(client.events, [packet(false, b"sound"), packet(true, b"r")]);
    // Half-way to the timeout that the server named.
    assert_eq!(client.session.poll_timeout(), Some(client.now + Duration::from_secs(10)), "no packet");
    client.now += Duration::from_secs(25);
    client.session.note_packet(client.now);
    client.pass(Duration::from_secs(5)).unwrap();
    assert!(client.sent.starts_with("GET_PARAMETER rtsp://h:8554/ward/bed/ RTSP/1.0"), "{}", client.sent);
    talk(&mut client, &mut server, None).unwrap();
    assert_eq!(client.pass(Duration::from_secs(10)), Err(Error::IdleTimeout));
    client.session.teardown(client.now);
    client.drain();
    assert!(client.sent.starts_with("TEARDOWN"));
    assert_eq!(client.events.pop(), Some(ClientEvent::Close));
}

#[test]
fn a_wrong_password_is_shown_once() {
    let mut client = Client::new("rtsp://li:no@h/ward");
    let error = talk(&mut client, &mut Server::new(), Some("yes")).unwrap_err();
    assert_eq!(error, Error::Refused { request: "DESCRIBE", status: StatusCode::Unauthorized });
    let mut client = Client::new("rtsp://h/ward");
    assert!(talk(&mut client, &mut Server::new(), Some("yes")).is_err(), "nothing to show");
    assert!(!error.to_string().contains("no@"));
}

#[test]
fn a_camera_whose_nonce_grew_old_is_answered_again() {
    let mut client = Client::new("rtsp://li:pw@h/x");
    client.hear("401 Unauthorized", &["WWW-Authenticate: Digest realm=\"c\", nonce=\"1\""], "").unwrap();
    assert!(client.sent.contains("OPTIONS") && client.sent.contains("nonce=\"1\""), "{}", client.sent);
    client.hear("200 OK", &[], "").unwrap();
    let stale = "WWW-Authenticate: Digest realm=\"c\", nonce=\"2\", stale=TRUE";
    client.hear("401 Unauthorized", &[stale], "").unwrap();
    client.hear("401 Unauthorized", &[stale], "").unwrap();
    assert!(client.sent.contains("nonce=\"2\""), "{}", client.sent);
    assert!(client.hear("401 Unauthorized", &[stale], "").is_err(), "not for ever");
}

#[test]
fn tracks_are_named_relative_to_what_the_camera_says() {
    for (header, expected) in [
        ("X: y", "SETUP rtsp://192.0.2.1/live?ch=1/trackID=1 RTSP/1.0"),
        ("Content-Base: rtsp://192.0.2.1/live/", "SETUP rtsp://192.0.2.1/live/trackID=1 RTSP/1.0"),
        ("Content-Base: nonsense", "SETUP rtsp://192.0.2.1/live?ch=1/trackID=1 RTSP/1.0"),
    ] {
        let mut client = Client::described("rtsp://192.0.2.1/live?ch=1", &[header]);
        client.session.set_up(Lower::Udp(vec![(5_000, 5_001), (5_002, 5_003)]), client.now).unwrap();
        client.drain();
        assert!(client.sent.starts_with(expected), "{}", client.sent);
        assert!(client.sent.contains("Transport: RTP/AVP;unicast;client_port=5000-5001\r\n"));
    }
}

#[test]
fn by_udp_the_camera_names_its_ports() {
    let mut client = Client::described("rtsp://192.0.2.1/live", &[]);
    client.session.set_up(Lower::Udp(vec![(5_000, 5_001), (5_002, 5_003)]), client.now).unwrap();
    client.drain();
    for track in [0, 1] {
        let transport = format!(
            "Transport: RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=800{track}-9000;ssrc=a"
        );
        client.hear("200 OK", &[&transport, "Session: 42 ; timeout=20"], "").unwrap();
    }
    assert!(
        client.sent.starts_with("PLAY rtsp://192.0.2.1/live RTSP/1.0")
            && client.sent.contains("Session: 42\r\n")
    );
    client.hear("200 OK", &[], "").unwrap();
    let Some(ClientEvent::Playing(tracks)) = client.events.pop() else { panic!() };
    assert_eq!(
        tracks[1],
        ClientTrack {
            transport: Transport::Udp { rtp: 5_002, rtcp: 5_003 },
            server_port: Some((8_001, 9_000)),
            ssrc: Some(10),
        }
    );
    client.pass(Duration::from_secs(9)).unwrap();
    client.session.note_packet(client.now);
    client.pass(Duration::from_secs(1)).unwrap();
    assert!(client.sent.starts_with("GET_PARAMETER"), "half of 20 s");
}

#[test]
fn what_a_camera_refuses_or_confuses_is_told() {
    let mut client = Client::new("rtsp://h/x");
    client.hear("501 Not Implemented", &[], "").unwrap();
    assert!(client.sent.starts_with("DESCRIBE"), "OPTIONS is a courtesy");
    let error = client.hear("404 Not Found", &[], "").unwrap_err();
    assert_eq!(error, Error::Refused { request: "DESCRIBE", status: StatusCode::NotFound });
    assert_eq!(error.to_string(), "DESCRIBE was answered with 404 Not Found");
    let mut client = Client::described("rtsp://h/x", &[]);
    client.session.set_up(Lower::Tcp, client.now).unwrap();
    client.drain();
    let udp = "Transport: RTP/AVP;unicast;client_port=1-2;server_port=3-4";
    assert!(matches!(client.hear("200 OK", &[udp], ""), Err(Error::Answer { request: "SETUP", .. })));
    let mut client = Client::new("rtsp://h/x");
    assert_eq!(client.pass(Duration::from_secs(10)), Err(Error::NoAnswer("OPTIONS")));
    let mut client = Client::described("rtsp://h/x", &[]);
    assert_eq!(client.session.set_up(Lower::Udp(vec![(1, 2)]), client.now), Err(Error::State));
}

#[test]
fn a_camera_that_moved_is_followed() {
    let mut client = Client::new("rtsp://u:p@h/x");
    client.hear("302 Found", &["Location: rtsp://h:8554/y"], "").unwrap();
    let Some(ClientEvent::Redirected(url)) = client.events.pop() else { panic!() };
    assert_eq!((url.host(), url.port()), ("h", 8_554));
    let mut client = Client::new("rtsp://h/x");
    assert!(client.hear("302 Found", &["Location: http://h/y"], "").is_err());
}
