//! What a consultation costs: a doctor by WHIP to an RTMP reader, a patient by RTMP to a WHEP reader, 1 Mbit/s each,
//! and both sounds transcoded.

use std::time::Duration;

use anyhow::Result;
use container::flv;
use media::{Codec, Kind};
use testkit::feed::Feed;
use testkit::pictures::Pictures;
use testkit::server::Medley;
use testkit::sounds::{Content, Sounds};
use testkit::stats::median;
use testkit::{rtc, rtmp, rtsp};
use webrtc::{Event, VIDEO_TRACK};

use super::Setup;
use super::crew::{Crew, Delays, cpu_of, quantiles};
use super::report::{Table, number};

/// Bits a second of the pictures of each side.
pub(super) const BPS: u32 = 1_000_000;
/// Pictures a second of a consultation, both ways.
const PICTURES: f64 = 60.0;

/// Delays of the pictures on the two ways of consultations.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    pub(super) whip_rtmp: Delays,
    pub(super) rtmp_whep: Delays,
}

/// Starts `count` consultations on the paths `doctor0`, `patient0` and so on.
pub(super) fn begin(setup: &Setup, medley: &Medley, count: usize, crew: &mut Crew) -> Result<Ways> {
    let ways = Ways::default();
    let opus = Sounds::new(Codec::Opus, 1, 64_000, Content::Speech)?;
    let aac = Sounds::new(Codec::Aac, 2, 128_000, Content::Speech)?;
    for number in 0..count {
        let delay = Duration::from_millis(number as u64 * 37);
        let (http, rtmp) = (medley.http, medley.rtmp);
        let feed = |sounds: &Sounds| Feed::new(Pictures::new(BPS), Some(sounds.clone()), delay);
        let (doctor, patient) = (feed(&opus), feed(&aac));
        let certificate = setup.certificate.clone();
        crew.add(async move {
            tokio::time::sleep(delay).await;
            rtc::publish(http, &format!("doctor{number}"), &certificate, doctor).await
        });
        crew.add(async move {
            tokio::time::sleep(delay).await;
            rtmp::publish(rtmp, &format!("patient{number}"), patient).await
        });
        let (to_rtmp, to_whep) = (ways.whip_rtmp.clone(), ways.rtmp_whep.clone());
        let certificate = setup.certificate.clone();
        let later = delay + Duration::from_millis(1_500);
        crew.add(async move {
            tokio::time::sleep(later).await;
            read_rtmp(rtmp, &format!("doctor{number}"), &to_rtmp).await
        });
        crew.add(async move {
            tokio::time::sleep(later).await;
            let reader = rtc::Offer::new(&certificate).await?.post(http, &format!("patient{number}")).await?;
            read_whep(reader, &to_whep).await
        });
    }
    Ok(ways)
}

pub(super) async fn read_rtmp(server: std::net::SocketAddr, path: &str, delays: &Delays) -> Result<()> {
    let mut reader = rtmp::Client::play(server, path).await?;
    loop {
        if let flv::Event::Frame(frame) = reader.next().await?
            && frame.track == flv::VIDEO
        {
            delays.note(&frame);
        }
    }
}

pub(super) async fn read_flv(server: std::net::SocketAddr, path: &str, delays: &Delays) -> Result<()> {
    let mut reader = testkit::flv::Client::play(server, path).await?;
    loop {
        if let flv::Event::Frame(frame) = reader.next().await?
            && frame.track == flv::VIDEO
        {
            delays.note(&frame);
        }
    }
}

pub(super) async fn read_rtsp(server: std::net::SocketAddr, path: &str, delays: &Delays) -> Result<()> {
    let mut reader = rtsp::Client::play(server, path).await?;
    loop {
        if let rtp::receiver::Event::Frame(frame) = reader.next().await?
            && reader.kind(&frame) == Some(Kind::Video)
        {
            delays.note(&frame);
        }
    }
}

pub(super) async fn read_whep(mut reader: rtc::Reader, delays: &Delays) -> Result<()> {
    loop {
        if let Event::Frame(frame) = reader.next().await?
            && frame.track == VIDEO_TRACK
        {
            delays.note(&frame);
        }
    }
}

/// What one run gives.
struct Cost {
    cpu: f64,
    memory: f64,
    delivered: f64,
    p99: f64,
    worst: f64,
    own: f64,
}

pub(super) async fn run(setup: &Setup) -> Result<Table> {
    let header =
        ["consultations", "% of a core each", "MiB each", "delivered", "p99 ms", "max ms", "clients' core"];
    let mut table = Table::new("Consultations, both sounds transcoded (targets: 3 % and 2.5 MiB)", &header);
    for &count in setup.sizes(&[1, 10, 30]) {
        let mut costs = Vec::new();
        for _ in 0..setup.runs {
            costs.push(once(setup, count).await?);
        }
        let of = |field: fn(&Cost) -> f64| median(&costs.iter().map(field).collect::<Vec<_>>());
        let cells = [
            number(of(|cost| cost.cpu), 2),
            number(of(|cost| cost.memory), 2),
            format!("{:.1} %", of(|cost| cost.delivered)),
            number(of(|cost| cost.p99), 1),
            number(of(|cost| cost.worst), 1),
            format!("{:.0} %", of(|cost| cost.own)),
        ];
        table.row(count.to_string(), cells);
    }
    Ok(table)
}

async fn once(setup: &Setup, count: usize) -> Result<Cost> {
    let medley = Medley::start(&setup.binary, setup.core).await?;
    let mut crew = Crew::default();
    crew.work(Duration::from_millis(500)).await?;
    let idle = medley.process.resident_kib()?;
    let ways = begin(setup, &medley, count, &mut crew)?;
    crew.work(Duration::from_millis(5_000 + count as u64 * 37)).await?;
    // What was measured while they joined.
    ways.whip_rtmp.take();
    ways.rtmp_whep.take();
    let time = Duration::from_secs(setup.seconds);
    let (_, cpu, own) = cpu_of(&medley.process, &mut crew, time).await?;
    let delays = [ways.whip_rtmp.take(), ways.rtmp_whep.take()].concat();
    let memory = (medley.process.resident_kib()? - idle) / 1024.0;
    let [_, _, p99, worst] = quantiles(&delays);
    let each = count as f64;
    let expected = each * PICTURES * time.as_secs_f64();
    let delivered = delays.len() as f64 / expected * 100.0;
    Ok(Cost { cpu: cpu / each, memory: memory / each, delivered, p99, worst, own })
}
