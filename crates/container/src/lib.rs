//! Containers, bytes only: what stands in a file or in an RTMP message, and the frames inside. No IO, no clock.
#![forbid(unsafe_code)]

pub mod flv;
pub mod fmp4;
mod four_cc;
pub mod mpegts;

pub use four_cc::FourCc;
