//! `GET /{path}.flv`: the stream as a file without end, or tag by tag in WebSocket messages.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use media::StreamPath;

use super::Flv;
use super::reader::Reader;
use super::tags::Tags;
use super::{session, websocket};
use crate::alias;
use crate::refusal::Refusal;
use crate::request::Caller;
use crate::takeover::Takeover;

const METHODS: &str = "GET, HEAD, OPTIONS";
/// Readers have nothing to say; a message of theirs is a ping or a farewell.
const LARGEST_MESSAGE: usize = 4 << 10;

/// Answers requests for `/{path}.flv` and passes the others on.
pub async fn layer(State(flv): State<Arc<Flv>>, request: Request, next: Next) -> Response {
    let name = |path: &str| path.strip_prefix('/')?.strip_suffix(".flv").map(str::to_owned);
    let Some(stream) = name(request.uri().path()) else { return next.run(request).await };
    let allowed = flv.origins.allow(request.headers());
    let mut response = match *request.method() {
        Method::GET => play(&flv, &stream, request).await.unwrap_or_else(Refusal::into_player_response),
        Method::HEAD => {
            let mut head = play(&flv, &stream, request).await.unwrap_or_else(Refusal::into_player_response);
            drop(Takeover::of(&mut head));
            head
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
    // HTTP/1.0 knows no chunks; there the end of the connection is the end of the file (RFC 9112 §6.3).
    let chunked = websocket.is_none() && parts.version >= Version::HTTP_11;
    let tags = if chunked { Tags::CHUNKED } else { Tags::PLAIN };
    let reader = flv.open(caller, alias::resolve(path, &flv.hub), tags).await?;
    Ok(match websocket {
        Some(websocket) => websocket.on_upgrade(|socket| websocket::run(reader, socket)),
        None => file(reader, chunked),
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

/// The file, which the reader's session writes: it has no length.
fn file(reader: Reader, chunked: bool) -> Response {
    let mut response = Takeover::response(|transport, head| session::run(reader, transport, head));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/x-flv"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect what we send at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    if chunked {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    response
}
