//! One rendition: its playlist, reloaded, and its media, in order.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use container::fmp4::Init;
use media::{Frame, Kind, Timestamp};
use tokio::sync::mpsc;

use super::check::{Checker, Violation};
use super::player::{Arrived, Event, Start};
use super::playlist::{MediaPlaylist, Segment};
use super::session::{Lane, Session, resolve};
use super::transport_stream::TransportStream;
use crate::http::Answer;
use crate::stamp;

/// A segment, or a part of one.
type Place = (u64, Option<usize>);

/// What can be fetched and played.
#[derive(Clone, Debug)]
struct Piece {
    place: Place,
    uri: String,
    map: Option<String>,
    /// From the beginning of the playlist.
    begins: Duration,
    independent: bool,
}

pub(super) struct Rendition {
    path: String,
    start: Start,
    playlists: Lane,
    media: Lane,
    checker: Checker,
    events: mpsc::Sender<Result<Event>>,
    /// URI and content of the init section in use.
    init: Option<(String, Init)>,
    transport_stream: TransportStream,
    /// The last piece that was played.
    played: Option<Place>,
    /// What of the first piece is not shown.
    hidden: Duration,
    /// From where on frames are shown, once the first is known.
    shown_from: Option<Timestamp>,
}

impl Rendition {
    pub(super) fn new(
        session: &Session,
        path: String,
        start: Start,
        events: mpsc::Sender<Result<Event>>,
    ) -> Self {
        Self {
            path,
            start,
            playlists: session.lane(),
            media: session.lane(),
            checker: Checker::new(),
            events,
            init: None,
            transport_stream: TransportStream::default(),
            played: None,
            hidden: Duration::ZERO,
            shown_from: None,
        }
    }

    /// Plays until the stream ends or fails.
    pub(super) async fn run(mut self) -> Result<()> {
        let first = self.playlists.found(&self.path).await?.text();
        let violations = self.checker.playlist(&first);
        self.tell(violations).await?;
        if self.start == Start::FreshPlaylist && is_low_latency(self.current()?) {
            self.reload().await?;
        }
        self.choose_start()?;
        loop {
            self.play_listed().await?;
            if self.current()?.ended {
                return Ok(());
            }
            if is_low_latency(self.current()?) {
                self.reload_and_preload().await?
            } else {
                self.reload_slowly().await?
            }
        }
    }

    fn current(&self) -> Result<&MediaPlaylist> {
        self.checker.current().context("no media playlist could be read")
    }

    async fn tell(&self, violations: Vec<Violation>) -> Result<()> {
        for violation in violations {
            self.events.send(Ok(Event::Violation(violation))).await?;
        }
        Ok(())
    }

    /// §6.3.3: at most so near to the end as the server says, from the last piece that can be decoded alone.
    fn choose_start(&mut self) -> Result<()> {
        let playlist = self.current()?;
        let position = playlist.length().saturating_sub(hold_back(playlist));
        let pieces = pieces(playlist);
        let before = pieces.iter().rposition(|piece| piece.independent && piece.begins <= position);
        let index = before.or_else(|| pieces.iter().position(|piece| piece.independent)).unwrap_or(0);
        let Some(first) = pieces.get(index) else { return Ok(()) };
        let hidden = position.saturating_sub(first.begins);
        let played = index.checked_sub(1).and_then(|index| pieces.get(index)).map(|piece| piece.place);
        (self.hidden, self.played) = (hidden, played);
        Ok(())
    }

    /// Fetches and plays what is listed and was not played yet.
    async fn play_listed(&mut self) -> Result<()> {
        for piece in self.unplayed()? {
            let answer = self.media.found(&resolve(&self.path, &piece.uri)?).await?;
            self.play(&piece, &answer.body, stamp::nanos()).await?;
        }
        Ok(())
    }

    fn unplayed(&self) -> Result<Vec<Piece>> {
        let mut pieces = pieces(self.current()?);
        if let Some(played) = self.played {
            let order = |place: Place| (place.0, place.1.unwrap_or(usize::MAX));
            pieces.retain(|piece| order(piece.place) > order(played));
        }
        Ok(pieces)
    }

    /// §6.2.5.2: the playlist with what comes next.
    async fn reload(&mut self) -> Result<()> {
        let (segment, part) = self.current()?.next();
        let answer = self.playlists.found(&blocking(&self.path, segment, Some(part))).await?;
        let violations = self.checker.reload(&answer.text(), segment, Some(part));
        self.tell(violations).await
    }

    /// §6.3.8: the next part is asked for together with the playlist that lists it. Where the segment ended without it, it
    /// is given up.
    async fn reload_and_preload(&mut self) -> Result<()> {
        let hint = self.current()?.hints.iter().find(|hint| hint.kind == "PART").map(|hint| hint.uri.clone());
        let Some(hint) = hint else { return self.reload().await };
        let (segment, part) = self.current()?.next();
        let path = blocking(&self.path, segment, Some(part));
        let hinted = resolve(&self.path, &hint)?;
        let (answer, media) = both(&mut self.playlists, &path, &mut self.media, &hinted, &hint).await?;
        let violations = self.checker.reload(&answer.text(), segment, Some(part));
        self.tell(violations).await?;
        let listed = pieces(self.current()?).into_iter().find(|piece| piece.uri == hint);
        match (media, listed) {
            (Some((answer, arrived)), Some(piece)) => self.play_preloaded(&piece, answer, arrived).await,
            _ => Ok(()),
        }
    }

    /// What is not there although it was hinted and listed is asked for again with the rest.
    async fn play_preloaded(
        &mut self,
        piece: &Piece,
        answer: Result<(Answer, String)>,
        arrived: u64,
    ) -> Result<()> {
        let first = self.unplayed()?.first().map(|piece| piece.place);
        match answer {
            Ok((answer, _)) if answer.status.is_success() && first == Some(piece.place) => {
                self.play(piece, &answer.body, arrived).await
            }
            _ => Ok(()),
        }
    }

    /// §6.3.4, without parts: once in a target duration, sooner when nothing had changed.
    async fn reload_slowly(&mut self) -> Result<()> {
        let playlist = self.current()?;
        let (segment, _) = playlist.next();
        let target = Duration::from_secs(playlist.target_duration.unwrap_or(1));
        if playlist.server_control.as_ref().is_some_and(|control| control.can_block_reload) {
            let answer = self.playlists.found(&blocking(&self.path, segment, None)).await?;
            let violations = self.checker.reload(&answer.text(), segment, None);
            return self.tell(violations).await;
        }
        let mut wait = target;
        loop {
            tokio::time::sleep(wait).await;
            let text = self.playlists.found(&self.path).await?.text();
            let violations = self.checker.playlist(&text);
            self.tell(violations).await?;
            let playlist = self.current()?;
            if playlist.ended || playlist.next().0 > segment {
                return Ok(());
            }
            wait = target / 2;
        }
    }

    async fn play(&mut self, piece: &Piece, bytes: &Bytes, arrived: u64) -> Result<()> {
        self.played = Some(piece.place);
        let frames = match &piece.map {
            Some(map) => {
                self.use_init(map).await?;
                let violations = self.checker.media(&piece.uri, bytes);
                self.tell(violations).await?;
                self.fragments(bytes).with_context(|| piece.uri.clone())?
            }
            None => self.transport_stream.frames(bytes)?,
        };
        let first = frames.iter().map(|(_, frame)| frame.pts).min();
        let hidden = |first: Timestamp| first.plus(Timestamp::from_duration(self.hidden, first.rate()));
        let Some(shown_from) = self.shown_from.or(first.map(hidden)) else { return Ok(()) };
        self.shown_from = Some(shown_from);
        for (kind, frame) in frames {
            let shown = frame.pts >= shown_from;
            self.events.send(Ok(Event::Frame(Arrived { kind, frame, at: arrived, shown }))).await?;
        }
        Ok(())
    }

    async fn use_init(&mut self, uri: &str) -> Result<()> {
        if self.init.as_ref().is_some_and(|(known, _)| known == uri) {
            return Ok(());
        }
        let bytes = self.media.found(&resolve(&self.path, uri)?).await?.body;
        let violations = self.checker.init(uri, &bytes);
        self.tell(violations).await?;
        self.init = Some((uri.to_owned(), Init::parse(&bytes).with_context(|| uri.to_owned())?));
        Ok(())
    }

    fn fragments(&self, bytes: &Bytes) -> Result<Vec<(Kind, Frame)>> {
        let (_, init) = self.init.as_ref().context("no init section")?;
        let kind = |frame: &Frame| {
            let track = init.tracks.iter().find(|track| track.info.id == frame.track);
            track.map_or(Kind::Video, |track| track.info.kind())
        };
        let runs = init.fragments(bytes)?.into_iter().flat_map(|fragment| fragment.runs);
        Ok(runs.flat_map(|run| run.samples).map(|sample| (kind(&sample.frame), sample.frame)).collect())
    }
}

/// What came of a request, and when.
type Timed = (Result<(Answer, String)>, u64);

/// The playlist at `path` and the hinted media, both blocking. The media is given up if the playlist comes first and does
/// not list them.
async fn both(
    playlists: &mut Lane,
    path: &str,
    media: &mut Lane,
    hinted: &str,
    hint: &str,
) -> Result<(Answer, Option<Timed>)> {
    let (answer, preloaded) = {
        let reload = playlists.found(path);
        let preload = async {
            let answer = media.get(hinted).await;
            (answer, stamp::nanos())
        };
        tokio::pin!(reload, preload);
        tokio::select! {
            media = &mut preload => (reload.await?, Some(media)),
            answer = &mut reload => {
                let answer = answer?;
                let lists = MediaPlaylist::parse(&answer.text())
                    .is_ok_and(|playlist| pieces(&playlist).iter().any(|piece| piece.uri == hint));
                let media = if lists { Some(preload.await) } else { None };
                (answer, media)
            }
        }
    };
    if preloaded.is_none() {
        media.reset();
    }
    Ok((answer, preloaded))
}

const fn is_low_latency(playlist: &MediaPlaylist) -> bool {
    let blocking = match &playlist.server_control {
        Some(control) => control.can_block_reload,
        None => false,
    };
    blocking && playlist.part_target.is_some()
}

/// §4.4.3.8: with parts PART-HOLD-BACK, else HOLD-BACK, which is three target durations where it is not said.
fn hold_back(playlist: &MediaPlaylist) -> Duration {
    let control = playlist.server_control.clone().unwrap_or_default();
    let of_parts = control.part_hold_back.filter(|_| is_low_latency(playlist));
    let usual = Duration::from_secs(playlist.target_duration.unwrap_or(0)) * 3;
    of_parts.or(control.hold_back).unwrap_or(usual)
}

/// The path of a blocking reload; directives in alphabetic order (§6.2.5).
fn blocking(path: &str, segment: u64, part: Option<usize>) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    let part = part.map_or_else(String::new, |part| format!("&_HLS_part={part}"));
    format!("{path}{separator}_HLS_msn={segment}{part}")
}

/// The parts of segments that have them, and the others whole; with what is not available left out.
fn pieces(playlist: &MediaPlaylist) -> Vec<Piece> {
    let mut begins = Duration::ZERO;
    let mut pieces = Vec::new();
    for segment in &playlist.segments {
        if !segment.gap {
            push_pieces(segment, begins, is_low_latency(playlist), &mut pieces);
        }
        begins += segment.length();
    }
    pieces
}

fn push_pieces(segment: &Segment, mut begins: Duration, low_latency: bool, pieces: &mut Vec<Piece>) {
    let (number, map) = (segment.number, segment.map.clone());
    if segment.parts.is_empty() || !low_latency {
        if let Some(uri) = segment.uri.clone() {
            pieces.push(Piece { place: (number, None), uri, map, begins, independent: true });
        }
        return;
    }
    for (index, part) in segment.parts.iter().enumerate() {
        if !part.gap {
            let (uri, map, independent) = (part.uri.clone(), map.clone(), part.independent);
            pieces.push(Piece { place: (number, Some(index)), uri, map, begins, independent });
        }
        begins += part.duration;
    }
}
