//! Media bytes that are the same for every reader: made once per stream, then written to each connection as they are.
//!
//! A message is written with a format-0 header (absolute time, nothing remembered) on message stream 1 and a chunk
//! stream of its own kind, in chunks of [`CHUNK_SIZE`]. So its bytes can stand between any other messages of a
//! [`crate::session::ServerSession`], whose readers have been told that chunk size and that stream.

use crate::chunk::{self, Header};
use crate::message::MediaKind;
use bytes::{Buf, Bytes, BytesMut};

/// The chunk size that servers announce and write with. Nearly every frame of a consultation is one chunk, yet audio
/// never waits behind more than 60 kB of video.
pub const CHUNK_SIZE: usize = 60_000;

/// The message stream of every reader and publisher: servers hand out no other (nginx-rtmp does the same).
pub const STREAM: u32 = 1;

/// A body of 2^24 bytes or more, which no message can carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a body of {0} bytes does not fit an RTMP message")]
pub struct TooLong(pub usize);

/// The chunks of one media message in one contiguous piece. `body` is copied once; it may be a chain of buffers (tag
/// header, then payload), so that nothing needs joining before.
///
/// # Errors
/// [`TooLong`] for bodies of 16 MiB and more.
pub fn message(kind: MediaKind, timestamp: u32, body: impl Buf) -> Result<Bytes, TooLong> {
    let len = body.remaining();
    if len > chunk::MAX_SIZE {
        return Err(TooLong(len));
    }
    let mut out = BytesMut::new();
    chunk::put_message(&mut out, CHUNK_SIZE, &header(kind, timestamp), body);
    Ok(out.freeze())
}

/// Where media messages stand.
pub(crate) const fn header(kind: MediaKind, timestamp: u32) -> Header {
    let chunk_stream = match kind {
        MediaKind::Audio => 4,
        MediaKind::Data => 5,
        MediaKind::Video => 6,
    };
    Header { chunk_stream, kind: kind.type_id(), stream: STREAM, timestamp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Limits, Reader};

    #[test]
    fn messages_read_back_in_any_order_of_kinds() {
        let set_chunk_size =
            [&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0][..], &(CHUNK_SIZE as u32).to_be_bytes()].concat();
        let mut bytes = BytesMut::from(&set_chunk_size[..]);
        let bodies =
            [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE + 7].map(|len| Bytes::from(vec![0x5a; len]));
        let kinds = [MediaKind::Video, MediaKind::Audio, MediaKind::Data];
        let times = [0, 0xff_fffe, 0xff_ffff, u32::MAX, 3];
        let mut expected = Vec::new();
        for ((body, &timestamp), &kind) in bodies.iter().zip(&times).zip(kinds.iter().cycle()) {
            let (tag, payload) = body.split_at(body.len().min(5));
            bytes.extend_from_slice(&message(kind, timestamp, tag.chain(payload)).unwrap());
            expected.push((kind.type_id(), timestamp, body.clone()));
        }
        let mut reader = Reader::new(Limits { command: 1 << 20, ..Limits::default() });
        let mut input = &bytes[..];
        for expected in expected {
            let read = reader.read(&mut input).unwrap().unwrap();
            assert_eq!(read.header.stream, STREAM);
            assert_eq!((read.header.kind, read.header.timestamp, read.body), expected);
        }
        assert!(input.is_empty());
    }

    #[test]
    fn a_frame_is_one_allocation_and_one_chunk() {
        let bytes = message(MediaKind::Video, 40, &[7; 4000][..]).unwrap();
        assert_eq!(bytes.len(), 12 + 4000);
        assert_eq!(message(MediaKind::Video, 0, &vec![0; 1 << 24][..]), Err(TooLong(1 << 24)));
    }
}
