//! What every protocol over HTTP reads from a request.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use hub::{AccessRequest, Action, Credentials, Protocol, UserName};
use media::{Pii, StreamPath};

use crate::credentials;
use crate::refusal::Refusal;
use crate::sessions::{Activity, SessionEntry, SessionKind, Sessions};

/// More than any browser says of itself.
const LONGEST_AGENT: usize = 512;

/// What a request tells of who sends it.
#[derive(Debug)]
pub(crate) struct Caller {
    remote: Pii<SocketAddr>,
    credentials: Credentials,
    query: Pii<String>,
    user_agent: Option<Pii<String>>,
}

impl Caller {
    /// Of a request that came through a listener, which notes the peer's address. Of credentials the header's word
    /// counts before the query's.
    ///
    /// # Errors
    /// A refusal if no address was noted.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Refusal> {
        let missing = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the connection has no address");
        let ConnectInfo(remote) = *parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or_else(missing)?;
        let query = parts.uri.query().unwrap_or_default();
        let shown = credentials::from_headers(&parts.headers);
        Ok(Self {
            remote: Pii(remote),
            credentials: shown.unwrap_or_else(|| credentials::from_query(query)),
            query: Pii(credentials::without_secrets(query)),
            user_agent: user_agent(&parts.headers),
        })
    }

    /// The question to the authorizer.
    pub(crate) fn access(&self, action: Action, path: StreamPath, protocol: Protocol) -> AccessRequest {
        let remote = Pii(self.remote.reveal().ip());
        AccessRequest { action, path, remote, credentials: self.credentials.clone(), protocol }
    }

    /// Enters the session that the request begins; `user` is as whom it was let in.
    pub(crate) fn enter(
        self,
        sessions: &Sessions,
        kind: SessionKind,
        (action, path): (Action, StreamPath),
        user: Option<UserName>,
    ) -> SessionEntry {
        let entry = sessions.enter(kind, self.remote);
        entry.update(|details| details.user_agent = self.user_agent);
        entry.begin(Activity { action, path, query: self.query, user });
        entry
    }
}

/// RFC 9110 §10.1.5, cut where nobody reads on.
fn user_agent(headers: &HeaderMap) -> Option<Pii<String>> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(Pii(agent.chars().take(LONGEST_AGENT).collect()))
}

/// Origins whose pages may use a protocol; `*`: all.
#[derive(Clone, Debug)]
pub struct Origins(Vec<String>);

impl Origins {
    /// As the configuration lists them.
    pub const fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// What `Access-Control-Allow-Origin` says to a request, if anything.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.0.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = headers.get(header::ORIGIN)?;
        self.0.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self(vec!["*".to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn a_request_tells_who_sends_it() {
        let request =
            Request::post("/ward/whip?room=3&token=li:pw").header(header::USER_AGENT, "x".repeat(600));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        assert!(Caller::of(&parts).is_err(), "no listener, no address");
        let peer: SocketAddr = ([203, 0, 113, 9], 50_000).into();
        parts.extensions.insert(ConnectInfo(peer));
        let caller = Caller::of(&parts).unwrap();
        let path = StreamPath::new("ward").unwrap();
        let access = caller.access(Action::Publish, path.clone(), Protocol::WebRtc);
        assert_eq!(access.remote, Pii(peer.ip()));
        assert_eq!(access.credentials.token, Some(Pii("li:pw".to_owned())));
        let sessions = Sessions::default();
        let user = Some(Pii("li".to_owned()));
        let entry = caller.enter(&sessions, SessionKind::WebRtc, (Action::Publish, path), user.clone());
        assert_eq!(entry.remote, Pii(peer));
        let details = entry.details();
        assert_eq!(details.user_agent.unwrap().reveal().len(), LONGEST_AGENT);
        let activity = details.activity.unwrap();
        assert_eq!((activity.query, activity.user), (Pii("room=3".to_owned()), user));
    }
}
