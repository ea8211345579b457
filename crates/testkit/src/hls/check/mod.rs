//! The rules of HLS2 that a live playlist must keep, alone and from one reload to the next.
//!
//! Pure: texts and bytes in, [`Violation`]s out. [`Checker`] follows one media playlist over time; [`multivariant`] and
//! [`delta`] look at what stands for itself. Byte ranges are not supported, since nobody here writes them.

mod multivariant;
mod pieces;
mod single;
mod update;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use container::fmp4::Init;

use super::playlist::MediaPlaylist;
pub use multivariant::multivariant;
pub use update::delta;

/// How far spans that are written as decimals may be from each other and from those in the media.
pub const TOLERANCE: Duration = Duration::from_micros(500);
/// How far EXT-X-PROGRAM-DATE-TIME may be from the sum of durations.
pub const DATE_TIME_TOLERANCE: Duration = Duration::from_millis(10);

/// What a playlist or its media can break.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// The text is a playlist: tags, attribute lists, required attributes (§4.1, §4.2).
    Syntax,
    /// EXT-X-VERSION is not below what the playlist uses (§8).
    Version,
    /// EXT-X-TARGETDURATION is there, and no rounded EXTINF exceeds it (§4.4.3.1).
    TargetDuration,
    /// The target duration never changes (§6.2.1).
    TargetDurationChanged,
    /// EXT-X-PART-INF is there with parts, and no part exceeds it (§4.4.3.7, §4.4.4.9).
    PartTarget,
    /// The part target never changes. The draft has no sentence for it; AVPlayer fails where it does, and MediaMTX warns
    /// of it.
    PartTargetChanged,
    /// Parts have 85 % of the part target, but for the last of a segment, independent ones and those at gaps (§4.4.4.9).
    PartTooShort,
    /// The parts of a segment are as long as it is together (§4.4.4.9).
    PartsOfSegment,
    /// Parts stay listed while they are within three target durations of the end (§6.2.2).
    PartsRemoved,
    /// HOLD-BACK has three target durations, PART-HOLD-BACK, which parts need, two part targets (§4.4.3.8).
    HoldBack,
    /// CAN-SKIP-UNTIL has six target durations (§4.4.3.8).
    SkipBoundary,
    /// A playlist with parts offers blocking reload (appendix B.1).
    BlockingReload,
    /// The answer to a blocking reload has what was asked for (§6.2.5.2).
    Reload,
    /// Media sequence numbers do not go back, and neither does the end (§6.2.2).
    Sequence,
    /// A segment or part keeps its URI, duration, init section and date (§6.2.1).
    Stable,
    /// No URI names two things.
    Uri,
    /// After segments were taken out, three target durations are left (§6.2.2).
    TooShort,
    /// A segment keeps its discontinuity sequence number (§6.2.2).
    Discontinuity,
    /// Dates go on by the durations between them, but at discontinuities (§4.4.4.6).
    DateTime,
    /// fMP4 has an init section (§4.4.4.5).
    Map,
    /// A hint is one for each type, names what is not listed yet, and ends with the playlist (§4.4.5.3).
    PreloadHint,
    /// A report has its relative URI, LAST-MSN and, with parts, LAST-PART (§4.4.5.4).
    RenditionReport,
    /// A delta update skips what may be skipped, and what it lists equals the playlist (§4.4.5.2, §6.2.5.1).
    Delta,
    /// Nothing follows EXT-X-ENDLIST (§4.4.3.4).
    Ended,
    /// What is said to be independent begins with a random access point (§4.4.2.1, §4.4.4.9).
    Independent,
    /// The media can be read as fMP4.
    Media,
    /// The stated duration is that of the samples (§4.4.4.1, §4.4.4.9).
    MediaDuration,
    /// Each piece begins where the one before ended (§6.2.1: a continuous timeline within a discontinuity).
    MediaTimeline,
    /// A variant states what players choose by (§4.4.6.2), and its groups exist (§4.4.6.1).
    Variant,
}

/// A broken rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Violations under way.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: Rule, what: impl Into<String>) {
        self.0.push(Violation { rule, what: what.into() });
    }

    fn expect(&mut self, holds: bool, rule: Rule, what: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, what());
        }
    }
}

/// Follows one media playlist from reload to reload. Memory grows with the URIs that it has seen.
#[derive(Debug, Default)]
pub struct Checker {
    last: Option<MediaPlaylist>,
    /// Every URI ever listed, and what it named: a segment, or a part of it.
    uris: HashMap<String, (u64, Option<usize>)>,
    /// Init sections by URI.
    inits: HashMap<String, Init>,
    timeline: pieces::Timeline,
}

impl Checker {
    /// A checker that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The playlist as it was last, with what delta updates skipped.
    pub const fn current(&self) -> Option<&MediaPlaylist> {
        self.last.as_ref()
    }

    /// Takes the next answer for the playlist, whole or a delta update; which rules it breaks.
    pub fn playlist(&mut self, text: &str) -> Vec<Violation> {
        let mut findings = Findings::default();
        let mut now = match MediaPlaylist::parse(text) {
            Ok(playlist) => playlist,
            Err(error) => {
                findings.add(Rule::Syntax, error.to_string());
                return findings.0;
            }
        };
        single::check(&now, &mut findings);
        let before = self.last.take();
        if now.skipped.is_some()
            && let Err(number) = now.apply(before.as_ref().unwrap_or(&MediaPlaylist::default()))
        {
            findings.add(Rule::Delta, format!("segment {number} is skipped, but was never listed"));
            self.last = before;
            return findings.0;
        }
        if let Some(before) = &before {
            update::check(before, &now, &mut findings);
        }
        self.note_uris(&now, &mut findings);
        self.last = Some(now);
        findings.0
    }

    /// As [`Self::playlist`], for the answer to `_HLS_msn` and `_HLS_part`.
    pub fn reload(&mut self, text: &str, segment: u64, part: Option<usize>) -> Vec<Violation> {
        let mut violations = self.playlist(text);
        let has = self.last.as_ref().is_some_and(|playlist| playlist.ended || playlist.has(segment, part));
        if !has {
            let what = format!("asked for segment {segment}, part {part:?}, and it is not there");
            violations.push(Violation { rule: Rule::Reload, what });
        }
        violations
    }

    /// Takes the bytes of an init section.
    pub fn init(&mut self, uri: &str, bytes: &[u8]) -> Vec<Violation> {
        match Init::parse(bytes) {
            Ok(init) => {
                self.inits.insert(uri.to_owned(), init);
                Vec::new()
            }
            Err(error) => vec![Violation { rule: Rule::Media, what: format!("{uri}: {error}") }],
        }
    }

    /// Takes the bytes of a part or segment that is listed as fMP4 and whose init section was taken; in order, so that
    /// the timeline can be followed.
    pub fn media(&mut self, uri: &str, bytes: &Bytes) -> Vec<Violation> {
        let mut findings = Findings::default();
        match (&self.last, self.uris.get(uri)) {
            (Some(playlist), Some(&place)) => {
                self.timeline.check(playlist, &self.inits, place, bytes, &mut findings);
            }
            _ => findings.add(Rule::Media, format!("{uri} was never listed")),
        }
        findings.0
    }

    fn note_uris(&mut self, playlist: &MediaPlaylist, findings: &mut Findings) {
        for segment in &playlist.segments {
            let parts = segment.parts.iter().zip(0..).map(|(part, index)| (&part.uri, Some(index)));
            for (uri, part) in parts.chain(segment.uri.iter().map(|uri| (uri, None))) {
                let place = (segment.number, part);
                let known = *self.uris.entry(uri.clone()).or_insert(place);
                findings.expect(known == place, Rule::Uri, || format!("{uri} names {known:?} and {place:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
