//! The other end of an RTMP connection: whoever publishes to a server or plays from one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use container::flv::{self, Demuxer, Event, FlvError, Format, mux};
use media::{Frame, Kind, TrackInfo};
use rtmp::MediaKind;
use rtmp::session::{ClientConfig, ClientEvent, ClientSession, Output, Request, Url};
use tokio::net::TcpStream;

use super::messages;
use crate::flv::metadata::metadata;
use crate::outbox::Outbox;
use crate::transport::{HandshakeError, Transport};
use crate::trust::{self, Fingerprint};

/// Bytes read at a time.
const READ: usize = 32 << 10;
/// Time for TCP's handshake; the conversation that follows has its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server may take no bytes at all; with it, what waits for it is bounded.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection came to nothing, or to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The path is not one that an RTMP URL can hold, or the URL is none.
    #[error("no RTMP URL can be made of the stream's path")]
    Path,
    /// The name of the server is not known.
    #[error("the server's name has no address")]
    NoAddress,
    /// Nobody answered at the address.
    #[error("the server did not answer in time")]
    ConnectTimeout,
    /// The connection could not be made, or broke.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// Its TLS does not come about, or not with whom it should.
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    /// The server does not speak RTMP, or not in time.
    #[error("{0}")]
    Protocol(#[from] rtmp::Error),
    /// The server said no; its status code.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The stream is over.
    #[error("the stream ended")]
    Ended,
    /// The server closed the connection without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server has stopped reading.
    #[error("the server took no bytes in time")]
    WriteTimeout,
    /// A track or frame that RTMP cannot carry.
    #[error("{0}")]
    Media(#[from] FlvError),
}

/// One connection to a server, on which media can flow: tracks and frames in, tracks and frames out.
///
/// Nothing is read or written but in [`Self::next`], so a publisher waits there too. After an error the connection is
/// of no more use.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    session: ClientSession,
    demuxer: Demuxer,
    ready: bool,
    outbox: Outbox,
    input: BytesMut,
}

impl Client {
    /// Connects and waits until the server lets it publish `path` (with `?query`, if any).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn publish(server: SocketAddr, path: &str) -> Result<Self, ClientError> {
        Self::connect(server, path, Request::Publish).await
    }

    /// Connects and waits until the server lets it play `path` (with `?query`, if any).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn play(server: SocketAddr, path: &str) -> Result<Self, ClientError> {
        Self::connect(server, path, Request::Play).await
    }

    /// Connects to the server of an `rtmp://` or `rtmps://` URL and waits until it lets it play the URL's stream. In TLS
    /// the server must show the certificate with `fingerprint`, without one a certificate that the system trusts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn play_url(url: &str, fingerprint: Option<Fingerprint>) -> Result<Self, ClientError> {
        let url = Url::parse(url).ok_or(ClientError::Path)?;
        let server = address_of(&url).await.ok_or(ClientError::NoAddress)?;
        let secured = url.tls.then(|| url.host.clone());
        let mut config = ClientConfig::new(Request::Play, url);
        // Servers that have Opus give it to who can take it (enhanced RTMP v2), and no sound to others.
        config.four_cc = vec![flv::FourCc::OPUS.0];
        let stream = connect(server).await?;
        let transport = match secured {
            Some(host) => trust::connect(stream, host.reveal(), fingerprint).await?,
            None => stream.into(),
        };
        Self::open(transport, config).await
    }

    async fn connect(server: SocketAddr, path: &str, request: Request) -> Result<Self, ClientError> {
        let url = Url::parse(&format!("rtmp://{server}/{path}")).ok_or(ClientError::Path)?;
        Self::open(connect(server).await?.into(), ClientConfig::new(request, url)).await
    }

    async fn open(transport: Transport, config: ClientConfig) -> Result<Self, ClientError> {
        // This number makes the filler of the handshake, which proves nothing (RTMP 1.0 §5.2.3).
        let seed = getrandom::u64().unwrap_or_default();
        let mut client = Self {
            transport,
            session: ClientSession::new(config, seed, Instant::now()),
            demuxer: Demuxer::new(),
            ready: false,
            outbox: Outbox::default(),
            input: BytesMut::new(),
        };
        while !client.ready {
            client.turn().await?;
        }
        Ok(client)
    }

    /// Writes what is to be sent, and waits for the next track or frame of the stream; a publisher gets none. Frames
    /// have the server's timestamps. Cancel-safe.
    ///
    /// # Errors
    /// [`ClientError`]; what came before is given first.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.demuxer.poll_event() {
                return Ok(event);
            }
            self.turn().await?;
        }
    }

    /// Announces tracks, before their first frame and whenever their parameters change. [`Self::next`] writes it.
    ///
    /// # Errors
    /// [`ClientError::Media`] for a track that RTMP cannot carry; [`ClientError::Protocol`] to one that plays.
    pub fn send_tracks(&mut self, tracks: &[TrackInfo]) -> Result<(), ClientError> {
        self.session.send_metadata(&metadata(tracks))?;
        for track in tracks {
            let (kind, body) = messages::config(track, Format::Legacy)?;
            self.session.send_media(kind, 0, body)?;
        }
        Ok(())
    }

    /// Sends one frame of `track`. [`Self::next`] writes it.
    ///
    /// # Errors
    /// As [`Self::send_tracks`].
    pub fn send_frame(&mut self, track: &TrackInfo, frame: &Frame) -> Result<(), ClientError> {
        let (kind, body) = match track.kind() {
            Kind::Video => (MediaKind::Video, mux::video_body(frame, Format::Legacy)),
            Kind::Audio => (MediaKind::Audio, mux::audio_body(frame, track.codec(), Format::Legacy)?),
        };
        Ok(self.session.send_media(kind, flv::timestamp_ms(frame.dts), body)?)
    }

    /// The socket without the conversation, for who only counts bytes.
    pub fn into_stream(self) -> Arc<TcpStream> {
        self.transport.into_socket()
    }

    /// Takes one output of the session or, when there is none, writes, waits and reads once. Cancel-safe: what is
    /// half done is kept in `outbox` and `session`, and nothing is held over the one await.
    async fn turn(&mut self) -> Result<(), ClientError> {
        match self.session.poll_output() {
            Some(Output::Write(bytes)) => {
                self.outbox.push(bytes);
                return Ok(());
            }
            Some(Output::Event(event)) => return self.on_event(event),
            None => self.outbox.write(&mut self.transport).map(drop)?,
        }
        let blocked = !self.outbox.is_empty();
        let stalled = self.outbox.stalled_at(WRITE_TIMEOUT);
        let deadline = [self.session.poll_timeout(), stalled].into_iter().flatten().min();
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let transport = &self.transport;
        tokio::select! {
            ready = poll_fn(|context| transport.poll_read_ready(context)) => {
                ready?;
                self.read()
            }
            // The next turn begins with writing.
            ready = poll_fn(|context| transport.poll_write_ready(context)), if blocked => Ok(ready?),
            () = due => self.timeout(),
        }
    }

    fn on_event(&mut self, event: ClientEvent) -> Result<(), ClientError> {
        match event {
            ClientEvent::Ready => self.ready = true,
            ClientEvent::Media(media) => match media.kind {
                MediaKind::Video => self.demuxer.push_video(media.timestamp, &media.body),
                MediaKind::Audio => self.demuxer.push_audio(media.timestamp, &media.body),
                MediaKind::Data => {}
            },
            ClientEvent::Refused(status) => return Err(ClientError::Refused(status.code)),
            ClientEvent::Ended => return Err(ClientError::Ended),
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), ClientError> {
        self.input.reserve(READ);
        match self.transport.try_read_buf(&mut self.input) {
            Ok(0) => return Err(ClientError::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let result = self.session.handle_input(&self.input);
        self.input.clear();
        Ok(result?)
    }

    fn timeout(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.outbox.stalled_at(WRITE_TIMEOUT).is_some_and(|at| now >= at) {
            return Err(ClientError::WriteTimeout);
        }
        Ok(self.session.handle_timeout(now)?)
    }
}

async fn connect(server: SocketAddr) -> Result<TcpStream, ClientError> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await;
    let stream = stream.map_err(|_| ClientError::ConnectTimeout)??;
    // A frame is written when it is due: Nagle would hold the end of it for an acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The first address of a URL's host.
async fn address_of(url: &Url) -> Option<SocketAddr> {
    let host = (url.host.reveal().as_str(), url.port);
    let addresses = tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::lookup_host(host)).await;
    addresses.ok()?.ok()?.next()
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;

    use bytes::Bytes;
    use hub::{
        AccessRequest, Action, Authorizer, Denied, Hub, Transform, TransformError, TransformFactory, UserName,
    };
    use media::h264::{ParameterSets, avcc};
    use media::{Codec, CodecConfig, Pii, StreamPath, Timestamp, TrackId};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::Sessions;
    use crate::rtmp::{Context, Options, PullError, pull, serve};
    use crate::transport::Security;

    #[derive(Debug)]
    struct NoTransforms;

    impl TransformFactory for NoTransforms {
        fn supports(&self, _: Codec, _: Codec) -> bool {
            false
        }

        fn create(&self, _: &TrackInfo, _: Codec, _: TrackId) -> Result<Box<dyn Transform>, TransformError> {
            unreachable!("nothing is supported")
        }
    }

    /// Lets everybody read, and publish `open`; `bug` is one.
    #[derive(Debug)]
    struct Doorman;

    impl Authorizer for Doorman {
        fn authorize<'a>(
            &'a self,
            request: &'a AccessRequest,
        ) -> Pin<Box<dyn Future<Output = Result<Option<UserName>, Denied>> + Send + 'a>> {
            assert_ne!(request.path.as_str(), "bug", "a bug in a session");
            let open = request.action == Action::Read || request.path.as_str() == "open";
            Box::pin(std::future::ready(if open { Ok(None) } else { Err(Denied::NotPermitted) }))
        }
    }

    async fn server() -> SocketAddr {
        server_with(Sessions::default()).await
    }

    fn hub() -> Hub {
        Hub::new(hub::Options::default(), Arc::new(NoTransforms), Arc::new(Doorman))
    }

    async fn server_with(sessions: Sessions) -> SocketAddr {
        server_of(hub(), sessions).await
    }

    async fn server_of(hub: Hub, sessions: Sessions) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let context = Context { hub, sessions, options: Options::default(), security: Security::Open };
        tokio::spawn(serve(listener, context, CancellationToken::new()));
        address
    }

    fn track() -> TrackInfo {
        let sps = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
        let sets = ParameterSets {
            sps: vec![Bytes::copy_from_slice(&sps)],
            pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
        };
        TrackInfo { id: flv::VIDEO, config: CodecConfig::H264(sets) }
    }

    /// More than a socket's buffers hold in one piece, and different from all others.
    fn frame(number: u8) -> Frame {
        let dts = Timestamp::from_millis(i64::from(number) * 20);
        let mut slice = vec![number; 300_000];
        slice[..2].copy_from_slice(&[0x65, 0x88]);
        let payload = avcc::write([&slice[..]]);
        Frame { track: flv::VIDEO, pts: dts, dts, random_access: true, payload }
    }

    /// Waits for the client's next event in many short waits, each of which is given up.
    async fn next(client: &mut Client) -> Event {
        loop {
            if let Ok(event) = tokio::time::timeout(Duration::from_micros(50), client.next()).await {
                return event.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_lost_where_waiting_is_given_up() {
        const FRAMES: u8 = 20;
        let address = server().await;
        let mut publisher = Client::publish(address, "open").await.unwrap();
        publisher.send_tracks(&[track()]).unwrap();
        let mut reader = Client::play(address, "open").await.unwrap();
        let publishing = tokio::spawn(async move {
            for number in 1..=FRAMES {
                publisher.send_frame(&track(), &frame(number)).unwrap();
                let until = Instant::now() + Duration::from_millis(20);
                while Instant::now() < until {
                    let wait = tokio::time::timeout(Duration::from_micros(50), publisher.next()).await;
                    assert!(wait.is_err(), "a publisher is told nothing");
                }
            }
            publisher.next().await
        });
        assert_eq!(next(&mut reader).await, Event::Track(track()));
        for number in 1..=FRAMES {
            let Event::Frame(got) = next(&mut reader).await else { panic!("a frame") };
            assert_eq!(got.payload, frame(number).payload, "frame {number}");
        }
        publishing.abort();
    }

    #[tokio::test]
    async fn a_path_is_fed_with_another_servers_stream_until_that_ends() {
        let impatient = hub::Options { grace: Duration::ZERO, ..hub::Options::default() };
        let impatient = Hub::new(impatient, Arc::new(NoTransforms), Arc::new(Doorman));
        let (there, here) = (server_of(impatient, Sessions::default()).await, hub());
        let path = StreamPath::new("ward/3").unwrap();
        let url = Pii(format!("rtmp://localhost:{}/open?user=a&pass=b", there.port()));
        let nobody = pull(&here, &path, &url, None).await.unwrap_err();
        assert_eq!(nobody.to_string(), "the server refused: NetStream.Play.StreamNotFound");
        assert!(!here.has(&path), "a path without a track is not published");

        let mut publisher = Client::publish(there, "open").await.unwrap();
        publisher.send_tracks(&[track()]).unwrap();
        let pulling = tokio::spawn({
            let (here, path, url) = (here.clone(), path.clone(), url.clone());
            async move { pull(&here, &path, &url, None).await }
        });
        let mut reader = None;
        for number in 1..=100 {
            publisher.send_frame(&track(), &frame(number)).unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(20), publisher.next()).await;
            if here.has(&path) {
                let local = server_of(here.clone(), Sessions::default()).await;
                reader = Some(Client::play(local, "ward/3").await.unwrap());
                break;
            }
        }
        let mut reader = reader.expect("the stream came within two seconds");
        assert_eq!(next(&mut reader).await, Event::Track(track()));
        drop(publisher);
        let ended = tokio::time::timeout(Duration::from_secs(5), pulling).await.unwrap().unwrap();
        assert!(matches!(ended, Err(PullError::Client(ClientError::Ended))), "{ended:?}");
    }

    #[tokio::test]
    async fn a_url_without_a_known_host_is_told_without_being_repeated() {
        for (url, expected) in [
            ("rtmp://no-such-host.invalid/a?pass=hunter2", "the server's name has no address"),
            ("http://h/hunter2", "no RTMP URL can be made of the stream's path"),
        ] {
            assert_eq!(Client::play_url(url, None).await.unwrap_err().to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_code() {
        let address = server().await;
        let nobody = Client::play(address, "open").await.unwrap_err();
        assert_eq!(nobody.to_string(), "the server refused: NetStream.Play.StreamNotFound");
        let denied = Client::publish(address, "closed").await.unwrap_err();
        assert!(matches!(denied, ClientError::Refused(_)), "{denied}");
        let no_path = Client::publish(address, "").await.unwrap_err();
        assert!(matches!(no_path, ClientError::Path), "{no_path}");
    }

    #[tokio::test]
    async fn a_panic_ends_one_session_and_is_counted() {
        let sessions = Sessions::default();
        let address = server_with(sessions.clone()).await;
        let _publisher = Client::publish(address, "open").await.unwrap();
        let error = Client::play(address, "bug").await.unwrap_err();
        assert!(matches!(error, ClientError::Closed | ClientError::Io(_)), "{error}");
        assert_eq!(sessions.counters().panics.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!(sessions.snapshot().len(), 1, "the publisher's");
        Client::play(address, "open").await.unwrap();
    }

    #[tokio::test]
    async fn sessions_are_listed_with_what_they_do_and_a_kick_ends_them_at_once() {
        let sessions = Sessions::default();
        let address = server_with(sessions.clone()).await;
        let mut publisher = Client::publish(address, "open?room=3&token=abc").await.unwrap();
        let idle = TcpStream::connect(address).await.unwrap();
        while sessions.snapshot().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let [first, second] = &sessions.snapshot()[..] else { panic!("two sessions") };
        let activity = first.details().activity.unwrap();
        assert_eq!((activity.action, activity.path.as_str()), (Action::Publish, "open"));
        assert_eq!(activity.query.reveal(), "room=3");
        assert!(first.details().user_agent.is_some());
        assert_eq!(*second.remote.reveal(), idle.local_addr().unwrap());
        assert_eq!(second.action(), None);
        let begun = Instant::now();
        first.kick();
        second.kick();
        let error = publisher.next().await.unwrap_err();
        assert!(matches!(error, ClientError::Closed | ClientError::Io(_)), "{error}");
        while !sessions.snapshot().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", sessions.snapshot());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_ends_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // All that the client has said, lest the kernel reset the connection.
            let mut hello = vec![0; 1_537];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await.unwrap();
        });
        let error = Client::play(address, "open").await.unwrap_err();
        assert!(matches!(error, ClientError::Closed), "{error}");
    }
}
