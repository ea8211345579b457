//! What several tests need: a client and a server joined on virtual time, and a raw client that says what it likes.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use bytes::{Bytes, BytesMut};
use rtmp::amf0::Value;
use rtmp::chunk::{self, Header, Limits, Reader, put_message};
use rtmp::handshake;
use rtmp::message::{Command, Message, UserControl, kind, write_command};
use rtmp::session::{
    ClientConfig, ClientEvent, ClientSession, Config, Event, Output, ServerSession, StatusCode,
};
use std::time::{Duration, Instant};

/// A client session and a server session with a perfect network between them.
pub struct Pair {
    pub client: ClientSession,
    pub server: ServerSession,
    pub now: Instant,
    pub client_events: Vec<ClientEvent>,
    pub server_events: Vec<Event>,
    /// Answer requests at once, as a gateway that allows everything.
    pub accept: bool,
    /// How many bytes travel in one piece, by turns.
    pieces: Vec<usize>,
    turn: usize,
    to_server: BytesMut,
    to_client: BytesMut,
}

impl Pair {
    pub fn new(config: ClientConfig) -> Self {
        Self::with_pieces(config, vec![usize::MAX])
    }

    pub fn with_pieces(config: ClientConfig, pieces: Vec<usize>) -> Self {
        let now = Instant::now();
        Self {
            client: ClientSession::new(config, 1, now),
            server: ServerSession::new(Config::default(), 2, now),
            now,
            client_events: vec![],
            server_events: vec![],
            accept: true,
            pieces,
            turn: 0,
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
        }
    }

    /// Runs until both have nothing more to say.
    pub fn run(&mut self) {
        loop {
            self.collect();
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return;
            }
            let size = self.pieces[self.turn % self.pieces.len()].max(1);
            self.turn += 1;
            let piece = self.to_server.split_to(size.min(self.to_server.len()));
            self.server.handle_input(&piece, self.now).unwrap();
            let piece = self.to_client.split_to(size.min(self.to_client.len()));
            self.client.handle_input(&piece).unwrap();
        }
    }

    /// Bytes of the gateway's own between the session's.
    pub fn write_shared(&mut self, bytes: &Bytes) {
        self.collect();
        self.to_client.extend_from_slice(bytes);
    }

    fn collect(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Write(bytes) => self.to_server.extend_from_slice(&bytes),
                Output::Event(event) => self.client_events.push(event),
            }
        }
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Write(bytes) => self.to_client.extend_from_slice(&bytes),
                Output::Event(event) => {
                    match &event {
                        Event::PublishRequested(_) if self.accept => self.server.accept_publish().unwrap(),
                        Event::PlayRequested(_) if self.accept => self.server.accept_play().unwrap(),
                        _ => {}
                    }
                    self.server_events.push(event);
                }
            }
        }
    }
}

/// A server session and a hand-driven client.
pub struct Raw {
    pub server: ServerSession,
    pub now: Instant,
    pub events: Vec<Event>,
    /// What the server said and nobody asked for yet.
    pub messages: Vec<Message>,
    reader: Reader,
    pub handshaken: usize,
}

impl Raw {
    /// Behind the handshake.
    pub fn new() -> Self {
        let mut raw = Self::silent();
        let mut hello = BytesMut::new();
        handshake::Client::simple(5).start(&mut hello);
        hello.extend_from_slice(&[0; handshake::BLOCK]);
        raw.input(&hello).unwrap();
        raw
    }

    /// Nothing said yet.
    pub fn silent() -> Self {
        let now = Instant::now();
        Self {
            server: ServerSession::new(Config::default(), 2, now),
            now,
            events: vec![],
            messages: vec![],
            reader: Reader::new(Limits::default()),
            handshaken: 0,
        }
    }

    pub fn input(&mut self, bytes: &[u8]) -> Result<(), rtmp::Error> {
        let result = self.server.handle_input(bytes, self.now);
        self.drain();
        result
    }

    pub fn after(&mut self, time: Duration) -> Result<(), rtmp::Error> {
        self.now += time;
        self.server.handle_timeout(self.now)
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Write(bytes) => {
                    let skip = (1 + 2 * handshake::BLOCK - self.handshaken).min(bytes.len());
                    self.handshaken += skip;
                    let mut input = &bytes[skip..];
                    while let Some(message) = self.reader.read(&mut input).unwrap() {
                        self.messages.push(Message::parse(message).unwrap());
                    }
                }
            }
        }
    }

    /// One message in chunks of the default size.
    pub fn send(&mut self, kind: u8, stream: u32, body: impl Into<Bytes>) -> Result<(), rtmp::Error> {
        let header = Header { chunk_stream: 3, kind, stream, timestamp: 0 };
        let mut out = BytesMut::new();
        put_message(&mut out, chunk::DEFAULT_SIZE, &header, body.into());
        self.input(&out)
    }

    pub fn call(
        &mut self,
        stream: u32,
        name: &str,
        transaction: f64,
        arguments: &[Value],
    ) -> Result<(), rtmp::Error> {
        self.send(kind::COMMAND, stream, write_command(name, transaction, arguments))
    }

    pub fn user_control(&mut self, event: UserControl) {
        self.send(kind::USER_CONTROL, 0, event.write()).unwrap();
    }

    /// Everything up to the request, as plainly as possible.
    pub fn request(app: &str, name: &str, key: &str) -> Self {
        let mut raw = Self::new();
        raw.call(0, "connect", 1.0, &[rtmp::amf0::Object::new().with("app", app).into()]).unwrap();
        raw.call(0, "createStream", 2.0, &[Value::Null]).unwrap();
        raw.call(1, name, 3.0, &[Value::Null, key.into()]).unwrap();
        raw.messages.clear();
        raw
    }

    /// A publisher that may send.
    pub fn publisher() -> Self {
        let mut raw = Self::request("live", "publish", "a");
        raw.server.accept_publish().unwrap();
        raw.drain();
        raw.messages.clear();
        raw.events.clear();
        raw
    }

    /// The commands that the server sent, oldest first.
    pub fn commands(&mut self) -> Vec<Command> {
        let commands = self.messages.extract_if(.., |message| matches!(message, Message::Command(_)));
        commands
            .map(|message| if let Message::Command(command) = message { command } else { unreachable!() })
            .collect()
    }

    /// Name and transaction of each command, and the code of its status if it has one.
    pub fn answers(&mut self) -> Vec<(String, f64, String)> {
        self.commands()
            .into_iter()
            .map(|command| (command.name.clone(), command.transaction, code(&command)))
            .collect()
    }
}

/// The code of a command's information object.
pub fn code(command: &Command) -> String {
    let info = command.arguments.iter().rev().find_map(Value::as_object);
    info.and_then(|info| info.find("code")?.as_str()).unwrap_or_default().to_owned()
}

pub const ALL_CODES: [StatusCode; 8] = [
    StatusCode::PublishBadName,
    StatusCode::PublishDenied,
    StatusCode::PlayStreamNotFound,
    StatusCode::PlayFailed,
    StatusCode::StreamFailed,
    StatusCode::ConnectRejected,
    StatusCode::ConnectInvalidApp,
    StatusCode::ConnectClosed,
];
