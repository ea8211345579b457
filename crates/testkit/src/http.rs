//! HTTP/1.1 by hyper's client.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer that is there as a whole.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection, closed when this and the bodies of its answers are dropped.
#[derive(Debug)]
pub struct Connection {
    server: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If the server does not take the connection.
    pub async fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { server, sender })
    }

    /// Sends a request and waits for the head of its answer. The body of the one before must have been read.
    ///
    /// # Errors
    /// If the request is none or the connection fails.
    pub async fn send(&mut self, request: Builder, body: impl Into<Bytes>) -> Result<Response<Incoming>> {
        let request = request.header(header::HOST, self.server.to_string()).body(Full::new(body.into()))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// As [`Self::send`], and if the connection fails in the body.
    pub async fn exchange(&mut self, request: Builder, body: impl Into<Bytes>) -> Result<Answer> {
        let (head, body) = self.send(request, body).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// Posts an SDP offer and returns the answer's body.
///
/// # Errors
/// If the connection fails, or the answer is not 201.
pub async fn post_offer(server: SocketAddr, path: &str, offer: &str) -> Result<String> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/sdp");
    let answer = Connection::open(server).await?.exchange(request, offer.to_owned()).await?;
    let (status, text) = (answer.status, answer.text());
    ensure!(status == StatusCode::CREATED, "the offer was refused with {status}: {}", text.trim());
    Ok(text)
}

/// Gets a page.
///
/// # Errors
/// If the connection fails or the answer is none.
pub async fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    Connection::open(server).await?.exchange(Request::get(path), Bytes::new()).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers each connection's requests with `answers`, and what it was asked.
    async fn serve(answers: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut asked, mut buffer) = (String::new(), [0; 4_096]);
            for answer in answers {
                let taken = stream.read(&mut buffer).await.expect("a request");
                asked.push_str(&String::from_utf8_lossy(&buffer[..taken]));
                stream.write_all(answer.as_bytes()).await.expect("a reader");
            }
            asked
        });
        (address, task)
    }

    #[tokio::test]
    async fn an_offer_is_posted_and_answered() {
        let (server, asked) = serve(&["HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nv=0"]).await;
        assert_eq!(post_offer(server, "/a/whip", "v=0\r\n").await.unwrap(), "v=0");
        let asked = asked.await.unwrap().to_lowercase();
        assert!(
            asked.starts_with("post /a/whip http/1.1\r\n") && asked.ends_with("\r\n\r\nv=0\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains("content-type: application/sdp\r\n") && asked.contains("content-length: 5\r\n")
        );
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_reason() {
        let (server, _asked) = serve(&["HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno stream"]).await;
        let error = post_offer(server, "/a/whip", "v=0").await.unwrap_err().to_string();
        assert_eq!(error, "the offer was refused with 404 Not Found: no stream");
    }

    #[tokio::test]
    async fn a_connection_takes_one_request_after_the_other() {
        const CHUNKED: &str =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
        const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
        let (server, _asked) = serve(&[CHUNKED, EMPTY]).await;
        let mut connection = Connection::open(server).await.unwrap();
        let first = connection.exchange(Request::get("/1"), "").await.unwrap();
        let second = connection.exchange(Request::get("/2"), "").await.unwrap();
        assert_eq!((first.status, first.text().as_str()), (StatusCode::OK, "abc"));
        assert_eq!(second.status, StatusCode::NO_CONTENT);
    }
}
