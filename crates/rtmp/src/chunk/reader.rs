//! Chunks -> messages.
#![deny(clippy::indexing_slicing)]

use super::{DEFAULT_SIZE, EXTENDED, Header, MAX_SIZE, Message};
use crate::message::kind;
use bytes::{Buf, Bytes, BytesMut};

/// The most that a peer may make the reader hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one audio, video or aggregate message. A 4K random access point has about 1 MiB.
    pub media: usize,
    /// Bytes of one message of any other kind. A `connect` has about 300, metadata rarely 2,000.
    pub command: usize,
    /// Chunk streams in use. Clients use three to six.
    pub chunk_streams: usize,
    /// Bytes of all unfinished messages together.
    pub partial: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { media: 10 << 20, command: 64 << 10, chunk_streams: 64, partial: 12 << 20 }
    }
}

/// Why chunks cannot be read on. There is no way to find the next chunk after any of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first chunk of a chunk stream has a format that leaves out what only an earlier chunk could tell.
    #[error("the first chunk of this chunk stream has format {0}")]
    NoEarlierHeader(u8),
    /// A message announces more bytes than its kind may have.
    #[error("a message of type {kind} announces {len} bytes, accepted are {limit}")]
    TooLong {
        /// The message type id.
        kind: u8,
        /// What is announced.
        len: usize,
        /// The limit in force.
        limit: usize,
    },
    /// One more chunk stream than [`Limits::chunk_streams`].
    #[error("more than {0} chunk streams")]
    TooManyChunkStreams(usize),
    /// The unfinished messages together exceed [`Limits::partial`].
    #[error("unfinished messages hold more than {0} bytes")]
    TooMuchPartial(usize),
    /// Set Chunk Size with 0 or with the top bit set, which must be zero (§5.4.1).
    #[error("chunk size {0} is outside 1..=2147483647")]
    ChunkSize(u32),
    /// A Set Chunk Size or Abort message without its four bytes.
    #[error("a protocol control message of type {0} is shorter than four bytes")]
    ShortControl(u8),
}

/// Puts messages together. Set Chunk Size and Abort (§5.4.1-2) concern the chunk stream alone: they take effect here
/// and are not returned.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    chunk_size: usize,
    streams: Vec<Stream>,
    /// The chunk whose payload is being read: index into `streams`, bytes still to come.
    chunk: Option<(usize, usize)>,
    /// Bytes of a header that is not complete, or input that came behind it.
    carry: BytesMut,
    partial: usize,
    position: u64,
    chunk_stream: u32,
}

/// What one chunk stream remembers.
#[derive(Debug)]
struct Stream {
    id: u32,
    timestamp: u32,
    /// The timestamp field of the last header that had one: absolute (format 0) or a difference (1 and 2).
    field: u32,
    /// Whether that field stood in 32 bits.
    extended: bool,
    len: usize,
    kind: u8,
    message_stream: u32,
    /// The message so far. `None` between messages.
    body: Option<Vec<u8>>,
}

/// A chunk's headers (§5.3.1.1-3) as far as they were there.
struct Fields {
    format: u8,
    chunk_stream: u32,
    field: u32,
    extended: bool,
    len: usize,
    kind: u8,
    message_stream: u32,
}

impl Reader {
    /// Starts behind the handshake, with chunks of [`DEFAULT_SIZE`].
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_size: DEFAULT_SIZE,
            streams: Vec::new(),
            chunk: None,
            carry: BytesMut::new(),
            partial: 0,
            position: 0,
            chunk_stream: 0,
        }
    }

    /// Replaces the limits, from the next header on: a peer may be trusted with more once it is known.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Bytes taken into account so far: after an error, where the chunk starts that caused it.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The chunk stream of the last header: after an error, the one that caused it.
    pub const fn chunk_stream(&self) -> u32 {
        self.chunk_stream
    }

    /// Takes bytes from the front of `input` up to the end of the next message; `None` once the input is used up.
    ///
    /// # Errors
    /// [`Error`], see there; the reader is of no use after one.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        if self.carry.is_empty() {
            let message = self.advance(input)?;
            if message.is_none() {
                self.carry.extend_from_slice(input);
                *input = &[];
            }
            return Ok(message);
        }
        self.carry.extend_from_slice(input);
        *input = &[];
        let mut carry = std::mem::take(&mut self.carry);
        let mut rest = &carry[..];
        let message = self.advance(&mut rest)?;
        carry.advance(carry.len() - rest.len());
        if !carry.is_empty() {
            self.carry = carry;
        }
        Ok(message)
    }

    /// As [`Self::read`], but leaves an incomplete header in `input`.
    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            if self.chunk.is_none() && !self.header(input)? {
                return Ok(None);
            }
            let Some(message) = self.payload(input)? else {
                if self.chunk.is_some() {
                    return Ok(None);
                }
                continue;
            };
            match message.header.kind {
                kind::SET_CHUNK_SIZE => self.set_chunk_size(&message)?,
                kind::ABORT => self.abort(&message)?,
                _ => return Ok(Some(message)),
            }
        }
    }

    /// Reads the headers of a chunk if they are complete.
    fn header(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        let mut rest = *input;
        let Some(mut header) = Fields::parse(&mut rest) else {
            return Ok(false);
        };
        self.chunk_stream = header.chunk_stream;
        let known = self.streams.iter().position(|stream| stream.id == header.chunk_stream);
        let index = match known {
            Some(index) => index,
            None => self.open(&header)?,
        };
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(false);
        };
        if header.format == 3 {
            match stream.continued_field(rest) {
                Continued::Repeated => rest = rest.get(4..).unwrap_or_default(),
                Continued::Left => {}
                Continued::Unknown => return Ok(false),
            }
            header.field = stream.field;
            header.extended = stream.extended;
        }
        let new_message = header.format != 3 || stream.body.is_none();
        if new_message {
            // A peer that starts a message over has given the unfinished one up; ffmpeg reads it like that, too.
            self.partial -= stream.body.take().map_or(0, |body| body.len());
            stream.start(&header, self.limits)?;
        }
        let left = stream.len - stream.body.as_ref().map_or(0, Vec::len);
        self.chunk = Some((index, left.min(self.chunk_size)));
        self.position += (input.len() - rest.len()) as u64;
        *input = rest;
        Ok(true)
    }

    /// A chunk stream that was not heard of before. Format 1 is accepted although it leaves out the message stream:
    /// librtmp derivatives send their first ping response so, and it can only mean stream 0.
    fn open(&mut self, header: &Fields) -> Result<usize, Error> {
        if header.format > 1 {
            return Err(Error::NoEarlierHeader(header.format));
        }
        if self.streams.len() >= self.limits.chunk_streams {
            return Err(Error::TooManyChunkStreams(self.limits.chunk_streams));
        }
        self.streams.push(Stream {
            id: header.chunk_stream,
            timestamp: 0,
            field: 0,
            extended: false,
            len: 0,
            kind: 0,
            message_stream: 0,
            body: None,
        });
        Ok(self.streams.len() - 1)
    }

    /// Moves payload into the message of the current chunk; the message once it is complete.
    fn payload(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        let Some((index, left)) = self.chunk else {
            return Ok(None);
        };
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(None);
        };
        let (piece, rest) = input.split_at(left.min(input.len()));
        self.partial += piece.len();
        if self.partial > self.limits.partial {
            return Err(Error::TooMuchPartial(self.limits.partial));
        }
        let body = stream.body.get_or_insert_default();
        append(body, piece, stream.len);
        self.position += piece.len() as u64;
        *input = rest;
        self.chunk = (piece.len() < left).then_some((index, left - piece.len()));
        if body.len() < stream.len {
            return Ok(None);
        }
        self.partial -= stream.len;
        let header = Header {
            chunk_stream: stream.id,
            kind: stream.kind,
            stream: stream.message_stream,
            timestamp: stream.timestamp,
        };
        Ok(Some(Message { header, body: Bytes::from(stream.body.take().unwrap_or_default()) }))
    }

    /// §5.4.1. Sizes above [`MAX_SIZE`] are legal and all mean the same.
    fn set_chunk_size(&mut self, message: &Message) -> Result<(), Error> {
        let size = control_value(message)?;
        if size == 0 || size > 0x7fff_ffff {
            return Err(Error::ChunkSize(size));
        }
        self.chunk_size = usize::try_from(size).map_or(MAX_SIZE, |size| size.min(MAX_SIZE));
        Ok(())
    }

    /// §5.4.2: the rest of that message will not come.
    fn abort(&mut self, message: &Message) -> Result<(), Error> {
        let id = control_value(message)?;
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            self.partial -= stream.body.take().map_or(0, |body| body.len());
        }
        Ok(())
    }
}

/// Grows with what arrives, at most twofold, and never beyond `len`: a message of the announced length ends in an
/// allocation of exactly that size.
fn append(body: &mut Vec<u8>, piece: &[u8], len: usize) {
    let needed = body.len() + piece.len();
    if needed > body.capacity() {
        let capacity = needed.max(2 * body.len()).max(4096).min(len);
        body.reserve_exact(capacity - body.len());
    }
    body.extend_from_slice(piece);
}

fn control_value(message: &Message) -> Result<u32, Error> {
    message.body.as_ref().try_get_u32().map_err(|_| Error::ShortControl(message.header.kind))
}

impl Fields {
    /// The headers without the extended timestamp of format 3, which only the chunk stream's state can tell; `None`
    /// while bytes are missing.
    fn parse(input: &mut &[u8]) -> Option<Self> {
        let first = input.try_get_u8().ok()?;
        let chunk_stream = match first & 0x3f {
            0 => 64 + u32::from(input.try_get_u8().ok()?),
            1 => 64 + u32::from(input.try_get_u16_le().ok()?),
            id => u32::from(id),
        };
        let mut header = Self {
            format: first >> 6,
            chunk_stream,
            field: 0,
            extended: false,
            len: 0,
            kind: 0,
            message_stream: 0,
        };
        if header.format <= 2 {
            header.field = u24(input)?;
        }
        if header.format <= 1 {
            header.len = usize::try_from(u24(input)?).ok()?;
            header.kind = input.try_get_u8().ok()?;
        }
        if header.format == 0 {
            // The one little-endian field of the protocol (§5.3.1.2.5).
            header.message_stream = input.try_get_u32_le().ok()?;
        }
        if header.field == EXTENDED {
            header.extended = true;
            header.field = input.try_get_u32().ok()?;
        }
        Some(header)
    }
}

fn u24(input: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = input.split_first_chunk::<3>()?;
    *input = rest;
    let [a, b, c] = *bytes;
    Some(u32::from_be_bytes([0, a, b, c]))
}

/// Whether a format-3 chunk repeats the extended timestamp.
enum Continued {
    Repeated,
    Left,
    /// The bytes that are there could be either.
    Unknown,
}

impl Stream {
    /// §5.3.1.3 wants the extended timestamp repeated in format-3 chunks, and ffmpeg, librtmp and OBS do so; Flash
    /// Media Server and older encoders leave it out, and some repeat the absolute time in place of the difference. So
    /// four bytes that equal either are a timestamp, anything else is payload.
    fn continued_field(&self, rest: &[u8]) -> Continued {
        if !self.extended {
            return Continued::Left;
        }
        let seen = rest.get(..4).unwrap_or(rest);
        let absolute =
            if self.body.is_some() { self.timestamp } else { self.timestamp.wrapping_add(self.field) };
        let candidates = [self.field.to_be_bytes(), absolute.to_be_bytes()];
        match candidates.iter().any(|candidate| candidate.starts_with(seen)) {
            true if seen.len() == 4 => Continued::Repeated,
            true => Continued::Unknown,
            false => Continued::Left,
        }
    }

    /// Applies a header that starts a message (§5.3.1.2): what it leaves out is as in the message before. After format
    /// 0, format 3 repeats the absolute field as a difference (§5.3.1.2.4), which ffmpeg's writer relies on.
    fn start(&mut self, header: &Fields, limits: Limits) -> Result<(), Error> {
        if header.format <= 1 {
            self.len = header.len;
            self.kind = header.kind;
        }
        let media = matches!(self.kind, kind::AUDIO | kind::VIDEO | kind::AGGREGATE);
        let limit = if media { limits.media } else { limits.command };
        if self.len > limit {
            return Err(Error::TooLong { kind: self.kind, len: self.len, limit });
        }
        self.field = header.field;
        self.extended = header.extended;
        if header.format == 0 {
            self.message_stream = header.message_stream;
            self.timestamp = header.field;
        } else {
            self.timestamp = self.timestamp.wrapping_add(header.field);
        }
        Ok(())
    }
}
