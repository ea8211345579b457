//! What a playlist says of its media, against the media.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use container::fmp4::{Fragment, Init, ReadSample};
use media::{Kind, Timestamp};

use super::super::playlist::{MediaPlaylist, Segment};
use super::{Findings, Rule, TOLERANCE};

/// Where the media that was looked at ended.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// A segment, or a part of it.
    place: Option<(u64, Option<usize>)>,
    /// The end by track_ID, in ticks.
    ends: HashMap<u32, u64>,
}

impl Timeline {
    pub(super) fn check(
        &mut self,
        playlist: &MediaPlaylist,
        inits: &HashMap<String, Init>,
        place: (u64, Option<usize>),
        bytes: &Bytes,
        findings: &mut Findings,
    ) {
        let (number, part) = place;
        let name = part
            .map_or_else(|| format!("segment {number}"), |part| format!("part {part} of segment {number}"));
        let Some(segment) = playlist.segments.iter().find(|segment| segment.number == number) else {
            return; // taken out of the playlist meanwhile: it cannot be compared any more
        };
        let Some(init) = segment.map.as_ref().and_then(|uri| inits.get(uri)) else {
            return findings.add(Rule::Media, format!("{name} has no init section"));
        };
        let fragments = match init.fragments(bytes) {
            Ok(fragments) => fragments,
            Err(error) => return findings.add(Rule::Media, format!("{name}: {error}")),
        };
        durations(init, &fragments, segment, part, &name, findings);
        let continues = !segment.discontinuity || part.is_some_and(|part| part > 0);
        let follows = self.place.is_some_and(|before| follows(playlist, before, place));
        if !(follows && continues) {
            self.ends.clear();
        }
        self.place = Some(place);
        self.follow(&fragments, &name, findings);
    }

    fn follow(&mut self, fragments: &[Fragment], name: &str, findings: &mut Findings) {
        for run in fragments.iter().flat_map(|fragment| &fragment.runs) {
            let begins = run.base_decode_time;
            if let Some(&end) = self.ends.get(&run.track) {
                findings.expect(begins == end, Rule::MediaTimeline, || {
                    format!(
                        "{name}: track {} begins at {begins}, what was before it ended at {end}",
                        run.track
                    )
                });
            }
            let length: u64 = run.samples.iter().map(|sample| u64::from(sample.duration)).sum();
            self.ends.insert(run.track, begins + length);
        }
    }
}

/// Whether `after` comes directly behind `before`.
fn follows(playlist: &MediaPlaylist, before: (u64, Option<usize>), after: (u64, Option<usize>)) -> bool {
    match (before, after) {
        ((before, None), (after, None)) => after == before + 1,
        ((in_segment, Some(before)), (segment, Some(after))) if segment == in_segment => after == before + 1,
        ((in_segment, Some(before)), (segment, Some(0))) if segment == in_segment + 1 => {
            let whole = playlist.segments.iter().find(|segment| segment.number == in_segment);
            whole.is_some_and(|segment| segment.uri.is_some() && segment.parts.len() == before + 1)
        }
        _ => false,
    }
}

/// The pictures say how long a piece is, without them the sound.
fn durations(
    init: &Init,
    fragments: &[Fragment],
    segment: &Segment,
    part: Option<usize>,
    name: &str,
    findings: &mut Findings,
) {
    let video = init.tracks.iter().find(|track| track.info.kind() == Kind::Video);
    let Some(track) = video.or(init.tracks.first()) else { return };
    let runs = fragments.iter().flat_map(|fragment| &fragment.runs);
    let samples: Vec<&ReadSample> =
        runs.filter(|run| run.track == track.info.id.0).flat_map(|run| &run.samples).collect();
    let ticks: u64 = samples.iter().map(|sample| u64::from(sample.duration)).sum();
    let real = Timestamp::new(i64::try_from(ticks).unwrap_or(i64::MAX), track.rate);
    let real = real.to_duration().unwrap_or(Duration::MAX);
    let listed = part.and_then(|part| segment.parts.get(part));
    let stated = listed.map(|part| part.duration).or(segment.duration.filter(|_| part.is_none()));
    if let Some(stated) = stated {
        findings.expect(stated.abs_diff(real) <= TOLERANCE, Rule::MediaDuration, || {
            format!("{name} is said to have {stated:?} and has {real:?}")
        });
    }
    let independent = listed.is_some_and(|part| part.independent);
    let begins_so = samples.first().is_some_and(|sample| sample.frame.random_access);
    findings.expect(!independent || begins_so, Rule::Independent, || {
        format!("{name} does not begin with a random access point")
    });
}
