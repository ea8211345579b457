//! Sessions and connections.

use gateway::sessions::{Activity, Details, HlsMuxer, Route, Session, SessionKind, Transport};
use hub::Action;
use media::{Pii, Utc};
use serde::Serialize;

use super::read;
use super::rtp::{Rtp, RtpFaults};

/// A member of one of the collections.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Member {
    Connection(Connection),
    WebRtc(Box<WebRtcSession>),
    RtspConnection(RtspConnection),
    RtspSession(Box<RtspSession>),
    Hls(HlsSession),
}

/// RTMP in the open or in TLS, and HTTP-FLV.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    #[serde(flatten)]
    origin: Origin,
    state: &'static str,
    #[serde(flatten)]
    doing: Doing,
    user_agent: String,
    #[serde(flatten)]
    bytes: Bytes,
    outbound_frames_discarded: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebRtcSession {
    #[serde(flatten)]
    origin: Origin,
    peer_connection_established: bool,
    local_candidate: String,
    remote_candidate: String,
    state: &'static str,
    #[serde(flatten)]
    doing: Doing,
    user_agent: String,
    #[serde(flatten)]
    bytes: Bytes,
    #[serde(flatten)]
    rtp: Rtp,
    outbound_frames_discarded: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RtspConnection {
    #[serde(flatten)]
    origin: Origin,
    session: Option<String>,
    /// RTSP within HTTP or WebSocket is not served.
    tunnel: &'static str,
    #[serde(flatten)]
    bytes: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RtspSession {
    #[serde(flatten)]
    origin: Origin,
    state: &'static str,
    #[serde(flatten)]
    doing: Doing,
    transport: Option<&'static str>,
    profile: Option<&'static str>,
    conns: Vec<String>,
    #[serde(flatten)]
    bytes: Bytes,
    #[serde(flatten)]
    rtp: Rtp,
    #[serde(flatten)]
    faults: RtpFaults,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HlsSession {
    #[serde(flatten)]
    origin: Origin,
    #[serde(flatten)]
    doing: Doing,
    user_agent: String,
    /// There is no secret by which a CDN would show that it is one.
    #[serde(rename = "isCDN")]
    is_cdn: bool,
    outbound_bytes: u64,
}

/// An HLS muxer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Muxer {
    path: String,
    created: String,
    last_request: String,
    outbound_bytes: u64,
    outbound_frames_discarded: u64,
    bytes_sent: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    id: String,
    created: String,
    remote_addr: String,
}

/// Empty for who does nothing yet.
#[derive(Default, Serialize)]
struct Doing {
    path: String,
    query: String,
    user: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bytes {
    inbound_bytes: u64,
    outbound_bytes: u64,
    bytes_received: u64,
    bytes_sent: u64,
}

/// What MediaMTX calls the state of who does `action`.
pub(crate) const fn state(action: Option<Action>) -> &'static str {
    match action {
        Some(Action::Publish) => "publish",
        Some(Action::Read) => "read",
        None => "idle",
    }
}

impl Member {
    pub(crate) fn of(session: &Session) -> Self {
        let details = session.details();
        match session.kind {
            SessionKind::Rtmp | SessionKind::Rtmps | SessionKind::Flv => {
                Self::Connection(Connection::of(session, details))
            }
            SessionKind::WebRtc => Self::WebRtc(Box::new(WebRtcSession::of(session, details))),
            SessionKind::RtspConnection | SessionKind::RtspsConnection => {
                Self::RtspConnection(RtspConnection::of(session, &details))
            }
            SessionKind::RtspSession | SessionKind::RtspsSession => {
                Self::RtspSession(Box::new(RtspSession::of(session, details)))
            }
            SessionKind::Hls => Self::Hls(HlsSession::of(session, details)),
        }
    }
}

impl Connection {
    fn of(session: &Session, details: Details) -> Self {
        Self {
            origin: Origin::of(session),
            state: state(details.action()),
            doing: Doing::of(details.activity),
            user_agent: text(details.user_agent),
            bytes: Bytes::of(session),
            outbound_frames_discarded: read(&session.frames_dropped),
        }
    }
}

impl WebRtcSession {
    fn of(session: &Session, details: Details) -> Self {
        let (local, remote) = details.route.map(candidates).unwrap_or_default();
        Self {
            origin: Origin::of(session),
            peer_connection_established: details.connected,
            local_candidate: local,
            remote_candidate: remote,
            state: state(details.action()),
            doing: Doing::of(details.activity),
            user_agent: text(details.user_agent),
            bytes: Bytes::of(session),
            rtp: Rtp::of(&session.rtp),
            outbound_frames_discarded: read(&session.frames_dropped),
        }
    }
}

impl RtspConnection {
    fn of(session: &Session, details: &Details) -> Self {
        Self {
            origin: Origin::of(session),
            session: details.counterpart.map(|id| id.to_string()),
            tunnel: "none",
            bytes: Bytes::of(session),
        }
    }
}

impl RtspSession {
    fn of(session: &Session, details: Details) -> Self {
        Self {
            origin: Origin::of(session),
            state: state(details.action()),
            doing: Doing::of(details.activity),
            transport: details.transport.map(|transport| match transport {
                Transport::Udp => "UDP",
                Transport::Tcp => "TCP",
            }),
            // Media in TLS is in the TLS of its connection, not in SRTP.
            profile: details.transport.map(|_| "AVP"),
            conns: details.counterpart.iter().map(ToString::to_string).collect(),
            bytes: Bytes::of(session),
            rtp: Rtp::of(&session.rtp),
            faults: RtpFaults::of(session),
        }
    }
}

impl HlsSession {
    fn of(session: &Session, details: Details) -> Self {
        Self {
            origin: Origin::of(session),
            doing: Doing::of(details.activity),
            user_agent: text(details.user_agent),
            is_cdn: false,
            outbound_bytes: read(&session.bytes_out),
        }
    }
}

impl Muxer {
    pub(crate) fn of(muxer: &HlsMuxer) -> Self {
        let bytes = read(&muxer.bytes_out);
        Self {
            path: muxer.path.to_string(),
            created: Utc(muxer.created).to_string(),
            last_request: Utc(muxer.last_request()).to_string(),
            outbound_bytes: bytes,
            outbound_frames_discarded: read(&muxer.frames_dropped),
            bytes_sent: bytes,
        }
    }
}

impl Origin {
    fn of(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            created: Utc(session.created).to_string(),
            remote_addr: session.remote.reveal().to_string(),
        }
    }
}

impl Doing {
    fn of(activity: Option<Activity>) -> Self {
        activity.map_or_else(Self::default, |Activity { path, query, user, .. }| Self {
            path: path.to_string(),
            query: query.0,
            user: text(user),
        })
    }
}

impl Bytes {
    fn of(session: &Session) -> Self {
        let (inbound, outbound) = (read(&session.bytes_in), read(&session.bytes_out));
        Self {
            inbound_bytes: inbound,
            outbound_bytes: outbound,
            bytes_received: inbound,
            bytes_sent: outbound,
        }
    }
}

fn text(known: Option<Pii<String>>) -> String {
    known.map(|known| known.0).unwrap_or_default()
}

/// The two ends as MediaMTX writes candidates: type, transport, address, port. Ours are all of type `host`; of the
/// peer's end only the address is known.
fn candidates(route: Route) -> (String, String) {
    let transport = if route.udp { "udp" } else { "tcp" };
    let candidate = |kind, Pii(address): Pii<std::net::SocketAddr>| {
        format!("{kind}/{transport}/{}/{}", address.ip(), address.port())
    };
    (candidate("host", route.local), candidate("unknown", route.remote))
}
