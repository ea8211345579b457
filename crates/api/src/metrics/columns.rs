//! The families of each group: the ends of their names, and where their values stand.

use gateway::sessions::{HlsMuxer, Session};

use crate::resources::{Path, read};

/// One family of a group.
pub(super) struct Column<T> {
    /// What follows the group's name.
    pub(super) suffix: &'static str,
    pub(super) help: &'static str,
    pub(super) read: fn(&T) -> u64,
}

/// The families of a group, in parts that groups share.
pub(super) type Columns<T> = &'static [&'static [Column<T>]];

const fn column<T>(suffix: &'static str, help: &'static str, read: fn(&T) -> u64) -> Column<T> {
    Column { suffix, help, read }
}

pub(super) const PATHS: Columns<Path> = &[&[
    column("", "Paths, each 1", |_| 1),
    column("_inbound_bytes", "Payload bytes of publishers", |path| path.inbound_bytes),
    column("_outbound_bytes", "Payload bytes that readers were given", |path| path.outbound_bytes),
    column("_inbound_frames_in_error", "Frames that came broken or not at all", |path| {
        path.inbound_frames_in_error
    }),
    column("_bytes_received", "Old name of paths_inbound_bytes", |path| path.inbound_bytes),
    column("_bytes_sent", "Old name of paths_outbound_bytes", |path| path.outbound_bytes),
]];

pub(super) const PATH_READERS: Columns<u64> = &[&[column("_readers", "Readers, by kind", |count| *count)]];

pub(super) const HLS_MUXERS: Columns<HlsMuxer> = &[&[
    column("", "HLS muxers, each 1", |_| 1),
    column("_outbound_bytes", "Bytes that were asked for", |muxer| read(&muxer.bytes_out)),
    column("_outbound_frames_discarded", "Frames that it was too slow for", |muxer| {
        read(&muxer.frames_dropped)
    }),
    column("_bytes_sent", "Old name of hls_muxers_outbound_bytes", |muxer| read(&muxer.bytes_out)),
]];

pub(super) const HLS_SESSIONS: Columns<Session> = &[ONE, &[OUTBOUND_BYTES]];
pub(super) const RTSP_CONNECTIONS: Columns<Session> = &[ONE, BYTES];
pub(super) const RTSP_SESSIONS: Columns<Session> = &[ONE, BYTES, RTP, RTP_FAULTS];
pub(super) const RTMP_CONNECTIONS: Columns<Session> = &[ONE, BYTES, FRAMES_DISCARDED];
pub(super) const WEBRTC_SESSIONS: Columns<Session> = &[ONE, BYTES, RTP, FRAMES_DISCARDED];

const ONE: &[Column<Session>] = &[column("", "Sessions or connections, each 1", |_| 1)];

const OUTBOUND_BYTES: Column<Session> =
    column("_outbound_bytes", "Bytes that went out", |session| read(&session.bytes_out));

const BYTES: &[Column<Session>] = &[
    column("_inbound_bytes", "Bytes that came", |session| read(&session.bytes_in)),
    OUTBOUND_BYTES,
    column("_bytes_received", "Old name of inbound_bytes", |session| read(&session.bytes_in)),
    column("_bytes_sent", "Old name of outbound_bytes", |session| read(&session.bytes_out)),
];

const FRAMES_DISCARDED: &[Column<Session>] =
    &[column("_outbound_frames_discarded", "Frames that a reader was too slow for", |session| {
        read(&session.frames_dropped)
    })];

const RTP: &[Column<Session>] = &[
    column("_inbound_rtp_packets", "RTP packets that came", |session| read(&session.rtp.packets_in)),
    column("_inbound_rtp_packets_lost", "RTP packets that did not come", |session| {
        read(&session.rtp.packets_lost)
    }),
    column("_inbound_rtp_packets_jitter", "Jitter of arrival, in ticks of the RTP clock", |session| {
        read(&session.rtp.jitter)
    }),
    column("_inbound_rtcp_packets", "RTCP packets that came", |session| read(&session.rtp.rtcp_in)),
    column("_outbound_rtp_packets", "RTP packets that went out", |session| read(&session.rtp.packets_out)),
    column("_outbound_rtcp_packets", "RTCP packets that went out", |session| read(&session.rtp.rtcp_out)),
    column("_rtp_packets_received", "Old name of inbound_rtp_packets", |session| {
        read(&session.rtp.packets_in)
    }),
    column("_rtp_packets_sent", "Old name of outbound_rtp_packets", |session| read(&session.rtp.packets_out)),
    column("_rtp_packets_lost", "Old name of inbound_rtp_packets_lost", |session| {
        read(&session.rtp.packets_lost)
    }),
    column("_rtp_packets_jitter", "Old name of inbound_rtp_packets_jitter", |session| {
        read(&session.rtp.jitter)
    }),
    column("_rtcp_packets_received", "Old name of inbound_rtcp_packets", |session| {
        read(&session.rtp.rtcp_in)
    }),
    column("_rtcp_packets_sent", "Old name of outbound_rtcp_packets", |session| read(&session.rtp.rtcp_out)),
];

const RTP_FAULTS: &[Column<Session>] = &[
    column("_inbound_rtp_packets_in_error", "RTP packets that could not be used", |session| {
        read(&session.rtp.packets_invalid)
    }),
    column("_inbound_rtcp_packets_in_error", "RTCP packets that could not be used", |session| {
        read(&session.rtp.rtcp_invalid)
    }),
    column("_outbound_rtp_packets_reported_lost", "RTP packets that readers say they lost", |session| {
        read(&session.rtp.packets_reported_lost)
    }),
    column("_outbound_rtp_packets_discarded", "Frames that a reader was too slow for", |session| {
        read(&session.frames_dropped)
    }),
    column("_rtp_packets_in_error", "Old name of inbound_rtp_packets_in_error", |session| {
        read(&session.rtp.packets_invalid)
    }),
    column("_rtcp_packets_in_error", "Old name of inbound_rtcp_packets_in_error", |session| {
        read(&session.rtp.rtcp_invalid)
    }),
];

/// Of groups that have no member, ever.
const fn nothing(suffix: &'static str) -> Column<()> {
    column(suffix, "Not served here", |()| 0)
}

pub(super) const SRT_CONNECTIONS: Columns<()> = &[&[
    nothing(""),
    nothing("_bytes_received"),
    nothing("_bytes_sent"),
    nothing("_outbound_frames_discarded"),
]];
pub(super) const MOQ_SESSIONS: Columns<()> =
    &[&[nothing(""), nothing("_inbound_bytes"), nothing("_outbound_bytes")]];
pub(super) const FORWARD_DESTINATIONS: Columns<()> = &[&[nothing(""), nothing("_outbound_bytes")]];
