//! What every protocol over HTTP reads from a request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts};
use hub::Credentials;
use media::Pii;

use crate::credentials;
use crate::refusal::Refusal;

/// The peer's address.
pub(crate) fn remote(parts: &Parts) -> Result<Pii<IpAddr>, Refusal> {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let missing = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the connection has no address");
    info.map(|ConnectInfo(address)| Pii(address.ip())).ok_or_else(missing)
}

/// What proves who is asking: the header's word before the query's.
pub(crate) fn shown(headers: &HeaderMap, uri: &Uri) -> Credentials {
    credentials::from_headers(headers)
        .unwrap_or_else(|| credentials::from_query(uri.query().unwrap_or_default()))
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
