//! What transcoding adds to the way of a sound: from the packet in which a burst becomes audible, sent, to the packet in
//! which it becomes audible, received. Both codecs need the whole of that packet and what they hold back of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use container::flv;
use media::Codec;
use testkit::feed::{Feed, SendLog};
use testkit::onset::Onsets;
use testkit::pictures::Pictures;
use testkit::server::Medley;
use testkit::sounds::{Content, Sounds};
use testkit::stats::median;
use testkit::{rtc, rtmp, stamp};
use webrtc::{AUDIO_TRACK, Event};

use super::Setup;
use super::consultation::begin;
use super::crew::{Crew, Delays, quantiles};
use super::latency::CONSULTATIONS;
use super::report::{Table, number};

/// What was sent and when.
#[derive(Clone, Debug)]
struct Source {
    log: SendLog,
    /// Packets, before they repeat, in which a burst becomes audible.
    onsets: BTreeSet<usize>,
    packets: usize,
}

impl Source {
    fn new(sounds: &Sounds) -> Result<Self> {
        let mut listener = Onsets::new(&sounds.track())?;
        let mut onsets = BTreeSet::new();
        // Twice: what repeats is what counts, not how it begins.
        for round in 0..2 {
            for (number, packet) in sounds.packets().iter().enumerate() {
                if listener.hear(packet)? && round == 1 {
                    onsets.insert(number);
                }
            }
        }
        Ok(Self { log: SendLog::default(), onsets, packets: sounds.packets().len() })
    }

    /// When the burst was sent that was heard at `heard`: the last one before.
    fn sent_before(&self, heard: u64) -> Option<u64> {
        let sent = (0..).map_while(|number| Some((number, self.log.get(number)?)));
        let bursts = sent.filter(|(number, _)| self.onsets.contains(&(number % self.packets)));
        bursts.map(|(_, nanos)| nanos).take_while(|&nanos| nanos < heard).last()
    }

    fn note(&self, delays: &Delays) {
        let heard = stamp::nanos();
        if let Some(sent) = self.sent_before(heard) {
            delays.push(heard - sent);
        }
    }
}

pub(super) async fn run(setup: &Setup) -> Result<Table> {
    let mut runs: [Vec<[f64; 4]>; 4] = Default::default();
    for _ in 0..setup.runs {
        for (pair, delays) in once(setup).await?.iter().enumerate() {
            runs[pair].push(quantiles(delays));
        }
    }
    let title = "A sound's way, sent to audible in what is received, ms; 10 consultations beside";
    let mut table = Table::new(title, &["way", "p50", "p95", "max", "added at p50", "target"]);
    let names = ["Opus WHIP > WHEP", "Opus>AAC WHIP > RTMP", "AAC RTMP > RTMP", "AAC>Opus RTMP > WHEP"];
    let of = |pair: usize, at: usize| median(&runs[pair].iter().map(|run| run[at]).collect::<Vec<_>>());
    for (pair, name) in names.into_iter().enumerate() {
        let transcoded = pair % 2 == 1;
        let added = if transcoded { number(of(pair, 0) - of(pair - 1, 0), 1) } else { "-".to_owned() };
        let target = if transcoded { "< 60" } else { "" };
        let cells = [number(of(pair, 0), 1), number(of(pair, 1), 1), number(of(pair, 3), 1)];
        table.row(name, cells.into_iter().chain([added, target.to_owned()]));
    }
    Ok(table)
}

async fn once(setup: &Setup) -> Result<[Vec<f64>; 4]> {
    let medley = Medley::start(&setup.binary, setup.core).await?;
    let mut crew = Crew::default();
    begin(setup, &medley, CONSULTATIONS, &mut crew)?;
    let opus = Sounds::new(Codec::Opus, 1, 64_000, Content::Bursts)?;
    let aac = Sounds::new(Codec::Aac, 2, 128_000, Content::Bursts)?;
    let (from_opus, from_aac) = (Source::new(&opus)?, Source::new(&aac)?);
    let feed = |sounds, source: &Source| {
        Feed::new(Pictures::new(1_000_000), Some(sounds), Duration::ZERO).with_log(source.log.clone())
    };
    let (doctor, patient) = (feed(opus, &from_opus), feed(aac, &from_aac));
    let (http, rtmp) = (medley.http, medley.rtmp);
    let certificate = setup.certificate.clone();
    crew.add(async move { rtc::publish(http, "clicks/doctor", &certificate, doctor).await });
    crew.add(async move { rtmp::publish(rtmp, "clicks/patient", patient).await });
    crew.work(Duration::from_secs(3)).await?;
    let delays: [Delays; 4] = Default::default();
    let [opus_opus, opus_aac, aac_aac, aac_opus] = delays.clone();
    let (source, certificate) = (from_opus.clone(), setup.certificate.clone());
    crew.add(async move {
        let reader = rtc::Offer::new(&certificate).await?.post(http, "clicks/doctor").await?;
        listen_whep(reader, &source, &opus_opus).await
    });
    crew.add(async move { listen_rtmp(rtmp, "clicks/doctor", &from_opus, &opus_aac).await });
    let (source, certificate) = (from_aac.clone(), setup.certificate.clone());
    crew.add(async move { listen_rtmp(rtmp, "clicks/patient", &source, &aac_aac).await });
    crew.add(async move {
        let reader = rtc::Offer::new(&certificate).await?.post(http, "clicks/patient").await?;
        listen_whep(reader, &from_aac, &aac_opus).await
    });
    crew.work(Duration::from_secs(2)).await?;
    for delays in &delays {
        delays.take();
    }
    crew.work(Duration::from_secs(setup.seconds)).await?;
    Ok(delays.map(|delays| delays.take()))
}

async fn listen_rtmp(server: SocketAddr, path: &str, source: &Source, delays: &Delays) -> Result<()> {
    let mut reader = rtmp::Client::play(server, path).await?;
    let mut listener = None;
    loop {
        match reader.next().await? {
            flv::Event::Track(track) if track.id == flv::AUDIO => listener = Some(Onsets::new(&track)?),
            flv::Event::Frame(frame) if frame.track == flv::AUDIO => {
                let listener = listener.as_mut().context("sound before its parameters")?;
                if listener.hear(&frame.payload)? {
                    source.note(delays);
                }
            }
            _ => {}
        }
    }
}

async fn listen_whep(mut reader: rtc::Reader, source: &Source, delays: &Delays) -> Result<()> {
    let mut listener = None;
    loop {
        match reader.next().await? {
            Event::Track(track) if track.id == AUDIO_TRACK => listener = Some(Onsets::new(&track)?),
            Event::Frame(frame) if frame.track == AUDIO_TRACK => {
                let listener = listener.as_mut().context("sound before its parameters")?;
                if listener.hear(&frame.payload)? {
                    source.note(delays);
                }
            }
            _ => {}
        }
    }
}
