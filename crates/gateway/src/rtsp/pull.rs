//! A stream taken from a camera, or from another RTSP server.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hub::{EndReason, Hub, HubError};
use media::{Pii, StreamPath};
use rtsp::interleaved_header;
use rtsp::message::StatusCode;
use rtsp::sdp::Presentation;
use rtsp::session::{ClientConfig, ClientEvent, ClientSession, ClientTrack, Lower, Output, Url, UrlError};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ingest::Ingest;
use super::udp::{Attachment, Datagram, Expected, Flow, Udp};
use crate::outbox::Outbox;
use crate::sessions::RtpCounters;
use crate::transport::{HandshakeError, Transport};
use crate::trust::{self, Fingerprint};

/// Bytes read at a time.
const READ: usize = 64 << 10;
/// Time for a name to be resolved and for TCP's handshake; the conversation that follows has its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the camera may send no packet: what MediaMTX allows its sources.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the camera may take no bytes at all.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a stream may be said to be elsewhere.
const MAX_REDIRECTIONS: usize = 3;
/// How often a pair of neighbouring ports is looked for; cameras take any two all the same.
const PORT_TRIES: usize = 16;

/// How a camera is asked to send its packets. In TLS they stay on the connection: by UDP they would be in the open.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Way {
    /// On the connection, and in datagrams if the camera refuses that.
    #[default]
    Automatic,
    /// On the connection: nothing is lost, and every NAT lets it through.
    Tcp,
    /// In datagrams.
    Udp,
}

/// Why a stream can no longer be taken from a camera. Nothing of its address shows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The address is none.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// Its TLS does not come about, or not with whom it should.
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    /// Nobody answered at the address.
    #[error("the camera did not answer in time")]
    ConnectTimeout,
    /// The connection could not be made, or broke.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The camera refused, or does not speak RTSP, or fell silent.
    #[error("{0}")]
    Protocol(#[from] rtsp::Error),
    /// The camera closed the connection.
    #[error("the camera closed the connection")]
    Closed,
    /// The camera has stopped reading.
    #[error("the camera took no bytes in time")]
    WriteTimeout,
    /// It was sent from one place to the next, more than three times.
    #[error("the camera sends it from one place to the next")]
    Redirections,
    /// It was sent from TLS into the open, where others could listen.
    #[error("the camera sends it from rtsps:// to rtsp://")]
    Downgrade,
    /// The hub does not take the stream.
    #[error("{0}")]
    Hub(#[from] HubError),
    /// The hub has taken the path away.
    #[error("{0}")]
    Evicted(EndReason),
}

/// Feeds `path` with the stream that `url` names (`rtsp://[user:password@]host[:port]/path`, or `rtsps://`), until it
/// ends. The path has a publisher once the camera plays. In TLS the camera must show the certificate with `fingerprint`,
/// without one a certificate that the system trusts. Cancel-safe: dropping it lets go of both ends.
///
/// # Errors
/// [`PullError`] says what ended it; nothing else does.
pub async fn pull(
    hub: &Hub,
    path: &StreamPath,
    url: &Pii<String>,
    way: Way,
    fingerprint: Option<Fingerprint>,
) -> Result<Infallible, PullError> {
    let mut url = Url::parse(url.reveal())?;
    let mut by_udp = way == Way::Udp && !url.is_tls();
    let mut redirections = 0;
    loop {
        match Camera::connect(&url, fingerprint).await?.run(hub, path, by_udp).await {
            Ended::Redirected(next) if url.is_tls() && !next.is_tls() => return Err(PullError::Downgrade),
            Ended::Redirected(next) if redirections < MAX_REDIRECTIONS => {
                redirections += 1;
                url = *next;
            }
            Ended::Redirected(_) => return Err(PullError::Redirections),
            Ended::Failed(PullError::Protocol(error))
                if way == Way::Automatic && !by_udp && !url.is_tls() && is_unsupported(&error) =>
            {
                by_udp = true;
            }
            Ended::Failed(error) => return Err(error),
        }
    }
}

fn is_unsupported(error: &rtsp::Error) -> bool {
    matches!(error, rtsp::Error::Refused { request: "SETUP", status: StatusCode::UnsupportedTransport })
}

/// What became of one connection.
enum Ended {
    Redirected(Box<Url>),
    Failed(PullError),
}

impl<E: Into<PullError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What woke the loop.
enum Wake {
    Readable(io::Result<()>),
    Writable(io::Result<()>),
    Datagram(Datagram),
    Evicted(EndReason),
    Deadline,
    /// A socket for packets failed.
    Ports(io::Error),
}

/// One connection to a camera.
struct Camera {
    transport: Transport,
    session: ClientSession,
    outbox: Outbox,
    input: BytesMut,
    presentation: Option<Presentation>,
    /// One pair for each track, by UDP.
    ports: Vec<Arc<Udp>>,
    /// What receives at them; it ends with this.
    receiving: JoinSet<io::Result<()>>,
    attached: Vec<(Attachment, mpsc::Receiver<Datagram>)>,
    tracks: Vec<ClientTrack>,
    ingest: Option<Ingest>,
    counters: RtpCounters,
}

impl Camera {
    async fn connect(url: &Url, fingerprint: Option<Fingerprint>) -> Result<Self, PullError> {
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect(url.host(), url.port())).await;
        let stream = stream.map_err(|_| PullError::ConnectTimeout)??;
        stream.set_nodelay(true)?;
        let transport = match url.is_tls() {
            true => trust::connect(stream, url.host(), fingerprint).await?,
            false => stream.into(),
        };
        let config = ClientConfig { url: url.clone(), idle_timeout: IDLE_TIMEOUT };
        let seed = getrandom::u64().unwrap_or_default();
        Ok(Self {
            transport,
            session: ClientSession::new(config, seed, Instant::now()),
            outbox: Outbox::default(),
            input: BytesMut::new(),
            presentation: None,
            ports: Vec::new(),
            receiving: JoinSet::new(),
            attached: Vec::new(),
            tracks: Vec::new(),
            ingest: None,
            counters: RtpCounters::default(),
        })
    }

    async fn run(mut self, hub: &Hub, path: &StreamPath, by_udp: bool) -> Ended {
        loop {
            if let Err(ended) = self.turn(hub, path, by_udp).await {
                self.session.teardown(Instant::now());
                while let Some(Output::Write(bytes)) = self.session.poll_output() {
                    self.outbox.push(bytes);
                }
                let _ = self.outbox.write(&mut self.transport);
                self.transport.farewell();
                return ended;
            }
        }
    }

    async fn turn(&mut self, hub: &Hub, path: &StreamPath, by_udp: bool) -> Result<(), Ended> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => self.outbox.push(bytes),
                Output::Event(event) => self.on_event(event, hub, path, by_udp).await?,
            }
        }
        self.outbox.write(&mut self.transport)?;
        match self.wait().await {
            Wake::Readable(ready) => {
                ready?;
                self.read()?;
            }
            // The next turn begins with writing.
            Wake::Writable(ready) => ready?,
            Wake::Datagram(Datagram { at, track, flow, bytes }) => {
                self.session.note_packet(at);
                self.packet(track, flow, &bytes, at);
            }
            Wake::Evicted(reason) => return Err(PullError::Evicted(reason).into()),
            Wake::Ports(error) => return Err(error.into()),
            Wake::Deadline => self.timeout()?,
        }
        self.send_reports();
        Ok(())
    }

    async fn wait(&mut self) -> Wake {
        let (transport, blocked) = (&self.transport, !self.outbox.is_empty());
        let packets = self.ingest.as_ref().and_then(Ingest::poll_timeout);
        let stalled = self.outbox.stalled_at(WRITE_TIMEOUT);
        let deadline = [self.session.poll_timeout(), stalled, packets].into_iter().flatten().min();
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        let evicted = async {
            match &self.ingest {
                Some(ingest) => Wake::Evicted(ingest.evicted().await),
                None => pending().await,
            }
        };
        let receiving = &mut self.receiving;
        let failed = async {
            match receiving.join_next().await {
                Some(Ok(Err(error))) => Wake::Ports(error),
                _ => pending().await,
            }
        };
        let attached = &mut self.attached;
        let datagram = poll_fn(|context| {
            for (_, received) in attached.iter_mut() {
                if let Poll::Ready(Some(datagram)) = received.poll_recv(context) {
                    return Poll::Ready(Wake::Datagram(datagram));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            wake = datagram => wake,
            readable = poll_fn(|context| transport.poll_read_ready(context)) => Wake::Readable(readable),
            writable = poll_fn(|context| transport.poll_write_ready(context)), if blocked => Wake::Writable(writable),
            wake = evicted => wake,
            wake = failed => wake,
            () = due => Wake::Deadline,
        }
    }

    fn read(&mut self) -> Result<(), PullError> {
        self.input.reserve(READ);
        match self.transport.try_read_buf(&mut self.input) {
            Ok(0) => return Err(PullError::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Ok(self.session.handle_input(&mut self.input, Instant::now())?)
    }

    fn timeout(&mut self) -> Result<(), PullError> {
        let now = Instant::now();
        if self.outbox.stalled_at(WRITE_TIMEOUT).is_some_and(|at| now >= at) {
            return Err(PullError::WriteTimeout);
        }
        if let Some(ingest) = &mut self.ingest {
            ingest.handle_timeout(now);
        }
        Ok(self.session.handle_timeout(now)?)
    }

    async fn on_event(
        &mut self,
        event: ClientEvent,
        hub: &Hub,
        path: &StreamPath,
        by_udp: bool,
    ) -> Result<(), Ended> {
        match event {
            ClientEvent::Described(presentation) => {
                for ignored in &presentation.ignored {
                    tracing::info!(%path, track = ignored.index + 1, reason = %ignored.reason, "RTSP: track left out");
                }
                let lower = if by_udp { self.bind(presentation.media.len()).await? } else { Lower::Tcp };
                self.presentation = Some(presentation);
                self.session.set_up(lower, Instant::now())?;
            }
            ClientEvent::Playing(tracks) => self.play(tracks, hub, path, by_udp)?,
            ClientEvent::Packet { track, rtcp, packet } => {
                let flow = if rtcp { Flow::Rtcp } else { Flow::Rtp };
                self.packet(track, flow, &packet, Instant::now());
            }
            ClientEvent::Redirected(url) => return Err(Ended::Redirected(Box::new(url))),
            _ => {}
        }
        Ok(())
    }

    /// Opens a pair of ports for each track.
    async fn bind(&mut self, tracks: usize) -> io::Result<Lower> {
        let any = match self.transport.socket().peer_addr()?.ip().to_canonical() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        for _ in 0..tracks {
            let (rtp, rtcp) = pair(any).await?;
            let ports = Arc::new(Udp::new(rtp, rtcp)?);
            self.ports.push(Arc::clone(&ports));
            self.receiving.spawn(async move { ports.run().await });
        }
        let named = self.ports.iter().map(|ports| ports.ports()).map(|ports| (ports.rtp, ports.rtcp));
        Ok(Lower::Udp(named.collect()))
    }

    fn play(
        &mut self,
        tracks: Vec<ClientTrack>,
        hub: &Hub,
        path: &StreamPath,
        by_udp: bool,
    ) -> Result<(), PullError> {
        let Some(presentation) = &self.presentation else { return Ok(()) };
        let socket = self.transport.socket();
        let (peer, local) = (socket.peer_addr()?.ip(), socket.local_addr()?.ip());
        for (track, ports) in self.ports.iter().enumerate() {
            // A camera that names no ports sends from any.
            let server = tracks.get(track).and_then(|track| track.server_port).unwrap_or_default();
            let payload_type = presentation.media.get(track).map(|media| media.payload_type);
            self.attached.push(ports.attach(peer, local, &[Expected { track, ports: server, payload_type }]));
        }
        let publisher = hub.feed(path)?;
        tracing::info!(%path, udp = by_udp, "RTSP: the camera gives its stream");
        self.ingest = Some(Ingest::new(publisher, &presentation.media, 0..tracks.len(), !by_udp));
        self.tracks = tracks;
        Ok(())
    }

    fn packet(&mut self, track: usize, flow: Flow, packet: &Bytes, now: Instant) {
        if let Some(ingest) = &mut self.ingest {
            ingest.packet(track, flow, packet, now, &self.counters);
        }
    }

    /// Tells the camera how its packets arrive.
    fn send_reports(&mut self) {
        let Some(ingest) = &mut self.ingest else { return };
        while let Some((track, report)) = ingest.poll_report(Instant::now(), &self.counters) {
            if let Some((ports, _)) = self.attached.get_mut(track) {
                ports.send(track, Flow::Rtcp, &[&report]);
                ports.flush();
                continue;
            }
            let transport = self.tracks.get(track).map(|track| track.transport);
            let Some(rtsp::transport::Transport::Interleaved { rtcp, .. }) = transport else { continue };
            let Ok(length) = u16::try_from(report.len()) else { continue };
            self.outbox.push(Bytes::from([&interleaved_header(rtcp, length)[..], &report].concat()));
        }
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Two neighbouring ports, the first one even (RFC 3550 §11), or any two.
async fn pair(address: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let bind = |port| UdpSocket::bind(SocketAddr::new(address, port));
    for _ in 0..PORT_TRIES {
        let rtp = bind(0).await?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(rtcp) = bind(port + 1).await
        {
            return Ok((rtp, rtcp));
        }
    }
    Ok((bind(0).await?, bind(0).await?))
}
