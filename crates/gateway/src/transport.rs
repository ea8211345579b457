//! One TCP connection, in the open or in TLS, for sessions that write what the socket takes and never wait for it.
//!
//! The open one is tokio's socket and nothing else: the same system calls as without this module.

use std::io::{self, BufRead as _, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rustls::{Connection, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// Why a connection did not get as far as its first byte.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The other side let the time pass.
    #[error("no whole TLS handshake in time")]
    Timeout,
    /// The other side does not speak TLS, or none that is accepted, or went away.
    #[error("the TLS handshake failed: {0}")]
    Failed(#[from] io::Error),
}

/// Makes TLS connections of accepted ones, for one listener. Cloning shares it.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    patience: Duration,
    failures: Arc<AtomicU64>,
}

impl TlsAcceptor {
    /// Handshakes by `config` may take `patience`.
    pub fn new(config: Arc<ServerConfig>, patience: Duration) -> Self {
        Self { config, patience, failures: Arc::default() }
    }

    /// Handshakes that failed or took too long since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Shakes hands. A failure is counted; the client has been told by an alert (RFC 8446 §6.2) if it speaks TLS.
    ///
    /// # Errors
    /// [`HandshakeError`], which holds no address.
    pub async fn accept(&self, stream: TcpStream) -> Result<server::TlsStream<TcpStream>, HandshakeError> {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.config));
        let accepted = match tokio::time::timeout(self.patience, acceptor.accept(stream)).await {
            Ok(accepted) => accepted.map_err(HandshakeError::Failed),
            Err(_) => Err(HandshakeError::Timeout),
        };
        if accepted.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        accepted
    }
}

/// How a listener's connections are secured.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all.
    Open,
    /// By TLS from their first byte.
    Tls(TlsAcceptor),
}

impl Security {
    /// Makes an accepted connection ready for its protocol.
    ///
    /// # Errors
    /// As [`TlsAcceptor::accept`].
    pub async fn secure(&self, stream: TcpStream) -> Result<Transport, HandshakeError> {
        match self {
            Self::Open => Ok(stream.into()),
            Self::Tls(acceptor) => {
                let accepted = acceptor.accept(stream).await?;
                Ok(accepted.into())
            }
        }
    }
}

/// What takes bytes without waiting.
pub(crate) trait TryWrite {
    /// Takes some of `bytes`, [`io::ErrorKind::WouldBlock`] if none.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Takes some of `slices`, in order, [`io::ErrorKind::WouldBlock`] if none.
    fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sends what was taken and has not left yet: TLS seals whole records. Says how many bytes went and whether that
    /// was all; call it again when [`Transport::poll_write_ready`] says so.
    fn try_flush(&mut self) -> io::Result<(usize, bool)>;
}

impl TryWrite for TcpStream {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::try_write_vectored(self, slices)
    }

    fn try_flush(&mut self) -> io::Result<(usize, bool)> {
        Ok((0, true))
    }
}

/// A connection that is ready for its protocol.
#[derive(Debug)]
pub enum Transport {
    /// In the open; shared with what writes on behalf of a session.
    Open(Arc<TcpStream>),
    /// In TLS.
    Tls(Box<Tls>),
}

/// A TLS session and its socket.
#[derive(Debug)]
pub struct Tls {
    stream: TcpStream,
    session: Connection,
    /// The handshake may have left sealed or opened bytes in the session, of which the socket does not know.
    unread: bool,
}

impl Transport {
    /// Of a connection that we have made.
    pub(crate) fn client(connected: client::TlsStream<TcpStream>) -> Self {
        let (stream, session) = connected.into_inner();
        Self::tls(stream, session.into())
    }

    fn tls(stream: TcpStream, session: Connection) -> Self {
        Self::Tls(Box::new(Tls { stream, session, unread: true }))
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Open(stream) => stream,
            Self::Tls(tls) => &tls.stream,
        }
    }

    /// The socket alone.
    pub(crate) fn into_socket(self) -> Arc<TcpStream> {
        match self {
            Self::Open(stream) => stream,
            Self::Tls(tls) => Arc::new(tls.stream),
        }
    }

    /// Appends what is there to `buffer`; 0 is the end. As [`TcpStream::try_read_buf`].
    pub(crate) fn try_read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Open(stream) => stream.try_read_buf(buffer),
            Self::Tls(tls) => tls.try_read_buf(buffer),
        }
    }

    /// Ready when [`Self::try_read_buf`] may have something. As [`TcpStream::poll_read_ready`].
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Open(stream) => stream.poll_read_ready(context),
            Self::Tls(tls) if tls.unread => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.stream.poll_read_ready(context),
        }
    }

    /// Ready when the socket may take more. As [`TcpStream::poll_write_ready`].
    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Open(stream) => stream.poll_write_ready(context),
            Self::Tls(tls) => tls.stream.poll_write_ready(context),
        }
    }

    /// Says that nothing follows, as far as the socket takes it now: without it the other side has to suspect that the
    /// end was cut off (RFC 8446 §6.1).
    pub(crate) fn farewell(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
            // Who does not take it has gone, or hears of it by the end of the connection.
            let _ = tls.try_flush();
        }
    }
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self::Open(Arc::new(stream))
    }
}

impl From<server::TlsStream<TcpStream>> for Transport {
    fn from(accepted: server::TlsStream<TcpStream>) -> Self {
        let (stream, session) = accepted.into_inner();
        Self::tls(stream, session.into())
    }
}

impl TryWrite for Transport {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(stream) => stream.try_write(bytes),
            Self::Tls(tls) => tls.try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Open(stream) => stream.try_write_vectored(slices),
            Self::Tls(tls) => tls.try_write_vectored(slices),
        }
    }

    fn try_flush(&mut self) -> io::Result<(usize, bool)> {
        match self {
            Self::Open(_) => Ok((0, true)),
            Self::Tls(tls) => tls.try_flush(),
        }
    }
}

impl Tls {
    fn try_read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            match self.session.reader().fill_buf() {
                // The other side's farewell.
                Ok([]) => return Ok(0),
                Ok(opened) => {
                    let taken = opened.len();
                    buffer.extend_from_slice(opened);
                    self.session.reader().consume(taken);
                    return Ok(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The end without farewell, as ffmpeg and OBS do it. RTMP and RTSP know themselves what is complete.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            self.unread = false;
            self.session.read_tls(&mut Socket(&self.stream))?;
            if let Err(error) = self.session.process_new_packets() {
                // The alert that tells the other side.
                let _ = self.try_flush();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            self.unread = true;
        }
    }

    /// Seals as much as the session's buffer has room for (64 KiB), once all before it has left.
    fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.try_flush()?.1 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.session.writer().write_vectored(slices)?;
        self.try_flush()?;
        Ok(taken)
    }

    fn try_flush(&mut self) -> io::Result<(usize, bool)> {
        let mut left = 0;
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(&self.stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((left, false)),
                Err(error) => return Err(error),
            }
        }
        Ok((left, true))
    }
}

/// A socket as rustls wants it: what would block says so.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::SocketAddr;

    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::outbox::Outbox;

    type Client = client::TlsStream<TcpStream>;

    /// A listener's acceptor, and what its clients trust.
    fn tls() -> (TlsAcceptor, TlsConnector) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (TlsAcceptor::new(Arc::new(server), Duration::from_millis(300)), TlsConnector::from(Arc::new(client)))
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn pair() -> (Transport, Client) {
        let (acceptor, connector) = tls();
        let (listener, address) = listener().await;
        let name = ServerName::try_from("localhost").unwrap();
        let client = async { connector.connect(name, TcpStream::connect(address).await.unwrap()).await };
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            Security::Tls(acceptor).secure(stream).await
        };
        let (client, server) = tokio::join!(client, server);
        (server.unwrap(), client.unwrap())
    }

    async fn read(transport: &mut Transport, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            poll_fn(|context| transport.poll_read_ready(context)).await?;
            match transport.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Reads until `bytes` are there.
    async fn read_exactly(transport: &mut Transport, bytes: usize) -> BytesMut {
        let mut buffer = BytesMut::new();
        while buffer.len() < bytes {
            assert!(read(transport, &mut buffer).await.unwrap() > 0);
        }
        buffer
    }

    #[tokio::test]
    async fn what_is_sent_comes_out_in_order_both_ways() {
        let (mut transport, mut client) = pair().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 7) as u8).collect();
        let (upload, received) =
            tokio::join!(client.write_all(&sent), read_exactly(&mut transport, sent.len()));
        upload.unwrap();
        assert!(received == sent);

        let mut outbox = Outbox::default();
        outbox.extend(sent.chunks(3_001).map(bytes::Bytes::copy_from_slice));
        let download = async {
            let mut written = 0;
            loop {
                written += outbox.write(&mut transport).unwrap();
                if outbox.is_empty() {
                    return written;
                }
                poll_fn(|context| transport.poll_write_ready(context)).await.unwrap();
            }
        };
        let mut received = vec![0; sent.len()];
        let (written, read) = tokio::join!(download, client.read_exact(&mut received));
        read.unwrap();
        assert!(received == sent);
        assert_eq!(written, sent.len());
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_holds_the_outbox_back_and_stalls_it() {
        let (mut transport, mut client) = pair().await;
        let mut outbox = Outbox::default();
        outbox.push(vec![7; 32 << 20].into());
        let mut written = 0;
        // The socket buffers of loopback grow for a moment.
        for _ in 0..50 {
            written += outbox.write(&mut transport).unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(outbox.write(&mut transport).unwrap(), 0);
        assert!(!outbox.is_empty() && outbox.stalled_at(Duration::ZERO).is_some());
        // What the session had sealed is not all on its way.
        let mut taken = vec![0; written - (128 << 10)];
        client.read_exact(&mut taken).await.unwrap();
        poll_fn(|context| transport.poll_write_ready(context)).await.unwrap();
        assert!(outbox.write(&mut transport).unwrap() > 0);
    }

    #[tokio::test]
    async fn bytes_right_behind_the_handshake_are_not_waited_for() {
        for _ in 0..20 {
            let (acceptor, connector) = tls();
            let (listener, address) = listener().await;
            let name = ServerName::try_from("localhost").unwrap();
            let client = async {
                let stream = TcpStream::connect(address).await.unwrap();
                let mut client = connector.connect(name, stream).await.unwrap();
                client.write_all(b"hello").await.unwrap();
                client
            };
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                // By then the client's last words of the handshake and its first of the protocol lie together.
                tokio::time::sleep(Duration::from_millis(5)).await;
                let mut transport = Security::Tls(acceptor).secure(stream).await.unwrap();
                read_exactly(&mut transport, 5).await
            };
            let (_client, received) = tokio::join!(client, server);
            assert_eq!(received, &b"hello"[..]);
        }
    }

    #[tokio::test]
    async fn both_ends_say_farewell_or_just_leave() {
        let (mut transport, mut client) = pair().await;
        transport.farewell();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "no truncation");
        client.shutdown().await.unwrap();
        assert_eq!(read(&mut transport, &mut BytesMut::new()).await.unwrap(), 0);

        let (mut transport, mut client) = pair().await;
        transport.try_write(b"x").unwrap();
        // With that it has read all there is; the kernel would reset the connection otherwise.
        client.read_exact(&mut [0]).await.unwrap();
        drop(client.into_inner());
        assert_eq!(read(&mut transport, &mut BytesMut::new()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn garbage_in_a_session_ends_it_with_an_alert() {
        let (mut transport, client) = pair().await;
        let (mut stream, _) = client.into_inner();
        stream.write_all(&[0x17, 3, 3, 0, 32]).await.unwrap();
        stream.write_all(&[0; 32]).await.unwrap();
        let error = read(&mut transport, &mut BytesMut::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(transport);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(!rest.is_empty());
    }

    #[tokio::test]
    async fn who_speaks_no_tls_or_nothing_at_all_is_counted() {
        let (acceptor, _) = tls();
        let (listener, address) = listener().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[3; 1_537]).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let error = acceptor.accept(stream).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Failed(_)), "{error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");

        let _silent = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(matches!(acceptor.accept(stream).await, Err(HandshakeError::Timeout)));
        assert_eq!(acceptor.clone().failures(), 2);
    }
}
