//! The figures of sessions that are made of RTP.

use gateway::sessions::{RtpCounters, Session};
use serde::Serialize;

use super::read;

/// Packets of RTP and RTCP.
#[derive(Serialize)]
pub(super) struct Rtp {
    #[serde(rename = "inboundRTPPackets")]
    packets_in: u64,
    #[serde(rename = "inboundRTPPacketsLost")]
    packets_lost: u64,
    #[serde(rename = "inboundRTPPacketsJitter")]
    jitter: u64,
    #[serde(rename = "inboundRTCPPackets")]
    rtcp_in: u64,
    #[serde(rename = "outboundRTPPackets")]
    packets_out: u64,
    #[serde(rename = "outboundRTCPPackets")]
    rtcp_out: u64,
    #[serde(rename = "rtpPacketsReceived")]
    old_packets_in: u64,
    #[serde(rename = "rtpPacketsSent")]
    old_packets_out: u64,
    #[serde(rename = "rtpPacketsLost")]
    old_packets_lost: u64,
    #[serde(rename = "rtpPacketsJitter")]
    old_jitter: u64,
    #[serde(rename = "rtcpPacketsReceived")]
    old_rtcp_in: u64,
    #[serde(rename = "rtcpPacketsSent")]
    old_rtcp_out: u64,
}

/// What MediaMTX tells of RTSP sessions beyond [`Rtp`].
#[derive(Serialize)]
pub(super) struct RtpFaults {
    #[serde(rename = "inboundRTPPacketsInError")]
    packets_invalid: u64,
    #[serde(rename = "inboundRTCPPacketsInError")]
    rtcp_invalid: u64,
    #[serde(rename = "outboundRTPPacketsReportedLost")]
    packets_reported_lost: u64,
    /// In frames: a frame that a reader was too slow for was never made packets of.
    #[serde(rename = "outboundRTPPacketsDiscarded")]
    frames_dropped: u64,
    #[serde(rename = "rtpPacketsInError")]
    old_packets_invalid: u64,
    #[serde(rename = "rtcpPacketsInError")]
    old_rtcp_invalid: u64,
}

impl Rtp {
    pub(super) fn of(counters: &RtpCounters) -> Self {
        let (packets_in, packets_out) = (read(&counters.packets_in), read(&counters.packets_out));
        let (packets_lost, jitter) = (read(&counters.packets_lost), read(&counters.jitter));
        let (rtcp_in, rtcp_out) = (read(&counters.rtcp_in), read(&counters.rtcp_out));
        Self {
            packets_in,
            packets_lost,
            jitter,
            rtcp_in,
            packets_out,
            rtcp_out,
            old_packets_in: packets_in,
            old_packets_out: packets_out,
            old_packets_lost: packets_lost,
            old_jitter: jitter,
            old_rtcp_in: rtcp_in,
            old_rtcp_out: rtcp_out,
        }
    }
}

impl RtpFaults {
    pub(super) fn of(session: &Session) -> Self {
        let (packets, rtcp) = (read(&session.rtp.packets_invalid), read(&session.rtp.rtcp_invalid));
        Self {
            packets_invalid: packets,
            rtcp_invalid: rtcp,
            packets_reported_lost: read(&session.rtp.packets_reported_lost),
            frames_dropped: read(&session.frames_dropped),
            old_packets_invalid: packets,
            old_rtcp_invalid: rtcp,
        }
    }
}
