//! H.264 facts: NAL units, parameter sets, and the two framings of an access unit.

pub mod annexb;
pub mod avcc;
pub mod nal;
pub mod sei;
pub mod sps;

use bytes::Bytes;

use nal::{pps_id, sps_id};

/// The parameter sets that a stream's pictures refer to, each as a NAL unit without start code or length.
///
/// Kept by id from whatever packaging they came in (separate NAL units, STAP-A, a sequence header): OBS sends SPS
/// and PPS apart, and a muxer that waits for both in one packet stays black (SRS #3582).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParameterSets {
    /// Sequence parameter sets, each at least 5 bytes; at least one where [`Self::is_complete`].
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, each at least 2 bytes; at least one where [`Self::is_complete`].
    pub pps: Vec<Bytes>,
}

impl ParameterSets {
    /// The most bytes of one set: the largest that H.264 allows (twelve scaling lists, two HRDs) stay well below.
    pub const MAX_SET_LEN: usize = 4_096;

    /// Takes over every set of `found`: one of a new id is added, one of a known id replaces it. True when that
    /// changed any byte. Sets whose id cannot be read, or longer than [`Self::MAX_SET_LEN`], are ignored; ids are
    /// bounded (32 SPS, 256 PPS), so this cannot grow without end.
    pub fn merge(&mut self, found: &Self) -> bool {
        let mut changed = false;
        for sps in &found.sps {
            changed |= merge_one(&mut self.sps, sps, sps_id);
        }
        for pps in &found.pps {
            changed |= merge_one(&mut self.pps, pps, pps_id);
        }
        changed
    }

    /// At least one set of either kind: a decoder can be set up.
    pub const fn is_complete(&self) -> bool {
        !self.sps.is_empty() && !self.pps.is_empty()
    }

    /// No set at all.
    pub const fn is_empty(&self) -> bool {
        self.sps.is_empty() && self.pps.is_empty()
    }
}

fn merge_one(known: &mut Vec<Bytes>, found: &Bytes, id_of: fn(&[u8]) -> Option<u8>) -> bool {
    let Some(id) = id_of(found).filter(|_| found.len() <= ParameterSets::MAX_SET_LEN) else {
        return false;
    };
    match known.iter_mut().find(|set| id_of(set) == Some(id)) {
        Some(same) if same == found => false,
        Some(other) => {
            *other = found.clone();
            true
        }
        None => {
            known.push(found.clone());
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS_0: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda];
    const SPS_0_OTHER: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xdb];
    const SPS_2: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0b0110_0000];
    const PPS_0: &[u8] = &[0x68, 0xce];

    fn sets(sps: &[&'static [u8]], pps: &[&'static [u8]]) -> ParameterSets {
        let owned = |list: &[&'static [u8]]| list.iter().map(|set| Bytes::from_static(set)).collect();
        ParameterSets { sps: owned(sps), pps: owned(pps) }
    }

    #[test]
    fn sets_that_come_apart_become_complete() {
        let mut known = ParameterSets::default();
        assert!(known.merge(&sets(&[SPS_0], &[])));
        assert!(!known.is_complete());
        assert!(known.merge(&sets(&[], &[PPS_0])));
        assert!(known.is_complete());
    }

    #[test]
    fn only_other_bytes_are_a_change() {
        let mut known = sets(&[SPS_0], &[PPS_0]);
        assert!(!known.merge(&sets(&[SPS_0], &[PPS_0])));
        assert!(known.merge(&sets(&[SPS_0_OTHER], &[])));
        assert_eq!(known, sets(&[SPS_0_OTHER], &[PPS_0]));
        assert!(known.merge(&sets(&[SPS_2], &[])));
        assert_eq!(known, sets(&[SPS_0_OTHER, SPS_2], &[PPS_0]));
    }

    #[test]
    fn what_is_no_parameter_set_is_ignored() {
        let mut known = ParameterSets::default();
        assert!(!known.merge(&sets(&[PPS_0, &[], &[0x67]], &[SPS_0, &[0x68]])));
        let long = [SPS_0, &[0xff; ParameterSets::MAX_SET_LEN]].concat();
        assert!(!known.merge(&ParameterSets { sps: vec![long.into()], pps: Vec::new() }));
        assert!(known.is_empty());
    }

    proptest! {
        #[test]
        fn a_flood_of_sets_stays_within_the_ids(floods in prop::collection::vec(prop::collection::vec(any::<u8>(), 3..8), 0..600)) {
            let mut known = ParameterSets::default();
            for tail in floods {
                let sps = [&[0x67, 0x42, 0, 0x1f][..], &tail].concat();
                let pps = [&[0x68][..], &tail].concat();
                known.merge(&ParameterSets { sps: vec![sps.into()], pps: vec![pps.into()] });
            }
            prop_assert!(known.sps.len() <= 32 && known.pps.len() <= 256);
        }
    }
}
