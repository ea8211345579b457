//! The client's side of a conversation: simulated patients, tests, relays.

mod url;

pub use url::Url;

use super::Output;
use super::link::{DEFAULT_WINDOW, Incoming, Link};
use super::status::{Level, Status};
use crate::amf0::{Object, Value};
use crate::capabilities::{self, FourCc};
use crate::chunk::{self, Limits, Writer};
use crate::handshake::{self, Progress, Scheme};
use crate::message::{Command, Media, MediaKind, UserControl};
use crate::{Error, Metadata, wire};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Transactions are fixed: each call is made once.
const CONNECT: f64 = 1.0;
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const REQUEST: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;

/// What a client wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// To send media.
    Publish,
    /// To get media.
    Play,
}

/// How a client behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientConfig {
    /// Publish or play.
    pub request: Request,
    /// Where.
    pub url: Url,
    /// What it calls itself.
    pub flash_ver: String,
    /// `fourCcList` of enhanced RTMP; none is sent if it is empty.
    pub four_cc: Vec<FourCc>,
    /// The chunk size for what it sends.
    pub chunk_size: usize,
    /// The scheme of a digest handshake; `None` for the simple one.
    pub digest: Option<Scheme>,
    /// The time that the server has until media can flow.
    pub timeout: Duration,
    /// Bounds of the chunk stream.
    pub limits: Limits,
}

impl ClientConfig {
    /// With the habits of ffmpeg and OBS.
    pub fn new(request: Request, url: Url) -> Self {
        let flash_ver = match request {
            Request::Publish => "FMLE/3.0 (compatible; Medley)",
            Request::Play => "LNX 9,0,124,2",
        };
        Self {
            request,
            url,
            flash_ver: flash_ver.to_owned(),
            four_cc: Vec::new(),
            chunk_size: wire::CHUNK_SIZE,
            digest: None,
            timeout: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }
}

/// What happens in a client's session.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Media can flow: [`ClientSession::send_media`] from now on, or [`Self::Media`] to come.
    Ready,
    /// The server says something that changes nothing.
    Status(Status),
    /// The server refuses; nothing more will happen.
    Refused(Status),
    /// To a reader. Metadata comes as [`Self::Metadata`] instead.
    Media(Media),
    /// `onMetaData`, to a reader.
    Metadata(Metadata),
    /// The stream is over, from whichever side; close the connection.
    Ended,
}

#[derive(Debug)]
enum State {
    Handshake(handshake::Client),
    /// `_result` of `connect` is due.
    Connecting,
    /// `_result` of `createStream` is due.
    Creating,
    /// `onStatus` of `publish` or `play` is due.
    Requested,
    Ready,
    Ended,
}

/// One connection to a server. The order of calls is that of the [module](super); C0 and C1 are the first output.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    link: Link,
    state: State,
    events: VecDeque<ClientEvent>,
    /// Media goes on chunk streams of its own, so compressed headers do not meet the uncompressed ones of commands.
    media: Writer,
    stream: u32,
    deadline: Instant,
}

impl ClientSession {
    /// Begins. `seed` makes the random bytes of the handshake.
    pub fn new(config: ClientConfig, seed: u64, now: Instant) -> Self {
        let handshake = match config.digest {
            None => handshake::Client::simple(seed),
            Some(scheme) => handshake::Client::digest(seed, scheme),
        };
        let mut link = Link::new(config.limits);
        handshake.start(link.sender.buffer());
        Self {
            deadline: now + config.timeout,
            config,
            link,
            state: State::Handshake(handshake),
            events: VecDeque::new(),
            media: Writer::default(),
            stream: wire::STREAM,
        }
    }

    /// Takes bytes as they arrived. After [`ClientEvent::Ended`] or [`ClientEvent::Refused`] they are ignored.
    ///
    /// # Errors
    /// [`Error`] where the bytes are not RTMP or exceed a bound.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let result = self.input(bytes);
        if result.is_err() {
            self.state = State::Ended;
        }
        result
    }

    /// When [`Self::handle_timeout`] is due: the server must have answered by then.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Ready | State::Ended => None,
            _ => Some(self.deadline),
        }
    }

    /// Ends the session if the time of [`Self::poll_timeout`] has come.
    ///
    /// # Errors
    /// [`Error::HandshakeTimeout`] if it has.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        self.state = State::Ended;
        Err(Error::HandshakeTimeout)
    }

    /// The next thing to do; `None` until the next call of another method.
    pub fn poll_output(&mut self) -> Option<Output<ClientEvent>> {
        if let Some(bytes) = self.link.sender.take() {
            return Some(Output::Write(bytes));
        }
        self.events.pop_front().map(Output::Event)
    }

    /// Sends one media message; `body` is that of an FLV tag.
    ///
    /// # Errors
    /// [`Error::State`] unless a publisher is [`ClientEvent::Ready`].
    pub fn send_media(&mut self, kind: MediaKind, timestamp: u32, body: Bytes) -> Result<(), Error> {
        if self.config.request != Request::Publish || !matches!(self.state, State::Ready) {
            return Err(Error::State);
        }
        let header = chunk::Header { stream: self.stream, ..wire::header(kind, timestamp) };
        self.media.write(self.link.sender.buffer(), &chunk::Message { header, body });
        Ok(())
    }

    /// Sends `onMetaData` for the server to keep (`@setDataFrame`).
    ///
    /// # Errors
    /// As [`Self::send_media`].
    pub fn send_metadata(&mut self, metadata: &Metadata) -> Result<(), Error> {
        let mut body = BytesMut::new();
        crate::amf0::write_string(&mut body, "@setDataFrame");
        body.extend_from_slice(&metadata.write());
        self.send_media(MediaKind::Data, 0, body.freeze())
    }

    /// Takes leave in order; close the connection after the last output.
    pub fn end(&mut self) {
        if matches!(self.state, State::Requested | State::Ready) {
            let key = Value::String(self.config.url.key.0.clone());
            if self.config.request == Request::Publish {
                self.link.sender.command(0, "FCUnpublish", FC_UNPUBLISH, &[Value::Null, key]);
            }
            let stream = Value::Number(f64::from(self.stream));
            self.link.sender.command(0, "deleteStream", 0.0, &[Value::Null, stream]);
        }
        self.ended();
    }

    fn input(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.link.count(bytes.len());
        if let State::Handshake(handshake) = &mut self.state {
            match handshake.advance(&mut bytes, self.link.sender.buffer()) {
                Ok(Progress::Pending) => return Ok(()),
                Ok(Progress::Done) => self.connect(),
                Err(source) => return Err(self.link.handshake_error(source)),
            }
            self.link.start_chunks(bytes.len());
        }
        while !matches!(self.state, State::Ended) {
            match self.link.next(&mut bytes)? {
                None => {
                    self.link.acknowledge();
                    break;
                }
                Some(Incoming::Media(media)) => self.media(media),
                Some(Incoming::Command(command)) => self.command(&command),
                Some(Incoming::UserControl(UserControl::StreamEof(_))) => self.ended(),
                Some(Incoming::UserControl(_)) => {}
            }
        }
        Ok(())
    }

    /// §7.2.1.1 with the properties that FMLE (to publish) and Flash Player (to play) send.
    fn connect(&mut self) {
        self.state = State::Connecting;
        let url = &self.config.url;
        let mut object = Object::new()
            .with("app", url.app.0.as_str())
            .with("flashVer", self.config.flash_ver.as_str())
            .with("tcUrl", url.tc_url.0.as_str());
        object = match self.config.request {
            Request::Publish => object.with("type", "nonprivate"),
            Request::Play => object
                .with("fpad", false)
                .with("capabilities", 15.0)
                .with("audioCodecs", 4071.0)
                .with("videoCodecs", 252.0),
        };
        if !self.config.four_cc.is_empty() {
            object = object.with("fourCcList", capabilities::list(&self.config.four_cc));
        }
        self.link.sender.command(0, "connect", CONNECT, &[object.into()]);
    }

    fn command(&mut self, command: &Command) {
        let answers = |transaction: f64| command.transaction == transaction;
        match (&self.state, command.name.as_str()) {
            (State::Connecting, "_result") if answers(CONNECT) => self.connected(),
            (State::Creating, "_result") if answers(CREATE_STREAM) => self.created(command),
            (State::Connecting, "_error") if answers(CONNECT) => self.refused(command),
            (State::Creating, "_error") if answers(CREATE_STREAM) => self.refused(command),
            (_, "onStatus") => self.status(command),
            (_, "close") => self.ended(),
            _ => {}
        }
    }

    fn connected(&mut self) {
        let sender = &mut self.link.sender;
        sender.set_chunk_size(self.config.chunk_size);
        self.media.set_chunk_size(sender.chunk_size());
        if self.config.request == Request::Publish {
            let key = Value::String(self.config.url.key.0.clone());
            sender.command(0, "releaseStream", RELEASE_STREAM, &[Value::Null, key.clone()]);
            sender.command(0, "FCPublish", FC_PUBLISH, &[Value::Null, key]);
        } else {
            self.link.announce_window(DEFAULT_WINDOW);
        }
        self.link.sender.command(0, "createStream", CREATE_STREAM, &[Value::Null]);
        self.state = State::Creating;
    }

    fn created(&mut self, command: &Command) {
        let number = command.arguments.get(1).and_then(Value::as_number);
        self.stream = number.map_or(wire::STREAM, |number| number as u32);
        let key = Value::String(self.config.url.key.0.clone());
        let (stream, sender) = (self.stream, &mut self.link.sender);
        match self.config.request {
            Request::Publish => {
                sender.command(stream, "publish", REQUEST, &[Value::Null, key, "live".into()])
            }
            Request::Play => {
                // -2: live if there is one, else a recording (§7.2.2.1).
                sender.command(stream, "play", REQUEST, &[Value::Null, key, Value::Number(-2.0)]);
                sender.user_control(UserControl::SetBufferLength { stream, millis: 1000 });
            }
        }
        self.state = State::Requested;
    }

    fn status(&mut self, command: &Command) {
        let status = Status::parse(command.arguments.get(1));
        match (&self.state, status.code.as_str()) {
            (State::Requested, "NetStream.Publish.Start" | "NetStream.Play.Start") => {
                self.state = State::Ready;
                self.events.push_back(ClientEvent::Ready);
            }
            (_, "NetStream.Play.UnpublishNotify" | "NetStream.Play.Stop" | "NetStream.Play.Complete") => {
                self.ended()
            }
            _ if status.level == Level::Error => self.refused(command),
            _ => self.events.push_back(ClientEvent::Status(status)),
        }
    }

    fn refused(&mut self, command: &Command) {
        let status = Status::parse(command.arguments.get(1).or(command.arguments.first()));
        self.state = State::Ended;
        self.events.push_back(ClientEvent::Refused(status));
    }

    fn media(&mut self, media: Vec<Media>) {
        if self.config.request != Request::Play || !matches!(self.state, State::Ready) {
            return;
        }
        self.events.extend(media.into_iter().map(|media| match media.kind {
            MediaKind::Data => {
                Metadata::parse(&media.body).map_or(ClientEvent::Media(media), ClientEvent::Metadata)
            }
            MediaKind::Audio | MediaKind::Video => ClientEvent::Media(media),
        }));
    }

    fn ended(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.state = State::Ended;
            self.events.push_back(ClientEvent::Ended);
        }
    }
}
