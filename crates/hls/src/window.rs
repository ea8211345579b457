//! The last segments of a rendition: what its media playlist lists, and a while longer what it did list.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

/// How many target durations a playlist must cover (HLS2 §6.2.2).
pub(crate) const LEAST_TARGETS: u32 = 3;

/// A part of a segment; in the variants without parts, a piece of one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) duration: Duration,
    /// Begins with a random access point (HLS2 §4.4.4.9, INDEPENDENT).
    pub(crate) independent: bool,
    pub(crate) bytes: Bytes,
}

/// A segment, complete or growing.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its media sequence number.
    pub(crate) number: u64,
    /// When it begins, by the time of day.
    pub(crate) began: SystemTime,
    /// Its init section.
    pub(crate) map: Option<u32>,
    /// Whether time or parameters jump before it (HLS2 §4.4.4.3).
    pub(crate) discontinuity: bool,
    pub(crate) parts: Vec<Part>,
    pub(crate) complete: bool,
}

impl Segment {
    pub(crate) fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// Whether it begins with a random access point.
    pub(crate) fn is_independent(&self) -> bool {
        self.parts.first().is_some_and(|part| part.independent)
    }
}

/// Whether something is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum There<T> {
    Yes(T),
    /// It is what comes next.
    NotYet,
    /// It was, or never will be.
    No,
}

/// The segments of a rendition.
#[derive(Debug)]
pub(crate) struct Window {
    /// EXT-X-TARGETDURATION.
    target: Duration,
    /// Complete segments that are listed, at least.
    keep: usize,
    /// In order; only the last may be growing. The first ones may be listed no more.
    segments: VecDeque<Segment>,
    /// Number of the first segment that is listed: EXT-X-MEDIA-SEQUENCE.
    listed_from: u64,
    discontinuity_sequence: u64,
    inits: Vec<(u32, Bytes)>,
    ended: bool,
    version: u64,
}

impl Window {
    pub(crate) const fn new(target: Duration, keep: usize) -> Self {
        Self {
            target,
            keep,
            segments: VecDeque::new(),
            listed_from: 0,
            discontinuity_sequence: 0,
            inits: Vec::new(),
            ended: false,
            version: 0,
        }
    }

    /// Adds an init section and returns its number.
    pub(crate) fn add_init(&mut self, bytes: Bytes) -> u32 {
        let number = self.inits.last().map_or(0, |(last, _)| last.saturating_add(1));
        self.inits.push((number, bytes));
        number
    }

    /// Ends the growing segment, if it has anything, and begins another.
    pub(crate) fn begin_segment(&mut self, began: SystemTime, map: Option<u32>, discontinuity: bool) {
        self.complete();
        let (number, discontinuity) = match self.segments.back() {
            Some(empty) if !empty.complete => (empty.number, discontinuity || empty.discontinuity),
            last => (last.map_or(0, |last| last.number + 1), discontinuity),
        };
        self.segments.retain(|segment| segment.number < number);
        let parts = Vec::new();
        self.segments.push_back(Segment { number, began, map, discontinuity, parts, complete: false });
    }

    /// Adds a part to the growing segment.
    pub(crate) fn push(&mut self, part: Part) {
        let growing = self.segments.back_mut().filter(|segment| !segment.complete);
        debug_assert!(growing.is_some(), "a segment begins before its parts");
        if let Some(segment) = growing {
            segment.parts.push(part);
            self.version += 1;
        }
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self) {
        self.complete();
        self.segments.retain(|segment| segment.complete);
        self.ended = true;
        self.version += 1;
    }

    /// Changes whenever there is something new to see.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    fn complete(&mut self) {
        if let Some(last) = self.segments.back_mut().filter(|last| !last.complete && !last.parts.is_empty()) {
            last.complete = true;
            self.version += 1;
            self.trim();
        }
    }

    /// Lists no more than must be, and forgets what was listed a playlist's length ago (HLS2 §6.2.2: clients may still
    /// ask for it).
    fn trim(&mut self) {
        loop {
            let listed = self.listed().filter(|segment| segment.complete);
            let (count, span) = listed
                .fold((0, Duration::ZERO), |(count, span), segment| (count + 1, span + segment.duration()));
            let Some(first) = self.listed().next() else { break };
            if count <= self.keep || span - first.duration() < self.target * LEAST_TARGETS {
                break;
            }
            self.discontinuity_sequence += u64::from(first.discontinuity);
            self.listed_from += 1;
        }
        let listed = self.listed().count() as u64;
        let oldest = self.listed_from.saturating_sub(listed);
        self.segments.retain(|segment| segment.number >= oldest);
        let used = |number: u32| self.segments.iter().any(|segment| segment.map == Some(number));
        let newest = self.inits.last().map(|(number, _)| *number);
        self.inits.retain(|(number, _)| Some(*number) == newest || used(*number));
    }

    /// What the playlist lists, oldest first; the last one may be growing.
    pub(crate) fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.number >= self.listed_from)
    }

    /// The growing segment.
    pub(crate) fn growing(&self) -> Option<&Segment> {
        self.segments.back().filter(|segment| !segment.complete)
    }

    /// Complete segments that are listed.
    pub(crate) fn complete_segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.listed().filter(|segment| segment.complete)
    }

    pub(crate) const fn media_sequence(&self) -> u64 {
        self.listed_from
    }

    pub(crate) const fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// Segment and index of the part that comes next, as far as can be told: the segment that grows may have had its
    /// last.
    pub(crate) fn next_part(&self) -> (u64, u32) {
        match self.segments.back() {
            Some(growing) if !growing.complete => (growing.number, index(growing.parts.len())),
            Some(last) => (last.number + 1, 0),
            None => (self.listed_from, 0),
        }
    }

    /// Segment and index of the newest part.
    pub(crate) fn last_part(&self) -> Option<(u64, u32)> {
        let last = self.segments.iter().rev().find(|segment| !segment.parts.is_empty())?;
        Some((last.number, index(last.parts.len() - 1)))
    }

    /// Whether a playlist would have segment `number`, or its part `part`. A part beyond the last of a complete segment
    /// is the first of the next (HLS2 §6.2.5.2).
    pub(crate) fn contains(&self, number: u64, part: Option<u32>) -> bool {
        let complete = self.segments.iter().rev().find(|segment| segment.complete).map(|last| last.number);
        match part {
            _ if self.ended => true,
            None => complete.is_some_and(|last| number <= last),
            Some(part) => {
                let of = |number: u64| self.segments.iter().find(|segment| segment.number == number);
                let grown = |number: u64, part: usize| of(number).is_some_and(|it| it.parts.len() > part);
                match of(number) {
                    _ if complete.is_some_and(|last| number < last) => true,
                    Some(segment) if segment.complete && part as usize >= segment.parts.len() => {
                        grown(number + 1, 0)
                    }
                    _ => grown(number, part as usize),
                }
            }
        }
    }

    /// An init section.
    pub(crate) fn init(&self, number: u32) -> Option<&Bytes> {
        self.inits.iter().find(|(known, _)| *known == number).map(|(_, bytes)| bytes)
    }

    /// A complete segment.
    pub(crate) fn segment(&self, number: u64) -> There<&Segment> {
        match self.segments.iter().find(|segment| segment.number == number) {
            Some(segment) if segment.complete => There::Yes(segment),
            Some(_) if !self.ended => There::NotYet,
            _ => There::No,
        }
    }

    /// A part.
    pub(crate) fn part(&self, number: u64, part: u32) -> There<&Part> {
        let segment = self.segments.iter().find(|segment| segment.number == number);
        match segment.and_then(|segment| segment.parts.get(part as usize)) {
            Some(part) => There::Yes(part),
            None if !self.ended && self.next_part() == (number, part) => There::NotYet,
            None => There::No,
        }
    }
}

fn index(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn part(millis: u64) -> Part {
        let bytes = Bytes::from_static(b"part");
        Part { duration: Duration::from_millis(millis), independent: true, bytes }
    }

    /// Segments of five parts of 200 ms each; those numbers have a discontinuity.
    fn window(segments: u64, discontinuities: &[u64]) -> Window {
        let mut window = Window::new(Duration::from_secs(1), 4);
        let map = window.add_init(Bytes::from_static(b"init"));
        for number in 0..segments {
            window.begin_segment(UNIX_EPOCH, Some(map), discontinuities.contains(&number));
            (0..5).for_each(|_| window.push(part(200)));
        }
        window
    }

    #[test]
    fn as_many_are_listed_as_wanted_and_the_others_stay_for_a_playlists_length() {
        let window = window(12, &[]);
        assert_eq!(window.media_sequence(), 7);
        assert_eq!(
            window.complete_segments().map(|segment| segment.number).collect::<Vec<_>>(),
            [7, 8, 9, 10]
        );
        assert!(matches!(window.segment(3), There::Yes(_)));
        assert!(matches!(window.segment(1), There::No));
        assert!(matches!(window.segment(11), There::NotYet));
        assert!(matches!(window.segment(12), There::No));
    }

    #[test]
    fn three_target_durations_are_listed_however_short_the_segments_are() {
        let mut window = Window::new(Duration::from_secs(2), 2);
        for _ in 0..20 {
            window.begin_segment(UNIX_EPOCH, None, false);
            window.push(part(1_000));
        }
        let listed: Duration = window.complete_segments().map(Segment::duration).sum();
        assert_eq!(listed, Duration::from_secs(6));
    }

    #[test]
    fn discontinuities_that_leave_the_playlist_are_counted() {
        assert_eq!(window(12, &[]).discontinuity_sequence(), 0);
        assert_eq!(window(12, &[2, 6, 8]).discontinuity_sequence(), 2);
    }

    #[test]
    fn a_segment_without_parts_is_begun_anew() {
        let mut window = window(1, &[]);
        window.begin_segment(UNIX_EPOCH, Some(0), true);
        window.begin_segment(UNIX_EPOCH, Some(0), false);
        let growing = window.growing().unwrap();
        assert_eq!((growing.number, growing.discontinuity), (1, true));
    }

    #[test]
    fn the_part_that_comes_next_is_waited_for_and_no_other() {
        let window = window(2, &[]);
        assert!(matches!(window.part(1, 4), There::Yes(_)));
        assert!(matches!(window.part(1, 5), There::NotYet));
        assert!(matches!(window.part(1, 6), There::No));
        assert!(matches!(window.part(2, 0), There::No));
    }

    #[test]
    fn a_part_beyond_a_complete_segment_is_the_first_of_the_next() {
        let mut window = window(2, &[]);
        assert!(window.contains(0, Some(9)));
        assert!(window.contains(1, Some(4)) && !window.contains(1, Some(5)) && !window.contains(1, None));
        window.begin_segment(UNIX_EPOCH, Some(0), false);
        assert!(window.contains(1, None) && !window.contains(1, Some(5)) && !window.contains(2, Some(0)));
        window.push(part(200));
        assert!(window.contains(1, Some(5)) && window.contains(2, Some(0)) && !window.contains(2, None));
    }

    #[test]
    fn nothing_is_waited_for_after_the_end() {
        let mut window = window(2, &[]);
        window.end();
        assert!(window.contains(99, None));
        assert!(matches!(window.part(1, 5), There::No));
        assert!(matches!(window.segment(1), There::Yes(_)));
    }

    #[test]
    fn init_sections_stay_as_long_as_a_segment_needs_them() {
        let mut window = window(2, &[]);
        let second = window.add_init(Bytes::from_static(b"other"));
        assert_eq!(second, 1);
        for _ in 0..5 {
            window.begin_segment(UNIX_EPOCH, Some(second), false);
            window.push(part(1_000));
        }
        assert!(window.init(0).is_some());
        for _ in 0..8 {
            window.begin_segment(UNIX_EPOCH, Some(second), false);
            window.push(part(1_000));
        }
        assert!(window.init(0).is_none() && window.init(1).is_some());
    }
}
