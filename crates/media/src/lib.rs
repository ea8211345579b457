//! What flows through Medley: frames on a timeline, the tracks they belong to, and the codec facts that every
//! protocol needs. No IO, no clock, no protocol.
//!
//! The canonical form of a frame at the hub, whatever protocol it came in by:
//!
//! | codec | payload of one [`Frame`] | out of band, in [`TrackInfo`] |
//! |---|---|---|
//! | H.264 | one access unit: NAL units, each behind a 4-byte big-endian length, without AUD, SPS and PPS | SPS and PPS ([`h264::ParameterSets`]) |
//! | AAC | one raw access unit (`raw_data_block`), never ADTS | [`aac::AudioConfig`] |
//! | Opus | one packet (RFC 6716 §3) | channel count ([`opus::Head`]) |
//! | G.711 | a run of samples, one byte for each channel of each | law, rate, channel count ([`g711::AudioConfig`]) |
#![forbid(unsafe_code)]

pub mod aac;
mod bits;
mod frame;
pub mod g711;
pub mod h264;
pub mod opus;
mod path;
mod pii;
mod time;
mod track;
mod utc;

pub use frame::Frame;
pub use path::{PathError, StreamPath};
pub use pii::Pii;
pub use time::{Rate, Timestamp};
pub use track::{Codec, CodecConfig, Kind, TrackId, TrackInfo};
pub use utc::Utc;
