//! A reader's connection while the hub hands it its frames ([`hub::Sink`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::outbox::Outbox;
use crate::sessions::{Session, count};

/// So often what was sent is counted: a reader's figures are lines of cache that nothing else of it needs.
const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// Writes whole pieces to a socket, for as long as it takes them. Its session writes nothing meanwhile.
#[derive(Debug)]
pub(crate) struct Line {
    socket: Arc<TcpStream>,
    session: Arc<Session>,
    written: usize,
    counted: Option<Instant>,
    /// What the socket did not take.
    rest: Bytes,
}

impl Line {
    /// Of a connection for which nothing waits; counts into `session`.
    pub(crate) fn new(socket: &Arc<TcpStream>, session: Arc<Session>) -> Self {
        Self { socket: Arc::clone(socket), session, written: 0, counted: None, rest: Bytes::new() }
    }

    /// Writes a piece; `false`: some of it is left, and nothing else may be written before.
    pub(crate) fn write(&mut self, piece: &[u8]) -> bool {
        // What the socket says when it fails it says to the session again.
        let written = self.socket.try_write(piece).unwrap_or(0);
        self.written += written;
        if written < piece.len() {
            self.rest = Bytes::copy_from_slice(&piece[written..]);
        }
        self.rest.is_empty()
    }

    /// Gives the connection back to its session, for which what is left is first in `outbox`.
    pub(crate) fn give_back(mut self, outbox: &mut Outbox) {
        self.count(Instant::now());
        outbox.push(self.rest);
    }

    /// Whether it is time to count what was sent.
    pub(crate) fn is_time_to_count(&self, now: Instant) -> bool {
        self.counted.is_none_or(|counted| now.saturating_duration_since(counted) >= COUNTED_EVERY)
    }

    /// Counts what was written.
    pub(crate) fn count(&mut self, now: Instant) {
        self.counted = Some(now);
        count(&self.session.bytes_out, std::mem::take(&mut self.written));
    }
}
