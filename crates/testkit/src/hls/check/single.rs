//! What one media playlist must keep by itself.

use std::time::Duration;

use super::super::playlist::{MediaPlaylist, Part, Segment};
use super::{DATE_TIME_TOLERANCE, Findings, Rule, TOLERANCE};

pub(super) fn check(playlist: &MediaPlaylist, findings: &mut Findings) {
    version(playlist, findings);
    target_duration(playlist, findings);
    parts(playlist, findings);
    server_control(playlist, findings);
    date_times(playlist, findings);
    hints_and_reports(playlist, findings);
    for segment in &playlist.segments {
        let names = segment.uri.iter().chain(segment.parts.iter().map(|part| &part.uri));
        let fragmented = names
            .map(|uri| uri.split('?').next().unwrap_or_default())
            .any(|path| [".mp4", ".m4s", ".m4v", ".m4a"].iter().any(|extension| path.ends_with(extension)));
        // The segments of a delta update may have theirs in what was skipped.
        let has_map = segment.map.is_some() || playlist.skipped.is_some();
        findings.expect(!fragmented || has_map, Rule::Map, || {
            format!("segment {} has no EXT-X-MAP", segment.number)
        });
    }
}

/// §8: what needs which version.
fn version(playlist: &MediaPlaylist, findings: &mut Findings) {
    let needed = [
        (playlist.decimal_durations, 3, "decimals in EXTINF"),
        (playlist.segments.iter().any(|segment| segment.map.is_some()), 6, "EXT-X-MAP"),
        (playlist.skipped.is_some(), 9, "EXT-X-SKIP"),
    ];
    for (used, least, what) in needed {
        findings.expect(!used || playlist.version >= least, Rule::Version, || {
            format!("version {} with {what}, which needs {least}", playlist.version)
        });
    }
}

fn target_duration(playlist: &MediaPlaylist, findings: &mut Findings) {
    let Some(target) = playlist.target_duration else {
        return findings.add(Rule::TargetDuration, "no EXT-X-TARGETDURATION");
    };
    for segment in playlist.complete() {
        let length = segment.length();
        let rounded = (length + Duration::from_millis(500)).as_secs();
        findings.expect(rounded <= target, Rule::TargetDuration, || {
            format!("segment {} has {length:?}, the target duration is {target} s", segment.number)
        });
    }
}

fn parts(playlist: &MediaPlaylist, findings: &mut Findings) {
    let Some(target) = playlist.part_target else {
        let any = playlist.segments.iter().any(|segment| !segment.parts.is_empty());
        return findings.expect(!any, Rule::PartTarget, || "parts without EXT-X-PART-INF".to_owned());
    };
    for segment in &playlist.segments {
        for (index, part) in segment.parts.iter().enumerate() {
            let name = || format!("part {index} of segment {} has {:?}", segment.number, part.duration);
            findings.expect(part.duration <= target, Rule::PartTarget, || {
                format!("{}, the part target is {target:?}", name())
            });
            let long_enough = part.duration * 100 >= target * 85;
            findings.expect(long_enough || may_be_short(segment, index, part), Rule::PartTooShort, || {
                format!("{}, 85 % of the part target are {:?}", name(), target * 85 / 100)
            });
        }
        if let Some(duration) = segment.duration.filter(|_| !segment.parts.is_empty()) {
            let sum: Duration = segment.parts.iter().map(|part| part.duration).sum();
            findings.expect(sum.abs_diff(duration) <= TOLERANCE, Rule::PartsOfSegment, || {
                format!("segment {} has {duration:?}, its parts {sum:?}", segment.number)
            });
        }
        let begins_independent = segment.parts.first().is_none_or(|part| part.independent);
        findings.expect(!playlist.independent_segments || begins_independent, Rule::Independent, || {
            format!("segment {} begins with a part that is not independent", segment.number)
        });
    }
}

/// The exceptions of §4.4.4.9. The last part of a segment that is not complete may be its last.
fn may_be_short(segment: &Segment, index: usize, part: &Part) -> bool {
    match segment.parts.get(index + 1) {
        None => true,
        Some(next) => part.independent || part.gap || next.gap,
    }
}

fn server_control(playlist: &MediaPlaylist, findings: &mut Findings) {
    let control = playlist.server_control.clone().unwrap_or_default();
    let target = Duration::from_secs(playlist.target_duration.unwrap_or(0));
    if let Some(hold_back) = control.hold_back {
        findings.expect(hold_back >= target * 3, Rule::HoldBack, || {
            format!("HOLD-BACK {hold_back:?} with a target duration of {target:?}")
        });
    }
    if let Some(boundary) = control.can_skip_until {
        findings.expect(boundary >= target * 6, Rule::SkipBoundary, || {
            format!("CAN-SKIP-UNTIL {boundary:?} with a target duration of {target:?}")
        });
    }
    findings.expect(playlist.skipped.is_none() || control.can_skip_until.is_some(), Rule::Delta, || {
        "EXT-X-SKIP without CAN-SKIP-UNTIL".to_owned()
    });
    let Some(part_target) = playlist.part_target else { return };
    match control.part_hold_back {
        None => findings.add(Rule::HoldBack, "parts without PART-HOLD-BACK"),
        Some(hold_back) => findings.expect(hold_back >= part_target * 2, Rule::HoldBack, || {
            format!("PART-HOLD-BACK {hold_back:?} with a part target of {part_target:?}")
        }),
    }
    findings.expect(control.can_block_reload, Rule::BlockingReload, || {
        "parts without CAN-BLOCK-RELOAD".to_owned()
    });
}

fn date_times(playlist: &MediaPlaylist, findings: &mut Findings) {
    for pair in playlist.segments.windows(2) {
        let [before, after] = pair else { continue };
        let (Some(begun), Some(next), false) = (before.date_time, after.date_time, after.discontinuity)
        else {
            continue;
        };
        let length = i64::try_from(before.length().as_micros()).unwrap_or(i64::MAX);
        let off = Duration::from_micros((next - begun - length).unsigned_abs());
        findings.expect(off <= DATE_TIME_TOLERANCE, Rule::DateTime, || {
            format!("the date of segment {} is {off:?} off the one before and its duration", after.number)
        });
    }
}

fn hints_and_reports(playlist: &MediaPlaylist, findings: &mut Findings) {
    let listed =
        |uri: &str| playlist.segments.iter().flat_map(|segment| &segment.parts).any(|part| part.uri == uri);
    for (index, hint) in playlist.hints.iter().enumerate() {
        let known = matches!(hint.kind.as_str(), "PART" | "MAP");
        findings.expect(known, Rule::PreloadHint, || format!("a hint of type {}", hint.kind));
        let first = playlist.hints.iter().position(|other| other.kind == hint.kind);
        findings
            .expect(first == Some(index), Rule::PreloadHint, || format!("two hints of type {}", hint.kind));
        findings.expect(!listed(&hint.uri), Rule::PreloadHint, || format!("{} is a part already", hint.uri));
        findings.expect(!playlist.ended, Rule::PreloadHint, || "a hint behind the end".to_owned());
    }
    for report in &playlist.reports {
        let relative = report.uri.as_ref().is_some_and(|uri| !uri.contains("://"));
        findings.expect(relative, Rule::RenditionReport, || "a report without relative URI".to_owned());
        findings.expect(report.last_segment.is_some(), Rule::RenditionReport, || {
            "a report without LAST-MSN".to_owned()
        });
        findings.expect(
            report.last_part.is_some() || playlist.part_target.is_none(),
            Rule::RenditionReport,
            || "a report without LAST-PART".to_owned(),
        );
    }
}
