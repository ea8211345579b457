//! What each request does.

use std::time::Instant;

use media::StreamPath;
use rtsp_types::headers;

use super::super::Output;
use super::{Access, Event, Pending, Role, ServerSession, State, Track};
use crate::Target;
use crate::auth::Authorization;
use crate::message::{Method, Request, StatusCode, Version, request_header};
use crate::sdp::{self, Presentation, SdpError};
use crate::target::{content_base, split_track};
use crate::transport::{Offer, Transport, offers};

/// What this server does (§10.1).
const PUBLIC: &str =
    "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER";

/// The number that the answer repeats (§12.17).
pub(super) fn cseq(request: &Request) -> Option<u32> {
    request_header(request, &headers::CSEQ)?.trim().parse().ok()
}

fn url(request: &Request) -> &str {
    request.request_uri().map_or("*", |url| url.as_str())
}

impl ServerSession {
    pub(super) fn on_request(&mut self, request: Request, now: Instant) {
        self.last_request = now;
        let number = cseq(&request);
        let Some(cseq) = number else {
            return self.respond(StatusCode::BadRequest, None, |answer| answer);
        };
        if request.version() == Version::V2_0 {
            return self.respond(StatusCode::RTSPVersionNotSupported, number, |answer| answer);
        }
        // §12.32: cameras' clients ask for ONVIF's back channel, and go on without it when told so.
        if let Some(required) = request_header(&request, &headers::REQUIRE) {
            let required = required.to_owned();
            return self.respond(StatusCode::OptionNotSupported, number, |answer| {
                answer.header(&headers::UNSUPPORTED, &required)
            });
        }
        if !self.knows_session(&request) {
            return self.respond(StatusCode::SessionNotFound, number, |answer| answer);
        }
        match request.method() {
            Method::Options => {
                self.respond(StatusCode::Ok, number, |answer| answer.header(&headers::PUBLIC, PUBLIC));
            }
            Method::Describe => self.on_describe(&request, cseq, now),
            Method::Announce => self.on_announce(&request, cseq, now),
            Method::Setup => self.on_setup(request, now),
            Method::Play => self.on_play(cseq),
            Method::Record => self.on_record(cseq),
            Method::Pause => self.on_pause(number),
            Method::Teardown => self.on_teardown(number, now),
            // Without a body it is a sign of life (§10.8); no parameter has a value.
            Method::GetParameter => self.respond(StatusCode::Ok, number, |answer| answer),
            Method::SetParameter => {
                let nothing = request.body().iter().all(u8::is_ascii_whitespace);
                let status = if nothing { StatusCode::Ok } else { StatusCode::ParameterNotUnderstood };
                self.respond(status, number, |answer| answer);
            }
            _ => self.respond(StatusCode::NotImplemented, number, |answer| {
                answer.header(&headers::PUBLIC, PUBLIC)
            }),
        }
    }

    /// A request without a Session header is for the connection's session: there is no other.
    fn knows_session(&self, request: &Request) -> bool {
        let Some(named) = request_header(request, &headers::SESSION) else { return true };
        let named = named.split(';').next().unwrap_or_default().trim();
        self.id.as_deref() == Some(named)
    }

    /// Says which stream a request is about and what was shown; `None` once the client has been told what is wrong.
    fn access(&mut self, request: &Request, now: Instant) -> Option<Access> {
        let cseq = cseq(request);
        let target = Target::parse(url(request));
        let Ok(path) = target.path.clone() else {
            self.respond(StatusCode::NotFound, cseq, |answer| answer);
            return None;
        };
        let method: &str = request.method().into();
        let shown = request_header(request, &headers::AUTHORIZATION);
        let authorization = shown.and_then(|shown| Authorization::parse(shown, method));
        if let Some(Authorization::Digest(digest)) = &authorization
            && (self.nonces.check(digest, now).is_err() || !is_for(digest.uri().reveal(), &path))
        {
            // It was asked for, so it can be verified.
            self.challenge(cseq, true, true, now);
            return None;
        }
        Some(Access { path, target, authorization })
    }

    fn on_describe(&mut self, request: &Request, cseq: u32, now: Instant) {
        let accepted = request_header(request, &headers::ACCEPT);
        if accepted.is_some_and(|types| !types.contains("application/sdp") && !types.contains("*/*")) {
            return self.respond(StatusCode::NotAcceptable, Some(cseq), |answer| answer);
        }
        let is_set_up = self.id.is_some();
        match self.state {
            State::Prepared(Role::Read) | State::Active(Role::Read) if is_set_up => {
                let same = Target::parse(url(request)).path.ok() == self.path;
                if same { self.describe(cseq) } else { self.wrong_state(Some(cseq)) }
            }
            State::Init | State::Prepared(Role::Read) => {
                let Some(access) = self.access(request, now) else { return };
                self.ask_to_read(access, url(request), Pending::Describe { cseq });
            }
            _ => self.wrong_state(Some(cseq)),
        }
    }

    fn ask_to_read(&mut self, access: Access, url: &str, pending: Pending) {
        self.forget();
        self.path = Some(access.path.clone());
        self.base = content_base(url);
        self.pending = Some(pending);
        self.outputs.push_back(Output::Event(Event::ReadRequested(access)));
    }

    fn on_announce(&mut self, request: &Request, cseq: u32, now: Instant) {
        if self.state != State::Init {
            return self.wrong_state(Some(cseq));
        }
        let content_type = request_header(request, &headers::CONTENT_TYPE).unwrap_or_default();
        if !content_type.trim().to_ascii_lowercase().starts_with("application/sdp") {
            return self.respond(StatusCode::UnsupportedMediaType, Some(cseq), |answer| answer);
        }
        let presentation = match sdp::read(request.body()) {
            Ok(presentation) => presentation,
            Err(error) => {
                let status = match error {
                    SdpError::Nothing(_) => StatusCode::UnsupportedMediaType,
                    SdpError::TooLong | SdpError::Malformed => StatusCode::BadRequest,
                };
                return self.respond(status, Some(cseq), |answer| answer);
            }
        };
        let Some(access) = self.access(request, now) else { return };
        self.path = Some(access.path.clone());
        self.base = content_base(url(request));
        self.tracks = announced(&presentation);
        self.pending = Some(Pending::Announce { cseq });
        self.outputs.push_back(Output::Event(Event::PublishRequested(access, presentation)));
    }

    pub(super) fn on_setup(&mut self, request: Request, now: Instant) {
        let number = cseq(&request);
        let wanted = request_header(&request, &headers::TRANSPORT).unwrap_or_default();
        let role = match self.state {
            State::Prepared(role) => role,
            State::Init if !wanted.to_ascii_lowercase().contains("record") => {
                let Some(access) = self.access(&request, now) else { return };
                let url = url(&request).to_owned();
                return self.ask_to_read(access, &url, Pending::Setup(Box::new(request)));
            }
            _ => return self.wrong_state(number),
        };
        let track = match self.track(url(&request), role) {
            Ok(track) => track,
            Err(status) => return self.respond(status, number, |answer| answer),
        };
        match self.choose(wanted, track) {
            Ok(transport) => self.set_up(track, role, transport, number),
            Err(status) => self.respond(status, number, |answer| answer),
        }
    }

    /// Which track a URL names.
    fn track(&self, url: &str, role: Role) -> Result<usize, StatusCode> {
        let only = |error| if self.tracks.len() == 1 { Ok(0) } else { Err(error) };
        if role == Role::Read {
            if Target::parse(url).path.ok() != self.path {
                return Err(StatusCode::NotFound);
            }
            return match split_track(url).1 {
                Some(track) if track < self.tracks.len() => Ok(track),
                Some(_) => Err(StatusCode::NotFound),
                None => only(StatusCode::AggregateOperationNotAllowed),
            };
        }
        // The publisher has named its tracks, relative to a URL that it may have changed (§C.1.1).
        let named =
            |track: &Track| !track.control.is_empty() && url.trim_end_matches('/').ends_with(&track.control);
        let longest = self.tracks.iter().enumerate().filter(|(_, track)| named(track));
        match longest.max_by_key(|(_, track)| track.control.len()) {
            Some((track, _)) => Ok(track),
            None => only(StatusCode::NotFound),
        }
    }

    /// Picks the first offer that can be met. All tracks of a session travel alike.
    fn choose(&self, wanted: &str, track: usize) -> Result<Transport, StatusCode> {
        let mut others = self.tracks.iter().enumerate().filter(|(at, _)| *at != track);
        let udp_already =
            others.find_map(|(_, other)| other.transport).map(|other| matches!(other, Transport::Udp { .. }));
        let mut unreachable = false;
        for offer in offers(wanted) {
            match offer {
                Offer::Interleaved(channels) if udp_already != Some(true) => {
                    return self.channels(channels, track).ok_or(StatusCode::UnsupportedTransport);
                }
                Offer::Udp { rtp, rtcp } if udp_already != Some(false) && self.config.udp.is_some() => {
                    if rtp == 0 || rtcp == 0 {
                        unreachable = true;
                        continue;
                    }
                    return Ok(Transport::Udp { rtp, rtcp });
                }
                _ => {}
            }
        }
        Err(if unreachable { StatusCode::DestinationUnreachable } else { StatusCode::UnsupportedTransport })
    }

    /// The channels as asked for, or the first that no other track has (§10.12).
    fn channels(&self, asked: Option<(u8, u8)>, track: usize) -> Option<Transport> {
        let is_free = |&(rtp, rtcp): &(u8, u8)| {
            let mut others = self.tracks.iter().enumerate().filter(|(at, _)| *at != track);
            rtp != rtcp
                && !others.any(|(_, other)| match other.transport {
                    Some(Transport::Interleaved { rtp: a, rtcp: b }) => {
                        [a, b].iter().any(|one| *one == rtp || *one == rtcp)
                    }
                    _ => false,
                })
        };
        let mut pairs = asked.into_iter().chain((0..=126).map(|pair| (2 * pair, 2 * pair + 1)));
        pairs.find(is_free).map(|(rtp, rtcp)| Transport::Interleaved { rtp, rtcp })
    }

    fn set_up(&mut self, track: usize, role: Role, transport: Transport, cseq: Option<u32>) {
        let mut header = transport.to_string();
        match (transport, self.config.udp) {
            (Transport::Interleaved { rtp, rtcp }, _) => self.framer.allow_channel(rtp.max(rtcp)),
            (Transport::Udp { .. }, Some(ports)) => {
                header.push_str(&format!(";server_port={}-{}", ports.rtp, ports.rtcp));
            }
            (Transport::Udp { .. }, None) => {}
        }
        if role == Role::Publish {
            header.push_str(";mode=record");
        }
        let known = &mut self.tracks[track];
        known.transport = Some(transport);
        if let Some(ssrc) = known.ssrc {
            header.push_str(&format!(";ssrc={ssrc:08X}"));
        }
        if self.id.is_none() {
            self.id = Some(format!("{:016x}", self.next_id));
            // Any other number does: the id tells one session from the one before on this connection.
            self.next_id = self.next_id.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        self.respond(StatusCode::Ok, cseq, |answer| answer.header(&headers::TRANSPORT, &header));
    }

    fn on_play(&mut self, cseq: u32) {
        match self.state {
            State::Prepared(Role::Read) if self.id.is_some() => {
                self.ask(Pending::Play { cseq }, Event::PlayRequested)
            }
            // A seek in what is live, or a sign of life of old players.
            State::Active(Role::Read) => self.respond(StatusCode::Ok, Some(cseq), |answer| answer),
            _ => self.wrong_state(Some(cseq)),
        }
    }

    fn on_record(&mut self, cseq: u32) {
        match self.state {
            State::Prepared(Role::Publish) if self.id.is_some() => {
                self.ask(Pending::Record { cseq }, Event::RecordRequested);
            }
            State::Active(Role::Publish) => self.respond(StatusCode::Ok, Some(cseq), |answer| answer),
            _ => self.wrong_state(Some(cseq)),
        }
    }

    fn ask(&mut self, pending: Pending, event: Event) {
        self.pending = Some(pending);
        self.outputs.push_back(Output::Event(event));
    }

    fn on_pause(&mut self, cseq: Option<u32>) {
        match self.state {
            State::Active(role) => {
                self.state = State::Prepared(role);
                self.respond(StatusCode::Ok, cseq, |answer| answer);
                self.outputs.push_back(Output::Event(Event::Paused));
            }
            State::Prepared(_) if self.id.is_some() => self.respond(StatusCode::Ok, cseq, |answer| answer),
            _ => self.wrong_state(cseq),
        }
    }

    fn on_teardown(&mut self, cseq: Option<u32>, now: Instant) {
        if self.state == State::Init {
            return self.respond(StatusCode::SessionNotFound, cseq, |answer| answer);
        }
        self.respond(StatusCode::Ok, cseq, |answer| answer);
        self.forget();
        self.deadline = Some(now + self.config.handshake_timeout);
        self.outputs.push_back(Output::Event(Event::Ended));
    }

    fn wrong_state(&mut self, cseq: Option<u32>) {
        self.respond(StatusCode::MethodNotValidInThisState, cseq, |answer| answer);
    }
}

/// The tracks of a publisher in the order of its description, with those that are left out.
fn announced(presentation: &Presentation) -> Vec<Track> {
    let track =
        |control: &str, index| Track { control: control.to_owned(), ssrc: None, index, transport: None };
    let taken =
        presentation.media.iter().enumerate().map(|(index, media)| track(&media.control, Some(index)));
    let ignored = presentation.ignored.iter().map(|ignored| track(&ignored.control, None));
    taken.chain(ignored).collect()
}

/// Whether a Digest's URI is about the stream `path`. Clients sign the URL of the request or that of the whole
/// presentation (live555), and some the path alone.
fn is_for(uri: &str, path: &StreamPath) -> bool {
    let absolute = |uri: &str| Target::parse(uri).path.ok();
    let signed = if uri.contains("://") { absolute(uri) } else { absolute(&format!("rtsp://h/{uri}")) };
    signed.as_ref() == Some(path)
}
