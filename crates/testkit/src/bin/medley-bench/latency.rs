//! Frame in to frame out, beside one consultation and beside ten.

use std::time::Duration;

use anyhow::Result;
use media::Codec;
use testkit::feed::Feed;
use testkit::pictures::Pictures;
use testkit::server::Medley;
use testkit::sounds::{Content, Sounds};
use testkit::stats::median;
use testkit::{rtc, rtsp};

use super::Setup;
use super::consultation::{BPS, begin, read_flv, read_rtmp, read_rtsp, read_whep};
use super::crew::{Crew, Delays, quantiles};
use super::report::{Table, number};

/// What a busy server has to do meanwhile.
pub(super) const CONSULTATIONS: usize = 10;
/// Consultations that have more readers of each stream than the other side, and cameras beside them.
const WITH_MORE: usize = 2;
const WAYS: [&str; 7] =
    ["RTMP > RTMP", "RTMP > FLV", "RTMP > RTSP", "RTSP > RTSP", "WHIP > RTMP", "RTMP > WHEP", "WHIP > WHEP"];

pub(super) async fn run(setup: &Setup) -> Result<Table> {
    let title =
        "Frame in to frame out beside consultations, ms (targets: p99 < 10, p50 < 0.4 to FLV and RTSP)";
    let mut table = Table::new(title, &["beside", "p50", "p95", "p99", "max"]);
    for &consultations in setup.sizes(&[1, CONSULTATIONS]) {
        let mut runs: [Vec<[f64; 4]>; WAYS.len()] = Default::default();
        for _ in 0..setup.runs {
            for (way, delays) in once(setup, consultations).await?.iter().enumerate() {
                runs[way].push(quantiles(delays));
            }
        }
        for (name, runs) in WAYS.into_iter().zip(runs) {
            let of = |at: usize| median(&runs.iter().map(|run| run[at]).collect::<Vec<_>>());
            table.row(format!("{consultations}: {name}"), (0..4).map(|at| number(of(at), 2)));
        }
    }
    Ok(table)
}

async fn once(setup: &Setup, consultations: usize) -> Result<[Vec<f64>; WAYS.len()]> {
    let medley = Medley::start(&setup.binary, setup.core).await?;
    let mut crew = Crew::default();
    let ways = begin(setup, &medley, consultations, &mut crew)?;
    let with_more = WITH_MORE.min(consultations);
    let [rtmp_rtmp, rtmp_flv, rtmp_rtsp, rtsp_rtsp, whip_whep] = [(); 5].map(|()| Delays::default());
    for number in 0..with_more {
        let sounds = Sounds::new(Codec::Aac, 2, 128_000, Content::Speech)?;
        let feed = Feed::new(Pictures::new(BPS), Some(sounds), Duration::from_millis(number as u64 * 41));
        let rtsp = medley.rtsp;
        crew.add(async move { rtsp::publish(rtsp, &format!("camera{number}"), feed).await });
    }
    crew.work(Duration::from_secs(3)).await?;
    for number in 0..with_more {
        let Medley { http, rtmp, rtsp, .. } = medley;
        let (to_rtmp, to_flv, to_whep) = (rtmp_rtmp.clone(), rtmp_flv.clone(), whip_whep.clone());
        let (to_rtsp, from_camera) = (rtmp_rtsp.clone(), rtsp_rtsp.clone());
        let certificate = setup.certificate.clone();
        crew.add(async move { read_rtmp(rtmp, &format!("patient{number}"), &to_rtmp).await });
        crew.add(async move { read_flv(http, &format!("patient{number}"), &to_flv).await });
        crew.add(async move { read_rtsp(rtsp, &format!("patient{number}"), &to_rtsp).await });
        crew.add(async move { read_rtsp(rtsp, &format!("camera{number}"), &from_camera).await });
        crew.add(async move {
            let offer = rtc::Offer::new(&certificate).await?;
            read_whep(offer.post(http, &format!("doctor{number}")).await?, &to_whep).await
        });
    }
    crew.work(Duration::from_secs(3)).await?;
    let all = [rtmp_rtmp, rtmp_flv, rtmp_rtsp, rtsp_rtsp, ways.whip_rtmp, ways.rtmp_whep, whip_whep];
    // What the burst of a join brought is old by intention.
    for delays in &all {
        delays.take();
    }
    crew.work(Duration::from_secs(setup.seconds)).await?;
    Ok(all.map(|delays| delays.take()))
}
