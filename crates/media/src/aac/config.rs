//! AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).
use crate::Rate;
use bytes::Bytes;

/// A parsed AudioSpecificConfig.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioConfig {
    bytes: Bytes,
    rate: Rate,
    channels: u8,
}
impl AudioConfig {
    /// Output sampling rate.
    pub const fn rate(&self) -> Rate { self.rate }
}
