//! The calls of the API as MediaMTX's clients make them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use gateway::sessions::{Route, SessionKind, Transport};
use hub::Action;
use media::{CodecConfig, Pii, opus};
use serde_json::{Value, json};
use support::{REMOTE, ask, context, enter, get, path};

/// Every collection of sessions and connections.
const COLLECTIONS: [(&str, SessionKind); 9] = [
    ("hlssessions", SessionKind::Hls),
    ("rtspconns", SessionKind::RtspConnection),
    ("rtspsessions", SessionKind::RtspSession),
    ("rtspsconns", SessionKind::RtspsConnection),
    ("rtspssessions", SessionKind::RtspsSession),
    ("rtmpconns", SessionKind::Rtmp),
    ("rtmpsconns", SessionKind::Rtmps),
    ("webrtcsessions", SessionKind::WebRtc),
    ("flvsessions", SessionKind::Flv),
];

fn error(text: &str) -> Value {
    json!({ "status": "error", "error": text })
}

#[tokio::test]
async fn info_tells_the_version_and_the_start() {
    let expected = json!({ "version": "1.2.3", "started": "2026-03-01T00:00:00.000Z" });
    assert_eq!(get(&context(), "/v3/info").await, expected);
}

#[tokio::test]
async fn a_path_is_listed_with_its_publisher_its_tracks_and_its_readers() {
    let context = context();
    let publisher = enter(&context, SessionKind::Rtmp, Action::Publish, "ward/3");
    let feed = context.hub.feed(&path("ward/3")).unwrap();
    feed.add_track(CodecConfig::Opus(opus::Head { channels: 2 }));
    feed.count_broken(4);
    let readers = [SessionKind::Hls, SessionKind::Flv, SessionKind::WebRtc];
    let readers = readers.map(|kind| enter(&context, kind, Action::Read, "ward/3"));
    let _elsewhere = enter(&context, SessionKind::Rtmp, Action::Read, "ward/4");
    let list = get(&context, "/v3/paths/list").await;
    assert_eq!((&list["itemCount"], &list["pageCount"]), (&json!(2), &json!(1)));
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["camera", "ward/3"], "a path with an entry of its own, and one that is fed");
    let shown = get(&context, "/v3/paths/get/ward/3").await;
    assert_eq!(list["items"][1], shown);
    let time = shown["readyTime"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z') && shown["onlineTime"].is_string(), "{time}");
    let party = |kind: &str, id: String| json!({ "type": kind, "id": id });
    let [hls, flv, webrtc] = readers.each_ref().map(|reader| reader.id.to_string());
    let expected = json!({
        "name": "ward/3",
        "confName": "~^ward/(.+)$",
        "ready": true, "readyTime": time, "available": true, "availableTime": time,
        "online": true, "onlineTime": shown["onlineTime"],
        "source": party("rtmpConn", publisher.id.to_string()),
        "tracks": ["Opus"],
        "tracks2": [{ "codec": "Opus", "codecProps": { "channelCount": 2 } }],
        "readers": [party("hlsSession", hls), party("flvSession", flv), party("webRTCSession", webrtc)],
        "inboundBytes": 0, "outboundBytes": 0, "inboundFramesInError": 4,
        "bytesReceived": 0, "bytesSent": 0,
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_path_that_is_taken_from_a_camera_has_its_source_before_it_has_a_stream() {
    let context = context();
    let shown = get(&context, "/v3/paths/get/camera").await;
    assert_eq!(shown["source"], json!({ "type": "rtspSource", "id": "" }));
    assert_eq!(
        (&shown["ready"], &shown["readyTime"], &shown["tracks"]),
        (&json!(false), &Value::Null, &json!([]))
    );
    assert_eq!(shown["confName"], "camera");
    let (status, body) = ask(&context, "GET", "/v3/paths/get/ward/3").await;
    assert_eq!((status, body), (StatusCode::NOT_FOUND, error("path not found")));
    let feed = context.hub.feed(&path("other")).unwrap();
    let shown = get(&context, "/v3/paths/get/other").await;
    assert_eq!(
        (&shown["confName"], &shown["source"], &shown["online"]),
        (&json!("all_others"), &Value::Null, &json!(false))
    );
    drop(feed);
}

#[tokio::test]
async fn each_member_is_in_its_collection_alone() {
    let context = context();
    let entries = COLLECTIONS.map(|(_, kind)| enter(&context, kind, Action::Read, "ward/3"));
    for ((name, _), entry) in COLLECTIONS.iter().zip(&entries) {
        let list = get(&context, &format!("/v3/{name}/list")).await;
        assert_eq!(
            (&list["itemCount"], &list["items"][0]["id"]),
            (&json!(1), &json!(entry.id.to_string())),
            "{name}"
        );
        assert_eq!(get(&context, &format!("/v3/{name}/get/{}", entry.id)).await, list["items"][0]);
        assert_eq!(list["items"][0]["remoteAddr"], REMOTE);
        let elsewhere = if *name == "rtmpconns" { "rtmpsconns" } else { "rtmpconns" };
        let (status, body) = ask(&context, "GET", &format!("/v3/{elsewhere}/get/{}", entry.id)).await;
        assert_eq!((status, body), (StatusCode::NOT_FOUND, error("connection not found")), "{name}");
    }
}

#[tokio::test]
async fn an_rtmp_connection_is_shown_under_old_and_new_names() {
    let context = context();
    let entry = enter(&context, SessionKind::Rtmp, Action::Publish, "ward/3");
    entry.bytes_in.store(7, Ordering::Relaxed);
    entry.bytes_out.store(8, Ordering::Relaxed);
    entry.frames_dropped.store(9, Ordering::Relaxed);
    let shown = get(&context, &format!("/v3/rtmpconns/get/{}", entry.id)).await;
    let expected = json!({
        "id": entry.id.to_string(), "created": shown["created"], "remoteAddr": REMOTE, "state": "publish",
        "path": "ward/3", "query": "room=3", "user": "lihua", "userAgent": "Phone of lihua",
        "inboundBytes": 7, "outboundBytes": 8, "outboundFramesDiscarded": 9, "bytesReceived": 7, "bytesSent": 8,
    });
    assert_eq!(shown, expected);
    entry.idle();
    let idle = get(&context, &format!("/v3/rtmpconns/get/{}", entry.id)).await;
    assert_eq!((&idle["state"], &idle["path"], &idle["user"]), (&json!("idle"), &json!(""), &json!("")));
}

#[tokio::test]
async fn an_rtsp_session_and_its_connection_name_each_other() {
    let context = context();
    let session = enter(&context, SessionKind::RtspSession, Action::Read, "ward/3");
    let connection = enter(&context, SessionKind::RtspConnection, Action::Read, "ward/3");
    session.update(|details| {
        details.counterpart = Some(connection.id);
        details.transport = Some(Transport::Tcp);
    });
    connection.update(|details| details.counterpart = Some(session.id));
    session.rtp.packets_out.store(5, Ordering::Relaxed);
    session.rtp.packets_reported_lost.store(1, Ordering::Relaxed);
    let shown = get(&context, &format!("/v3/rtspsessions/get/{}", session.id)).await;
    assert_eq!(shown["conns"], json!([connection.id.to_string()]));
    assert_eq!((&shown["transport"], &shown["profile"]), (&json!("TCP"), &json!("AVP")));
    for (name, value) in
        [("outboundRTPPackets", 5), ("rtpPacketsSent", 5), ("outboundRTPPacketsReportedLost", 1)]
    {
        assert_eq!(shown[name], value, "{name}");
    }
    let shown = get(&context, &format!("/v3/rtspconns/get/{}", connection.id)).await;
    assert_eq!((&shown["session"], &shown["tunnel"]), (&json!(session.id.to_string()), &json!("none")));
}

/// The fields that MediaMTX has for each kind, beyond those of all.
fn fields(kind: SessionKind) -> Vec<&'static str> {
    const DOING: [&str; 3] = ["path", "query", "user"];
    const BYTES: [&str; 4] = ["inboundBytes", "outboundBytes", "bytesReceived", "bytesSent"];
    const RTP: [&str; 12] = [
        "inboundRTPPackets",
        "inboundRTPPacketsLost",
        "inboundRTPPacketsJitter",
        "inboundRTCPPackets",
        "outboundRTPPackets",
        "outboundRTCPPackets",
        "rtpPacketsReceived",
        "rtpPacketsSent",
        "rtpPacketsLost",
        "rtpPacketsJitter",
        "rtcpPacketsReceived",
        "rtcpPacketsSent",
    ];
    match kind {
        SessionKind::Rtmp | SessionKind::Rtmps | SessionKind::Flv => {
            [&DOING[..], &BYTES, &["state", "userAgent", "outboundFramesDiscarded"]].concat()
        }
        SessionKind::WebRtc => {
            let own = ["peerConnectionEstablished", "localCandidate", "remoteCandidate"];
            [&DOING[..], &BYTES, &RTP, &own, &["state", "userAgent", "outboundFramesDiscarded"]].concat()
        }
        SessionKind::RtspConnection | SessionKind::RtspsConnection => {
            [&BYTES[..], &["session", "tunnel"]].concat()
        }
        SessionKind::RtspSession | SessionKind::RtspsSession => {
            let own = [
                "transport",
                "profile",
                "conns",
                "state",
                "inboundRTPPacketsInError",
                "inboundRTCPPacketsInError",
                "outboundRTPPacketsReportedLost",
                "outboundRTPPacketsDiscarded",
                "rtpPacketsInError",
                "rtcpPacketsInError",
            ];
            [&DOING[..], &BYTES, &RTP, &own].concat()
        }
        SessionKind::Hls => [&DOING[..], &["userAgent", "isCDN", "outboundBytes"]].concat(),
    }
}

#[tokio::test]
async fn each_kind_has_the_fields_that_mediamtx_has_for_it() {
    let context = context();
    let _entries = COLLECTIONS.map(|(_, kind)| enter(&context, kind, Action::Read, "ward/3"));
    for (name, kind) in COLLECTIONS {
        let list = get(&context, &format!("/v3/{name}/list")).await;
        let shown: BTreeSet<_> = list["items"][0].as_object().unwrap().keys().map(String::as_str).collect();
        let expected: BTreeSet<_> = fields(kind).into_iter().chain(["id", "created", "remoteAddr"]).collect();
        assert_eq!(shown, expected, "{name}");
    }
}

#[tokio::test]
async fn a_webrtc_session_tells_between_which_addresses_media_flows() {
    let context = context();
    let entry = enter(&context, SessionKind::WebRtc, Action::Publish, "ward/3");
    let uri = format!("/v3/webrtcsessions/get/{}", entry.id);
    let shown = get(&context, &uri).await;
    assert_eq!((&shown["peerConnectionEstablished"], &shown["localCandidate"]), (&json!(false), &json!("")));
    entry.update(|details| {
        details.connected = true;
        let [local, remote] = ["192.0.2.1:8189", "[2001:db8::7]:40000"];
        details.route = Some(Route {
            udp: true,
            local: Pii(local.parse().unwrap()),
            remote: Pii(remote.parse().unwrap()),
        });
    });
    let shown = get(&context, &uri).await;
    assert_eq!(shown["peerConnectionEstablished"], true);
    assert_eq!(shown["localCandidate"], "host/udp/192.0.2.1/8189");
    assert_eq!(shown["remoteCandidate"], "unknown/udp/2001:db8::7/40000");
}

#[tokio::test]
async fn muxers_are_shown_by_their_paths() {
    let context = context();
    let muxer = context.sessions.enter_muxer(path("ward/3"));
    muxer.bytes_out.store(11, Ordering::Relaxed);
    let shown = get(&context, "/v3/hlsmuxers/get/ward/3").await;
    let expected = json!({
        "path": "ward/3", "created": shown["created"], "lastRequest": shown["lastRequest"],
        "outboundBytes": 11, "outboundFramesDiscarded": 0, "bytesSent": 11,
    });
    assert_eq!(shown, expected);
    assert_eq!(get(&context, "/v3/hlsmuxers/list").await["items"], json!([shown]));
    let (status, body) = ask(&context, "GET", "/v3/hlsmuxers/get/ward").await;
    assert_eq!((status, body), (StatusCode::NOT_FOUND, error("muxer not found")));
}

#[tokio::test]
async fn a_kick_reaches_the_session_that_is_named_and_no_other() {
    let context = context();
    let kickable = COLLECTIONS.into_iter().filter(|(name, _)| !matches!(*name, "rtspconns" | "rtspsconns"));
    for (name, kind) in kickable {
        let (kicked, other) =
            (enter(&context, kind, Action::Read, "ward/3"), enter(&context, kind, Action::Read, "ward/3"));
        let (status, body) = ask(&context, "POST", &format!("/v3/{name}/kick/{}", kicked.id)).await;
        assert_eq!((status, body), (StatusCode::OK, json!({ "status": "ok" })), "{name}");
        let soon = Duration::from_millis(10);
        tokio::time::timeout(soon, kicked.kicked()).await.unwrap();
        tokio::time::timeout(soon, other.kicked()).await.unwrap_err();
        let id = kicked.id;
        drop(kicked);
        let (status, _) = ask(&context, "POST", &format!("/v3/{name}/kick/{id}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}: it is gone");
    }
}

#[tokio::test]
async fn what_is_no_call_is_refused_in_mediamtxs_form() {
    let context = context();
    let _entry = enter(&context, SessionKind::Rtmp, Action::Read, "ward/3");
    let id = context.sessions.snapshot()[0].id;
    for (method, uri, status, text) in [
        ("GET", "/".to_owned(), 404, "no such call"),
        ("GET", "/v3/config/global/get".to_owned(), 404, "no such call"),
        ("PATCH", "/v3/config/paths/patch/ward".to_owned(), 404, "no such call"),
        ("GET", "/v3/recordings/list".to_owned(), 404, "no such call"),
        ("POST", format!("/v3/rtspconns/kick/{id}"), 404, "no such call"),
        ("GET", format!("/v3/rtmpconns/kick/{id}"), 405, "no such method of this call"),
        ("GET", "/v3/rtmpconns/get/ward".to_owned(), 400, "an id has the form"),
        (
            "GET",
            "/v3/rtmpconns/get/00000000-0000-4000-8000-000000000000".to_owned(),
            404,
            "connection not found",
        ),
        (
            "GET",
            "/v3/webrtcsessions/get/00000000-0000-4000-8000-000000000000".to_owned(),
            404,
            "session not found",
        ),
        ("GET", "/v3/paths/get/a%20b".to_owned(), 404, "path not found"),
        ("GET", "/v3/paths/list?itemsPerPage=0".to_owned(), 400, "itemsPerPage: accepted: 1 to 2147483647"),
        ("GET", "/v3/rtmpconns/list?page=x".to_owned(), 400, "page: accepted: 0 to 2147483647"),
    ] {
        let (answered, body) = ask(&context, method, &uri).await;
        assert_eq!((answered.as_u16(), &body["status"]), (status, &json!("error")), "{method} {uri}");
        assert!(body["error"].as_str().unwrap().starts_with(text), "{method} {uri}: {body}");
    }
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let context = context();
    let entries: Vec<_> = (0..5).map(|_| enter(&context, SessionKind::Flv, Action::Read, "ward/3")).collect();
    let ids = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let page = get(&context, "/v3/flvsessions/list?itemsPerPage=2&page=1").await;
    assert_eq!((&page["itemCount"], &page["pageCount"]), (&json!(5), &json!(3)));
    assert_eq!(ids(&page), [entries[2].id.to_string(), entries[3].id.to_string()]);
    let behind = get(&context, "/v3/flvsessions/list?itemsPerPage=2&page=3").await;
    assert_eq!(ids(&behind), Vec::<String>::new());
}
