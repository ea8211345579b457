//! What ends a session.

use rtsp_types::StatusCode;

/// Why a session is over. Places are counted in bytes from the start of the connection, so that they can be looked up
/// in a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What stands between two messages is neither a message nor a `$` frame, for longer than is looked for the next.
    #[error("byte {at}: {bytes} bytes are no RTSP")]
    Garbage {
        /// Where it ends.
        at: u64,
        /// How many bytes were passed over.
        bytes: usize,
    },
    /// A message whose header does not end within the bound.
    #[error("byte {at}: the header of a message has more than {limit} bytes")]
    HeaderTooLong {
        /// Where the message begins.
        at: u64,
        /// The bound in bytes.
        limit: usize,
    },
    /// A message with more header lines than accepted.
    #[error("byte {at}: the header of a message has {lines} lines")]
    TooManyHeaders {
        /// Where the message begins.
        at: u64,
        /// How many.
        lines: usize,
    },
    /// A message that announces a body beyond the bound.
    #[error("byte {at}: a body of {bytes} bytes; accepted are {limit}")]
    BodyTooLong {
        /// Where the message begins.
        at: u64,
        /// `Content-Length`.
        bytes: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// A whole message that breaks the grammar (§15).
    #[error("byte {at}: a malformed message")]
    Malformed {
        /// Where the message begins.
        at: u64,
    },
    /// No PLAY or RECORD in time.
    #[error("no PLAY or RECORD within the time for the handshake")]
    HandshakeTimeout,
    /// Nothing of the peer for the time that the Session header promises (§12.37).
    #[error("no sign of life within the session's timeout")]
    SessionTimeout,
    /// A publisher or camera has sent no packet for the idle time.
    #[error("no packet within the idle time")]
    IdleTimeout,
    /// The server did not answer a request in time.
    #[error("no answer to {0} in time")]
    NoAnswer(&'static str),
    /// The server answered a request with an error.
    #[error("{request} was answered with {} {status}", u16::from(*status))]
    Refused {
        /// The request's method.
        request: &'static str,
        /// The answer's status.
        status: StatusCode,
    },
    /// The server answered with something that makes no sense.
    #[error("the answer to {request}: {reason}")]
    Answer {
        /// The request's method.
        request: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The session description has nothing to take.
    #[error("the session description: {0}")]
    Sdp(#[from] crate::sdp::SdpError),
    /// An answer where nothing was asked: a mistake of the caller.
    #[error("the session is not in a state for this")]
    State,
}

impl Error {
    /// What a server answers before it closes the connection; `None` where there is nobody to answer to.
    pub(crate) const fn status(self) -> Option<StatusCode> {
        match self {
            Self::BodyTooLong { .. } => Some(StatusCode::RequestMessageBodyTooLarge),
            Self::HeaderTooLong { .. } | Self::TooManyHeaders { .. } | Self::Malformed { .. } => {
                Some(StatusCode::BadRequest)
            }
            _ => None,
        }
    }
}
