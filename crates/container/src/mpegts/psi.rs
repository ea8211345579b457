//! The tables that tell what a transport stream holds: PAT and PMT (ISO/IEC 13818-1 §2.4.4).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};
use media::Codec;

/// PID of the program association table.
pub(super) const PAT_PID: u16 = 0;
/// PID of our program map table; any from 0x10 on would do.
pub(super) const PMT_PID: u16 = 0x1000;
const PROGRAM: u16 = 1;
const PAT: u8 = 0;
const PMT: u8 = 2;
/// The most bytes of a section (§2.4.4.4, §2.4.4.9: `section_length` up to 1,021).
const MAX_SECTION: usize = 1_024;
const CRC_LEN: usize = 4;

/// `stream_type` (table 2-34) of a codec; `None` for one that has none.
pub(super) const fn stream_type(codec: Codec) -> Option<u8> {
    match codec {
        Codec::H264 => Some(0x1b),
        Codec::Aac => Some(0x0f),
        Codec::Opus | Codec::G711 => None,
    }
}

const fn codec(stream_type: u8) -> Option<Codec> {
    match stream_type {
        0x1b => Some(Codec::H264),
        0x0f => Some(Codec::Aac),
        _ => None,
    }
}

/// A section behind the pointer that a unit begins with.
fn section(table: u8, id: u16, body: impl FnOnce(&mut BytesMut)) -> BytesMut {
    const POINTER_LEN: usize = 1;
    const AFTER_LENGTH: usize = POINTER_LEN + 3;
    let mut out = BytesMut::new();
    out.put_u8(0); // pointer: the section begins here
    out.put_u8(table);
    out.put_u16(0);
    out.put_u16(id);
    out.put_slice(&[0xc1, 0, 0]); // version 0, current; section 0 of 0
    body(&mut out);
    let len = out.len().saturating_sub(AFTER_LENGTH).saturating_add(CRC_LEN);
    let [high, low] = u16::try_from(len).unwrap_or(0xfff).to_be_bytes();
    if let Some(slot) = out.get_mut(2..4) {
        slot.copy_from_slice(&[0xb0 | high, low]); // section_syntax_indicator
    }
    let crc = crc32(out.get(POINTER_LEN..).unwrap_or_default());
    out.put_u32(crc);
    out
}

/// The program association table: one program.
pub(super) fn pat() -> BytesMut {
    const TRANSPORT_STREAM: u16 = 1;
    section(PAT, TRANSPORT_STREAM, |out| {
        out.put_u16(PROGRAM);
        out.put_u16(0xe000 | PMT_PID);
    })
}

/// The program map table: which PID carries what (`stream_type`, PID), and the one with the clock.
pub(super) fn pmt(pcr_pid: u16, streams: impl IntoIterator<Item = (u8, u16)>) -> BytesMut {
    section(PMT, PROGRAM, |out| {
        out.put_u16(0xe000 | pcr_pid);
        out.put_u16(0xf000); // no descriptors
        for (stream_type, pid) in streams {
            out.put_u8(stream_type);
            out.put_u16(0xe000 | pid);
            out.put_u16(0xf000);
        }
    })
}

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pending: BytesMut,
}

impl Sections {
    /// Takes the payload of a packet; the section that it ends, without its checksum, which holds.
    pub(super) fn push(&mut self, payload: &[u8], unit_start: bool) -> Option<BytesMut> {
        if !unit_start {
            if self.pending.is_empty() {
                return None;
            }
            return self.append(payload);
        }
        let (&pointer, rest) = payload.split_first()?;
        let (tail, section) = rest.split_at_checked(pointer.into())?;
        let ended = if self.pending.is_empty() { None } else { self.append(tail) };
        self.pending.clear();
        // Both at once would be the end of one table and the whole of the next: nobody writes that.
        ended.or_else(|| self.append(section))
    }

    fn append(&mut self, bytes: &[u8]) -> Option<BytesMut> {
        let room = MAX_SECTION.saturating_sub(self.pending.len());
        self.pending.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let &[_, high, low] = self.pending.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high & 0x0f, low])).saturating_add(3);
        if self.pending.len() < len {
            return None;
        }
        let mut section = self.pending.split_to(len);
        self.pending.clear();
        if crc32(&section) != 0 {
            return None;
        }
        section.truncate(len.saturating_sub(CRC_LEN));
        Some(section)
    }
}

/// The fields behind the eight of a section's head (§2.4.4.3, §2.4.4.8), if it is of `table` and current.
fn table_body(section: &[u8], table: u8) -> Option<&[u8]> {
    let (&[id, _, _, _, _, version, _, _], body) = section.split_first_chunk()?;
    (id == table && version & 1 == 1).then_some(body)
}

/// The PID of the first program's PMT.
pub(super) fn parse_pat(section: &[u8]) -> Option<u16> {
    let (entries, _) = table_body(section, PAT)?.as_chunks::<4>();
    // Program 0 is the network.
    let program = entries.iter().find(|[high, low, ..]| (*high, *low) != (0, 0));
    program.map(|&[_, _, high, low]| u16::from_be_bytes([high & 0x1f, low]))
}

/// The streams of the codecs that we carry, with their PIDs.
pub(super) fn parse_pmt(section: &[u8]) -> Option<Vec<(Codec, u16)>> {
    let (&[_, _, high, low], body) = table_body(section, PMT)?.split_first_chunk()?;
    let mut rest = body.get(usize::from(u16::from_be_bytes([high & 0x0f, low]))..)?;
    let mut streams = Vec::new();
    while let Some((&[kind, pid_high, pid_low, high, low], after)) = rest.split_first_chunk() {
        let pid = u16::from_be_bytes([pid_high & 0x1f, pid_low]);
        streams.extend(codec(kind).map(|codec| (codec, pid)));
        rest = after.get(usize::from(u16::from_be_bytes([high & 0x0f, low]))..).unwrap_or_default();
    }
    Some(streams)
}

/// The checksum of annex A; 0 over a section together with its own.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ (u32::from(byte) << 24), |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { POLYNOMIAL } else { 0 }
        })
    })
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

    fn whole(unit: &[u8]) -> Option<BytesMut> {
        Sections::default().push(unit, true)
    }

    #[test]
    fn the_checksum_of_ffmpegs_pat() {
        // ffmpeg's first packet: program 1 at PID 0x1000.
        let ffmpeg = [0, 0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
        assert_eq!(pat()[..], ffmpeg);
        assert_eq!(parse_pat(&whole(&ffmpeg).unwrap()), Some(PMT_PID));
    }

    #[test]
    fn what_is_written_is_read() {
        let streams = [(Codec::H264, 0x100), (Codec::Aac, 0x1ffe)];
        let types = streams.map(|(codec, pid)| (stream_type(codec).unwrap(), pid));
        let unit = pmt(0x100, types);
        assert_eq!(parse_pmt(&whole(&unit).unwrap()).unwrap(), streams);
        assert_eq!(parse_pat(&whole(&unit).unwrap()), None, "another table");
        let mut damaged = unit.clone();
        damaged[12] ^= 1;
        assert!(whole(&damaged).is_none());
    }

    #[test]
    fn a_section_in_pieces() {
        let unit = pmt(0x100, (0..20).map(|index| (0x1b, 0x100 + index)));
        let mut sections = Sections::default();
        assert!(sections.push(&unit[30..60], false).is_none(), "without its beginning");
        assert!(sections.push(&unit[..30], true).is_none());
        assert!(sections.push(&unit[30..60], false).is_none());
        let section = sections.push(&[&unit[60..], &[0xff; 20]].concat(), false).unwrap();
        assert_eq!(parse_pmt(&section).unwrap().len(), 20);
        assert!(sections.push(&[0xff; 184], false).is_none() && sections.pending.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_bounded(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..184)), 0..20)) {
            let mut sections = Sections::default();
            for (start, piece) in pieces {
                let _ = sections.push(&piece, start);
                prop_assert!(sections.pending.len() <= MAX_SECTION);
                let _ = (parse_pat(&piece), parse_pmt(&piece));
            }
        }
    }
}
