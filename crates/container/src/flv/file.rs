//! The file around the tags (§E.2, §E.3): header, and tags each followed by its size. HTTP-FLV is the same without end.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::tag::TagKind;
use super::{Announced, FlvError};

/// Bytes of [`file_header`]: the header proper and `PreviousTagSize0`.
pub const FILE_HEADER_LEN: usize = 13;
const HEADER_LEN: usize = 9;
const TAG_HEADER_LEN: usize = 11;
const SIZE_LEN: usize = 4;
const MAX_BODY: usize = 0xff_ffff;
/// A header may be longer than ours (`DataOffset`), for versions to come; none is.
const MAX_HEADER_LEN: usize = 1_024;

/// The header of a file, with the zero that stands in front of the first tag. Both tracks are always announced: audio
/// may come late, and a player that was told "video only" never plays it.
pub const fn file_header() -> [u8; FILE_HEADER_LEN] {
    [b'F', b'L', b'V', 1, 0x05, 0, 0, 0, 9, 0, 0, 0, 0]
}

/// The header of a tag whose body has `len` bytes (§E.4.1): 24 bits of the timestamp, then its upper 8; stream id 0.
///
/// # Errors
/// [`FlvError::TooLong`] for a body that 24 bits cannot count.
pub fn tag_header(kind: TagKind, timestamp_ms: u32, len: usize) -> Result<[u8; TAG_HEADER_LEN], FlvError> {
    let short = u32::try_from(len).ok().filter(|_| len <= MAX_BODY).ok_or(FlvError::TooLong(len))?;
    let [_, l2, l1, l0] = short.to_be_bytes();
    let [t3, t2, t1, t0] = timestamp_ms.to_be_bytes();
    Ok([kind.number(), l2, l1, l0, t2, t1, t0, t3, 0, 0, 0])
}

/// What follows a tag whose body has `len` bytes: its size with its header (`PreviousTagSize`, §E.3).
pub fn tag_trailer(len: usize) -> [u8; SIZE_LEN] {
    u32::try_from(len.saturating_add(TAG_HEADER_LEN)).unwrap_or(u32::MAX).to_be_bytes()
}

/// A whole tag with its trailer, in one buffer. `body` is copied once; it may be a chain of buffers (header, then
/// payload), so that nothing needs joining before.
///
/// # Errors
/// [`FlvError::TooLong`], as [`tag_header`].
pub fn write_tag(kind: TagKind, timestamp_ms: u32, body: impl Buf) -> Result<Bytes, FlvError> {
    let len = body.remaining();
    let header = tag_header(kind, timestamp_ms, len)?;
    let mut out = BytesMut::with_capacity(TAG_HEADER_LEN.saturating_add(len).saturating_add(SIZE_LEN));
    out.put_slice(&header);
    out.put(body);
    out.put_slice(&tag_trailer(len));
    Ok(out.freeze())
}

/// One tag of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag {
    /// What the body is.
    pub kind: TagKind,
    /// Decoding time in milliseconds; wraps after 49.7 days.
    pub timestamp_ms: u32,
    /// The body, for [`super::video::parse`], [`super::audio::parse`] or an AMF0 reader; at most 16 MiB, since its
    /// length has 24 bits.
    pub body: Bytes,
}

/// Reads a file piece by piece. Sans-IO: each [`Self::push`] is followed by [`Self::next_tag`] until it gives `None`; then
/// at most one unfinished tag of 16 MiB is held. Memory follows the bytes that came, never a length that was promised.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    announced: Option<Announced>,
    /// Bytes of the file before `buffer`.
    consumed: u64,
}

impl Reader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file, however they are cut.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What the file's header announces, once it is read. Often wrong: live files announce what is late or never comes.
    pub const fn announced(&self) -> Option<Announced> {
        self.announced
    }

    /// The next tag, `None` until more bytes are pushed. Tags of unknown kinds are skipped; `PreviousTagSize` is not
    /// compared: recorders that were killed leave it wrong, and nothing depends on it when reading forward.
    ///
    /// # Errors
    /// [`FlvError::NotFlv`] and [`FlvError::Encrypted`]; the reader stays at that place.
    pub fn next_tag(&mut self) -> Result<Option<Tag>, FlvError> {
        if self.announced.is_none() && !self.read_file_header()? {
            return Ok(None);
        }
        loop {
            let Some(header) = self.peek_tag_header()? else {
                return Ok(None);
            };
            // The trailer too: what comes next then begins with a header. A file that was cut off loses no more than
            // its last tag.
            if self.buffer.len() < TAG_HEADER_LEN.saturating_add(header.len).saturating_add(SIZE_LEN) {
                return Ok(None);
            }
            self.take(TAG_HEADER_LEN);
            let body = self.take(header.len).freeze();
            self.take(SIZE_LEN);
            if let Some(kind) = header.kind {
                return Ok(Some(Tag { kind, timestamp_ms: header.timestamp_ms, body }));
            }
        }
    }

    /// True when the header has been read.
    fn read_file_header(&mut self) -> Result<bool, FlvError> {
        let Some(&[signature @ .., version, flags, o3, o2, o1, o0]) = self.buffer.first_chunk::<HEADER_LEN>()
        else {
            return if b"FLV\x01".starts_with(self.buffer.get(..4).unwrap_or(&self.buffer)) {
                Ok(false)
            } else {
                Err(FlvError::NotFlv)
            };
        };
        let offset = usize::try_from(u32::from_be_bytes([o3, o2, o1, o0])).unwrap_or(usize::MAX);
        if signature != *b"FLV" || version != 1 || !(HEADER_LEN..=MAX_HEADER_LEN).contains(&offset) {
            return Err(FlvError::NotFlv);
        }
        let whole = offset.saturating_add(SIZE_LEN);
        if self.buffer.len() < whole {
            return Ok(false);
        }
        self.take(whole);
        self.announced = Some(Announced { video: flags & 1 != 0, audio: flags & 4 != 0 });
        Ok(true)
    }

    fn peek_tag_header(&self) -> Result<Option<TagHeader>, FlvError> {
        const FILTER: u8 = 0x20;
        let Some(&[first, l2, l1, l0, t2, t1, t0, t3, ..]) = self.buffer.first_chunk::<TAG_HEADER_LEN>()
        else {
            return Ok(None);
        };
        if first & FILTER != 0 {
            return Err(FlvError::Encrypted { at: self.consumed });
        }
        Ok(Some(TagHeader {
            kind: TagKind::from_number(first & 0x1f),
            len: usize::try_from(u32::from_be_bytes([0, l2, l1, l0])).unwrap_or(MAX_BODY),
            timestamp_ms: u32::from_be_bytes([t3, t2, t1, t0]),
        }))
    }

    /// The first `len` bytes; they are there.
    fn take(&mut self, len: usize) -> BytesMut {
        self.consumed = self.consumed.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.buffer.split_to(len)
    }
}

struct TagHeader {
    /// `None` for a kind that FLV does not define.
    kind: Option<TagKind>,
    /// Bytes of the body.
    len: usize,
    timestamp_ms: u32,
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Tag>, FlvError> {
        let mut reader = Reader::new();
        let mut tags = Vec::new();
        for piece in pieces {
            reader.push(piece);
            while let Some(tag) = reader.next_tag()? {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    fn tag(kind: TagKind, timestamp_ms: u32, body: &'static [u8]) -> Tag {
        Tag { kind, timestamp_ms, body: Bytes::from_static(body) }
    }

    #[test]
    fn the_layout_of_the_specification() {
        let written = write_tag(TagKind::Video, 0x0123_4567, &b"abc"[..]).unwrap();
        assert_eq!(written[..], [9, 0, 0, 3, 0x23, 0x45, 0x67, 0x01, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 14]);
        assert_eq!(tag_header(TagKind::Audio, 0, MAX_BODY).unwrap()[..4], [8, 0xff, 0xff, 0xff]);
        assert_eq!(tag_header(TagKind::Audio, 0, MAX_BODY + 1), Err(FlvError::TooLong(MAX_BODY + 1)));
    }

    #[test]
    fn unknown_kinds_and_longer_headers_are_skipped() {
        let mut header = file_header();
        header[4] = 0x01;
        header[8] = 11;
        let unknown = [15, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 12];
        let known = write_tag(TagKind::Audio, 5, &b"x"[..]).unwrap();
        let mut reader = Reader::new();
        reader.push(&[&header[..], &[0, 0], &unknown, &known].concat());
        assert_eq!(reader.next_tag(), Ok(Some(tag(TagKind::Audio, 5, b"x"))));
        assert_eq!(reader.next_tag(), Ok(None));
        assert_eq!(reader.announced(), Some(Announced { video: true, audio: false }));
    }

    #[test]
    fn what_is_no_flv_is_refused_at_once() {
        assert_eq!(read(&[b"<"]), Err(FlvError::NotFlv));
        assert_eq!(read(&[b"FLV\x02"]), Err(FlvError::NotFlv));
        assert_eq!(read(&[b"FLV\x01\x05\xff\xff\xff\xff"]), Err(FlvError::NotFlv), "a header of 4 GiB");
        assert_eq!(read(&[b"FLV\x01\x05\0\0\0\x08"]), Err(FlvError::NotFlv), "shorter than itself");
        assert_eq!(read(&[b"FL"]), Ok(vec![]));
        let mut encrypted = write_tag(TagKind::Audio, 0, &b"x"[..]).unwrap().to_vec();
        encrypted[0] |= 0x20;
        assert_eq!(read(&[&file_header(), &encrypted]), Err(FlvError::Encrypted { at: 13 }));
    }

    #[test]
    fn a_promised_length_allocates_nothing() {
        let mut reader = Reader::new();
        reader.push(&file_header());
        reader.push(&tag_header(TagKind::Video, 0, MAX_BODY).unwrap());
        assert_eq!(reader.next_tag(), Ok(None));
        assert!(reader.buffer.capacity() < 1_024);
    }

    proptest! {
        #[test]
        fn tags_survive_any_cutting(
            tags in prop::collection::vec((prop::sample::select(&[TagKind::Audio, TagKind::Video, TagKind::Script][..]), any::<u32>(), prop::collection::vec(any::<u8>(), 0..60)), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let expected: Vec<Tag> = tags.into_iter().map(|(kind, timestamp_ms, body)| Tag { kind, timestamp_ms, body: body.into() }).collect();
            let mut file = file_header().to_vec();
            for tag in &expected {
                file.extend_from_slice(&write_tag(tag.kind, tag.timestamp_ms, &tag.body[..]).unwrap());
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(file.len())).chain([0, file.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &file[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces).unwrap(), expected);
        }

        #[test]
        fn any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&file_header(), &bytes]);
            let _ = read(&[&bytes]);
        }
    }
}
