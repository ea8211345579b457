//! Messages -> chunks.

use super::{DEFAULT_SIZE, EXTENDED, Header, MAX_SIZE, Message};
use bytes::{Buf, BufMut, BytesMut};

/// Writes messages with the shortest headers that §5.3.1.2 allows.
#[derive(Debug)]
pub struct Writer {
    chunk_size: usize,
    streams: Vec<Last>,
}

/// The last message of a chunk stream.
#[derive(Debug)]
struct Last {
    header: Header,
    len: usize,
    /// The difference that its header carried; `None` after format 0, whose repetition peers disagree on (§5.3.1.2.4
    /// makes the absolute time a difference, nginx-rtmp does not).
    difference: Option<u32>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { chunk_size: DEFAULT_SIZE, streams: Vec::new() }
    }
}

impl Writer {
    /// From the next message on, chunks carry up to `size` bytes (clamped to 1..=[`MAX_SIZE`]). The peer must have been
    /// told by a Set Chunk Size message before.
    pub fn set_chunk_size(&mut self, size: usize) {
        self.chunk_size = size.clamp(1, MAX_SIZE);
    }

    /// Appends the chunks of one message. Its body has at most 2^24 - 1 bytes: what is beyond is cut off.
    pub fn write(&mut self, out: &mut BytesMut, message: &Message) {
        let header = message.header;
        let body = message.body.slice(..message.body.len().min(MAX_SIZE));
        let len = body.len();
        let last = self.streams.iter_mut().find(|last| last.header.chunk_stream == header.chunk_stream);
        let difference = last.as_ref().and_then(|last| last.difference_to(&header));
        let format = match (&last, difference) {
            (Some(last), Some(difference)) if (last.len, last.header.kind) == (len, header.kind) => {
                if last.difference == Some(difference) && difference < EXTENDED { 3 } else { 2 }
            }
            (Some(_), Some(_)) => 1,
            _ => 0,
        };
        let field = difference.unwrap_or(header.timestamp);
        put_header(out, format, &header, field, len);
        put_body(out, header.chunk_stream, field, self.chunk_size, body);
        let now = Last { header, len, difference };
        match last {
            Some(last) => *last = now,
            None => self.streams.push(now),
        }
    }
}

impl Last {
    /// The difference that formats 1 to 3 would carry: none across message streams or backwards in time.
    fn difference_to(&self, header: &Header) -> Option<u32> {
        let difference = header.timestamp.wrapping_sub(self.header.timestamp);
        (self.header.stream == header.stream && difference < 1 << 31).then_some(difference)
    }
}

/// Appends the chunks of one message with a format-0 header: nothing before or after depends on it, so the bytes can
/// stand between any others of the connection as long as `chunk_size` is in force. At most 2^24 - 1 bytes of `body`
/// are written.
pub fn put_message(out: &mut BytesMut, chunk_size: usize, header: &Header, body: impl Buf) {
    let body = body.take(MAX_SIZE);
    let len = body.remaining();
    let chunk_size = chunk_size.clamp(1, MAX_SIZE);
    out.reserve(len + MAX_HEADER + len / chunk_size * MAX_CONTINUATION);
    put_header(out, 0, header, header.timestamp, len);
    put_body(out, header.chunk_stream, header.timestamp, chunk_size, body);
}

/// Basic header, message header of format 0, extended timestamp.
const MAX_HEADER: usize = 3 + 11 + 4;
/// Basic header and extended timestamp.
const MAX_CONTINUATION: usize = 3 + 4;

fn put_header(out: &mut BytesMut, format: u8, header: &Header, field: u32, len: usize) {
    put_basic_header(out, format, header.chunk_stream);
    if format <= 2 {
        out.put_uint(u64::from(field.min(EXTENDED)), 3);
    }
    if format <= 1 {
        out.put_uint(len as u64, 3);
        out.put_u8(header.kind);
    }
    if format == 0 {
        out.put_u32_le(header.stream);
    }
    put_extended(out, field);
}

/// The payload in chunks, with a format-3 header, and the extended timestamp again (§5.3.1.3), between any two.
fn put_body(out: &mut BytesMut, chunk_stream: u32, field: u32, chunk_size: usize, mut body: impl Buf) {
    loop {
        let piece = body.remaining().min(chunk_size);
        out.put((&mut body).take(piece));
        if !body.has_remaining() {
            return;
        }
        put_basic_header(out, 3, chunk_stream);
        put_extended(out, field);
    }
}

fn put_extended(out: &mut BytesMut, field: u32) {
    if field >= EXTENDED {
        out.put_u32(field);
    }
}

/// §5.3.1.1: one, two or three bytes.
fn put_basic_header(out: &mut BytesMut, format: u8, chunk_stream: u32) {
    let format = format << 6;
    match chunk_stream {
        0..=63 => out.put_u8(format | (chunk_stream & 0x3f) as u8),
        64..=319 => out.put_slice(&[format, (chunk_stream - 64) as u8]),
        _ => {
            out.put_u8(format | 1);
            out.put_u16_le((chunk_stream - 64) as u16);
        }
    }
}
