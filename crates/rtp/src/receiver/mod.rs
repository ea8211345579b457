//! One publisher: packets of all its tracks become frames on one timeline.

mod formats;
mod order;
mod statistics;
mod track;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::aac::AudioConfig;
use media::aac::latm::StreamMuxConfig;
use media::h264::ParameterSets;
use media::{Frame, Pii, Rate, TrackId, TrackInfo, g711};
use thiserror::Error;

use crate::aac::{AacError, AuHeaders};
use crate::h264::DepacketizeError;
use crate::packet::{Packet, PacketError};
use crate::rtcp::{self, RtcpError};
use crate::timeline::StreamClock;

pub use statistics::Statistics;
use track::Track;

/// How long packets behind a gap wait for the missing one. Reordering within a LAN is shorter by far, and what is lost
/// costs a picture anyway.
pub const REORDER_WAIT: Duration = Duration::from_millis(60);
/// Between two reports on a track (RFC 3550 §6.2).
pub const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// What is in a track's payloads, as its SDP says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Format {
    /// H.264 (RFC 6184, packetization-mode 0 or 1).
    H264 {
        /// `sprop-parameter-sets`, maybe empty: those that come in the stream are taken as well.
        sets: ParameterSets,
    },
    /// Opus (RFC 7587).
    Opus {
        /// 2 with `sprop-stereo=1`, else 1; a stereo packet makes it 2 as well.
        channels: u8,
    },
    /// MPEG4-GENERIC (RFC 3640).
    AacGeneric {
        /// `config`.
        config: AudioConfig,
        /// `sizelength`, `indexlength` and `indexdeltalength`.
        headers: AuHeaders,
    },
    /// MP4A-LATM (RFC 6416).
    AacLatm {
        /// `config` where `cpresent=0`; else it comes in the stream.
        config: Option<StreamMuxConfig>,
    },
    /// PCMA or PCMU (RFC 3551 §4.5.14).
    G711(g711::AudioConfig),
}

/// What was agreed about an incoming track.
#[derive(Clone, Debug)]
pub struct TrackConfig {
    /// The track's name in its stream.
    pub id: TrackId,
    /// The number that the SDP gave to the format; packets with another one are not looked at.
    pub payload_type: u8,
    /// The clock of the RTP timestamps, as `rtpmap` says.
    pub rate: Rate,
    /// What is in the payloads.
    pub format: Format,
    /// How long packets behind a gap wait: [`REORDER_WAIT`], and zero over TCP.
    pub reorder_wait: Duration,
}

/// What came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A track is known, or its parameters changed. Comes before the frames that need it.
    Track(TrackInfo),
    /// A frame, whole and in canonical form; `dts` strictly increases within the track.
    Frame(Frame),
    /// Packets of a video track are missing: no picture of it comes before the next random access point.
    Lost(TrackId),
    /// The publisher said that the track ends (RFC 3550 §6.6).
    Goodbye(TrackId),
}

/// A packet that was not taken, or only in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// No track was added under this name.
    #[error("there is no track {}", .0.0)]
    UnknownTrack(TrackId),
    /// No RTP packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A payload type that the SDP did not announce for the track.
    #[error("RTP packet {sequence}: payload type {got}; the track has {expected}")]
    PayloadType {
        /// The packet's sequence number.
        sequence: u16,
        /// The packet's payload type.
        got: u8,
        /// The track's.
        expected: u8,
    },
    /// No H.264.
    #[error(transparent)]
    H264(#[from] DepacketizeError),
    /// No AAC.
    #[error(transparent)]
    Aac(#[from] AacError),
    /// No RTCP packet; those before it in the compound counted.
    #[error(transparent)]
    Rtcp(#[from] RtcpError),
}

/// All tracks of one publisher.
///
/// After each `handle_*` call [`Self::poll_event`] until it is empty, then send what [`Self::poll_report`] gives, and
/// come back with [`Self::handle_timeout`] at [`Self::poll_timeout`].
#[derive(Debug)]
pub struct Receiver {
    clock: StreamClock,
    tracks: Vec<Track>,
    events: VecDeque<Event>,
    /// Who reports.
    ssrc: u32,
    cname: String,
}

impl Receiver {
    /// A publisher without tracks. `seed` is a random number of the session, for the SSRC and the name in reports.
    pub fn new(seed: u64) -> Self {
        let random = crate::random::mix(seed);
        let cname = crate::random::cname(seed);
        Self {
            clock: StreamClock::new(),
            tracks: Vec::new(),
            events: VecDeque::new(),
            ssrc: random as u32,
            cname,
        }
    }

    /// Adds a track. What its SDP told completely is announced at once.
    pub fn add_track(&mut self, config: TrackConfig) {
        let track = Track::new(config, &mut self.clock, &mut self.events);
        self.tracks.push(track);
    }

    /// Takes an RTP packet of a track, the whole of a datagram or an interleaved block, that arrived at `now`.
    ///
    /// # Errors
    /// [`ReceiveError`] for what is no packet of the track. Where several packets waited for this one, the first error
    /// of them all; the others were taken.
    pub fn handle_rtp(&mut self, id: TrackId, packet: &Bytes, now: Instant) -> Result<(), ReceiveError> {
        let Self { clock, tracks, events, .. } = self;
        let track = tracks.iter_mut().find(|track| track.id() == id).ok_or(ReceiveError::UnknownTrack(id))?;
        track.handle_packet(Packet::parse(packet)?, clock, events, now)
    }

    /// Takes an RTCP compound of a track that arrived at `now`.
    ///
    /// # Errors
    /// [`ReceiveError::Rtcp`] for what is none; what stood before the error counted.
    pub fn handle_rtcp(&mut self, id: TrackId, compound: &[u8], now: Instant) -> Result<(), ReceiveError> {
        let Self { clock, tracks, events, .. } = self;
        let track = tracks.iter_mut().find(|track| track.id() == id).ok_or(ReceiveError::UnknownTrack(id))?;
        for packet in rtcp::parse(compound) {
            match packet? {
                rtcp::Packet::SenderReport { ntp, rtp, .. } => track.handle_report(ntp, rtp, clock, now),
                rtcp::Packet::Goodbye(_) => events.push_back(Event::Goodbye(id)),
                rtcp::Packet::ReceiverReport { .. } | rtcp::Packet::SourceDescription(_) => {}
            }
        }
        Ok(())
    }

    /// Gives up waiting for packets that did not come until `now`.
    ///
    /// # Errors
    /// [`ReceiveError`], the first one of the packets that waited.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ReceiveError> {
        let Self { clock, tracks, events, .. } = self;
        tracks.iter_mut().map(|track| track.drain(clock, events, now)).fold(Ok(()), Result::and)
    }

    /// What came out, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A receiver report that is due (RFC 3550 §6.4.2), for the track's RTCP channel; then another one, until `None`.
    pub fn poll_report(&mut self, now: Instant) -> Option<(TrackId, Vec<u8>)> {
        let track = self.tracks.iter_mut().find(|track| track.report_due().is_some_and(|due| due <= now))?;
        let report = rtcp::Packet::ReceiverReport { ssrc: self.ssrc, blocks: vec![track.report(now)] };
        let name = rtcp::Chunk { ssrc: self.ssrc, cname: Pii(self.cname.clone()) };
        Some((track.id(), rtcp::write(&[report, rtcp::Packet::SourceDescription(vec![name])])))
    }

    /// When there is something to do even if no packet comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tracks.iter().flat_map(|track| [track.deadline(), track.report_due()]).flatten().min()
    }

    /// What was counted of a track's source; `None` for a track that was not added.
    pub fn statistics(&self, id: TrackId) -> Option<Statistics> {
        self.tracks.iter().find(|track| track.id() == id).map(Track::statistics)
    }
}

#[cfg(test)]
mod tests;
