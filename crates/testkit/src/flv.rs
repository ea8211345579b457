//! HTTP-FLV: who reads it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use container::flv::{Demuxer, Event, Reader, TagKind};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::http::Connection;
use crate::rtmp::{Counters, discard};

/// A reader of one stream.
#[derive(Debug)]
pub struct Client {
    body: Incoming,
    reader: Reader,
    demuxer: Demuxer,
}

impl Client {
    /// Connects and asks for `/{path}.flv`.
    ///
    /// # Errors
    /// If the connection fails, or the answer is not 200.
    pub async fn play(server: SocketAddr, path: &str) -> Result<Self> {
        let mut connection = Connection::open(server).await?;
        let answer = connection.send(Request::get(format!("/{path}.flv")), "").await?;
        ensure!(answer.status() == StatusCode::OK, "the server answers {}", answer.status());
        Ok(Self { body: answer.into_body(), reader: Reader::new(), demuxer: Demuxer::new() })
    }

    /// The next track or frame.
    ///
    /// # Errors
    /// If the stream ends or is none.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.demuxer.poll_event() {
                return Ok(event);
            }
            while let Some(tag) = self.reader.next_tag()? {
                match tag.kind {
                    TagKind::Video => self.demuxer.push_video(tag.timestamp_ms, &tag.body),
                    TagKind::Audio => self.demuxer.push_audio(tag.timestamp_ms, &tag.body),
                    TagKind::Script => {}
                }
            }
            if let Some(event) = self.demuxer.poll_event() {
                return Ok(event);
            }
            let frame = self.body.frame().await.context("the stream ended")??;
            self.reader.push(frame.data_ref().map_or(&[], |bytes| bytes));
        }
    }
}

/// Reads a stream and counts its bytes without looking at them, until the connection ends.
///
/// # Errors
/// If the server refuses or the connection fails.
pub async fn count(server: SocketAddr, path: &str, counters: Arc<Counters>) -> Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("GET /{path}.flv HTTP/1.1\r\nhost: {server}\r\n\r\n").as_bytes()).await?;
    let mut status = [0; 12];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut status) {
            Ok(12) if status == *b"HTTP/1.1 200" => break,
            Ok(_) => bail!("the server answers {}", String::from_utf8_lossy(&status)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    counters.joined.fetch_add(1, Ordering::Relaxed);
    discard(&stream, &counters).await
}
