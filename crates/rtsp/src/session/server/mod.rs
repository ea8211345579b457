//! The server's side of a conversation.

mod requests;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::StreamPath;
use rtsp_types::headers;

use super::Output;
use crate::auth::{Authorization, Nonces, REALM};
use crate::framer::{Framer, Item};
use crate::message::{Builder, Request, StatusCode};
use crate::sdp::{self, Presentation};
use crate::target::TRACK;
use crate::transport::Transport;
use crate::{Error, Target};

/// What a session is set up with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// From the connection, and from the end of what was played or published, to the next PLAY or RECORD.
    pub handshake_timeout: Duration,
    /// How long a reader may give no sign of life, which is told in the Session header (§12.37). Readers on TCP are
    /// known to be there by what they take.
    pub session_timeout: Duration,
    /// How long a publisher may send no packet.
    pub idle_timeout: Duration,
    /// The server's ports for UDP; `None` refuses it.
    pub udp: Option<UdpPorts>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(10),
            udp: None,
        }
    }
}

/// The server's ports, the same for all sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpPorts {
    /// For RTP.
    pub rtp: u16,
    /// For RTCP.
    pub rtcp: u16,
}

/// Who wants what: the question behind a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// The stream.
    pub path: StreamPath,
    /// The whole of the URL, in which credentials and wishes may stand.
    pub target: Target,
    /// The `Authorization` header. A Digest has one of our nonces; whether its password is right is not known yet.
    pub authorization: Option<Authorization>,
}

/// What happens in a session.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Somebody wants a stream described. To be answered with [`ServerSession::accept_read`] or
    /// [`ServerSession::refuse`]; it may come again for another stream.
    ReadRequested(Access),
    /// Somebody wants to publish. To be answered with [`ServerSession::accept_publish`] or [`ServerSession::refuse`].
    PublishRequested(Access, Presentation),
    /// The reader wants packets, on the tracks that [`ServerSession::setups`] names. To be answered with
    /// [`ServerSession::accept_play`] or [`ServerSession::refuse`].
    PlayRequested,
    /// The publisher wants to send, on the tracks that [`ServerSession::setups`] names. To be answered with
    /// [`ServerSession::accept_record`] or [`ServerSession::refuse`].
    RecordRequested,
    /// The reader wants no packets, or the publisher sends none, until the next PLAY or RECORD.
    Paused,
    /// A publisher's packet on the connection itself.
    Packet {
        /// Index of the track in [`Presentation::media`].
        track: usize,
        /// RTCP, else RTP.
        rtcp: bool,
        /// The packet; a slice of the input.
        packet: Bytes,
    },
    /// The session is over. The connection may ask for something else.
    Ended,
    /// Send what there is to be sent, then close the connection.
    Close,
}

/// A track as a reader is offered it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offered {
    /// What is written into the description; its `control` is set by the session.
    pub media: sdp::Media,
    /// The SSRC of the packets to this reader.
    pub ssrc: u32,
}

/// A track that the client has set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Index of the track in what was offered, or in [`Presentation::media`].
    pub track: usize,
    /// How its packets travel.
    pub transport: Transport,
}

/// The first packet of a track after PLAY (§12.33).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpInfo {
    /// Index of the track in what was offered.
    pub track: usize,
    /// Its sequence number.
    pub sequence: u16,
    /// The RTP timestamp of the instant that all tracks begin at.
    pub timestamp: u32,
}

/// Why a client does not get what it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Credentials, or other ones, are needed (401).
    CredentialsNeeded {
        /// A Digest can be verified; else Basic alone is asked for.
        digest: bool,
    },
    /// Any other status.
    Status(StatusCode),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Read,
    Publish,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is known of what the client wants (§A.2: Init).
    Init,
    /// The tracks are known; some may be set up (Init and Ready of §A.2).
    Prepared(Role),
    /// Packets flow (Playing, Recording).
    Active(Role),
    Closed,
}

/// A request that the gateway is asked about.
#[derive(Debug)]
enum Pending {
    Describe {
        cseq: u32,
    },
    /// A SETUP without a DESCRIBE.
    Setup(Box<Request>),
    Announce {
        cseq: u32,
    },
    Play {
        cseq: u32,
    },
    Record {
        cseq: u32,
    },
}

impl Pending {
    fn cseq(&self) -> Option<u32> {
        match self {
            Self::Describe { cseq }
            | Self::Announce { cseq }
            | Self::Play { cseq }
            | Self::Record { cseq } => Some(*cseq),
            Self::Setup(request) => requests::cseq(request),
        }
    }
}

#[derive(Debug)]
struct Track {
    /// What its URL ends with.
    control: String,
    /// Of the packets to a reader.
    ssrc: Option<u32>,
    /// Its index among what is carried; `None` for what is set up and thrown away (an H.265 track of a publisher).
    index: Option<usize>,
    transport: Option<Transport>,
}

/// One connection.
///
/// The order of calls is that of the [module](super). There is one session on a connection at a time, and no other
/// connection reaches it: a Session id alone opens nothing (LIVE555, CVE-2026-41470).
#[derive(Debug)]
pub struct ServerSession {
    config: Config,
    framer: Framer,
    nonces: Nonces,
    state: State,
    pending: Option<Pending>,
    tracks: Vec<Track>,
    /// The stream that the tracks are of.
    path: Option<StreamPath>,
    /// What tracks are named relative to.
    base: String,
    description: String,
    /// The session's id (§3.4), once a track is set up.
    id: Option<String>,
    next_id: u64,
    outputs: VecDeque<Output<Event>>,
    /// When PLAY or RECORD is due at the latest; `None` while packets flow, or a paused session waits.
    deadline: Option<Instant>,
    last_request: Instant,
    last_packet: Instant,
}

impl ServerSession {
    /// Waits for a client. `seed` makes the ids of sessions; it is random, as a matter of form: they open nothing.
    pub fn new(config: Config, nonces: Nonces, seed: u64, now: Instant) -> Self {
        Self {
            config,
            framer: Framer::new(),
            nonces,
            state: State::Init,
            pending: None,
            tracks: Vec::new(),
            path: None,
            base: String::new(),
            description: String::new(),
            id: None,
            next_id: seed,
            outputs: VecDeque::new(),
            deadline: Some(now + config.handshake_timeout),
            last_request: now,
            last_packet: now,
        }
    }

    /// Takes whole messages and packets off the front of `input`, up to a request that has to be answered first: after
    /// the answer, call it again. What it leaves is at most one message and what came behind it.
    ///
    /// # Errors
    /// [`Error`] where the bytes are not RTSP or exceed a bound; the session is over, though what
    /// [`Self::poll_output`] still holds may be sent.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), Error> {
        while self.pending.is_none() && self.state != State::Closed {
            let item = self.framer.next(input).map_err(|error| self.fail(error))?;
            match item {
                None => break,
                Some(Item::Request(request)) => self.on_request(request, now),
                Some(Item::Packet { channel, packet }) => self.on_packet(channel, packet, now),
                // Answers to requests that were never sent.
                Some(Item::Response(_)) => {}
            }
        }
        if self.state == State::Closed {
            input.clear();
        }
        Ok(())
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.pending.is_some() {
            return None;
        }
        match self.state {
            State::Closed => None,
            State::Active(Role::Publish) => Some(self.last_packet + self.config.idle_timeout),
            State::Active(Role::Read) => self.is_udp().then(|| self.session_expires()),
            State::Init | State::Prepared(_) => Some(self.deadline.unwrap_or_else(|| self.session_expires())),
        }
    }

    /// Notes that time has passed.
    ///
    /// # Errors
    /// Which time is over; the session is over with it.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        Err(self.fail(match self.state {
            State::Active(Role::Publish) => Error::IdleTimeout,
            State::Active(Role::Read) => Error::SessionTimeout,
            _ if self.deadline.is_none() => Error::SessionTimeout,
            _ => Error::HandshakeTimeout,
        }))
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output<Event>> {
        self.outputs.pop_front()
    }

    /// Notes a packet that came by UDP: a publisher's, or a reader's RTCP.
    pub const fn note_packet(&mut self, now: Instant) {
        self.last_packet = now;
    }

    /// The tracks that are set up, in the order of the description.
    pub fn setups(&self) -> impl Iterator<Item = Setup> {
        self.tracks
            .iter()
            .filter_map(|track| Some(Setup { track: track.index?, transport: track.transport? }))
    }

    /// Whether the tracks that are set up go by UDP.
    pub fn is_udp(&self) -> bool {
        self.tracks.iter().any(|track| matches!(track.transport, Some(Transport::Udp { .. })))
    }

    /// Answers [`Event::ReadRequested`] with what there is; `session` tells the description from others.
    ///
    /// # Errors
    /// [`Error::State`] if nobody asked.
    pub fn accept_read(&mut self, tracks: Vec<Offered>, session: u64, now: Instant) -> Result<(), Error> {
        let (Some(pending), Some(_)) = (self.pending.take(), &self.path) else { return Err(Error::State) };
        let media: Vec<_> = tracks
            .iter()
            .enumerate()
            .map(|(index, track)| sdp::Media { control: format!("{TRACK}{index}"), ..track.media.clone() })
            .collect();
        self.description = sdp::write(&media, session);
        self.tracks = media
            .into_iter()
            .zip(tracks)
            .enumerate()
            .map(|(index, (media, offered))| Track {
                control: media.control,
                ssrc: Some(offered.ssrc),
                index: Some(index),
                transport: None,
            })
            .collect();
        self.state = State::Prepared(Role::Read);
        match pending {
            Pending::Describe { cseq } => self.describe(cseq),
            Pending::Setup(request) => self.on_setup(*request, now),
            _ => return Err(Error::State),
        }
        Ok(())
    }

    /// Answers [`Event::PublishRequested`]: the client may set its tracks up.
    ///
    /// # Errors
    /// [`Error::State`] if nobody asked.
    pub fn accept_publish(&mut self) -> Result<(), Error> {
        let Some(Pending::Announce { cseq }) = self.pending else { return Err(Error::State) };
        self.pending = None;
        self.state = State::Prepared(Role::Publish);
        self.respond(StatusCode::Ok, Some(cseq), |answer| answer);
        Ok(())
    }

    /// Answers [`Event::PlayRequested`]. Packets may follow at once.
    ///
    /// # Errors
    /// [`Error::State`] if nobody asked.
    pub fn accept_play(&mut self, infos: &[RtpInfo], now: Instant) -> Result<(), Error> {
        let Some(Pending::Play { cseq }) = self.pending else { return Err(Error::State) };
        self.pending = None;
        self.activate(Role::Read, now);
        let mut header = String::new();
        for info in infos {
            let Some(track) = self.tracks.get(info.track) else { continue };
            let separator = if header.is_empty() { "" } else { "," };
            let RtpInfo { sequence, timestamp, .. } = info;
            // Writing to a String cannot fail. ffmpeg finds the track by comparing the whole URL.
            let _ = write!(
                header,
                "{separator}url={}{};seq={sequence};rtptime={timestamp}",
                self.base, track.control
            );
        }
        self.respond(StatusCode::Ok, Some(cseq), |answer| answer.header(&headers::RTP_INFO, &header));
        Ok(())
    }

    /// Answers [`Event::RecordRequested`]. Packets will follow.
    ///
    /// # Errors
    /// [`Error::State`] if nobody asked.
    pub fn accept_record(&mut self, now: Instant) -> Result<(), Error> {
        let Some(Pending::Record { cseq }) = self.pending else { return Err(Error::State) };
        self.pending = None;
        self.activate(Role::Publish, now);
        self.respond(StatusCode::Ok, Some(cseq), |answer| answer);
        Ok(())
    }

    /// Says no to the request that waits for an answer. The client may ask again, with other credentials.
    ///
    /// # Errors
    /// [`Error::State`] if nobody asked.
    pub fn refuse(&mut self, refusal: Refusal, now: Instant) -> Result<(), Error> {
        let pending = self.pending.take().ok_or(Error::State)?;
        let cseq = pending.cseq();
        if !matches!(pending, Pending::Play { .. } | Pending::Record { .. }) {
            self.forget();
        }
        match refusal {
            Refusal::Status(status) => self.respond(status, cseq, |answer| answer),
            Refusal::CredentialsNeeded { digest } => self.challenge(cseq, digest, false, now),
        }
        Ok(())
    }

    /// Ends the session: the stream is over, or its publisher sent away. A reader of RTSP 1.0 cannot be told but by the
    /// end of the connection (RTCP's BYE aside, which is the gateway's to send).
    pub fn end(&mut self) {
        self.state = State::Closed;
        self.outputs.push_back(Output::Event(Event::Close));
    }

    fn activate(&mut self, role: Role, now: Instant) {
        self.state = State::Active(role);
        self.deadline = None;
        (self.last_request, self.last_packet) = (now, now);
    }

    /// Back to where nothing is known.
    fn forget(&mut self) {
        self.state = State::Init;
        self.tracks.clear();
        self.path = None;
        self.id = None;
        self.description.clear();
    }

    fn session_expires(&self) -> Instant {
        self.last_request.max(self.last_packet) + self.config.session_timeout
    }

    /// Ends the session with an error; where somebody waits for an answer, with one.
    fn fail(&mut self, error: Error) -> Error {
        if let Some(status) = error.status() {
            self.respond(status, None, |answer| answer);
        }
        self.state = State::Closed;
        error
    }

    fn on_packet(&mut self, channel: u8, packet: Bytes, now: Instant) {
        let found = self.tracks.iter().find_map(|track| match track.transport {
            Some(Transport::Interleaved { rtp, rtcp }) if channel == rtp || channel == rtcp => {
                Some((track.index, channel == rtcp))
            }
            _ => None,
        });
        // A player's receiver reports come behind its TEARDOWN, and on channels of its own choice.
        let Some((index, rtcp)) = found else { return };
        self.last_packet = now;
        if let (State::Active(Role::Publish), Some(track)) = (self.state, index) {
            self.outputs.push_back(Output::Event(Event::Packet { track, rtcp, packet }));
        }
    }

    fn describe(&mut self, cseq: u32) {
        let answer = self.answer(StatusCode::Ok, Some(cseq));
        let answer =
            answer.header(&headers::CONTENT_BASE, &self.base).body("application/sdp", &self.description);
        self.outputs.push_back(Output::Write(answer));
    }

    /// 401 with what can be shown (RFC 7616 §3.3). Digest comes first: ffmpeg takes the strongest, live555 the first.
    fn challenge(&mut self, cseq: Option<u32>, digest: bool, stale: bool, now: Instant) {
        let nonce = self.nonces.issue(now);
        self.respond(StatusCode::Unauthorized, cseq, |mut answer| {
            if digest {
                let stale = if stale { ", stale=true" } else { "" };
                let challenge = format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5{stale}");
                answer = answer.header(&headers::WWW_AUTHENTICATE, &challenge);
            }
            answer.header(&headers::WWW_AUTHENTICATE, &format!("Basic realm=\"{REALM}\""))
        });
    }

    fn answer(&self, status: StatusCode, cseq: Option<u32>) -> Builder {
        let answer = Builder::response(status, cseq).header(&headers::SERVER, "medley");
        match (&self.id, status.is_success()) {
            // The timeout is told each time: live555 takes it from any answer (§12.37).
            (Some(id), true) => {
                let seconds = self.config.session_timeout.as_secs();
                answer.header(&headers::SESSION, &format!("{id};timeout={seconds}"))
            }
            _ => answer,
        }
    }

    fn respond(&mut self, status: StatusCode, cseq: Option<u32>, more: impl FnOnce(Builder) -> Builder) {
        let answer = more(self.answer(status, cseq)).empty();
        self.outputs.push_back(Output::Write(answer));
    }
}
