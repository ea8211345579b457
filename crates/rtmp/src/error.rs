//! What ends a session.

use crate::{chunk, handshake, message};

/// Why a session is over. Places are counted in bytes from the start of the connection, handshake included, so that
/// they can be looked up in a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The handshake is not RTMP's.
    #[error("handshake, byte {at}: {source}")]
    Handshake {
        /// Bytes received before the input that failed.
        at: u64,
        /// What is wrong.
        source: handshake::Error,
    },
    /// The chunk stream is broken or exceeds a limit.
    #[error("byte {at}, chunk stream {chunk_stream}: {source}")]
    Chunk {
        /// Where the chunk starts.
        at: u64,
        /// Its chunk stream.
        chunk_stream: u32,
        /// What is wrong.
        source: chunk::Error,
    },
    /// A complete message makes no sense.
    #[error("byte {at}, chunk stream {chunk_stream}, message type {kind}: {source}")]
    Message {
        /// Where the message ends.
        at: u64,
        /// Its chunk stream.
        chunk_stream: u32,
        /// Its type id.
        kind: u8,
        /// What is wrong.
        source: message::Error,
    },
    /// A command comes where it must not.
    #[error("byte {at}: {order}")]
    Order {
        /// Where the command ends.
        at: u64,
        /// What is wrong.
        order: Order,
    },
    /// A publisher has sent more than 256 KiB without waiting for the answer to its request.
    #[error("the publisher has sent more than 256 KiB before it was accepted")]
    Impatient,
    /// The conversation did not get as far as `publish` or `play` in time.
    #[error("no publish or play within the time for the handshake")]
    HandshakeTimeout,
    /// A publisher has sent nothing for the idle time.
    #[error("the publisher has sent nothing for the idle time")]
    IdleTimeout,
    /// An answer or media where the session's state has no place for it: a mistake of the caller.
    #[error("the session is not in a state for this")]
    State,
}

/// Commands out of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Order {
    /// Any other command before `connect`.
    #[error("a command before connect")]
    BeforeConnect,
    /// A second `connect`.
    #[error("connect for the second time")]
    SecondConnect,
    /// `publish` or `play` while one of them is asked for or under way.
    #[error("publish or play while one is under way")]
    SecondRequest,
}
