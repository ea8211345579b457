//! RTMP over TCP.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use container::flv::{self, Demuxer, Event, Format, mux};
use media::{Codec, Kind, TrackInfo};
use rtmp::session::{ClientConfig, ClientEvent, ClientSession, Output, Request, Url};
use rtmp::{MediaKind, Metadata, metadata};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::feed::Feed;

/// Bytes read at a time.
const READ: usize = 128 << 10;

/// What readers got together.
#[derive(Debug, Default)]
pub struct Counters {
    /// How many have joined.
    pub joined: AtomicU64,
    /// Bytes of the transport's payload.
    pub bytes: AtomicU64,
    /// Pictures, where they are looked at.
    pub pictures: AtomicU64,
}

/// A connection with its session.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    session: ClientSession,
    input: BytesMut,
}

impl Client {
    async fn connect(server: SocketAddr, path: &str, request: Request) -> Result<Self> {
        let url = Url::parse(&format!("rtmp://{server}/{path}")).context("an RTMP URL")?;
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let config = ClientConfig::new(request, url);
        let mut session = ClientSession::new(config, u64::from(server.port()), Instant::now());
        while let Some(Output::Write(bytes)) = session.poll_output() {
            stream.write_all(&bytes).await?;
        }
        Ok(Self { stream, session, input: BytesMut::new() })
    }

    /// The next event of the session.
    async fn next(&mut self) -> Result<ClientEvent> {
        loop {
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Write(bytes) => self.stream.write_all(&bytes).await?,
                    Output::Event(event) => return Ok(event),
                }
            }
            self.input.clear();
            self.input.reserve(READ);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("the server closed the connection");
            }
            self.session.handle_input(&self.input)?;
        }
    }

    /// Until media can flow.
    async fn ready(&mut self) -> Result<()> {
        loop {
            match self.next().await? {
                ClientEvent::Ready => return Ok(()),
                ClientEvent::Refused(status) => bail!("refused: {}", status.code),
                ClientEvent::Ended => bail!("ended before it began"),
                _ => {}
            }
        }
    }

    /// Writes what the session has to say.
    async fn flush(&mut self) -> Result<()> {
        while let Some(output) = self.session.poll_output() {
            if let Output::Write(bytes) = output {
                self.stream.write_all(&bytes).await?;
            }
        }
        Ok(())
    }

    /// Takes what the server says to a publisher, acknowledgements and pings, without waiting.
    fn listen(&mut self) -> Result<()> {
        self.input.clear();
        self.input.reserve(READ);
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(_) => Ok(self.session.handle_input(&self.input)?),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn announce(&mut self, tracks: &[TrackInfo]) -> Result<()> {
        let has = |kind| tracks.iter().any(|track| track.kind() == kind);
        self.session.send_metadata(&Metadata {
            video_codec: has(Kind::Video).then_some(metadata::VIDEO_AVC),
            audio_codec: has(Kind::Audio).then_some(metadata::AUDIO_AAC),
            ..Metadata::default()
        })?;
        for track in tracks {
            let (kind, body) = match track.kind() {
                Kind::Video => (MediaKind::Video, mux::video_config_body(track, Format::Legacy)?),
                Kind::Audio => (MediaKind::Audio, mux::audio_config_body(track, Format::Legacy)?),
            };
            self.session.send_media(kind, 0, body)?;
        }
        Ok(())
    }
}

/// Publishes `feed` until the task is dropped or the connection fails.
///
/// # Errors
/// If the server refuses or ends the connection.
pub async fn publish(server: SocketAddr, path: &str, mut feed: Feed) -> Result<()> {
    let mut client = Client::connect(server, path, Request::Publish).await?;
    client.ready().await?;
    client.announce(&feed.tracks())?;
    feed.restart();
    loop {
        client.flush().await?;
        tokio::time::sleep_until(feed.due().into()).await;
        let (kind, frame) = feed.take();
        let timestamp = flv::timestamp_ms(frame.dts);
        let (kind, body) = match kind {
            Kind::Video => (MediaKind::Video, mux::video_body(&frame, Format::Legacy)),
            Kind::Audio => (MediaKind::Audio, mux::audio_body(&frame, Codec::Aac, Format::Legacy)?),
        };
        client.session.send_media(kind, timestamp, body)?;
        client.flush().await?;
        client.listen()?;
    }
}

/// A reader that looks at every frame.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    demuxer: Demuxer,
}

impl Reader {
    /// Connects and asks for a stream.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn connect(server: SocketAddr, path: &str) -> Result<Self> {
        Ok(Self { client: Client::connect(server, path, Request::Play).await?, demuxer: Demuxer::new() })
    }

    /// The next track or frame.
    ///
    /// # Errors
    /// If the server refuses or ends the stream.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.demuxer.poll_event() {
                return Ok(event);
            }
            match self.client.next().await? {
                ClientEvent::Media(media) if media.kind == MediaKind::Video => {
                    self.demuxer.push_video(media.timestamp, &media.body);
                }
                ClientEvent::Media(media) if media.kind == MediaKind::Audio => {
                    self.demuxer.push_audio(media.timestamp, &media.body);
                }
                ClientEvent::Refused(status) => bail!("refused: {}", status.code),
                ClientEvent::Ended => bail!("the stream ended"),
                _ => {}
            }
        }
    }
}

thread_local! {
    /// One for all readers of the thread, so that hundreds of them stay in its cache.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Reads a stream and counts its bytes without looking at them, until the connection ends.
///
/// # Errors
/// If the server refuses or the connection fails.
pub async fn count(server: SocketAddr, path: &str, counters: Arc<Counters>) -> Result<()> {
    let mut client = Client::connect(server, path, Request::Play).await?;
    client.ready().await?;
    // What it holds is not needed any more, and there are many of it.
    let Client { stream, .. } = client;
    counters.joined.fetch_add(1, Ordering::Relaxed);
    loop {
        stream.readable().await?;
        match BUFFER.with_borrow_mut(|buffer| stream.try_read(buffer)) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(taken) => counters.bytes.fetch_add(taken as u64, Ordering::Relaxed),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
    }
}
