//! AAC facts.
mod config;
pub use config::AudioConfig;
