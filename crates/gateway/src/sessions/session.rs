//! One session: who, since when, doing what, with which figures.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::SystemTime;

use futures_util::task::AtomicWaker;
use hub::{Action, Protocol, UserName};
use media::{Pii, StreamPath};
use parking_lot::Mutex;

use super::{SessionCounters, SessionId, SessionWatcher};

/// What a member of the list is. RTSP has connections and sessions apart (RFC 2326 §1.3): a session may outlive its
/// connection, and each is a member.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SessionKind {
    /// An RTMP connection, which is its session.
    Rtmp,
    /// An RTMP connection in TLS.
    Rtmps,
    /// A WHIP or WHEP session.
    WebRtc,
    /// An RTSP connection.
    RtspConnection,
    /// An RTSP session.
    RtspSession,
    /// An RTSP connection in TLS.
    RtspsConnection,
    /// An RTSP session over TLS.
    RtspsSession,
    /// Somebody who watches by HLS.
    Hls,
    /// Somebody who watches by FLV over HTTP or WebSocket.
    Flv,
}

impl SessionKind {
    /// The protocol that it speaks.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Rtmp | Self::Rtmps => Protocol::Rtmp,
            Self::WebRtc => Protocol::WebRtc,
            Self::RtspConnection | Self::RtspSession | Self::RtspsConnection | Self::RtspsSession => {
                Protocol::Rtsp
            }
            Self::Hls => Protocol::Hls,
            Self::Flv => Protocol::Flv,
        }
    }

    /// What MediaMTX calls it, in the environment of commands and as a type in its API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmpConn",
            Self::Rtmps => "rtmpsConn",
            Self::WebRtc => "webRTCSession",
            Self::RtspConnection => "rtspConn",
            Self::RtspSession => "rtspSession",
            Self::RtspsConnection => "rtspsConn",
            Self::RtspsSession => "rtspsSession",
            Self::Hls => "hlsSession",
            // MediaMTX has none.
            Self::Flv => "flvSession",
        }
    }
}

/// One member of [`super::Sessions`]. Figures are counted where they arise.
#[derive(Debug)]
pub struct Session {
    /// Its name in the API.
    pub id: SessionId,
    /// What it is.
    pub kind: SessionKind,
    /// Where it comes from.
    pub remote: Pii<SocketAddr>,
    /// Since when.
    pub created: SystemTime,
    /// Bytes that came over its connection.
    pub bytes_in: AtomicU64,
    /// Bytes that went out over its connection.
    pub bytes_out: AtomicU64,
    /// Frames that it was too slow to take.
    pub frames_dropped: AtomicU64,
    /// Its packets; all zero for protocols that are not made of RTP.
    pub rtp: RtpCounters,
    details: Mutex<Details>,
    kicked: AtomicBool,
    waker: AtomicWaker,
    counters: Arc<SessionCounters>,
    watcher: Option<Arc<dyn SessionWatcher>>,
}

/// Packets of RTP and RTCP (RFC 3550).
#[derive(Debug, Default)]
pub struct RtpCounters {
    /// RTP packets that came.
    pub packets_in: AtomicU64,
    /// RTP packets that did not come, by their sequence numbers.
    pub packets_lost: AtomicU64,
    /// RTP packets that came and could not be used.
    pub packets_invalid: AtomicU64,
    /// Interarrival jitter (RFC 3550 §6.4.1), mean of the tracks, in ticks of their clocks.
    pub jitter: AtomicU64,
    /// RTP packets that went out.
    pub packets_out: AtomicU64,
    /// RTP packets that the other side says it did not get (RFC 3550 §6.4.1, cumulative number of packets lost).
    pub packets_reported_lost: AtomicU64,
    /// RTCP packets that came.
    pub rtcp_in: AtomicU64,
    /// RTCP packets that came and could not be used.
    pub rtcp_invalid: AtomicU64,
    /// RTCP packets that went out.
    pub rtcp_out: AtomicU64,
}

/// What is known of a session so far.
#[derive(Clone, Default, Debug)]
pub struct Details {
    /// What it does; `None`: nothing yet, or no more.
    pub activity: Option<Activity>,
    /// What it says of the program that it is.
    pub user_agent: Option<Pii<String>>,
    /// WebRTC: whether ICE and DTLS are up.
    pub connected: bool,
    /// WebRTC: between which addresses media flows; `None` until it does.
    pub route: Option<Route>,
    /// RTSP sessions: over what the packets travel; known once it is set up.
    pub transport: Option<Transport>,
    /// RTSP: the session of a connection, the connection of a session.
    pub counterpart: Option<SessionId>,
}

impl Details {
    /// What it does now; `None`: nothing yet, or no more.
    pub fn action(&self) -> Option<Action> {
        self.activity.as_ref().map(|activity| activity.action)
    }
}

/// What a session does.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Publish or read.
    pub action: Action,
    /// Of which stream.
    pub path: StreamPath,
    /// The query of its URL, without what proves who it is ([`crate::credentials::without_secrets`]).
    pub query: Pii<String>,
    /// As whom the authorizer let it in; `None` where nothing had to be shown.
    pub user: Option<UserName>,
}

/// The pair of addresses that ICE chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Over UDP, else over TCP.
    pub udp: bool,
    /// Ours.
    pub local: Pii<SocketAddr>,
    /// The peer's.
    pub remote: Pii<SocketAddr>,
}

/// Over what the packets of an RTSP session travel (RFC 2326 §12.39).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// In datagrams.
    Udp,
    /// Interleaved with the requests (RFC 2326 §10.12).
    Tcp,
}

impl Session {
    pub(super) fn new(
        kind: SessionKind,
        remote: Pii<SocketAddr>,
        counters: Arc<SessionCounters>,
        watcher: Option<Arc<dyn SessionWatcher>>,
    ) -> Self {
        let session = Self {
            id: SessionId::random(),
            kind,
            remote,
            created: SystemTime::now(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            frames_dropped: AtomicU64::new(0),
            rtp: RtpCounters::default(),
            details: Mutex::default(),
            kicked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            counters,
            watcher,
        };
        if let Some(watcher) = &session.watcher {
            watcher.came(&session);
        }
        session
    }

    /// What is known of it now.
    pub fn details(&self) -> Details {
        self.details.lock().clone()
    }

    /// What it does now; `None`: nothing yet, or no more.
    pub fn action(&self) -> Option<Action> {
        self.details.lock().action()
    }

    /// The stream that it publishes or reads now.
    pub fn path(&self) -> Option<StreamPath> {
        self.details.lock().activity.as_ref().map(|activity| activity.path.clone())
    }

    /// Ends it: its loop sees [`Self::kicked`] and closes the connection. A stream whose publisher is kicked waits for
    /// its publisher as always.
    pub fn kick(&self) {
        self.kicked.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until somebody kicks it. Cancel-safe. For the one task that serves the session; costs two atomic
    /// operations a poll.
    pub async fn kicked(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            // After the registration, or a kick between the two would wake nobody.
            if self.kicked.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Notes what became known.
    pub fn update(&self, change: impl FnOnce(&mut Details)) {
        change(&mut self.details.lock());
    }

    /// Notes what it does from now on.
    pub fn begin(&self, activity: Activity) {
        self.idle();
        if let Some(watcher) = &self.watcher {
            watcher.began(self, &activity);
        }
        self.update(|details| details.activity = Some(activity));
    }

    /// Notes that it does nothing any more.
    pub fn idle(&self) {
        let before = self.details.lock().activity.take();
        if let (Some(watcher), Some(activity)) = (&self.watcher, before) {
            watcher.ended(self, &activity);
        }
    }

    /// What is counted over all sessions.
    pub(crate) fn counters(&self) -> &SessionCounters {
        &self.counters
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.idle();
        if let Some(watcher) = &self.watcher {
            watcher.left(self);
        }
    }
}
