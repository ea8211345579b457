//! Who watches: a session for each, so that credentials are checked once and not with every part.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header, request::Parts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use media::StreamPath;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::sessions::SessionEntry;

/// The name of the cookie and of the query parameter. Both carry the session: iPhones keep no cookies for media, ffmpeg
/// none at all; a page that saves its URL without the query has the cookie.
pub(super) const NAME: &str = "session";
/// Requests of one viewer that wait for news: a player has one for each playlist and each hinted part.
const MOST_WAITING: usize = 16;
/// A session that was begun and never used ends after this: requests for nothing but sessions would take the places of
/// those who watch.
const UNUSED: Duration = Duration::from_secs(10);
/// Requests of one viewer in a second: parts of 50 ms make 80.
const MOST_A_SECOND: u32 = 250;

/// Somebody who watches one path.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) entry: SessionEntry,
    /// The secret in cookies and URLs.
    pub(super) token: String,
    path: StreamPath,
    pub(super) waiting: Semaphore,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    last: Instant,
    /// The second that is counted.
    since: Instant,
    requests: u32,
    /// Whether it has used its session at all.
    stays: bool,
}

impl Viewer {
    /// Notes a request; `false` if it is one too many.
    pub(super) fn requests(&self) -> bool {
        let now = Instant::now();
        let mut pace = self.pace.lock();
        pace.last = now;
        pace.stays = true;
        if now.duration_since(pace.since) >= Duration::from_secs(1) {
            (pace.since, pace.requests) = (now, 0);
        }
        pace.requests += 1;
        pace.requests <= MOST_A_SECOND
    }

    fn is_over(&self, idle: Duration) -> bool {
        let pace = self.pace.lock();
        let idle = if pace.stays { idle } else { idle.min(UNUSED) };
        self.entry.kicked().now_or_never().is_some() || pace.last.elapsed() >= idle
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        tracing::info!(path = %self.path, session = %self.entry.id, "HLS: session ended");
    }
}

/// All viewers, by their tokens.
#[derive(Debug)]
pub(super) struct Viewers {
    most: usize,
    idle: Duration,
    by_token: Mutex<HashMap<String, Arc<Viewer>>>,
}

impl Viewers {
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self { most, idle, by_token: Mutex::default() }
    }

    /// Takes in a viewer whose session `enter` makes, unless there are too many.
    pub(super) fn admit(
        &self,
        path: &StreamPath,
        enter: impl FnOnce() -> SessionEntry,
    ) -> Option<Arc<Viewer>> {
        let mut by_token = self.by_token.lock();
        if by_token.len() >= self.most {
            return None;
        }
        let token = URL_SAFE_NO_PAD.encode(random::<18>());
        let now = Instant::now();
        let viewer = Arc::new(Viewer {
            entry: enter(),
            token: token.clone(),
            path: path.clone(),
            waiting: Semaphore::new(MOST_WAITING),
            pace: Mutex::new(Pace { last: now, since: now, requests: 0, stays: false }),
        });
        by_token.insert(token, Arc::clone(&viewer));
        Some(viewer)
    }

    /// The viewer of `path` whose session the request shows. A session of another path opens nothing here.
    pub(super) fn of(&self, parts: &Parts, path: &StreamPath) -> Option<Arc<Viewer>> {
        let in_query = in_query(parts.uri.query().unwrap_or_default());
        let by_token = self.by_token.lock();
        let mut shown = in_query.into_iter().chain(in_cookies(&parts.headers));
        shown.find_map(|token| {
            let viewer = by_token.get(token).filter(|viewer| viewer.path == *path)?;
            (!viewer.is_over(self.idle)).then(|| Arc::clone(viewer))
        })
    }

    /// Ends the sessions of those who ask for nothing any more, and of those who were kicked.
    pub(super) fn forget_the_idle(&self) {
        self.by_token.lock().retain(|_, viewer| !viewer.is_over(self.idle));
    }
}

fn in_query(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix(NAME)?.strip_prefix('='))
}

/// RFC 6265 §4.2.1.
fn in_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("Linux gives random numbers from boot on");
    bytes
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::Request;
    use media::Pii;

    use super::*;
    use crate::sessions::{SessionKind, Sessions};

    fn path(name: &str) -> StreamPath {
        StreamPath::new(name).unwrap()
    }

    fn parts(uri: &str, cookie: Option<&str>) -> Parts {
        let mut request = Request::get(uri);
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn admit(viewers: &Viewers, sessions: &Sessions) -> Option<Arc<Viewer>> {
        let remote: SocketAddr = ([127, 0, 0, 1], 1).into();
        viewers.admit(&path("ward/3"), || sessions.enter(SessionKind::Hls, Pii(remote)))
    }

    #[test]
    fn a_session_opens_its_own_path_by_query_or_cookie() {
        let (viewers, sessions) = (Viewers::new(10, Duration::from_secs(60)), Sessions::default());
        let token = admit(&viewers, &sessions).unwrap().token.clone();
        let opens =
            |uri: &str, cookie: Option<&str>, name| viewers.of(&parts(uri, cookie), &path(name)).is_some();
        assert!(opens(&format!("/ward/3/x?a=b&session={token}"), None, "ward/3"));
        assert!(opens("/ward/3/x?session=stale", Some(&format!("a=b; session={token}")), "ward/3"));
        assert!(!opens(&format!("/ward/4/x?session={token}"), None, "ward/4"));
        assert!(!opens("/ward/3/x?session=", Some("session=; sessions=1"), "ward/3"));
    }

    #[test]
    fn idle_and_kicked_sessions_end_and_their_number_is_bounded() {
        let (viewers, sessions) = (Viewers::new(2, Duration::from_millis(50)), Sessions::default());
        let kicked = admit(&viewers, &sessions).unwrap();
        kicked.requests();
        let busy = admit(&viewers, &sessions).unwrap();
        assert!(admit(&viewers, &sessions).is_none());
        kicked.entry.kick();
        assert!(viewers.of(&parts(&format!("/x?session={}", kicked.token), None), &path("ward/3")).is_none());
        drop(kicked);
        viewers.forget_the_idle();
        assert_eq!(sessions.snapshot().len(), 1);
        std::thread::sleep(Duration::from_millis(60));
        busy.requests();
        viewers.forget_the_idle();
        assert_eq!(sessions.snapshot().len(), 1);
        std::thread::sleep(Duration::from_millis(60));
        drop(busy);
        viewers.forget_the_idle();
        assert!(sessions.snapshot().is_empty());
    }

    #[test]
    fn a_flood_of_requests_is_noticed() {
        let (viewers, sessions) = (Viewers::new(2, Duration::from_secs(60)), Sessions::default());
        let viewer = admit(&viewers, &sessions).unwrap();
        let taken = (0..2 * MOST_A_SECOND).filter(|_| viewer.requests()).count();
        assert_eq!(taken, MOST_A_SECOND as usize);
    }
}
