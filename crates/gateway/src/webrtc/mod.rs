//! WebRTC: WHIP publishes, WHEP reads.

mod egress;
mod ingest;
mod mux;
mod routes;
mod session;
mod tcp;
mod traffic;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hub::{Action, Hub, HubError, Protocol, PublishRequest, SubscribeRequest};
use media::{Pii, StreamPath};
use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use webrtc::{
    Address, Certificate, Config, Credentials, DtlsRole, Estimation, IceMode, NegotiateError, Peer, Proto,
};

use crate::Sessions;
use crate::refusal::Refusal;
use crate::request::{Caller, Origins};
use crate::sessions::{SessionEntry, SessionKind, count};
use egress::Egress;
use ingest::Ingest;
use mux::{Candidates, Mux};
use session::{Command, Half};

pub use routes::layer;

/// PATCH and DELETE requests that wait for one session.
const COMMANDS: usize = 16;

/// An ICE server that browsers are told of (RFC 9725 §4.6).
#[derive(Clone, Debug)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp`, ...
    pub url: String,
    /// For TURN.
    pub username: Option<Pii<String>>,
    /// For TURN.
    pub credential: Option<Pii<String>>,
}

/// What WebRTC is set up with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sessions at a time.
    pub max_sessions: usize,
    /// Time for ICE and DTLS together.
    pub connect_timeout: Duration,
    /// Which half of ICE this side plays.
    pub ice: IceMode,
    /// Who begins the DTLS handshake.
    pub dtls: DtlsRole,
    /// How the bandwidth towards readers is estimated.
    pub estimation: Estimation,
    /// Told to browsers; none by default: public STUN servers are blocked where clinics are, and a server with a public
    /// address needs none.
    pub ice_servers: Vec<IceServer>,
    /// Whose pages may use WHIP and WHEP.
    pub allow_origins: Origins,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_sessions: 1_000,
            connect_timeout: Duration::from_secs(10),
            ice: IceMode::default(),
            dtls: DtlsRole::default(),
            estimation: Estimation::default(),
            ice_servers: Vec::new(),
            allow_origins: Origins::default(),
        }
    }
}

/// The ICE ports, bound.
#[derive(Debug)]
pub struct Ports {
    /// For all peers; `None`: ICE-TCP alone.
    pub udp: Option<UdpSocket>,
    /// For all peers; `None`: UDP alone.
    pub tcp: Option<TcpListener>,
    /// Addresses at which clients reach them, best first; a port each.
    pub reachable: Vec<SocketAddr>,
}

/// The WebRTC gateway.
#[derive(Debug)]
pub struct WebRtc {
    hub: Hub,
    sessions: Sessions,
    options: Options,
    mux: Arc<Mux>,
    tcp: Mutex<Option<TcpListener>>,
    certificate: Certificate,
    /// Live sessions by the secret in their URL.
    live: Mutex<HashMap<String, mpsc::Sender<Command>>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A session that was opened.
#[derive(Debug)]
struct Opened {
    answer: String,
    secret: String,
    ice_generation: String,
}

impl WebRtc {
    /// A gateway on `ports`.
    ///
    /// # Errors
    /// What the operating system says about the sockets or its random numbers.
    pub fn new(
        hub: Hub,
        sessions: Sessions,
        options: Options,
        ports: Ports,
        shutdown: CancellationToken,
    ) -> io::Result<Arc<Self>> {
        let reachable = |on: bool| if on { ports.reachable.clone() } else { Vec::new() };
        let candidates =
            Candidates { udp: reachable(ports.udp.is_some()), tcp: reachable(ports.tcp.is_some()) };
        let certificate = Certificate::generate().ok_or_else(|| io::Error::other("no DTLS certificate"))?;
        Ok(Arc::new(Self {
            hub,
            mux: Arc::new(Mux::new(ports.udp, candidates, sessions.clone())?),
            sessions,
            options,
            tcp: Mutex::new(ports.tcp),
            certificate,
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            shutdown,
        }))
    }

    /// Moves datagrams until shutdown, then waits until every session has told its peer.
    ///
    /// # Errors
    /// What the operating system says when a socket fails.
    pub async fn run(&self) -> io::Result<()> {
        let tcp = self.tcp.lock().take();
        let ports = mux::serve(Arc::clone(&self.mux), tcp);
        let sessions_ended = async {
            self.shutdown.cancelled().await;
            self.tasks.close();
            self.tasks.wait().await;
        };
        tokio::select! {
            result = ports => result,
            () = sessions_ended => Ok(()),
        }
    }

    /// Datagrams that no session got: (from strangers, for sessions that do not keep up).
    pub fn datagrams_dropped(&self) -> (u64, u64) {
        let counters = &self.mux.counters;
        (counters.unknown.load(Ordering::Relaxed), counters.overflow.load(Ordering::Relaxed))
    }

    /// Answers an offer and starts its session.
    async fn open(
        self: &Arc<Self>,
        caller: Caller,
        action: Action,
        path: StreamPath,
        offer: &str,
    ) -> Result<Opened, Refusal> {
        if self.live.lock().len() >= self.options.max_sessions || self.shutdown.is_cancelled() {
            count(&self.sessions.counters().refused, 1);
            tracing::warn!(limit = self.options.max_sessions, "WebRTC: too many sessions; refused one");
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server has as many sessions as it may",
            ));
        }
        let result = match action {
            Action::Publish => self.open_publisher(caller, path.clone(), offer).await,
            Action::Read => self.open_reader(caller, path.clone(), offer).await,
        };
        match &result {
            Ok(_) => tracing::info!(%path, %action, "WebRTC: session opened"),
            Err(refusal) => {
                tracing::info!(%path, %action, status = refusal.status.as_u16(), reason = refusal.detail, "WebRTC: refused");
            }
        }
        result
    }

    async fn open_publisher(
        self: &Arc<Self>,
        caller: Caller,
        path: StreamPath,
        offer: &str,
    ) -> Result<Opened, Refusal> {
        let access = caller.access(Action::Publish, path.clone(), Protocol::WebRtc);
        let permit = self.hub.permit(PublishRequest { access }).await.map_err(|error| self.denied(error))?;
        let config = self.config()?;
        let (peer, answer) = Peer::publisher(&config, offer, Instant::now())?;
        let activity = (Action::Publish, path);
        let entry = caller.enter(&self.sessions, SessionKind::WebRtc, activity, permit.user().cloned());
        Ok(self.start(&config, answer, peer, Ingest::new(permit), entry))
    }

    async fn open_reader(
        self: &Arc<Self>,
        caller: Caller,
        path: StreamPath,
        offer: &str,
    ) -> Result<Opened, Refusal> {
        let access = caller.access(Action::Read, path.clone(), Protocol::WebRtc);
        let request = SubscribeRequest { access, wants: Egress::wants(), join: Egress::JOIN };
        let subscription = self.hub.subscribe(request).await.map_err(|error| self.denied(error))?;
        let config = self.config()?;
        let tracks = subscription.tracks();
        let (peer, answer) = Peer::subscriber(&config, offer, &tracks, Instant::now())?;
        let activity = (Action::Read, path);
        let entry = caller.enter(&self.sessions, SessionKind::WebRtc, activity, subscription.user().cloned());
        Ok(self.start(&config, answer, peer, Egress::new(subscription), entry))
    }

    fn denied(&self, error: HubError) -> Refusal {
        self.sessions.turned_away(error);
        error.into()
    }

    fn start<H: Half>(
        self: &Arc<Self>,
        config: &Config,
        answer: String,
        peer: Peer<H::Role>,
        half: H,
        entry: SessionEntry,
    ) -> Opened {
        let secret = URL_SAFE_NO_PAD.encode(random::<18>());
        let (commands, receiver) = mpsc::channel(COMMANDS);
        self.live.lock().insert(secret.clone(), commands);
        let (attachment, datagrams) = self.mux.attach(&config.credentials.ufrag);
        let ice_generation = config.credentials.ufrag.clone();
        let session = session::Session::new(peer, half, attachment, entry, ice_generation.clone());
        let session = session.run(datagrams, receiver, self.shutdown.clone());
        let (gateway, key) = (Arc::clone(self), secret.clone());
        self.tasks.spawn(async move {
            gateway.sessions.contain(Protocol::WebRtc, session).await;
            gateway.live.lock().remove(&key);
        });
        Opened { answer, secret, ice_generation }
    }

    async fn command(&self, secret: &str, command: Command) -> Result<(), Refusal> {
        let gone = || Refusal::new(StatusCode::NOT_FOUND, "there is no such session; it may have ended");
        let session = self.live.lock().get(secret).cloned().ok_or_else(gone)?;
        session.send(command).await.map_err(|_| gone())
    }

    fn config(&self) -> Result<Config, Refusal> {
        let seed = u64::from_le_bytes(random());
        let mut config = Config::new(credentials(), self.certificate.clone(), seed);
        let address = |proto| move |&addr: &SocketAddr| Address { proto, addr };
        let candidates = self.mux.candidates();
        config.addresses = candidates.udp.iter().map(address(Proto::Udp)).collect();
        config.addresses.extend(candidates.tcp.iter().map(address(Proto::Tcp)));
        if config.addresses.is_empty() {
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server's ICE port is switched off",
            ));
        }
        config.ice = self.options.ice;
        config.dtls = self.options.dtls;
        config.estimation = self.options.estimation;
        config.connect_timeout = self.options.connect_timeout;
        Ok(config)
    }
}

impl From<NegotiateError> for Refusal {
    fn from(error: NegotiateError) -> Self {
        let status = match error {
            NegotiateError::NoH264 | NegotiateError::NothingUsable(_) => StatusCode::NOT_ACCEPTABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// Random bytes of the operating system, without which nothing here is safe to start.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("Linux gives random numbers from boot on");
    bytes
}

/// Characters that ICE credentials may have (RFC 8839 §5.4, `ice-char`).
fn ice_chars<const N: usize>() -> String {
    STANDARD_NO_PAD.encode(random::<N>())
}

/// The credentials of a new session or of an ICE restart: 96 and 192 random bits.
fn credentials() -> Credentials {
    Credentials { ufrag: ice_chars::<12>(), pwd: Pii(ice_chars::<24>()) }
}
