//! Conversations with a server session, in text.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::Rate;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use rtsp::Error;
use rtsp::auth::Nonces;
use rtsp::sdp::{AuHeaderLengths, Format, Media};
use rtsp::session::{Config, Event, Offered, Output, RtpInfo, ServerSession, UdpPorts};

pub(crate) const URL: &str = "rtsp://h:8554/ward/bed";

/// A server session with a client that types.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) session: ServerSession,
    pub(crate) input: BytesMut,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    cseq: u32,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.0.split("\r\n").find_map(|line| line.strip_prefix(&prefix))
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(Config { udp: Some(UdpPorts { rtp: 8_000, rtcp: 8_001 }), ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let now = Instant::now();
        let session = ServerSession::new(config, Nonces::new(&[1; 32], now), 0xabc, now);
        Self { session, input: BytesMut::new(), now, events: Vec::new(), cseq: 0 }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Answer>, Error> {
        self.input.extend_from_slice(bytes);
        let result = self.session.handle_input(&mut self.input, self.now);
        let answers = self.drain();
        result.map(|()| answers)
    }

    /// Takes what the session has to say; answers events as a friendly gateway would.
    pub(crate) fn drain(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => answers.push(Answer(String::from_utf8(bytes.to_vec()).unwrap())),
                Output::Event(event) => self.events.push(event),
            }
        }
        answers
    }

    /// Sends a request; gives the answer, which is what the session itself says.
    pub(crate) fn say(&mut self, method: &str, url: &str, headers: &[&str]) -> Answer {
        self.say_with(method, url, headers, "")
    }

    pub(crate) fn say_with(&mut self, method: &str, url: &str, headers: &[&str], body: &str) -> Answer {
        self.send(method, url, headers, body);
        let mut answers = self.feed(b"").unwrap();
        assert_eq!(answers.len(), 1, "{method}: {answers:?}, {:?}", self.events);
        let answer = answers.remove(0);
        assert_eq!(answer.header("CSeq"), Some(self.cseq.to_string().as_str()), "{answer:?}");
        answer
    }

    /// Puts a request in front of the session.
    pub(crate) fn send(&mut self, method: &str, url: &str, headers: &[&str], body: &str) {
        self.cseq += 1;
        let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.input.extend_from_slice(text.as_bytes());
    }

    /// Sends a request that the gateway is asked about; gives the event.
    pub(crate) fn asks(&mut self, method: &str, url: &str, headers: &[&str], body: &str) -> Event {
        self.send(method, url, headers, body);
        let answers = self.feed(b"").unwrap();
        assert!(answers.is_empty(), "{answers:?}");
        self.events.pop().expect("an event")
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.drain().pop().expect("an answer")
    }

    /// As far as a description of H.264 and AAC.
    pub(crate) fn described() -> Self {
        let mut server = Self::new();
        server.asks("DESCRIBE", URL, &["Accept: application/sdp"], "");
        server.session.accept_read(offered(), 7, server.now).unwrap();
        assert_eq!(server.answer().status(), 200);
        server
    }

    /// A reader of two interleaved tracks.
    pub(crate) fn playing() -> Self {
        let mut server = Self::described();
        for track in ["trackID=0", "trackID=1"] {
            let answer = server.say("SETUP", &format!("{URL}/{track}"), &["Transport: RTP/AVP/TCP;unicast"]);
            assert_eq!(answer.status(), 200);
        }
        assert_eq!(server.asks("PLAY", URL, &[], ""), Event::PlayRequested);
        let infos = [0, 1].map(|track| RtpInfo { track, sequence: 5, timestamp: 90 });
        server.session.accept_play(&infos, server.now).unwrap();
        assert_eq!(server.answer().status(), 200);
        server
    }

    pub(crate) fn pass(&mut self, span: Duration) -> Result<(), Error> {
        self.now += span;
        self.session.handle_timeout(self.now)
    }
}

pub(crate) fn offered() -> Vec<Offered> {
    let media = |payload_type, format| Media { payload_type, format, control: String::new() };
    let sets = ParameterSets {
        sps: vec![Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0x95, 0xa8])],
        pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
    };
    let config = AudioConfig::lc(Rate::OPUS, 2).unwrap();
    vec![
        Offered { media: media(96, Format::H264 { sets }), ssrc: 0x11 },
        Offered {
            media: media(97, Format::Mpeg4Generic { config, lengths: AuHeaderLengths::HBR }),
            ssrc: 0x22,
        },
    ]
}

/// What a publisher of H.264, H.265 and Opus announces.
pub(crate) const ANNOUNCED: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n\
    m=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\na=control:streamid=1\r\n\
    m=audio 0 RTP/AVP 98\r\na=rtpmap:98 opus/48000/2\r\na=control:streamid=2\r\n";
