//! `pathDefaults` and `paths`: a `[[path]]` for each path that has something special.

use media::StreamPath;

use crate::config::document::Entry;
use crate::config::rule::Flag;
use crate::config::{PathPattern, Source};

use super::Context;
use super::draft::{Block, quoted};
use super::keys::{self, Fate, PATH};
use super::mapping::Mapping;
use super::report::{Kind, Origin};
use super::value::Words;

/// A path of MediaMTX's file.
#[derive(Debug)]
pub(super) struct PathEntry {
    /// As our pattern; `*` for what no other entry fits.
    pub(super) pattern: PathPattern,
    /// Its keys over `pathDefaults`.
    pub(super) keys: Mapping,
    /// Whether somebody may publish it: it has no source of its own.
    pub(super) published: bool,
}

impl PathEntry {
    /// Whether it is about every path that has no other entry.
    pub(super) fn is_rest(&self) -> bool {
        self.pattern.as_str() == "*"
    }
}

/// Where the stream of a path comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Feed {
    /// From whoever publishes it.
    Publisher,
    /// From another server, or from a source that we do not have.
    Elsewhere,
    /// From another server in TLS.
    Tls,
}

/// The most paths; each may stand in every user's entry.
const PATHS: usize = 2_000;

/// Sources that MediaMTX has and we do not.
const OTHER_SOURCES: &[&str] = &[
    "rtsp+http",
    "rtsps+http",
    "rtsp+ws",
    "rtsps+ws",
    "http",
    "https",
    "udp",
    "udp+mpegts",
    "unix+mpegts",
    "udp+rtp",
    "unix+rtp",
    "srt",
    "moqt",
    "whep",
    "wheps",
];

/// Writes `[[path]]` and gives all paths, in our order: single ones, then expressions by name, then the rest.
pub(super) fn write(root: &Mapping, context: &mut Context<'_>) -> Vec<PathEntry> {
    let defaults = root.section("pathDefaults", context);
    let defaults = defaults.map(|taken| Mapping::open(taken.value, PATH, taken.origin, context));
    let Some(paths) = root.section("paths", context) else { return Vec::new() };
    let mut entries = paths.value;
    if entries.len() > PATHS {
        let message = format!("found {} paths; accepted: {PATHS} at most", entries.len());
        context.refuse(&paths.origin, message);
        return Vec::new();
    }
    entries.sort_by(|a, b| order(&a.key).cmp(&order(&b.key)));
    let mut read: Vec<(PathEntry, Block)> = Vec::new();
    for entry in entries {
        let Some((path, block)) = path(entry, defaults.as_ref(), context) else { continue };
        if path.is_rest() && read.last().is_some_and(|(last, _)| last.is_rest()) {
            let message = "stands for the same paths as `all_others`; accepted: one of them";
            context.refuse(&path.keys.origin, message);
            continue;
        }
        read.push((path, block));
    }
    add(read, context)
}

/// Writes the entries that say something, and those that keep a later pattern off their paths.
fn add(read: Vec<(PathEntry, Block)>, context: &mut Context<'_>) -> Vec<PathEntry> {
    let mut needed: Vec<bool> = Vec::with_capacity(read.len());
    // The patterns that are written behind the entry at hand.
    let mut later: Vec<&PathPattern> = Vec::new();
    for (path, block) in read.iter().rev() {
        let literal = path.pattern.literal();
        // Whether two expressions have a path in common is more than one wants to find out.
        let fits = |pattern: &&PathPattern| literal.as_ref().is_none_or(|name| pattern.matches(name));
        needed.push(block.says_something() || later.iter().any(fits));
        if literal.is_none() && needed.last() == Some(&true) {
            later.push(&path.pattern);
        }
    }
    let mut paths = Vec::with_capacity(read.len());
    for ((path, block), needed) in read.into_iter().zip(needed.into_iter().rev()) {
        if needed {
            context.draft.add(block);
        }
        paths.push(path);
    }
    paths
}

/// MediaMTX asks expressions in the order of their names and `all_others` at the end; our file's order counts.
fn order(name: &str) -> (u8, &str) {
    match name {
        "all" | "all_others" | "~^.*$" => (2, ""),
        _ if name.starts_with('~') => (1, name),
        _ => (0, ""),
    }
}

fn path(entry: Entry, defaults: Option<&Mapping>, context: &mut Context<'_>) -> Option<(PathEntry, Block)> {
    let origin = Origin { key: format!("paths.{}", entry.key), place: entry.place.clone() };
    let pattern = pattern(&entry.key, &origin, context);
    let here = Origin { place: entry.value.place.clone(), ..origin.clone() };
    let entries = super::entries(entry.value, &here, context)?;
    let own = Mapping::open(entries, PATH, origin, context);
    let keys = match defaults {
        Some(defaults) => own.over(defaults),
        None => own,
    };
    let pattern = pattern?;
    let mut block = Block::entry("path");
    context.draft.set_in(&mut block, "name", quoted(pattern.as_str()), &keys.origin, &mut context.report);
    let feed = source(&keys, &mut block, context);
    settings(&keys, feed, &mut block, context);
    let published = feed == Feed::Publisher;
    if let Some(name) = pattern.as_str().strip_suffix("_aac").filter(|_| published) {
        let text = format!("readers of it get {name} with AAC, without an ffmpeg that makes it");
        context.report.note(Kind::Different, &keys.origin, text);
    }
    Some((PathEntry { pattern, keys, published }, block))
}

/// The pattern of a name; `None` if it has none here, which is noted.
fn pattern(name: &str, origin: &Origin, context: &mut Context<'_>) -> Option<PathPattern> {
    let text = if order(name).0 == 2 { "*" } else { name };
    // A star is no character of MediaMTX's names.
    let single = text.starts_with('~') || text == "*" || StreamPath::new(text).is_ok();
    let pattern = PathPattern::parse(text).filter(|_| single);
    if pattern.is_some() {
        return pattern;
    }
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/.~:".contains(&byte);
    let known = !name.is_empty()
        && !name.starts_with(['/', '~'])
        && !name.ends_with('/')
        && name.bytes().all(accepted);
    if known {
        let text = "left out: a path here has letters, digits and _ - . ~, in parts separated by /, and no part is empty, '.' or '..'";
        context.report.note(Kind::Decide, origin, text);
    } else {
        let message = "found a name that is none; accepted: letters, digits and _ - . ~ /, or ~ and a regular expression";
        context.refuse(origin, message);
    }
    None
}

/// Writes the source.
fn source(keys: &Mapping, block: &mut Block, context: &mut Context<'_>) -> Feed {
    let Some(source) = keys.read("source", &Words, context) else { return Feed::Publisher };
    let scheme = source.value.split_once("://").map(|(scheme, _)| scheme);
    match (source.value.as_str(), scheme) {
        ("publisher", _) => return Feed::Publisher,
        (word @ ("redirect" | "rpiCamera"), _) | (_, Some(word)) if word_is_foreign(word) => {
            let text = format!("{word} is no source here; this [[path]] stands as a comment");
            context.report.note(Kind::Decide, &source.origin, text.clone());
            block.turn_off(text);
        }
        (_, Some("rtsp" | "rtmp" | "rtsps" | "rtmps")) => {
            let literal = quoted(&source.value);
            context.draft.set_in(block, "source", literal, &source.origin, &mut context.report);
            if let Err(what) = Source::parse(&source.value) {
                let text = format!("found {what}; this [[path]] stands as a comment");
                context.report.note(Kind::Decide, &source.origin, text.clone());
                block.turn_off(text);
            }
        }
        _ => {
            let message =
                "found no source of MediaMTX; accepted: \"publisher\" or a URL such as \"rtsp://HOST/PATH\"";
            context.refuse(&source.origin, message);
        }
    }
    if matches!(scheme, Some("rtsps" | "rtmps")) { Feed::Tls } else { Feed::Elsewhere }
}

fn word_is_foreign(word: &str) -> bool {
    ["redirect", "rpiCamera"].contains(&word) || OTHER_SOURCES.contains(&word)
}

/// Writes what the table says, and when a source runs.
fn settings(keys: &Mapping, feed: Feed, block: &mut Block, context: &mut Context<'_>) {
    let on_demand = keys.read("sourceOnDemand", &Flag, context).filter(|taken| taken.value);
    if let Some(taken) = on_demand.as_ref().filter(|_| feed != Feed::Publisher) {
        context.draft.set_in(block, "source_on_demand", "true".into(), &taken.origin, &mut context.report);
    }
    for key in keys::all(PATH) {
        let Fate::Becomes { ours, read, .. } = key.fate else { continue };
        let Some(taken) = keys.read_by(key.name, read, context) else { continue };
        let name = ours.strip_prefix("path.").expect("keys of a path become keys of [[path]]");
        let idle = match name {
            "source_fingerprint" => feed != Feed::Tls,
            _ => on_demand.is_none() && name.starts_with("source_on_demand"),
        };
        if idle {
            continue;
        }
        context.draft.set_in(block, name, taken.value, &taken.origin, &mut context.report);
    }
}
