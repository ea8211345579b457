//! One RTSP connection: a small loop around the sans-IO session.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::BytesMut;
use hub::{
    AccessRequest, Action, Delivery, Denied, HubError, Protocol, PublishPermit, PublishRequest,
    SubscribeRequest,
};
use media::{Pii, StreamPath};
use rtsp::message::StatusCode;
use rtsp::sdp::Presentation;
use rtsp::session::{Access, Config, Event, Output, Refusal, ServerSession, Setup};
use rtsp::transport::Transport as Way;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::access::{credentials, wants};
use super::egress::{self, Egress, Lane, Step};
use super::ingest::Ingest;
use super::udp::{Attachment, Datagram, Expected, Flow};
use crate::connection::{Connection, Read, until};
use crate::sessions::{self, Activity, SessionEntry, SessionKind, count};
use crate::transport::Transport;
use crate::{alias, credentials as queries};

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
    Protocol(#[from] rtsp::Error),
    #[error("the peer took no bytes in time")]
    WriteTimeout,
    #[error("somebody ended it through the API")]
    Kicked,
    #[error("done")]
    Done,
}

enum Role {
    Idle,
    /// Somebody may read, and reads once `flowing`.
    Read(Box<Egress>),
    /// Somebody may publish.
    Permitted(Box<(PublishPermit, Presentation)>),
    Publish(Box<Ingest>),
}

/// What woke the loop.
enum Wake {
    /// To be read or written.
    Ready(io::Result<()>),
    Datagram(Datagram),
    Delivery(Option<Delivery>),
    Evicted(hub::EndReason),
    Deadline,
    Kicked,
    Shutdown,
}

struct Session {
    context: Arc<Context>,
    connection: Connection,
    /// The address of ours that the client knows.
    local: IpAddr,
    protocol: ServerSession,
    role: Role,
    /// A reader plays.
    flowing: bool,
    connection_entry: SessionEntry,
    /// From PLAY or RECORD on.
    entry: Option<SessionEntry>,
    /// What the session will do, and what it is called in the lists.
    activity: Option<Activity>,
    udp: Option<(Attachment, mpsc::Receiver<Datagram>)>,
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
        let local = transport.socket().local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |local| local.ip());
        let connection = Connection::new(transport, context.options.write_timeout);
        let open = connection.is_open();
        let config = Config {
            handshake_timeout: context.options.handshake_timeout,
            session_timeout: context.options.session_timeout,
            idle_timeout: context.options.idle_timeout,
            // In TLS packets stay on the connection: by UDP they would be in the open.
            udp: context.udp.as_ref().filter(|_| open).map(|udp| udp.ports()),
        };
        let seed = getrandom::u64().unwrap_or_default();
        let kind = if open { SessionKind::RtspConnection } else { SessionKind::RtspsConnection };
        Self {
            connection_entry: context.sessions.enter(kind, Pii(peer)),
            protocol: ServerSession::new(config, context.nonces.clone(), seed, Instant::now()),
            context,
            connection,
            local,
            role: Role::Idle,
            flowing: false,
            entry: None,
            activity: None,
            udp: None,
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
        self.flush()?;
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
            Wake::Datagram(datagram) => self.datagrams(datagram),
            Wake::Delivery(delivery) => self.deliver(delivery),
            Wake::Evicted(reason) => {
                tracing::info!(path = self.path().as_deref(), %reason, "RTSP: publisher sent away");
                self.protocol.end();
            }
            Wake::Deadline => self.timeout()?,
            Wake::Kicked => return Err(Ended::Kicked),
            Wake::Shutdown => {
                self.connection.close();
            }
        }
        Ok(())
    }

    /// A reader for whom nothing waits sleeps from here on, until there is more to do than to pass frames on.
    fn attach(&mut self) {
        if let (Role::Read(egress), Some(entry)) = (&mut self.role, &self.entry)
            && self.flowing
            && self.udp.is_none()
            && let Some(line) = self.connection.line(&self.connection_entry)
        {
            egress.attach(line, entry);
        }
    }

    fn detach(&mut self) {
        if let Role::Read(egress) = &mut self.role {
            egress.detach(&mut self.connection.outbox);
        }
    }

    async fn wait(&mut self, shutdown: &CancellationToken) -> Wake {
        let deadline = self.deadline();
        let Self { connection, role, connection_entry, entry, udp, flowing, .. } = self;
        let closing = connection.is_closing();
        // A reader and a publisher are told by the hub that it closes; who is neither, here.
        let told_by_hub = matches!(role, Role::Publish(_)) || *flowing || closing;
        // What goes by UDP does not wait for the connection.
        let held = closing || (connection.is_blocked() && udp.is_none());
        let next = async {
            match role {
                Role::Publish(ingest) if !closing => Wake::Evicted(ingest.evicted().await),
                Role::Read(egress) if *flowing && !held => Wake::Delivery(egress.next().await),
                _ => pending().await,
            }
        };
        let datagram = async {
            match udp {
                Some((_, received)) => match received.recv().await {
                    Some(datagram) => Wake::Datagram(datagram),
                    None => pending().await,
                },
                None => pending().await,
            }
        };
        let kicked = async {
            match entry {
                Some(entry) => {
                    tokio::select! { () = entry.kicked() => {}, () = connection_entry.kicked() => {} }
                }
                None => connection_entry.kicked().await,
            }
        };
        tokio::select! {
            biased;
            wake = next => wake,
            wake = datagram => wake,
            ready = connection.ready() => Wake::Ready(ready),
            () = until(deadline) => Wake::Deadline,
            () = kicked => Wake::Kicked,
            () = shutdown.cancelled(), if !told_by_hub => Wake::Shutdown,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let packets = match &self.role {
            Role::Publish(ingest) => ingest.poll_timeout(),
            _ => None,
        };
        [self.protocol.poll_timeout(), self.connection.deadline(), packets].into_iter().flatten().min()
    }

    fn timeout(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if self.connection.is_overdue(now) {
            return Err(Ended::WriteTimeout);
        }
        if let Role::Publish(ingest) = &mut self.role {
            ingest.handle_timeout(now);
        }
        self.send_reports(now);
        Ok(self.protocol.handle_timeout(now)?)
    }

    fn read(&mut self) -> Result<(), Ended> {
        match self.connection.read(&mut self.input, READ, &self.connection_entry)? {
            Read::Some => {}
            Read::Nothing => return Ok(()),
            Read::End => return Err(Ended::Closed),
        }
        self.protocol.handle_input(&mut self.input, Instant::now())?;
        if self.input.is_empty() && !matches!(self.role, Role::Publish(_)) {
            // Who does not publish says little; five hundred readers would hold on to 16 MB.
            self.input = BytesMut::new();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Ended> {
        self.connection.flush(&self.connection_entry)?;
        if let Some((ports, _)) = &mut self.udp {
            ports.flush();
        }
        Ok(())
    }

    /// Does what the protocol session wants done, and lets it go on with what waited behind a request.
    async fn drain(&mut self) -> Result<(), Ended> {
        while let Some(output) = self.protocol.poll_output() {
            match output {
                Output::Write(bytes) => self.connection.outbox.push(bytes),
                Output::Event(event) => {
                    self.on_event(event).await?;
                    self.protocol.handle_input(&mut self.input, Instant::now())?;
                }
            }
        }
        Ok(())
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::ReadRequested(access) => self.describe(access).await?,
            Event::PublishRequested(access, presentation) => self.announce(access, presentation).await?,
            Event::PlayRequested => self.play()?,
            Event::RecordRequested => self.record()?,
            Event::Packet { track, rtcp, packet } => {
                let flow = if rtcp { Flow::Rtcp } else { Flow::Rtp };
                self.packet(track, flow, &packet, Instant::now());
            }
            Event::Paused => self.flowing = false,
            Event::Ended => self.leave(),
            Event::Close => self.connection.close(),
            _ => {}
        }
        Ok(())
    }

    async fn describe(&mut self, access: Access) -> Result<(), Ended> {
        self.leave();
        let query = access.target.query.clone();
        let Some(wants) = wants(query.reveal()) else {
            tracing::info!(path = %access.path, "RTSP: refused: audio= is neither aac nor opus");
            return self.answer(Refusal::Status(StatusCode::BadRequest));
        };
        let path = alias::resolve(access.path.clone(), &self.context.hub);
        let wants = if path == access.path { wants } else { aac_only(wants) };
        let question = self.question(Action::Read, path.clone(), &access);
        let request = SubscribeRequest { access: question.clone(), wants, join: egress::JOIN };
        let subscribed = self.context.hub.subscribe(request).await;
        let described = match subscribed {
            Ok(subscription) => {
                let user = subscription.user().cloned();
                Egress::describe(subscription).await.map(|egress| (egress, user)).ok_or(HubError::NotFound)
            }
            Err(error) => Err(error),
        };
        match described {
            Ok((egress, user)) => {
                let session = getrandom::u32().unwrap_or_default();
                self.protocol.accept_read(egress.offered(), session.into(), Instant::now())?;
                self.role = Role::Read(Box::new(egress));
                let query = Pii(queries::without_secrets(query.reveal()));
                self.activity = Some(Activity { action: Action::Read, path, query, user });
                Ok(())
            }
            Err(error) => self.refuse(&question, error),
        }
    }

    async fn announce(&mut self, access: Access, presentation: Presentation) -> Result<(), Ended> {
        self.leave();
        for ignored in &presentation.ignored {
            tracing::info!(path = %access.path, track = ignored.index + 1, reason = %ignored.reason, "RTSP: track left out");
        }
        let question = self.question(Action::Publish, access.path.clone(), &access);
        match self.context.hub.permit(PublishRequest { access: question.clone() }).await {
            Ok(permit) => {
                self.protocol.accept_publish()?;
                let query = Pii(queries::without_secrets(access.target.query.reveal()));
                let user = permit.user().cloned();
                self.activity = Some(Activity { action: Action::Publish, path: access.path, query, user });
                self.role = Role::Permitted(Box::new((permit, presentation)));
                Ok(())
            }
            Err(error) => self.refuse(&question, error),
        }
    }

    fn play(&mut self) -> Result<(), Ended> {
        let setups: Vec<_> = self.protocol.setups().collect();
        let Role::Read(egress) = &mut self.role else {
            return self.answer(Refusal::Status(StatusCode::MethodNotValidInThisState));
        };
        let infos = egress.play(&setups);
        self.flowing = true;
        self.begin(&setups, &[]);
        Ok(self.protocol.accept_play(&infos, Instant::now())?)
    }

    fn record(&mut self) -> Result<(), Ended> {
        let setups: Vec<_> = self.protocol.setups().collect();
        let permitted = match std::mem::replace(&mut self.role, Role::Idle) {
            Role::Permitted(permitted) => permitted,
            // After a pause.
            role => {
                self.role = role;
                return Ok(self.protocol.accept_record(Instant::now())?);
            }
        };
        let (permit, presentation) = *permitted;
        match permit.admit() {
            Ok(publisher) => {
                let tracks = setups.iter().map(|setup| setup.track);
                let ordered = !self.protocol.is_udp();
                let ingest = Ingest::new(publisher, &presentation.media, tracks, ordered);
                let types: Vec<_> = presentation.media.iter().map(|media| media.payload_type).collect();
                self.role = Role::Publish(Box::new(ingest));
                self.begin(&setups, &types);
                Ok(self.protocol.accept_record(Instant::now())?)
            }
            Err(error) => {
                self.context.sessions.turned_away(error);
                tracing::info!(path = %permit.path(), %error, "RTSP: refused");
                self.answer(Refusal::Status(status(error)))
            }
        }
    }

    /// Packets flow from now on; `types` are the payload types of a publisher's tracks.
    fn begin(&mut self, setups: &[Setup], types: &[u8]) {
        if self.entry.is_some() {
            return;
        }
        let Some(activity) = self.activity.take() else { return };
        let remote = *self.connection_entry.remote.reveal();
        let open = self.connection.is_open();
        let kind = if open { SessionKind::RtspSession } else { SessionKind::RtspsSession };
        let entry = self.context.sessions.enter(kind, Pii(remote));
        let udp = self.protocol.is_udp();
        let transport = if udp { sessions::Transport::Udp } else { sessions::Transport::Tcp };
        tracing::info!(path = %activity.path, action = %activity.action, session = %entry.id, udp, "RTSP: session started");
        self.connection_entry.update(|details| details.counterpart = Some(entry.id));
        entry.update(|details| {
            details.counterpart = Some(self.connection_entry.id);
            details.transport = Some(transport);
        });
        entry.begin(activity);
        self.entry = Some(entry);
        if let (true, Some(ports)) = (udp, &self.context.udp) {
            let expected = |setup: &Setup| match setup.transport {
                Way::Udp { rtp, rtcp } => {
                    let payload_type = types.get(setup.track).copied();
                    Some(Expected { track: setup.track, ports: (rtp, rtcp), payload_type })
                }
                Way::Interleaved { .. } => None,
            };
            let expected: Vec<_> = setups.iter().filter_map(expected).collect();
            self.udp = Some(ports.attach(remote.ip(), self.local, &expected));
        }
    }

    /// The question to the authorizer.
    fn question(&self, action: Action, path: StreamPath, access: &Access) -> AccessRequest {
        AccessRequest {
            action,
            path,
            remote: Pii(self.connection_entry.remote.reveal().ip()),
            credentials: credentials(access),
            protocol: Protocol::Rtsp,
        }
    }

    fn answer(&mut self, refusal: Refusal) -> Result<(), Ended> {
        Ok(self.protocol.refuse(refusal, Instant::now())?)
    }

    fn refuse(&mut self, question: &AccessRequest, error: HubError) -> Result<(), Ended> {
        let refusal = match error {
            HubError::Denied(Denied::CredentialsNeeded | Denied::WrongCredentials) => {
                Refusal::CredentialsNeeded { digest: self.context.hub.takes_proof(question) }
            }
            error => Refusal::Status(status(error)),
        };
        self.context.sessions.turned_away(error);
        tracing::info!(path = %question.path, action = %question.action, %error, "RTSP: refused");
        self.answer(refusal)
    }

    fn leave(&mut self) {
        if let Some(entry) = &self.entry {
            tracing::info!(path = self.path().as_deref(), session = %entry.id, "RTSP: left");
            self.connection_entry.update(|details| details.counterpart = None);
        }
        self.role = Role::Idle;
        self.flowing = false;
        self.entry = None;
        self.activity = None;
        self.udp = None;
    }

    fn packet(&mut self, track: usize, flow: Flow, packet: &bytes::Bytes, now: Instant) {
        let (Role::Publish(ingest), Some(entry)) = (&mut self.role, &self.entry) else { return };
        count(&entry.bytes_in, packet.len());
        ingest.packet(track, flow, packet, now, &entry.rtp);
    }

    /// Takes a packet that came by UDP, and what is there behind it.
    fn datagrams(&mut self, first: Datagram) {
        let mut next = Some(first);
        while let Some(Datagram { at, track, flow, bytes }) = next {
            self.protocol.note_packet(at);
            self.packet(track, flow, &bytes, at);
            next = self.udp.as_mut().and_then(|(_, received)| received.try_recv().ok());
        }
        self.send_reports(Instant::now());
    }

    /// Tells a publisher how its packets arrive.
    fn send_reports(&mut self, now: Instant) {
        let (Role::Publish(ingest), Some(entry)) = (&mut self.role, &self.entry) else { return };
        let mut lane = match &mut self.udp {
            Some((ports, _)) => Lane::Udp(ports),
            None => Lane::Tcp(&mut self.connection.outbox),
        };
        while let Some((track, report)) = ingest.poll_report(now, &entry.rtp) {
            if let Some(setup) = self.protocol.setups().find(|setup| setup.track == track) {
                count(&entry.rtp.rtcp_out, 1);
                count(&entry.bytes_out, report.len());
                lane.report(track, setup.transport, &report);
            }
        }
    }

    /// Writes a delivery and what is there behind it.
    fn deliver(&mut self, first: Option<Delivery>) {
        let (Role::Read(egress), Some(entry)) = (&mut self.role, &self.entry) else { return };
        let mut lane = match &mut self.udp {
            Some((ports, _)) => Lane::Udp(ports),
            None => Lane::Tcp(&mut self.connection.outbox),
        };
        let mut next = first.or_else(|| egress.try_next());
        while let Some(delivery) = next {
            match egress.write(delivery, &mut lane, entry) {
                Step::Written => {}
                Step::Dropped(frames) => {
                    entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                    let path = entry.path();
                    tracing::info!(
                        path = path.as_ref().map(StreamPath::as_str),
                        frames,
                        "RTSP: reader too slow; skipped to a random access point"
                    );
                }
                Step::Ended(reason) => {
                    tracing::info!(path = entry.path().as_ref().map(StreamPath::as_str), %reason, "RTSP: stream ended");
                    return self.protocol.end();
                }
                Step::Changed => {
                    egress.goodbye(&mut lane, entry);
                    let path = entry.path();
                    tracing::info!(
                        path = path.as_ref().map(StreamPath::as_str),
                        "RTSP: a track changed; reader sent away"
                    );
                    return self.protocol.end();
                }
            }
            next = egress.try_next();
        }
    }

    fn report(&self, ended: &Ended) {
        let counters = self.context.sessions.counters();
        match ended {
            Ended::Protocol(rtsp::Error::HandshakeTimeout) => {
                count(&counters.handshake_timeouts, 1);
                tracing::warn!("RTSP: connection closed: no PLAY or RECORD in time");
            }
            Ended::Protocol(error @ (rtsp::Error::IdleTimeout | rtsp::Error::SessionTimeout)) => {
                tracing::info!(path = self.path().as_deref(), %error, "RTSP: connection closed");
            }
            Ended::Protocol(error) => {
                count(&counters.protocol_errors, 1);
                tracing::warn!(%error, "RTSP: connection closed");
            }
            ended => tracing::info!(path = self.path().as_deref(), %ended, "RTSP: session ended"),
        }
    }

    fn path(&self) -> Option<String> {
        self.entry.as_ref()?.path().map(|path| path.to_string())
    }
}

/// What a player of `X_aac` expects.
fn aac_only(wants: hub::Wants) -> hub::Wants {
    hub::Wants { audio: vec![media::Codec::Aac], ..wants }
}

fn status(error: HubError) -> StatusCode {
    match error {
        HubError::NotFound => StatusCode::NotFound,
        HubError::Denied(Denied::Busy) => StatusCode::ServiceUnavailable,
        HubError::Denied(_) | HubError::Taken | HubError::FedHere => StatusCode::Forbidden,
        _ => StatusCode::ServiceUnavailable,
    }
}
