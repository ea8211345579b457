//! The chunk stream (RTMP 1.0 §5.3): messages cut into chunks that interleave, each chunk stream with its own
//! compressed headers.

mod reader;
mod writer;

pub use reader::{Error, Limits, Reader};
pub use writer::{Writer, put_message};

use bytes::Bytes;

/// The chunk size before any Set Chunk Size (§5.4.1).
pub const DEFAULT_SIZE: usize = 128;

/// The largest chunk size that makes a difference: no message is longer (§5.4.1).
pub const MAX_SIZE: usize = 0xff_ffff;

/// The largest chunk stream id (§5.3.1.1).
pub const MAX_CHUNK_STREAM: u32 = 65_599;

/// A 24-bit timestamp field of this value says that the real one follows in 32 bits (§5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;

/// What the chunk stream says of a message beside its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The chunk stream that it came or goes on, 2..=65,599.
    pub chunk_stream: u32,
    /// What the body is, see [`crate::message::kind`].
    pub kind: u8,
    /// The message stream (§5.3.1.2.5); 0 for control messages.
    pub stream: u32,
    /// Milliseconds modulo 2^32.
    pub timestamp: u32,
}

/// One message as the chunk stream carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where it belongs.
    pub header: Header,
    /// The payload.
    pub body: Bytes,
}
