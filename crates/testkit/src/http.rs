//! As much of HTTP/1.1 as a WHIP client needs.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Posts an SDP offer and returns the answer's body.
///
/// # Errors
/// If the connection fails, or the answer is not 201.
pub async fn post_offer(server: SocketAddr, path: &str, offer: &str) -> Result<String> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/sdp\r\ncontent-length: {}\r\n",
        offer.len()
    );
    let answer = exchange(server, &head, offer).await?;
    ensure!(answer.status == 201, "the offer was refused with {}: {}", answer.status, answer.body.trim());
    Ok(answer.body)
}

/// Gets a page.
///
/// # Errors
/// If the connection fails or the answer is none.
pub async fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    exchange(server, &format!("GET {path} HTTP/1.1\r\nhost: {server}\r\n"), "").await
}

async fn exchange(server: SocketAddr, head: &str, body: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await?;
    let mut answer = Vec::with_capacity(8_192);
    loop {
        if let Some(answer) = parse(&answer) {
            return Ok(answer);
        }
        ensure!(stream.read_buf(&mut answer).await? > 0, "the connection ended in the answer");
    }
}

/// A complete answer with a `content-length`, if it is there.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = body.get(..length.unwrap_or(0))?.to_owned();
    Some(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nEtag: \"a\"\r\n\r\nv=0";
        assert!(parse(&bytes[..bytes.len() - 1]).is_none());
        let answer = parse(bytes).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (201, "v=0"));
    }
}
