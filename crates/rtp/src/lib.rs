//! RTP without IO: how a frame becomes RTP payloads and back (RFC 6184, RFC 7587), and how RTP timestamps of several
//! tracks become one timeline.
//!
//! | module | job |
//! |---|---|
//! | [`Payloads`] | the RTP payloads of one frame, made once per stream and shared by every reader |
//! | [`h264`] | canonical access units <-> single NAL unit packets, STAP-A and FU-A |
//! | [`opus`] | one Opus packet <-> one RTP payload |
//! | [`timeline`] | RTP timestamps, arrival times and sender reports -> [`media::Timestamp`] |
#![forbid(unsafe_code)]

pub mod h264;
pub mod opus;
mod payloads;
pub mod timeline;

pub use payloads::Payloads;
