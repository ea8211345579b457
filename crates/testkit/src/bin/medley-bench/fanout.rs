//! What the readers of one stream cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use media::Codec;
use testkit::feed::Feed;
use testkit::pictures::Pictures;
use testkit::process::Process;
use testkit::rtmp::Counters;
use testkit::server::{Medley, Nginx};
use testkit::sounds::{Content, Sounds};
use testkit::stats::median;
use testkit::{flv, rtc, rtmp, rtsp};

use super::Setup;
use super::crew::{Crew, cpu_of};
use super::report::{Table, number};

/// Bits a second of the pictures.
const BPS: u32 = 2_000_000;
const PATH: &str = "live/bench";
const HEADER: [&str; 6] =
    ["readers", "CPU s/Gbit", "% of a core", "KiB/reader", "Mbit/s each", "clients' core"];

/// What one run gives.
struct Cost {
    per_gbit: f64,
    cpu: f64,
    memory: f64,
    rate: f64,
    own: f64,
}

fn row(table: &mut Table, name: String, costs: &[Cost]) {
    let of = |field: fn(&Cost) -> f64| median(&costs.iter().map(field).collect::<Vec<_>>());
    let cells = [
        number(of(|cost| cost.per_gbit), 3),
        number(of(|cost| cost.cpu), 1),
        number(of(|cost| cost.memory), 0),
        number(of(|cost| cost.rate), 2),
        format!("{:.0} %", of(|cost| cost.own)),
    ];
    table.row(name, cells);
}

pub(super) async fn rtmp(setup: &Setup) -> Result<Table> {
    let mut table = Table::new("RTMP readers of one stream of 2 Mbit/s (target: 0.25 CPU s/Gbit)", &HEADER);
    for &readers in setup.sizes(&[50, 200, 500]) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..setup.runs {
            ours.push(tcp_once(setup, Reader::Rtmp, readers).await?);
            if Nginx::is_installed() {
                let nginx = Nginx::start(setup.core).await?;
                let (process, server) = (&nginx.process, nginx.rtmp);
                let read = |counters| rtmp::count(server, PATH, counters);
                theirs.push(once(setup, process, server, readers, read).await?);
            }
        }
        row(&mut table, format!("{readers} medley"), &ours);
        if !theirs.is_empty() {
            row(&mut table, format!("{readers} nginx"), &theirs);
        }
    }
    Ok(table)
}

/// Readers over TCP of a stream that came by RTMP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reader {
    Rtmp,
    Flv,
    Rtsp,
}

impl Reader {
    const fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Flv => "HTTP-FLV",
            Self::Rtsp => "RTSP",
        }
    }

    async fn count(self, (rtmp, http, rtsp): Addresses, counters: Arc<Counters>) -> Result<()> {
        match self {
            Self::Rtmp => rtmp::count(rtmp, PATH, counters).await,
            Self::Flv => flv::count(http, PATH, counters).await,
            Self::Rtsp => rtsp::count(rtsp, PATH, counters).await,
        }
    }
}

/// Where RTMP, HTTP and RTSP are.
type Addresses = (SocketAddr, SocketAddr, SocketAddr);

/// The readers of one protocol.
pub(super) async fn tcp(setup: &Setup, reader: Reader) -> Result<Table> {
    let mut table = Table::new(format!("{} readers of one stream of 2 Mbit/s", reader.name()), &HEADER);
    for &readers in setup.sizes(&[50, 200, 500]) {
        let mut costs = Vec::new();
        for _ in 0..setup.runs {
            costs.push(tcp_once(setup, reader, readers).await?);
        }
        row(&mut table, readers.to_string(), &costs);
    }
    Ok(table)
}

/// HTTP-FLV and RTSP beside RTMP, by turns.
pub(super) async fn beside(setup: &Setup) -> Result<Table> {
    const READERS: [Reader; 3] = [Reader::Rtmp, Reader::Flv, Reader::Rtsp];
    let header = ["readers", "CPU s/Gbit", "of RTMP", "% of a core", "KiB/reader", "clients' core"];
    let title =
        "RTMP, HTTP-FLV and RTSP over TCP: readers of one stream of 2 Mbit/s (target: none dearer than RTMP)";
    let mut table = Table::new(title, &header);
    for &readers in setup.sizes(&[50, 200, 500]) {
        let mut runs = Vec::new();
        for _ in 0..setup.runs {
            let mut costs = Vec::new();
            for reader in READERS {
                costs.push(tcp_once(setup, reader, readers).await?);
            }
            runs.push(costs);
        }
        for (at, reader) in READERS.into_iter().enumerate() {
            let of = |figure: &dyn Fn(&[Cost]) -> f64| {
                median(&runs.iter().map(|run| figure(run)).collect::<Vec<_>>())
            };
            let cells = [
                number(of(&|run| run[at].per_gbit), 3),
                number(of(&|run| run[at].per_gbit / run[0].per_gbit), 2),
                number(of(&|run| run[at].cpu), 1),
                number(of(&|run| run[at].memory), 0),
                format!("{:.0} %", of(&|run| run[at].own)),
            ];
            table.row(format!("{readers} {}", reader.name()), cells);
        }
    }
    Ok(table)
}

/// A publisher over RTMP, whose GOP is known once this returns.
async fn publish(server: SocketAddr, crew: &mut Crew) -> Result<()> {
    let sounds = Sounds::new(Codec::Aac, 2, 128_000, Content::Speech)?;
    let feed = Feed::new(Pictures::new(BPS), Some(sounds), Duration::ZERO);
    crew.add(async move { rtmp::publish(server, PATH, feed).await });
    crew.work(Duration::from_millis(2_500)).await
}

/// One publisher over RTMP at `server`, and so many of what `read` makes.
async fn once<F>(
    setup: &Setup,
    process: &Process,
    server: SocketAddr,
    readers: usize,
    read: impl Fn(Arc<Counters>) -> F,
) -> Result<Cost>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let mut crew = Crew::default();
    publish(server, &mut crew).await?;
    let before = process.resident_kib()?;
    let counters = Arc::new(Counters::default());
    for _ in 0..readers {
        crew.add(read(Arc::clone(&counters)));
        crew.work(Duration::from_millis(2)).await?;
    }
    measure(setup, process, crew, &counters, (readers, before)).await
}

async fn tcp_once(setup: &Setup, reader: Reader, readers: usize) -> Result<Cost> {
    let medley = Medley::start(&setup.binary, setup.core).await?;
    let addresses = (medley.rtmp, medley.http, medley.rtsp);
    once(setup, &medley.process, medley.rtmp, readers, |counters| reader.count(addresses, counters)).await
}

pub(super) async fn whep(setup: &Setup) -> Result<Table> {
    let title = "WHEP readers of one WHIP stream of 2 Mbit/s (targets: 0.45 CPU s/Gbit, 250 KiB)";
    let mut table = Table::new(title, &HEADER);
    for &readers in setup.sizes(&[50, 200]) {
        let mut costs = Vec::new();
        for _ in 0..setup.runs {
            costs.push(whep_once(setup, readers).await?);
        }
        row(&mut table, readers.to_string(), &costs);
    }
    Ok(table)
}

async fn whep_once(setup: &Setup, readers: usize) -> Result<Cost> {
    let medley = Medley::start(&setup.binary, setup.core).await?;
    let mut crew = Crew::default();
    let sounds = Sounds::new(Codec::Opus, 1, 64_000, Content::Speech)?;
    let feed = Feed::new(Pictures::new(BPS), Some(sounds), Duration::ZERO);
    let (http, certificate) = (medley.http, setup.certificate.clone());
    crew.add(async move { rtc::publish(http, PATH, &certificate, feed).await });
    crew.work(Duration::from_millis(2_500)).await?;
    let before = medley.process.resident_kib()?;
    let counters = Arc::new(Counters::default());
    for _ in 0..readers {
        let (certificate, counters) = (setup.certificate.clone(), Arc::clone(&counters));
        crew.add(async move {
            let mut reader = rtc::Offer::new(&certificate).await?.post(http, PATH).await?;
            reader.count(counters).await
        });
        crew.work(Duration::from_millis(20)).await?;
    }
    measure(setup, &medley.process, crew, &counters, (readers, before)).await
}

/// Once all `readers` have joined and what their joins took is over; `before` is the server's memory without them.
async fn measure(
    setup: &Setup,
    process: &Process,
    mut crew: Crew,
    counters: &Counters,
    (readers, before): (usize, f64),
) -> Result<Cost> {
    crew.work_until(|| counters.joined.load(Ordering::Relaxed) == readers as u64).await?;
    crew.work(Duration::from_secs(3)).await?;
    let bytes = counters.bytes.load(Ordering::Relaxed);
    let time = Duration::from_secs(setup.seconds);
    let (seconds, cpu, own) = cpu_of(process, &mut crew, time).await?;
    let gbit = (counters.bytes.load(Ordering::Relaxed) - bytes) as f64 * 8e-9;
    let memory = (process.resident_kib()? - before) / readers as f64;
    let rate = gbit * 1e3 / time.as_secs_f64() / readers as f64;
    Ok(Cost { per_gbit: seconds / gbit, cpu, memory, rate, own })
}
