//! HTTP-FLV on its connection: the file without end that is the answer to a request.

use std::future::pending;
use std::io;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hub::{Delivery, Protocol};

use super::WRITE_TIMEOUT;
use super::reader::Reader;
use crate::connection::{Connection, Read, until};
use crate::transport::Transport;

/// Bytes read at a time: a reader has nothing to say.
const READ: usize = 1 << 10;

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the peer took no bytes in time")]
    WriteTimeout,
    #[error("kicked through the API")]
    Kicked,
    #[error("done")]
    Done,
}

/// What woke the loop.
enum Wake {
    Delivery(Option<Delivery>),
    /// To be read or written.
    Ready(io::Result<()>),
    Deadline,
    Kicked,
}

struct Session {
    connection: Connection,
    reader: Reader,
    /// Somebody does not want it to go on.
    kicked: bool,
}

/// Answers with `head` and the file, up to its end or the connection's.
pub(super) async fn run(reader: Reader, transport: Transport, head: Bytes) {
    let sessions = reader.sessions.clone();
    let mut connection = Connection::new(transport, WRITE_TIMEOUT);
    connection.outbox.extend([head, reader.egress.framing().file_header()]);
    let mut session = Session { connection, reader, kicked: false };
    if let Some(ended) = sessions.contain(Protocol::Flv, session.serve()).await {
        session.connection.farewell();
        session.reader.ended(&ended);
    }
}

impl Session {
    async fn serve(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.turn().await {
                return ended;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Ended> {
        let Self { connection, reader, .. } = self;
        connection.flush(&reader.entry)?;
        if connection.is_done() {
            return Err(if self.kicked { Ended::Kicked } else { Ended::Done });
        }
        if let Some(line) = connection.line(&reader.entry) {
            reader.egress.attach(line);
        }
        let wake = self.wait().await;
        let Self { connection, reader, .. } = self;
        reader.egress.detach(&mut connection.outbox);
        match wake {
            Wake::Delivery(delivery) => {
                if !reader.deliver(delivery, &mut connection.outbox) {
                    self.end();
                }
            }
            Wake::Ready(ready) => {
                ready?;
                self.read()?;
            }
            Wake::Deadline => {
                if connection.is_overdue(Instant::now()) {
                    return Err(Ended::WriteTimeout);
                }
            }
            Wake::Kicked => {
                self.kicked = true;
                self.end();
            }
        }
        Ok(())
    }

    async fn wait(&mut self) -> Wake {
        let Self { connection, reader, .. } = self;
        let (held, closing) = (connection.is_blocked() || connection.is_closing(), connection.is_closing());
        let deadline = connection.deadline();
        let next = async { if held { pending().await } else { reader.egress.next().await } };
        tokio::select! {
            biased;
            delivery = next => Wake::Delivery(delivery),
            ready = connection.ready() => Wake::Ready(ready),
            () = until(deadline) => Wake::Deadline,
            () = reader.entry.kicked(), if !closing => Wake::Kicked,
        }
    }

    /// What a reader says beyond its request means nothing: no other answer follows.
    fn read(&mut self) -> Result<(), Ended> {
        match self.connection.read(&mut BytesMut::new(), READ, &self.reader.entry)? {
            Read::Some | Read::Nothing => Ok(()),
            Read::End => Err(Ended::Closed),
        }
    }

    fn end(&mut self) {
        self.connection.outbox.extend(self.reader.egress.framing().last());
        self.connection.close();
    }
}
