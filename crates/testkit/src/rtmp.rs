//! RTMP over TCP, by the gateway's own client.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
pub use gateway::rtmp::Client;
use tokio::net::TcpStream;

use crate::feed::Feed;

/// Bytes that are counted at a time.
const READ: usize = 128 << 10;

/// What readers got together.
#[derive(Debug, Default)]
pub struct Counters {
    /// How many have joined.
    pub joined: AtomicU64,
    /// Bytes of the transport's payload.
    pub bytes: AtomicU64,
    /// Pictures, where they are looked at.
    pub pictures: AtomicU64,
}

/// Publishes `feed` until the task is dropped or the connection fails.
///
/// # Errors
/// If the server refuses or ends the connection.
pub async fn publish(server: SocketAddr, path: &str, mut feed: Feed) -> Result<()> {
    let mut client = Client::publish(server, path).await?;
    let tracks = feed.tracks();
    client.send_tracks(&tracks)?;
    feed.restart();
    loop {
        tokio::select! {
            // First, so that a frame is written before the next is made.
            biased;
            event = client.next() => { event?; }
            () = tokio::time::sleep_until(feed.due().into()) => {
                let (kind, frame) = feed.take();
                let track = tracks.iter().find(|track| track.kind() == kind);
                client.send_frame(track.context("a frame of no track")?, &frame)?;
            }
        }
    }
}

thread_local! {
    /// One for all readers of the thread, so that hundreds of them stay in its cache.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Reads a stream and counts its bytes without looking at them, until the connection ends.
///
/// # Errors
/// If the server refuses or the connection fails.
pub async fn count(server: SocketAddr, path: &str, counters: Arc<Counters>) -> Result<()> {
    // What else the client holds is not needed any more, and there are many of it.
    let stream = Client::play(server, path).await?.into_stream();
    counters.joined.fetch_add(1, Ordering::Relaxed);
    discard(&stream, &counters).await
}

/// Counts what comes until the connection ends.
pub(crate) async fn discard(stream: &TcpStream, counters: &Counters) -> Result<()> {
    loop {
        stream.readable().await?;
        match BUFFER.with_borrow_mut(|buffer| stream.try_read(buffer)) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(taken) => counters.bytes.fetch_add(taken as u64, Ordering::Relaxed),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
    }
}
