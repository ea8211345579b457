//! HLS on the real binary, played as the draft asks players to; every playlist and every piece of media is held against its
//! rules.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use media::h264::ParameterSets;
use media::{Codec, CodecConfig, Kind, TrackInfo};
use support::{EVERYBODY_HERE, Running};
use testkit::feed::Feed;
use testkit::hls::playlist::Multivariant;
use testkit::hls::{Event, Player, Start};
use testkit::pictures::Pictures;
use testkit::sounds::{Content, Sounds};
use testkit::stamp::Stamp;
use testkit::{http, rtc, rtmp};
use tokio::task::JoinSet;

/// Far more than any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn server(name: &str, hls: &str) -> Running {
    let users = EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread =");
    Running::start(name, &format!("{users}[hls]\n{hls}"))
}

/// Who publishes, until this is dropped.
type Publishers = JoinSet<Result<()>>;

fn pictures() -> Pictures {
    Pictures::new(1_000_000)
}

fn sounds(codec: Codec) -> Sounds {
    Sounds::new(codec, 1, 64_000, Content::Speech).unwrap()
}

fn feed(pictures: Pictures, codec: Codec) -> Feed {
    Feed::new(pictures, Some(sounds(codec)), Duration::ZERO)
}

/// A publisher by RTMP.
fn publish(publishers: &mut Publishers, server: &Running, path: &'static str, feed: Feed) {
    let address = server.address("rtmp").unwrap();
    publishers.spawn(async move { rtmp::publish(address, path, feed).await });
}

/// A publisher by WHIP.
fn publish_whip(publishers: &mut Publishers, server: &Running, path: &'static str, feed: Feed) {
    let address = server.address("http").unwrap();
    publishers.spawn(async move {
        let certificate = rtc::Certificate::generate().unwrap();
        rtc::publish(address, path, &certificate, feed).await
    });
}

/// What a player got, in order.
#[derive(Debug, Default)]
struct Seen {
    /// The numbers that the pictures carry.
    pictures: Vec<u64>,
    sounds: usize,
}

impl Seen {
    fn frames(&self) -> usize {
        self.pictures.len() + self.sounds
    }
}

/// Waits for the stream and plays it until `enough`; a broken rule ends the test.
async fn play(server: SocketAddr, path: String, enough: impl Fn(&Seen) -> bool) -> Seen {
    let playing = async {
        while !http::get(server, &path).await.unwrap().status.is_success() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut player = Player::join(server, &path, Start::FirstPlaylist).await.unwrap();
        let mut seen = Seen::default();
        while !enough(&seen) {
            match player.next().await.unwrap() {
                Event::Frame(arrived) if arrived.kind == Kind::Video => {
                    seen.pictures.extend(Stamp::of(&arrived.frame).map(|stamp| stamp.number));
                }
                Event::Frame(_) => seen.sounds += 1,
                Event::Violation(violation) => panic!("{path}: {violation}"),
            }
        }
        seen
    };
    tokio::time::timeout(PATIENCE, playing).await.unwrap_or_else(|_| panic!("{path} stands still"))
}

#[track_caller]
fn assert_nothing_is_missing(seen: &Seen) {
    let steps = seen.pictures.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.into_iter().all(|step| step == 1), "{:?}", seen.pictures);
}

/// The media playlists that a multivariant playlist names.
async fn media_playlists(server: SocketAddr, path: &str) -> Vec<String> {
    let multivariant = http::get(server, &format!("/{path}/index.m3u8")).await.unwrap().text();
    let Multivariant { variants, alternatives, .. } = Multivariant::parse(&multivariant).unwrap();
    let of_sound = alternatives.into_iter().filter_map(|alternative| alternative.uri);
    let mut texts = Vec::new();
    for uri in variants.into_iter().map(|variant| variant.uri).chain(of_sound) {
        texts.push(http::get(server, &format!("/{path}/{uri}")).await.unwrap().text());
    }
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_variant_keeps_every_rule_and_has_every_picture_once() {
    let server = server("hls-draft.toml", "");
    let mut publishers = Publishers::new();
    publish(&mut publishers, &server, "a", feed(pictures(), Codec::Aac));
    let address = server.address("hls").unwrap();
    let players = ["lowLatency", "fmp4", "mpegts"].map(|variant| {
        let path = format!("/a/index.m3u8?variant={variant}");
        tokio::spawn(play(address, path, |seen| seen.pictures.len() >= 450 && seen.sounds >= 600))
    });
    for player in players {
        assert_nothing_is_missing(&player.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn short_parts_keep_every_rule() {
    let server = server("hls-draft-short.toml", "part_ms = 100\n");
    let mut publishers = Publishers::new();
    publish(&mut publishers, &server, "a", feed(pictures(), Codec::Aac));
    let path = "/a/index.m3u8".to_owned();
    let seen = play(server.address("hls").unwrap(), path, |seen| seen.pictures.len() >= 450).await;
    assert_nothing_is_missing(&seen);
}

/// Random access points at any distance, Opus that becomes AAC: a stream of a browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ten_readers_of_a_browsers_stream_cost_one_muxer_and_one_conversion_that_end_after_them() {
    let server = server("hls-draft-whip.toml", "muxer_close_after_ms = 2000\n");
    let mut publishers = Publishers::new();
    publish_whip(&mut publishers, &server, "a", feed(pictures().irregular(), Codec::Opus));
    let address = server.address("hls").unwrap();
    let mut players = JoinSet::new();
    for _ in 0..10 {
        let enough = |seen: &Seen| seen.pictures.len() >= 300 && seen.sounds >= 400;
        players.spawn(play(address, "/a/index.m3u8".to_owned(), enough));
    }
    let mut looked = 0;
    while let Some(seen) = players.join_next().await {
        assert_nothing_is_missing(&seen.unwrap());
        if looked == 0 {
            for name in ["medley_hls_muxers", "medley_subscribers", "medley_renditions"] {
                assert_eq!(server.metric(name), 1, "{name}");
            }
        }
        looked += 1;
    }
    assert_eq!(looked, 10);
    for name in ["medley_hls_muxers", "medley_renditions", "medley_subscribers"] {
        server.comes_to(name, 0);
    }
    assert_eq!(server.metric("medley_streams_published"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn streams_of_one_track_keep_every_rule() {
    let server = server("hls-draft-one.toml", "");
    let mut publishers = Publishers::new();
    publish(&mut publishers, &server, "seen", Feed::new(pictures(), None, Duration::ZERO));
    publish(&mut publishers, &server, "heard", Feed::of_sound(sounds(Codec::Aac)));
    let address = server.address("hls").unwrap();
    for path in ["seen", "heard"] {
        let players = ["lowLatency", "fmp4", "mpegts"].map(|variant| {
            let path = format!("/{path}/index.m3u8?variant={variant}");
            tokio::spawn(play(address, path, |seen| seen.frames() >= 250))
        });
        for player in players {
            let seen = player.await.unwrap();
            assert_eq!((path == "seen", path == "heard"), (!seen.pictures.is_empty(), seen.sounds > 0));
            assert_nothing_is_missing(&seen);
        }
    }
}

/// Publishes with other parameters after each 90 pictures, at a random access point.
async fn publish_changing(server: SocketAddr, path: &str) -> Result<()> {
    let mut feed = feed(pictures(), Codec::Aac);
    let mut client = rtmp::Client::publish(server, path).await?;
    let (mut tracks, mut random_access_points) = (feed.tracks(), 0);
    client.send_tracks(&tracks)?;
    feed.restart();
    loop {
        tokio::select! {
            biased;
            event = client.next() => { event?; }
            () = tokio::time::sleep_until(feed.due().into()) => {
                let (kind, frame) = feed.take();
                random_access_points += usize::from(kind == Kind::Video && frame.random_access);
                if kind == Kind::Video && frame.random_access && random_access_points > 1 {
                    tracks[0] = with_level(30 + (random_access_points % 2) as u8);
                    client.send_tracks(&tracks)?;
                }
                let track = tracks.iter().find(|track| track.kind() == kind).unwrap();
                client.send_frame(track, &frame)?;
            }
        }
    }
}

/// The pictures' parameters with another level (H.264 §A.3.1).
fn with_level(level: u8) -> TrackInfo {
    let mut track = Pictures::track();
    if let CodecConfig::H264(ParameterSets { sps, .. }) = &mut track.config {
        let mut bytes = sps[0].to_vec();
        bytes[3] = level;
        sps[0] = bytes.into();
    }
    track
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_parameters_come_with_a_discontinuity_and_an_init_section_of_their_own() {
    let server = server("hls-draft-change.toml", "");
    let (rtmp, address) = (server.address("rtmp").unwrap(), server.address("hls").unwrap());
    let mut publishers = Publishers::new();
    publishers.spawn(async move { publish_changing(rtmp, "a").await });
    let seen =
        play(address, "/a/index.m3u8".to_owned(), |seen| seen.pictures.len() >= 300 && seen.sounds >= 400)
            .await;
    assert_nothing_is_missing(&seen);
    let texts = media_playlists(address, "a").await;
    let count = |text: &str, tag: &str| text.lines().filter(|line| line.starts_with(tag)).count();
    assert!(
        texts.len() == 2 && texts.iter().all(|text| count(text, "#EXT-X-DISCONTINUITY") > 1),
        "{texts:?}"
    );
    // The sound has not changed.
    assert!(count(&texts[0], "#EXT-X-MAP:") > 1 && count(&texts[1], "#EXT-X-MAP:") == 1, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_publisher_that_comes_back_is_played_on() {
    let server = server("hls-draft-back.toml", "");
    let address = server.address("hls").unwrap();
    let mut publishers = Publishers::new();
    publish(&mut publishers, &server, "a", feed(pictures(), Codec::Aac));
    // The second publisher counts its pictures from 0 again.
    let again = |seen: &Seen| seen.pictures.windows(2).position(|pair| pair[1] < pair[0]);
    let played_on = move |seen: &Seen| again(seen).is_some_and(|at| seen.pictures.len() > at + 150);
    let player = tokio::spawn(play(address, "/a/index.m3u8".to_owned(), played_on));
    play(address, "/a/index.m3u8".to_owned(), |seen| seen.pictures.len() >= 120).await;
    publishers.shutdown().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    publish(&mut publishers, &server, "a", feed(pictures(), Codec::Aac));
    player.await.unwrap();
    for text in media_playlists(address, "a").await {
        assert!(text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
    }
}
