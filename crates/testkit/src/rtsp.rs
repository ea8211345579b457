//! RTSP over TCP: who publishes and reads it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use gateway::rtsp::formats;
use media::{Kind, TrackInfo};
use rtp::receiver::{Event, Receiver};
use rtp::sender::{ReaderClock, Sender, SenderConfig};
use rtsp::framer::{Framer, Item};
use rtsp::interleaved_header;
use rtsp::message::{Response, headers, response_header};
use rtsp::sdp::{self, Presentation};
use rtsp::session::{ClientConfig, ClientEvent, ClientSession, Lower, Output, Url};
use rtsp::transport::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::feed::Feed;
use crate::rtmp::{Counters, discard};

/// Bytes read at a time.
const READ: usize = 64 << 10;
/// How long the server may give nothing.
const IDLE: Duration = Duration::from_secs(10);
/// Payload bytes of a packet: what ffmpeg sends over TCP.
const PAYLOAD: usize = 1_460;
/// RFC 3551 §6: dynamic payload types begin here.
const FIRST_PAYLOAD_TYPE: u8 = 96;

/// A reader of one stream.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    session: ClientSession,
    receiver: Receiver,
    presentation: Option<Presentation>,
    /// In the order of the description, once they play.
    tracks: Vec<Transport>,
    input: BytesMut,
}

impl Client {
    /// Connects and waits until the server plays.
    ///
    /// # Errors
    /// If the connection fails, or the server refuses.
    pub async fn play(server: SocketAddr, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let url = Url::parse(&format!("rtsp://{server}/{path}"))?;
        let mut client = Self {
            stream,
            session: ClientSession::new(ClientConfig { url, idle_timeout: IDLE }, 1, Instant::now()),
            receiver: Receiver::new(1),
            presentation: None,
            tracks: Vec::new(),
            input: BytesMut::new(),
        };
        while client.tracks.is_empty() {
            client.turn().await?;
        }
        Ok(client)
    }

    /// The next track or frame.
    ///
    /// # Errors
    /// If the stream ends or is none.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.receiver.poll_event() {
                return Ok(event);
            }
            self.turn().await?;
        }
    }

    /// Kind of the track that `frame` is of.
    pub fn kind(&self, frame: &media::Frame) -> Option<Kind> {
        let presentation = self.presentation.as_ref()?;
        presentation.media.get(usize::try_from(frame.track.0).ok()?).map(|media| media.format.kind())
    }

    /// Says what there is to say, then takes what comes next.
    async fn turn(&mut self) -> Result<()> {
        let now = Instant::now();
        // Packets come all the time, so nothing else need wake it.
        self.session.handle_timeout(now)?;
        while let Some((id, report)) = self.receiver.poll_report(now) {
            let transport = self.tracks.get(usize::try_from(id.0)?).context("a report on no track")?;
            self.stream.write_all(&interleaved(*transport, true, &[&report])?).await?;
        }
        self.drain().await?;
        self.input.reserve(READ);
        if self.stream.read_buf(&mut self.input).await? == 0 {
            bail!("the server closed the connection");
        }
        self.session.handle_input(&mut self.input, Instant::now())?;
        self.drain().await
    }

    async fn drain(&mut self) -> Result<()> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => self.stream.write_all(&bytes).await?,
                Output::Event(event) => self.on_event(event)?,
            }
        }
        Ok(())
    }

    fn on_event(&mut self, event: ClientEvent) -> Result<()> {
        let now = Instant::now();
        match event {
            ClientEvent::Described(presentation) => {
                for (track, media) in presentation.media.iter().enumerate() {
                    let config = formats::receive(track, media, true).context("a track that nobody reads")?;
                    self.receiver.add_track(config);
                }
                self.presentation = Some(presentation);
                self.session.set_up(Lower::Tcp, now)?;
            }
            ClientEvent::Playing(tracks) => {
                self.tracks = tracks.into_iter().map(|track| track.transport).collect();
            }
            ClientEvent::Packet { track, rtcp, packet } => {
                let id = media::TrackId(track.try_into()?);
                match rtcp {
                    true => self.receiver.handle_rtcp(id, &packet, now)?,
                    false => self.receiver.handle_rtp(id, &packet, now)?,
                }
            }
            other => bail!("the server does not play: {other:?}"),
        }
        Ok(())
    }
}

/// Reads a stream and counts its bytes without looking at them, until the connection ends. On TCP the server asks no
/// reader for a sign of life.
///
/// # Errors
/// If the server refuses or the connection fails.
pub async fn count(server: SocketAddr, path: &str, counters: Arc<Counters>) -> Result<()> {
    // What else the client holds is not needed any more, and there are many of it.
    let stream = Client::play(server, path).await?.stream;
    counters.joined.fetch_add(1, Ordering::Relaxed);
    discard(&stream, &counters).await
}

/// Publishes `feed` until the task is dropped or the connection fails.
///
/// # Errors
/// If the server refuses or ends the connection.
pub async fn publish(server: SocketAddr, path: &str, mut feed: Feed) -> Result<()> {
    let mut publisher = Publisher::record(server, path, &feed.tracks()).await?;
    feed.restart();
    let mut reports = vec![0; READ];
    loop {
        tokio::select! {
            // First, so that what the server says does not fill its buffers.
            biased;
            ready = publisher.stream.readable() => {
                ready?;
                match publisher.stream.try_read(&mut reports) {
                    Ok(0) => bail!("the server closed the connection"),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
            () = tokio::time::sleep_until(feed.due().into()) => {
                let (kind, frame) = feed.take();
                publisher.send(kind, &frame).await?;
            }
        }
    }
}

/// Who may send, one sender for each track.
struct Publisher {
    stream: TcpStream,
    clock: ReaderClock,
    tracks: Vec<(TrackInfo, Sender)>,
}

impl Publisher {
    /// Connects, and announces the tracks until the server records.
    async fn record(server: SocketAddr, path: &str, tracks: &[TrackInfo]) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let mut dialogue = Dialogue::new(stream, format!("rtsp://{server}/{path}"));
        let described: Vec<_> =
            (0..).zip(tracks).map(|(at, track)| describe(at, track)).collect::<Result<_>>()?;
        let description = sdp::write(&described, 1);
        dialogue.ask("ANNOUNCE", "", "Content-Type: application/sdp\r\n", &description).await?;
        for (at, media) in described.iter().enumerate() {
            let transport = format!("Transport: {};mode=record\r\n", channels(at));
            dialogue.ask("SETUP", &format!("/{}", media.control), &transport, "").await?;
        }
        dialogue.ask("RECORD", "", "Range: npt=now-\r\n", "").await?;
        let sender = |(payload_type, track): (u8, &TrackInfo)| {
            let marks_frames = formats::marks_frames(&track.config);
            let config =
                SenderConfig { payload_type, rate: track.rate(), marks_frames, seed: payload_type.into() };
            (track.clone(), Sender::new(config))
        };
        let unix = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            stream: dialogue.stream,
            clock: ReaderClock::new(1, Instant::now(), unix),
            tracks: (FIRST_PAYLOAD_TYPE..).zip(tracks).map(sender).collect(),
        })
    }

    async fn send(&mut self, kind: Kind, frame: &media::Frame) -> Result<()> {
        let Self { stream, clock, tracks } = self;
        let found = tracks.iter_mut().enumerate().find(|(_, (track, _))| track.kind() == kind);
        let (at, (track, sender)) = found.context("a frame of no track")?;
        let (payloads, now) = (formats::packetize(frame, track, PAYLOAD), Instant::now());
        let packets = sender.packets(clock, &payloads, frame.pts, now);
        let mut bytes = Vec::with_capacity(frame.payload.len() + packets.len() * 16);
        for packet in packets {
            bytes.extend(interleaved(channels(at), false, &[&packet.header, packet.payload])?);
        }
        if let Some(report) = sender.report(clock, now) {
            bytes.extend(interleaved(channels(at), true, &[&report])?);
        }
        Ok(stream.write_all(&bytes).await?)
    }
}

/// Requests and their answers, until packets flow.
struct Dialogue {
    stream: TcpStream,
    url: String,
    framer: Framer,
    input: BytesMut,
    /// The line that names it, once there is one.
    session: String,
    cseq: u32,
}

impl Dialogue {
    fn new(stream: TcpStream, url: String) -> Self {
        Self { stream, url, framer: Framer::new(), input: BytesMut::new(), session: String::new(), cseq: 0 }
    }

    async fn ask(&mut self, method: &str, track: &str, headers: &str, body: &str) -> Result<()> {
        self.cseq += 1;
        let Self { url, session, cseq, .. } = self;
        let length = body.len();
        let request = format!(
            "{method} {url}{track} RTSP/1.0\r\nCSeq: {cseq}\r\n{session}{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let answer = self.answer().await?;
        ensure!(answer.status().is_success(), "{method} was answered with {}", answer.status());
        if let Some(session) = response_header(&answer, &headers::SESSION) {
            self.session = format!("Session: {}\r\n", session.split(';').next().unwrap_or(session));
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<Response> {
        loop {
            match self.framer.next(&mut self.input)? {
                Some(Item::Response(response)) => return Ok(response),
                Some(_) => {}
                None if self.stream.read_buf(&mut self.input).await? == 0 => {
                    bail!("the server closed the connection")
                }
                None => {}
            }
        }
    }
}

fn describe(at: u8, track: &TrackInfo) -> Result<sdp::Media> {
    let format = formats::describe(&track.config).context("a track that RTSP does not carry")?;
    Ok(sdp::Media { payload_type: FIRST_PAYLOAD_TYPE + at, format, control: format!("trackID={at}") })
}

/// The channels of track number `at`.
fn channels(at: usize) -> Transport {
    let rtp = 2 * u8::try_from(at).unwrap_or(0);
    Transport::Interleaved { rtp, rtcp: rtp + 1 }
}

/// A `$` frame of `parts` (RFC 2326 §10.12).
fn interleaved(transport: Transport, report: bool, parts: &[&[u8]]) -> Result<Vec<u8>> {
    let Transport::Interleaved { rtp, rtcp } = transport else { bail!("packets by UDP") };
    let length = u16::try_from(parts.iter().map(|part| part.len()).sum::<usize>())?;
    let header = interleaved_header(if report { rtcp } else { rtp }, length);
    Ok([&[&header[..]], parts].concat().concat())
}
