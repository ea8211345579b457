//! The running server: binds every socket, wires the parts, runs and stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use axum::{Extension, Router};
use gateway::transport::{Security, TlsAcceptor};
use gateway::{Sessions, flv, hls, rtmp, rtsp, webrtc};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::UserAuthorizer;
use crate::config::{Config, Origin, variable};
use crate::figures::Figures;
use crate::http::{self, Bound, Metrics, Phase, Status};
use crate::paths::PathWork;
use crate::renditions::Renditions;
use crate::tls::{Inner, Tls};
use crate::{pages, reachable};

/// A server whose sockets are bound; nothing is served yet.
///
/// Binding comes first and all at once: a port that is taken is told before anything runs.
#[derive(Debug)]
pub struct Server {
    hub: hub::Hub,
    sessions: Sessions,
    authorizer: Arc<UserAuthorizer>,
    tls: Option<Tls>,
    rtmp: Vec<MediaListener>,
    rtmp_options: rtmp::Options,
    rtsp: Vec<MediaListener>,
    rtsp_options: rtsp::Options,
    udp: Option<Arc<rtsp::Udp>>,
    webrtc: Arc<webrtc::WebRtc>,
    flv: Arc<flv::Flv>,
    hls: Arc<hls::Hls>,
    work: PathWork,
    http: Vec<Bound>,
    status: Status,
    shutdown: CancellationToken,
}

/// RTMP or RTSP, in the open or in TLS, not yet served.
#[derive(Debug)]
struct MediaListener {
    name: &'static str,
    listener: TcpListener,
    security: Security,
}

impl Server {
    /// Binds what `config` names.
    ///
    /// # Errors
    /// Which socket could not be bound, and why.
    pub async fn bind(config: &Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let authorizer = UserAuthorizer::new(config.users.clone()).context("no random numbers")?;
        let authorizer = Arc::new(authorizer);
        let work = PathWork::new(config);
        let notices = work.notices();
        let sessions = Sessions::watched(Arc::clone(&notices) as _);
        let renditions = Arc::new(renditions(config));
        let hub =
            hub::Hub::with_paths(hub_options(config), renditions, Arc::clone(&authorizer) as _, notices as _);
        let tls = config.tls.files().map(Tls::load).transpose().context("tls")?;
        let listen = &config.listen;
        let rtmp = bind_media(config, tls.as_ref(), [("rtmp", listen.rtmp), ("rtmps", listen.rtmps)]).await?;
        let rtsp = bind_media(config, tls.as_ref(), [("rtsp", listen.rtsp), ("rtsps", listen.rtsps)]).await?;
        let udp = rtsp_ports(config).await?;
        let ports = ice_ports(config).await?;
        let webrtc = webrtc::WebRtc::new(
            hub.clone(),
            sessions.clone(),
            webrtc_options(config),
            ports,
            shutdown.clone(),
        )
        .context("listen.ice: the socket cannot be set up")?;
        let flv = Arc::new(flv::Flv::new(hub.clone(), sessions.clone(), origins(&config.flv.allow_origins)));
        let hls = hls::Hls::new(hub.clone(), sessions.clone(), hls_options(config), shutdown.clone());
        let http = bind_http(config, tls.as_ref()).await?;
        let status = Status::default();
        let rtmp_options = rtmp_options(config);
        Ok(Self {
            hub,
            sessions,
            authorizer,
            tls,
            rtmp,
            rtmp_options,
            rtsp,
            rtsp_options: rtsp_options(config),
            udp,
            webrtc,
            flv,
            hls,
            work,
            http,
            status,
            shutdown,
        })
    }

    /// Where the listener `name` of `[listen]` is reached; tells the port that port 0 became.
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        if let Some(media) = self.rtmp.iter().chain(&self.rtsp).find(|media| media.name == name) {
            return media.listener.local_addr().ok();
        }
        self.http.iter().find(|bound| bound.name() == name).and_then(|bound| bound.local_addr().ok())
    }

    /// The hub, for parts of this process that publish or read themselves.
    pub const fn hub(&self) -> &hub::Hub {
        &self.hub
    }

    /// Serves until shutdown, with `extra` routes beside its own. On shutdown readers are told, publishers closed, and
    /// requests under way ended.
    ///
    /// # Errors
    /// When a media socket fails while the server runs.
    pub async fn run(self, extra: Router) -> anyhow::Result<()> {
        let routers = self.routers(extra);
        let Self {
            hub,
            sessions,
            tls,
            rtmp,
            rtmp_options,
            rtsp,
            rtsp_options,
            udp,
            webrtc,
            hls,
            work,
            http,
            status,
            shutdown,
            ..
        } = self;
        let rtsp_port =
            rtsp.first().and_then(|media| media.listener.local_addr().ok()).map(|bound| bound.port());
        let tasks = TaskTracker::new();
        if let Some(tls) = tls {
            tasks.spawn(tls.watch(shutdown.clone()));
        }
        for bound in http {
            tracing::info!(listener = bound.name(), address = %bound.local_addr()?, "listening");
            let router = routers.of(bound.name());
            tasks.spawn(bound.serve(router, shutdown.clone()));
        }
        tasks.spawn(hls.run());
        let mut media = tokio::task::JoinSet::new();
        for MediaListener { name, listener, security } in rtmp {
            tracing::info!(listener = name, address = %listener.local_addr()?, "listening");
            let options = rtmp_options.clone();
            let context = rtmp::Context { hub: hub.clone(), sessions: sessions.clone(), options, security };
            media.spawn(rtmp::serve(listener, context, shutdown.clone()));
        }
        if let Some(udp) = udp.clone() {
            let shutdown = shutdown.clone();
            media.spawn(async move { shutdown.run_until_cancelled(udp.run()).await.unwrap_or(Ok(())) });
        }
        for MediaListener { name, listener, security } in rtsp {
            tracing::info!(listener = name, address = %listener.local_addr()?, "listening");
            let options = rtsp_options.clone();
            let context = rtsp::Context::new(hub.clone(), sessions.clone(), options, udp.clone(), security)?;
            media.spawn(rtsp::serve(listener, context, shutdown.clone()));
        }
        media.spawn(async move { webrtc.run().await });
        // Commands that run from the start find everything listening.
        let work = work.start(hub.clone(), sessions, rtsp_port);
        status.enter(Phase::Ok);
        let failed = tokio::select! {
            () = shutdown.cancelled() => None,
            Some(ended) = media.join_next() => Some(ended),
        };
        status.enter(Phase::Stopping);
        tracing::info!("stopping");
        // Readers are told by the end of their streams, before their sockets are closed.
        hub.close();
        shutdown.cancel();
        while media.join_next().await.is_some() {}
        tasks.close();
        tasks.wait().await;
        // After all sessions, whose ends may be told by commands.
        work.stop().await;
        tracing::info!("stopped");
        match failed {
            Some(ended) => ended?.context("a media socket failed"),
            None => Ok(()),
        }
    }

    /// Of the listeners that speak TLS, by name.
    fn acceptors(&self) -> Vec<(&'static str, TlsAcceptor)> {
        let http = self.http.iter().filter_map(|bound| Some((bound.name(), bound.tls()?.clone())));
        let media = self.rtmp.iter().chain(&self.rtsp).filter_map(|bound| match &bound.security {
            Security::Tls(acceptor) => Some((bound.name, acceptor.clone())),
            Security::Open => None,
        });
        http.chain(media).collect()
    }

    /// What each HTTP listener serves; `extra` routes stand beside the pages.
    fn routers(&self, extra: Router) -> Routers {
        let context = api::Context {
            hub: self.hub.clone(),
            sessions: self.sessions.clone(),
            paths: self.work.configured(),
            info: api::Info { version: env!("CARGO_PKG_VERSION"), started: SystemTime::now() },
        };
        let metrics = Arc::new(self.metrics());
        let guarded = |router| http::guarded(router, Arc::clone(&self.authorizer));
        Routers {
            pages: self.pages(guarded(Arc::clone(&metrics).routes())).merge(extra),
            api: guarded(api::routes(context.clone())),
            metrics: guarded(metrics.routes_beside_mediamtx(context)),
        }
    }

    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        metrics.register_listeners(self.http.iter().map(|bound| (bound.name(), bound.counters())).collect());
        if let Some(tls) = &self.tls {
            metrics.register_tls(tls.clone(), self.acceptors());
        }
        let (hub, sessions, webrtc) = (self.hub.clone(), self.sessions.clone(), Arc::clone(&self.webrtc));
        metrics.register(Figures::new(hub, sessions, webrtc, self.work.figures()));
        metrics
    }

    fn pages(&self, metrics: Router) -> Router {
        let webrtc = axum::middleware::from_fn_with_state(Arc::clone(&self.webrtc), webrtc::layer);
        let flv = axum::middleware::from_fn_with_state(Arc::clone(&self.flv), flv::layer);
        let hls = axum::middleware::from_fn_with_state(Arc::clone(&self.hls), hls::layer);
        Router::new()
            .merge(self.status.clone().routes())
            .merge(metrics)
            .merge(pages::routes())
            .layer(webrtc)
            .layer(flv)
            .layer(hls)
            .layer(hls::compression())
    }
}

/// What the HTTP listeners serve.
struct Routers {
    pages: Router,
    api: Router,
    metrics: Router,
}

impl Routers {
    fn of(&self, listener: &str) -> Router {
        match listener {
            "api" => self.api.clone(),
            "metrics" => self.metrics.clone(),
            "hls" => self.pages.clone().layer(Extension(pages::WatchByHls)),
            _ => self.pages.clone(),
        }
    }
}

/// For the listener `name`, if it speaks TLS. A configuration with such a listener has a certificate.
fn acceptor(
    config: &Config,
    tls: Option<&Tls>,
    name: &str,
    inner: Inner,
) -> anyhow::Result<Option<TlsAcceptor>> {
    let tls = tls.filter(|_| config.tls.covers(name));
    tls.map(|tls| tls.acceptor(inner, config.limits.handshake_timeout_ms)).transpose().context("tls")
}

async fn bind_media(
    config: &Config,
    tls: Option<&Tls>,
    listeners: [(&'static str, Option<SocketAddr>); 2],
) -> anyhow::Result<Vec<MediaListener>> {
    let mut bound = Vec::new();
    for (name, address) in listeners {
        let Some(address) = address else { continue };
        let security = acceptor(config, tls, name, Inner::Unnamed)?.map_or(Security::Open, Security::Tls);
        bound.push(MediaListener { name, listener: bind_tcp(name, address).await?, security });
    }
    Ok(bound)
}

async fn bind_http(config: &Config, tls: Option<&Tls>) -> anyhow::Result<Vec<Bound>> {
    let options = http::Options {
        max_connections: config.limits.connections as usize,
        header_timeout: config.limits.handshake_timeout_ms,
    };
    let listen = &config.listen;
    let mut all = Vec::new();
    for (name, address) in [
        ("http", listen.http),
        ("https", listen.https),
        ("webrtc", listen.webrtc),
        ("hls", listen.hls),
        ("api", listen.api),
        ("metrics", listen.metrics),
    ] {
        let Some(address) = address else { continue };
        let bound = Bound::bind(name, address, options).await;
        let bound = bound.with_context(|| cannot_be_bound(name, address))?;
        all.push(bound.with_tls(acceptor(config, tls, name, Inner::Http)?));
    }
    Ok(all)
}

async fn bind_tcp(name: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| cannot_be_bound(name, address))
}

/// With the way out for whom the address is taken, such as by the demo of yesterday.
fn cannot_be_bound(name: &str, address: SocketAddr) -> String {
    let key = format!("listen.{name}");
    format!("{key}: {address} cannot be bound ({}=ADDRESS:PORT moves it)", variable(&key))
}

async fn bind_udp(name: &str, address: SocketAddr) -> anyhow::Result<UdpSocket> {
    UdpSocket::bind(address).await.with_context(|| cannot_be_bound(name, address))
}

/// The ports of RTSP's media; none where there is no RTSP in the open.
async fn rtsp_ports(config: &Config) -> anyhow::Result<Option<Arc<rtsp::Udp>>> {
    let listen = &config.listen;
    let (Some(_), Some(rtp), Some(rtcp)) = (listen.rtsp, listen.rtp, listen.rtcp) else { return Ok(None) };
    let (rtp, rtcp) = (bind_udp("rtp", rtp).await?, bind_udp("rtcp", rtcp).await?);
    let udp = rtsp::Udp::new(rtp, rtcp).context("listen.rtp: the socket cannot be set up")?;
    Ok(Some(Arc::new(udp)))
}

/// UDP and TCP on the same number; with port 0, on the number that UDP was given.
async fn ice_ports(config: &Config) -> anyhow::Result<webrtc::Ports> {
    let Some(address) = config.listen.ice else {
        return Ok(webrtc::Ports { udp: None, tcp: None, reachable: Vec::new() });
    };
    let udp = UdpSocket::bind(address).await;
    let udp = udp.with_context(|| cannot_be_bound("ice", address))?;
    let bound = udp.local_addr()?;
    let tcp = bind_tcp("ice", bound).await?;
    let reachable = reachable::addresses(&config.general.public_hosts, bound).await?;
    tracing::info!(listener = "ice", address = %bound, candidates = reachable.len(), "listening");
    Ok(webrtc::Ports { udp: Some(udp), tcp: Some(tcp), reachable })
}

fn hub_options(config: &Config) -> hub::Options {
    hub::Options {
        gop_cache: config.hub.gop_cache_ms,
        queue: config.hub.queue_ms,
        log_bytes: config.hub.stream_bytes as usize,
        grace: config.hub.grace_ms,
        keyframe_interval: config.hub.keyframe_interval_ms,
        keyframe_throttle: config.hub.keyframe_throttle_ms,
        max_streams: config.limits.streams as usize,
        max_readers: config.limits.subscribers as usize,
    }
}

fn renditions(config: &Config) -> Renditions {
    let bits = |kbps: Option<u32>| kbps.map(|kbps| kbps * 1_000);
    Renditions {
        aac_bitrate: bits(config.audio.aac_kbps),
        aac_channels: if config.audio.aac_channels == 2 { 2 } else { 1 },
        opus_bitrate: bits(config.audio.opus_kbps),
    }
}

fn rtmp_options(config: &Config) -> rtmp::Options {
    rtmp::Options {
        max_connections: config.limits.connections as usize,
        handshake_timeout: config.limits.handshake_timeout_ms,
        max_message: config.limits.rtmp_message_bytes as usize,
        ..rtmp::Options::default()
    }
}

fn rtsp_options(config: &Config) -> rtsp::Options {
    rtsp::Options {
        max_connections: config.limits.connections as usize,
        handshake_timeout: config.limits.handshake_timeout_ms,
        ..rtsp::Options::default()
    }
}

fn webrtc_options(config: &Config) -> webrtc::Options {
    let server = |server: &crate::config::IceServer| {
        let (username, credential) = server.credentials.clone().unzip();
        webrtc::IceServer { url: server.url.clone(), username, credential }
    };
    webrtc::Options {
        max_sessions: config.limits.webrtc_sessions as usize,
        connect_timeout: config.limits.handshake_timeout_ms,
        ice_servers: config.webrtc.ice_servers.iter().map(server).collect(),
        allow_origins: origins(&config.webrtc.allow_origins),
        ..webrtc::Options::default()
    }
}

fn hls_options(config: &Config) -> hls::Options {
    hls::Options {
        muxer: ::hls::Options {
            variant: config.hls.variant,
            segment: config.hls.segment_ms,
            part: config.hls.part_ms,
            segments: config.hls.segments as usize,
            segment_max_bytes: config.hls.segment_max_bytes as usize,
        },
        close_after: config.hls.muxer_close_after_ms,
        always_remux: config.hls.always_remux,
        max_viewers: config.limits.hls_sessions as usize,
        allow_origins: origins(&config.hls.allow_origins),
    }
}

fn origins(origins: &[Origin]) -> gateway::Origins {
    let text = |origin: &Origin| match origin {
        Origin::Any => "*".to_owned(),
        Origin::One(origin) => origin.clone(),
    };
    gateway::Origins::new(origins.iter().map(text).collect())
}
