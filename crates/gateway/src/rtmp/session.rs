//! One RTMP connection: a small loop around the sans-IO session.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::BytesMut;
use hub::{AccessRequest, Action, Denied, HubError, Protocol, PublishRequest, SubscribeRequest, UserName};
use media::{Pii, StreamPath};
use rtmp::session::{Config, Event, Output, ServerSession, StatusCode};
use rtmp::{Capabilities, StreamTarget};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::ingest::Ingest;
use super::messages::Messages;
use crate::connection::{Connection, Read, until};
use crate::flv::egress::{self, Egress, Step};
use crate::sessions::{Activity, SessionEntry, SessionKind, count};
use crate::transport::Transport;
use crate::{alias, credentials};

/// Bytes read at a time: a random access point of a consultation in two or three turns.
const READ: usize = 32 << 10;

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Protocol(#[from] rtmp::Error),
    #[error("the peer took no bytes in time")]
    WriteTimeout,
    #[error("kicked through the API")]
    Kicked,
    #[error("done")]
    Done,
}

enum Role {
    Idle,
    Publish(Box<Ingest>),
    Play(Box<Egress<Messages>>),
}

/// What woke the loop.
enum Wake {
    /// To be read or written.
    Ready(io::Result<()>),
    Delivery(Option<hub::Delivery>),
    Evicted(hub::EndReason),
    Deadline,
    Kicked,
    Shutdown,
}

struct Session {
    context: Arc<Context>,
    connection: Connection,
    entry: SessionEntry,
    protocol: ServerSession,
    capabilities: Capabilities,
    role: Role,
    input: BytesMut,
}

/// Serves one connection to its end.
pub(super) async fn run(
    context: Arc<Context>,
    transport: Transport,
    peer: SocketAddr,
    shutdown: CancellationToken,
) {
    let mut session = Session::new(context, transport, peer);
    let ended = session.serve(&shutdown).await;
    session.report(&ended);
}

impl Session {
    fn new(context: Arc<Context>, transport: Transport, peer: SocketAddr) -> Self {
        let mut config = Config {
            handshake_timeout: context.options.handshake_timeout,
            idle_timeout: context.options.idle_timeout,
            ..Config::default()
        };
        config.limits.media = context.options.max_message;
        config.limits.partial = context.options.max_message + (1 << 20);
        // This number makes the filler of the handshake, which proves nothing (RTMP 1.0 §5.2.3).
        let seed = getrandom::u64().unwrap_or_default();
        let connection = Connection::new(transport, context.options.write_timeout);
        let kind = if connection.is_open() { SessionKind::Rtmp } else { SessionKind::Rtmps };
        Self {
            entry: context.sessions.enter(kind, Pii(peer)),
            protocol: ServerSession::new(config, seed, Instant::now()),
            context,
            connection,
            capabilities: Capabilities::default(),
            role: Role::Idle,
            input: BytesMut::new(),
        }
    }

    async fn serve(&mut self, shutdown: &CancellationToken) -> Ended {
        loop {
            match self.turn(shutdown).await {
                Ok(()) => {}
                Err(ended) => {
                    // What the session had to say of its end.
                    while let Some(Output::Write(bytes)) = self.protocol.poll_output() {
                        self.connection.outbox.push(bytes);
                    }
                    self.connection.farewell();
                    return ended;
                }
            }
        }
    }

    async fn turn(&mut self, shutdown: &CancellationToken) -> Result<(), Ended> {
        self.drain().await?;
        self.connection.flush(&self.entry)?;
        if self.connection.is_done() {
            return Err(Ended::Done);
        }
        self.attach();
        let wake = self.wait(shutdown).await;
        self.detach();
        match wake {
            Wake::Ready(ready) => {
                ready?;
                self.read()?;
            }
            Wake::Delivery(delivery) => self.deliver(delivery),
            Wake::Evicted(reason) => {
                tracing::info!(path = self.path().as_deref(), %reason, "RTMP: publisher sent away");
                self.protocol.reject(StatusCode::PublishBadName, &reason.to_string());
            }
            Wake::Deadline => self.timeout()?,
            Wake::Kicked => return Err(Ended::Kicked),
            Wake::Shutdown => {
                self.protocol.reject(StatusCode::ConnectClosed, "the server is closing");
                self.connection.close();
            }
        }
        Ok(())
    }

    /// A reader for whom nothing waits sleeps from here on, until there is more to do than to pass frames on.
    fn attach(&mut self) {
        if let Role::Play(egress) = &mut self.role
            && let Some(line) = self.connection.line(&self.entry)
        {
            egress.attach(line);
        }
    }

    fn detach(&mut self) {
        if let Role::Play(egress) = &mut self.role {
            egress.detach(&mut self.connection.outbox);
        }
    }

    async fn wait(&mut self, shutdown: &CancellationToken) -> Wake {
        let deadline = self.deadline();
        let Self { connection, role, entry, .. } = self;
        let held = connection.is_blocked() || connection.is_closing();
        // A reader and a publisher are told by the hub that it closes; who is neither, here.
        let told_by_hub = !matches!(role, Role::Idle) || connection.is_closing();
        let next = async {
            match role {
                Role::Publish(ingest) if !held => Wake::Evicted(ingest.evicted().await),
                Role::Play(egress) if !held => Wake::Delivery(egress.next().await),
                _ => pending().await,
            }
        };
        tokio::select! {
            biased;
            wake = next => wake,
            ready = connection.ready() => Wake::Ready(ready),
            () = until(deadline) => Wake::Deadline,
            () = entry.kicked() => Wake::Kicked,
            () = shutdown.cancelled(), if !told_by_hub => Wake::Shutdown,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.protocol.poll_timeout(), self.connection.deadline()].into_iter().flatten().min()
    }

    fn timeout(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if self.connection.is_overdue(now) {
            return Err(Ended::WriteTimeout);
        }
        Ok(self.protocol.handle_timeout(now)?)
    }

    fn read(&mut self) -> Result<(), Ended> {
        match self.connection.read(&mut self.input, READ, &self.entry)? {
            Read::Some => {}
            Read::Nothing => return Ok(()),
            Read::End => return Err(Ended::Closed),
        }
        let result = self.protocol.handle_input(&self.input, Instant::now());
        match self.role {
            Role::Publish(_) => self.input.clear(),
            // Who does not publish says little; five hundred readers would hold on to 16 MB.
            _ => self.input = BytesMut::new(),
        }
        Ok(result?)
    }

    /// Does what the protocol session wants done.
    async fn drain(&mut self) -> Result<(), Ended> {
        while let Some(output) = self.protocol.poll_output() {
            match output {
                Output::Write(bytes) => self.connection.outbox.push(bytes),
                Output::Event(event) => self.on_event(event).await?,
            }
        }
        Ok(())
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Ended> {
        match (event, &mut self.role) {
            (Event::Connected(client), _) => {
                self.capabilities = client.capabilities;
                self.entry.update(|details| details.user_agent = Some(Pii(client.flash_ver)));
            }
            (Event::PublishRequested(target), _) => self.publish(target).await?,
            (Event::PlayRequested(target), _) => self.play(target).await?,
            (Event::Media(media), Role::Publish(ingest)) => ingest.media(&media),
            (Event::Metadata(metadata), Role::Publish(ingest)) => ingest.metadata(&metadata),
            (Event::Paused(paused), Role::Play(egress)) => egress.pause(paused),
            (Event::Receive(kind, wanted), Role::Play(egress)) => egress.receive(kind, wanted),
            (Event::PublishEnded | Event::PlayEnded, _) => self.leave(),
            (Event::Close, _) => self.connection.close(),
            _ => {}
        }
        Ok(())
    }

    async fn publish(&mut self, target: StreamTarget) -> Result<(), Ended> {
        let Some(access) = self.access(Action::Publish, &target, |path| path) else { return Ok(()) };
        let path = access.path.clone();
        let permit = self.context.hub.permit(PublishRequest { access }).await;
        match permit.and_then(|permit| Ok((permit.admit()?, permit.user().cloned()))) {
            Ok((publisher, user)) => {
                self.protocol.accept_publish()?;
                self.role = Role::Publish(Box::new(Ingest::new(publisher)));
                self.begin(Action::Publish, path, &target, user);
            }
            Err(error) => self.refuse(Action::Publish, &path, error),
        }
        Ok(())
    }

    async fn play(&mut self, target: StreamTarget) -> Result<(), Ended> {
        let hub = self.context.hub.clone();
        let Some(access) = self.access(Action::Read, &target, |path| alias::resolve(path, &hub)) else {
            return Ok(());
        };
        let path = access.path.clone();
        let wants = Messages::wants(&self.capabilities);
        match hub.subscribe(SubscribeRequest { access, wants, join: egress::JOIN }).await {
            Ok(subscription) => {
                self.protocol.accept_play()?;
                let user = subscription.user().cloned();
                self.role = Role::Play(Box::new(Egress::new(subscription, Messages::of(&self.capabilities))));
                self.begin(Action::Read, path, &target, user);
            }
            Err(error) => self.refuse(Action::Read, &path, error),
        }
        Ok(())
    }

    /// The question to the authorizer; `None` if the path is none and the client has been told.
    fn access(
        &mut self,
        action: Action,
        target: &StreamTarget,
        resolve: impl FnOnce(StreamPath) -> StreamPath,
    ) -> Option<AccessRequest> {
        match &target.path {
            Ok(path) => Some(AccessRequest {
                action,
                path: resolve(path.clone()),
                remote: Pii(self.entry.remote.reveal().ip()),
                credentials: credentials::from_query(target.query.reveal()),
                protocol: Protocol::Rtmp,
            }),
            Err(error) => {
                let code = match action {
                    Action::Publish => StatusCode::PublishBadName,
                    Action::Read => StatusCode::PlayStreamNotFound,
                };
                tracing::info!(%action, %error, "RTMP: refused");
                self.protocol.reject(code, &error.to_string());
                None
            }
        }
    }

    fn begin(&self, action: Action, path: StreamPath, target: &StreamTarget, user: Option<UserName>) {
        tracing::info!(%path, %action, session = %self.entry.id, "RTMP: session started");
        let query = Pii(credentials::without_secrets(target.query.reveal()));
        self.entry.begin(Activity { action, path, query, user });
    }

    fn leave(&mut self) {
        if let Some(Activity { path, action, .. }) = self.entry.details().activity {
            tracing::info!(%path, %action, "RTMP: left");
        }
        self.role = Role::Idle;
        self.entry.idle();
    }

    fn refuse(&mut self, action: Action, path: &StreamPath, error: HubError) {
        let code = match (action, error) {
            (_, HubError::Denied(Denied::Busy)) => StatusCode::ConnectRejected,
            (Action::Publish, HubError::Denied(_)) => StatusCode::PublishDenied,
            (Action::Read, HubError::Denied(_)) => StatusCode::PlayFailed,
            (_, HubError::Taken | HubError::FedHere) => StatusCode::PublishBadName,
            (_, HubError::NotFound) => StatusCode::PlayStreamNotFound,
            (_, HubError::Closing) => StatusCode::ConnectClosed,
            _ => StatusCode::ConnectRejected,
        };
        self.context.sessions.turned_away(error);
        tracing::info!(%path, %action, %error, "RTMP: refused");
        self.protocol.reject(code, &error.to_string());
    }

    /// Writes a delivery and what is there behind it.
    fn deliver(&mut self, first: Option<hub::Delivery>) {
        let Role::Play(egress) = &mut self.role else { return };
        let mut step = egress.write(first, &mut self.connection.outbox);
        loop {
            match step {
                Step::Written => {}
                Step::Dropped(frames) => {
                    self.entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                    let path = self.entry.path();
                    tracing::info!(
                        path = path.as_ref().map(StreamPath::as_str),
                        frames,
                        "RTMP: reader too slow; skipped to a random access point"
                    );
                }
                Step::Ended(reason) => {
                    let reason = match reason {
                        hub::EndReason::PublisherLeft => rtmp::session::EndReason::Unpublished,
                        _ => rtmp::session::EndReason::Complete,
                    };
                    // Refused only if the reader has ended by itself, which closes the session as well.
                    let _ = self.protocol.end_play(reason);
                    return;
                }
            }
            let Some(delivery) = egress.try_next() else { return };
            step = egress.write(Some(delivery), &mut self.connection.outbox);
        }
    }

    fn report(&self, ended: &Ended) {
        let counters = self.context.sessions.counters();
        match ended {
            Ended::Protocol(rtmp::Error::HandshakeTimeout) => {
                count(&counters.handshake_timeouts, 1);
                tracing::warn!("RTMP: connection closed: no publish or play in time");
            }
            Ended::Protocol(error @ rtmp::Error::IdleTimeout) => {
                tracing::info!(path = self.path().as_deref(), %error, "RTMP: connection closed");
            }
            Ended::Protocol(error) => {
                count(&counters.protocol_errors, 1);
                tracing::warn!(%error, "RTMP: connection closed");
            }
            ended => tracing::info!(path = self.path().as_deref(), %ended, "RTMP: session ended"),
        }
    }

    fn path(&self) -> Option<String> {
        self.entry.path().map(|path| path.to_string())
    }
}
