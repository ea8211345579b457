//! Canonical access units -> RTP payloads.

use std::sync::Arc;

use bytes::Bytes;
use media::h264::ParameterSets;

use super::{FU_A, FU_END, FU_START, NRI_MASK, STAP_A, TYPE_MASK};
use crate::Payloads;

/// What one RTP packet may carry, in bytes. With an RTP header and extensions (up to 32), an SRTP tag (16), the
/// original sequence number of a retransmission (2), UDP and IPv6 (48) it stays below 1,300: VPN and LTE paths pass
/// it whole. str0m's retransmission cache, so every WebRTC reader, accepts at most 1,999.
pub const DEFAULT_MAX_PAYLOAD: usize = 1_200;
/// The most that one RTP packet may be asked to carry, in bytes: with its header it still fits the 16-bit length of an
/// interleaved block (RFC 2326 §10.12).
pub const LARGEST_PAYLOAD: usize = 65_000;

/// FU indicator and FU header (RFC 6184 §5.8).
const FU_HEADERS: usize = 2;
/// The size in front of each NAL unit of a STAP-A (RFC 6184 §5.7.1).
const STAP_SIZE: usize = 2;

/// Cuts canonical access units into RTP payloads (RFC 6184, packetization-mode 1): single NAL unit packets, STAP-A and
/// FU-A. It keeps no state: the same frame gives the same payloads for every reader.
///
/// Fragments of one NAL unit have the same size, the last one perhaps less, so that a generic-segmentation-offload
/// socket sends the whole run in one system call.
#[derive(Clone, Copy, Debug)]
pub struct Packetizer {
    max_payload: usize,
}

impl Default for Packetizer {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_PAYLOAD)
    }
}

impl Packetizer {
    /// Payloads of at most `max_payload` bytes, held within 64 and [`LARGEST_PAYLOAD`]. Over TCP there is no path to
    /// fit: the larger, the fewer headers.
    pub fn new(max_payload: usize) -> Self {
        Self { max_payload: max_payload.clamp(64, LARGEST_PAYLOAD) }
    }

    /// The payloads of one access unit: `payload` is in the canonical form (4-byte lengths, without parameter sets).
    ///
    /// Give `parameters` with every random access point: they go in front, with small NAL units that follow, in one
    /// STAP-A, because a reader that joins has nothing else to learn them from (RFC 6184 §8.4; Chromium ignores
    /// `sprop-parameter-sets` of an answer). Bytes behind a broken length are left out.
    pub fn packetize(&self, payload: &Bytes, parameters: Option<&ParameterSets>) -> Payloads {
        let mut out = Batch { max: self.max_payload, payloads: Vec::new(), small: Vec::new(), small_len: 1 };
        let sets = parameters.map(|sets| sets.sps.iter().chain(&sets.pps));
        for set in sets.into_iter().flatten() {
            out.push(set);
        }
        for nal in nals(payload) {
            out.push(nal);
        }
        out.flush();
        Payloads::from(out.payloads)
    }
}

/// The NAL units of a canonical payload; ends at a length that reaches past the end.
fn nals(mut payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = payload.split_first_chunk::<4>()?;
        let (nal, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        payload = rest;
        Some(nal)
    })
}

/// The payloads so far, and NAL units that wait for company in a STAP-A.
struct Batch<'a> {
    max: usize,
    payloads: Vec<Arc<[u8]>>,
    small: Vec<&'a [u8]>,
    /// Size of a STAP-A of `small`.
    small_len: usize,
}

impl<'a> Batch<'a> {
    fn push(&mut self, nal: &'a [u8]) {
        let Some(&header) = nal.first() else { return };
        if nal.len() > self.max {
            self.flush();
            self.fragment(header, &nal[1..]);
            return;
        }
        if self.small_len + STAP_SIZE + nal.len() > self.max {
            self.flush();
        }
        self.small_len += STAP_SIZE + nal.len();
        self.small.push(nal);
    }

    /// FU-A (RFC 6184 §5.8); `body` is the NAL unit without its header byte.
    fn fragment(&mut self, header: u8, body: &[u8]) {
        let count = body.len().div_ceil(self.max - FU_HEADERS);
        let size = body.len().div_ceil(count);
        let (indicator, kind) = ((header & NRI_MASK) | FU_A, header & TYPE_MASK);
        let mut payload = Vec::with_capacity(FU_HEADERS + size);
        for (i, part) in body.chunks(size).enumerate() {
            let start = if i == 0 { FU_START } else { 0 };
            let end = if (i + 1) * size >= body.len() { FU_END } else { 0 };
            payload.clear();
            payload.extend_from_slice(&[indicator, kind | start | end]);
            payload.extend_from_slice(part);
            self.payloads.push(Arc::from(&payload[..]));
        }
    }

    /// Sends what waits: one NAL unit as it is (§5.6), several as STAP-A (§5.7.1).
    fn flush(&mut self) {
        match *self.small.as_slice() {
            [] => {}
            [nal] => self.payloads.push(Arc::from(nal)),
            _ => self.payloads.push(self.aggregate()),
        }
        self.small.clear();
        self.small_len = 1;
    }

    fn aggregate(&self) -> Arc<[u8]> {
        // F is the OR of the aggregated F bits and NRI their maximum (§5.7.1); F is never set in a valid NAL unit.
        let nri = self.small.iter().map(|nal| nal[0] & NRI_MASK).max().unwrap_or(0);
        let mut payload = Vec::with_capacity(self.small_len);
        payload.push(nri | STAP_A);
        for nal in &self.small {
            // `max_payload` is below 2^16, and so is every NAL unit that got here.
            payload.extend_from_slice(&(nal.len() as u16).to_be_bytes());
            payload.extend_from_slice(nal);
        }
        payload.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nal(header: u8, len: usize) -> Vec<u8> {
        let mut nal = vec![header];
        nal.extend((1..len).map(|i| i as u8));
        nal
    }

    fn canonical(nals: &[Vec<u8>]) -> Bytes {
        let with_length = |nal: &Vec<u8>| [&(nal.len() as u32).to_be_bytes()[..], nal].concat();
        nals.iter().flat_map(with_length).collect::<Vec<_>>().into()
    }

    fn sets() -> ParameterSets {
        ParameterSets {
            sps: vec![Bytes::from_static(&[0x67, 0x42, 0xe0, 0x1f])],
            pps: vec![Bytes::from_static(&[0x68, 0xce])],
        }
    }

    fn sizes(payloads: &Payloads) -> Vec<usize> {
        payloads.iter().map(|p| p.len()).collect()
    }

    #[test]
    fn a_small_picture_is_one_single_nal_unit_packet() {
        let payloads = Packetizer::default().packetize(&canonical(&[nal(0x41, 900)]), None);
        assert_eq!(sizes(&payloads), [900]);
        assert_eq!(payloads.iter().next().unwrap()[0], 0x41);
    }

    #[test]
    fn parameter_sets_lead_a_random_access_point_in_one_stap_a() {
        let payloads = Packetizer::default().packetize(&canonical(&[nal(0x65, 3_000)]), Some(&sets()));
        let first = payloads.iter().next().unwrap();
        assert_eq!(&first[..], [0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 2, 0x68, 0xce]);
        assert_eq!(sizes(&payloads), [11, 1_002, 1_002, 1_001]);
    }

    #[test]
    fn a_small_idr_rides_in_the_stap_a_of_its_parameter_sets() {
        let payloads = Packetizer::default().packetize(&canonical(&[nal(0x65, 200)]), Some(&sets()));
        assert_eq!(sizes(&payloads), [11 + 2 + 200]);
    }

    #[test]
    fn fragments_have_equal_sizes_and_mark_first_and_last() {
        let payloads = Packetizer::default().packetize(&canonical(&[nal(0x65, 5_000)]), None);
        assert_eq!(sizes(&payloads), [1_002, 1_002, 1_002, 1_002, 1_001]);
        let headers: Vec<_> = payloads.iter().map(|p| [p[0], p[1]]).collect();
        assert_eq!(headers, [[0x7c, 0x85], [0x7c, 0x05], [0x7c, 0x05], [0x7c, 0x05], [0x7c, 0x45]]);
    }

    #[test]
    fn parameter_sets_too_large_for_one_packet_are_sent_apart() {
        let sets = ParameterSets { sps: vec![nal(0x67, 700).into()], pps: vec![nal(0x68, 700).into()] };
        let payloads = Packetizer::default().packetize(&canonical(&[nal(0x65, 10)]), Some(&sets));
        assert_eq!(sizes(&payloads), [700, 1 + 2 + 700 + 2 + 10]);
    }

    #[test]
    fn a_broken_length_ends_the_frame() {
        let mut bytes = canonical(&[nal(0x41, 20)]).to_vec();
        bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 1, 2]);
        assert_eq!(sizes(&Packetizer::default().packetize(&bytes.into(), None)), [20]);
        assert!(Packetizer::default().packetize(&Bytes::from_static(&[0, 0]), None).is_empty());
    }
}
