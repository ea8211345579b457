//! One UDP port and one TCP port for all peers: which datagram belongs to which session.
//!
//! A datagram is routed by its source address. From an address that no session has proven, only STUN goes through, to
//! the session whose ICE user fragment it names; everything else is dropped without a trace of state. An address is
//! proven when the session answers to it, which str0m does only after the message integrity of a check held
//! (RFC 8445 §7.3). So a DTLS ClientHello from a stranger cannot end a session (Enable Security, 2024).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::tcp::{self, TcpRoutes};
use crate::Sessions;
use crate::port::{Addresses, Batch, Port, Received};

/// Datagrams that wait for one session; more are dropped, as a network would.
const SESSION_QUEUE: usize = 1_024;
/// Addresses that one session may prove: a phone that roams has a few.
const ADDRESSES_PER_SESSION: usize = 32;

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
    udp: Option<Port>,
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
        Ok(Self {
            udp: socket.map(Port::new).transpose()?,
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
        let Some(udp) = &self.udp else { return std::future::pending().await };
        udp.receive(|received| self.deliver(received)).await
    }

    fn deliver(&self, Received { at, source, local, bytes }: Received<'_>) {
        let known = self.by_address.read().get(&(Transport::Udp, source)).map(Arc::clone);
        let Some(route) = known.or_else(|| self.named(bytes)) else {
            self.counters.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let destination = Candidates::reached_by(&self.candidates.udp, local);
        let bytes = Bytes::copy_from_slice(bytes);
        if !route.deliver(Datagram { at, transport: Transport::Udp, source, destination, bytes }) {
            self.counters.overflow.fetch_add(1, Ordering::Relaxed);
        }
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
        let from = Some(source.ip()).filter(|source| is_local(*source));
        if let Some(udp) = &self.mux.udp {
            udp.queue(&mut self.batch, Addresses { to: destination, from }, &[bytes]);
        }
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
        if let Some(udp) = &self.mux.udp {
            udp.flush(&mut self.batch);
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

    #[test]
    fn behind_one_to_one_nat_the_public_candidate_is_meant() {
        let public: SocketAddr = "203.0.113.7:8189".parse().unwrap();
        let local: SocketAddr = "10.0.0.4:8189".parse().unwrap();
        assert_eq!(Candidates::reached_by(&[public], local), public);
        assert_eq!(Candidates::reached_by(&[public, local], local), local);
    }
}
