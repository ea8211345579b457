//! str0m behind the rules that it leaves to its user: who may feed it, when a session is over.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use media::TrackInfo;
use str0m::change::SdpOffer;
use str0m::crypto::Sha1HmacProvider;
use str0m::ice::StunMessage;
use str0m::media::Mid;
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, IceConnectionState, IceCreds, Input, Rtc, RtcConfig, RtcError};

use super::{Event, Transmit, wants_stereo};
use crate::codecs::{self, Flow};
use crate::config::{Address, Config, Credentials, DtlsRole, Estimation, IceMode, Proto};
use crate::error::{CloseReason, NegotiateError, TrickleError};
use crate::offer::{self, Offer, RemoteCredentials};
use crate::stun::{self, Kind};
use crate::trickle::{self, Fragment};

/// How many of the peer's addresses count at a time. Chromium checks every pair of interfaces, and NAT rebinding adds
/// one now and then.
const PROVEN: usize = 16;
/// How many addresses of the peer are looked at in all. str0m keeps each one that ever checked.
const MAX_SOURCES: usize = 256;
/// How often a publisher's jitter is told; a scrape comes every 15 s or so.
const STATS_INTERVAL: Duration = Duration::from_secs(5);
/// A peer is woken at least this often, so that a time far in the future never reaches a timer.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// str0m's default of 30 is less than one large random access point.
const VIDEO_REORDER: usize = 300;
/// How long sound waits for a lost packet: FEC or concealment fills the gap after that.
const AUDIO_REORDER: Duration = Duration::from_millis(60);

/// What [`Engine::poll`] found.
pub(crate) enum Polled {
    Transmit(Transmit),
    Public(Event),
    Engine(Box<str0m::Event>),
    BrokenFrame,
    Idle(Instant),
}

pub(crate) struct Engine {
    pub(crate) rtc: Rtc,
    now: Instant,
    /// When the connection must stand.
    connect_by: Option<Instant>,
    connected: bool,
    closing: Option<CloseReason>,
    closed: bool,
    /// Addresses that an authenticated check came from, newest last.
    proven: Vec<(Proto, SocketAddr)>,
    sources: usize,
    /// The next check is taken for the nomination.
    nominate: bool,
    hmac: &'static dyn Sha1HmacProvider,
    local: Credentials,
    remote: RemoteCredentials,
    candidates: Vec<Candidate>,
    /// The offer, from which a restart is renegotiated.
    offer: Box<str>,
    section: (&'static str, String),
    full_ice: bool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("connected", &self.connected).field("closed", &self.closed).finish()
    }
}

/// str0m's configuration for `flow`.
pub(crate) fn rtc_config(config: &Config, flow: Flow, stereo: bool, tracks: &[TrackInfo]) -> RtcConfig {
    let creds =
        IceCreds { ufrag: config.credentials.ufrag.clone(), pass: config.credentials.pwd.reveal().clone() };
    let rtc = RtcConfig::new()
        .set_local_ice_credentials(creds)
        .set_dtls_cert(config.certificate.0.clone())
        .set_ice_lite(config.ice != IceMode::Full)
        .set_reordering_size_video(VIDEO_REORDER)
        .set_reordering_timeout_audio(Some(AUDIO_REORDER))
        // A reader aligns sound and picture by sender reports: as soon for the one as for the other.
        .set_rtcp_report_interval_audio(Duration::from_secs(1))
        .set_stats_interval(matches!(flow, Flow::In).then_some(STATS_INTERVAL))
        .set_rtp_mode(matches!(flow, Flow::Out(_)));
    let rtc = match flow {
        Flow::Out(Estimation::Sender { initial, .. }) => {
            rtc.enable_bwe(Some(str0m::bwe::Bitrate::from(initial)))
        }
        _ => rtc,
    };
    codecs::configure(rtc, flow, stereo, tracks)
}

fn candidate(address: &Address) -> Option<Candidate> {
    match address.proto {
        Proto::Udp => Candidate::host(address.addr, Protocol::Udp).ok(),
        Proto::Tcp => Candidate::builder().tcp().host(address.addr).tcptype(TcpType::Passive).build().ok(),
    }
}

impl Engine {
    pub(crate) fn new(config: &Config, rtc: Rtc, now: Instant) -> Self {
        Self {
            rtc,
            now,
            connect_by: Some(now + config.connect_timeout),
            connected: false,
            closing: None,
            closed: false,
            proven: Vec::new(),
            sources: 0,
            nominate: config.ice == IceMode::Lite,
            hmac: str0m::crypto::from_feature_flags().sha1_hmac_provider,
            local: config.credentials.clone(),
            remote: RemoteCredentials::default(),
            candidates: config.addresses.iter().filter_map(candidate).collect(),
            offer: Box::default(),
            section: ("audio", String::new()),
            full_ice: config.ice == IceMode::Full,
        }
    }

    /// An engine that has accepted `offer`, and the answer.
    pub(crate) fn answer(
        config: &Config,
        text: &str,
        flow: Flow,
        tracks: &[TrackInfo],
        now: Instant,
    ) -> Result<(Self, Offer, String), NegotiateError> {
        let offer = Offer::check(text)?;
        let passive =
            (config.dtls == DtlsRole::Client && offer.actpass).then(|| offer::with_passive_peer(text));
        let text = passive.as_deref().unwrap_or(text);
        let named = matches!(flow, Flow::Out(_)).then(|| offer::with_one_stream(text));
        let text = named.as_deref().unwrap_or(text);
        // str0m asserts its invariants; an offer that breaks one is a bad offer, not the end of the process.
        let negotiated = catch_unwind(AssertUnwindSafe(|| {
            let rtc = rtc_config(config, flow, wants_stereo(flow, offer.stereo, tracks), tracks).build(now);
            Self::new(config, rtc, now).accept(text, &offer)
        }));
        let (mut engine, answer) = negotiated.map_err(|_| NegotiateError::Engine)??;
        engine.check_usable(flow, &offer)?;
        if let Estimation::Sender { initial, desired } = config.estimation {
            let rate = str0m::bwe::Bitrate::from;
            engine.rtc.bwe().set_bitrate(rate(initial.min(desired)), rate(desired));
        }
        Ok((engine, offer, answer))
    }

    fn accept(mut self, text: &str, offer: &Offer) -> Result<(Self, String), NegotiateError> {
        self.add_local_candidates();
        let parsed =
            SdpOffer::from_sdp_string(text).map_err(|_| NegotiateError::Malformed("it does not parse"))?;
        let answer = self.rtc.sdp_api().accept_offer(parsed).map_err(|error| match error {
            RtcError::RemoteSdp(_) => {
                NegotiateError::Malformed("sections, bundle or ICE do not fit together")
            }
            _ => NegotiateError::Engine,
        })?;
        self.remote = offer.credentials.clone();
        self.offer = text.into();
        let first = &offer.sections[0];
        self.section = (if first.video { "video" } else { "audio" }, first.mid.clone());
        Ok((self, offer::reject_empty_sections(&answer.to_sdp_string())))
    }

    pub(crate) fn add_local_candidates(&mut self) {
        for candidate in &self.candidates {
            self.rtc.add_local_candidate(candidate.clone());
        }
    }

    fn check_usable(&self, flow: Flow, offer: &Offer) -> Result<(), NegotiateError> {
        let usable = |mid: &str| {
            self.rtc.media(Mid::from(mid)).is_some_and(|media| {
                let flows = match flow {
                    Flow::In => media.direction().is_receiving(),
                    Flow::Out(_) => media.direction().is_sending(),
                };
                flows && !media.remote_pts().is_empty()
            })
        };
        let video = |section: &&offer::Section| section.video;
        if offer.sections.iter().any(|section| section.video)
            && !offer.sections.iter().filter(video).any(|section| usable(&section.mid))
        {
            return Err(NegotiateError::NoH264);
        }
        if offer.sections.iter().any(|section| usable(&section.mid)) {
            return Ok(());
        }
        Err(NegotiateError::NothingUsable(if flow == Flow::In { "publish" } else { "read" }))
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.connected && !self.closed && self.closing.is_none()
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        proto: Proto,
        (source, destination): (SocketAddr, SocketAddr),
        bytes: &[u8],
    ) {
        self.advance(now);
        let Some(kind) = stun::classify(bytes).filter(|_| !self.closed) else { return };
        let known = self.proven.contains(&(proto, source));
        if !known && (kind != Kind::Stun || self.sources >= MAX_SOURCES) {
            return;
        }
        let nominating = (kind == Kind::Stun && self.nominate).then(|| self.nominating(bytes)).flatten();
        let bytes = nominating.as_deref().unwrap_or(bytes);
        let protocol = if proto == Proto::Udp { Protocol::Udp } else { Protocol::Tcp };
        let Ok(receive) = Receive::new(protocol, source, destination, bytes) else { return };
        let input = Input::Receive(self.now, receive);
        if !known {
            if !self.rtc.accepts(&input) {
                return;
            }
            self.prove(proto, source);
        }
        // Broken DTLS is dropped like any other broken datagram; a handshake that cannot go on runs into the time
        // limit for connecting.
        if self.rtc.handle_input(input).is_err() {
            tracing::debug!("dropped a datagram that the WebRTC engine cannot read");
        }
    }

    fn prove(&mut self, proto: Proto, source: SocketAddr) {
        self.sources += 1;
        if self.proven.len() == PROVEN {
            self.proven.remove(0);
        }
        self.proven.push((proto, source));
    }

    /// The peer's check with USE-CANDIDATE added ([`IceMode::Lite`]), if it is authentic and the first one.
    fn nominating(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let message = StunMessage::parse(bytes).ok().filter(StunMessage::is_binding_request)?;
        let password = self.local.pwd.reveal().as_bytes();
        let hmac = |key: &[u8], parts: &[&[u8]]| self.hmac.sha1_hmac(key, parts);
        let (ours, theirs) = message.split_username()?;
        if ours != self.local.ufrag || theirs != self.remote.ufrag || !message.verify(password, hmac) {
            return None;
        }
        self.nominate = false;
        if message.use_candidate() {
            return None;
        }
        let (id, tie_breaker, priority) = (message.trans_id(), message.ice_controlling()?, message.prio()?);
        let nominating =
            StunMessage::binding_request(message.username()?, id, true, tie_breaker, priority, true);
        let mut out = vec![0; bytes.len() + 64];
        let length = nominating.to_bytes(Some(password), &mut out, hmac).ok()?;
        out.truncate(length);
        Some(out)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        if self.closed {
            return;
        }
        if self.connect_by.is_some_and(|by| self.now >= by) {
            self.finish(CloseReason::ConnectTimeout);
        } else if self.rtc.handle_input(Input::Timeout(self.now)).is_err() {
            self.finish(CloseReason::Engine);
        }
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.advance(now);
        if self.closed || self.closing.is_some() {
            return;
        }
        if !self.connected || self.rtc.close().is_err() {
            return self.finish(CloseReason::Local);
        }
        self.closing = Some(CloseReason::Local);
        self.handle_timeout(now);
    }

    /// Ends without another word to the peer.
    fn finish(&mut self, reason: CloseReason) {
        self.rtc.disconnect();
        self.connect_by = None;
        self.closing.get_or_insert(reason);
    }

    pub(crate) fn poll(&mut self) -> Polled {
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Transmit(transmit)) => return Polled::Transmit(transmit.into()),
                Ok(str0m::Output::Event(event)) => {
                    if let Some(polled) = self.on_event(event) {
                        return polled;
                    }
                }
                Ok(str0m::Output::Timeout(at)) => return self.idle(at),
                Err(RtcError::Packet(..)) => return Polled::BrokenFrame,
                Err(_) => self.finish(CloseReason::Engine),
            }
        }
    }

    fn idle(&mut self, at: Instant) -> Polled {
        if let Some(reason) = self.closing.filter(|_| !self.closed) {
            self.closed = true;
            self.rtc.disconnect();
            return Polled::Public(Event::Closed(reason));
        }
        let at = at.min(self.now + MAX_SLEEP);
        Polled::Idle(self.connect_by.filter(|_| !self.closed).map_or(at, |by| by.min(at)))
    }

    /// Events about the connection are handled here, the rest is the role's.
    fn on_event(&mut self, event: str0m::Event) -> Option<Polled> {
        match event {
            str0m::Event::Connected => {
                self.connected = true;
                self.connect_by = None;
                Some(Polled::Public(Event::Connected))
            }
            // ICE-lite: no check for 15 s (browsers check every 2.5 s). Before the connection stands it may yet come.
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.connected => {
                self.finish(CloseReason::Silent);
                None
            }
            str0m::Event::IceConnectionStateChange(_) => None,
            str0m::Event::Closed => {
                self.closing.get_or_insert(CloseReason::Peer);
                None
            }
            other => Some(Polled::Engine(Box::new(other))),
        }
    }

    pub(crate) fn trickle(
        &mut self,
        fragment: &Fragment,
        renewed: &Credentials,
        now: Instant,
    ) -> Result<Option<String>, TrickleError> {
        self.advance(now);
        if fragment.credentials == self.remote {
            self.add_candidates(fragment);
            return Ok(None);
        }
        let text = offer::with_credentials(&self.offer, &fragment.credentials);
        let restarted = catch_unwind(AssertUnwindSafe(|| {
            let offer = SdpOffer::from_sdp_string(&text).ok()?;
            self.rtc.sdp_api().accept_offer(offer).ok()
        }));
        restarted.ok().flatten().ok_or(TrickleError::Restart)?;
        // str0m has made up credentials; ours carry the session's name for the datagrams to come.
        let (ufrag, pwd) = (renewed.ufrag.clone(), renewed.pwd.reveal().clone());
        self.rtc.direct_api().set_local_ice_credentials(IceCreds { ufrag, pass: pwd });
        self.remote = fragment.credentials.clone();
        self.local = renewed.clone();
        self.nominate = !self.full_ice;
        self.add_candidates(fragment);
        let (kind, mid) = &self.section;
        Ok(Some(trickle::write(&renewed.ufrag, renewed.pwd.reveal(), kind, mid, &self.candidates)))
    }

    /// Where the peer says it is. ICE-lite learns that from the checks that come, and need not try names out.
    fn add_candidates(&mut self, fragment: &Fragment) {
        for candidate in fragment.candidates.iter().filter(|_| self.full_ice) {
            self.rtc.add_remote_candidate(candidate.clone());
        }
    }
}

impl From<str0m::net::Transmit> for Transmit {
    fn from(transmit: str0m::net::Transmit) -> Self {
        let proto = if transmit.proto == Protocol::Udp { Proto::Udp } else { Proto::Tcp };
        let (source, destination) = (transmit.source, transmit.destination);
        Self { proto, source, destination, bytes: transmit.contents.into() }
    }
}
