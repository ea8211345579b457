//! `GET /{path}/index.m3u8` and the files that playlists name.

use std::sync::Arc;
use std::time::Duration;

use ::hls::{Directives, File, FileName, Missing, Variant};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hub::HubError;
use media::StreamPath;
use tokio::time::Instant;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;

use super::muxer::Muxer;
use super::viewer::{NAME, Viewer};
use super::{Hls, file};
use crate::alias;
use crate::refusal::Refusal;
use crate::request::Caller;
use crate::sessions::count;

const METHODS: &str = "GET, HEAD, OPTIONS";
/// What scripts add to their requests, by an old custom; our page does.
const SCRIPT: &str = "x-requested-with";
const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MULTIVARIANT: &str = "index.m3u8";
/// How long a player waits for a stream's first segment.
const FIRST: Duration = Duration::from_secs(10);
/// How long a request waits for news, in target durations (HLS2 §6.2.5.2).
const PATIENCE: u32 = 3;

/// Compresses playlists, and nothing else: media do not get smaller.
pub fn compression() -> CompressionLayer<impl Predicate> {
    let is_playlist =
        |_: StatusCode, _: axum::http::Version, headers: &HeaderMap, _: &axum::http::Extensions| {
            headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == PLAYLIST)
        };
    CompressionLayer::new().gzip(true).compress_when(is_playlist)
}

/// What a URL path names.
#[derive(PartialEq, Eq, Debug)]
enum Target {
    Multivariant,
    File(FileName),
}

impl Target {
    /// The stream's name and what of it is wanted.
    fn parse(path: &str) -> Option<(&str, Self)> {
        let (stream, name) = path.strip_prefix('/')?.rsplit_once('/')?;
        let target = match name {
            MULTIVARIANT => Self::Multivariant,
            _ => Self::File(FileName::parse(name)?),
        };
        Some((stream, target))
    }
}

/// Answers requests for playlists and what they name, and passes the others on.
pub async fn layer(State(hls): State<Arc<Hls>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Some((stream, target)) = Target::parse(&path) else { return next.run(request).await };
    let allowed = hls.options.allow_origins.allow(request.headers());
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => {
            let (parts, _) = request.into_parts();
            let answer = answer(&hls, stream, target, &parts).await;
            answer.unwrap_or_else(|refusal| refused_to(&parts.headers, refusal))
        }
        Method::OPTIONS => preflight(),
        _ => Refusal::method(METHODS),
    };
    if let Some(origin) = allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("content-range, date"));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// A page of another origin that sends `Authorization` asks first (Fetch §4.9, CORS-preflight).
fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, range, x-requested-with"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// A script says that it is one, and gets no challenge over which a browser would put a window of its own. What is not
/// there may be there in a moment.
fn refused_to(headers: &HeaderMap, refusal: Refusal) -> Response {
    let script = headers.contains_key(SCRIPT);
    let mut response = if script { refusal.into_response() } else { refusal.into_player_response() };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(hls: &Arc<Hls>, stream: &str, target: Target, parts: &Parts) -> Result<Response, Refusal> {
    let path =
        StreamPath::new(stream).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let path = alias::resolve(path, &hls.hub);
    let viewer = hls.viewers.of(parts, &path);
    if viewer.as_ref().is_some_and(|viewer| !viewer.requests()) {
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "more requests than a player needs"));
    }
    match target {
        Target::Multivariant => multivariant(hls, path, viewer, parts).await,
        Target::File(FileName { instance, rendition, file: File::Playlist }) => {
            let muxer = hls.muxer_of(&path, &instance).ok_or_else(gone)?;
            let viewer = match viewer {
                Some(viewer) => viewer,
                None => {
                    let caller = Caller::of(parts)?;
                    let permit = hls.authorize(&caller, &path).await?;
                    hls.enter(caller, &permit)?
                }
            };
            let directives = Directives::parse(parts.uri.query().unwrap_or_default());
            let directives =
                directives.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
            let query = format!("{NAME}={}", viewer.token);
            let ask = |muxer: &::hls::Muxer| muxer.playlist(rendition, &directives, &query);
            let text = waiting(hls, &viewer, &muxer, ask).await?;
            Ok(playlist(&viewer, &muxer, text))
        }
        Target::File(FileName { instance, rendition, file }) => {
            let viewer = viewer.ok_or_else(|| {
                Refusal::new(StatusCode::UNAUTHORIZED, "the session is over; a playlist begins another")
            })?;
            let muxer = hls.muxer_of(&path, &instance).ok_or_else(gone)?;
            let resource = waiting(hls, &viewer, &muxer, |muxer| muxer.resource(rendition, file)).await?;
            let (response, bytes) = file::answer(&resource, rendition, &parts.headers)?;
            count(&viewer.entry.bytes_out, bytes);
            count(&muxer.entry.bytes_out, bytes);
            Ok(response)
        }
    }
}

/// The playlist that everything begins with, and the cookie of the session.
async fn multivariant(
    hls: &Arc<Hls>,
    path: StreamPath,
    viewer: Option<Arc<Viewer>>,
    parts: &Parts,
) -> Result<Response, Refusal> {
    let variant = variant(parts.uri.query().unwrap_or_default(), hls.options.muxer.variant)?;
    let (muxer, viewer) = match viewer {
        Some(viewer) => match hls.muxer(&hls.hub.permit_own_read(path.clone()), variant).await {
            Ok(muxer) => (muxer, viewer),
            // It may be one that is sent for when somebody asks who may read.
            Err(HubError::NotFound) => begin(hls, &path, variant, parts).await?,
            Err(error) => return Err(hls.turned_away(error)),
        },
        None => begin(hls, &path, variant, parts).await?,
    };
    let query = format!("{NAME}={}", viewer.token);
    let text = waiting(hls, &viewer, &muxer, |muxer| muxer.multivariant(&query)).await?;
    let mut response = playlist(&viewer, &muxer, text);
    // The stream's name has no character that a cookie's path could not have.
    let (stream, _) = parts.uri.path().rsplit_once('/').unwrap_or_default();
    let cookie = format!("{NAME}={}; Path={stream}/; HttpOnly; SameSite=Lax", viewer.token);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The muxer of a stream, and the session of somebody whose credentials are right.
async fn begin(
    hls: &Arc<Hls>,
    path: &StreamPath,
    variant: Variant,
    parts: &Parts,
) -> Result<(Arc<Muxer>, Arc<Viewer>), Refusal> {
    let caller = Caller::of(parts)?;
    let permit = hls.authorize(&caller, path).await?;
    let muxer = hls.muxer(&permit, variant).await.map_err(|error| hls.turned_away(error))?;
    Ok((muxer, hls.enter(caller, &permit)?))
}

/// `?variant=` chooses what the configuration does not: a television beside the phones.
fn variant(query: &str, default: Variant) -> Result<Variant, Refusal> {
    let Some(word) = query.split('&').find_map(|pair| pair.strip_prefix("variant=")) else {
        return Ok(default);
    };
    match word {
        "lowLatency" => Ok(Variant::LowLatency),
        "fmp4" => Ok(Variant::Fmp4),
        "mpegts" => Ok(Variant::MpegTs),
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "accepted variants: lowLatency, fmp4, mpegts")),
    }
}

fn playlist(viewer: &Viewer, muxer: &Muxer, text: String) -> Response {
    count(&viewer.entry.bytes_out, text.len());
    count(&muxer.entry.bytes_out, text.len());
    let headers = [(header::CONTENT_TYPE, PLAYLIST), (header::CACHE_CONTROL, "no-cache")];
    (headers, text).into_response()
}

/// What `ask` finds, now or in a while. Only so many requests may wait.
async fn waiting<T>(
    hls: &Hls,
    viewer: &Viewer,
    muxer: &Muxer,
    ask: impl Fn(&::hls::Muxer) -> Result<T, Missing>,
) -> Result<T, Refusal> {
    let now = Instant::now();
    match muxer.when_there(now, &ask).await {
        Err(Missing::NotYet) => {}
        found => return found.map_err(refused),
    }
    let too_many = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "as many requests wait already as may");
    let _of_viewer = viewer.waiting.try_acquire().map_err(too_many)?;
    let _of_all = hls.waiting.try_acquire().map_err(too_many)?;
    let playing = |muxer: &mut ::hls::Muxer| muxer.is_ready().then(|| muxer.target_duration() * PATIENCE);
    let patience = muxer.change(playing).flatten().unwrap_or(FIRST);
    muxer.when_there(now + patience, ask).await.map_err(refused)
}

fn refused(missing: Missing) -> Refusal {
    let status = match missing {
        Missing::NotYet => StatusCode::SERVICE_UNAVAILABLE,
        Missing::TooFarAhead => StatusCode::BAD_REQUEST,
        _ => StatusCode::NOT_FOUND,
    };
    Refusal::new(status, missing.to_string())
}

fn gone() -> Refusal {
    refused(Missing::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_playlists_and_files_of_streams() {
        assert_eq!(Target::parse("/ward/3/index.m3u8"), Some(("ward/3", Target::Multivariant)));
        let (stream, target) = Target::parse("/a/k3v9_video_seg7.mp4").unwrap();
        assert_eq!((stream, target), ("a", Target::File(FileName::parse("k3v9_video_seg7.mp4").unwrap())));
        for other in
            ["/index.m3u8", "/a/", "/a", "/a/video.mp4", "index.m3u8", "/a/index.m3u8/", "/@page/x.js"]
        {
            assert_eq!(Target::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_variant_may_be_asked_for() {
        assert_eq!(variant("a=b&variant=mpegts", Variant::LowLatency).unwrap(), Variant::MpegTs);
        assert_eq!(variant("session=x", Variant::Fmp4).unwrap(), Variant::Fmp4);
        assert_eq!(variant("variant=ts", Variant::Fmp4).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
