//! Peers that make the offer: the other ends of WHIP and WHEP, for tests, benchmarks and measurements of joins.
//!
//! They are the same machine as the server's peers, seen from the other side: a client that publishes sends frames, so
//! it is a [`Peer<Subscriber>`]; one that reads receives them, so it is a [`Peer<Publisher>`].

use std::fmt;
use std::time::Instant;

use media::Kind;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};

use crate::codecs::Flow;
use crate::config::Config;
use crate::error::NegotiateError;
use crate::peer::{Engine, Peer, Publisher, Role, Subscriber, rtc_config};

/// A peer that has made its offer and waits for the answer.
pub struct Offering<R> {
    engine: Engine,
    role: R,
    pending: SdpPendingOffer,
    mids: Vec<Mid>,
    config: Config,
}

impl<R> fmt::Debug for Offering<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offering").field("engine", &self.engine).finish()
    }
}

/// A client that wants to publish `kinds`; the offer for the WHIP POST.
///
/// # Errors
/// [`NegotiateError::NothingUsable`] without any kind.
pub fn publisher(
    config: &Config,
    kinds: &[Kind],
    now: Instant,
) -> Result<(Offering<Subscriber>, String), NegotiateError> {
    let role = Subscriber::new(config.seed);
    offer(config, Flow::Out(config.estimation), Direction::SendOnly, kinds, role, now)
}

/// A client that wants to read `kinds`; the offer for the WHEP POST.
///
/// # Errors
/// As [`publisher`].
pub fn subscriber(
    config: &Config,
    kinds: &[Kind],
    now: Instant,
) -> Result<(Offering<Publisher>, String), NegotiateError> {
    offer(config, Flow::In, Direction::RecvOnly, kinds, Publisher::new(true), now)
}

fn offer<R>(
    config: &Config,
    flow: Flow,
    direction: Direction,
    kinds: &[Kind],
    role: R,
    now: Instant,
) -> Result<(Offering<R>, String), NegotiateError> {
    let rtc = rtc_config(config, flow, false, &[]).build(now);
    let mut engine = Engine::new(config, rtc, now);
    engine.add_local_candidates();
    let mut api = engine.rtc.sdp_api();
    let media = |kind: &Kind| if *kind == Kind::Video { MediaKind::Video } else { MediaKind::Audio };
    let mids = kinds.iter().map(|kind| api.add_media(media(kind), direction, None, None, None)).collect();
    let (offer, pending) = api.apply().ok_or(NegotiateError::NothingUsable("offer"))?;
    let config = config.clone();
    Ok((Offering { engine, role, pending, mids, config }, offer.to_sdp_string()))
}

impl<R> Offering<R> {
    fn answered(mut self, answer: &str) -> Result<(Engine, R, Vec<Mid>, Config), NegotiateError> {
        let answer = SdpAnswer::from_sdp_string(answer)
            .map_err(|_| NegotiateError::Malformed("the answer does not parse"))?;
        let accepted = self.engine.rtc.sdp_api().accept_answer(self.pending, answer);
        accepted.map_err(|_| NegotiateError::Malformed("the answer does not fit the offer"))?;
        Ok((self.engine, self.role, self.mids, self.config))
    }
}

impl Offering<Subscriber> {
    /// The answer of the WHIP POST.
    ///
    /// # Errors
    /// [`NegotiateError`] if it is none to this offer.
    pub fn accept(self, answer: &str) -> Result<Peer<Subscriber>, NegotiateError> {
        let (mut engine, mut role, mids, config) = self.answered(answer)?;
        role.set_up(&mut engine.rtc, config.retransmission, mids.into_iter());
        Ok(ready(engine, role))
    }
}

impl Offering<Publisher> {
    /// The answer of the WHEP POST.
    ///
    /// # Errors
    /// [`NegotiateError`] if it is none to this offer.
    pub fn accept(self, answer: &str) -> Result<Peer<Publisher>, NegotiateError> {
        let (engine, mut role, mids, _) = self.answered(answer)?;
        // str0m announces sections only to the side that got the offer.
        for mid in mids {
            if let Some(media) = engine.rtc.media(mid) {
                role.on_media(mid, media.kind());
            }
        }
        Ok(ready(engine, role))
    }
}

fn ready<R: Role>(engine: Engine, role: R) -> Peer<R> {
    Peer::new(engine, role)
}
