//! One UDP port and one TCP port for all peers: which datagram belongs to which session.
//!
//! A datagram is routed by its source address. From an address that no session has proven, only STUN goes through, to
//! the session whose ICE user fragment it names; everything else is dropped without a trace of state. An address is
//! proven when the session answers to it, which str0m does only after the message integrity of a check held
//! (RFC 8445 §7.3). So a DTLS ClientHello from a stranger cannot end a session (Enable Security, 2024).

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::RwLock;
use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::tcp::{self, TcpRoutes};
use crate::Sessions;

/// Datagrams that wait for one session; more are dropped, as a network would.
const SESSION_QUEUE: usize = 1_024;
/// Addresses that one session may prove: a phone that roams has a few.
const ADDRESSES_PER_SESSION: usize = 32;
/// Receive buffers; each takes up to 64 KiB of coalesced datagrams (GRO).
const RECEIVE_BUFFERS: usize = 8;
const RECEIVE_BUFFER: usize = 65_536;
/// Kernel buffers: an IDR picture to many readers is a burst.
const SOCKET_BUFFER: usize = 4 << 20;

/// How a datagram travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Transport {
    Udp,
    /// RFC 4571 framing on an ICE-TCP connection (RFC 6544).
    Tcp,
}

/// A datagram for a session.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) at: Instant,
    pub(crate) transport: Transport,
    pub(crate) source: SocketAddr,
    /// The local candidate that it came to.
    pub(crate) destination: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// Where a session's datagrams go.
#[derive(Debug)]
pub(super) struct Route {
    sender: mpsc::Sender<Datagram>,
}

impl Route {
    pub(super) fn deliver(&self, datagram: Datagram) -> bool {
        self.sender.try_send(datagram).is_ok()
    }
}

/// Datagrams that were not delivered, by reason; for metrics.
#[derive(Debug, Default)]
pub(crate) struct MuxCounters {
    /// From an unproven address and not STUN for a session that exists.
    pub(crate) unknown: AtomicU64,
    /// For a session that does not keep up.
    pub(crate) overflow: AtomicU64,
}

/// The shared ports. Sessions attach to it.
#[derive(Debug)]
pub(crate) struct Mux {
    socket: Option<UdpSocket>,
    state: Option<UdpSocketState>,
    /// The UDP socket is bound to no address of its own.
    on_all_addresses: bool,
    pub(super) tcp: TcpRoutes,
    candidates: Candidates,
    by_ufrag: RwLock<HashMap<String, Arc<Route>>>,
    by_address: RwLock<HashMap<(Transport, SocketAddr), Arc<Route>>>,
    pub(crate) counters: MuxCounters,
    pub(super) sessions: Sessions,
}

/// The addresses at which peers reach this server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    /// For UDP; empty when UDP is off.
    pub(crate) udp: Vec<SocketAddr>,
    /// For ICE-TCP, passive; empty when TCP is off.
    pub(crate) tcp: Vec<SocketAddr>,
}

impl Candidates {
    /// The candidate that a datagram to `local` came by: itself, or behind 1:1 NAT the first one of its family.
    pub(super) fn reached_by(among: &[SocketAddr], local: SocketAddr) -> SocketAddr {
        let of_family = || among.iter().find(|candidate| candidate.is_ipv4() == local.is_ipv4());
        let exact = among.iter().find(|&&candidate| candidate == local);
        exact.or_else(of_family).copied().unwrap_or(local)
    }
}

/// A session's place at the ports. Dropping it frees the routes.
#[derive(Debug)]
pub(crate) struct Attachment {
    mux: Arc<Mux>,
    route: Arc<Route>,
    ufrags: Vec<String>,
    proven: Vec<(Transport, SocketAddr)>,
    batch: Batch,
}

/// Consecutive datagrams of one size to one address: one system call (GSO).
#[derive(Debug, Default)]
struct Batch {
    destination: Option<(SocketAddr, IpAddr)>,
    segment: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Mux {
    /// Takes a bound UDP socket (or none: ICE-TCP alone) and the addresses to offer.
    ///
    /// # Errors
    /// What the operating system says about the socket's options.
    pub(crate) fn new(
        socket: Option<UdpSocket>,
        candidates: Candidates,
        sessions: Sessions,
    ) -> io::Result<Self> {
        let state = match &socket {
            Some(socket) => Some(UdpSocketState::new(socket.into())?),
            None => None,
        };
        if let (Some(socket), Some(state)) = (&socket, &state) {
            // The kernel grants what its limits allow; less costs packets under load, not correctness.
            let _ = state.set_send_buffer_size(socket.into(), SOCKET_BUFFER);
            let _ = state.set_recv_buffer_size(socket.into(), SOCKET_BUFFER);
        }
        let local = socket.as_ref().and_then(|socket| socket.local_addr().ok());
        Ok(Self {
            on_all_addresses: local.is_some_and(|local| local.ip().is_unspecified()),
            socket,
            state,
            tcp: TcpRoutes::default(),
            candidates,
            by_ufrag: RwLock::default(),
            by_address: RwLock::default(),
            counters: MuxCounters::default(),
            sessions,
        })
    }

    pub(crate) const fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// Opens routes for a session that is named `ufrag` in STUN.
    pub(crate) fn attach(self: &Arc<Self>, ufrag: &str) -> (Attachment, mpsc::Receiver<Datagram>) {
        let (sender, receiver) = mpsc::channel(SESSION_QUEUE);
        let route = Arc::new(Route { sender });
        self.by_ufrag.write().insert(ufrag.to_owned(), Arc::clone(&route));
        let (mux, ufrags) = (Arc::clone(self), vec![ufrag.to_owned()]);
        (Attachment { mux, route, ufrags, proven: Vec::new(), batch: Batch::default() }, receiver)
    }

    /// The session that STUN names.
    pub(super) fn named(&self, datagram: &[u8]) -> Option<Arc<Route>> {
        let ufrag = webrtc::stun::ufrag_of(datagram)?;
        self.by_ufrag.read().get(ufrag).map(Arc::clone)
    }

    /// Receives datagrams until the socket fails. Without UDP it waits for ever.
    pub(crate) async fn run(&self) -> io::Result<()> {
        let (Some(socket), Some(state)) = (&self.socket, &self.state) else {
            return std::future::pending().await;
        };
        let local = socket.local_addr()?;
        let mut buffers = vec![vec![0; RECEIVE_BUFFER]; RECEIVE_BUFFERS];
        let mut meta = [RecvMeta::default(); RECEIVE_BUFFERS];
        loop {
            socket.readable().await?;
            let received = socket.try_io(Interest::READABLE, || {
                let mut slices = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer));
                let mut slices: [IoSliceMut<'_>; RECEIVE_BUFFERS] =
                    std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
                state.recv(socket.into(), &mut slices, &mut meta)
            });
            let received = match received {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                // An ICMP answer to an earlier send is not this socket's end.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            let at = Instant::now();
            for (meta, buffer) in meta.iter().zip(&buffers).take(received) {
                let to = SocketAddr::new(meta.dst_ip.unwrap_or_else(|| local.ip()), local.port());
                let destination = Candidates::reached_by(&self.candidates.udp, to);
                let filled = buffer.get(..meta.len).unwrap_or_default();
                for bytes in filled.chunks(meta.stride.max(1)) {
                    self.deliver(at, meta.addr, destination, bytes);
                }
            }
        }
    }

    fn deliver(&self, at: Instant, source: SocketAddr, destination: SocketAddr, bytes: &[u8]) {
        let known = self.by_address.read().get(&(Transport::Udp, source)).map(Arc::clone);
        let Some(route) = known.or_else(|| self.named(bytes)) else {
            self.counters.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let bytes = Bytes::copy_from_slice(bytes);
        if !route.deliver(Datagram { at, transport: Transport::Udp, source, destination, bytes }) {
            self.counters.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send_udp(&self, batch: &Batch) {
        let (Some(socket), Some(state)) = (&self.socket, &self.state) else { return };
        let Some((destination, source)) = batch.destination else { return };
        let transmit = quinn_udp::Transmit {
            destination,
            ecn: None,
            contents: &batch.bytes,
            segment_size: (batch.count > 1).then_some(batch.segment),
            src_ip: (self.on_all_addresses && is_local(source)).then_some(source),
        };
        // A full socket buffer or an unreachable peer loses datagrams, as the network does; NACK repairs what matters.
        let _ = socket.try_io(Interest::WRITABLE, || state.try_send(socket.into(), &transmit));
    }
}

/// Whether a candidate's address can be the source of a datagram: behind 1:1 NAT the public one cannot, and only
/// loopback needs naming, where the kernel would pick another address than the peer checked.
const fn is_local(address: IpAddr) -> bool {
    address.is_loopback()
}

impl Attachment {
    /// Queues a datagram for the peer; [`Self::flush`] sends it at the latest.
    pub(crate) fn send(
        &mut self,
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        self.prove(transport, destination);
        if transport == Transport::Tcp {
            self.mux.tcp.send(destination, bytes);
            return;
        }
        let most = self.mux.state.as_ref().map_or(1, UdpSocketState::max_gso_segments);
        if !self.batch.takes((destination, source.ip()), bytes, most) {
            self.flush();
        }
        self.batch.push((destination, source.ip()), bytes);
    }

    /// The session restarts ICE: its peer will name it `ufrag`. Checks under way still name it as before, so the last
    /// name stays too.
    pub(crate) fn rename(&mut self, ufrag: &str) {
        let mut by_ufrag = self.mux.by_ufrag.write();
        by_ufrag.insert(ufrag.to_owned(), Arc::clone(&self.route));
        self.ufrags.push(ufrag.to_owned());
        if self.ufrags.len() > 2 {
            by_ufrag.remove(&self.ufrags.remove(0));
        }
    }

    /// Sends what is queued.
    pub(crate) fn flush(&mut self) {
        if self.batch.count > 0 {
            self.mux.send_udp(&self.batch);
            self.batch.clear();
        }
    }

    /// The session answers to `address`: its datagrams come here from now on.
    fn prove(&mut self, transport: Transport, address: SocketAddr) {
        let key = (transport, address);
        if self.proven.contains(&key) || self.proven.len() >= ADDRESSES_PER_SESSION {
            return;
        }
        self.proven.push(key);
        self.mux.by_address.write().insert(key, Arc::clone(&self.route));
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.flush();
        {
            let mut by_ufrag = self.mux.by_ufrag.write();
            for ufrag in &self.ufrags {
                by_ufrag.remove(ufrag);
            }
        }
        let mut by_address = self.mux.by_address.write();
        for key in &self.proven {
            if by_address.get(key).is_some_and(|route| Arc::ptr_eq(route, &self.route)) {
                by_address.remove(key);
            }
        }
    }
}

thread_local! {
    /// Where batches are put together. A batch is sent before its session waits for anything, so that one buffer serves
    /// all sessions of a thread and stays in its cache; each would keep 64 KiB of its own.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Batch {
    /// Whether one more datagram fits: the same addresses and size; only the last may be shorter.
    fn takes(&self, addresses: (SocketAddr, IpAddr), bytes: &[u8], most: usize) -> bool {
        let same = self.destination == Some(addresses) && bytes.len() <= self.segment;
        let last_was_full = self.bytes.len() == self.segment * self.count;
        self.count == 0
            || (same
                && last_was_full
                && self.count < most
                && self.bytes.len() + bytes.len() < RECEIVE_BUFFER - 64)
    }

    fn push(&mut self, addresses: (SocketAddr, IpAddr), bytes: &[u8]) {
        if self.count == 0 {
            self.destination = Some(addresses);
            self.segment = bytes.len();
        }
        self.count += 1;
        if self.bytes.capacity() == 0 {
            self.bytes = BUFFER.take();
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn clear(&mut self) {
        self.count = 0;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        BUFFER.set(bytes);
    }
}

/// Serves both ports until one fails.
pub(crate) async fn serve(mux: Arc<Mux>, tcp: Option<tokio::net::TcpListener>) -> io::Result<()> {
    tokio::select! {
        result = mux.run() => result,
        result = tcp::serve(Arc::clone(&mux), tcp) => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> (SocketAddr, IpAddr) {
        let ip = IpAddr::from([127, 0, 0, 1]);
        (SocketAddr::new(ip, port), ip)
    }

    #[test]
    fn a_batch_takes_equal_sizes_and_one_shorter_last() {
        let mut batch = Batch::default();
        assert!(batch.takes(address(1), &[0; 100], 64));
        batch.push(address(1), &[0; 100]);
        assert!(!batch.takes(address(2), &[0; 100], 64), "another peer");
        assert!(!batch.takes(address(1), &[0; 101], 64), "larger");
        assert!(batch.takes(address(1), &[0; 60], 64));
        batch.push(address(1), &[0; 60]);
        assert!(!batch.takes(address(1), &[0; 60], 64), "a short one was the last");
    }

    #[test]
    fn a_batch_stays_within_what_the_kernel_segments() {
        let mut batch = Batch::default();
        for _ in 0..64 {
            assert!(batch.takes(address(1), &[0; 1_000], 64));
            batch.push(address(1), &[0; 1_000]);
        }
        assert!(!batch.takes(address(1), &[0; 1_000], 64));
    }

    #[test]
    fn behind_one_to_one_nat_the_public_candidate_is_meant() {
        let public: SocketAddr = "203.0.113.7:8189".parse().unwrap();
        let local: SocketAddr = "10.0.0.4:8189".parse().unwrap();
        assert_eq!(Candidates::reached_by(&[public], local), public);
        assert_eq!(Candidates::reached_by(&[public, local], local), local);
    }
}
