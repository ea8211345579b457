//! H.264 in RTP (RFC 6184, packetization-mode 1).

mod decode_times;
mod depacketizer;
mod packetizer;

pub use decode_times::DecodeTimes;
pub use depacketizer::{DepacketizeError, Depacketizer, MAX_ACCESS_UNIT, Popped};
pub use packetizer::{DEFAULT_MAX_PAYLOAD, LARGEST_PAYLOAD, Packetizer};

/// Aggregation packet with one timestamp (RFC 6184 §5.7.1).
const STAP_A: u8 = 24;
/// Fragmentation unit (RFC 6184 §5.8).
const FU_A: u8 = 28;
/// The five bits of a NAL unit header that hold the type (H.264 §7.3.1).
const TYPE_MASK: u8 = 0x1f;
/// `forbidden_zero_bit` and `nal_ref_idc`, which a fragment or an aggregate inherits (RFC 6184 §5.3).
const NRI_MASK: u8 = 0xe0;
/// First fragment of a NAL unit (RFC 6184 §5.8).
const FU_START: u8 = 0x80;
/// Last fragment of a NAL unit (RFC 6184 §5.8).
const FU_END: u8 = 0x40;
