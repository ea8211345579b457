//! G.711 in RTP (RFC 3551 §4.5.14): the payload is samples and nothing else, as many as the sender likes.

use bytes::Bytes;
use media::g711::AudioConfig;

use crate::Payloads;
use crate::h264::LARGEST_PAYLOAD;

/// The longest frame out of a payload, in samples: 125 ms at 8 kHz. A frame of this length still fits one packet
/// everywhere, in stereo over TCP.
pub const MAX_SAMPLES: u32 = 1_000;

/// The RTP payload of one frame; none for a frame that no packet can carry.
pub fn packetize(frame: &Bytes) -> Payloads {
    if frame.len() > LARGEST_PAYLOAD { Payloads::from(Vec::new()) } else { Payloads::one(frame) }
}

/// The frames in an RTP payload, each with the samples between the packet's timestamp and its beginning. A payload is
/// one frame but for those beyond [`MAX_SAMPLES`]; half a sample at the end is left out.
pub fn depacketize(config: AudioConfig, payload: &Bytes) -> impl Iterator<Item = (u32, Bytes)> {
    let (samples, width) = (config.samples(payload), usize::from(config.channels()));
    let payload = payload.clone();
    (0..samples).step_by(MAX_SAMPLES as usize).map(move |start| {
        let end = samples.min(start + MAX_SAMPLES);
        (start, payload.slice(start as usize * width..end as usize * width))
    })
}

#[cfg(test)]
mod tests {
    use media::Rate;
    use media::g711::Law;

    use super::*;

    fn frames(config: AudioConfig, len: usize) -> Vec<(u32, usize)> {
        depacketize(config, &vec![0xd5; len].into()).map(|(at, frame)| (at, frame.len())).collect()
    }

    #[test]
    fn a_payload_is_a_frame_whatever_its_length() {
        let mono = AudioConfig::telephone(Law::A);
        assert_eq!(frames(mono, 160), [(0, 160)]);
        assert_eq!(frames(mono, 7), [(0, 7)]);
        assert_eq!(frames(mono, 0), []);
        assert_eq!(packetize(&vec![0xd5; 160].into()).bytes(), 160);
    }

    #[test]
    fn a_long_payload_is_cut_each_frame_with_its_place() {
        let stereo = AudioConfig::new(Law::Mu, Rate::TELEPHONE, 2).unwrap();
        assert_eq!(frames(stereo, 5_001), [(0, 2_000), (1_000, 2_000), (2_000, 1_000)]);
        assert!(packetize(&vec![0; 70_000].into()).is_empty());
    }
}
