//! HLS with low latency: how far players by the draft are behind live, how fast they join, and what they cost.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hyper::Request;
use media::{Codec, Kind};
use testkit::feed::Feed;
use testkit::hls::playlist::Multivariant;
use testkit::hls::{Event, Playback, Player, Start};
use testkit::http::Connection;
use testkit::pictures::Pictures;
use testkit::server::Medley;
use testkit::sounds::{Content, Sounds};
use testkit::stamp::{self, Stamp};
use testkit::stats::{median, percentile};
use testkit::{rtc, rtmp};

use super::Setup;
use super::crew::{Crew, Delays, cpu_of, quantiles};
use super::report::{Table, number};

/// Bits a second of the pictures.
const BPS: u32 = 2_000_000;
const PATH: &str = "bench";
/// Milliseconds of a part, and how far behind live its players may be.
const PARTS: [(u64, u32); 2] = [(200, 600), (100, 450)];
/// Players who begin at different moments of a part: the first playlist of each is of another age.
const PLAYERS: u32 = 10;
/// Joins of each length of parts in a run.
const JOINS: u32 = 20;

/// Who sends the stream.
#[derive(Clone, Copy, Debug)]
enum By {
    /// H.264 and AAC.
    Rtmp,
    /// H.264 and Opus, which becomes AAC.
    Whip,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtmp => "RTMP",
            Self::Whip => "WHIP",
        })
    }
}

/// What the players of a server share.
#[derive(Clone, Debug, Default)]
struct Audience {
    /// From a picture's sending to its showing, in milliseconds.
    behind: Delays,
    stalls: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Audience {
    /// Plays until the task is dropped; fails when a playlist or its media break a rule.
    async fn watch(self, server: SocketAddr) -> Result<()> {
        let mut player = Player::join(server, &multivariant(), Start::FirstPlaylist).await?;
        let (mut playback, mut stalls, mut received) = (Playback::new(), 0, 0);
        loop {
            match player.next().await? {
                Event::Frame(arrived) if arrived.shown && arrived.kind == Kind::Video => {
                    let shown = playback.show(arrived.frame.pts, arrived.at);
                    let stamp = Stamp::of(&arrived.frame).context("a picture without its stamp")?;
                    self.behind.push(shown.saturating_sub(stamp.nanos));
                }
                Event::Frame(arrived) if arrived.shown => playback.hear(arrived.frame.pts, arrived.at),
                Event::Frame(_) => {}
                Event::Violation(violation) => bail!("{violation}"),
            }
            let (now, _) = playback.stalls();
            self.stalls.fetch_add(now - stalls, Ordering::Relaxed);
            self.bytes.fetch_add(player.received() - received, Ordering::Relaxed);
            (stalls, received) = (now, player.received());
        }
    }
}

fn multivariant() -> String {
    format!("/{PATH}/index.m3u8")
}

/// A server with a stream whose GOP is known.
async fn begin(setup: &Setup, by: By, part: u64) -> Result<(Medley, Crew)> {
    let config = format!("[hls]\npart_ms = {part}\n");
    let medley = Medley::start_with(&setup.binary, setup.core, &config).await?;
    let mut crew = Crew::default();
    let (codec, channels, bps) = match by {
        By::Rtmp => (Codec::Aac, 2, 128_000),
        By::Whip => (Codec::Opus, 1, 64_000),
    };
    let sounds = Sounds::new(codec, channels, bps, Content::Speech)?;
    let feed = Feed::new(Pictures::new(BPS), Some(sounds), Duration::ZERO);
    let (http, rtmp, certificate) = (medley.http, medley.rtmp, setup.certificate.clone());
    match by {
        By::Rtmp => crew.add(async move { rtmp::publish(rtmp, PATH, feed).await }),
        By::Whip => crew.add(async move { rtc::publish(http, PATH, &certificate, feed).await }),
    }
    crew.work(Duration::from_secs(5)).await?;
    Ok((medley, crew))
}

/// How far behind live players are.
pub(super) async fn latency(setup: &Setup) -> Result<Table> {
    let title = format!("HLS with low latency, {PLAYERS} players who never catch up, ms behind live");
    let mut table = Table::new(title, &["publisher, part", "p50", "p95", "p99", "max", "stalls", "target"]);
    for by in [By::Rtmp, By::Whip] {
        for (part, target) in PARTS {
            let (mut runs, mut stalls) = (Vec::new(), 0);
            for _ in 0..setup.runs {
                let (behind, stalled) = latency_once(setup, by, part).await?;
                runs.push(quantiles(&behind));
                stalls += stalled;
            }
            let of = |at: usize| number(median(&runs.iter().map(|run| run[at]).collect::<Vec<_>>()), 0);
            let cells = (0..4).map(of).chain([stalls.to_string(), format!("< {target}, no stall")]);
            table.row(format!("{by}, {part} ms"), cells);
        }
    }
    Ok(table)
}

async fn latency_once(setup: &Setup, by: By, part: u64) -> Result<(Vec<f64>, u64)> {
    let (medley, mut crew) = begin(setup, by, part).await?;
    let audience = Audience::default();
    for _ in 0..PLAYERS {
        crew.add(audience.clone().watch(medley.http));
        // Ten different moments of a part, a tenth of it apart.
        crew.work(Duration::from_millis(part + part / u64::from(PLAYERS))).await?;
    }
    crew.work(Duration::from_secs(setup.seconds)).await?;
    Ok((audience.behind.take(), audience.stalls.load(Ordering::Relaxed)))
}

/// How fast a player joins a stream that others watch.
pub(super) async fn join(setup: &Setup) -> Result<Table> {
    let (mut playlists, mut pictures) = (Vec::new(), Vec::new());
    for _ in 0..setup.runs {
        let (medley, mut crew) = begin(setup, By::Rtmp, PARTS[0].0).await?;
        crew.add(Audience::default().watch(medley.http));
        crew.work(Duration::from_secs(2)).await?;
        for join in 0..JOINS {
            // Steps of the golden ratio meet every part of a GOP.
            crew.work(Duration::from_secs_f64(0.05 + f64::from(join) * 0.618 % 1.0 * 0.4)).await?;
            playlists.push(join_playlists(medley.http).await?.as_secs_f64() * 1e3);
            pictures.push(join_player(medley.http).await?.as_secs_f64() * 1e3);
        }
    }
    let title = "HLS join of a running muxer, ms from the TCP connection on";
    let mut table = Table::new(title, &["until", "p50", "max", "target p50"]);
    for (name, times, target) in
        [("multivariant and media playlist", playlists, "<= 5"), ("first picture", pictures, "")]
    {
        let cells = [number(median(&times), 2), number(percentile(&times, 1.0), 1), target.to_owned()];
        table.row(name, cells);
    }
    Ok(table)
}

/// The multivariant playlist and the first media playlist that it names.
async fn join_playlists(server: SocketAddr) -> Result<Duration> {
    let begun = Instant::now();
    let mut connection = Connection::open(server).await?;
    let text = connection.exchange(Request::get(multivariant()), "").await?.text();
    let playlist = Multivariant::parse(&text)?;
    let uri = &playlist.variants.first().context("no variant")?.uri;
    let answer = connection.exchange(Request::get(format!("/{PATH}/{uri}")), "").await?;
    ensure!(answer.text().contains("#EXT-X-PART:"), "no parts in:\n{}", answer.text());
    Ok(begun.elapsed())
}

/// Until the last byte of the first part with pictures that are shown.
async fn join_player(server: SocketAddr) -> Result<Duration> {
    let begun = stamp::nanos();
    let mut player = Player::join(server, &multivariant(), Start::FirstPlaylist).await?;
    loop {
        match player.next().await? {
            Event::Frame(arrived) if arrived.shown && arrived.kind == Kind::Video => {
                return Ok(Duration::from_nanos(arrived.at.saturating_sub(begun)));
            }
            Event::Frame(_) => {}
            Event::Violation(violation) => bail!("{violation}"),
        }
    }
}

/// What the viewers of one stream cost.
pub(super) async fn fanout(setup: &Setup) -> Result<Table> {
    let title = "HLS viewers of one stream of 2 Mbit/s, parts of 200 ms";
    let header = ["viewers", "CPU s/Gbit", "% of a core", "Mbit/s each", "clients' core", "stalls"];
    let mut table = Table::new(title, &header);
    for &viewers in setup.sizes(&[1, 10, 100]) {
        let (mut runs, mut stalls) = (Vec::new(), 0);
        for _ in 0..setup.runs {
            let (cost, stalled) = fanout_once(setup, viewers).await?;
            runs.push(cost);
            stalls += stalled;
        }
        let of = |at: usize| median(&runs.iter().map(|run| run[at]).collect::<Vec<_>>());
        let cells = [number(of(0), 3), number(of(1), 1), number(of(2), 2), format!("{:.0} %", of(3))];
        table.row(viewers.to_string(), cells.into_iter().chain([stalls.to_string()]));
    }
    Ok(table)
}

/// CPU s/Gbit, shares of the server's core, Mbit/s of a viewer, shares of the clients' core; and stalls.
async fn fanout_once(setup: &Setup, viewers: usize) -> Result<([f64; 4], u64)> {
    let (medley, mut crew) = begin(setup, By::Rtmp, PARTS[0].0).await?;
    let audience = Audience::default();
    for _ in 0..viewers {
        crew.add(audience.clone().watch(medley.http));
        crew.work(Duration::from_millis(20)).await?;
    }
    crew.work(Duration::from_secs(3)).await?;
    let got = || audience.bytes.load(Ordering::Relaxed);
    let (before, stalls) = (got(), audience.stalls.load(Ordering::Relaxed));
    let time = Duration::from_secs(setup.seconds);
    let (seconds, cpu, own) = cpu_of(&medley.process, &mut crew, time).await?;
    let gbit = (got() - before) as f64 * 8e-9;
    let rate = gbit * 1e3 / time.as_secs_f64() / viewers as f64;
    Ok(([seconds / gbit, cpu, rate, own], audience.stalls.load(Ordering::Relaxed) - stalls))
}
