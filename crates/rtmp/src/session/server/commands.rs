//! What clients call (§7.2), in the orders in which they do (the first two as captured in `tests/vectors`):
//!
//! | client | publish | play |
//! |---|---|---|
//! | ffmpeg 5.1 | connect, releaseStream, FCPublish, createStream, publish; FCUnpublish, deleteStream | connect, createStream, (FCSubscribe), getStreamLength, play; deleteStream |
//! | librtmp, OBS | as ffmpeg | connect, createStream, FCSubscribe, (set_playlist), play; deleteStream |
//! | WeChat's SDK | as librtmp, `type` "nonprivate" in connect | as librtmp, perhaps with _checkbw |

use super::{ClientInfo, Event, Role, ServerSession, State};
use crate::amf0::{Object, Value};
use crate::capabilities::Capabilities;
use crate::message::Command;
use crate::session::status::{Level, info};
use crate::{Error, Order, StreamTarget, sanitize, wire};
use media::{Kind, Pii};

/// Clients that look at it look for Flash Media Server 3 or later; nginx-rtmp says the same.
const SERVER_NAME: &str = "FMS/3,0,1,123";

impl ServerSession {
    pub(super) fn command(&mut self, command: &Command) -> Result<(), Error> {
        if matches!(self.state, State::Connecting) && command.name != "connect" {
            return Err(self.link.order_error(Order::BeforeConnect));
        }
        match command.name.as_str() {
            "connect" => return self.connect(command),
            "createStream" => self.result(command, Value::Number(f64::from(wire::STREAM))),
            "FCPublish" => {
                self.fc_publish = true;
                self.result(command, Value::Undefined);
            }
            "releaseStream" | "FCSubscribe" | "_checkbw" | "checkBandwidth" => {
                self.result(command, Value::Undefined)
            }
            // A live stream has no length.
            "getStreamLength" => self.result(command, Value::Number(0.0)),
            "publish" => return self.request(command, Role::Publish),
            "play" => return self.request(command, Role::Play),
            "pause" | "pauseRaw" => self.pause(command),
            "receiveAudio" => self.receive(command, Kind::Audio),
            "receiveVideo" => self.receive(command, Kind::Video),
            "FCUnpublish" => {
                self.end(Role::Publish);
                self.result(command, Value::Undefined);
            }
            "closeStream" | "deleteStream" => {
                self.end(Role::Publish);
                self.end(Role::Play);
            }
            // Answers to what was never asked.
            "_result" | "_error" | "onStatus" => {}
            _ => self.unknown(command),
        }
        Ok(())
    }

    /// §7.2.1.1. The answer names AMF0 (`objectEncoding` 0) whatever was asked for, and clients obey.
    fn connect(&mut self, command: &Command) -> Result<(), Error> {
        if !matches!(self.state, State::Connecting) {
            return Err(self.link.order_error(Order::SecondConnect));
        }
        let empty = Object::new();
        let object = command.arguments.first().and_then(Value::as_object).unwrap_or(&empty);
        let text = |name| object.find(name).and_then(Value::as_str).unwrap_or_default();
        self.app = Pii(text("app").to_owned());
        self.tc_url = Pii(text("tcUrl").to_owned());
        self.state = State::Connected;
        let client =
            ClientInfo { flash_ver: sanitize(text("flashVer")), capabilities: Capabilities::parse(object) };
        self.link.announce_window(self.config.window);
        self.link.sender.peer_bandwidth(self.config.window);
        self.link.sender.set_chunk_size(wire::CHUNK_SIZE);
        let properties = Object::new().with("fmsVer", SERVER_NAME).with("capabilities", 31.0);
        let success = info(Level::Status, "NetConnection.Connect.Success", "Connection succeeded.");
        let arguments = [properties.into(), success.with("objectEncoding", 0.0).into()];
        self.link.sender.command(0, "_result", command.transaction, &arguments);
        self.events.push_back(Event::Connected(client));
        Ok(())
    }

    /// §7.2.2.1, §7.2.2.6: command object, key, then a publishing type ("live") or start, duration and reset, none of
    /// which mean anything for a live stream.
    fn request(&mut self, command: &Command, role: Role) -> Result<(), Error> {
        let key = command.arguments.get(1);
        if key == Some(&Value::Boolean(false)) {
            // ActionScript's `publish(false)` and `play(false)` end what there is.
            self.end(role);
            return Ok(());
        }
        if !matches!(self.state, State::Connected) {
            return Err(self.link.order_error(Order::SecondRequest));
        }
        let key = key.and_then(Value::as_str).unwrap_or_default();
        let target = StreamTarget::parse(self.app.reveal(), self.tc_url.reveal(), key);
        self.state = State::Requested(role);
        self.deadline = None;
        self.stream = command.stream;
        self.events.push_back(match role {
            Role::Publish => Event::PublishRequested(target),
            Role::Play => Event::PlayRequested(target),
        });
        Ok(())
    }

    /// §7.2.2.9.
    fn pause(&mut self, command: &Command) {
        let Some(paused) = self.reader_wants(command) else { return };
        let code = if paused { "NetStream.Pause.Notify" } else { "NetStream.Unpause.Notify" };
        self.status(Level::Status, code, "As the reader wants.");
        self.events.push_back(Event::Paused(paused));
    }

    /// §7.2.2.4, §7.2.2.5.
    fn receive(&mut self, command: &Command, kind: Kind) {
        if let Some(wanted) = self.reader_wants(command) {
            self.events.push_back(Event::Receive(kind, wanted));
        }
    }

    fn reader_wants(&self, command: &Command) -> Option<bool> {
        let playing = matches!(self.state, State::Active(Role::Play));
        command.arguments.get(1).and_then(Value::as_bool).filter(|_| playing)
    }

    /// Ends this role, if it is the one. The client has the handshake's time once more to ask for something else.
    fn end(&mut self, role: Role) {
        match self.state {
            State::Active(active) if active == role => {}
            State::Requested(requested) if requested == role => {}
            _ => return,
        }
        let ended = match role {
            Role::Publish => {
                self.status(Level::Status, "NetStream.Unpublish.Success", "Stopped publishing.");
                Event::PublishEnded
            }
            Role::Play => Event::PlayEnded,
        };
        self.events.push_back(ended);
        self.state = State::Connected;
        self.deadline = Some(self.last_input + self.config.handshake_timeout);
    }

    /// Transaction 0 wants no answer (§7.2.1).
    fn result(&mut self, command: &Command, value: Value) {
        if command.transaction != 0.0 {
            self.link.sender.command(0, "_result", command.transaction, &[Value::Null, value]);
        }
    }

    fn unknown(&mut self, command: &Command) {
        if command.transaction != 0.0 {
            let info = info(Level::Error, "NetConnection.Call.Failed", "The server does not know this call.");
            self.link.sender.command(0, "_error", command.transaction, &[Value::Null, info.into()]);
        }
    }
}
