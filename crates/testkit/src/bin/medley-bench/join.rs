//! From connecting to the first complete random access point.

use std::time::{Duration, Instant};

use anyhow::Result;
use container::flv::{Event, VIDEO};
use media::{Codec, Kind};
use testkit::feed::Feed;
use testkit::pictures::Pictures;
use testkit::server::Medley;
use testkit::sounds::{Content, Sounds};
use testkit::stats::{median, percentile};
use testkit::{flv, rtc, rtmp, rtsp};
use webrtc::VIDEO_TRACK;

use super::Setup;
use super::crew::Crew;
use super::report::{Table, number};

/// Joins of each pair in a run.
const JOINS: u64 = 20;

/// Who joins.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Rtmp,
    Flv,
    Rtsp,
    Whep,
}

/// What is measured, the path of its publisher, and the target in milliseconds.
const PAIRS: [(&str, Reader, &str, u32); 6] = [
    ("RTMP > RTMP", Reader::Rtmp, PATIENT, 5),
    ("WHIP > RTMP", Reader::Rtmp, DOCTOR, 5),
    ("RTMP > FLV", Reader::Flv, PATIENT, 5),
    ("RTMP > RTSP", Reader::Rtsp, PATIENT, 5),
    ("RTMP > WHEP", Reader::Whep, PATIENT, 50),
    ("WHIP > WHEP", Reader::Whep, DOCTOR, 50),
];

/// Published by RTMP.
const PATIENT: &str = "patient";
/// Published by WHIP.
const DOCTOR: &str = "doctor";

pub(super) async fn run(setup: &Setup) -> Result<Table> {
    let mut medians: [Vec<f64>; PAIRS.len()] = Default::default();
    let mut worst: [Vec<f64>; PAIRS.len()] = Default::default();
    for _ in 0..setup.runs {
        for (pair, times) in once(setup).await?.into_iter().enumerate() {
            medians[pair].push(median(&times));
            worst[pair].push(percentile(&times, 1.0));
        }
    }
    let title = "Join to the first complete random access point, ms; GOP 2 s, joins spread over it";
    let mut table = Table::new(title, &["publisher > reader", "p50", "max", "target p50"]);
    for (pair, (name, _, _, target)) in PAIRS.into_iter().enumerate() {
        let cells =
            [number(median(&medians[pair]), 2), number(median(&worst[pair]), 1), format!("<= {target}")];
        table.row(name, cells);
    }
    Ok(table)
}

async fn once(setup: &Setup) -> Result<[Vec<f64>; PAIRS.len()]> {
    let medley = Medley::start(&setup.binary, setup.core).await?;
    let mut crew = Crew::default();
    let (http, rtmp) = (medley.http, medley.rtmp);
    let feed = |codec, channels, bps| -> Result<Feed> {
        let sounds = Sounds::new(codec, channels, bps, Content::Speech)?;
        Ok(Feed::new(Pictures::new(2_000_000), Some(sounds), Duration::ZERO))
    };
    let (patient, doctor) = (feed(Codec::Aac, 2, 128_000)?, feed(Codec::Opus, 1, 64_000)?);
    let certificate = setup.certificate.clone();
    crew.add(async move { rtmp::publish(rtmp, PATIENT, patient).await });
    crew.add(async move { rtc::publish(http, DOCTOR, &certificate, doctor).await });
    crew.work(Duration::from_secs(4)).await?;
    let mut times: [Vec<f64>; PAIRS.len()] = Default::default();
    for join in 0..JOINS {
        for (number, (times, (_, reader, path, _))) in times.iter_mut().zip(PAIRS).enumerate() {
            // Steps of the golden ratio meet every part of a GOP.
            let part = (join as f64 + number as f64 / PAIRS.len() as f64) * 0.618 % 1.0;
            crew.work(Duration::from_secs_f64(0.05 + part * 0.4)).await?;
            let took = match reader {
                Reader::Rtmp => rtmp_join(&medley, path).await?,
                Reader::Flv => flv_join(&medley, path).await?,
                Reader::Rtsp => rtsp_join(&medley, path).await?,
                Reader::Whep => whep_join(&medley, setup, path).await?,
            };
            times.push(took.as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// From the TCP connection on.
async fn rtmp_join(medley: &Medley, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    let mut reader = rtmp::Client::play(medley.rtmp, path).await?;
    while !is_random_access(&reader.next().await?) {}
    Ok(begun.elapsed())
}

/// From the TCP connection on.
async fn flv_join(medley: &Medley, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    let mut reader = flv::Client::play(medley.http, path).await?;
    while !is_random_access(&reader.next().await?) {}
    Ok(begun.elapsed())
}

/// From the TCP connection on.
async fn rtsp_join(medley: &Medley, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    let mut reader = rtsp::Client::play(medley.rtsp, path).await?;
    loop {
        if let rtp::receiver::Event::Frame(frame) = reader.next().await?
            && reader.kind(&frame) == Some(Kind::Video)
            && frame.random_access
        {
            return Ok(begun.elapsed());
        }
    }
}

fn is_random_access(event: &Event) -> bool {
    matches!(event, Event::Frame(frame) if frame.track == VIDEO && frame.random_access)
}

/// From the POST on; the offer is made before.
async fn whep_join(medley: &Medley, setup: &Setup, path: &str) -> Result<Duration> {
    let offer = rtc::Offer::new(&setup.certificate).await?;
    let begun = Instant::now();
    let mut reader = offer.post(medley.http, path).await?;
    loop {
        if let webrtc::Event::Frame(frame) = reader.next().await?
            && frame.track == VIDEO_TRACK
            && frame.random_access
        {
            return Ok(begun.elapsed());
        }
    }
}
