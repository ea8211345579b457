//! The client's side of a conversation: taking a camera's stream.

mod url;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtsp_types::{HeaderName, headers};

use super::Output;
use crate::Error;
use crate::auth::Challenge;
use crate::framer::{Framer, Item};
use crate::message::{Builder, Method, Request, Response, StatusCode, request_header, response_header};
use crate::sdp::{self, Presentation};
use crate::transport::{self, Transport};
use url::join;

pub use url::{Url, UrlError};

/// How long a camera may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request is sent again with credentials: once, and once more for a nonce that grew old.
const MAX_CHALLENGES: u8 = 2;
/// The session's timeout where the camera names none (§12.37).
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest session timeout that is believed.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What a session is set up with.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where the camera is.
    pub url: Url,
    /// How long it may send no packet while it plays.
    pub idle_timeout: Duration,
}

/// How the packets are to travel, chosen once the tracks are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lower {
    /// On the connection itself.
    Tcp,
    /// To these ports (RTP and RTCP) of ours, one pair for each track.
    Udp(Vec<(u16, u16)>),
}

/// A track that plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientTrack {
    /// How its packets travel, with our channels or ports.
    pub transport: Transport,
    /// The camera's ports, by UDP, if it told.
    pub server_port: Option<(u16, u16)>,
    /// The SSRC of its packets, if it told.
    pub ssrc: Option<u32>,
}

/// What happens in a session.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The tracks. To be answered with [`ClientSession::set_up`].
    Described(Presentation),
    /// Packets come from now on; the tracks are in the order of [`Presentation::media`].
    Playing(Vec<ClientTrack>),
    /// A packet on the connection itself.
    Packet {
        /// Index of the track in [`Presentation::media`].
        track: usize,
        /// RTCP, else RTP.
        rtcp: bool,
        /// The packet; a slice of the input.
        packet: Bytes,
    },
    /// The stream is elsewhere: connect there.
    Redirected(Url),
    /// What [`ClientSession::teardown`] had to say is said.
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Options,
    Describe,
    /// The owner is asked how the packets are to travel.
    Choosing,
    Setup(usize),
    Play,
    Playing,
    Closed,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Outstanding {
    cseq: u32,
    method: &'static str,
    url: String,
    headers: Vec<(HeaderName, String)>,
    due: Instant,
    challenges: u8,
}

/// One connection to a camera. It asks OPTIONS, DESCRIBE, SETUP for each track and PLAY, and stays alive.
///
/// The order of calls is that of the [module](super).
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    framer: Framer,
    step: Step,
    outstanding: Option<Outstanding>,
    next_cseq: u32,
    challenge: Option<Challenge>,
    /// For the client nonces of Digest.
    seed: u64,
    /// What tracks are named relative to.
    base: String,
    /// The URLs of the tracks.
    controls: Vec<String>,
    lower: Lower,
    tracks: Vec<ClientTrack>,
    session: Option<String>,
    timeout: Duration,
    knows_get_parameter: bool,
    keep_alive: Instant,
    last_packet: Instant,
    outputs: VecDeque<Output<ClientEvent>>,
}

impl ClientSession {
    /// Begins the conversation. `seed` is random.
    pub fn new(config: ClientConfig, seed: u64, now: Instant) -> Self {
        let base = config.url.as_str().to_owned();
        let mut this = Self {
            config,
            framer: Framer::new(),
            step: Step::Options,
            outstanding: None,
            next_cseq: 1,
            challenge: None,
            seed,
            base,
            controls: Vec::new(),
            lower: Lower::Tcp,
            tracks: Vec::new(),
            session: None,
            timeout: SESSION_TIMEOUT,
            knows_get_parameter: false,
            keep_alive: now,
            last_packet: now,
            outputs: VecDeque::new(),
        };
        this.ask("OPTIONS", this.base.clone(), Vec::new(), now);
        this
    }

    /// Takes whole messages and packets off the front of `input`.
    ///
    /// # Errors
    /// [`Error`] where the camera refuses, or what it says makes no sense or exceeds a bound; the session is over.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), Error> {
        while self.step != Step::Closed {
            match self.framer.next(input)? {
                None => return Ok(()),
                Some(Item::Packet { channel, packet }) => self.on_packet(channel, packet, now),
                Some(Item::Response(response)) => self.on_response(&response, now)?,
                Some(Item::Request(request)) => self.on_request(&request),
            }
        }
        input.clear();
        Ok(())
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let playing = self.step == Step::Playing;
        let answer = self.outstanding.as_ref().map(|outstanding| outstanding.due);
        let idle = playing.then(|| self.last_packet + self.config.idle_timeout);
        let keep_alive = (playing && self.outstanding.is_none()).then_some(self.keep_alive);
        [answer, idle, keep_alive].into_iter().flatten().min()
    }

    /// Notes that time has passed: tells the camera that somebody is there, half-way to its timeout.
    ///
    /// # Errors
    /// Which time is over; the session is over with it.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if let Some(outstanding) = self.outstanding.as_ref().filter(|outstanding| now >= outstanding.due) {
            let method = outstanding.method;
            // Some cameras never answer what they do not know, and play on.
            if self.step != Step::Playing {
                return Err(Error::NoAnswer(method));
            }
            self.outstanding = None;
        }
        if self.step != Step::Playing {
            return Ok(());
        }
        if now >= self.last_packet + self.config.idle_timeout {
            return Err(Error::IdleTimeout);
        }
        if now >= self.keep_alive && self.outstanding.is_none() {
            let method = if self.knows_get_parameter { "GET_PARAMETER" } else { "OPTIONS" };
            self.ask(method, self.base.clone(), Vec::new(), now);
            self.keep_alive = now + self.timeout / 2;
        }
        Ok(())
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output<ClientEvent>> {
        self.outputs.pop_front()
    }

    /// Notes a packet that came by UDP.
    pub const fn note_packet(&mut self, now: Instant) {
        self.last_packet = now;
    }

    /// Answers [`ClientEvent::Described`].
    ///
    /// # Errors
    /// [`Error::State`] if nobody asked, or a pair of ports is missing.
    pub fn set_up(&mut self, lower: Lower, now: Instant) -> Result<(), Error> {
        let enough = match &lower {
            Lower::Tcp => true,
            Lower::Udp(ports) => ports.len() >= self.controls.len(),
        };
        if self.step != Step::Choosing || !enough {
            return Err(Error::State);
        }
        self.lower = lower;
        self.set_up_track(0, now);
        Ok(())
    }

    /// Says goodbye; nothing more is read.
    pub fn teardown(&mut self, now: Instant) {
        if self.session.is_some() && self.step != Step::Closed {
            self.ask("TEARDOWN", self.base.clone(), Vec::new(), now);
        }
        self.outstanding = None;
        self.step = Step::Closed;
        self.outputs.push_back(Output::Event(ClientEvent::Close));
    }

    /// What is asked for track `index`.
    fn asked(&self, index: usize) -> Transport {
        match &self.lower {
            // Presentations have at most one track of each kind.
            Lower::Tcp => {
                let rtp = u8::try_from(2 * index).unwrap_or(0);
                Transport::Interleaved { rtp, rtcp: rtp + 1 }
            }
            Lower::Udp(ports) => {
                let (rtp, rtcp) = ports.get(index).copied().unwrap_or_default();
                Transport::Udp { rtp, rtcp }
            }
        }
    }

    fn set_up_track(&mut self, index: usize, now: Instant) {
        self.step = Step::Setup(index);
        let transport = self.asked(index).to_string();
        self.ask("SETUP", self.controls[index].clone(), vec![(headers::TRANSPORT, transport)], now);
    }

    fn ask(&mut self, method: &'static str, url: String, headers: Vec<(HeaderName, String)>, now: Instant) {
        self.send(Outstanding { cseq: 0, method, url, headers, due: now + ANSWER_TIMEOUT, challenges: 0 });
    }

    fn send(&mut self, outstanding: Outstanding) {
        let cseq = self.next_cseq;
        self.next_cseq = self.next_cseq.wrapping_add(1);
        let Outstanding { method, url, headers, .. } = &outstanding;
        let mut request = Builder::request(method, url, cseq).header(&headers::USER_AGENT, "medley");
        if let Some(session) = &self.session {
            request = request.header(&headers::SESSION, session);
        }
        if let (Some(challenge), Some(credentials)) = (&self.challenge, self.config.url.credentials()) {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let answer = challenge.answer(credentials, (method, url), self.seed);
            request = request.header(&headers::AUTHORIZATION, &answer);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.outputs.push_back(Output::Write(request.empty()));
        self.outstanding = Some(Outstanding { cseq, ..outstanding });
    }

    fn on_packet(&mut self, channel: u8, packet: Bytes, now: Instant) {
        let found = self.tracks.iter().enumerate().find_map(|(track, known)| match known.transport {
            Transport::Interleaved { rtp, rtcp } if channel == rtp || channel == rtcp => {
                Some((track, channel == rtcp))
            }
            _ => None,
        });
        if let Some((track, rtcp)) = found {
            self.last_packet = now;
            // Some cameras send before they answer PLAY.
            self.outputs.push_back(Output::Event(ClientEvent::Packet { track, rtcp, packet }));
        }
    }

    fn on_response(&mut self, response: &Response, now: Instant) -> Result<(), Error> {
        let cseq = response_header(response, &headers::CSEQ).and_then(|cseq| cseq.trim().parse().ok());
        let expected =
            self.outstanding.take_if(|outstanding| cseq.is_none_or(|cseq: u32| cseq == outstanding.cseq));
        let Some(asked) = expected else { return Ok(()) };
        match response.status() {
            StatusCode::Unauthorized => self.on_challenge(asked, response, now),
            status if status.is_success() => self.on_success(response, now),
            status if status.is_redirection() => self.on_redirection(asked.method, response),
            // What a camera says of OPTIONS or of a sign of life is of no consequence.
            _ if self.step == Step::Playing => Ok(()),
            _ if self.step == Step::Options => {
                self.describe(now);
                Ok(())
            }
            status => Err(Error::Refused { request: asked.method, status }),
        }
    }

    fn on_challenge(&mut self, asked: Outstanding, response: &Response, now: Instant) -> Result<(), Error> {
        let refused = Error::Refused { request: asked.method, status: StatusCode::Unauthorized };
        let header = response_header(response, &headers::WWW_AUTHENTICATE).ok_or(refused)?;
        let challenge = Challenge::parse(header).ok_or(refused)?;
        // Shown and refused: only a nonce that grew old is a reason to show it again.
        let hopeless = asked.challenges > 0 && !challenge.stale;
        if self.config.url.credentials().is_none() || hopeless || asked.challenges >= MAX_CHALLENGES {
            return Err(refused);
        }
        self.challenge = Some(challenge);
        let challenges = asked.challenges + 1;
        self.send(Outstanding { challenges, due: now + ANSWER_TIMEOUT, ..asked });
        Ok(())
    }

    fn on_redirection(&mut self, request: &'static str, response: &Response) -> Result<(), Error> {
        let location = response_header(response, &headers::LOCATION);
        let url = location.and_then(|location| self.config.url.redirected(location).ok());
        let url = url.ok_or(Error::Answer { request, reason: "a redirection to nowhere" })?;
        self.step = Step::Closed;
        self.outputs.push_back(Output::Event(ClientEvent::Redirected(url)));
        Ok(())
    }

    fn on_success(&mut self, response: &Response, now: Instant) -> Result<(), Error> {
        match self.step {
            Step::Options => {
                let public = response_header(response, &headers::PUBLIC).unwrap_or_default();
                self.knows_get_parameter = public.contains("GET_PARAMETER");
                self.describe(now);
            }
            Step::Describe => self.on_description(response)?,
            Step::Setup(index) => self.on_set_up(index, response, now)?,
            Step::Play => {
                self.step = Step::Playing;
                self.last_packet = now;
                self.keep_alive = now + self.timeout / 2;
                self.outputs.push_back(Output::Event(ClientEvent::Playing(self.tracks.clone())));
            }
            Step::Choosing | Step::Playing | Step::Closed => {}
        }
        Ok(())
    }

    fn describe(&mut self, now: Instant) {
        self.step = Step::Describe;
        self.ask("DESCRIBE", self.base.clone(), vec![(headers::ACCEPT, "application/sdp".to_owned())], now);
    }

    fn on_description(&mut self, response: &Response) -> Result<(), Error> {
        let presentation = sdp::read(response.body())?;
        let base = [&headers::CONTENT_BASE, &headers::CONTENT_LOCATION];
        let base = base.into_iter().find_map(|name| response_header(response, name).map(str::trim));
        // Cameras behind NAT name an address there that nobody reaches; the path is right all the same, and nothing but
        // the connection decides where the request goes.
        if let Some(base) = base.filter(|base| base.contains("://")) {
            base.clone_into(&mut self.base);
        }
        self.controls = presentation.media.iter().map(|media| join(&self.base, &media.control)).collect();
        self.base = join(&self.base, &presentation.control);
        self.step = Step::Choosing;
        self.outputs.push_back(Output::Event(ClientEvent::Described(presentation)));
        Ok(())
    }

    fn on_set_up(&mut self, index: usize, response: &Response, now: Instant) -> Result<(), Error> {
        let wrong = |reason| Error::Answer { request: "SETUP", reason };
        let header = response_header(response, &headers::TRANSPORT).ok_or(wrong("no Transport header"))?;
        let answer = transport::answer(header).ok_or(wrong("a transport that was not asked for"))?;
        let asked = self.asked(index);
        let transport = match asked {
            Transport::Interleaved { rtp, rtcp } if answer.tcp => {
                let (rtp, rtcp) = answer.interleaved.unwrap_or((rtp, rtcp));
                self.framer.allow_channel(rtp.max(rtcp));
                Transport::Interleaved { rtp, rtcp }
            }
            Transport::Udp { .. } if !answer.tcp => asked,
            _ => return Err(wrong("a transport that was not asked for")),
        };
        self.note_session(response);
        self.tracks.push(ClientTrack { transport, server_port: answer.server_port, ssrc: answer.ssrc });
        if index + 1 < self.controls.len() {
            self.set_up_track(index + 1, now);
        } else {
            self.step = Step::Play;
            let range = (headers::RANGE, "npt=0.000-".to_owned());
            self.ask("PLAY", self.base.clone(), vec![range], now);
        }
        Ok(())
    }

    /// `Session: id;timeout=seconds` (§12.37).
    fn note_session(&mut self, response: &Response) {
        let Some(header) = response_header(response, &headers::SESSION) else { return };
        let mut parts = header.split(';').map(str::trim);
        self.session = parts.next().filter(|id| !id.is_empty()).map(str::to_owned);
        let seconds = parts.find_map(|part| part.strip_prefix("timeout=")?.trim().parse().ok());
        if let Some(seconds) = seconds {
            self.timeout = Duration::from_secs(seconds).clamp(SHORTEST_TIMEOUT, SESSION_TIMEOUT * 10);
        }
    }

    /// A camera may look whether its client is there, or send it elsewhere (§10.1, §10.10).
    fn on_request(&mut self, request: &Request) {
        let cseq = request_header(request, &headers::CSEQ).and_then(|cseq| cseq.trim().parse().ok());
        let location = request_header(request, &headers::LOCATION);
        let status = match request.method() {
            Method::Redirect => {
                if let Some(url) = location.and_then(|location| self.config.url.redirected(location).ok()) {
                    self.step = Step::Closed;
                    self.outputs.push_back(Output::Event(ClientEvent::Redirected(url)));
                    return;
                }
                StatusCode::BadRequest
            }
            Method::Options | Method::GetParameter | Method::SetParameter | Method::Announce => {
                StatusCode::Ok
            }
            _ => StatusCode::NotImplemented,
        };
        self.outputs.push_back(Output::Write(Builder::response(status, cseq).empty()));
    }
}
