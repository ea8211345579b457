//! What messages say (RTMP 1.0 §5.4, §6.2, §7.1).
#![deny(clippy::indexing_slicing)]

mod aggregate;
mod control;

pub use control::{PeerBandwidthLimit, UserControl};

use crate::amf0::{self, Value};
use crate::chunk;
use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Message type ids.
pub mod kind {
    /// §5.4.1.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// §5.4.2.
    pub const ABORT: u8 = 2;
    /// §5.4.3.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// §6.2.
    pub const USER_CONTROL: u8 = 4;
    /// §5.4.4.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// §5.4.5.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// §7.1.4.
    pub const AUDIO: u8 = 8;
    /// §7.1.5.
    pub const VIDEO: u8 = 9;
    /// §7.1.2, in AMF3.
    pub const DATA_AMF3: u8 = 15;
    /// §7.1.1, in AMF3.
    pub const COMMAND_AMF3: u8 = 17;
    /// §7.1.2.
    pub const DATA: u8 = 18;
    /// §7.1.1.
    pub const COMMAND: u8 = 20;
    /// §7.1.6.
    pub const AGGREGATE: u8 = 22;
}

/// What a media message carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaKind {
    /// The body of an FLV audio tag.
    Audio,
    /// The body of an FLV video tag.
    Video,
    /// AMF0 values, the first of which is the name of a handler (`onMetaData`).
    Data,
}

impl MediaKind {
    /// The message type id.
    pub const fn type_id(self) -> u8 {
        match self {
            Self::Audio => kind::AUDIO,
            Self::Video => kind::VIDEO,
            Self::Data => kind::DATA,
        }
    }
}

/// One media message. Its `Debug` shows the length of the body only: it is a patient's picture or voice.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// Audio, video or data.
    pub kind: MediaKind,
    /// Milliseconds modulo 2^32.
    pub timestamp: u32,
    /// The body of an FLV tag; for data, AMF0 without the leading `@setDataFrame` of publishers.
    pub body: Bytes,
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Media");
        shown.field("kind", &self.kind).field("timestamp", &self.timestamp);
        shown.field("bytes", &self.body.len()).finish()
    }
}

/// A call of the other side, or the answer to one (§7.1.1).
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// The message stream that it is about.
    pub stream: u32,
    /// `connect`, `publish`, `_result`, `onStatus`...
    pub name: String,
    /// Ties answers to calls; 0 for calls that want none.
    pub transaction: f64,
    /// The command object (usually null) and what follows it.
    pub arguments: Vec<Value>,
}

impl Command {
    /// The argument at `index`, where the command object is 0, as text.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index)?.as_str()
    }

    fn parse(stream: u32, body: &[u8]) -> Result<Self, Error> {
        let mut values = amf0::parse(body)?.into_iter();
        let (Some(Value::String(name)), transaction) = (values.next(), values.next()) else {
            return Err(Error::NoCommandName);
        };
        // Leaving out the transaction of a call without answer is against §7.1.1 but harmless.
        let transaction = transaction.as_ref().and_then(Value::as_number).unwrap_or_default();
        Ok(Self { stream, name, transaction, arguments: values.collect() })
    }
}

/// A message with its meaning. Set Chunk Size and Abort stay in the chunk layer.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Message {
    /// §5.4.3: how many bytes the other side has received, modulo 2^32.
    Acknowledgement(u32),
    /// §6.2.
    UserControl(UserControl),
    /// §5.4.4: after how many bytes the other side wants an acknowledgement.
    WindowAckSize(u32),
    /// §5.4.5.
    SetPeerBandwidth {
        /// Bytes that may be unacknowledged.
        size: u32,
        /// How the size is to be taken.
        limit: PeerBandwidthLimit,
    },
    /// Audio, video and data, aggregates taken apart.
    Media(Vec<Media>),
    /// A command in AMF0, also inside an AMF3 message.
    Command(Command),
    /// Shared objects and unknown types, which mean nothing here.
    Ignored(u8),
}

/// Why a complete message cannot be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A command that is not AMF0.
    #[error(transparent)]
    Amf0(#[from] amf0::Error),
    /// A command that does not start with its name.
    #[error("the command has no name")]
    NoCommandName,
    /// A protocol control message without its fields.
    #[error("the protocol control message is too short")]
    Truncated,
    /// An aggregate whose tags do not fit into it, or with more than 1024 tags.
    #[error("the aggregate is broken at its byte {at}")]
    Aggregate {
        /// Where the tag starts that is broken.
        at: usize,
    },
}

impl Message {
    /// Reads a message of the chunk stream.
    ///
    /// # Errors
    /// [`Error`], see there. Data messages are not looked into, so they never fail.
    pub fn parse(message: chunk::Message) -> Result<Self, Error> {
        let chunk::Message { header, body } = message;
        let media = |kind, body| Self::Media(vec![Media { kind, timestamp: header.timestamp, body }]);
        Ok(match header.kind {
            kind::ACKNOWLEDGEMENT => Self::Acknowledgement(u32_of(&body)?),
            kind::WINDOW_ACK_SIZE => Self::WindowAckSize(u32_of(&body)?),
            kind::SET_PEER_BANDWIDTH => Self::SetPeerBandwidth {
                size: u32_of(&body)?,
                limit: PeerBandwidthLimit::from(body.get(4).copied().unwrap_or_default()),
            },
            kind::USER_CONTROL => Self::UserControl(UserControl::parse(&body)?),
            kind::AUDIO => media(MediaKind::Audio, body),
            kind::VIDEO => media(MediaKind::Video, body),
            kind::DATA => media(MediaKind::Data, without_set_data_frame(body)),
            kind::DATA_AMF3 => media(MediaKind::Data, without_set_data_frame(without_amf3_marker(body))),
            kind::AGGREGATE => Self::Media(aggregate::parse(header.timestamp, &body)?),
            kind::COMMAND => Self::Command(Command::parse(header.stream, &body)?),
            kind::COMMAND_AMF3 => Self::Command(Command::parse(header.stream, &without_amf3_marker(body))?),
            other => Self::Ignored(other),
        })
    }
}

/// The body of a command message.
pub fn write_command(name: &str, transaction: f64, arguments: &[Value]) -> BytesMut {
    let mut body = BytesMut::with_capacity(128);
    amf0::write_string(&mut body, name);
    amf0::write(&mut body, &Value::Number(transaction));
    arguments.iter().for_each(|argument| amf0::write(&mut body, argument));
    body
}

fn u32_of(body: &[u8]) -> Result<u32, Error> {
    let mut body = body;
    body.try_get_u32().map_err(|_| Error::Truncated)
}

/// AMF3 messages start with the format of what follows, which is AMF0 in every client: 0 (rtmp over AMF3, FMS 3 on).
fn without_amf3_marker(mut body: Bytes) -> Bytes {
    if body.first() == Some(&0) {
        body.advance(1);
    }
    body
}

/// `@setDataFrame` tells the server to keep what follows; readers get what follows alone (Flash Media Server
/// "Working with Live Video", ffmpeg and OBS write it).
fn without_set_data_frame(mut body: Bytes) -> Bytes {
    const PREFIX: &[u8] = b"\x02\0\x0d@setDataFrame";
    if body.starts_with(PREFIX) {
        body.advance(PREFIX.len());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: impl Into<Bytes>) -> chunk::Message {
        let header = chunk::Header { chunk_stream: 3, kind, stream: 1, timestamp: 40 };
        chunk::Message { header, body: body.into() }
    }

    fn command(name: &str) -> Message {
        let arguments = vec![Value::Null, "key".into()];
        Message::Command(Command { stream: 1, name: name.into(), transaction: 4.0, arguments })
    }

    #[test]
    fn a_command_is_the_same_inside_amf3() {
        let body = write_command("publish", 4.0, &[Value::Null, "key".into()]);
        let amf3 = [&[0][..], &body].concat();
        assert_eq!(Message::parse(message(kind::COMMAND, body)), Ok(command("publish")));
        assert_eq!(Message::parse(message(kind::COMMAND_AMF3, amf3)), Ok(command("publish")));
    }

    #[test]
    fn commands_without_name_or_with_broken_values_are_errors() {
        assert_eq!(Message::parse(message(kind::COMMAND, "")), Err(Error::NoCommandName));
        assert_eq!(Message::parse(message(kind::COMMAND, "\x05")), Err(Error::NoCommandName));
        let broken = Err(Error::Amf0(amf0::Error::Truncated { at: 3 }));
        assert_eq!(Message::parse(message(kind::COMMAND, &b"\x02\0\x07pub"[..])), broken);
    }

    #[test]
    fn data_loses_its_set_data_frame() {
        let inner = b"\x02\0\x0aonMetaData\x05";
        let wrapped = [b"\x02\0\x0d@setDataFrame", &inner[..]].concat();
        let amf3 = [b"\0", &wrapped[..]].concat();
        for (kind, body) in [(kind::DATA, inner.to_vec()), (kind::DATA, wrapped), (kind::DATA_AMF3, amf3)] {
            let expected = Media { kind: MediaKind::Data, timestamp: 40, body: Bytes::from_static(inner) };
            assert_eq!(Message::parse(message(kind, body)), Ok(Message::Media(vec![expected])));
        }
    }

    #[test]
    fn control_messages_carry_their_fields() {
        let four = [0, 1, 0, 2];
        assert_eq!(
            Message::parse(message(kind::ACKNOWLEDGEMENT, four.to_vec())),
            Ok(Message::Acknowledgement(65_538))
        );
        assert_eq!(
            Message::parse(message(kind::WINDOW_ACK_SIZE, four.to_vec())),
            Ok(Message::WindowAckSize(65_538))
        );
        let limit = PeerBandwidthLimit::Dynamic;
        assert_eq!(
            Message::parse(message(kind::SET_PEER_BANDWIDTH, vec![0, 1, 0, 2, 2])),
            Ok(Message::SetPeerBandwidth { size: 65_538, limit })
        );
        for kind in
            [kind::ACKNOWLEDGEMENT, kind::WINDOW_ACK_SIZE, kind::SET_PEER_BANDWIDTH, kind::USER_CONTROL]
        {
            assert_eq!(Message::parse(message(kind, "\0")), Err(Error::Truncated), "type {kind}");
        }
        assert_eq!(Message::parse(message(19, "\0")), Ok(Message::Ignored(19)));
    }
}
