//! AAC in RTP: MPEG4-GENERIC (RFC 3640), which we send and take, and MP4A-LATM (RFC 6416), which we take.

mod generic;
mod latm;

use bytes::{Bytes, BytesMut};
use media::aac::latm::LatmError;
use thiserror::Error;

pub use generic::{AuHeaders, GenericDepacketizer, packetize};
pub use latm::LatmDepacketizer;

/// The largest AAC access unit or LATM element in bytes: 6,144 bits for each of at most 48 channels (ISO/IEC 14496-3
/// §4.5.3.1), and what LATM adds.
pub const MAX_ACCESS_UNIT: usize = 48 * 768 + 1_024;

/// One raw AAC access unit out of an RTP packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessUnit {
    /// How many frames after the packet's timestamp it begins.
    pub index: u32,
    /// `raw_data_block`, never empty.
    pub payload: Bytes,
}

/// A payload that is not AAC in the form that the SDP promised. Only the access units of the packet are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AacError {
    /// The AU headers or a unit behind them are longer than the packet.
    #[error("RTP packet {sequence}: the AU headers do not fit {len} bytes of payload")]
    Truncated {
        /// The packet's sequence number.
        sequence: u16,
        /// Bytes of its payload.
        len: usize,
    },
    /// More units than a packet of a second of sound has.
    #[error("RTP packet {sequence}: {count} access units; at most {} are accepted", generic::MAX_UNITS)]
    TooMany {
        /// The packet's sequence number.
        sequence: u16,
        /// Units that its headers announce.
        count: usize,
    },
    /// An access unit or element beyond [`MAX_ACCESS_UNIT`].
    #[error("RTP packet {sequence}: the access unit is too large")]
    TooLarge {
        /// The packet's sequence number.
        sequence: u16,
    },
    /// The multiplex inside is broken or not supported.
    #[error("RTP packet {sequence}: {error}")]
    Latm {
        /// The packet's sequence number.
        sequence: u16,
        /// What is wrong with it.
        error: LatmError,
    },
}

/// What is there of a unit whose fragments are spread over packets of one timestamp.
#[derive(Debug, Default)]
struct Fragments {
    timestamp: u32,
    /// `None` where the beginning is missing.
    bytes: Option<BytesMut>,
}

impl Fragments {
    fn forget(&mut self) {
        self.bytes = None;
    }

    /// Adds a fragment and says how many bytes there are; zero for one whose beginning is missing.
    fn add(&mut self, timestamp: u32, part: &[u8], begins: bool, sequence: u16) -> Result<usize, AacError> {
        if begins {
            (self.timestamp, self.bytes) = (timestamp, Some(BytesMut::new()));
        } else if self.timestamp != timestamp {
            self.bytes = None;
        }
        let Some(bytes) = &mut self.bytes else { return Ok(0) };
        if bytes.len() + part.len() > MAX_ACCESS_UNIT {
            self.bytes = None;
            return Err(AacError::TooLarge { sequence });
        }
        bytes.extend_from_slice(part);
        Ok(bytes.len())
    }

    /// Whether a unit of this timestamp has begun.
    fn is_open(&self, timestamp: u32) -> bool {
        self.bytes.is_some() && self.timestamp == timestamp
    }

    fn take(&mut self) -> Option<Bytes> {
        self.bytes.take().map(BytesMut::freeze)
    }
}
