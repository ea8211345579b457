//! The player against a small origin that serves pictures of 30 a second in parts of 100 ms.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use container::fmp4::{Run, Sample, fragment, init_segment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::{Playback, check::Rule};
use super::*;
use crate::pictures::{FRAME_RATE, Pictures};
use crate::stamp::{self, Stamp};
use crate::stats::median;

/// Pictures of a part.
const IN_PART: u32 = 3;
/// Parts of a segment: a GOP.
const IN_SEGMENT: usize = 20;
/// Segments that are there from the beginning.
const BEFORE: usize = 3;
const HOLD_BACK: Duration = Duration::from_millis(250);

type Parts = Arc<watch::Sender<Vec<Bytes>>>;

fn part(pictures: &[Frame], number: usize) -> Bytes {
    let rate = media::Rate::VIDEO;
    let duration = rate.hz() / FRAME_RATE;
    let samples: Vec<Sample<'_>> = pictures.iter().map(|frame| Sample { frame, duration }).collect();
    let base_decode_time = number as u64 * u64::from(IN_PART * duration);
    fragment(number as u32, &[Run { track: 1, rate, base_decode_time, samples: &samples }]).expect("samples")
}

/// Makes parts in real time, after those of the first segments.
async fn produce(parts: Parts) {
    let mut pictures = Pictures::new(500_000);
    let mut under_way = Vec::new();
    let mut begun = None;
    loop {
        let made = parts.borrow().len();
        if made >= BEFORE * IN_SEGMENT {
            let (start, origin) = *begun.get_or_insert((Instant::now(), pictures.due_micros()));
            let due = start + Duration::from_micros(pictures.due_micros() - origin);
            tokio::time::sleep_until(due.into()).await;
        }
        under_way.push(pictures.make());
        if under_way.len() == IN_PART as usize {
            let bytes = part(&under_way, made);
            under_way.clear();
            parts.send_modify(|parts| parts.push(bytes));
        }
    }
}

fn playlist(parts: usize, target: &str) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.25\n\
         #EXT-X-PART-INF:PART-TARGET={target}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for number in 0..parts {
        let (segment, index) = (number / IN_SEGMENT, number % IN_SEGMENT);
        let independent = if index == 0 { ",INDEPENDENT=YES" } else { "" };
        let _ = writeln!(text, "#EXT-X-PART:DURATION=0.1,URI=\"{segment}.{index}.mp4\"{independent}");
        if index == IN_SEGMENT - 1 {
            let _ = writeln!(text, "#EXTINF:2.0,\n{segment}.mp4");
        }
    }
    let (segment, index) = (parts / IN_SEGMENT, parts % IN_SEGMENT);
    text + &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{segment}.{index}.mp4\"\n")
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// What stands at a path; waits for what is not there yet.
async fn content(parts: &Parts, path: &str, target: &str) -> Bytes {
    let mut parts = parts.subscribe();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match path.rsplit('/').next().expect("a name") {
        "index.m3u8" => Bytes::from_static(
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c01e\",RESOLUTION=640x480\nvideo.m3u8\n",
        ),
        "video.m3u8" => {
            let asked = query.split_once("&_HLS_part=").map(|(segment, part)| {
                number(segment.trim_start_matches("_HLS_msn=")) * IN_SEGMENT + number(part) + 1
            });
            let there = parts.wait_for(|parts| parts.len() >= asked.unwrap_or(BEFORE * IN_SEGMENT)).await;
            playlist(there.expect("the origin goes on").len(), target).into()
        }
        "init.mp4" => init_segment(&[&Pictures::track()]).expect("a track"),
        name => {
            let (segment, part) = name.trim_end_matches(".mp4").split_once('.').expect("a part");
            let index = number(segment) * IN_SEGMENT + number(part);
            parts.wait_for(|parts| parts.len() > index).await.expect("the origin goes on")[index].clone()
        }
    }
}

async fn answer(mut stream: TcpStream, parts: Parts, target: &'static str) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|taken| taken > 0) {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let path = String::from_utf8_lossy(&request).split(' ').nth(1).expect("a path").to_owned();
        request.clear();
        let body = content(&parts, &path, target).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// An origin, and the tasks that keep it.
async fn origin(target: &'static str) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let parts: Parts = Arc::new(watch::Sender::new(Vec::new()));
    let mut tasks = JoinSet::new();
    tasks.spawn(produce(parts.clone()));
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream, parts.clone(), target));
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_player_stays_as_far_behind_live_as_the_server_says() {
    let (server, _tasks) = origin("0.1").await;
    let mut player = Player::join(server, "/live/index.m3u8", Start::FreshPlaylist).await.unwrap();
    let (mut playback, mut last, mut behind) = (Playback::new(), None, Vec::new());
    let mut hidden = 0;
    while behind.len() < 30 {
        let arrived = match player.next().await.unwrap() {
            Event::Frame(arrived) => arrived,
            Event::Violation(violation) => panic!("{violation}"),
        };
        let number = Stamp::of(&arrived.frame).expect("a stamped picture").number;
        assert!(last.is_none_or(|last| number == last + 1), "picture {number} behind {last:?}");
        assert!(last.is_some() || arrived.frame.random_access, "a player begins with a random access point");
        last = Some(number);
        if !arrived.shown {
            hidden += 1;
            continue;
        }
        let shown = playback.show(arrived.frame.pts, arrived.at);
        // Those made at once, before the origin began to keep time, are no measure.
        if number >= (BEFORE * IN_SEGMENT) as u64 * u64::from(IN_PART) {
            let stamp = Stamp::of(&arrived.frame).expect("a stamped picture");
            behind.push(shown.saturating_sub(stamp.nanos) as f64 / 1e6);
        }
    }
    assert!(hidden > 0, "the start is inside of a GOP");
    let (behind, least) = (median(&behind), HOLD_BACK.as_secs_f64() * 1e3 - 100.0);
    assert!(behind > least && behind < 2_000.0, "{behind} ms behind live");
    assert!(stamp::nanos() > 0);
}

#[tokio::test]
async fn a_playlist_that_breaks_a_rule_is_told_and_played() {
    let (server, _tasks) = origin("0.09").await;
    let mut player = Player::join(server, "/live/video.m3u8", Start::FirstPlaylist).await.unwrap();
    let (mut rules, mut frames) = (Vec::new(), 0);
    while frames < 5 || rules.is_empty() {
        match player.next().await.unwrap() {
            Event::Frame(_) => frames += 1,
            Event::Violation(violation) => rules.push(violation.rule),
        }
    }
    assert!(rules.iter().all(|rule| *rule == Rule::PartTarget), "{rules:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_an_error() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    drop(listener);
    assert!(Player::join(server, "/live/index.m3u8", Start::FirstPlaylist).await.is_err());
}
