//! Status codes (§7.2.1.1, §7.2.2; ActionScript 3.0 `NetStatusEvent.info`).

use crate::amf0::{Object, Value};
use crate::sanitize;

/// Why a request is refused, in words that clients know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StatusCode {
    /// The path is no path, or somebody else publishes on it.
    PublishBadName,
    /// The credentials do not allow publishing.
    PublishDenied,
    /// Nobody publishes on that path.
    PlayStreamNotFound,
    /// The stream is there but cannot be played: not allowed, or of a codec that FLV does not know.
    PlayFailed,
    /// Neither of these; WeChat's SDK knows it for both directions.
    StreamFailed,
    /// The server takes no more, or not from there.
    ConnectRejected,
    /// The app is none of the server's.
    ConnectInvalidApp,
    /// The server goes down.
    ConnectClosed,
}

impl StatusCode {
    /// As the wire has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublishBadName => "NetStream.Publish.BadName",
            Self::PublishDenied => "NetStream.Publish.Denied",
            Self::PlayStreamNotFound => "NetStream.Play.StreamNotFound",
            Self::PlayFailed => "NetStream.Play.Failed",
            Self::StreamFailed => "NetStream.Failed",
            Self::ConnectRejected => "NetConnection.Connect.Rejected",
            Self::ConnectInvalidApp => "NetConnection.Connect.InvalidApp",
            Self::ConnectClosed => "NetConnection.Connect.Closed",
        }
    }
}

/// Why a reader gets nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// The publisher is gone; it may come back.
    Unpublished,
    /// The stream is over for good.
    Complete,
}

/// How serious a status is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// As it should be.
    Status,
    /// Worth a line in the log.
    Warning,
    /// The request has failed.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a server says about a request. Both texts are printable ASCII of at most 64 characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// How serious it is.
    pub level: Level,
    /// `NetStream.Publish.Start`, ...
    pub code: String,
    /// For people.
    pub description: String,
}

impl Status {
    /// The information object of `onStatus`, `_result` or `_error`.
    pub(super) fn parse(info: Option<&Value>) -> Self {
        let text = |name| info.and_then(Value::as_object)?.find(name)?.as_str();
        let level = match text("level") {
            Some("error") => Level::Error,
            Some("warning") => Level::Warning,
            _ => Level::Status,
        };
        let shown = |name| text(name).map(sanitize).unwrap_or_default();
        Self { level, code: shown("code"), description: shown("description") }
    }
}

/// The information object of `onStatus`.
pub(super) fn info(level: Level, code: &str, description: &str) -> Object {
    Object::new().with("level", level.as_str()).with("code", code).with("description", description)
}
