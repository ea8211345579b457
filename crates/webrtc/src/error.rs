//! What can go wrong, without addresses, names or anything that the peer wrote.

use thiserror::Error;

/// An offer was refused. The text is meant for the answer to the HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NegotiateError {
    /// Larger than [`crate::MAX_OFFER_BYTES`], [`crate::MAX_OFFER_LINES`] or [`crate::MAX_OFFER_MEDIA`].
    #[error("the offer is too large: {what} {found}, at most {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is accepted.
        limit: usize,
    },
    /// Not session description (RFC 8866), or not one that WebRTC can use.
    #[error("the offer cannot be used: {0}")]
    Malformed(&'static str),
    /// A line that must be there for ICE or DTLS is missing (RFC 8839 §5.4, RFC 8122 §5).
    #[error("the offer has no {0}")]
    Missing(&'static str),
    /// A video section without H.264 in packetization-mode 1.
    #[error(
        "the offer has no H.264 with packetization-mode=1, the only picture codec served here \
         (profiles 42e01f, 42001f, 4d001f, 640c1f, 64001f)"
    )]
    NoH264,
    /// No section at all that this server can send or receive.
    #[error("the offer has neither H.264 nor Opus to {0}")]
    NothingUsable(&'static str),
    /// The WebRTC engine failed on the offer.
    #[error("the offer cannot be answered")]
    Engine,
}

/// A trickle-ICE body was refused (RFC 8840, RFC 9725 §4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrickleError {
    /// Larger than [`crate::trickle::MAX_BYTES`] or more than [`crate::trickle::MAX_CANDIDATES`] candidates.
    #[error("the fragment is too large")]
    TooLarge,
    /// Line `line` (from 1) is not one of a fragment.
    #[error("line {line} of the fragment cannot be read")]
    Malformed {
        /// Line number, from 1.
        line: usize,
    },
    /// `a=ice-ufrag` or `a=ice-pwd` is missing or out of bounds (RFC 8839 §5.4).
    #[error("the fragment has no valid ice-ufrag and ice-pwd")]
    Credentials,
    /// The restart was not possible.
    #[error("the ICE restart was refused")]
    Restart,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer said goodbye (DTLS close_notify).
    #[error("closed by the peer")]
    Peer,
    /// This side closed it.
    #[error("closed by the server")]
    Local,
    /// ICE and DTLS did not succeed within the time for it.
    #[error("not connected in time")]
    ConnectTimeout,
    /// The peer's connectivity checks stopped.
    #[error("the peer fell silent")]
    Silent,
    /// The WebRTC engine gave up: a broken DTLS handshake or a certificate that is not the announced one.
    #[error("the connection failed")]
    Engine,
}
