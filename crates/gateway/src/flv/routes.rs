//! `GET /{path}.flv`: the stream as a file without end, or tag by tag in WebSocket messages.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use media::StreamPath;

use super::Flv;
use super::reader::Reader;
use crate::alias;
use crate::refusal::Refusal;
use crate::request::Caller;

const METHODS: &str = "GET, HEAD, OPTIONS";
/// Readers have nothing to say; a message of theirs is a ping or a farewell.
const LARGEST_MESSAGE: usize = 4 << 10;
/// How long a WebSocket may take nothing at all.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers requests for `/{path}.flv` and passes the others on.
pub async fn layer(State(flv): State<Arc<Flv>>, request: Request, next: Next) -> Response {
    let name = |path: &str| path.strip_prefix('/')?.strip_suffix(".flv").map(str::to_owned);
    let Some(stream) = name(request.uri().path()) else { return next.run(request).await };
    let allowed = flv.origins.allow(request.headers());
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => {
            play(&flv, &stream, request).await.unwrap_or_else(Refusal::into_player_response)
        }
        Method::OPTIONS => preflight(),
        _ => Refusal::method(METHODS),
    };
    if let Some(origin) = allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// A page of another origin that sends `Authorization` asks first (Fetch §4.9, CORS-preflight).
fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, range"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn play(flv: &Flv, stream: &str, request: Request) -> Result<Response, Refusal> {
    let path =
        StreamPath::new(stream).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let (mut parts, _) = request.into_parts();
    let caller = Caller::of(&parts)?;
    let websocket = upgrade(&mut parts).await?;
    let reader = flv.open(caller, alias::resolve(path, &flv.hub)).await?;
    Ok(match websocket {
        Some(websocket) => websocket.on_upgrade(|socket| send(reader, socket)),
        None => file(reader),
    })
}

/// The WebSocket that the request asks for (RFC 6455 §4.1), if it does.
async fn upgrade(parts: &mut Parts) -> Result<Option<WebSocketUpgrade>, Refusal> {
    let wanted =
        parts.headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !wanted {
        return Ok(None);
    }
    let refused = |reason: axum::extract::ws::rejection::WebSocketUpgradeRejection| {
        Refusal::new(reason.status(), reason.body_text())
    };
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(refused)?;
    Ok(Some(upgrade.max_message_size(LARGEST_MESSAGE).max_frame_size(LARGEST_MESSAGE)))
}

/// The file: it has no length, so HTTP/1.1 sends it in chunks.
fn file(reader: Reader) -> Response {
    let pieces = stream::unfold(reader, async |mut reader| {
        let piece = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/x-flv")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would collect what we send at once.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// One message for each tag, until the stream ends or the reader leaves.
async fn send(mut reader: Reader, mut socket: WebSocket) {
    loop {
        tokio::select! {
            piece = reader.next() => {
                let Some(piece) = piece else { break };
                let sent = tokio::time::timeout(WRITE_TIMEOUT, socket.send(Message::Binary(piece)));
                if !matches!(sent.await, Ok(Ok(()))) {
                    return;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    // Refused only by a reader that has left.
    let _ = socket.send(Message::Close(None)).await;
}
