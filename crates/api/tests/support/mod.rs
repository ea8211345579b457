//! Streams and sessions without sockets, and who asks for them.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use api::{ConfiguredPath, ConfiguredPaths, Context, Info};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use gateway::Sessions;
use gateway::sessions::{Activity, SessionEntry, SessionKind};
use hub::{
    AccessRequest, Action, Authorizer, Denied, Hub, Transform, TransformError, TransformFactory, UserName,
};
use media::{Codec, Pii, StreamPath, TrackId, TrackInfo};
use serde_json::Value;
use tower::ServiceExt;

#[derive(Debug)]
struct NoTransforms;

impl TransformFactory for NoTransforms {
    fn supports(&self, _: Codec, _: Codec) -> bool {
        false
    }

    fn create(&self, _: &TrackInfo, _: Codec, _: TrackId) -> Result<Box<dyn Transform>, TransformError> {
        unreachable!("nothing is supported")
    }
}

#[derive(Debug)]
struct Nobody;

impl Authorizer for Nobody {
    fn authorize<'a>(
        &'a self,
        _: &'a AccessRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<UserName>, Denied>> + Send + 'a>> {
        Box::pin(async { Err(Denied::NotPermitted) })
    }
}

/// `camera` is taken from a camera, and what begins with `ward/` has an entry together.
#[derive(Debug)]
struct Clinic;

impl ConfiguredPaths for Clinic {
    fn find(&self, path: &StreamPath) -> Option<ConfiguredPath> {
        match path.as_str() {
            "camera" => Some(ConfiguredPath { entry: "camera".to_owned(), source: Some("rtspSource") }),
            path if path.starts_with("ward/") => {
                Some(ConfiguredPath { entry: "~^ward/(.+)$".to_owned(), source: None })
            }
            _ => None,
        }
    }

    fn own(&self) -> Vec<StreamPath> {
        vec![path("camera")]
    }
}

pub(crate) fn path(name: &str) -> StreamPath {
    StreamPath::new(name).unwrap()
}

pub(crate) fn context() -> Context {
    let hub = Hub::new(hub::Options::default(), Arc::new(NoTransforms), Arc::new(Nobody));
    let started = UNIX_EPOCH + Duration::from_secs(1_772_323_200);
    let info = Info { version: "1.2.3", started };
    Context { hub, sessions: Sessions::default(), paths: Arc::new(Clinic), info }
}

/// Where everybody comes from, and as whom.
pub(crate) const REMOTE: &str = "203.0.113.9:50000";
pub(crate) const USER: &str = "lihua";

/// A session that does something, until it is dropped.
pub(crate) fn enter(context: &Context, kind: SessionKind, action: Action, name: &str) -> SessionEntry {
    let entry = context.sessions.enter(kind, Pii(REMOTE.parse::<SocketAddr>().unwrap()));
    let user = Some(Pii(USER.to_owned()));
    entry.begin(Activity { action, path: path(name), query: Pii("room=3".to_owned()), user });
    entry.update(|details| details.user_agent = Some(Pii("Phone of lihua".to_owned())));
    entry
}

/// Status and body of an answer.
pub(crate) async fn ask(context: &Context, method: &str, uri: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
    let answer = api::routes(context.clone()).oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{uri}: {status}: {body:?}")))
}

/// The body of an answer that is one.
pub(crate) async fn get(context: &Context, uri: &str) -> Value {
    let (status, body) = ask(context, "GET", uri).await;
    assert_eq!(status, StatusCode::OK, "{uri}: {body}");
    body
}
