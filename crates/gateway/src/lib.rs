//! The IO side of every protocol: sockets and HTTP routes between the sans-IO sessions and the hub.
//!
//! Each protocol has the same files: `session` (one small loop around the sans-IO session), `ingest` (protocol to frames),
//! `egress` (frames to protocol), and `routes` where it comes over HTTP; `listener` accepts the connections of the others.
//! A session over TCP has a `connection`, which it gives away as a `line` while the hub writes to it (ADR 0010).
//!
//! | | ingest | egress |
//! |---|---|---|
//! | [`rtmp`] | `rtmp/ingest` | `flv/egress` with `rtmp/messages` |
//! | [`flv`] | - | `flv/egress` with `flv/tags` |
//! | [`hls`] | - | `hls/egress` |
//! | [`rtsp`] | `rtsp/ingest` | `rtsp/egress` |
//! | [`webrtc`] (WHIP, WHEP) | `webrtc/ingest` | `webrtc/egress` |
#![forbid(unsafe_code)]

mod alias;
mod connection;
pub mod credentials;
pub mod flv;
pub mod hls;
mod line;
mod listener;
mod outbox;
mod port;
mod refusal;
mod request;
pub mod rtmp;
pub mod rtsp;
pub mod sessions;
pub mod takeover;
pub mod transport;
pub mod trust;
pub mod webrtc;

pub use request::Origins;
pub use sessions::Sessions;
