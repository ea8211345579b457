//! Tracks and frames -> packets.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};
use media::aac::{AudioConfig, adts};
use media::h264::{ParameterSets, avcc};
use media::{CodecConfig, Frame, Kind, Rate, Timestamp, TrackId, TrackInfo};

use super::packet::{Start, put_unit};
use super::{MAX_STREAMS, TsError, clock, pes, psi};

/// PID of the first track; the others follow.
const FIRST_PID: u16 = 0x100;
/// `stream_id` of the first video and the first audio stream (table 2-22).
const VIDEO_STREAM: u8 = 0xe0;
const AUDIO_STREAM: u8 = 0xc0;
/// How long before its decoding a frame's first byte arrives by the clock reference (§2.4.2.6 limits it to a second). VLC
/// plays by that clock and stutters without any lead.
const PCR_LEAD: Timestamp = Timestamp::from_millis(100);
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Access unit delimiter: slices of any type may follow (H.264 §7.4.2.4). MPEG-TS asks for it (§2.14.1), and Apple's
/// players find pictures by it.
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xf0];

/// Writes one program of the given tracks.
///
/// What it gives is one continuous stream, however it is cut: [`Self::tables`] stand at the beginning of a segment, and a
/// new muxer begins where the tracks change, behind a discontinuity.
#[derive(Debug)]
pub struct Muxer {
    streams: Vec<Stream>,
    pat: Table,
    pmt: Table,
    /// The PES packet under way, kept for its buffer.
    unit: BytesMut,
}

#[derive(Debug)]
struct Stream {
    track: TrackId,
    kind: Kind,
    pid: u16,
    stream_id: u8,
    counter: u8,
    /// Its packets carry the program's clock.
    has_pcr: bool,
}

#[derive(Debug)]
struct Table {
    pid: u16,
    counter: u8,
    unit: BytesMut,
}

impl Table {
    const fn new(pid: u16, unit: BytesMut) -> Self {
        Self { pid, counter: 0, unit }
    }

    fn put(&mut self, out: &mut BytesMut) {
        put_unit(out, self.pid, &mut self.counter, Start::default(), &self.unit);
    }
}

impl Muxer {
    /// A muxer of `tracks`. The first video track carries the clock, without one the first of all.
    ///
    /// # Errors
    /// [`TsError::Tracks`], [`TsError::NotCarried`] for Opus and for H.264 without parameter sets, and [`TsError::Adts`]
    /// for AAC that ADTS cannot describe.
    pub fn new(tracks: &[&TrackInfo]) -> Result<Self, TsError> {
        if tracks.is_empty() || tracks.len() > MAX_STREAMS {
            return Err(TsError::Tracks(tracks.len()));
        }
        let clock = tracks.iter().position(|track| track.kind() == Kind::Video).unwrap_or(0);
        let mut ids = [VIDEO_STREAM, AUDIO_STREAM];
        let mut streams = Vec::new();
        let mut entries = Vec::new();
        for ((index, track), pid) in tracks.iter().enumerate().zip(FIRST_PID..) {
            check(track)?;
            let stream_type = psi::stream_type(track.codec()).ok_or(TsError::NotCarried(track.codec()))?;
            let [video, audio] = &mut ids;
            let next = if track.kind() == Kind::Video { video } else { audio };
            let stream_id = *next;
            *next = next.saturating_add(1);
            let has_pcr = index == clock;
            streams.push(Stream { track: track.id, kind: track.kind(), pid, stream_id, counter: 0, has_pcr });
            entries.push((stream_type, pid));
        }
        let pcr_pid = streams.get(clock).map_or(FIRST_PID, |stream| stream.pid);
        Ok(Self {
            streams,
            pat: Table::new(psi::PAT_PID, psi::pat()),
            pmt: Table::new(psi::PMT_PID, psi::pmt(pcr_pid, entries)),
            unit: BytesMut::new(),
        })
    }

    /// Appends PAT and PMT, two packets: what a player needs before all else, so they begin every segment
    /// (RFC 8216bis §3.1.1).
    pub fn tables(&mut self, out: &mut BytesMut) {
        self.pat.put(out);
        self.pmt.put(out);
    }

    /// Appends one frame. `track` is that of the frame with its newest parameters: those of H.264 stand in front of every
    /// random access point, those of AAC in every header.
    ///
    /// # Errors
    /// [`TsError::UnknownTrack`], [`TsError::Adts`] and [`TsError::Avc`]; then nothing is appended.
    pub fn frame(&mut self, frame: &Frame, track: &TrackInfo, out: &mut BytesMut) -> Result<(), TsError> {
        let unknown = TsError::UnknownTrack(frame.track);
        let stream = self.streams.iter_mut().find(|stream| stream.track == frame.track);
        let stream = stream.filter(|stream| stream.kind == track.kind()).ok_or(unknown)?;
        let (pts, dts) = (clock::wrapped(frame.pts), clock::wrapped(frame.dts));
        self.unit.clear();
        match &track.config {
            CodecConfig::H264(sets) => {
                let len = annexb_len(frame, sets);
                self.unit.reserve(pes::MAX_HEADER_LEN.saturating_add(len));
                pes::put_header(&mut self.unit, stream.stream_id, pts, dts, len);
                put_annexb(&mut self.unit, frame, sets)?;
            }
            CodecConfig::Aac(config) => {
                put_adts(&mut self.unit, stream.stream_id, [pts, dts], frame, config)?
            }
            _ => return Err(unknown),
        }
        let lead = frame.dts.to_rate(Rate::VIDEO).minus(PCR_LEAD);
        let start = Start {
            random_access: frame.random_access && stream.has_pcr,
            pcr: stream.has_pcr.then(|| clock::wrapped(lead)),
        };
        put_unit(out, stream.pid, &mut stream.counter, start, &self.unit);
        Ok(())
    }
}

fn check(track: &TrackInfo) -> Result<(), TsError> {
    match &track.config {
        CodecConfig::H264(sets) if sets.is_complete() => Ok(()),
        CodecConfig::Aac(config) => Ok(adts::write_header(config, 0).map(|_| ())?),
        _ => Err(TsError::NotCarried(track.codec())),
    }
}

fn put_adts(
    unit: &mut BytesMut,
    stream_id: u8,
    [pts, dts]: [u64; 2],
    frame: &Frame,
    config: &AudioConfig,
) -> Result<(), TsError> {
    let header = adts::write_header(config, frame.payload.len())?;
    pes::put_header(unit, stream_id, pts, dts, header.len().saturating_add(frame.payload.len()));
    unit.put_slice(&header);
    unit.put_slice(&frame.payload);
    Ok(())
}

fn sets_of<'s>(frame: &Frame, sets: &'s ParameterSets) -> impl Iterator<Item = &'s bytes::Bytes> {
    let written = frame.random_access.then_some(sets);
    written.into_iter().flat_map(|sets| sets.sps.iter().chain(&sets.pps))
}

/// Bytes of [`put_annexb`]: a start code is as long as a length.
fn annexb_len(frame: &Frame, sets: &ParameterSets) -> usize {
    let sets = sets_of(frame, sets).map(|set| set.len().saturating_add(START_CODE.len()));
    sets.fold(DELIMITER.len().saturating_add(frame.payload.len()), usize::saturating_add)
}

/// The access unit as byte stream (H.264 annex B).
fn put_annexb(unit: &mut BytesMut, frame: &Frame, sets: &ParameterSets) -> Result<(), TsError> {
    unit.put_slice(&DELIMITER);
    for set in sets_of(frame, sets) {
        unit.put_slice(&START_CODE);
        unit.put_slice(set);
    }
    for nal in avcc::nals(&frame.payload, 4) {
        unit.put_slice(&START_CODE);
        unit.put_slice(&nal?);
    }
    Ok(())
}
