//! The web pages, embedded in the binary: Vite's output in `web/dist`.

use std::marker::PhantomData;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Router};
use media::StreamPath;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `npm run build` made. A debug build reads the files when they are asked for.
#[derive(RustEmbed, Debug)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// The pages load nothing from elsewhere and run nothing inline; another site cannot frame them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

/// Sent with every page and asset.
const HEADERS: [(&str, &str); 4] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("permissions-policy", "camera=(self), microphone=(self), display-capture=(self), geolocation=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

const NOT_BUILT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Medley</title>\
     <p>This build has no pages: <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, then build again \
     (<code>make run</code> does both). The server itself works.\n";

/// A year, the most that RFC 2616 §14.21 ever recommended: the name changes with the content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Asked for again each time, and answered with 304 when unchanged.
const REVALIDATED: &str = "no-cache";

/// Put into a listener's requests: the page that watches a path does so by HLS there, as MediaMTX's does on 8888.
#[derive(Clone, Copy, Debug)]
pub struct WatchByHls;

/// Serves the pages to whatever no other route takes.
pub fn routes() -> Router {
    routes_of::<Dist>()
}

fn routes_of<A: RustEmbed + 'static>() -> Router {
    let files = Files::<A>(PhantomData);
    type Hls = Option<Extension<WatchByHls>>;
    Router::new().fallback(move |hls: Hls, method: Method, uri: Uri, headers: HeaderMap| async move {
        let mut response = files.answer(&method, &uri, &headers, hls.is_some());
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    })
}

struct Files<A>(PhantomData<fn() -> A>);

impl<A> Clone for Files<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Files<A> {}

impl<A: RustEmbed> Files<A> {
    fn answer(self, method: &Method, uri: &Uri, headers: &HeaderMap, hls: bool) -> Response {
        let (path, query) = (uri.path(), uri.query());
        // Where one port is all there is, `/{path}/?hls` has the page too.
        let hls = hls || query.is_some_and(|query| query.split('&').any(|word| word == "hls"));
        if method != Method::GET && method != Method::HEAD {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
        }
        let Some((name, file)) = Self::find(path, hls) else {
            if is_stream_without_slash(path) {
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                return Redirect::temporary(&format!("{path}/{query}")).into_response();
            }
            let html =
                [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            return match path {
                "/" => (StatusCode::NOT_FOUND, html, NOT_BUILT).into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            };
        };
        let tag = entity_tag(&file);
        let caching = if is_hashed(&name) { IMMUTABLE } else { REVALIDATED };
        let validators = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, caching.to_owned())];
        if headers.get_all(header::IF_NONE_MATCH).iter().any(|seen| names(seen, &tag)) {
            return (StatusCode::NOT_MODIFIED, validators).into_response();
        }
        let kind = [(header::CONTENT_TYPE, content_type(&file))];
        // axum leaves the body out of answers to HEAD.
        (validators, kind, file.data).into_response()
    }

    /// The file for a URL path: `/` is `index.html`, `/x` is `x` or `x.html`. The pages of a stream, `/{path}/` and
    /// `/{path}/publish` as MediaMTX has them, are `index.html` too, which reads its address; who watches by `hls` gets
    /// `hls.html`.
    fn find(path: &str, hls: bool) -> Option<(String, EmbeddedFile)> {
        let path = path.strip_prefix('/')?;
        let plain = path
            .split('/')
            .all(|segment| !matches!(segment, "." | "..") && !segment.contains(['\\', '%', '\0']));
        if !plain {
            return None;
        }
        let of_stream = path.strip_suffix("/publish").or_else(|| path.strip_suffix('/'));
        let names = if path.is_empty() || of_stream.is_some_and(|stream| StreamPath::new(stream).is_ok()) {
            let watches = hls && !path.is_empty() && path.ends_with('/');
            vec![if watches { "hls.html" } else { "index.html" }.to_owned()]
        } else {
            vec![path.to_owned(), format!("{path}.html")]
        };
        names.into_iter().find_map(|name| A::get(&name).map(|file| (name, file)))
    }
}

/// Whether `path` is a stream's page but for its last slash. A name with a dot is a file that is not there.
fn is_stream_without_slash(path: &str) -> bool {
    let stream = path.strip_prefix('/').filter(|stream| !stream.contains('.'));
    stream.is_some_and(|stream| StreamPath::new(stream).is_ok())
}

/// A strong validator (RFC 9110 §8.8.3): the start of the content's SHA-256.
fn entity_tag(file: &EmbeddedFile) -> String {
    use std::fmt::Write as _;
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        write!(tag, "{byte:02x}").expect("a String takes all that is written");
    }
    tag.push('"');
    tag
}

/// Whether `If-None-Match` (RFC 9110 §13.1.2) names `tag`; compared weakly, as the header demands.
fn names(header: &HeaderValue, tag: &str) -> bool {
    let Ok(seen) = header.to_str() else { return false };
    seen.split(',').map(str::trim).any(|seen| seen == "*" || seen.strip_prefix("W/").unwrap_or(seen) == tag)
}

/// Whether Vite put the content's hash into the name: `index-CAv9V9rf.css`.
fn is_hashed(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let Some((stem, _)) = file.rsplit_once('.') else { return false };
    let Some((_, hash)) = stem.len().checked_sub(9).and_then(|at| stem.split_at_checked(at)) else {
        return false;
    };
    hash.starts_with('-') && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn content_type(file: &EmbeddedFile) -> String {
    let kind = file.metadata.mimetype();
    let is_text = kind.starts_with("text/")
        || matches!(kind, "application/javascript" | "application/json" | "image/svg+xml");
    if is_text { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[derive(RustEmbed)]
    #[folder = "tests/data/dist"]
    struct Sample;

    #[derive(RustEmbed)]
    #[folder = "tests/data/no-such-folder"]
    #[allow_missing = true]
    struct Nothing;

    async fn ask<A: RustEmbed + 'static>(request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let answer = routes_of::<A>().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(path: &str) -> (StatusCode, HeaderMap, String) {
        ask::<Sample>(Request::get(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn files_come_with_type_policy_and_caching() {
        for (path, kind, caching, content) in [
            ("/", "text/html; charset=utf-8", REVALIDATED, "<!doctype html>"),
            ("/index.html", "text/html; charset=utf-8", REVALIDATED, "<!doctype html>"),
            ("/ward/3/", "text/html; charset=utf-8", REVALIDATED, "<!doctype html>"),
            ("/ward/3/publish", "text/html; charset=utf-8", REVALIDATED, "<!doctype html>"),
            ("/ward/3/?a&hls", "text/html; charset=utf-8", REVALIDATED, "by HLS"),
            ("/ward/3/publish?hls", "text/html; charset=utf-8", REVALIDATED, "<!doctype html>"),
            ("/?hls", "text/html; charset=utf-8", REVALIDATED, "<!doctype html>"),
            ("/second", "text/html; charset=utf-8", REVALIDATED, "second page"),
            ("/@page/index-CAv9V9rf.js", "text/javascript; charset=utf-8", IMMUTABLE, "export"),
            ("/@page/icon.svg", "image/svg+xml; charset=utf-8", REVALIDATED, "<svg"),
        ] {
            let (status, headers, body) = get(path).await;
            assert_eq!(status, 200, "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], kind, "{path}");
            assert_eq!(headers[header::CACHE_CONTROL], caching, "{path}");
            assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert!(body.contains(content), "{path}: {body}");
        }
    }

    #[tokio::test]
    async fn nothing_outside_the_folder_is_found() {
        for path in [
            "/no.html",
            "/a..b//",
            "/%2e%2e/",
            "/../publish",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "/@page/../../secret",
            "/..\\x",
            "//etc/passwd",
            "/@page",
        ] {
            let (status, _, body) = get(path).await;
            assert_eq!((status.as_u16(), body.as_str()), (404, ""), "{path}");
        }
    }

    #[tokio::test]
    async fn a_stream_without_its_slash_is_sent_to_its_page() {
        let (status, headers, _) = get("/ward/3?user=x").await;
        assert_eq!((status.as_u16(), headers[header::LOCATION].to_str().unwrap()), (307, "/ward/3/?user=x"));
    }

    #[tokio::test]
    async fn a_listener_of_hls_has_the_page_that_watches_by_it() {
        let routes = routes_of::<Sample>().layer(Extension(WatchByHls));
        for (path, content) in [("/ward/3/", "by HLS"), ("/ward/3/publish", "<!doctype"), ("/", "<!doctype")]
        {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = routes.clone().oneshot(request).await.unwrap();
            let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            assert!(String::from_utf8_lossy(&body).contains(content), "{path}");
        }
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let (_, headers, _) = get("/").await;
        let tag = headers[header::ETAG].to_str().unwrap().to_owned();
        for seen in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let request = Request::get("/").header(header::IF_NONE_MATCH, seen).body(Body::empty()).unwrap();
            let (status, headers, body) = ask::<Sample>(request).await;
            assert_eq!((status.as_u16(), body.as_str()), (304, ""));
            assert_eq!(headers[header::ETAG], tag.as_str());
        }
        let request = Request::get("/").header(header::IF_NONE_MATCH, "\"x\"").body(Body::empty()).unwrap();
        assert_eq!(ask::<Sample>(request).await.0, 200);
    }

    #[tokio::test]
    async fn only_get_and_head_are_answered() {
        let (status, headers, body) = ask::<Sample>(Request::head("/").body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, ""));
        assert!(headers.contains_key(header::ETAG));
        let (status, headers, _) = ask::<Sample>(Request::post("/").body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), headers[header::ALLOW].to_str().unwrap()), (405, "GET, HEAD"));
    }

    #[tokio::test]
    async fn a_build_without_pages_says_how_to_make_them() {
        let (status, _, body) = ask::<Nothing>(Request::get("/").body(Body::empty()).unwrap()).await;
        assert_eq!(status, 404);
        assert!(body.contains("npm run build"), "{body}");
    }

    #[test]
    fn only_names_with_a_hash_are_immutable() {
        for (name, hashed) in [
            ("@page/index-CAv9V9rf.css", true),
            ("a-_x-Y0zzz.js", true),
            ("index.html", false),
            ("@page/icon.svg", false),
            ("short-abc.js", false),
            ("中文中文中文-.js", false),
            ("x", false),
        ] {
            assert_eq!(is_hashed(name), hashed, "{name}");
        }
    }
}
