//! RTP without IO: how a frame becomes RTP payloads and back (RFC 6184, RFC 7587, RFC 3640, RFC 3551), how packets are
//! sent and received, and how RTP timestamps of several tracks become one timeline.
//!
//! | module | job |
//! |---|---|
//! | [`packet`] | the RTP packet (RFC 3550 §5.1) |
//! | [`rtcp`] | reports, names and farewells (RFC 3550 §6) |
//! | [`Payloads`] | the RTP payloads of one frame, made once per stream and shared by every reader |
//! | [`h264`] | canonical access units <-> single NAL unit packets, STAP-A and FU-A |
//! | [`aac`] | AAC access units <-> MPEG4-GENERIC; MP4A-LATM -> AAC access units |
//! | [`opus`] | one Opus packet <-> one RTP payload |
//! | [`g711`] | bytes of G.711 <-> one RTP payload |
//! | [`sender`] | one reader: headers in front of shared payloads, sender reports |
//! | [`receiver`] | one publisher: packets of all its tracks -> frames on one timeline, receiver reports |
//! | [`timeline`] | RTP timestamps, arrival times and sender reports -> [`media::Timestamp`] |
#![forbid(unsafe_code)]

pub mod aac;
pub mod g711;
pub mod h264;
pub mod opus;
pub mod packet;
mod payloads;
mod random;
pub mod receiver;
pub mod rtcp;
pub mod sender;
pub mod timeline;

pub use payloads::Payloads;
