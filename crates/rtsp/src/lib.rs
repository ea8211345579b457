//! RTSP 1.0 (RFC 2326) without IO: bytes and time in, bytes and events out. Publish and play as the server, play as the
//! client of a camera.
//!
//! | | server | client |
//! |---|---|---|
//! | publish | [`session::ServerSession`]: `PublishRequested`, `RecordRequested`, then `Packet` | |
//! | play | [`session::ServerSession`]: `ReadRequested`, `PlayRequested`, then packets by [`interleaved_header`] or UDP | [`session::ClientSession`]: `Described`, `Playing`, then `Packet` |
//!
//! Below the sessions, each usable alone:
//!
//! | module | what it knows |
//! |---|---|
//! | [`framer`] | messages and `$` frames out of one stream of bytes (§10.12) |
//! | [`message`] | requests and responses (§6, §7), parsed by `rtsp-types` |
//! | [`transport`] | the Transport header (§12.39) |
//! | [`sdp`] | what a session description says of tracks that Medley carries, and how it says it of its own |
//! | [`auth`] | Basic (RFC 7617) and Digest (RFC 2617, RFC 7616), both sides |
//!
//! Section numbers without a name are those of RFC 2326.
#![forbid(unsafe_code)]

pub mod auth;
mod error;
pub mod framer;
pub mod message;
pub mod sdp;
pub mod session;
mod target;
pub mod transport;

pub use error::Error;
pub use framer::interleaved_header;
pub use target::Target;
