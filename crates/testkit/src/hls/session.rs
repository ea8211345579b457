//! The requests of one player: redirects and cookies, one connection for playlists and one for media.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use hyper::http::HeaderValue;
use hyper::{Request, header};

use crate::http::{Answer, Connection};

/// More is a loop.
const REDIRECTS: usize = 5;

/// What all requests of a player have in common.
#[derive(Clone, Debug)]
pub(super) struct Session {
    server: SocketAddr,
    /// Names and values.
    cookies: Arc<Mutex<Vec<(String, String)>>>,
    /// Bytes of all bodies.
    received: Arc<AtomicU64>,
}

impl Session {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, cookies: Arc::default(), received: Arc::default() }
    }

    /// A connection that is made when it is first used.
    pub(super) fn lane(&self) -> Lane {
        Lane { session: self.clone(), connection: None }
    }

    /// Bytes of the bodies that came so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    fn cookies(&self) -> Option<String> {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Keeps name and value; the path and age of a session's cookie do not matter to one player.
    fn keep(&self, value: &HeaderValue) {
        let text = value.to_str().unwrap_or_default();
        let pair = text.split(';').next().and_then(|pair| pair.split_once('='));
        if let Some((name, value)) = pair {
            let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            cookies.retain(|(known, _)| known != name.trim());
            cookies.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
}

/// One connection, made anew when the server has closed it.
#[derive(Debug)]
pub(super) struct Lane {
    session: Session,
    connection: Option<Connection>,
}

impl Lane {
    /// Gets `path`; the answer, and the path that redirects led to.
    pub(super) async fn get(&mut self, path: &str) -> Result<(Answer, String)> {
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS {
            let answer = self.once(&path).await.with_context(|| format!("GET {path}"))?;
            self.session.received.fetch_add(answer.body.len() as u64, Ordering::Relaxed);
            answer.headers.get_all(header::SET_COOKIE).iter().for_each(|value| self.session.keep(value));
            if !answer.status.is_redirection() {
                return Ok((answer, path));
            }
            let location = answer.headers.get(header::LOCATION).context("a redirect without location")?;
            path = resolve(&path, location.to_str()?)?;
        }
        bail!("{path}: more than {REDIRECTS} redirects")
    }

    /// As [`Self::get`], for what must be there.
    pub(super) async fn found(&mut self, path: &str) -> Result<Answer> {
        let (answer, path) = self.get(path).await?;
        ensure!(answer.status.is_success(), "{path}: the server answers {}", answer.status);
        Ok(answer)
    }

    /// Gives up what was asked for.
    pub(super) fn reset(&mut self) {
        self.connection = None;
    }

    async fn once(&mut self, path: &str) -> Result<Answer> {
        let request = || {
            let request = Request::get(path);
            match self.session.cookies() {
                Some(cookies) => request.header(header::COOKIE, cookies),
                None => request,
            }
        };
        if let Some(connection) = &mut self.connection
            && let Ok(answer) = connection.exchange(request(), "").await
        {
            return Ok(answer);
        }
        let mut connection = Connection::open(self.session.server).await?;
        let answer = connection.exchange(request(), "").await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

/// The path that `reference` in the file at `base` means (RFC 3986 §5.2), on the same server.
pub(super) fn resolve(base: &str, reference: &str) -> Result<String> {
    ensure!(!reference.contains("://") && !reference.starts_with("//"), "{reference} is on another server");
    if reference.starts_with('/') {
        return Ok(reference.to_owned());
    }
    let folder =
        base.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let mut segments: Vec<&str> = folder.split('/').collect();
    let (path, query) =
        reference.split_once('?').map_or((reference, None), |(path, query)| (path, Some(query)));
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let path = segments.join("/");
    Ok(query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_relative_to_their_playlist() {
        let from = |reference| resolve("/ward/cam/index.m3u8?token=x", reference).unwrap();
        assert_eq!(from("a.mp4"), "/ward/cam/a.mp4");
        assert_eq!(from("a.mp4?token=x"), "/ward/cam/a.mp4?token=x");
        assert_eq!(from("../other/a.mp4"), "/ward/other/a.mp4");
        assert_eq!(from("./b/a.mp4"), "/ward/cam/b/a.mp4");
        assert_eq!(from("/a.mp4"), "/a.mp4");
        assert!(resolve("/a", "http://other/a").is_err());
    }

    #[test]
    fn cookies_replace_each_other_by_name() {
        let session = Session::new(([127, 0, 0, 1], 1).into());
        assert_eq!(session.cookies(), None);
        for value in ["a=1; Path=/; HttpOnly", "b=2", "a=3; Max-Age=5"] {
            session.keep(&HeaderValue::from_static(value));
        }
        assert_eq!(session.cookies().as_deref(), Some("b=2; a=3"));
    }
}
