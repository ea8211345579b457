//! The server's side of a conversation.

mod commands;

use super::Output;
use super::link::{DEFAULT_WINDOW, Incoming, Link};
use super::status::{EndReason, Level, StatusCode, info};
use crate::amf0::Value;
use crate::chunk::Limits;
use crate::handshake::{self, Progress};
use crate::message::{Media, MediaKind, UserControl};
use crate::{Capabilities, Error, Metadata, StreamTarget, wire};
use bytes::BytesMut;
use media::Pii;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is held back for a publisher that does not wait for its answer: parameter sets and the first pictures of
/// encoders that send without listening. Reading the connection may as well pause until the answer.
const MAX_HELD: usize = 256 << 10;

/// Bounds of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Bounds of the chunk stream for accepted publishers. Everybody else has media messages of the size of commands.
    pub limits: Limits,
    /// The time from the first byte to `publish` or `play`; a connection that gets no further holds no place for longer.
    pub handshake_timeout: Duration,
    /// How long a publisher may be silent. WeChat's SDK gives up by itself after 30 s without anything to send.
    pub idle_timeout: Duration,
    /// The window that is announced in both directions.
    pub window: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            window: DEFAULT_WINDOW,
        }
    }
}

/// Who is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientInfo {
    /// `flashVer`: the program, more or less. Printable ASCII, at most 64 characters.
    pub flash_ver: String,
    /// What it takes beyond FLV's own codecs.
    pub capabilities: Capabilities,
}

/// What happens in a session.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// `connect` has been answered.
    Connected(ClientInfo),
    /// To be answered with [`ServerSession::accept_publish`] or [`ServerSession::reject`]. What the client sends before
    /// the answer is held back, unread.
    PublishRequested(StreamTarget),
    /// To be answered with [`ServerSession::accept_play`] or [`ServerSession::reject`].
    PlayRequested(StreamTarget),
    /// From an accepted publisher. Metadata comes as [`Self::Metadata`] instead.
    Media(Media),
    /// `onMetaData` of an accepted publisher. It may come again with other values.
    Metadata(Metadata),
    /// A reader wants nothing (true) or everything again (false).
    Paused(bool),
    /// A reader wants this kind of media or does not.
    Receive(media::Kind, bool),
    /// The answer to [`ServerSession::ping`].
    Pong(u32),
    /// The publisher has stopped. The connection may ask for something else.
    PublishEnded,
    /// The reader has stopped, or withdrawn its request.
    PlayEnded,
    /// Send what there is to be sent, then close the connection.
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Publish,
    Play,
}

#[derive(Debug)]
enum State {
    Handshake(handshake::Server),
    /// `connect` is due.
    Connecting,
    Connected,
    /// The gateway is asked.
    Requested(Role),
    Active(Role),
    Ended,
}

/// One client.
///
/// The order of calls is that of the [module](super). A session is in one role at a time, and media never precedes the
/// answer to its request.
#[derive(Debug)]
pub struct ServerSession {
    config: Config,
    link: Link,
    state: State,
    events: VecDeque<Event>,
    last_input: Instant,
    /// When the client must have asked for something; `None` once it has.
    deadline: Option<Instant>,
    app: Pii<String>,
    tc_url: Pii<String>,
    /// The message stream of the request, as the client counts it.
    stream: u32,
    /// The key of `FCPublish`, which is owed an `onFCPublish`.
    fc_publish: bool,
    /// Input behind a `publish` that is not answered yet.
    held: BytesMut,
}

impl ServerSession {
    /// Waits for a client. `seed` makes the random bytes of the handshake.
    pub fn new(config: Config, seed: u64, now: Instant) -> Self {
        Self {
            config,
            link: Link::new(for_strangers(config.limits)),
            state: State::Handshake(handshake::Server::new(seed)),
            events: VecDeque::new(),
            last_input: now,
            deadline: Some(now + config.handshake_timeout),
            app: Pii::default(),
            tc_url: Pii::default(),
            stream: wire::STREAM,
            fc_publish: false,
            held: BytesMut::new(),
        }
    }

    /// Takes bytes as they arrived. After [`Event::Close`] and after an error they are ignored.
    ///
    /// # Errors
    /// [`Error`] where the bytes are not RTMP or exceed a bound; the session is over, though what
    /// [`Self::poll_output`] still holds may be sent.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        self.last_input = now;
        let result = self.input(bytes);
        self.end_if_failed(result)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Active(Role::Publish) => Some(self.last_input + self.config.idle_timeout),
            State::Ended => None,
            _ => self.deadline,
        }
    }

    /// Ends the session if the time of [`Self::poll_timeout`] has come.
    ///
    /// # Errors
    /// [`Error::HandshakeTimeout`] or [`Error::IdleTimeout`] if it has.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        let publishing = matches!(self.state, State::Active(Role::Publish));
        self.state = State::Ended;
        Err(if publishing { Error::IdleTimeout } else { Error::HandshakeTimeout })
    }

    /// The next thing to do; `None` until the next call of another method.
    pub fn poll_output(&mut self) -> Option<Output<Event>> {
        if let Some(bytes) = self.link.sender.take() {
            return Some(Output::Write(bytes));
        }
        self.events.pop_front().map(Output::Event)
    }

    /// Lets the publisher begin, and reads what it has sent in the meantime.
    ///
    /// # Errors
    /// [`Error::State`] unless a publisher waits for an answer; otherwise those of [`Self::handle_input`].
    pub fn accept_publish(&mut self) -> Result<(), Error> {
        self.activate(Role::Publish)?;
        self.link.sender.user_control(UserControl::StreamBegin(self.stream));
        if std::mem::take(&mut self.fc_publish) {
            let started = info(Level::Status, "NetStream.Publish.Start", "Started publishing.");
            self.link.sender.command(self.stream, "onFCPublish", 0.0, &[Value::Null, started.into()]);
        }
        self.status(Level::Status, "NetStream.Publish.Start", "Started publishing.");
        self.link.set_limits(self.config.limits);
        let held = std::mem::take(&mut self.held);
        let result = self.messages(&held);
        self.end_if_failed(result)
    }

    /// Tells the reader that media follows: metadata and the bytes of [`wire::message`], written to the connection
    /// between what [`Self::poll_output`] returns.
    ///
    /// # Errors
    /// [`Error::State`] unless a reader waits for an answer: it may have withdrawn its request in the meantime.
    pub fn accept_play(&mut self) -> Result<(), Error> {
        self.activate(Role::Play)?;
        self.link.sender.user_control(UserControl::StreamBegin(self.stream));
        self.status(Level::Status, "NetStream.Play.Reset", "Playing and resetting the stream.");
        self.status(Level::Status, "NetStream.Play.Start", "Started playing.");
        // Flash Media Server's "the client may look at raw samples"; WeChat's and Flash's players wait for it.
        self.link.sender.data("|RtmpSampleAccess", &[Value::Boolean(true), Value::Boolean(true)]);
        Ok(())
    }

    /// Refuses a request, or ends what was accepted: the client is told why, then [`Event::Close`]. `description` is
    /// for people and reaches the client.
    pub fn reject(&mut self, code: StatusCode, description: &str) {
        if !matches!(self.state, State::Handshake(_) | State::Connecting | State::Ended) {
            self.status(Level::Error, code.as_str(), description);
        }
        self.close();
    }

    /// Tells the reader that nothing more comes, then [`Event::Close`].
    ///
    /// # Errors
    /// [`Error::State`] unless a reader was accepted.
    pub fn end_play(&mut self, reason: EndReason) -> Result<(), Error> {
        if !matches!(self.state, State::Active(Role::Play)) {
            return Err(Error::State);
        }
        match reason {
            EndReason::Unpublished => {
                self.status(Level::Status, "NetStream.Play.UnpublishNotify", "The publisher has stopped.");
            }
            EndReason::Complete => {
                let complete = info(Level::Status, "NetStream.Play.Complete", "The stream is over.");
                self.link.sender.data("onPlayStatus", &[complete.into()]);
                self.status(Level::Status, "NetStream.Play.Stop", "The stream is over.");
            }
        }
        self.link.sender.user_control(UserControl::StreamEof(self.stream));
        self.close();
        Ok(())
    }

    /// Asks whether the client is there: [`Event::Pong`] with the same number if it is (§7.1.7).
    ///
    /// # Errors
    /// [`Error::State`] before `connect` and after the end.
    pub fn ping(&mut self, number: u32) -> Result<(), Error> {
        if matches!(self.state, State::Handshake(_) | State::Connecting | State::Ended) {
            return Err(Error::State);
        }
        self.link.sender.user_control(UserControl::PingRequest(number));
        Ok(())
    }

    fn input(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.link.count(bytes.len());
        if let State::Handshake(handshake) = &mut self.state {
            match handshake.advance(&mut bytes, self.link.sender.buffer()) {
                Ok(Progress::Pending) => return Ok(()),
                Ok(Progress::Done) => self.state = State::Connecting,
                Err(source) => return Err(self.link.handshake_error(source)),
            }
            self.link.start_chunks(bytes.len());
        }
        self.messages(bytes)
    }

    fn messages(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !matches!(self.state, State::Ended) {
            if matches!(self.state, State::Requested(Role::Publish)) {
                return self.hold(bytes);
            }
            match self.link.next(&mut bytes)? {
                None => {
                    self.link.acknowledge();
                    break;
                }
                Some(Incoming::Media(media)) => self.media(media),
                Some(Incoming::Command(command)) => self.command(&command)?,
                Some(Incoming::UserControl(UserControl::PingResponse(number))) => {
                    self.events.push_back(Event::Pong(number));
                }
                Some(Incoming::UserControl(_)) => {}
            }
        }
        Ok(())
    }

    /// Until the answer is known, nothing behind the request has a meaning.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.held.len() + bytes.len() > MAX_HELD {
            return Err(Error::Impatient);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn end_if_failed(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if result.is_err() {
            self.state = State::Ended;
            self.held = BytesMut::new();
        }
        result
    }

    /// Only an accepted publisher has a say; what comes from a reader, or behind the end, is dropped.
    fn media(&mut self, media: Vec<Media>) {
        if !matches!(self.state, State::Active(Role::Publish)) {
            return;
        }
        self.events.extend(media.into_iter().map(|media| match media.kind {
            MediaKind::Data => Metadata::parse(&media.body).map_or(Event::Media(media), Event::Metadata),
            MediaKind::Audio | MediaKind::Video => Event::Media(media),
        }));
    }

    fn activate(&mut self, role: Role) -> Result<(), Error> {
        if !matches!(self.state, State::Requested(requested) if requested == role) {
            return Err(Error::State);
        }
        self.state = State::Active(role);
        Ok(())
    }

    /// §7.2.2: `onStatus` on the stream of the request.
    fn status(&mut self, level: Level, code: &str, description: &str) {
        let info = info(level, code, description);
        self.link.sender.command(self.stream, "onStatus", 0.0, &[Value::Null, info.into()]);
    }

    fn close(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.state = State::Ended;
            self.held = BytesMut::new();
            self.events.push_back(Event::Close);
        }
    }
}

/// A connection that is nobody's yet, or a reader's, has no reason to send anything large.
const fn for_strangers(limits: Limits) -> Limits {
    Limits { media: limits.command, partial: limits.command.saturating_mul(2), ..limits }
}
