//! A box: its size, its kind, its content (ISO/IEC 14496-12 §4.2), and the fields inside.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};

use super::Fmp4Error;
use crate::FourCc;

/// Appends a box whose content `body` writes; its size is filled in afterwards.
pub(super) fn put_box(out: &mut BytesMut, kind: &[u8; 4], body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    body(out);
    let size = u32::try_from(out.len().saturating_sub(start)).unwrap_or(u32::MAX);
    patch(out, start, size);
}

/// As [`put_box`], of a box with a version and 24 flags (§4.2, `FullBox`).
pub(super) fn put_full_box(
    out: &mut BytesMut,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut BytesMut),
) {
    put_box(out, kind, |out| {
        out.put_u32((u32::from(version) << 24) | flags);
        body(out);
    });
}

/// Overwrites the four bytes at `at`, which are there.
pub(super) fn patch(out: &mut BytesMut, at: usize, value: u32) {
    if let Some(slot) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *slot = value.to_be_bytes();
    }
}

/// One box that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadBox<'a> {
    pub(super) kind: FourCc,
    /// Where the box starts.
    pub(super) at: usize,
    pub(super) body: Fields<'a>,
}

/// Fields read in order, which know where in the whole they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Where the next field starts.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Fmp4Error> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Fmp4Error::Truncated { at: self.at })?;
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fmp4Error> {
        let at = self.at;
        self.take(N)?.first_chunk().copied().ok_or(Fmp4Error::Truncated { at })
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fmp4Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fmp4Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fmp4Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// Version and flags of a full box.
    pub(super) fn version_and_flags(&mut self) -> Result<(u8, u32), Fmp4Error> {
        let word = self.u32()?;
        Ok((word.to_be_bytes()[0], word & 0x00ff_ffff))
    }

    /// The box that begins here; `None` at the end. A size of 0 reaches to the end of what holds it.
    pub(super) fn next_box(&mut self) -> Result<Option<ReadBox<'a>>, Fmp4Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let truncated = Fmp4Error::Truncated { at };
        let size = self.u32()?;
        let kind = FourCc(self.array()?);
        let len = match size {
            0 => self.rest.len(),
            1 => usize::try_from(self.u64()?).ok().and_then(|size| size.checked_sub(16)).ok_or(truncated)?,
            size => usize::try_from(size).ok().and_then(|size| size.checked_sub(8)).ok_or(truncated)?,
        };
        let body_at = self.at;
        let body = self.take(len).map_err(|_| truncated)?;
        Ok(Some(ReadBox { kind, at, body: Self { rest: body, at: body_at } }))
    }

    /// The first box of `kind` from here on, passing over others.
    pub(super) fn find(mut self, kind: &[u8; 4]) -> Result<Option<Self>, Fmp4Error> {
        while let Some(found) = self.next_box()? {
            if found.kind.0 == *kind {
                return Ok(Some(found.body));
            }
        }
        Ok(None)
    }

    /// The first box of `kind` inside the first box of each kind of `way`.
    ///
    /// # Errors
    /// [`Fmp4Error::Missing`] names the first that is not there.
    pub(super) fn descend<const N: usize>(mut self, way: [&[u8; 4]; N]) -> Result<Self, Fmp4Error> {
        for kind in way {
            self = self.find(kind)?.ok_or(Fmp4Error::Missing(FourCc(*kind)))?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> Result<Vec<(String, usize)>, Fmp4Error> {
        let mut fields = Fields::new(bytes);
        let mut found = Vec::new();
        while let Some(ReadBox { kind, body, .. }) = fields.next_box()? {
            found.push((kind.to_string(), body.rest().len()));
        }
        Ok(found)
    }

    #[test]
    fn sizes_of_all_three_forms() {
        let long = b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12xy\0\0\0\0freeabc";
        assert_eq!(kinds(long), Ok(vec![("mdat".to_owned(), 2), ("free".to_owned(), 3)]));
        let mut written = BytesMut::new();
        put_full_box(&mut written, b"mfhd", 1, 0x0203, |out| out.put_u8(9));
        assert_eq!(written[..], *b"\0\0\0\x0dmfhd\x01\0\x02\x03\x09");
    }

    #[test]
    fn boxes_that_reach_too_far_are_placed() {
        assert_eq!(kinds(b"\0\0\0\x08free\0\0\0\x09mdat"), Err(Fmp4Error::Truncated { at: 8 }));
        assert_eq!(kinds(b"\0\0\0\x07free"), Err(Fmp4Error::Truncated { at: 0 }), "shorter than itself");
        assert_eq!(kinds(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f"), Err(Fmp4Error::Truncated { at: 0 }));
        assert_eq!(
            kinds(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"),
            Err(Fmp4Error::Truncated { at: 0 })
        );
        assert_eq!(kinds(b"\0\0\0"), Err(Fmp4Error::Truncated { at: 0 }));
    }

    #[test]
    fn the_way_down_names_what_is_missing() {
        let bytes = b"\0\0\0\x08free\0\0\0\x10moov\0\0\0\x08mvhd";
        assert!(Fields::new(bytes).descend([b"moov", b"mvhd"]).is_ok());
        let missing = Fields::new(bytes).descend([b"moov", b"trak"]).unwrap_err();
        assert_eq!(missing, Fmp4Error::Missing(FourCc(*b"trak")));
    }
}
