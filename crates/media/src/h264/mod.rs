//! H.264 facts: NAL units, parameter sets, and the two framings of an access unit.

pub mod annexb;
pub mod avcc;
pub mod nal;
pub mod sps;

use bytes::Bytes;

/// The parameter sets that a stream's pictures refer to, each as a NAL unit without start code or length.
///
/// Kept by id from whatever packaging they came in (separate NAL units, STAP-A, a sequence header): OBS sends SPS
/// and PPS apart, and a muxer that waits for both in one packet stays black (SRS #3582).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParameterSets {
    /// Sequence parameter sets; at least one, each at least 4 bytes.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets; at least one, each at least 1 byte.
    pub pps: Vec<Bytes>,
}
