//! Packets -> tracks and frames: for what measures our own output, and for streams of others in the same form.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use media::aac::{AudioConfig, adts};
use media::h264::{ParameterSets, annexb, avcc};
use media::{Codec, CodecConfig, Frame, Kind, Timestamp, TrackId, TrackInfo};

use super::clock::Unwrapper;
use super::packet::{PACKET_LEN, Packet, SYNC};
use super::pes;
use super::psi::{self, Sections};

/// The most bytes of one PES packet: an IDR picture at 4K and any bit rate has fewer.
pub const MAX_PES: usize = 8 << 20;
/// The most streams of a program.
pub const MAX_STREAMS: usize = 8;

/// What came out of the packets.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A track's parameters, before its first frame and whenever they change. Tracks are named by their PID.
    Track(TrackInfo),
    /// One frame in the hub's form. Timestamps are the stream's own, continued beyond the wrap of 33 bits.
    Frame(Frame),
}

/// What was lost or thrown away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Bytes between packets.
    pub bytes: u64,
    /// Packets that are damaged, and gaps in continuity counters.
    pub packets: u64,
    /// PES packets and ADTS frames that are not whole, too long or not readable, pictures before their parameter sets.
    pub units: u64,
}

/// Reads a transport stream piece by piece. Sans-IO: each [`Self::push`] is followed by [`Self::poll_event`] until it gives
/// `None`. Each PES packet of H.264 must hold one access unit, as all muxers for HLS write it. Memory follows the bytes
/// that came, up to [`MAX_PES`] for each of [`MAX_STREAMS`].
#[derive(Debug, Default)]
pub struct Demuxer {
    /// Less than a packet.
    rest: BytesMut,
    pat: Sections,
    pmt: Option<(u16, Sections)>,
    streams: Vec<Stream>,
    output: Output,
}

#[derive(Debug, Default)]
struct Output {
    clock: Unwrapper,
    events: VecDeque<Event>,
    losses: Losses,
}

impl Output {
    const fn lose_unit(&mut self) {
        self.losses.units = self.losses.units.saturating_add(1);
    }

    const fn lose_packet(&mut self) {
        self.losses.packets = self.losses.packets.saturating_add(1);
    }

    fn track(&mut self, pid: u16, config: CodecConfig) {
        self.events.push_back(Event::Track(TrackInfo { id: TrackId(pid.into()), config }));
    }
}

impl Demuxer {
    /// A demuxer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream, however they are cut.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        loop {
            self.skip_to_sync();
            let Some(packet) = self.rest.first_chunk::<PACKET_LEN>().copied() else { return };
            self.rest.advance(PACKET_LEN);
            match Packet::parse(&packet) {
                Some(packet) => self.packet(&packet),
                None => self.output.lose_packet(),
            }
        }
    }

    fn skip_to_sync(&mut self) {
        let skipped = self.rest.iter().position(|&byte| byte == SYNC).unwrap_or(self.rest.len());
        self.rest.advance(skipped);
        let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
        self.output.losses.bytes = self.output.losses.bytes.saturating_add(skipped);
    }

    /// Nothing follows: gives out what was waiting for its end.
    pub fn finish(&mut self) {
        for stream in &mut self.streams {
            stream.end_unit(&mut self.output);
        }
    }

    /// What came out, in order; `None` when everything is told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.output.events.pop_front()
    }

    /// What was lost so far.
    pub const fn losses(&self) -> Losses {
        self.output.losses
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        let Some(payload) = packet.payload else { return };
        if packet.pid == psi::PAT_PID {
            let section = self.pat.push(payload, packet.unit_start);
            if let Some(pid) = section.and_then(|section| psi::parse_pat(&section))
                && self.pmt.as_ref().is_none_or(|(known, _)| *known != pid)
            {
                self.pmt = Some((pid, Sections::default()));
            }
            return;
        }
        if let Some((pid, sections)) = &mut self.pmt
            && *pid == packet.pid
        {
            let section = sections.push(payload, packet.unit_start);
            if let Some(streams) = section.and_then(|section| psi::parse_pmt(&section)) {
                self.set_streams(&streams);
            }
            return;
        }
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == packet.pid) {
            stream.packet(packet, payload, &mut self.output);
        }
    }

    /// Takes a program map; streams that are in it as they were go on.
    fn set_streams(&mut self, listed: &[(Codec, u16)]) {
        let listed = listed.get(..MAX_STREAMS).unwrap_or(listed);
        self.streams.retain(|stream| listed.contains(&(stream.codec(), stream.pid)));
        for &(codec, pid) in listed {
            if !self.streams.iter().any(|stream| stream.pid == pid) {
                self.streams.push(Stream::new(codec, pid));
            }
        }
    }
}

#[derive(Debug)]
struct Stream {
    pid: u16,
    /// Of the last packet.
    counter: Option<u8>,
    /// The PES packet under way; empty before its first byte.
    unit: BytesMut,
    decoder: Decoder,
}

#[derive(Debug)]
enum Decoder {
    H264(ParameterSets),
    Aac(Adts),
}

impl Stream {
    fn new(codec: Codec, pid: u16) -> Self {
        let decoder = match codec.kind() {
            Kind::Video => Decoder::H264(ParameterSets::default()),
            Kind::Audio => Decoder::Aac(Adts::default()),
        };
        Self { pid, counter: None, unit: BytesMut::new(), decoder }
    }

    const fn codec(&self) -> Codec {
        match self.decoder {
            Decoder::H264(_) => Codec::H264,
            Decoder::Aac(_) => Codec::Aac,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, payload: &[u8], output: &mut Output) {
        let last = self.counter.replace(packet.counter);
        if let Some(last) = last.filter(|_| !packet.discontinuity) {
            // §2.4.3.3: a packet may be sent twice.
            if packet.counter == last {
                return;
            }
            if packet.counter != last.wrapping_add(1) & 0x0f {
                output.lose_packet();
                self.drop_unit(output);
            }
        }
        if packet.unit_start {
            self.end_unit(output);
        } else if self.unit.is_empty() {
            return;
        }
        self.unit.extend_from_slice(payload);
        if pes::declared_len(&self.unit).is_some_and(|len| self.unit.len() >= len) {
            self.end_unit(output);
        } else if self.unit.len() > MAX_PES {
            self.drop_unit(output);
        }
    }

    fn drop_unit(&mut self, output: &mut Output) {
        if !self.unit.is_empty() {
            self.unit = BytesMut::new();
            output.lose_unit();
        }
    }

    /// The PES packet under way is whole, or the next one begins.
    fn end_unit(&mut self, output: &mut Output) {
        if self.unit.is_empty() {
            return;
        }
        let mut unit = std::mem::take(&mut self.unit).freeze();
        let declared = pes::declared_len(&unit);
        let header = pes::Header::parse(&unit);
        let (Some(header), true) = (header, declared.is_none_or(|len| len <= unit.len())) else {
            return output.lose_unit();
        };
        if let Some(len) = declared {
            unit.truncate(len);
        }
        if header.len > unit.len() {
            return output.lose_unit();
        }
        unit.advance(header.len);
        // The decoding times increase, so they move the clock.
        let dts = header.dts.or(header.pts).map(|stamp| output.clock.unwrap(stamp));
        let mut clock = output.clock;
        let pts = header.pts.map(|stamp| clock.unwrap(stamp));
        match &mut self.decoder {
            Decoder::H264(sets) => match pts.zip(dts) {
                Some((pts, dts)) => access_unit(self.pid, sets, &unit, [pts, dts], output),
                None => output.lose_unit(),
            },
            Decoder::Aac(adts) => adts.push(self.pid, &unit, pts, output),
        }
    }
}

fn access_unit(
    pid: u16,
    sets: &mut ParameterSets,
    unit: &[u8],
    [pts, dts]: [Timestamp; 2],
    output: &mut Output,
) {
    let Some(unit) = avcc::access_unit(annexb::nals(unit)) else {
        return output.lose_unit();
    };
    if sets.merge(&unit.sets) && sets.is_complete() {
        output.track(pid, CodecConfig::H264(sets.clone()));
    }
    if unit.payload.is_empty() {
        return;
    }
    if !sets.is_complete() {
        return output.lose_unit();
    }
    let (random_access, payload) = (unit.random_access, unit.payload);
    let frame = Frame { track: TrackId(pid.into()), pts, dts, random_access, payload };
    output.events.push_back(Event::Frame(frame));
}

/// Cuts a stream of ADTS frames, which need not begin with their PES packets.
#[derive(Debug, Default)]
struct Adts {
    config: Option<AudioConfig>,
    /// The beginning of a frame that ends in the next PES packet.
    carry: Bytes,
    /// Where the next frame begins if nothing else is said.
    next: Option<Timestamp>,
}

impl Adts {
    fn push(&mut self, pid: u16, unit: &Bytes, pts: Option<Timestamp>, output: &mut Output) {
        let carried = self.carry.len();
        let mut rest = if carried == 0 { unit.clone() } else { [&self.carry[..], unit].concat().into() };
        self.carry = Bytes::new();
        // §2.4.3.7: the stamp is that of the first frame that begins in the packet.
        let mut stamp = pts;
        let whole = rest.len();
        while !rest.is_empty() {
            if whole.saturating_sub(rest.len()) >= carried {
                self.next = stamp.take().or(self.next);
            }
            let header = match adts::parse_header(&rest) {
                Ok(header) => header,
                Err(adts::AdtsError::Truncated) => {
                    self.carry = rest;
                    return;
                }
                Err(_) => {
                    // What follows would begin at a byte that looks like a header.
                    self.next = None;
                    return output.lose_unit();
                }
            };
            let len = usize::from(header.frame_len);
            if rest.len() < len {
                self.carry = rest;
                return;
            }
            let mut payload = rest.split_to(len);
            payload.advance(header.header_len.into());
            self.frame(pid, &header, payload, output);
        }
    }

    fn frame(&mut self, pid: u16, header: &adts::AdtsHeader, payload: Bytes, output: &mut Output) {
        let (true, false, Some(start)) = (header.blocks == 1, payload.is_empty(), self.next) else {
            return output.lose_unit();
        };
        if self.config.as_ref() != Some(&header.config) {
            self.config = Some(header.config.clone());
            output.track(pid, CodecConfig::Aac(header.config.clone()));
        }
        let rate = header.config.rate();
        let start = start.to_rate(rate);
        self.next = Some(start.plus(Timestamp::new(header.config.samples_per_frame().into(), rate)));
        let track = TrackId(pid.into());
        let frame = Frame { track, pts: start, dts: start, random_access: true, payload };
        output.events.push_back(Event::Frame(frame));
    }
}
