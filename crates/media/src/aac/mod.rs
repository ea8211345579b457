//! AAC facts: the configuration of a track, ADTS headers and LATM for the protocols that use them.

pub mod adts;
mod config;
pub mod latm;

pub use config::{AscError, AudioConfig, LC};
