//! Who may publish and read: the question that the hub asks before it admits anyone.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use media::{Pii, StreamPath};

/// What somebody wants to do with a stream path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Feed the stream.
    Publish,
    /// Take the stream.
    Read,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish",
            Self::Read => "read",
        })
    }
}

/// The protocol that a request came in by; for logs and metrics only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// RTMP, plain or in TLS.
    Rtmp,
    /// WHIP or WHEP.
    WebRtc,
    /// RTSP, plain or in TLS.
    Rtsp,
    /// HLS, low latency or not.
    Hls,
    /// FLV over HTTP or WebSocket.
    Flv,
    /// A part of this process, such as the demo.
    Internal,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtmp => "rtmp",
            Self::WebRtc => "webrtc",
            Self::Rtsp => "rtsp",
            Self::Hls => "hls",
            Self::Flv => "flv",
            Self::Internal => "internal",
        })
    }
}

/// The name of a user, as the authorizer knows it.
pub type UserName = Pii<String>;

/// What was shown to prove who is asking; any part may be absent.
#[derive(Clone, Default, Debug)]
pub struct Credentials {
    /// A user's name.
    pub user: Option<Pii<String>>,
    /// That user's password.
    pub password: Option<Pii<String>>,
    /// A bearer token.
    pub token: Option<Pii<String>>,
    /// What shows that the user's password is known, instead of the password.
    pub proof: Option<Proof>,
}

/// Proof that whoever asks knows a password, without the password (RTSP's Digest). It can be verified only where the
/// password itself is known, not where its hash is.
#[derive(Clone)]
pub struct Proof(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl Proof {
    /// `proves` says whether a password is the one.
    pub fn new(proves: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(proves))
    }

    /// Whether it is `password` that is known.
    pub fn is_of(&self, password: &str) -> bool {
        (self.0)(password)
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

/// One question to the [`Authorizer`].
#[derive(Clone, Debug)]
pub struct AccessRequest {
    /// To do what.
    pub action: Action,
    /// With which stream.
    pub path: StreamPath,
    /// From where.
    pub remote: Pii<IpAddr>,
    /// With what proof.
    pub credentials: Credentials,
    /// By which protocol.
    pub protocol: Protocol,
}

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// Nothing was shown, and showing something could help (HTTP 401).
    #[error("credentials are needed")]
    CredentialsNeeded,
    /// What was shown does not open this door; something else could (HTTP 401).
    #[error("the credentials do not permit this")]
    WrongCredentials,
    /// Nothing that could be shown would help (HTTP 403).
    #[error("this is not permitted")]
    NotPermitted,
    /// Too many checks are under way (HTTP 503); asking again later may succeed.
    #[error("too many credential checks at once")]
    Busy,
}

/// Decides about every publisher and reader. `app` implements it over the configuration.
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Answers one request; may take its time (a password hash, a remote check). Who is let in is told by the name of
    /// the user whose credentials opened, for lists of sessions; `None` where none were needed.
    ///
    /// # Errors
    /// [`Denied`] says why not.
    fn authorize<'a>(
        &'a self,
        request: &'a AccessRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<UserName>, Denied>> + Send + 'a>>;

    /// Whether a [`Proof`] could open the door for everybody who may come in by it. Else clients must be asked for
    /// passwords themselves: one that has the choice shows a proof.
    fn takes_proof(&self, request: &AccessRequest) -> bool {
        let _ = request;
        false
    }
}
