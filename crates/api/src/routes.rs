//! `/v3/...`.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use gateway::sessions::{Session, SessionId, SessionKind};
use media::StreamPath;
use serde::Serialize;

use crate::context::Context;
use crate::error::ApiError;
use crate::page::{List, Page, PageQuery};
use crate::resources::{self, Member, Muxer, Paths, ProcessInfo};

type Answer<T> = Result<Json<T>, ApiError>;
type AskedPage = Result<Query<PageQuery>, QueryRejection>;

/// The collections of sessions and connections, as MediaMTX calls them; of those with `true` members can be kicked.
/// HTTP-FLV is ours.
const COLLECTIONS: &[(&str, SessionKind, bool)] = &[
    ("hlssessions", SessionKind::Hls, true),
    ("rtspconns", SessionKind::RtspConnection, false),
    ("rtspsessions", SessionKind::RtspSession, true),
    ("rtspsconns", SessionKind::RtspsConnection, false),
    ("rtspssessions", SessionKind::RtspsSession, true),
    ("rtmpconns", SessionKind::Rtmp, true),
    ("rtmpsconns", SessionKind::Rtmps, true),
    ("webrtcsessions", SessionKind::WebRtc, true),
    ("flvsessions", SessionKind::Flv, true),
];

/// All calls. Nobody is asked who calls: put authorization in front.
pub fn routes(context: Context) -> Router {
    let mut router = Router::new()
        .route("/v3/info", get(info))
        .route("/v3/paths/list", get(list_paths))
        .route("/v3/paths/get/{*name}", get(get_path))
        .route("/v3/hlsmuxers/list", get(list_muxers))
        .route("/v3/hlsmuxers/get/{*name}", get(get_muxer));
    for &(name, kind, kickable) in COLLECTIONS {
        router = router.nest(&format!("/v3/{name}"), collection(kind, kickable));
    }
    router
        .fallback(async || ApiError::Call)
        .method_not_allowed_fallback(async || ApiError::Method)
        .with_state(context)
}

async fn info(State(context): State<Context>) -> Json<ProcessInfo> {
    Json(ProcessInfo::of(context.info))
}

async fn list_paths(State(context): State<Context>, page: AskedPage) -> Answer<List<resources::Path>> {
    let paths = Paths::read(&context);
    Ok(Json(Page::of(page)?.list(paths.names(), |name| paths.show(&name))))
}

async fn get_path(State(context): State<Context>, Path(name): Path<String>) -> Answer<resources::Path> {
    let paths = Paths::read(&context);
    let name = StreamPath::new(&name).ok().filter(|name| paths.has(name));
    name.map(|name| Json(paths.show(&name))).ok_or(ApiError::NotFound("path"))
}

async fn list_muxers(State(context): State<Context>, page: AskedPage) -> Answer<List<Muxer>> {
    Ok(Json(Page::of(page)?.list(context.sessions.muxers(), |muxer| Muxer::of(&muxer))))
}

async fn get_muxer(State(context): State<Context>, Path(name): Path<String>) -> Answer<Muxer> {
    let muxers = context.sessions.muxers();
    let muxer = muxers.iter().find(|muxer| muxer.path.as_str() == name);
    muxer.map(|muxer| Json(Muxer::of(muxer))).ok_or(ApiError::NotFound("muxer"))
}

fn collection(kind: SessionKind, kickable: bool) -> Router<Context> {
    let list = async move |State(context): State<Context>, page: AskedPage| -> Answer<List<Member>> {
        Ok(Json(Page::of(page)?.list(members(&context, kind), |member| Member::of(&member))))
    };
    let member = async move |State(context): State<Context>, Path(id): Path<String>| -> Answer<Member> {
        Ok(Json(Member::of(&*find(&context, kind, &id)?)))
    };
    let kick = async move |State(context): State<Context>, Path(id): Path<String>| -> Answer<Done> {
        find(&context, kind, &id)?.kick();
        Ok(Json(Done { status: "ok" }))
    };
    let router = Router::new().route("/list", get(list)).route("/get/{id}", get(member));
    if kickable { router.route("/kick/{id}", post(kick)) } else { router }
}

/// The answer of a call that does something.
#[derive(Serialize)]
struct Done {
    status: &'static str,
}

fn members(context: &Context, kind: SessionKind) -> Vec<Arc<Session>> {
    let mut sessions = context.sessions.snapshot();
    sessions.retain(|session| session.kind == kind);
    sessions
}

fn find(context: &Context, kind: SessionKind, id: &str) -> Result<Arc<Session>, ApiError> {
    let id: SessionId = id.parse()?;
    let found = members(context, kind).into_iter().find(|session| session.id == id);
    found.ok_or(ApiError::NotFound(noun(kind)))
}

/// What MediaMTX calls a member in its errors.
const fn noun(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Rtmp
        | SessionKind::Rtmps
        | SessionKind::RtspConnection
        | SessionKind::RtspsConnection => "connection",
        SessionKind::WebRtc
        | SessionKind::RtspSession
        | SessionKind::RtspsSession
        | SessionKind::Hls
        | SessionKind::Flv => "session",
    }
}
