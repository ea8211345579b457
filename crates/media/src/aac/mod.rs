//! AAC facts: the configuration of a track, and ADTS headers for the protocols that use them.

pub mod adts;
mod config;

pub use config::{AscError, AudioConfig, LC};
