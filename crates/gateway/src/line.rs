//! A reader's connection while the hub hands it its frames ([`hub::Sink`]).

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::outbox::Outbox;
use crate::sessions::{Session, count};

/// Writes whole pieces to a socket, for as long as it takes them. Its session writes nothing meanwhile.
#[derive(Debug)]
pub(crate) struct Line {
    socket: Arc<TcpStream>,
    session: Arc<Session>,
    /// What the socket did not take.
    rest: Bytes,
}

impl Line {
    /// Of a connection for which nothing waits; counts into `session`.
    pub(crate) fn new(socket: &Arc<TcpStream>, session: Arc<Session>) -> Self {
        Self { socket: Arc::clone(socket), session, rest: Bytes::new() }
    }

    /// Writes a piece; `false`: some of it is left, and nothing else may be written before.
    pub(crate) fn write(&mut self, piece: &[u8]) -> bool {
        // What the socket says when it fails it says to the session again.
        let written = self.socket.try_write(piece).unwrap_or(0);
        count(&self.session.bytes_out, written);
        if written < piece.len() {
            self.rest = Bytes::copy_from_slice(&piece[written..]);
        }
        self.rest.is_empty()
    }

    /// Gives the connection back to its session, for which what is left is first in `outbox`.
    pub(crate) fn give_back(self, outbox: &mut Outbox) {
        outbox.push(self.rest);
    }
}
