//! One TCP socket that speaks HTTP/1.1, in the open or in TLS: accepts within bounds, and closes in good order.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use gateway::takeover::Takeover;
use gateway::transport::{TlsAcceptor, Transport};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patience::Patient;

/// How long requests that are under way may take to end once the process stops.
const DRAIN: Duration = Duration::from_millis(1_500);

/// How long a peer may take nothing of what waits for it; as long as an RTMP reader may.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait after the operating system gave no connection (out of descriptors), lest the loop fill a processor.
const PAUSE: Duration = Duration::from_millis(20);

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections at a time; more are closed at once.
    pub max_connections: usize,
    /// How long a request's header may take, and how long an idle connection is kept.
    pub header_timeout: Duration,
}

/// What happened at a listener since the start; each is a metric.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that are open.
    pub open: AtomicU64,
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that were closed because there were too many.
    pub refused: AtomicU64,
    /// Connections that were closed because a request's header took too long.
    pub timeouts: AtomicU64,
}

/// A socket that is bound and not yet served.
#[derive(Debug)]
pub struct Bound {
    name: &'static str,
    listener: TcpListener,
    options: Options,
    tls: Option<TlsAcceptor>,
    counters: Arc<Counters>,
}

/// What every connection of a listener shares.
struct Shared {
    service: TowerToHyperService<Router>,
    builder: http1::Builder,
    connections: TaskTracker,
    shutdown: CancellationToken,
    tls: Option<TlsAcceptor>,
    counters: Arc<Counters>,
}

impl Bound {
    /// Binds the listener `name` of the configuration.
    ///
    /// # Errors
    /// What the operating system says, such as that the address is in use.
    pub async fn bind(name: &'static str, address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { name, listener, options, tls: None, counters: Arc::default() })
    }

    /// Makes it take HTTPS, and nothing else, if there is an acceptor.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        Self { tls, ..self }
    }

    /// Where it listens; tells the port that port 0 became.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Its key in `[listen]`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What makes its connections TLS, if it takes HTTPS.
    pub const fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// Its counters, shared.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves `router` until `shutdown`, then lets requests under way end for up to 1.5 s. Handlers find the peer's
    /// address as `ConnectInfo<SocketAddr>`.
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.options.header_timeout);
        let shared = Arc::new(Shared {
            service: TowerToHyperService::new(router),
            builder,
            connections: TaskTracker::new(),
            shutdown: shutdown.clone(),
            tls: self.tls,
            counters: self.counters,
        });
        let slots = Arc::new(Semaphore::new(self.options.max_connections.min(Semaphore::MAX_PERMITS)));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&slots).try_acquire_owned() {
                    Ok(slot) => shared.connection(stream, peer, slot),
                    Err(_) => {
                        shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                        let limit = self.options.max_connections;
                        tracing::warn!(listener = self.name, limit, "too many connections; refused one");
                    }
                },
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "no connection accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(self.listener);
        shared.connections.close();
        if tokio::time::timeout(DRAIN, shared.connections.wait()).await.is_err() {
            tracing::info!(listener = self.name, "closed connections whose requests did not end in time");
        }
    }
}

impl Shared {
    fn connection(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        // Answers are small and awaited: Nagle's algorithm would hold them back for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY refused");
        }
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let open = Open::count(Arc::clone(&self.counters));
        let shared = Arc::clone(self);
        self.connections.spawn(async move {
            match &shared.tls {
                None => shared.converse(stream, peer).await,
                Some(tls) => shared.converse_in(tls, stream, peer).await,
            }
            drop((slot, open));
        });
    }

    async fn converse_in(&self, tls: &TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            () = self.shutdown.cancelled() => return,
        };
        match accepted {
            Ok(stream) => self.converse(stream, peer).await,
            Err(error) => tracing::info!(%error, "an HTTPS connection was closed"),
        }
    }

    /// Requests and answers, up to the connection's end or to an answer that goes on without hyper.
    async fn converse<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Into<Transport> + Unpin + Send + 'static,
    {
        let (takeovers, mut taken) = mpsc::channel(1);
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let (answer, takeovers) = (self.service.call(request), takeovers.clone());
            async move {
                let Ok(mut answer) = answer.await;
                if let Some(takeover) = Takeover::of(&mut answer) {
                    // There is room: the one that it takes ends the conversation.
                    let _ = takeovers.try_send((takeover, answer.into_parts().0));
                    return pending().await;
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let io = TokioIo::new(Patient::new(stream, WRITE_PATIENCE));
        let mut connection = self.builder.serve_connection(io, service).with_upgrades();
        let next = tokio::select! {
            ended = &mut connection => Err(ended),
            // Earlier answers have left: hyper reads no request before.
            Some(takeover) = taken.recv() => Ok(takeover),
            () = self.shutdown.cancelled() => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                Err((&mut connection).await)
            }
        };
        match next {
            Ok((takeover, head)) => {
                if let Some(parts) = connection.into_parts() {
                    takeover.run(parts.io.into_inner().into_inner().into(), &head).await;
                }
            }
            Err(ended) => self.note(ended),
        }
    }

    fn note(&self, ended: hyper::Result<()>) {
        match ended {
            Err(error) if error.is_timeout() => {
                self.counters.timeouts.fetch_add(1, Ordering::Relaxed);
                tracing::info!("an HTTP connection sent no whole header in time");
            }
            Err(error) => tracing::debug!(%error, "an HTTP connection ended early"),
            Ok(()) => {}
        }
    }
}

/// Counts an open connection for as long as it lives.
struct Open(Arc<Counters>);

impl Open {
    fn count(counters: Arc<Counters>) -> Self {
        counters.open.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::body::Bytes;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: SocketAddr,
        counters: Arc<Counters>,
        shutdown: CancellationToken,
        task: JoinHandle<()>,
    }

    async fn serve(router: Router, max_connections: usize, header_timeout: Duration) -> Running {
        let options = Options { max_connections, header_timeout };
        let bound = Bound::bind("http", ([127, 0, 0, 1], 0).into(), options).await.unwrap();
        let (address, counters) = (bound.local_addr().unwrap(), bound.counters());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(bound.serve(router, shutdown.clone()));
        Running { address, counters, shutdown, task }
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    async fn answer(stream: &mut TcpStream) -> String {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn who_am_i() -> Router {
        Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
    }

    #[tokio::test]
    async fn handlers_know_the_peer() {
        let running = serve(who_am_i(), 10, Duration::from_secs(5)).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.ends_with(&stream.local_addr().unwrap().to_string()), "{answer}");
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_and_counted() {
        let running = serve(who_am_i(), 1, Duration::from_secs(5)).await;
        let mut first = TcpStream::connect(running.address).await.unwrap();
        first.write_all(REQUEST).await.unwrap();
        answer(&mut first).await;
        let mut second = TcpStream::connect(running.address).await.unwrap();
        let mut rest = Vec::new();
        // An end or a reset, depending on what the kernel had already taken.
        let _ = second.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        assert_eq!(running.counters.refused.load(Ordering::Relaxed), 1);
        assert_eq!(running.counters.open.load(Ordering::Relaxed), 1);
        drop(first);
        while running.counters.open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut third = TcpStream::connect(running.address).await.unwrap();
        third.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut third).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_header_that_never_ends_costs_its_connection_only() {
        let running = serve(who_am_i(), 10, Duration::from_millis(100)).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let mut rest = Vec::new();
        let begun = Instant::now();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(begun.elapsed() >= Duration::from_millis(90), "{:?}", begun.elapsed());
        assert!(!String::from_utf8_lossy(&rest).contains("200"));
    }

    #[tokio::test]
    async fn a_session_takes_over_once_earlier_answers_have_left() {
        // More than the kernel holds for a connection.
        const LENGTH: usize = 64 << 20;
        let session = |transport: Transport, head: Bytes| async move {
            let Transport::Open(socket) = transport else { unreachable!("there is no TLS") };
            assert_eq!(socket.try_write(&head).unwrap(), head.len());
            assert_eq!(socket.try_write(b"taken over").unwrap(), 10);
        };
        let router = Router::new()
            .route("/", get(|| async { vec![b'x'; LENGTH] }))
            .route("/taken", get(move || async move { Takeover::response(session) }));
        let running = serve(router, 10, Duration::from_secs(5)).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(&[REQUEST, b"GET /taken HTTP/1.1\r\nhost: x\r\n\r\n"].concat()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).await.unwrap();
        let (first, second) = answers.split_at(answers.len() - LENGTH / 2);
        assert!(first.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let second = second.rsplit(|&byte| byte == b'x').next().unwrap();
        let second = String::from_utf8_lossy(second);
        assert!(second.starts_with("HTTP/1.1 200 OK\r\nconnection: close\r\ndate: "), "{second}");
        assert!(second.ends_with("\r\n\r\ntaken over"), "{second}");
        assert!(answers.len() > LENGTH, "{}", answers.len());
    }

    #[tokio::test]
    async fn stopping_ends_idle_connections_and_lets_requests_finish() {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            "done"
        };
        let running = serve(Router::new().route("/", get(slow)), 10, Duration::from_secs(5)).await;
        let idle = TcpStream::connect(running.address).await.unwrap();
        let mut busy = TcpStream::connect(running.address).await.unwrap();
        busy.write_all(REQUEST).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        running.shutdown.cancel();
        assert!(answer(&mut busy).await.ends_with("done"));
        running.task.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        TcpStream::connect(running.address).await.expect_err("nothing listens any more");
        drop(idle);
    }

    #[tokio::test]
    async fn stopping_does_not_wait_for_requests_without_end() {
        let endless = || async { pending::<&str>().await };
        let running = serve(Router::new().route("/", get(endless)), 10, Duration::from_secs(5)).await;
        let mut busy = TcpStream::connect(running.address).await.unwrap();
        busy.write_all(REQUEST).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        running.shutdown.cancel();
        running.task.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
