//! What must hold from one reload to the next, and between a playlist and its delta update.

use std::time::Duration;

use super::super::playlist::{MediaPlaylist, Segment};
use super::{Findings, Rule, Violation};

pub(super) fn check(before: &MediaPlaylist, now: &MediaPlaylist, findings: &mut Findings) {
    findings.expect(before.target_duration == now.target_duration, Rule::TargetDurationChanged, || {
        format!("from {:?} to {:?}", before.target_duration, now.target_duration)
    });
    findings.expect(before.part_target == now.part_target, Rule::PartTargetChanged, || {
        format!("from {:?} to {:?}", before.part_target, now.part_target)
    });
    findings.expect(now.media_sequence >= before.media_sequence, Rule::Sequence, || {
        format!("the media sequence goes from {} to {}", before.media_sequence, now.media_sequence)
    });
    findings.expect(now.next() >= before.next(), Rule::Sequence, || {
        format!("the end goes from {:?} to {:?}", before.next(), now.next())
    });
    if before.ended {
        let same = now.ended && now.segments == before.segments;
        findings.expect(same, Rule::Ended, || "a playlist that had ended has changed".to_owned());
    }
    if now.media_sequence > before.media_sequence && !now.ended {
        let target = Duration::from_secs(now.target_duration.unwrap_or(0));
        findings.expect(now.length() >= target * 3, Rule::TooShort, || {
            format!("segments were taken out, and {:?} are left", now.length())
        });
    }
    let mut at = Duration::ZERO;
    for segment in &now.segments {
        at += segment.length();
        if let Some(known) = before.segments.iter().find(|known| known.number == segment.number) {
            same_segment(known, segment, findings);
            let from_end = now.length().saturating_sub(at);
            kept_parts(known, segment, from_end, now.target_duration, findings);
        }
    }
}

fn same_segment(before: &Segment, now: &Segment, findings: &mut Findings) {
    let number = now.number;
    let mut same = |holds: bool, what: &str| {
        findings.expect(holds, Rule::Stable, || format!("{what} of segment {number} has changed"));
    };
    same(before.uri.is_none() || before.uri == now.uri, "the URI");
    same(before.duration.is_none() || before.duration == now.duration, "the duration");
    same(before.map == now.map, "the init section");
    same(before.date_time == now.date_time, "the date");
    same(before.gap == now.gap || before.uri.is_none(), "EXT-X-GAP");
    let parts = now.parts.is_empty() || now.parts.starts_with(&before.parts);
    same(parts, "a part");
    let counted = (before.discontinuity, before.discontinuity_sequence)
        == (now.discontinuity, now.discontinuity_sequence);
    findings.expect(counted, Rule::Discontinuity, || {
        format!(
            "segment {number} was number {} of the discontinuities and is {}",
            before.discontinuity_sequence, now.discontinuity_sequence
        )
    });
}

fn kept_parts(
    before: &Segment,
    now: &Segment,
    from_end: Duration,
    target: Option<u64>,
    findings: &mut Findings,
) {
    let removed = now.parts.is_empty() && !before.parts.is_empty();
    let old = from_end > Duration::from_secs(target.unwrap_or(0)) * 3;
    findings.expect(!removed || old, Rule::PartsRemoved, || {
        format!("the parts of segment {}, {from_end:?} from the end, are gone", now.number)
    });
}

/// Compares a delta update with the whole playlist of the same moment (§6.2.5.1).
pub fn delta(whole: &str, update: &str) -> Vec<Violation> {
    let mut findings = Findings::default();
    match (MediaPlaylist::parse(whole), MediaPlaylist::parse(update)) {
        (Ok(whole), Ok(update)) => compare(&whole, update, &mut findings),
        (Err(error), _) | (_, Err(error)) => findings.add(Rule::Syntax, error.to_string()),
    }
    findings.0
}

fn compare(whole: &MediaPlaylist, mut update: MediaPlaylist, findings: &mut Findings) {
    let skipped = usize::try_from(update.skipped.unwrap_or(0)).unwrap_or(usize::MAX);
    let Some(gone) = whole.segments.get(..skipped) else {
        return findings
            .add(Rule::Delta, format!("{skipped} segments are skipped of {}", whole.segments.len()));
    };
    // The skip boundary: what ends nearer to the end of the playlist must be listed.
    let from_end = whole.length().saturating_sub(gone.iter().map(Segment::length).sum());
    let boundary = whole.server_control.as_ref().and_then(|control| control.can_skip_until);
    let may_be_skipped = boundary.is_some_and(|boundary| from_end >= boundary);
    findings.expect(skipped == 0 || may_be_skipped, Rule::Delta, || {
        format!("a segment that ends {from_end:?} from the end is skipped; the boundary is {boundary:?}")
    });
    if let Err(number) = update.apply(whole) {
        return findings.add(Rule::Delta, format!("segment {number} is skipped and was never listed"));
    }
    let mut whole = whole.clone();
    whole.segments.iter_mut().take(skipped).for_each(|segment| segment.parts.clear());
    // EXT-X-SKIP may ask for another version, and what it skips may have been the only decimals.
    (update.version, update.decimal_durations) = (whole.version, whole.decimal_durations);
    for (ours, theirs) in whole.segments.iter().zip(&update.segments) {
        findings.expect(ours == theirs, Rule::Delta, || format!("segment {} differs", ours.number));
    }
    update.segments.clone_from(&whole.segments);
    findings.expect(update == whole, Rule::Delta, || "the tags outside of segments differ".to_owned());
}
