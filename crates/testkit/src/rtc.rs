//! WHIP and WHEP over HTTP and UDP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use media::{CodecConfig, Frame, Kind, Pii, TrackInfo};
use rtp::Payloads;
use rtp::h264::Packetizer;
use tokio::net::UdpSocket;
pub use webrtc::Certificate;
use webrtc::{
    Address, Config, Credentials, Event, IceMode, Outgoing, Output, Peer, Proto, Publisher, Role, Subscriber,
    client,
};

use crate::feed::Feed;
use crate::http;
use crate::rtmp::Counters;

const KINDS: [Kind; 2] = [Kind::Video, Kind::Audio];
/// An Ethernet packet, with room.
const DATAGRAM: usize = 2_048;

/// A peer on a socket of its own: servers tell peers apart by their addresses.
#[derive(Debug)]
struct Link<R> {
    peer: Peer<R>,
    socket: UdpSocket,
    local: SocketAddr,
    wake: Instant,
    received: u64,
}

async fn socket(certificate: &Certificate) -> Result<(UdpSocket, Config)> {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    let pwd = Pii(format!("{seed:0>24}"));
    let mut config =
        Config::new(Credentials { ufrag: format!("c{seed:0>7}"), pwd }, certificate.clone(), seed);
    config.ice = IceMode::Full;
    config.addresses = vec![Address { proto: Proto::Udp, addr: socket.local_addr()? }];
    Ok((socket, config))
}

impl<R: Role> Link<R> {
    fn new(peer: Peer<R>, socket: UdpSocket) -> Result<Self> {
        let local = socket.local_addr()?;
        Ok(Self { peer, socket, local, wake: Instant::now(), received: 0 })
    }

    /// What the peer tells, after everything that it has to send is sent; `None` when it wants to wait.
    async fn drain(&mut self) -> Result<Option<Event>> {
        loop {
            match self.peer.poll_output() {
                Output::Transmit(out) => {
                    self.socket.send_to(&out.bytes, out.destination).await?;
                }
                Output::Event(Event::Closed(reason)) => bail!("the session ended: {reason}"),
                Output::Event(event) => return Ok(Some(event)),
                Output::Timeout(at) => {
                    self.wake = at;
                    return Ok(None);
                }
            }
        }
    }

    /// Runs the peer until it tells something, or `until` has come (`None`).
    async fn next(&mut self, until: Option<Instant>) -> Result<Option<Event>> {
        let mut buffer = [0; DATAGRAM];
        loop {
            if let Some(event) = self.drain().await? {
                return Ok(Some(event));
            }
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                return Ok(None);
            }
            if now >= self.wake {
                self.peer.handle_timeout(now);
                continue;
            }
            let wake = until.map_or(self.wake, |until| until.min(self.wake));
            tokio::select! {
                biased;
                datagram = self.socket.recv_from(&mut buffer) => {
                    let (taken, from) = datagram?;
                    self.received += taken as u64;
                    let now = Instant::now();
                    self.peer.handle_datagram(now, Proto::Udp, from, self.local, &buffer[..taken]);
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    async fn connected(&mut self) -> Result<()> {
        let limit = Instant::now() + Duration::from_secs(10);
        while !self.peer.is_connected() {
            if self.next(Some(limit)).await?.is_none() {
                bail!("no connection in 10 s");
            }
        }
        Ok(())
    }
}

/// Publishes `feed` until the task is dropped or the session fails. Random access points come when the feed has them,
/// however often the server asks.
///
/// # Errors
/// If the server refuses or ends the session.
pub async fn publish(
    server: SocketAddr,
    path: &str,
    certificate: &Certificate,
    mut feed: Feed,
) -> Result<()> {
    let (socket, config) = socket(certificate).await?;
    let (offering, offer) = client::publisher(&config, &KINDS, Instant::now())?;
    let answer = http::post_offer(server, &format!("/{path}/whip"), &offer).await?;
    let mut link = Link::new(offering.accept(&answer)?, socket)?;
    link.connected().await?;
    feed.restart();
    let tracks = feed.tracks();
    loop {
        while link.next(Some(feed.due())).await?.is_some() {}
        let (kind, frame) = feed.take();
        let track = tracks.iter().find(|track| track.kind() == kind).context("a frame's track")?;
        send(&mut link.peer, &frame, track);
    }
}

fn send(peer: &mut Peer<Subscriber>, frame: &Frame, track: &TrackInfo) {
    let payloads: Payloads = match &track.config {
        CodecConfig::H264(sets) => {
            Packetizer::default().packetize(&frame.payload, frame.random_access.then_some(sets))
        }
        _ => rtp::opus::packetize(&frame.payload),
    };
    let random_access = frame.random_access;
    let frame = Outgoing { kind: track.kind(), payloads: &payloads, pts: frame.pts, random_access };
    peer.send(frame, Instant::now());
}

/// An offer to read that has not been posted.
#[derive(Debug)]
pub struct Offer {
    offering: client::Offering<Publisher>,
    offer: String,
    socket: UdpSocket,
}

impl Offer {
    /// Makes it.
    ///
    /// # Errors
    /// If there is no socket.
    pub async fn new(certificate: &Certificate) -> Result<Self> {
        let (socket, config) = socket(certificate).await?;
        let (offering, offer) = client::subscriber(&config, &KINDS, Instant::now())?;
        Ok(Self { offering, offer, socket })
    }

    /// Posts it.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn post(self, server: SocketAddr, path: &str) -> Result<Reader> {
        let answer = http::post_offer(server, &format!("/{path}/whep"), &self.offer).await?;
        Ok(Reader { link: Link::new(self.offering.accept(&answer)?, self.socket)? })
    }
}

/// A reader that puts every frame together.
#[derive(Debug)]
pub struct Reader {
    link: Link<Publisher>,
}

impl Reader {
    /// The next event of the session.
    ///
    /// # Errors
    /// If it ends.
    pub async fn next(&mut self) -> Result<Event> {
        self.link.next(None).await?.context("no end was set")
    }

    /// Reads and counts datagram bytes and pictures until the session ends.
    ///
    /// # Errors
    /// When it ends.
    pub async fn count(&mut self, counters: Arc<Counters>) -> Result<()> {
        self.link.connected().await?;
        counters.joined.fetch_add(1, Ordering::Relaxed);
        loop {
            let event = self.next().await?;
            counters.bytes.fetch_add(std::mem::take(&mut self.link.received), Ordering::Relaxed);
            if matches!(event, Event::Frame(frame) if frame.track == webrtc::VIDEO_TRACK) {
                counters.pictures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
