//! Messages and `$` frames out of one stream of bytes (§10.12).

use bytes::{Buf, Bytes, BytesMut};

use crate::Error;
use crate::message::{Message, Request, Response};

/// The longest header of a message: a Digest answer, a token and a long URL have room in a quarter of it.
pub const MAX_HEADER: usize = 16 << 10;
/// The most lines of a header.
pub const MAX_HEADER_LINES: usize = 64;
/// The longest body: a session description. A camera's has 1 to 3 KB.
pub const MAX_BODY: usize = 64 << 10;
/// How far the next message is looked for in bytes that are none: some cameras tear a `$` frame, or send a packet that is
/// longer than it says.
pub const MAX_GARBAGE: usize = 64 << 10;
/// `$`, channel and length (§10.12).
const FRAME_HEADER: usize = 4;
/// RTP's and RTCP's shortest packet (RFC 3550 §5.1, §6.4.2): what looks like a frame and is shorter is none.
const SHORTEST_PACKET: u16 = 8;
/// The longest method that is answered with 501; none of the known ones has more than 13 letters.
const MAX_METHOD: usize = 24;
/// How messages begin; a message after garbage must begin with one of these.
const BEGINNINGS: [&[u8]; 12] = [
    b"OPTIONS ",
    b"DESCRIBE ",
    b"ANNOUNCE ",
    b"SETUP ",
    b"PLAY ",
    b"PAUSE ",
    b"RECORD ",
    b"TEARDOWN ",
    b"GET_PARAMETER ",
    b"SET_PARAMETER ",
    b"REDIRECT ",
    b"RTSP/1.0 ",
];

/// `$`, channel and length in front of a packet of `length` bytes (§10.12).
pub const fn interleaved_header(channel: u8, length: u16) -> [u8; FRAME_HEADER] {
    let [high, low] = length.to_be_bytes();
    [b'$', channel, high, low]
}

/// What stands in the stream.
#[derive(Debug)]
pub enum Item {
    /// A packet on an interleaved channel.
    Packet {
        /// The channel.
        channel: u8,
        /// The packet; a slice of the input, not a copy.
        packet: Bytes,
    },
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// What the next bytes are.
enum Start {
    Frame,
    Message,
    Nothing,
    /// Too few bytes to tell.
    Unknown,
}

/// Cuts a stream into [`Item`]s, however its bytes arrive.
///
/// Garbage between items is passed over, at most [`MAX_GARBAGE`] bytes in a row: after it an item counts only if it
/// begins as one of RFC 2326's messages, or as a frame on a channel that is in use.
#[derive(Debug, Default)]
pub struct Framer {
    /// Bytes taken since the start of the connection.
    at: u64,
    /// Bytes of the message at the front that hold no end of its header.
    scanned: usize,
    /// Bytes passed over since the last item.
    garbage: usize,
    /// Channels below this are in use.
    channels: u16,
}

impl Framer {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Interleaved channels up to `channel` are in use.
    pub fn allow_channel(&mut self, channel: u8) {
        self.channels = self.channels.max(u16::from(channel) + 1);
    }

    /// Bytes taken since the start of the connection.
    pub const fn position(&self) -> u64 {
        self.at
    }

    /// Takes the next item off the front of `input`; `None` when it is not all there. What is left of `input` has at
    /// most the length of one item.
    ///
    /// # Errors
    /// [`Error`] where the bytes are no RTSP or exceed a bound; nothing can be read after that.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Item>, Error> {
        loop {
            match self.start(input) {
                Start::Frame => return Ok(self.frame(input)),
                Start::Message => return self.message(input),
                Start::Unknown => return Ok(None),
                Start::Nothing => self.pass_over(input)?,
            }
        }
    }

    fn start(&self, bytes: &[u8]) -> Start {
        if self.garbage > 0 { self.start_after_garbage(bytes) } else { start(bytes) }
    }

    fn start_after_garbage(&self, bytes: &[u8]) -> Start {
        match *bytes {
            [] | [b'$'] | [b'$', _] | [b'$', _, _] => Start::Unknown,
            [b'$', channel, high, low, ..] => {
                let length = u16::from_be_bytes([high, low]);
                let plausible = u16::from(channel) < self.channels && length >= SHORTEST_PACKET;
                if plausible { Start::Frame } else { Start::Nothing }
            }
            _ => {
                let common = |known: &[u8]| known.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                if BEGINNINGS.iter().any(|known| common(known) == known.len()) {
                    Start::Message
                } else if BEGINNINGS.iter().any(|known| common(known) == bytes.len()) {
                    Start::Unknown
                } else {
                    Start::Nothing
                }
            }
        }
    }

    /// Passes over one byte: a line break in front of a message (RFC 7826 §5.2 allows it, and live555 sends it), or garbage.
    fn pass_over(&mut self, input: &mut BytesMut) -> Result<(), Error> {
        let line_break = self.garbage == 0 && matches!(input.first(), Some(b'\r' | b'\n'));
        if !line_break {
            self.garbage += 1;
        }
        self.take(input, 1);
        if self.garbage > MAX_GARBAGE {
            return Err(Error::Garbage { at: self.at, bytes: self.garbage });
        }
        Ok(())
    }

    fn take(&mut self, input: &mut BytesMut, bytes: usize) {
        self.at += bytes as u64;
        self.scanned = 0;
        input.advance(bytes);
    }

    fn frame(&mut self, input: &mut BytesMut) -> Option<Item> {
        let &[_, channel, high, low] = input.first_chunk::<FRAME_HEADER>()?;
        let length = FRAME_HEADER + usize::from(u16::from_be_bytes([high, low]));
        if input.len() < length {
            return None;
        }
        let mut packet = input.split_to(length).freeze();
        packet.advance(FRAME_HEADER);
        self.at += length as u64;
        self.garbage = 0;
        Some(Item::Packet { channel, packet })
    }

    fn message(&mut self, input: &mut BytesMut) -> Result<Option<Item>, Error> {
        let at = self.at;
        let Some(header) = self.header_length(input)? else { return Ok(None) };
        let lines = &input[..header];
        let count = lines.iter().filter(|&&byte| byte == b'\n').count();
        if count > MAX_HEADER_LINES {
            return Err(Error::TooManyHeaders { at, lines: count });
        }
        let body = content_length(lines).ok_or(Error::Malformed { at })?;
        if body > MAX_BODY {
            return Err(Error::BodyTooLong { at, bytes: body, limit: MAX_BODY });
        }
        let length = header + body;
        if input.len() < length {
            return Ok(None);
        }
        let message = Message::parse(&input[..length]).ok_or(Error::Malformed { at })?;
        self.take(input, length);
        self.garbage = 0;
        Ok(Some(match message {
            Message::Request(request) => Item::Request(request),
            Message::Response(response) => Item::Response(response),
        }))
    }

    /// The length of the header at the front with its empty line; `None` while it has not ended.
    fn header_length(&mut self, input: &[u8]) -> Result<Option<usize>, Error> {
        const END: &[u8; 4] = b"\r\n\r\n";
        let visible = &input[..input.len().min(MAX_HEADER)];
        let from = self.scanned.min(visible.len());
        if let Some(end) = visible[from..].windows(END.len()).position(|window| window == END) {
            return Ok(Some(from + end + END.len()));
        }
        if input.len() >= MAX_HEADER {
            return Err(Error::HeaderTooLong { at: self.at, limit: MAX_HEADER });
        }
        self.scanned = input.len().saturating_sub(END.len() - 1);
        Ok(None)
    }
}

/// What the next bytes are where an item is due: a frame, or a word of capital letters and a space.
fn start(bytes: &[u8]) -> Start {
    if bytes.first() == Some(&b'$') {
        return if bytes.len() < FRAME_HEADER { Start::Unknown } else { Start::Frame };
    }
    let of_word = |byte: &u8| byte.is_ascii_uppercase() || b"_/.0123456789".contains(byte);
    let word = bytes.iter().take(MAX_METHOD + 1).take_while(|byte| of_word(byte)).count();
    match bytes.get(word) {
        None if word <= MAX_METHOD => Start::Unknown,
        Some(b' ') if word > 0 => Start::Message,
        _ => Start::Nothing,
    }
}

/// `Content-Length` (§12.14): zero where it is absent; `None` where it is no number, or several that differ.
fn content_length(header: &[u8]) -> Option<usize> {
    let mut found = None;
    for line in header.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        if !name.eq_ignore_ascii_case(b"content-length") {
            continue;
        }
        let length = std::str::from_utf8(&value[1..]).ok()?.trim().parse().ok()?;
        if found.is_some_and(|found| found != length) {
            return None;
        }
        found = Some(length);
    }
    Some(found.unwrap_or(0))
}
