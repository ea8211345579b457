//! MP4A-LATM (RFC 6416 §6): GStreamer's rtspclientsink publishes it.

use bytes::Bytes;
use media::aac::AudioConfig;
use media::aac::latm::{self, StreamMuxConfig};

use super::{AacError, AccessUnit, Fragments};
use crate::packet::Packet;

/// Takes AAC access units out of the packets of one source, which must come in order.
///
/// A packet holds one AudioMuxElement, or a fragment of one: the marker is on the last one (RFC 6416 §6.1), and all have
/// the same timestamp.
#[derive(Debug)]
pub struct LatmDepacketizer {
    config: Option<StreamMuxConfig>,
    in_band: bool,
    fragments: Fragments,
    /// The next packet may be the middle of an element.
    lost: bool,
}

impl LatmDepacketizer {
    /// With the `config` of the SDP where it says `cpresent=0`; without it the elements bring theirs (`cpresent=1`, the
    /// default of RFC 6416 §7.3).
    pub fn new(config: Option<StreamMuxConfig>) -> Self {
        Self { in_band: config.is_none(), config, fragments: Fragments::default(), lost: false }
    }

    /// The configuration of the units that were given out last, if it is known.
    pub fn config(&self) -> Option<&AudioConfig> {
        self.config.as_ref().map(StreamMuxConfig::config)
    }

    /// Packets are missing in front of the next one: what they belonged to is given up.
    pub fn lose(&mut self) {
        self.fragments.forget();
        self.lost = true;
    }

    /// The packets that follow are those of another source.
    pub fn restart(&mut self) {
        *self = Self { fragments: Fragments::default(), lost: false, config: self.config.take(), ..*self };
    }

    /// The access units that are complete with this packet.
    ///
    /// # Errors
    /// [`AacError`] for a payload that is none.
    pub fn push(&mut self, packet: &Packet) -> Result<Vec<AccessUnit>, AacError> {
        let header = packet.header;
        if packet.payload.is_empty() {
            return Ok(Vec::new());
        }
        let open = self.fragments.is_open(header.timestamp);
        let lost = std::mem::take(&mut self.lost);
        if header.marker && !open && !lost {
            return self.element(header.sequence, &packet.payload);
        }
        if lost && !open {
            // Only behind a marker is it known again where an element begins.
            self.lost = !header.marker;
            return Ok(Vec::new());
        }
        self.fragments.add(header.timestamp, &packet.payload, !open, header.sequence)?;
        let element = if header.marker { self.fragments.take() } else { None };
        element.map_or(Ok(Vec::new()), |element| self.element(header.sequence, &element))
    }

    fn element(&mut self, sequence: u16, element: &Bytes) -> Result<Vec<AccessUnit>, AacError> {
        let units = match &self.config {
            Some(config) if !self.in_band => config.access_units(element),
            _ => latm::access_units(&mut self.config, element),
        };
        let units = units.map_err(|error| AacError::Latm { sequence, error })?;
        Ok((0..).zip(units).map(|(index, payload)| AccessUnit { index, payload }).collect())
    }
}

#[cfg(test)]
mod tests {
    use media::aac::latm::LatmError;
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Header;

    /// AAC-LC at 48 kHz in stereo.
    const CONFIG: [u8; 6] = [0x40, 0x00, 0x23, 0x20, 0x3f, 0xc0];

    fn packet(timestamp: u32, marker: bool, payload: &[u8]) -> Packet {
        let header = Header { marker, payload_type: 97, sequence: 9, timestamp, ssrc: 1 };
        Packet { header, payload: Bytes::copy_from_slice(payload) }
    }

    fn depacketizer() -> LatmDepacketizer {
        LatmDepacketizer::new(StreamMuxConfig::parse(&CONFIG).ok())
    }

    /// An element of one unit of `len` bytes.
    fn element(len: usize) -> Vec<u8> {
        [vec![255; len / 255], vec![(len % 255) as u8], vec![7; len]].concat()
    }

    fn lens(units: &[AccessUnit]) -> Vec<usize> {
        units.iter().map(|unit| unit.payload.len()).collect()
    }

    #[test]
    fn a_packet_is_an_element() {
        let mut depacketizer = depacketizer();
        assert_eq!(depacketizer.config().map(|config| config.rate().hz()), Some(48_000));
        let units = depacketizer.push(&packet(0, true, &element(371))).unwrap();
        assert_eq!((units[0].index, lens(&units)), (0, vec![371]));
    }

    #[test]
    fn fragments_up_to_the_marker_are_an_element() {
        let mut depacketizer = depacketizer();
        let element = element(3_000);
        let parts = [(0..1_200, false), (1_200..2_400, false), (2_400..element.len(), true)];
        let push = |(range, marker): (std::ops::Range<usize>, bool)| {
            depacketizer.push(&packet(5, marker, &element[range])).unwrap()
        };
        let units: Vec<_> = parts.map(push).concat();
        assert_eq!(lens(&units), [3_000]);
    }

    #[test]
    fn rule_8_behind_a_loss_the_next_element_begins_after_a_marker() {
        for lost in 0..3 {
            let (mut depacketizer, element) = (depacketizer(), element(3_000));
            let mut units = Vec::new();
            for (index, part) in element.chunks(1_200).enumerate() {
                match index == lost {
                    true => depacketizer.lose(),
                    false => {
                        units.extend(depacketizer.push(&packet(5, index == 2, part)).unwrap_or_default())
                    }
                }
            }
            assert_eq!(units, [], "without fragment {lost}");
            let whole = self::element(100);
            let next = |timestamp| packet(timestamp, true, &whole);
            let after: Vec<_> = (6..8).flat_map(|at| depacketizer.push(&next(at)).unwrap()).collect();
            assert!(lens(&after).ends_with(&[100]), "{after:?}");
        }
    }

    #[test]
    fn the_configuration_may_come_with_the_elements() {
        let mut depacketizer = LatmDepacketizer::new(None);
        let error = AacError::Latm { sequence: 9, error: LatmError::NoConfig };
        assert_eq!(depacketizer.push(&packet(0, true, &[0x80, 0x80])), Err(error));
        // useSameStreamMux 0 and the configuration above, then one unit of one byte, all shifted by a bit.
        let bits: String =
            ["0"].into_iter().map(str::to_owned).chain(CONFIG.map(|b| format!("{b:08b}"))).collect();
        let bits = format!("{}{:08b}{:08b}", &bits[..1 + 44], 1, 0xaa);
        let byte = |chunk: &[u8]| {
            u8::from_str_radix(&format!("{:0<8}", std::str::from_utf8(chunk).unwrap()), 2).unwrap()
        };
        let element: Vec<_> = bits.as_bytes().chunks(8).map(byte).collect();
        let units = depacketizer.push(&packet(0, true, &element)).unwrap();
        assert_eq!(units[0].payload[..], [0xaa]);
        assert_eq!(depacketizer.config().map(AudioConfig::channels), Some(2));
    }

    proptest! {
        #[test]
        fn any_payloads_give_units_within_bounds(
            payloads in prop::collection::vec((0_u32..3, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..30),
            in_band in any::<bool>(),
        ) {
            let mut depacketizer = if in_band { LatmDepacketizer::new(None) } else { depacketizer() };
            for (timestamp, marker, payload) in payloads {
                for unit in depacketizer.push(&packet(timestamp, marker, &payload)).unwrap_or_default() {
                    prop_assert!(!unit.payload.is_empty() && unit.payload.len() <= super::super::MAX_ACCESS_UNIT);
                }
            }
        }
    }
}
