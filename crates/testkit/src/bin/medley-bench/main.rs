//! Measures the real `medley` binary on this machine: `benches/run [SUBCOMMAND]`; method and figures in
//! docs/benchmarks.md.
//!
//! Publishers and readers run in this one thread; the server is pinned to another core.
#![forbid(unsafe_code)]

mod consultation;
mod crew;
mod fanout;
mod hls;
mod join;
mod latency;
mod report;
mod sound;
mod start;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use fanout::Reader;
use webrtc::Certificate;

#[derive(Parser, Debug)]
#[command(about)]
struct Cli {
    /// The binary to measure.
    #[arg(long, env = "MEDLEY_BIN", default_value = "target/release/medley")]
    binary: PathBuf,
    /// Runs of each measurement; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of each run, after everybody has joined.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Readers of fan-outs and number of consultations, instead of the usual ones.
    #[arg(long, value_delimiter = ',')]
    sizes: Option<Vec<usize>>,
    /// The core of the server. Pin this program to another one.
    #[arg(long)]
    server_core: Option<usize>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// From connecting to the first complete random access point.
    Join,
    /// Frame in to frame out beside one consultation and beside ten.
    Latency,
    /// What transcoding adds to the way of a sound.
    Sound,
    /// What a consultation costs.
    Consultation,
    /// What RTMP readers of one stream cost, beside nginx.
    FanoutRtmp,
    /// What HTTP-FLV readers of one stream cost.
    FanoutFlv,
    /// What RTSP readers of one stream cost, over TCP.
    FanoutRtsp,
    /// RTMP, HTTP-FLV and RTSP readers, by turns.
    FanoutTcp,
    /// What WHEP readers of one stream cost.
    FanoutWhep,
    /// How far HLS players are behind live.
    Hls,
    /// From connecting to the playlist and the first picture of HLS.
    HlsJoin,
    /// What HLS viewers of one stream cost.
    FanoutHls,
    /// Time to start, and memory when nothing happens.
    Start,
}

impl What {
    /// What is measured without a name: `FanoutTcp` has the readers by HTTP-FLV and RTSP.
    const ALL: [Self; 11] = [
        Self::Start,
        Self::Join,
        Self::Latency,
        Self::Sound,
        Self::Consultation,
        Self::FanoutRtmp,
        Self::FanoutTcp,
        Self::FanoutWhep,
        Self::Hls,
        Self::HlsJoin,
        Self::FanoutHls,
    ];
}

/// What every measurement needs.
#[derive(Debug)]
struct Setup {
    binary: PathBuf,
    core: Option<usize>,
    runs: usize,
    seconds: u64,
    sizes: Option<Vec<usize>>,
    certificate: Certificate,
}

impl Setup {
    fn sizes<'a>(&'a self, usual: &'a [usize]) -> &'a [usize] {
        self.sizes.as_deref().unwrap_or(usual)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    ensure!(cli.binary.exists(), "{} does not exist; name the binary in MEDLEY_BIN", cli.binary.display());
    let setup = Setup {
        binary: cli.binary.canonicalize()?,
        core: cli.server_core,
        runs: cli.runs.max(1),
        seconds: cli.seconds.max(1),
        sizes: cli.sizes,
        certificate: Certificate::generate().context("no randomness")?,
    };
    report::machine();
    for what in cli.what.map_or_else(|| What::ALL.to_vec(), |what| vec![what]) {
        let table = match what {
            What::Start => start::run(&setup).await?,
            What::Join => join::run(&setup).await?,
            What::Latency => latency::run(&setup).await?,
            What::Sound => sound::run(&setup).await?,
            What::Consultation => consultation::run(&setup).await?,
            What::FanoutRtmp => fanout::rtmp(&setup).await?,
            What::FanoutFlv => fanout::tcp(&setup, Reader::Flv).await?,
            What::FanoutRtsp => fanout::tcp(&setup, Reader::Rtsp).await?,
            What::FanoutTcp => fanout::beside(&setup).await?,
            What::FanoutWhep => fanout::whep(&setup).await?,
            What::Hls => hls::latency(&setup).await?,
            What::HlsJoin => hls::join(&setup).await?,
            What::FanoutHls => hls::fanout(&setup).await?,
        };
        table.print();
    }
    Ok(())
}
