//! ICE-TCP (RFC 6544): for networks that let no UDP through. Datagrams are framed by RFC 4571, a 16-bit length each.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::RwLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::sessions::count;

use super::mux::{Candidates, Datagram, Mux, Route, Transport};

/// Connections at a time that have not yet named a session.
const UNPROVEN: usize = 64;
/// How long a connection may take to name one.
const FIRST_FRAME: Duration = Duration::from_secs(10);
/// How long a connection may be silent: ICE consent checks come every 5 s (RFC 7675 §5.1).
const SILENCE: Duration = Duration::from_secs(40);
/// Datagrams that wait for one connection; more are dropped, so that a stalled phone does not pile up the past.
const QUEUE: usize = 512;
/// RTP over Ethernet is smaller; STUN and DTLS too.
const LARGEST: usize = 2_048;

/// Who writes to which connection.
#[derive(Debug, Default)]
pub(super) struct TcpRoutes(RwLock<HashMap<SocketAddr, mpsc::Sender<Bytes>>>);

impl TcpRoutes {
    /// Hands a datagram to the connection from `peer`, if there still is one.
    pub(super) fn send(&self, peer: SocketAddr, bytes: &[u8]) {
        if let Some(connection) = self.0.read().get(&peer) {
            let _ = connection.try_send(Bytes::copy_from_slice(bytes));
        }
    }
}

/// Accepts connections until the listener fails. Without one it waits for ever.
pub(super) async fn serve(mux: Arc<Mux>, listener: Option<TcpListener>) -> io::Result<()> {
    let Some(listener) = listener else { return std::future::pending().await };
    let unproven = Arc::new(Semaphore::new(UNPROVEN));
    loop {
        let accepted = listener.accept().await;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: the next turn may find one.
                tracing::warn!(%error, "ICE-TCP: no connection accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&unproven).try_acquire_owned() else {
            count(&mux.sessions.counters().refused, 1);
            tracing::warn!(limit = UNPROVEN, "ICE-TCP: too many connections without a session; refused one");
            continue;
        };
        let mux = Arc::clone(&mux);
        tokio::spawn(async move {
            if let Err(error) = connection(&mux, stream, peer, permit).await {
                tracing::debug!(%error, "ICE-TCP connection ended");
            }
        });
    }
}

async fn connection(
    mux: &Arc<Mux>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: tokio::sync::OwnedSemaphorePermit,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let destination = Candidates::reached_by(&mux.candidates().tcp, stream.local_addr()?);
    let (reader, writer) = stream.into_split();
    let mut frames = Frames { reader, buffer: BytesMut::new() };
    let Ok(first) = tokio::time::timeout(FIRST_FRAME, frames.next()).await else {
        count(&mux.sessions.counters().handshake_timeouts, 1);
        tracing::warn!("ICE-TCP: connection closed: it named no session in time");
        return Ok(());
    };
    let first = first?;
    let Some(route) = mux.named(&first) else {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the first frame names no session"));
    };
    drop(permit);
    let (sender, queue) = mpsc::channel(QUEUE);
    mux.tcp.0.write().insert(peer, sender);
    let result = tokio::select! {
        result = read(&route, &mut frames, first, peer, destination) => result,
        result = write(writer, queue) => result,
    };
    mux.tcp.0.write().remove(&peer);
    result
}

async fn read(
    route: &Arc<Route>,
    frames: &mut Frames,
    first: Bytes,
    source: SocketAddr,
    destination: SocketAddr,
) -> io::Result<()> {
    let mut bytes = first;
    loop {
        route.deliver(Datagram { at: Instant::now(), transport: Transport::Tcp, source, destination, bytes });
        bytes = tokio::time::timeout(SILENCE, frames.next()).await??;
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    let mut out = BytesMut::new();
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        while let Some(datagram) = next {
            if let Ok(len) = u16::try_from(datagram.len()) {
                out.put_u16(len);
                out.put_slice(&datagram);
            }
            next = if out.len() < 32 * LARGEST { queue.try_recv().ok() } else { None };
        }
        writer.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}

/// The frames of one connection.
struct Frames {
    reader: OwnedReadHalf,
    buffer: BytesMut,
}

impl Frames {
    async fn next(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(frame) = take_frame(&mut self.buffer)? {
                return Ok(frame);
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Takes one whole frame (RFC 4571 §2) from the front of `buffer`.
fn take_frame(buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let Some(&[high, low]) = buffer.first_chunk() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {len} bytes; at most {LARGEST}"),
        ));
    }
    if buffer.len() < 2 + len {
        return Ok(None);
    }
    buffer.advance(2);
    Ok(Some(buffer.split_to(len).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_are_cut() {
        let bytes = [0, 3, b'a', b'b', b'c', 0, 0, 0, 1, b'd'];
        for cut in 0..bytes.len() {
            let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
            for part in [&bytes[..cut], &bytes[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(frame) = take_frame(&mut buffer).unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, ["abc", "", "d"].map(Bytes::from), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_larger_than_any_packet_ends_the_connection() {
        assert!(take_frame(&mut BytesMut::from(&[0xff, 0xff][..])).is_err());
    }
}
