//! HLS on the real binary, fed by ffmpeg.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::rtmp::Client;
use media::aac::AudioConfig;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackInfo};
use support::{EVERYBODY_HERE, Running, ffmpeg};
use testkit::pictures::Pictures;

/// Who reads the ward's streams shows a password.
fn with_user() -> String {
    let password = support::file("hls-user.secret", "secret\n");
    format!(
        "[[auth.user]]\nname = \"any\"\npublish = [\"*\"]\napi = true\n[[auth.user]]\nname = \"ward\"\n\
         password_file = {password:?}\nread = [\"ward/*\"]\n"
    )
}

fn everybody() -> String {
    EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread =")
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends a request with its header lines and reads all of the answer.
fn ask(server: SocketAddr, request: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head[9..12].parse().unwrap();
    let mut body = bytes.split_off(end + 4);
    if head.contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status, head, body }
}

/// RFC 9112 §7.1.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 4 + length..];
    }
}

/// A server, and who watches a stream of it.
struct Player {
    server: SocketAddr,
    path: &'static str,
    /// The video's playlist with its query.
    video: String,
    audio: Option<String>,
    multivariant: String,
}

impl Player {
    /// Waits until the stream is there.
    fn open(server: &Running, path: &'static str, query: &str) -> Self {
        let address = server.address("hls").unwrap();
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let answer = ask(address, &format!("GET /{path}/index.m3u8{query}"), "");
            if answer.status == 200 {
                return Self::of(address, path, answer.text());
            }
            assert!(matches!(answer.status, 404 | 503) && Instant::now() < deadline, "{}", answer.head);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn of(server: SocketAddr, path: &'static str, multivariant: &str) -> Self {
        let video = multivariant.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
        let audio = multivariant.lines().find(|line| line.starts_with("#EXT-X-MEDIA:"));
        let audio = audio.map(|line| attribute(line, "URI").to_owned());
        Self { server, path, video, audio, multivariant: multivariant.to_owned() }
    }

    fn get(&self, uri: &str) -> Answer {
        ask(self.server, &format!("GET /{}/{uri}", self.path), "")
    }

    fn playlist(&self, directives: &str) -> String {
        let answer = self.get(&format!("{}{directives}", self.video));
        assert_eq!(answer.status, 200, "{} {}", answer.head, answer.text());
        answer.text().to_owned()
    }
}

fn attribute<'t>(line: &'t str, name: &str) -> &'t str {
    let (_, rest) = line.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split(',').next().unwrap().trim_matches('"')
}

fn tag<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// The newest part of a playlist: its segment and its index.
fn newest(text: &str) -> (u64, u64) {
    let hint = attribute(tag(text, "#EXT-X-PRELOAD-HINT").unwrap(), "URI");
    let (_, rest) = hint.split_once("_part").unwrap();
    let (segment, rest) = rest.split_once('.').unwrap();
    (segment.parse().unwrap(), rest.split_once('.').unwrap().0.parse().unwrap())
}

#[test]
fn a_player_by_the_draft_stays_near_live_and_gets_parts_as_they_come() {
    let server = Running::start("hls.toml", &everybody());
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "ward/3", 60);
    let player = Player::open(&server, "ward/3", "");
    assert!(player.multivariant.contains("RESOLUTION=640x480,FRAME-RATE="), "{}", player.multivariant);
    assert!(player.multivariant.contains(",mp4a.40.2\""), "{}", player.multivariant);
    let text = player.playlist("");
    let stated = |text: &str| {
        ["#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF"]
            .map(|name| tag(text, name).unwrap().to_owned())
    };
    let before = stated(&text);
    let (mut segment, mut part) = newest(&text);
    let begun = Instant::now();
    for _ in 0..20 {
        let text = player.playlist(&format!("&_HLS_msn={segment}&_HLS_part={part}"));
        assert_eq!(stated(&text), before);
        let next = newest(&text);
        assert!(next > (segment, part), "{next:?} after {segment}.{part}");
        (segment, part) = next;
    }
    assert!(begun.elapsed() > Duration::from_secs(3), "20 parts came in {:?}", begun.elapsed());
    // The hinted part is held back until it is there.
    let text = player.playlist("");
    let hint = attribute(tag(&text, "#EXT-X-PRELOAD-HINT").unwrap(), "URI").to_owned();
    let answer = player.get(&hint);
    // It never comes when a random access point ends its segment.
    assert!(matches!(answer.status, 200 | 404), "{}", answer.head);
}

#[test]
fn a_delta_update_is_shorter_and_reports_tell_where_the_sound_is() {
    let server = Running::start("hls-delta.toml", &format!("{}[hls]\nsegments = 12\n", everybody()));
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    // Once it is known that GOPs have 2 s, so is the target duration, and the skip boundary is at 12 s.
    std::thread::sleep(Duration::from_secs(6));
    let player = Player::open(&server, "a", "");
    let deadline = Instant::now() + Duration::from_secs(40);
    let delta = loop {
        let delta = player.playlist("&_HLS_skip=YES");
        if delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=") {
            break delta;
        }
        assert!(Instant::now() < deadline, "{delta}");
        std::thread::sleep(Duration::from_millis(500));
    };
    assert!(delta.len() < player.playlist("").len());
    let report = tag(&delta, "#EXT-X-RENDITION-REPORT").unwrap();
    assert_eq!(Some(attribute(report, "URI")), player.audio.as_deref());
    let last: u64 = attribute(report, "LAST-MSN").parse().unwrap();
    assert!(last.abs_diff(newest(&delta).0) <= 1, "{report}");
    let plain = player.get(&player.video);
    let squeezed = ask(player.server, &format!("GET /a/{}", player.video), "accept-encoding: gzip\r\n");
    assert_eq!(squeezed.header("content-encoding"), Some("gzip"));
    assert!(squeezed.body.len() * 2 < plain.body.len());
}

#[test]
fn ten_viewers_cost_one_muxer_that_ends_after_them() {
    let server =
        Running::start("hls-ten.toml", &format!("{}[hls]\nmuxer_close_after_ms = 4000\n", everybody()));
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    assert_eq!(server.metric("medley_hls_muxers"), 0);
    let players: Vec<_> = (0..10).map(|_| Player::open(&server, "a", "")).collect();
    for player in &players {
        assert!(player.playlist("").contains("#EXT-X-PART:"));
    }
    assert_eq!(server.metric("medley_hls_muxers"), 1);
    assert_eq!(server.metric("medley_subscribers"), 1);
    assert_eq!(server.metric("medley_sessions{protocol=\"hls\",action=\"read\"}"), 10);
    server.comes_to("medley_hls_muxers", 0);
    server.comes_to("medley_subscribers", 0);
    server.comes_to("medley_sessions{protocol=\"hls\",action=\"read\"}", 0);
    // A session that is over opens nothing, and its muxer's names are gone for good.
    assert_eq!(players[0].get(&players[0].video).status, 404);
    let again = Player::open(&server, "a", "");
    assert_ne!(again.video.split('_').next(), players[0].video.split('_').next());
}

#[test]
fn always_remuxed_streams_have_a_muxer_before_anybody_watches_and_none_after_their_end() {
    let settings = "[hls]\nalways_remux = true\nmuxer_close_after_ms = 1000\n[hub]\ngrace_ms = 200\n";
    let server = Running::start("hls-always.toml", &format!("{}{settings}", everybody()));
    let publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    server.comes_to("medley_hls_muxers", 1);
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(server.metric("medley_hls_muxers"), 1, "longer than one that nobody asks for");
    assert_eq!(server.metric("medley_sessions{protocol=\"hls\",action=\"read\"}"), 0, "nobody watches");
    drop(publisher);
    server.comes_to("medley_hls_muxers", 0);
}

#[test]
fn credentials_are_shown_once_and_a_session_opens_its_own_path_only() {
    let server = Running::start("hls-user.toml", &with_user());
    let rtmp = server.address("rtmp").unwrap();
    let _publishers = [ffmpeg::publish(rtmp, "ward/3", 60), ffmpeg::publish(rtmp, "private", 60)];
    let address = server.address("hls").unwrap();
    let unknown = ask(address, "GET /ward/3/index.m3u8", "");
    assert_eq!((unknown.status, unknown.header("cache-control")), (401, Some("no-store")));
    assert!(unknown.header("www-authenticate").unwrap().starts_with("basic"));
    assert_eq!(ask(address, "GET /ward/3/index.m3u8?user=ward&pass=guess", "").status, 401);
    let player = Player::open(&server, "ward/3", "?user=ward&pass=secret");
    assert!(!player.multivariant.contains("secret") && player.video.contains("?session="));
    let text = player.playlist("");
    assert!(text.lines().filter(|line| line.contains(".mp4")).all(|line| line.contains("?session=")));
    // As a page has it: by cookie.
    let basic = "authorization: Basic d2FyZDpzZWNyZXQ=\r\n";
    let answer = ask(address, "GET /ward/3/index.m3u8", basic);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("path=/ward/3/; httponly; samesite=lax"), "{cookie}");
    let (name, token) = player.video.split_once("?session=").unwrap();
    let with_cookie = format!("cookie: a=b; session={token}\r\n");
    assert_eq!(ask(address, &format!("GET /ward/3/{name}"), &with_cookie).status, 200);
    let segment = text.lines().rfind(|line| line.contains("_seg")).unwrap();
    let (segment, _) = segment.split_once('?').unwrap();
    assert_eq!(ask(address, &format!("GET /ward/3/{segment}"), &with_cookie).status, 200);
    assert_eq!(ask(address, &format!("GET /ward/3/{segment}"), "").status, 401);
    assert_eq!(ask(address, &format!("GET /ward/3/{segment}?session=x{token}"), "").status, 401);
    // The session of one path is worth nothing at another.
    assert_eq!(ask(address, &format!("GET /private/index.m3u8?session={token}"), "").status, 403);
    assert_eq!(ask(address, &format!("GET /private/{name}?session={token}"), "").status, 404);
    // A page asks for a password itself.
    let script = ask(address, "GET /ward/3/index.m3u8", "x-requested-with: XMLHttpRequest\r\n");
    assert!(script.header("www-authenticate").unwrap().starts_with("bearer"));
}

#[test]
fn ranges_are_single_and_within_the_file() {
    let server = Running::start("hls-range.toml", &everybody());
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    let player = Player::open(&server, "a", "");
    let text = player.playlist("");
    let segment = text.lines().rfind(|line| line.contains("_seg")).unwrap();
    let request = format!("GET /a/{segment}");
    let whole = player.get(segment);
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    assert!(whole.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(whole.header("access-control-allow-origin"), Some("*"));
    let part = ask(player.server, &request, "range: bytes=100-299\r\n");
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[100..300]));
    assert_eq!(part.header("content-range"), Some(&*format!("bytes 100-299/{}", whole.body.len())));
    let head = ask(player.server, &format!("HEAD /a/{segment}"), "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*whole.body.len().to_string()));
    for range in ["bytes=0-1,2-3", "bytes=99999999-", "bytes=5-4", "bytes=-", "bytes=0-,0-,0-,0-,0-,0-,0-,0-"]
    {
        let answer = ask(player.server, &request, &format!("range: {range}\r\n"));
        assert_eq!(answer.status, 416, "{range}");
    }
}

#[test]
fn requests_that_are_wrong_are_refused_with_a_reason() {
    let server = Running::start("hls-wrong.toml", &everybody());
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    let player = Player::open(&server, "a", "");
    let status = |request: &str| ask(player.server, request, "").status;
    let (segment, part) = newest(&player.playlist(""));
    for (directives, expected) in [
        (format!("_HLS_msn={}", segment + 5), 400),
        (format!("_HLS_msn={segment}&_HLS_part={}", part + 40), 400),
        ("_HLS_msn=-1".to_owned(), 400),
        ("_HLS_part=1".to_owned(), 400),
        ("_HLS_msn=18446744073709551615&_HLS_part=4294967295".to_owned(), 400),
        ("_HLS_msn=0".to_owned(), 200),
    ] {
        assert_eq!(status(&format!("GET /a/{}&{directives}", player.video)), expected, "{directives}");
    }
    assert_eq!(status("GET /a/index.m3u8?variant=ts"), 400);
    assert_eq!(status("GET /nobody/index.m3u8"), 404);
    assert_eq!(status("POST /a/index.m3u8"), 405);
    assert_eq!(status("OPTIONS /a/index.m3u8"), 204);
    let (instance, _) = player.video.split_once('_').unwrap();
    for path in [
        "/../a/index.m3u8",
        "/%2e%2e/a/index.m3u8",
        "/%252e%252e/index.m3u8",
        "/a%00/index.m3u8",
        "/a\\..\\b/index.m3u8",
        "//index.m3u8",
        "/a/../index.m3u8",
    ] {
        assert_eq!(status(&format!("GET {path}")), 400, "{path}");
    }
    for name in
        ["video_seg0.mp4.", "video_seg%30.mp4", "video_seg00.mp4", "video_seg99999999.mp4", "video_../x.mp4"]
    {
        let answer = status(&format!("GET /a/{instance}_{name}"));
        assert!(matches!(answer, 401 | 404), "{name}: {answer}");
    }
}

#[test]
fn floods_of_one_viewer_are_bounded_and_others_are_not_disturbed() {
    let server = Running::start("hls-flood.toml", &everybody());
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    let (flood, other) = (Player::open(&server, "a", ""), Player::open(&server, "a", ""));
    let (segment, _) = newest(&flood.playlist(""));
    // More requests that wait than a player has: the seventeenth is refused at once.
    let mut waiting: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(flood.server).unwrap();
            let request = format!(
                "GET /a/{}&_HLS_msn={} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                flood.video,
                segment + 1
            );
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let answers = waiting.iter_mut().map(|stream| {
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        String::from_utf8(head[9..].to_vec()).unwrap()
    });
    let refused = answers.filter(|status| status == "503").count();
    assert_eq!(refused, 24);
    // What is too far ahead is not waited for, however many ask.
    let far =
        |ahead: u64| ask(flood.server, &format!("GET /a/{}&_HLS_msn={}", flood.video, segment + ahead), "");
    assert!((1_000..1_100).all(|ahead| far(ahead).status == 400));
    let mut stream = TcpStream::connect(flood.server).unwrap();
    let request = format!("GET /a/{} HTTP/1.1\r\nhost: x\r\n\r\n", flood.video);
    stream.write_all(request.repeat(600).as_bytes()).unwrap();
    let mut answers = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let _ = stream.take(1 << 24).read_to_end(&mut answers);
    assert!(String::from_utf8_lossy(&answers).contains("HTTP/1.1 429"));
    assert!(other.playlist("").contains("#EXT-X-PART:"));
}

#[test]
fn viewers_are_bounded_and_those_who_watch_keep_their_places() {
    let server = Running::start("hls-many.toml", &format!("{}[limits]\nhls_sessions = 3\n", everybody()));
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 60);
    let watching = Player::open(&server, "a", "");
    for expected in [200, 200, 503, 503] {
        assert_eq!(ask(watching.server, "GET /a/index.m3u8", "").status, expected);
    }
    assert!(watching.playlist("").contains("#EXT-X-PART:"));
    assert_eq!(server.metric("medley_hls_muxers"), 1);
}

#[test]
fn a_viewer_that_stops_reading_disturbs_nobody() {
    let server = Running::start("hls-slow.toml", &everybody());
    let _publisher = ffmpeg::publish_at(server.address("rtmp").unwrap(), "a", 60, "20M");
    let (slow, other) = (Player::open(&server, "a", ""), Player::open(&server, "a", ""));
    let text = slow.playlist("");
    let segment = text.lines().rfind(|line| line.contains("_seg")).unwrap();
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(slow.server).unwrap();
            stream.write_all(format!("GET /a/{segment} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
            stream
        })
        .collect();
    let (mut at, begun) = (newest(&other.playlist("")), Instant::now());
    while begun.elapsed() < Duration::from_secs(3) {
        let next = newest(&other.playlist(&format!("&_HLS_msn={}&_HLS_part={}", at.0, at.1)));
        assert!(next > at, "{next:?} after {at:?}");
        at = next;
    }
    drop(stuck);
}

#[test]
fn the_end_of_the_stream_is_told() {
    let grace = "[hub]\ngrace_ms = 500\n";
    let server = Running::start("hls-end.toml", &format!("{}{grace}", everybody()));
    let mut publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 6);
    let player = Player::open(&server, "a", "");
    publisher.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        let text = player.playlist("");
        if text.contains("#EXT-X-ENDLIST") {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let lengths = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse::<f64>().ok());
    let total: f64 = lengths.sum();
    assert!((5.5..6.5).contains(&total), "{total} s of 6\n{text}");
}

/// ffmpeg as a player: it decodes 4 s of each variant and complains of nothing.
#[test]
fn ffmpeg_decodes_every_variant_without_a_complaint() {
    let server = Running::start("hls-ffmpeg.toml", &everybody());
    let _publisher = ffmpeg::publish(server.address("rtmp").unwrap(), "a", 90);
    let address = server.address("hls").unwrap();
    for variant in ["lowLatency", "fmp4", "mpegts"] {
        drop(Player::open(&server, "a", &format!("?variant={variant}")));
        let url = format!("http://{address}/a/index.m3u8?variant={variant}");
        let played = Command::new("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-i", &url])
            .args(["-map", "0:v", "-map", "0:a", "-t", "4", "-f", "framecrc", "-"])
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&played.stderr).into_owned();
        assert!(played.status.success(), "{variant}: {complaints}");
        assert_eq!(complaints, "", "{variant}");
        let frames = String::from_utf8(played.stdout).unwrap();
        let count = |stream: char| frames.lines().filter(|line| line.starts_with(stream)).count();
        assert!((110..=125).contains(&count('0')), "{variant}: {} pictures", count('0'));
        assert!((180..=195).contains(&count('1')), "{variant}: {} frames of sound", count('1'));
    }
}

/// A publisher of pictures, 25 a second with one a second to begin at, and of sound that nobody decodes.
struct Studio {
    client: Client,
    tracks: [TrackInfo; 2],
    number: i64,
}

impl Studio {
    async fn open(server: &Running, path: &str) -> Self {
        let mut client = Client::publish(server.address("rtmp").unwrap(), path).await.unwrap();
        let sound = CodecConfig::Aac(AudioConfig::lc(Rate::OPUS, 1).unwrap());
        let tracks = [Pictures::track(), TrackInfo { id: container::flv::AUDIO, config: sound }];
        client.send_tracks(&tracks).unwrap();
        Self { client, tracks, number: 0 }
    }

    /// Sends so many sounds, one each 20 ms, and a picture with every other.
    async fn run(&mut self, pictures: bool, sounds: u32) {
        for since in 0..sounds {
            let at = Timestamp::from_millis(self.number * 20);
            let frame = |track: &TrackInfo, random_access, payload: &[u8]| Frame {
                track: track.id,
                pts: at,
                dts: at,
                random_access,
                payload: Bytes::copy_from_slice(payload),
            };
            let [video, audio] = &self.tracks;
            self.client.send_frame(audio, &frame(audio, true, &[0x21; 40])).unwrap();
            if pictures && since % 2 == 0 {
                let begins = since % 50 == 0;
                let payload = [0, 0, 0, 4, if begins { 0x65 } else { 0x41 }, 0x88, 0x84, 0x80];
                self.client.send_frame(video, &frame(video, begins, &payload)).unwrap();
            }
            self.number += 1;
            let due = tokio::time::sleep(Duration::from_millis(20));
            tokio::select! {
                () = due => {}
                ended = self.client.next() => panic!("{ended:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_stop_while_sound_goes_on_begin_a_new_muxer_and_so_do_those_that_return() {
    let server = Running::start("hls-gone.toml", &everybody());
    let address = server.address("hls").unwrap();
    let mut studio = Studio::open(&server, "a").await;
    let watching = tokio::task::spawn_blocking(move || {
        let (mut seen, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(40));
        while seen != ["both", "sound", "both"] {
            assert!(Instant::now() < deadline, "{seen:?}");
            let answer = ask(address, "GET /a/index.m3u8", "");
            if answer.status == 200 {
                let text = answer.text();
                let tracks = match (text.contains("avc1"), text.contains("mp4a")) {
                    (true, true) => "both",
                    (false, true) => "sound",
                    other => panic!("{other:?}: {text}"),
                };
                seen.push(tracks);
                seen.dedup();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    // The last GOP is short, so that it is still there for who joins when pictures count as gone.
    studio.run(true, 165).await;
    studio.run(false, 400).await;
    while !watching.is_finished() {
        studio.run(true, 50).await;
    }
    watching.await.unwrap();
    assert_eq!(server.metric("medley_session_panics_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_before_its_first_frame_lets_its_viewer_go() {
    let server = Running::start("hls-nothing.toml", &everybody());
    let address = server.address("hls").unwrap();
    let mut studio = Studio::open(&server, "a").await;
    let _ = tokio::time::timeout(Duration::from_millis(300), studio.client.next()).await;
    let watching = tokio::task::spawn_blocking(move || ask(address, "GET /a/index.m3u8", "").status);
    let _ = tokio::time::timeout(Duration::from_millis(700), studio.client.next()).await;
    drop(studio);
    assert!(watching.await.unwrap() >= 400);
    server.comes_to("medley_streams", 0);
    assert!(server.get("/healthz").contains("ok"));
}
