//! Which of our patterns a permission of MediaMTX stands for.

use media::StreamPath;

use crate::config::PathPattern;

use crate::import::Context;
use crate::import::mapping::Mapping;
use crate::import::paths::PathEntry;
use crate::import::report::Kind;

/// The patterns that a permission's path stands for. MediaMTX has only the paths of its file; here any path may be
/// published that a user's pattern fits, so patterns are narrowed to those paths.
pub(super) fn permitted(
    path: &str,
    publish: bool,
    permission: &Mapping,
    paths: &[PathEntry],
    context: &mut Context<'_>,
) -> Vec<String> {
    if path.is_empty() {
        return everything(paths, publish);
    }
    let origin = permission.origin_of("path");
    let expression = path.starts_with('~');
    // A star is no character of MediaMTX's paths.
    let pattern = PathPattern::parse(path).filter(|_| expression || StreamPath::new(path).is_ok());
    let Some(pattern) = pattern else {
        let message = "found no path; accepted: letters, digits and _ - . ~ /, or ~ and a regular expression";
        context.refuse(&origin, message);
        return Vec::new();
    };
    if paths.iter().any(PathEntry::is_rest) {
        return vec![path.to_owned()];
    }
    let (single, several): (Vec<_>, Vec<_>) = paths
        .iter()
        .filter(|entry| entry.published || !publish)
        .partition(|entry| entry.pattern.literal().is_some());
    let literal = |entry: &&&PathEntry| entry.pattern.literal().is_some_and(|name| pattern.matches(&name));
    if let Some(name) = pattern.literal() {
        if single.iter().chain(&several).any(|entry| entry.pattern.matches(&name)) {
            return vec![path.to_owned()];
        }
        context.report.note(Kind::Ignored, &origin, "no entry of `paths` fits it, so it permits nothing");
        return Vec::new();
    }
    let mut patterns: Vec<_> = single.iter().filter(literal).map(|entry| entry.pattern.to_string()).collect();
    if several.iter().any(|entry| entry.pattern == pattern) {
        patterns.push(path.to_owned());
    } else if !several.is_empty() {
        patterns.push(path.to_owned());
        let text = "permits every path that fits; MediaMTX has only those that fit an entry of `paths` too";
        context.report.note(Kind::Different, &origin, text);
    } else if patterns.is_empty() {
        context.report.note(Kind::Ignored, &origin, "no entry of `paths` fits it, so it permits nothing");
    }
    patterns
}

/// All paths of the file.
pub(super) fn everything(paths: &[PathEntry], publish: bool) -> Vec<String> {
    if paths.iter().any(PathEntry::is_rest) {
        return vec!["*".to_owned()];
    }
    let usable = paths.iter().filter(|entry| entry.published || !publish);
    usable.map(|entry| entry.pattern.to_string()).collect()
}
