//! One pair of UDP ports for all sessions: which packet belongs to which track.
//!
//! A packet is known by where it comes from. A session that is set up expects each track's packets from the address of
//! its connection and the port that SETUP named. Behind a NAT the port is another: the first packet from that address
//! and an unknown port takes the place of the first track that nothing has come for yet, if there is no doubt whose it
//! is. Players send such packets to open the way for ours (ffmpeg an empty RTP header, live555 four bytes).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rtsp::session::UdpPorts;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::port::{Addresses, Batch, Port, Received};

/// Packets that wait for one session; more are dropped, as a network would. A random access point of 4 Mbit/s has 250.
const SESSION_QUEUE: usize = 2_048;
/// RTP's payload types that belong to RTCP when both come to one port (RFC 5761 §4), and to RTCP alone otherwise.
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 192..=223;

/// Which of the two ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Flow {
    Rtp,
    Rtcp,
}

/// A packet for a session.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) at: Instant,
    pub(super) track: usize,
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
}

/// A track whose packets travel by UDP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Its number in the session.
    pub(super) track: usize,
    /// The client's ports, as SETUP named them.
    pub(super) ports: (u16, u16),
    /// The payload type of what a publisher sends on it.
    pub(super) payload_type: Option<u8>,
}

/// Where one flow of one track comes from and goes to.
#[derive(Debug)]
struct Place {
    session: u64,
    track: usize,
    flow: Flow,
    payload_type: Option<u8>,
    address: Mutex<SocketAddr>,
    /// Something has come from the address.
    proven: AtomicBool,
    sender: mpsc::Sender<Datagram>,
}

impl Place {
    /// Whether what comes from an unknown port can be meant for this track.
    fn may_get(&self, bytes: &[u8]) -> bool {
        let kind = bytes.get(1).copied();
        match (self.flow, self.payload_type) {
            (Flow::Rtp, Some(expected)) => kind.is_some_and(|kind| kind & 0x7f == expected),
            (Flow::Rtcp, Some(_)) => kind.is_some_and(|kind| RTCP_TYPES.contains(&kind)),
            (_, None) => true,
        }
    }
}

#[derive(Debug, Default)]
struct Places {
    by_address: HashMap<(Flow, SocketAddr), Arc<Place>>,
    by_ip: HashMap<(Flow, IpAddr), Vec<Arc<Place>>>,
}

/// The shared ports.
#[derive(Debug)]
pub struct Udp {
    rtp: Port,
    rtcp: Port,
    places: RwLock<Places>,
    next_session: AtomicU64,
    /// Packets from nobody who is expected.
    unknown: AtomicU64,
    /// Packets for sessions that do not keep up.
    overflow: AtomicU64,
}

impl Udp {
    /// Takes bound sockets.
    ///
    /// # Errors
    /// What the operating system says about their options.
    pub fn new(rtp: UdpSocket, rtcp: UdpSocket) -> io::Result<Self> {
        Ok(Self {
            rtp: Port::new(rtp)?,
            rtcp: Port::new(rtcp)?,
            places: RwLock::default(),
            next_session: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
        })
    }

    /// The ports as clients are told of them.
    pub const fn ports(&self) -> UdpPorts {
        UdpPorts { rtp: self.rtp.local_addr().port(), rtcp: self.rtcp.local_addr().port() }
    }

    /// Datagrams that were dropped: from strangers, and for sessions that were too slow.
    pub fn dropped(&self) -> (u64, u64) {
        (self.unknown.load(Ordering::Relaxed), self.overflow.load(Ordering::Relaxed))
    }

    /// Receives until a socket fails.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn run(&self) -> io::Result<()> {
        tokio::select! {
            result = self.rtp.receive(|received| self.deliver(Flow::Rtp, received)) => result,
            result = self.rtcp.receive(|received| self.deliver(Flow::Rtcp, received)) => result,
        }
    }

    /// Opens the way for a session between `peer`, whose ports its tracks name, and `local`.
    pub(super) fn attach(
        self: &Arc<Self>,
        peer: IpAddr,
        local: IpAddr,
        tracks: &[Expected],
    ) -> (Attachment, mpsc::Receiver<Datagram>) {
        let (sender, receiver) = mpsc::channel(SESSION_QUEUE);
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let mut places = Vec::new();
        for &Expected { track, ports, payload_type } in tracks {
            for (flow, port) in [(Flow::Rtp, ports.0), (Flow::Rtcp, ports.1)] {
                let address = SocketAddr::new(peer.to_canonical(), port);
                let (address, proven, sender) = (Mutex::new(address), AtomicBool::new(false), sender.clone());
                places.push(Arc::new(Place { session, track, flow, payload_type, address, proven, sender }));
            }
        }
        let mut all = self.places.write();
        for place in &places {
            let address = *place.address.lock();
            // Who came last has the port: a device that restarted uses the same one again.
            all.by_address.insert((place.flow, address), Arc::clone(place));
            all.by_ip.entry((place.flow, address.ip())).or_default().push(Arc::clone(place));
        }
        drop(all);
        let attachment = Attachment {
            udp: Arc::clone(self),
            local: local.to_canonical(),
            places,
            rtp: Batch::default(),
            rtcp: Batch::default(),
        };
        (attachment, receiver)
    }

    fn deliver(&self, flow: Flow, Received { at, source, bytes, .. }: Received<'_>) {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let known = self.places.read().by_address.get(&(flow, source)).map(Arc::clone);
        let Some(place) = known.or_else(|| self.adopt(flow, source, bytes)) else {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        };
        place.proven.store(true, Ordering::Relaxed);
        let bytes = Bytes::copy_from_slice(bytes);
        if place.sender.try_send(Datagram { at, track: place.track, flow, bytes }).is_err() {
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whose a packet from an unknown port is: of the only session from there that still waits for one.
    fn adopt(&self, flow: Flow, source: SocketAddr, bytes: &[u8]) -> Option<Arc<Place>> {
        // Strangers cost a read lock.
        if !self.places.read().by_ip.contains_key(&(flow, source.ip())) {
            return None;
        }
        let mut places = self.places.write();
        let of_ip = places.by_ip.get(&(flow, source.ip()))?;
        let waiting = |place: &&Arc<Place>| !place.proven.load(Ordering::Relaxed) && place.may_get(bytes);
        let first = Arc::clone(of_ip.iter().find(waiting)?);
        if of_ip.iter().filter(waiting).any(|place| place.session != first.session) {
            return None;
        }
        let expected = std::mem::replace(&mut *first.address.lock(), source);
        places.remove(&first, expected);
        places.by_address.insert((flow, source), Arc::clone(&first));
        Some(first)
    }

    const fn port(&self, flow: Flow) -> &Port {
        match flow {
            Flow::Rtp => &self.rtp,
            Flow::Rtcp => &self.rtcp,
        }
    }
}

impl Places {
    /// Takes `place` away from `address`, unless another has it.
    fn remove(&mut self, place: &Arc<Place>, address: SocketAddr) {
        let key = (place.flow, address);
        if self.by_address.get(&key).is_some_and(|other| Arc::ptr_eq(other, place)) {
            self.by_address.remove(&key);
        }
    }
}

/// A session's places at the ports. Dropping it frees them.
#[derive(Debug)]
pub(super) struct Attachment {
    udp: Arc<Udp>,
    /// The address of ours that the client knows.
    local: IpAddr,
    places: Vec<Arc<Place>>,
    rtp: Batch,
    rtcp: Batch,
}

impl Attachment {
    /// Queues a packet for a track; [`Self::flush`] sends it at the latest.
    pub(super) fn send(&mut self, track: usize, flow: Flow, parts: &[&[u8]]) {
        let Some(place) = self.places.iter().find(|place| (place.track, place.flow) == (track, flow)) else {
            return;
        };
        let port = self.udp.port(flow);
        let to = of_family(*place.address.lock(), port.local_addr());
        let batch = match flow {
            Flow::Rtp => &mut self.rtp,
            Flow::Rtcp => &mut self.rtcp,
        };
        port.queue(batch, Addresses { to, from: Some(self.local) }, parts);
    }

    /// Sends what is queued.
    pub(super) fn flush(&mut self) {
        // Reports first: a player knows with them how the tracks belong together.
        self.udp.rtcp.flush(&mut self.rtcp);
        self.udp.rtp.flush(&mut self.rtp);
    }
}

/// `address` as a socket that is bound to `local` takes it: IPv4 in IPv6's clothes on one bound to `[::]` (RFC 4291
/// §2.5.5.2).
const fn of_family(address: SocketAddr, local: SocketAddr) -> SocketAddr {
    match (address.ip(), local) {
        (IpAddr::V4(ip), SocketAddr::V6(_)) => {
            SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port())
        }
        _ => address,
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.flush();
        let mut places = self.udp.places.write();
        for place in &self.places {
            let address = *place.address.lock();
            places.remove(place, address);
            let key = (place.flow, address.ip());
            if let Some(of_ip) = places.by_ip.get_mut(&key) {
                of_ip.retain(|other| !Arc::ptr_eq(other, place));
                if of_ip.is_empty() {
                    places.by_ip.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    async fn ports() -> Arc<Udp> {
        let bind = || UdpSocket::bind("127.0.0.1:0");
        let udp = Arc::new(Udp::new(bind().await.unwrap(), bind().await.unwrap()).unwrap());
        let running = Arc::clone(&udp);
        tokio::spawn(async move { running.run().await });
        udp
    }

    struct Client(UdpSocket, SocketAddr);

    impl Client {
        async fn new(udp: &Udp) -> Self {
            Self(UdpSocket::bind("127.0.0.1:0").await.unwrap(), udp.rtp.local_addr())
        }

        fn port(&self) -> u16 {
            self.0.local_addr().unwrap().port()
        }

        async fn send(&self, bytes: &[u8]) {
            self.0.send_to(bytes, self.1).await.unwrap();
        }
    }

    fn track(track: usize, port: u16, payload_type: Option<u8>) -> Expected {
        Expected { track, ports: (port, port), payload_type }
    }

    #[tokio::test]
    async fn a_packet_from_the_port_that_setup_named_is_the_tracks() {
        let udp = ports().await;
        let (one, two) = (Client::new(&udp).await, Client::new(&udp).await);
        let tracks = [track(0, one.port(), Some(96)), track(1, two.port(), Some(97))];
        let (mut attachment, mut received) = udp.attach(HERE, HERE, &tracks);
        two.send(&[0x80, 97, 1]).await;
        let datagram = received.recv().await.unwrap();
        assert_eq!((datagram.track, datagram.flow, &datagram.bytes[..]), (1, Flow::Rtp, &[0x80, 97, 1][..]));
        attachment.send(0, Flow::Rtp, &[&[1, 2], &[3]]);
        attachment.flush();
        let mut buffer = [0; 10];
        assert_eq!(one.0.recv(&mut buffer).await.unwrap(), 3);
        drop(attachment);
        assert!(udp.places.read().by_address.is_empty() && udp.places.read().by_ip.is_empty());
    }

    #[tokio::test]
    async fn behind_a_nat_the_address_that_packets_come_from_counts() {
        let udp = ports().await;
        let (video, sound) = (Client::new(&udp).await, Client::new(&udp).await);
        let (mut attachment, mut received) =
            udp.attach(HERE, HERE, &[track(0, 1, Some(96)), track(1, 2, Some(97))]);
        // The sound comes first, and once known is not mistaken for the picture.
        sound.send(&[0x80, 97]).await;
        video.send(&[0x80, 0xe0]).await;
        sound.send(&[0x80, 97]).await;
        let mut tracks = Vec::new();
        for _ in 0..3 {
            tracks.push(received.recv().await.unwrap().track);
        }
        assert_eq!(tracks, [1, 0, 1]);
        attachment.send(0, Flow::Rtp, &[b"x"]);
        attachment.flush();
        assert_eq!(video.0.recv(&mut [0; 10]).await.unwrap(), 1);
        let stranger = Client::new(&udp).await;
        stranger.send(&[0x80, 97]).await;
        while udp.dropped().0 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(received.try_recv().is_err(), "both tracks are proven");
    }

    #[tokio::test]
    async fn in_doubt_whose_it_is_a_packet_is_nobodys() {
        let udp = ports().await;
        let (_one, mut first) = udp.attach(HERE, HERE, &[track(0, 1, Some(96))]);
        let (_two, mut second) = udp.attach(HERE, HERE, &[track(0, 2, Some(96))]);
        Client::new(&udp).await.send(&[0x80, 96]).await;
        while udp.dropped().0 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
    }
}
