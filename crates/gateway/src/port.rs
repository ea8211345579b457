//! A UDP port, many datagrams at a time: one system call receives up to 512, and sends a run of equal size (GSO).

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Receive buffers; each takes up to 64 KiB of coalesced datagrams (GRO).
const RECEIVE_BUFFERS: usize = 8;
const RECEIVE_BUFFER: usize = 65_536;
/// Kernel buffers: an IDR picture to many readers is a burst.
const SOCKET_BUFFER: usize = 4 << 20;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) at: Instant,
    pub(crate) source: SocketAddr,
    /// Where it came to; the address of the socket itself where the kernel does not tell.
    pub(crate) local: SocketAddr,
    pub(crate) bytes: &'a [u8],
}

impl Port {
    /// Takes a bound socket.
    ///
    /// # Errors
    /// What the operating system says about its options.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        // The kernel grants what its limits allow; less costs packets under load, not correctness.
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local })
    }

    /// Where the socket is bound.
    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Receives datagrams until the socket fails.
    ///
    /// # Errors
    /// Why it failed.
    pub(crate) async fn receive(&self, mut deliver: impl FnMut(Received<'_>)) -> io::Result<()> {
        let mut buffers = vec![vec![0; RECEIVE_BUFFER]; RECEIVE_BUFFERS];
        let mut meta = [RecvMeta::default(); RECEIVE_BUFFERS];
        loop {
            self.socket.readable().await?;
            let received = self.socket.try_io(Interest::READABLE, || {
                let mut slices = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer));
                let mut slices: [IoSliceMut<'_>; RECEIVE_BUFFERS] =
                    std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
                self.state.recv((&self.socket).into(), &mut slices, &mut meta)
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
                let to = meta.dst_ip.unwrap_or_else(|| self.local.ip());
                let local = SocketAddr::new(to, self.local.port());
                let filled = buffer.get(..meta.len).unwrap_or_default();
                for bytes in filled.chunks(meta.stride.max(1)) {
                    deliver(Received { at, source: meta.addr, local, bytes });
                }
            }
        }
    }

    /// Puts a datagram behind those that wait; one that does not fit with them sends them.
    pub(crate) fn queue(&self, batch: &mut Batch, addresses: Addresses, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum();
        if !batch.takes(addresses, length, self.state.max_gso_segments()) {
            self.flush(batch);
        }
        batch.push(addresses, parts);
    }

    /// Sends what waits.
    pub(crate) fn flush(&self, batch: &mut Batch) {
        let Some(Addresses { to, from }) = batch.addresses.filter(|_| batch.count > 0) else { return };
        let from = from.filter(|from| self.local.ip().is_unspecified() && from.is_ipv4() == to.is_ipv4());
        let transmit = quinn_udp::Transmit {
            destination: to,
            ecn: None,
            contents: &batch.bytes,
            segment_size: (batch.count > 1).then_some(batch.segment),
            src_ip: from,
        };
        // A full socket buffer or an unreachable peer loses datagrams, as the network does.
        let send = || self.state.try_send((&self.socket).into(), &transmit);
        let _ = self.socket.try_io(Interest::WRITABLE, send);
        batch.clear();
    }
}

/// Where datagrams go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Addresses {
    pub(crate) to: SocketAddr,
    /// The address of ours that the peer knows, if it has to be named: a socket on all addresses would send from
    /// whichever the route prefers.
    pub(crate) from: Option<IpAddr>,
}

/// Consecutive datagrams of one size to one address: one system call (GSO).
#[derive(Debug, Default)]
pub(crate) struct Batch {
    addresses: Option<Addresses>,
    segment: usize,
    count: usize,
    bytes: Vec<u8>,
}

thread_local! {
    /// Where batches are put together. A batch is sent before its session waits for anything, so that one buffer serves
    /// all sessions of a thread and stays in its cache; each would keep 64 KiB of its own.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Batch {
    /// Whether one more datagram fits: the same addresses and size; only the last may be shorter.
    fn takes(&self, addresses: Addresses, length: usize, most: usize) -> bool {
        let same = self.addresses == Some(addresses) && length <= self.segment;
        let last_was_full = self.bytes.len() == self.segment * self.count;
        self.count == 0
            || (same && last_was_full && self.count < most && self.bytes.len() + length < RECEIVE_BUFFER - 64)
    }

    fn push(&mut self, addresses: Addresses, parts: &[&[u8]]) {
        if self.bytes.capacity() == 0 {
            self.bytes = BUFFER.take();
        }
        let before = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        if self.count == 0 {
            self.addresses = Some(addresses);
            self.segment = self.bytes.len() - before;
        }
        self.count += 1;
    }

    fn clear(&mut self) {
        self.count = 0;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        BUFFER.set(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Addresses {
        Addresses { to: SocketAddr::from(([127, 0, 0, 1], port)), from: None }
    }

    #[test]
    fn a_batch_takes_equal_sizes_and_one_shorter_last() {
        let mut batch = Batch::default();
        assert!(batch.takes(address(1), 100, 64));
        batch.push(address(1), &[&[0; 12], &[0; 88]]);
        assert!(!batch.takes(address(2), 100, 64), "another peer");
        assert!(!batch.takes(address(1), 101, 64), "larger");
        assert!(batch.takes(address(1), 60, 64));
        batch.push(address(1), &[&[0; 60]]);
        assert!(!batch.takes(address(1), 60, 64), "a short one was the last");
    }

    #[test]
    fn a_batch_stays_within_what_the_kernel_segments() {
        let mut batch = Batch::default();
        for _ in 0..64 {
            assert!(batch.takes(address(1), 1_000, 64));
            batch.push(address(1), &[&[0; 1_000]]);
        }
        assert!(!batch.takes(address(1), 1_000, 64));
    }
}
