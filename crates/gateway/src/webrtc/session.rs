//! One WebRTC session: a small loop around the sans-IO peer.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use media::StreamPath;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use webrtc::trickle::Fragment;
use webrtc::{CloseReason, Event, Output, Peer, Proto, Role};

use super::mux::{Attachment, Datagram, Transport};
use super::traffic::Traffic;
use super::{Refusal, credentials};
use crate::sessions::{SessionEntry, count};

/// Time for the last words to a peer.
const FAREWELL: Duration = Duration::from_millis(500);

/// What HTTP wants of a session.
#[derive(Debug)]
pub(super) enum Command {
    /// DELETE.
    Close,
    /// PATCH.
    Patch {
        fragment: String,
        if_match: Option<String>,
        reply: oneshot::Sender<Result<Option<Restarted>, Refusal>>,
    },
}

/// The answer to an ICE restart.
#[derive(Debug)]
pub(super) struct Restarted {
    pub(super) fragment: String,
    pub(super) ice_generation: String,
}

/// Why a session ends from the hub's side.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Stream(hub::EndReason),
    #[error("{0}")]
    Hub(#[from] hub::HubError),
    #[error("kicked through the API")]
    Kicked,
    #[error("{0}")]
    Unplayable(#[from] webrtc::bframes::BFrameError),
}

/// What a session does with the hub: publish or read.
pub(super) trait Half: Send + 'static {
    /// What the peer is to us.
    type Role: Role + Send;
    /// What the hub wants done.
    type Signal: Send;

    /// Waits for the hub. Cancel-safe; never ready before the peer is connected.
    fn next(&mut self) -> impl Future<Output = Self::Signal> + Send;

    /// Does what the hub wants. One mutation of `peer` at most; true if there is more to take at once
    /// ([`Self::try_next`]).
    fn apply(
        &mut self,
        signal: Self::Signal,
        peer: &mut Peer<Self::Role>,
        entry: &SessionEntry,
    ) -> Result<(), Ended>;

    /// What the hub wants done without waiting.
    fn try_next(&mut self) -> Option<Self::Signal>;

    /// Takes what the peer tells.
    fn on_event(&mut self, event: Event) -> Result<(), Ended>;
}

pub(super) struct Session<H: Half> {
    peer: Peer<H::Role>,
    half: H,
    attachment: Attachment,
    entry: SessionEntry,
    traffic: Traffic,
    ice_generation: String,
    closed: Option<CloseReason>,
    deadline: Instant,
}

impl<H: Half> Session<H> {
    pub(super) fn new(
        peer: Peer<H::Role>,
        half: H,
        attachment: Attachment,
        entry: SessionEntry,
        ice_generation: String,
    ) -> Self {
        Self {
            peer,
            half,
            attachment,
            entry,
            traffic: Traffic::default(),
            ice_generation,
            closed: None,
            deadline: Instant::now(),
        }
    }

    /// Serves the peer to its end.
    pub(super) async fn run(
        mut self,
        mut datagrams: mpsc::Receiver<Datagram>,
        mut commands: mpsc::Receiver<Command>,
        shutdown: CancellationToken,
    ) {
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.deadline.into()));
        let (path, action) = (self.entry.path(), self.entry.action());
        let mut ended = self.drain();
        loop {
            if let Err(reason) = ended {
                tracing::info!(path = path.as_ref().map(StreamPath::as_str), action = action.map(display), %reason, "WebRTC: session ends");
                self.farewell();
            }
            if let Some(reason) = self.closed {
                if reason == CloseReason::ConnectTimeout {
                    count(&self.entry.counters().handshake_timeouts, 1);
                }
                tracing::info!(path = path.as_ref().map(StreamPath::as_str), action = action.map(display), %reason, "WebRTC: session ended");
                return;
            }
            if timer.deadline() != self.deadline.into() {
                timer.as_mut().reset(self.deadline.into());
            }
            ended = tokio::select! {
                Some(datagram) = datagrams.recv() => self.receive(datagram, &mut datagrams),
                signal = self.half.next() => self.apply_all(signal),
                Some(command) = commands.recv() => self.command(command),
                () = &mut timer => {
                    self.peer.handle_timeout(Instant::now());
                    self.drain()
                }
                () = self.entry.kicked() => Err(Ended::Kicked),
                () = shutdown.cancelled() => {
                    self.farewell();
                    Ok(())
                }
            };
        }
    }

    fn receive(&mut self, first: Datagram, more: &mut mpsc::Receiver<Datagram>) -> Result<(), Ended> {
        let mut next = Some(first);
        while let Some(datagram) = next {
            let Datagram { at, transport, source, destination, bytes } = datagram;
            self.traffic.came(&self.entry, &bytes);
            self.peer.handle_datagram(at, proto(transport), source, destination, &bytes);
            self.collect()?;
            next = more.try_recv().ok();
        }
        self.attachment.flush();
        Ok(())
    }

    fn apply_all(&mut self, first: H::Signal) -> Result<(), Ended> {
        let mut next = Some(first);
        while let Some(signal) = next {
            self.half.apply(signal, &mut self.peer, &self.entry)?;
            self.collect()?;
            next = self.half.try_next();
        }
        self.attachment.flush();
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Ended> {
        let result = self.collect();
        self.attachment.flush();
        result
    }

    /// Takes everything that the peer has to say; what is to be sent is left in the attachment's batch.
    fn collect(&mut self) -> Result<(), Ended> {
        loop {
            match self.peer.poll_output() {
                Output::Transmit(out) => {
                    let transport = if out.proto == Proto::Udp { Transport::Udp } else { Transport::Tcp };
                    let pair = (transport, out.source, out.destination);
                    self.traffic.goes(&self.entry, pair, &out.bytes);
                    self.attachment.send(transport, out.source, out.destination, &out.bytes);
                }
                Output::Event(event) => self.on_event(event)?,
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::Closed(reason) => self.closed = Some(reason),
            Event::Connected => {
                self.entry.update(|details| details.connected = true);
                self.half.on_event(event)?;
            }
            Event::Jitter { ticks } => self.entry.rtp.jitter.store(ticks.into(), Ordering::Relaxed),
            event => self.half.on_event(event)?,
        }
        Ok(())
    }

    /// Closes the session from this side, however the peer takes it.
    fn farewell(&mut self) {
        self.peer.close(Instant::now());
        let until = Instant::now() + FAREWELL;
        while self.closed.is_none() && Instant::now() < until {
            let before = self.deadline;
            // Whatever else is told now has no taker.
            let _ = self.collect();
            if self.closed.is_none() && self.deadline == before {
                break;
            }
        }
        self.attachment.flush();
        self.closed.get_or_insert(CloseReason::Local);
    }

    fn command(&mut self, command: Command) -> Result<(), Ended> {
        match command {
            Command::Close => self.farewell(),
            Command::Patch { fragment, if_match, reply } => {
                let result = self.patch(&fragment, if_match.as_deref());
                // The request may have been cancelled; the session goes on.
                let _ = reply.send(result);
                self.drain()?;
            }
        }
        Ok(())
    }

    /// Trickle ICE or an ICE restart (RFC 9725 §4.3.1, §4.3.2).
    fn patch(&mut self, fragment: &str, if_match: Option<&str>) -> Result<Option<Restarted>, Refusal> {
        let stale = |tag: &str| tag != "*" && tag != self.ice_generation;
        if if_match.is_some_and(stale) {
            return Err(Refusal::new(
                StatusCode::PRECONDITION_FAILED,
                "the ICE session has been restarted meanwhile",
            ));
        }
        let refused = |error: webrtc::TrickleError| Refusal::new(StatusCode::BAD_REQUEST, error.to_string());
        let fragment = Fragment::parse(fragment).map_err(refused)?;
        let renewed = credentials();
        let Some(fragment) = self.peer.trickle(&fragment, &renewed, Instant::now()).map_err(refused)? else {
            return Ok(None);
        };
        self.attachment.rename(&renewed.ufrag);
        self.ice_generation.clone_from(&renewed.ufrag);
        Ok(Some(Restarted { fragment, ice_generation: renewed.ufrag }))
    }
}

const fn proto(transport: Transport) -> Proto {
    match transport {
        Transport::Udp => Proto::Udp,
        Transport::Tcp => Proto::Tcp,
    }
}
