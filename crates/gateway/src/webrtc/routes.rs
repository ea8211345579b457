//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over HTTP: `/{path}/whip` and `/{path}/whep`, as MediaMTX has them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hub::Action;
use media::StreamPath;

use super::WebRtc;
use super::session::Command;
use crate::refusal::Refusal;
use crate::request::Caller;

/// SDP of a browser has some 5 KiB; a 5 MB one took SRS 5.6 s on the thread that serves everybody.
const LARGEST_BODY: usize = 64 << 10;

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const METHODS: &str = "OPTIONS, POST, PATCH, DELETE";

/// What a URL path names.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    /// Where offers are posted (RFC 9725 §4: the WHIP endpoint).
    Endpoint(Action, &'a str),
    /// A session (RFC 9725 §4: the WHIP session), named by its secret.
    Session(&'a str),
}

impl<'a> Target<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let action = |suffix| match suffix {
            "whip" => Some(Action::Publish),
            "whep" => Some(Action::Read),
            _ => None,
        };
        let (rest, last) = path.strip_prefix('/')?.rsplit_once('/')?;
        if let Some(action) = action(last) {
            return Some(Self::Endpoint(action, rest));
        }
        let (_, kind) = rest.rsplit_once('/')?;
        action(kind).map(|_| Self::Session(last))
    }
}

/// Answers WHIP and WHEP requests and passes the others on.
pub async fn layer(State(webrtc): State<Arc<WebRtc>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let allowed = webrtc.options.allow_origins.allow(request.headers());
    match Target::parse(&path) {
        None => next.run(request).await,
        Some(_) if request.method() == Method::OPTIONS => with_cors(options(&webrtc), allowed),
        Some(Target::Endpoint(action, stream)) if request.method() == Method::POST => {
            let result = offer(&webrtc, action, stream, request).await;
            with_cors(result.unwrap_or_else(IntoResponse::into_response), allowed)
        }
        Some(Target::Session(secret)) if request.method() == Method::PATCH => {
            let result = patch(&webrtc, secret, request).await;
            with_cors(result.unwrap_or_else(IntoResponse::into_response), allowed)
        }
        Some(Target::Session(secret)) if request.method() == Method::DELETE => {
            let closed = webrtc.command(secret, Command::Close).await;
            with_cors(
                closed.map_or_else(IntoResponse::into_response, |()| StatusCode::OK.into_response()),
                allowed,
            )
        }
        // RFC 9725 §4: GET, HEAD and PUT are reserved.
        Some(_) => with_cors(Refusal::method(METHODS), allowed),
    }
}

/// RFC 9725 §4.2: the browser's preflight, and where ICE servers are told before the offer.
fn options(webrtc: &WebRtc) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert("accept-post", HeaderValue::from_static(SDP));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, if-match"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    add_ice_servers(headers, &webrtc.options.ice_servers);
    response
}

/// Lets pages of the allowed origins see the answer; credentials are asked for all the same.
fn with_cors(mut response: Response, allowed: Option<HeaderValue>) -> Response {
    let Some(origin) = allowed else { return response };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    let exposed = HeaderValue::from_static("location, etag, link, accept-patch");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

async fn offer(
    webrtc: &Arc<WebRtc>,
    action: Action,
    stream: &str,
    request: Request,
) -> Result<Response, Refusal> {
    let path =
        StreamPath::new(stream).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    expect_content_type(request.headers(), SDP)?;
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&parts)?;
    let sdp = text(body).await?;
    let opened = webrtc.open(caller, action, path.clone(), &sdp).await?;
    let suffix = if action == Action::Publish { "whip" } else { "whep" };
    let mut response = (StatusCode::CREATED, opened.answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert("accept-patch", HeaderValue::from_static(SDP_FRAGMENT));
    insert(headers, header::LOCATION, &format!("/{path}/{suffix}/{}", opened.secret));
    insert(headers, header::ETAG, &format!("\"{}\"", opened.ice_generation));
    add_ice_servers(headers, &webrtc.options.ice_servers);
    Ok(response)
}

/// Trickle ICE and ICE restarts (RFC 9725 §4.3).
async fn patch(webrtc: &Arc<WebRtc>, secret: &str, request: Request) -> Result<Response, Refusal> {
    expect_content_type(request.headers(), SDP_FRAGMENT)?;
    let if_match = request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let if_match = if_match.map(|tag| tag.trim_matches('"').to_owned());
    let fragment = text(request.into_body()).await?;
    let (reply, answer) = tokio::sync::oneshot::channel();
    webrtc.command(secret, Command::Patch { fragment, if_match, reply }).await?;
    let gone = |_| Refusal::new(StatusCode::NOT_FOUND, "the session has ended");
    match answer.await.map_err(gone)?? {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(restarted) => {
            let mut response = (StatusCode::OK, restarted.fragment).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP_FRAGMENT));
            insert(headers, header::ETAG, &format!("\"{}\"", restarted.ice_generation));
            Ok(response)
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// RFC 9725 §4.6: `Link: <stun:host>; rel="ice-server"`, with the credentials that the operator set for it.
fn add_ice_servers(headers: &mut HeaderMap, servers: &[super::IceServer]) {
    for server in servers {
        let mut link = format!("<{}>; rel=\"ice-server\"", server.url);
        if let (Some(user), Some(credential)) = (&server.username, &server.credential) {
            let _ = write!(
                link,
                "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                user.reveal(),
                credential.reveal()
            );
        }
        if let Ok(value) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, value);
        }
    }
}

fn expect_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Refusal> {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("accepted content type: {expected}")))
}

async fn text(body: Body) -> Result<String, Refusal> {
    let too_large = |_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {LARGEST_BODY} bytes"));
    let bytes = to_bytes(body, LARGEST_BODY).await.map_err(too_large)?;
    String::from_utf8(bytes.into())
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_endpoints_and_sessions() {
        let endpoint = |action, path| Some(Target::Endpoint(action, path));
        assert_eq!(Target::parse("/doctorStream/whip"), endpoint(Action::Publish, "doctorStream"));
        assert_eq!(Target::parse("/ward/3/whep"), endpoint(Action::Read, "ward/3"));
        assert_eq!(Target::parse("/ward/3/whep/abc"), Some(Target::Session("abc")));
        assert_eq!(Target::parse("/whip/whep"), endpoint(Action::Read, "whip"));
        for other in ["/", "/whip", "/doctorStream", "/doctorStream/", "/a/b/c", "whip"] {
            assert_eq!(Target::parse(other), None, "{other}");
        }
    }
}
