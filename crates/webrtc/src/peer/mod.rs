//! One WebRTC peer: the role that it plays on top of the engine.

mod egress;
mod engine;
mod ingest;
mod sender_clock;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use media::{Frame, TrackId, TrackInfo};
use str0m::media::Mid;

pub use egress::{Outgoing, Subscriber};
pub(crate) use engine::{Engine, Polled, rtc_config};
pub use ingest::Publisher;

use crate::codecs::{self, Flow};
use crate::config::{Config, Credentials, Proto};
use crate::error::{CloseReason, NegotiateError, TrickleError};
use crate::trickle::Fragment;

/// The id of a publisher's picture track.
pub const VIDEO_TRACK: TrackId = TrackId(0);
/// The id of a publisher's sound track.
pub const AUDIO_TRACK: TrackId = TrackId(1);

/// What a peer wants next.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram, or this frame of RFC 4571 on the TCP connection to `destination`.
    Transmit(Transmit),
    /// Something happened.
    Event(Event),
    /// Nothing more for now: call [`Peer::handle_timeout`] at this time, or sooner with what arrives.
    Timeout(Instant),
}

/// A datagram to send. Runs to one destination and of one size, as the packets of one frame are, can go out in one
/// system call.
#[derive(PartialEq, Eq)]
pub struct Transmit {
    /// The transport.
    pub proto: Proto,
    /// Which of our addresses it leaves from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transmit({:?}, {} bytes)", self.proto, self.bytes.len())
    }
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// ICE and DTLS are up; media can flow.
    Connected,
    /// A publisher's track is known, or its parameters changed; comes before the frames that need it.
    Track(TrackInfo),
    /// A publisher's frame in canonical form, on the stream's timeline.
    Frame(Frame),
    /// Frames of this track were lost on the way. None comes until the next random access point, which has been asked
    /// for.
    Lost(TrackId),
    /// A reader needs a random access point.
    KeyframeRequest,
    /// A reader's bandwidth, in bit/s.
    Estimate {
        /// Bits a second.
        bps: u64,
    },
    /// How unevenly a publisher's packets come, as the newest receiver reports told it.
    Jitter {
        /// Interarrival jitter (RFC 3550 §6.4.1), mean of the tracks, in ticks of their clocks.
        ticks: u32,
    },
    /// The session is over; nothing follows.
    Closed(CloseReason),
}

/// What a peer is to us: [`Publisher`] or [`Subscriber`]; [`crate::client`] has the other ends.
pub trait Role: Driver {}

impl<R: Driver> Role for R {}

/// How a role reacts to the engine. The types of str0m stay inside this crate.
pub trait Driver {
    /// An event of the engine that is not about the connection.
    fn on_event(&mut self, context: Context<'_>, event: str0m::Event);
    /// A frame arrived that could not be put together.
    fn on_broken_frame(&mut self, context: Context<'_>);
    /// The engine is drained at `context.now`; true if something was changed and it must be drained again.
    fn on_drained(&mut self, context: Context<'_>) -> bool;
    /// When [`Self::on_drained`] has something to do for itself.
    fn deadline(&self) -> Option<Instant>;
}

/// What a role works with.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) rtc: &'a mut str0m::Rtc,
    pub(crate) now: Instant,
    pub(crate) events: &'a mut VecDeque<Event>,
}

/// One WebRTC session. See the [crate's contract](crate#contract).
#[derive(Debug)]
pub struct Peer<R> {
    pub(crate) engine: Engine,
    pub(crate) role: R,
    events: VecDeque<Event>,
}

impl Peer<Publisher> {
    /// Answers a WHIP offer (RFC 9725 §4.2). Returns the peer and the answer.
    ///
    /// # Errors
    /// [`NegotiateError`] if the offer is out of bounds, lacks what ICE and DTLS need, or has nothing that is served.
    pub fn publisher(config: &Config, offer: &str, now: Instant) -> Result<(Self, String), NegotiateError> {
        let (engine, offer, answer) = Engine::answer(config, offer, Flow::In, &[], now)?;
        Ok((Self::new(engine, Publisher::new(offer.pli)), answer))
    }

    /// Asks the publisher for a random access point. At most one request goes out in 500 ms; one that comes sooner is
    /// sent when the time is over.
    pub fn request_keyframe(&mut self, now: Instant) {
        self.engine.advance(now);
        self.role.request_keyframe();
    }
}

impl Peer<Subscriber> {
    /// Answers a WHEP offer for a stream that has `tracks`. Returns the peer and the answer. Sections for which there
    /// is no track yet are accepted too: sound often starts later than the picture.
    ///
    /// # Errors
    /// As [`Peer::publisher`].
    pub fn subscriber(
        config: &Config,
        offer: &str,
        tracks: &[TrackInfo],
        now: Instant,
    ) -> Result<(Self, String), NegotiateError> {
        let (engine, offer, answer) =
            Engine::answer(config, offer, Flow::Out(config.estimation), tracks, now)?;
        let mut peer = Self::new(engine, Subscriber::new(config.seed));
        let mids = offer.sections.iter().map(|section| Mid::from(section.mid.as_str()));
        peer.role.set_up(&mut peer.engine.rtc, config.retransmission, mids);
        Ok((peer, answer))
    }

    /// Sends one frame. Frames before [`Event::Connected`], of a kind that was not negotiated, or of a picture before
    /// the first random access point are left out.
    pub fn send(&mut self, frame: Outgoing<'_>, now: Instant) {
        if self.engine.is_connected() && self.role.write(&mut self.engine.rtc, frame, now) {
            self.engine.handle_timeout(now);
        }
    }

    /// The publisher changed: the next frame continues where the last one would have been, whatever its timestamp.
    /// A timeline that starts over is noticed without this.
    pub const fn rebase(&mut self) {
        self.role.rebase();
    }
}

impl<R: Role> Peer<R> {
    pub(crate) fn new(engine: Engine, role: R) -> Self {
        Self { engine, role, events: VecDeque::new() }
    }

    /// A datagram (or one RFC 4571 frame) arrived from `source` at our address `destination`. STUN counts when its
    /// MESSAGE-INTEGRITY is right; anything else only from an address that such a message came from. The rest is
    /// dropped and changes nothing: a DTLS ClientHello from a stranger must not end a session (GHSA-hxj9-xwr8-w8pq).
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        proto: Proto,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        self.engine.handle_datagram(now, proto, (source, destination), bytes);
    }

    /// The time that [`Output::Timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.engine.handle_timeout(now);
    }

    /// A PATCH of the session (RFC 9725 §4.3): more candidates of the peer, or an ICE restart when its credentials are
    /// new. A restart takes `renewed` as ours and returns the body of the answer; media flows on meanwhile.
    ///
    /// # Errors
    /// [`TrickleError::Restart`] if the engine refuses the restart.
    pub fn trickle(
        &mut self,
        fragment: &Fragment,
        renewed: &Credentials,
        now: Instant,
    ) -> Result<Option<String>, TrickleError> {
        self.engine.trickle(fragment, renewed, now)
    }

    /// Ends the session: the peer is told (RTCP BYE, DTLS close_notify), then [`Event::Closed`] follows.
    pub fn close(&mut self, now: Instant) {
        self.engine.close(now);
    }

    /// Whether media can flow.
    pub const fn is_connected(&self) -> bool {
        self.engine.is_connected()
    }

    /// What to do next. Call it until it returns [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Output::Event(event);
            }
            match self.engine.poll() {
                Polled::Transmit(transmit) => return Output::Transmit(transmit),
                Polled::Public(event) => return Output::Event(event),
                Polled::Engine(event) => {
                    let (context, role) = self.context();
                    role.on_event(context, *event);
                }
                Polled::BrokenFrame => {
                    let (context, role) = self.context();
                    role.on_broken_frame(context);
                }
                Polled::Idle(at) => {
                    let (context, role) = self.context();
                    if !role.on_drained(context) && self.events.is_empty() {
                        return Output::Timeout(self.role.deadline().map_or(at, |own| own.min(at)));
                    }
                }
            }
        }
    }

    fn context(&mut self) -> (Context<'_>, &mut R) {
        let Self { engine, role, events } = self;
        (Context { now: engine.now(), rtc: &mut engine.rtc, events }, role)
    }
}

/// Whether `tracks` hold stereo sound; decides what an answer says of Opus.
pub(crate) fn wants_stereo(flow: Flow, offered: bool, tracks: &[TrackInfo]) -> bool {
    match flow {
        Flow::In => offered,
        Flow::Out(_) => codecs::is_stereo(tracks),
    }
}
