//! WHIP and WHEP without IO: one str0m engine behind [`Peer`], speaking [`media::Frame`].
//!
//! | | in | out |
//! |---|---|---|
//! | [`Peer<Publisher>`] (WHIP, RFC 9725) | the browser's media, in str0m's frame mode | tracks and canonical frames on one timeline |
//! | [`Peer<Subscriber>`] (WHEP) | RTP payloads that were made once per stream | the reader's media, in str0m's RTP mode |
//!
//! Around it, for the gateway: [`stun`] (whose datagram is this), [`trickle`] (PATCH bodies), [`bframes`] (what a
//! WebRTC decoder cannot play), [`client`] (peers that make offers, for tests and measurements).
//!
//! # Contract
//! Every call that takes `now` is one step: [`Peer::handle_datagram`], [`Peer::handle_timeout`] or a mutator
//! (`send`, `request_keyframe`, `trickle`, `close`). After each, call [`Peer::poll_output`] until it returns
//! [`Output::Timeout`]; transmit what it returns in order. Call [`Peer::handle_timeout`] when that time has come.
//! Nothing here reads a clock, opens a socket or logs an address. A panic inside str0m is a bug that the gateway turns
//! into the end of that one session; negotiation catches it here ([`NegotiateError::Engine`]).
#![forbid(unsafe_code)]

pub mod bframes;
pub mod client;
mod codecs;
mod config;
mod error;
mod offer;
mod peer;
pub mod stun;
pub mod trickle;

pub use config::{
    Address, Certificate, Config, Credentials, DtlsRole, Estimation, IceMode, Proto, Retransmission,
};
pub use error::{CloseReason, NegotiateError, TrickleError};
pub use offer::{MAX_OFFER_BYTES, MAX_OFFER_LINES, MAX_OFFER_MEDIA};
pub use peer::{
    AUDIO_TRACK, Event, Outgoing, Output, Peer, Publisher, Role, Subscriber, Transmit, VIDEO_TRACK,
};
