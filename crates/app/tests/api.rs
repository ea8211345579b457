//! The control API and MediaMTX's metrics on the real binary: who is listed, who is kicked, who may ask.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::rtmp::Client;
use media::{CodecConfig, Rate, aac};
use serde_json::{Value, json};
use support::feed::Feed;
use support::{ANY_PORT, EVERYBODY_HERE, Running, ffmpeg, file};

/// A server with both listeners.
fn start(name: &str, users: &str) -> Running {
    let sockets = "[listen]\napi = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n";
    let text = format!("{}{users}", ANY_PORT.replace("[listen]\n", sockets));
    Running::start_from(name, &text, &["http", "rtmp", "rtsp", "hls", "api", "metrics"])
}

fn open(name: &str) -> Running {
    start(name, &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="))
}

/// Status and body of an answer of the API.
fn call(server: &Running, request: &str, headers: &str) -> (u16, Value) {
    let answer = server.ask("api", request, headers);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn get(server: &Running, path: &str) -> Value {
    let (status, body) = call(server, &format!("GET {path}"), "");
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Asks until the answer is as it should be.
#[track_caller]
fn comes_to(server: &Running, path: &str, mut as_it_should_be: impl FnMut(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, body) = call(server, &format!("GET {path}"), "");
        if as_it_should_be(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{path}: {body}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The types of a path's readers, in order.
fn readers(path: &Value) -> Vec<&str> {
    let mut kinds: Vec<_> =
        path["readers"].as_array().unwrap().iter().map(|reader| reader["type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}

/// Kicks the only member of a collection and waits until it is gone from there.
fn kick(server: &Running, collection: &str, id: &Value) {
    let id = id.as_str().unwrap();
    let answer = call(server, &format!("POST /v3/{collection}/kick/{id}"), "content-length: 0\r\n");
    assert_eq!(answer, (200, json!({ "status": "ok" })), "{collection}");
    comes_to(server, &format!("/v3/{collection}/get/{id}"), |answer| answer["status"] == "error");
}

fn aac() -> CodecConfig {
    CodecConfig::Aac(aac::AudioConfig::lc(Rate::new(48_000).unwrap(), 2).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_listed_with_its_tracks_and_bytes_that_grow() {
    let server = open("api-paths.toml");
    assert_eq!(get(&server, "/v3/paths/list"), json!({ "itemCount": 0, "pageCount": 0, "items": [] }));
    let _ward = Feed::with_sound(&server, "ward/3?room=3&pass=hunter2", aac()).await;
    let _other = Feed::start(&server, "other").await;
    let complete = |path: &Value| path["tracks"].as_array().is_some_and(|tracks| tracks.len() == 2);
    let ward = comes_to(&server, "/v3/paths/get/ward/3", complete);
    assert_eq!(ward["tracks"], json!(["H264", "MPEG-4 Audio"]));
    let picture = json!({ "width": 640, "height": 480, "profile": "Baseline", "level": "3.1" });
    let sound = json!({ "sampleRate": 48_000, "channelCount": 2 });
    let expected = json!([
        { "codec": "H264", "codecProps": picture }, { "codec": "MPEG-4 Audio", "codecProps": sound }
    ]);
    assert_eq!(ward["tracks2"], expected);
    assert_eq!(
        (&ward["confName"], &ward["ready"], &ward["online"]),
        (&json!("all_others"), &json!(true), &json!(true))
    );
    comes_to(&server, "/v3/paths/get/other", |path| path["tracks"] == json!(["H264"]));
    let bytes = |path: &Value| path["bytesReceived"].as_u64().unwrap();
    comes_to(&server, "/v3/paths/get/ward/3", |later| bytes(later) > bytes(&ward));
    let list = get(&server, "/v3/paths/list?itemsPerPage=1&page=1");
    assert_eq!(
        (&list["itemCount"], &list["pageCount"], &list["items"][0]["name"]),
        (&json!(2), &json!(2), &json!("ward/3"))
    );
    let connections = get(&server, "/v3/rtmpconns/list");
    let publisher = &connections["items"][0];
    assert_eq!(ward["source"], json!({ "type": "rtmpConn", "id": publisher["id"] }));
    assert_eq!((&publisher["state"], &publisher["query"]), (&json!("publish"), &json!("room=3")));
    assert!(publisher["remoteAddr"].as_str().unwrap().starts_with("127.0.0.1:"), "{publisher}");
    assert!(publisher["inboundBytes"].as_u64().unwrap() > 0, "{publisher}");
}

#[test]
fn sound_of_each_codec_is_listed_and_an_rtsp_session_with_its_connection() {
    let server = open("api-codecs.toml");
    let [rtsp, rtmp] = ["rtsp", "rtmp"].map(|name| server.address(name).unwrap());
    let opus = ["-c:a", "libopus", "-f", "rtsp", "-rtsp_transport", "tcp"];
    let _opus = ffmpeg::publish_as(60, &[&opus[..], &[&format!("rtsp://{rtsp}/opus")]].concat());
    let g711 = ["-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1", "-f", "flv"];
    let _g711 = ffmpeg::publish_as(60, &[&g711[..], &[&format!("rtmp://{rtmp}/g711")]].concat());
    let sound = |path: &str, codec: &str| {
        let tracks = json!(["H264", codec]);
        comes_to(&server, &format!("/v3/paths/get/{path}"), |path| path["tracks"] == tracks)
    };
    let telephone = json!({ "muLaw": false, "sampleRate": 8_000, "channelCount": 1 });
    assert_eq!(sound("g711", "G711")["tracks2"][1]["codecProps"], telephone);
    let source = sound("opus", "Opus")["source"].clone();
    assert_eq!(source["type"], "rtspSession");
    let session = get(&server, &format!("/v3/rtspsessions/get/{}", source["id"].as_str().unwrap()));
    assert_eq!((&session["state"], &session["transport"]), (&json!("publish"), &json!("TCP")));
    let connection = session["conns"][0].as_str().unwrap();
    assert_eq!(get(&server, &format!("/v3/rtspconns/get/{connection}"))["session"], source["id"]);
    comes_to(&server, "/v3/rtspsessions/list", |list| {
        list["items"][0]["inboundRTPPackets"].as_u64() > Some(0)
    });
    kick(&server, "rtspsessions", &source["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kicked_is_sent_away_and_listed_no_more() {
    let server = open("api-kick.toml");
    let feed = Feed::with_sound(&server, "ward", aac()).await;
    let mut rtmp = Client::play(server.address("rtmp").unwrap(), "ward").await.unwrap();
    let mut flv = server.connect("http");
    write!(flv, "GET /ward.flv HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let watched = || server.ask("hls", "GET /ward/index.m3u8", "").starts_with("HTTP/1.1 200");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !watched() {
        assert!(Instant::now() < deadline, "HLS gives nothing");
        std::thread::sleep(Duration::from_millis(100));
    }
    let all = ["flvSession", "hlsSession", "rtmpConn"];
    let path = comes_to(&server, "/v3/paths/get/ward", |path| readers(path) == all);
    let muxer = get(&server, "/v3/hlsmuxers/get/ward");
    assert!(muxer["outboundBytes"].as_u64().unwrap() > 0, "{muxer}");
    let id = |kind: &str| {
        let reader = path["readers"].as_array().unwrap().iter().find(|reader| reader["type"] == kind);
        reader.unwrap()["id"].clone()
    };
    kick(&server, "rtmpconns", &id("rtmpConn"));
    while rtmp.next().await.is_ok() {}
    kick(&server, "flvsessions", &id("flvSession"));
    flv.read_to_end(&mut Vec::new()).unwrap();
    kick(&server, "hlssessions", &id("hlsSession"));
    assert_eq!(readers(&get(&server, "/v3/paths/get/ward")), [""; 0]);
    kick(&server, "rtmpconns", &path["source"]["id"]);
    feed.ended().await;
    server.logged("stopped");
}

#[test]
fn what_is_not_there_is_answered_in_mediamtxs_form() {
    let server = open("api-unknown.toml");
    let error = |request: &str| {
        let (status, body) = call(&server, request, "");
        assert_eq!(body["status"], "error", "{request}: {body}");
        (status, body["error"].as_str().unwrap().to_owned())
    };
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(error("GET /v3/paths/get/ward/3"), (404, "path not found".to_owned()));
    assert_eq!(error(&format!("GET /v3/rtmpconns/get/{unknown}")), (404, "connection not found".to_owned()));
    assert_eq!(
        error(&format!("POST /v3/webrtcsessions/kick/{unknown}")),
        (404, "session not found".to_owned())
    );
    assert_eq!(error("GET /v3/rtmpconns/get/1").0, 400);
    assert_eq!(error("GET /v3/paths/list?itemsPerPage=0").0, 400);
    assert_eq!(error("GET /v3/config/global/get"), (404, "no such call".to_owned()));
    assert_eq!(error("GET /ward.flv"), (404, "no such call".to_owned()), "no media there");
    let info = get(&server, "/v3/info");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert!(!server.get("/v3/info").contains("\"started\""), "not where patients are let in");
}

#[test]
fn credentials_are_asked_for_also_from_this_machine() {
    let secret = file("api-secret", "open sesame\n");
    let user = |name: &str, rights: &str| {
        format!("[[auth.user]]\nname = \"{name}\"\npassword_file = {secret:?}\n{rights}\n")
    };
    let users = [user("monitor", "api = true"), user("ward", "publish = [\"*\"]\nread = [\"*\"]")].concat();
    let server = start("api-users.toml", &users);
    let basic = |name: &str| format!("authorization: Basic {}\r\n", STANDARD.encode(name));
    for (listener, path) in
        [("api", "/v3/paths/list"), ("api", "/nothing"), ("metrics", "/metrics"), ("metrics", "/")]
    {
        let request = format!("GET {path}");
        let asked = server.ask(listener, &request, "");
        assert!(asked.starts_with("HTTP/1.1 401 "), "{asked}");
        assert!(asked.to_lowercase().contains("www-authenticate: basic realm=\"medley\""), "{asked}");
        assert!(asked.ends_with("{\"status\":\"error\",\"error\":\"credentials are needed\"}"), "{asked}");
        let right =
            [basic("monitor:open sesame"), "authorization: Bearer monitor:open sesame\r\n".to_owned()];
        for headers in right {
            let answer = server.ask(listener, &request, &headers);
            let expected =
                if path.len() > 8 || path == "/metrics" { "HTTP/1.1 200 " } else { "HTTP/1.1 404 " };
            assert!(answer.starts_with(expected), "{path}: {answer}");
        }
    }
    for wrong in ["monitor:guess", "ward:open sesame", "nobody:open sesame"] {
        let (status, body) = call(&server, "GET /v3/paths/list", &basic(wrong));
        assert_eq!((status, &body["error"]), (401, &json!("the credentials do not permit this")), "{wrong}");
    }
    let closed = start("api-closed.toml", "");
    let (status, body) = call(&closed, "GET /v3/paths/list", &basic("monitor:open sesame"));
    assert_eq!((status, &body["error"]), (403, &json!("this is not permitted")), "no entry, no access");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_mediamtxs_names_beside_our_own_on_a_port_of_their_own() {
    let secret = file("api-metrics-secret", "hunter2\n");
    let users = format!(
        "{EVERYBODY_HERE}[[auth.user]]\nname = \"lihua\"\npassword_file = {secret:?}\npublish = [\"*\"]\n"
    );
    let server = start("api-metrics.toml", &users);
    let scrape = |query: &str| server.ask("metrics", &format!("GET /metrics{query}"), "");
    let empty = scrape("");
    for line in
        ["paths 0", "rtmp_conns_bytes_received 0", "webrtc_sessions_rtp_packets_lost 0", "medley_streams 0.0"]
    {
        assert!(empty.lines().any(|found| found == line), "{line} is not in {empty}");
    }
    assert!(
        empty.contains("content-type: application/openmetrics-text") && empty.ends_with("# EOF\n"),
        "{empty}"
    );
    let _feed = Feed::with_sound(&server, "ward/3?user=lihua&pass=hunter2", aac()).await;
    comes_to(&server, "/v3/paths/get/ward/3", |path| path["bytesReceived"].as_u64() > Some(0));
    let id = get(&server, "/v3/rtmpconns/list")["items"][0]["id"].as_str().unwrap().to_owned();
    let page = scrape("");
    let value = |name: &str| -> u64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().unwrap()
    };
    let path = "{name=\"ward/3\",state=\"ready\"}";
    assert_eq!(value(&format!("paths{path}")), 1);
    assert!(value(&format!("paths_inbound_bytes{path}")) > 0);
    assert_eq!(value(&format!("paths_inbound_bytes{path}")), value(&format!("paths_bytes_received{path}")));
    let labels = format!("{{id=\"{id}\",path=\"ward/3\",state=\"publish\"}}");
    assert!(value(&format!("rtmp_conns_bytes_received{labels}")) > 0);
    assert!(page.contains("\nmedley_streams_published 1.0\n"), "{page}");
    for secret in ["127.0.0.1", "lihua", "hunter2"] {
        assert!(!page.contains(secret), "{secret} is in {page}");
    }
    let filtered = scrape("?type=rtmp_conns");
    assert!(
        filtered.contains(&labels) && !filtered.contains("medley_") && !filtered.contains("paths"),
        "{filtered}"
    );
    assert!(!scrape("?rtmp_conn=nobody").contains("rtmp_conns{"));
    let ours = server.get("/metrics");
    assert!(
        ours.contains("medley_streams_published 1") && !ours.contains("ward"),
        "no paths where more can ask"
    );
    server.logged("stopped");
}
