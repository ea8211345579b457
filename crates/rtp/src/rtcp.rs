//! RTCP (RFC 3550 §6): reports, names and farewells.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use media::Pii;
use thiserror::Error;

use crate::packet::VERSION;

/// The most report blocks, sources or chunks of one packet: the count has five bits.
pub const MAX_COUNT: usize = 31;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// The item that every source description must have (§6.5.1).
const CNAME: u8 = 1;
const BLOCK_LEN: usize = 24;
/// Seconds from 1900 to 1970.
const NTP_UNIX: u64 = 2_208_988_800;

/// A wallclock as RTCP writes it (§4): seconds since 1900 in the upper 32 bits, fractions in the lower ones. Zero where
/// a sender has no clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// From the time since 1970; the seconds wrap in 2036.
    pub const fn from_unix(since: Duration) -> Self {
        let seconds = since.as_secs().wrapping_add(NTP_UNIX) & 0xffff_ffff;
        let fraction = ((since.subsec_nanos() as u64) << 32).div_ceil(1_000_000_000);
        Self((seconds << 32) | fraction)
    }

    /// ns since 1900.
    pub const fn nanos(self) -> i64 {
        let nanos = (self.0 >> 32).saturating_mul(1_000_000_000);
        let fraction = (self.0 & 0xffff_ffff).saturating_mul(1_000_000_000) >> 32;
        nanos.saturating_add(fraction).cast_signed()
    }

    /// The middle 32 bits, by which a receiver names a sender report (§6.4.1, LSR).
    pub const fn middle(self) -> u32 {
        ((self.0 >> 16) & 0xffff_ffff) as u32
    }
}

/// What a receiver saw of one source (§6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Packets lost since the last report, in 1/256 of those expected.
    pub fraction_lost: u8,
    /// Packets lost since the start, a signed number of 24 bits: duplicates count as received.
    pub lost: i32,
    /// The highest sequence number received, the count of its wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the track's clock (§A.8).
    pub jitter: u32,
    /// [`NtpTimestamp::middle`] of the last sender report; zero before the first.
    pub last_report: u32,
    /// How long ago that report came, in 1/65,536 s; zero before the first.
    pub delay: u32,
}

/// One packet of a compound.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Packet {
    /// SR: which RTP timestamp belongs to which wallclock (§6.4.1).
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// When it was sent.
        ntp: NtpTimestamp,
        /// The same instant as an RTP timestamp.
        rtp: u32,
        /// Packets sent, modulo 2^32.
        packets: u32,
        /// Bytes of payload sent, modulo 2^32.
        octets: u32,
        /// What the sender receives, at most [`MAX_COUNT`].
        blocks: Vec<ReportBlock>,
    },
    /// RR (§6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it receives, at most [`MAX_COUNT`].
        blocks: Vec<ReportBlock>,
    },
    /// SDES with the CNAMEs in it (§6.5.1), at most [`MAX_COUNT`]; a chunk without one in UTF-8 is left out.
    SourceDescription(Vec<Chunk>),
    /// BYE: the sources that leave (§6.6), at most [`MAX_COUNT`].
    Goodbye(Vec<u32>),
}

/// The name of one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// The source.
    pub ssrc: u32,
    /// What all sources of one participant have in common: `user@address` where the client is old. At most 255 bytes.
    pub cname: Pii<String>,
}

/// Bytes that are no RTCP packet. Positions are in bytes from the beginning of the compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// The packet, or one of its fields, is longer than what is there.
    #[error("the RTCP packet at byte {at} ends too early")]
    Truncated {
        /// Where the packet begins.
        at: usize,
    },
    /// Not version 2.
    #[error("the RTCP packet at byte {at} has version {version}; only 2 is accepted")]
    Version {
        /// Where the packet begins.
        at: usize,
        /// Its version.
        version: u8,
    },
    /// The padding is zero or longer than the packet.
    #[error("the RTCP packet at byte {at} has {padding} bytes of padding")]
    Padding {
        /// Where the packet begins.
        at: usize,
        /// What the last byte says.
        padding: u8,
    },
}

/// Reads the packets of a compound, or of a reduced-size one (RFC 5506): what they begin with is not checked. Types
/// that are not in [`Packet`] are skipped; the first error ends the compound, and what came before it counts.
pub const fn parse(compound: &[u8]) -> Packets<'_> {
    Packets { rest: compound, at: 0 }
}

/// The iterator of [`parse`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
    at: usize,
}

impl Packets<'_> {
    /// The next packet; `Ok(None)` for one of a type that is skipped.
    fn read(&mut self) -> Result<Option<Packet>, RtcpError> {
        let at = self.at;
        let truncated = RtcpError::Truncated { at };
        let &[flags, kind, high, low] = self.rest.first_chunk().ok_or(truncated)?;
        if flags >> 6 != VERSION {
            return Err(RtcpError::Version { at, version: flags >> 6 });
        }
        let words = usize::from(u16::from_be_bytes([high, low])).saturating_add(1);
        let (packet, rest) = self.rest.split_at_checked(words.saturating_mul(4)).ok_or(truncated)?;
        self.rest = rest;
        self.at = at.saturating_add(packet.len());
        let mut body = packet.get(4..).unwrap_or_default();
        if flags & 0x20 != 0 {
            let padding = body.last().copied().unwrap_or(0);
            let len = body.len().checked_sub(padding.into()).filter(|_| padding > 0);
            body = body.get(..len.ok_or(RtcpError::Padding { at, padding })?).unwrap_or_default();
        }
        body_of(kind, usize::from(flags & 0x1f), &mut Reader(body)).ok_or(truncated)
    }
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.read() {
                Ok(Some(packet)) => return Some(Ok(packet)),
                Ok(None) => {}
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// `None` where the body is too short for what the header promises.
fn body_of(kind: u8, count: usize, body: &mut Reader<'_>) -> Option<Option<Packet>> {
    let packet = match kind {
        SENDER_REPORT => Packet::SenderReport {
            ssrc: body.u32()?,
            ntp: NtpTimestamp((u64::from(body.u32()?) << 32) | u64::from(body.u32()?)),
            rtp: body.u32()?,
            packets: body.u32()?,
            octets: body.u32()?,
            blocks: body.blocks(count)?,
        },
        RECEIVER_REPORT => Packet::ReceiverReport { ssrc: body.u32()?, blocks: body.blocks(count)? },
        SOURCE_DESCRIPTION => {
            let chunks: Option<Vec<_>> = (0..count).map(|_| body.chunk()).collect();
            Packet::SourceDescription(chunks?.into_iter().flatten().collect())
        }
        GOODBYE => Packet::Goodbye((0..count).map(|_| body.u32()).collect::<Option<_>>()?),
        _ => return Some(None),
    };
    Some(Some(packet))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|word| u32::from_be_bytes(*word))
    }

    fn blocks(&mut self, count: usize) -> Option<Vec<ReportBlock>> {
        (0..count).map(|_| self.block()).collect()
    }

    fn block(&mut self) -> Option<ReportBlock> {
        let (ssrc, losses) = (self.u32()?, self.u32()?);
        let [fraction_lost, ..] = losses.to_be_bytes();
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            lost: (losses << 8).cast_signed() >> 8,
            highest_sequence: self.u32()?,
            jitter: self.u32()?,
            last_report: self.u32()?,
            delay: self.u32()?,
        })
    }

    /// A chunk: items until a zero byte, then up to the next word (§6.5). The inner `None`: no CNAME in it.
    fn chunk(&mut self) -> Option<Option<Chunk>> {
        let before = self.0.len();
        let ssrc = self.u32()?;
        let mut cname = None;
        loop {
            // Some cameras leave the zero away where the packet ends anyway.
            let kind = self.take(1).map_or(0, |kind| kind.first().copied().unwrap_or(0));
            if kind == 0 {
                break;
            }
            let len = self.take(1)?.first().copied()?;
            let text = self.take(len.into())?;
            if kind == CNAME {
                cname =
                    std::str::from_utf8(text).ok().map(|name| Chunk { ssrc, cname: Pii(name.to_owned()) });
            }
        }
        let read = before.saturating_sub(self.0.len());
        self.take((read.wrapping_neg() & 3).min(self.0.len()))?;
        Some(cname)
    }
}

/// A compound of `packets`. Of report blocks, chunks and sources those beyond [`MAX_COUNT`] are left out, of a name
/// what is beyond 255 bytes.
pub fn write(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for packet in packets {
        put(&mut out, packet);
    }
    out
}

fn put(out: &mut Vec<u8>, packet: &Packet) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let (kind, count) = match packet {
        Packet::SenderReport { ssrc, ntp, rtp, packets, octets, blocks } => {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&ntp.0.to_be_bytes());
            [rtp, packets, octets].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
            (SENDER_REPORT, put_blocks(out, blocks))
        }
        Packet::ReceiverReport { ssrc, blocks } => {
            out.extend_from_slice(&ssrc.to_be_bytes());
            (RECEIVER_REPORT, put_blocks(out, blocks))
        }
        Packet::SourceDescription(chunks) => {
            chunks.iter().take(MAX_COUNT).for_each(|chunk| put_chunk(out, chunk));
            (SOURCE_DESCRIPTION, chunks.len())
        }
        Packet::Goodbye(ssrcs) => {
            let listed = ssrcs.iter().take(MAX_COUNT);
            listed.for_each(|ssrc| out.extend_from_slice(&ssrc.to_be_bytes()));
            (GOODBYE, ssrcs.len())
        }
    };
    let words = out.len().saturating_sub(start) >> 2;
    let [high, low] = u16::try_from(words.saturating_sub(1)).unwrap_or(u16::MAX).to_be_bytes();
    let count = u8::try_from(count.min(MAX_COUNT)).unwrap_or(0);
    if let Some(head) = out.get_mut(start..).and_then(|packet| packet.first_chunk_mut()) {
        *head = [(VERSION << 6) | count, kind, high, low];
    }
}

fn put_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) -> usize {
    out.reserve(blocks.len().min(MAX_COUNT).saturating_mul(BLOCK_LEN));
    for block in blocks.iter().take(MAX_COUNT) {
        let [_, l0, l1, l2] = block.lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
        let losses = u32::from_be_bytes([block.fraction_lost, l0, l1, l2]);
        let words =
            [block.ssrc, losses, block.highest_sequence, block.jitter, block.last_report, block.delay];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    }
    blocks.len()
}

fn put_chunk(out: &mut Vec<u8>, chunk: &Chunk) {
    let name = chunk.cname.reveal().as_bytes();
    let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let start = out.len();
    out.extend_from_slice(&chunk.ssrc.to_be_bytes());
    out.extend_from_slice(&[CNAME, len]);
    out.extend_from_slice(name.get(..len.into()).unwrap_or(name));
    // At least one zero ends the items, and the next chunk begins with a word (§6.5).
    out.push(0);
    let written = out.len().saturating_sub(start);
    out.extend(std::iter::repeat_n(0, written.wrapping_neg() & 3));
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

    fn block() -> ReportBlock {
        ReportBlock {
            ssrc: 7,
            fraction_lost: 12,
            lost: -3,
            highest_sequence: 0x1_fffe,
            jitter: 90,
            last_report: 0x1234_5678,
            delay: 65_536,
        }
    }

    fn name(ssrc: u32, cname: &str) -> Chunk {
        Chunk { ssrc, cname: Pii(cname.to_owned()) }
    }

    fn all() -> Vec<Packet> {
        vec![
            Packet::SenderReport {
                ssrc: 1,
                ntp: NtpTimestamp::from_unix(Duration::new(1_700_000_000, 500_000_000)),
                rtp: 0xffff_fff0,
                packets: 10,
                octets: 12_000,
                blocks: vec![block()],
            },
            Packet::ReceiverReport { ssrc: 2, blocks: vec![block(), block()] },
            Packet::SourceDescription(vec![name(1, "a"), name(2, "ab"), name(3, "abc")]),
            Packet::Goodbye(vec![1, 2]),
        ]
    }

    fn read(bytes: &[u8]) -> Vec<Result<Packet, RtcpError>> {
        parse(bytes).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = write(&all());
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(read(&bytes), all().into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn a_sender_report_of_ffmpeg() {
        // ffmpeg 5.1, rtpenc.c: SR without blocks, SDES with a CNAME.
        let bytes = [
            0x80, 0xc8, 0, 6, 0x11, 0x22, 0x33, 0x44, 0xe9, 0x1c, 0x9b, 0x80, 0x80, 0, 0, 0, 0, 0, 0x0e,
            0x10, 0, 0, 0, 5, 0, 0, 1, 0, // SDES
            0x81, 0xca, 0, 3, 0x11, 0x22, 0x33, 0x44, 1, 4, b'n', b'a', b'm', b'e', 0, 0,
        ];
        let expected = [
            Packet::SenderReport {
                ssrc: 0x1122_3344,
                ntp: NtpTimestamp(0xe91c_9b80_8000_0000),
                rtp: 3_600,
                packets: 5,
                octets: 256,
                blocks: Vec::new(),
            },
            Packet::SourceDescription(vec![name(0x1122_3344, "name")]),
        ];
        assert_eq!(read(&bytes), expected.clone().map(Ok));
        assert_eq!(write(&expected), bytes);
    }

    #[test]
    fn unknown_types_and_padding_are_skipped() {
        let mut bytes = vec![0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]; // transport feedback
        bytes.extend([0xa1, GOODBYE, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4]);
        assert_eq!(read(&bytes), [Ok(Packet::Goodbye(vec![9]))]);
    }

    #[test]
    fn counts_and_lengths_beyond_the_packet_end_the_compound() {
        let truncated = |at| vec![Err(RtcpError::Truncated { at })];
        assert_eq!(read(&[0x80, 200, 0]), truncated(0));
        assert_eq!(read(&[0x80, 200, 0xff, 0xff, 0, 0, 0, 0]), truncated(0));
        assert_eq!(read(&[0x81, GOODBYE, 0, 0]), truncated(0));
        assert_eq!(read(&[0x9f, RECEIVER_REPORT, 0, 1, 0, 0, 0, 1]), truncated(0));
        assert_eq!(read(&[0x81, SOURCE_DESCRIPTION, 0, 2, 0, 0, 0, 1, 1, 200, 0, 0]), truncated(0));
        assert_eq!(read(&[0x40, 200, 0, 0]), [Err(RtcpError::Version { at: 0, version: 1 })]);
        assert_eq!(read(&[0xa0, 201, 0, 1, 0, 0, 0, 5]), [Err(RtcpError::Padding { at: 0, padding: 5 })]);
        assert_eq!(read(&[0xa0, 201, 0, 1, 0, 0, 0, 0]), [Err(RtcpError::Padding { at: 0, padding: 0 })]);
        // A sender report cut short behind a whole one (SRS fell over it): the whole one counts.
        let whole = write(&all()[..1]);
        let cut = [&whole[..], &whole[..20]].concat();
        let expected = [Ok(all().remove(0)), Err(RtcpError::Truncated { at: whole.len() })];
        assert_eq!(read(&cut), expected);
    }

    #[test]
    fn a_chunk_without_name_or_without_its_end_is_no_error() {
        let note = [0x81, SOURCE_DESCRIPTION, 0, 2, 0, 0, 0, 1, 7, 1, b'x', 0];
        assert_eq!(read(&note), [Ok(Packet::SourceDescription(Vec::new()))]);
        let unended = [0x81, SOURCE_DESCRIPTION, 0, 2, 0, 0, 0, 1, 1, 2, b'x', b'y'];
        assert_eq!(read(&unended), [Ok(Packet::SourceDescription(vec![name(1, "xy")]))]);
    }

    #[test]
    fn ntp_timestamps_count_from_1900() {
        let ntp = NtpTimestamp::from_unix(Duration::new(0, 250_000_000));
        assert_eq!(ntp.0, (2_208_988_800 << 32) | 0x4000_0000);
        assert_eq!(ntp.nanos(), 2_208_988_800_250_000_000);
        assert_eq!(ntp.middle(), 0x7e80_4000);
        assert!(NtpTimestamp(u64::MAX).nanos() > 0);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let long = "n".repeat(300);
        let bytes = write(&[
            Packet::Goodbye((0..40).collect()),
            Packet::SourceDescription(vec![name(1, &long)]),
            Packet::ReceiverReport { ssrc: 1, blocks: vec![ReportBlock { lost: i32::MAX, ..block() }; 40] },
        ]);
        let read: Vec<_> = parse(&bytes).map(Result::unwrap).collect();
        assert_eq!(read[0], Packet::Goodbye((0..31).collect()));
        assert_eq!(read[1], Packet::SourceDescription(vec![name(1, &long[..255])]));
        let Packet::ReceiverReport { blocks, .. } = &read[2] else { panic!("another packet") };
        assert_eq!((blocks.len(), blocks[0].lost), (31, 0x7f_ffff));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let packets = read(&bytes);
            prop_assert!(packets.len() <= bytes.len() / 4 + 1);
            let whole: Vec<_> = packets.into_iter().flatten().collect();
            prop_assert_eq!(parse(&write(&whole)).flatten().collect::<Vec<_>>(), whole);
        }
    }
}
