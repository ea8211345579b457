//! An answer that a session writes by itself: what the HTTP library does for each piece of a body, once for each reader,
//! would cost more than the piece.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header, response};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use parking_lot::Mutex;

use crate::transport::Transport;

type Session = Box<dyn FnOnce(Transport, Bytes) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// In the extensions of a response: the session that goes on with the connection, once the listener has taken it from the
/// HTTP library. Only listeners that know of it may serve such a response: its own body never comes.
#[derive(Clone)]
pub struct Takeover(Arc<Mutex<Option<Session>>>);

impl Takeover {
    /// A response of which `session` writes the head, which it is given, and the body.
    pub fn response<F>(session: impl FnOnce(Transport, Bytes) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let session: Session = Box::new(|transport, head| Box::pin(session(transport, head)));
        let mut response =
            Response::new(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        response.extensions_mut().insert(Self(Arc::new(Mutex::new(Some(session)))));
        response
    }

    /// The takeover that a response asks for, if it does.
    pub fn of(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove()
    }

    /// Lets the session answer with `head` and go on to the connection's end. What the peer had sent beyond its request is
    /// not for the session: no other answer follows.
    pub async fn run(self, transport: Transport, head: &response::Parts) {
        let session = self.0.lock().take();
        if let Some(session) = session {
            session(transport, write_head(head.status, &head.headers)).await;
        }
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Takeover").finish_non_exhaustive()
    }
}

/// A status line and a header section (RFC 9112 §4, §5) that end the connection with the body (§9.6).
fn write_head(status: StatusCode, headers: &HeaderMap) -> Bytes {
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(status.as_str().as_bytes());
    head.put_slice(b" ");
    head.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.put_slice(b"\r\n");
    let mut line = |name: &HeaderName, value: &[u8]| {
        for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            head.put_slice(part);
        }
    };
    headers.iter().for_each(|(name, value)| line(name, value.as_bytes()));
    line(&header::CONNECTION, b"close");
    // RFC 9110 §6.6.1
    line(&header::DATE, httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    head.put_slice(b"\r\n");
    head.freeze()
}
