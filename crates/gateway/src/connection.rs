//! A connection of a session that never waits for its peer: what comes is read when it is there, and what goes waits in an
//! outbox until the socket takes it.

use std::future::{pending, poll_fn};
use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::line::Line;
use crate::outbox::Outbox;
use crate::sessions::{Session, SessionEntry, count};
use crate::transport::Transport;

/// Time for the last words to a peer.
const FAREWELL: Duration = Duration::from_secs(1);

/// A transport and what waits for it.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    pub(crate) outbox: Outbox,
    /// How long the peer may take nothing of what waits.
    patience: Duration,
    /// Set once nothing but the outbox is left to do.
    closing: Option<Instant>,
}

/// What came of reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    Some,
    /// Not yet.
    Nothing,
    /// Nothing will any more.
    End,
}

/// Waits until `deadline`, for ever without one.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

impl Connection {
    pub(crate) fn new(transport: Transport, patience: Duration) -> Self {
        Self { transport, outbox: Outbox::default(), patience, closing: None }
    }

    /// Whether it is not in TLS.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.transport, Transport::Open(_))
    }

    /// Whether something waits for the socket.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Ends it once all is written, or a second later.
    pub(crate) fn close(&mut self) {
        self.closing.get_or_insert_with(Instant::now);
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether it was to be closed, and can be.
    pub(crate) fn is_done(&self) -> bool {
        self.is_closing() && !self.is_blocked()
    }

    /// Waits for what [`Self::read`] and [`Self::flush`] can go on with. Who takes no answers is asked for no more
    /// questions: all of them would wait in memory. Cancel-safe.
    ///
    /// `poll_read_ready` keeps its waker from one turn of the session to the next, which `readable` would register and
    /// take away each time: this runs once a frame for a reader that goes by itself.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        match self.is_blocked() {
            true => poll_fn(|context| self.transport.poll_write_ready(context)).await,
            false => poll_fn(|context| self.transport.poll_read_ready(context)).await,
        }
    }

    /// Appends what came to `input`, at most `most` bytes at a time.
    pub(crate) fn read(&mut self, input: &mut BytesMut, most: usize, session: &Session) -> io::Result<Read> {
        if self.is_blocked() {
            return Ok(Read::Nothing);
        }
        input.reserve(most);
        match self.transport.try_read_buf(input) {
            Ok(0) => Ok(Read::End),
            Ok(taken) => {
                count(&session.bytes_in, taken);
                Ok(Read::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self, session: &Session) -> io::Result<()> {
        count(&session.bytes_out, self.outbox.write(&mut self.transport)?);
        Ok(())
    }

    /// When the peer will have taken too long, if something waits for it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let farewell = self.closing.map(|since| since + FAREWELL);
        [self.outbox.stalled_at(self.patience), farewell].into_iter().flatten().min()
    }

    /// Whether the peer has taken too long.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| now >= at)
    }

    /// Sends what the socket takes of the last words, and that nothing follows.
    pub(crate) fn farewell(&mut self) {
        // Who does not take it has gone, or hears of it by the end of the connection.
        let _ = self.outbox.write(&mut self.transport);
        self.transport.farewell();
    }

    /// A way for the hub to write to it, for as long as nothing else is to be written. `None` while something is, and in
    /// TLS: there each reader is sealed for by itself, beside which a task of its own costs little.
    pub(crate) fn line(&self, session: &SessionEntry) -> Option<Line> {
        match &self.transport {
            Transport::Open(socket) if !self.is_blocked() && !self.is_closing() => {
                Some(Line::new(socket, session.share()))
            }
            _ => None,
        }
    }
}
