//! Opus in RTP (RFC 7587): the payload of an RTP packet is one Opus packet (§4.2), so there is nothing to cut or join.

use bytes::Bytes;

use crate::Payloads;

/// The RTP payload of one Opus packet.
pub fn packetize(packet: &Bytes) -> Payloads {
    Payloads::one(packet)
}

/// The Opus packet in an RTP payload, or `None` for an empty payload: Chromium sends padding-only packets as probes,
/// and a sender in DTX may send nothing but the header (RFC 7587 §3.1.3).
pub fn depacketize(payload: &Bytes) -> Option<Bytes> {
    (!payload.is_empty()).then(|| payload.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_a_payload() {
        let packet = Bytes::from_static(&[0xfc, 1, 2]);
        let payloads = packetize(&packet);
        assert_eq!(payloads.len(), 1);
        let back = Bytes::copy_from_slice(payloads.iter().next().unwrap());
        assert_eq!(depacketize(&back), Some(packet));
        assert_eq!(depacketize(&Bytes::new()), None);
    }
}
