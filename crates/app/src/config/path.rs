//! What is special about single paths: the checked form of `[[path]]`.

use std::fmt;
use std::time::Duration;

use media::StreamPath;

use super::command::HookCommand;
use super::pattern::PathPattern;
use super::problem::{Place, Problems};
use super::raw::RawTable;
use super::schema::PathEntry;
use super::section::{Section, Settings};
use super::source::{PullSource, Source};

/// What holds for the paths that fit one pattern.
#[derive(Clone, PartialEq, Debug)]
pub struct PathRules {
    /// Which paths.
    pub name: PathPattern,
    /// Where the stream comes from.
    pub source: Source,
    /// When a pull source runs.
    pub source_on_demand: Option<OnDemand>,
    /// The most readers at a time; `None`: as for all streams.
    pub max_readers: Option<u32>,
    /// Whether a second publisher takes the path over; else it is refused.
    pub override_publisher: bool,
    /// Runs from the start of the server to its end.
    pub on_init: Option<Task>,
    /// Runs while the path is wanted and nobody publishes it.
    pub on_demand: Option<(Task, OnDemand)>,
    /// Runs once when `on_demand` has ended.
    pub on_undemand: Option<HookCommand>,
    /// Runs while the stream can be read.
    pub on_available: Option<Task>,
    /// Runs once when the stream can no longer be read.
    pub on_unavailable: Option<HookCommand>,
    /// Runs while a reader reads.
    pub on_read: Option<Task>,
    /// Runs once when a reader has left.
    pub on_unread: Option<HookCommand>,
}

/// A command that runs while its cause lasts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// What runs.
    pub command: HookCommand,
    /// Whether it is started again when it ends by itself.
    pub restart: bool,
}

/// How long something that runs on demand is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnDemand {
    /// How long readers wait for the stream.
    pub start_timeout: Duration,
    /// How long it goes on without readers.
    pub close_after: Duration,
}

impl Task {
    /// A task if there is a command.
    pub(crate) fn new(command: Option<HookCommand>, restart: bool) -> Option<Self> {
        command.map(|command| Self { command, restart })
    }
}

impl PathRules {
    /// Checks one entry. `None` when it has problems, which are noted.
    pub(crate) fn check(raw: RawTable, problems: &mut Problems) -> Option<Self> {
        let before = problems.len();
        let places: Vec<(String, Place)> =
            raw.values.iter().map(|(key, value)| (key.clone(), value.place.clone())).collect();
        let table = raw.place.clone();
        let mut settings = Settings { table: "path", place: raw.place, values: raw.values, problems };
        let entry = PathEntry::read(&mut settings);
        if problems.len() == before {
            for (key, message) in conflicts(&entry) {
                let place = places.iter().find(|(name, _)| name == key).map_or(&table, |(_, place)| place);
                problems.add(place.clone(), format!("path.{key}"), message);
            }
        }
        (problems.len() == before).then(|| entry.into())
    }

    /// Whether the rules are about `path` alone.
    pub fn is_about(&self, path: &StreamPath) -> bool {
        self.name.literal().is_some_and(|literal| literal == *path)
    }
}

impl fmt::Display for PathRules {
    /// In words, without anything that may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if let Source::Pull(source) = &self.source {
            let when = if self.source_on_demand.is_some() { ", on demand" } else { "" };
            words.push(format!("from {}{when}", source.scheme));
        }
        if let Some(readers) = self.max_readers {
            words.push(format!("at most {readers} readers"));
        }
        if !self.override_publisher {
            words.push("one publisher at a time".to_owned());
        }
        let commands = [
            (self.on_init.is_some(), "on_init"),
            (self.on_demand.is_some(), "on_demand"),
            (self.on_undemand.is_some(), "on_undemand"),
            (self.on_available.is_some(), "on_available"),
            (self.on_unavailable.is_some(), "on_unavailable"),
            (self.on_read.is_some(), "on_read"),
            (self.on_unread.is_some(), "on_unread"),
        ];
        let commands: Vec<_> = commands.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if !commands.is_empty() {
            words.push(format!("runs a command {}", commands.join(", ")));
        }
        let words = if words.is_empty() { "nothing special".to_owned() } else { words.join("; ") };
        write!(f, "{}: {words}", self.name)
    }
}

/// The keys that contradict others, each with the reason.
fn conflicts(entry: &PathEntry) -> Vec<(&'static str, &'static str)> {
    let literal = entry.name.literal().is_some();
    let is_path = literal || entry.name.as_str().contains('*') || entry.name.as_str().starts_with('~');
    let published = entry.source == Source::Publisher;
    let in_tls = matches!(&entry.source, Source::Pull(pull) if pull.scheme.is_tls());
    let found = [
        (!is_path, "name", "found a path with an empty, '.' or '..' segment; accepted: a path without one"),
        (
            published && entry.source_on_demand,
            "source_on_demand",
            "is for sources that are URLs; a publisher comes when it comes (run_on_demand may call one)",
        ),
        (
            entry.source_fingerprint.is_some() && !in_tls,
            "source_fingerprint",
            "is for sources in TLS; accepted: with a URL that begins with rtsps:// or rtmps://",
        ),
        (
            !published && !literal && !entry.source_on_demand,
            "source",
            "a URL cannot run for every path that fits a pattern; accepted: source_on_demand = true, or one path as the name",
        ),
        (
            !published && (entry.run_on_demand.is_some() || entry.run_on_undemand.is_some()),
            if entry.run_on_demand.is_some() { "run_on_demand" } else { "run_on_undemand" },
            "is for paths that somebody publishes; a source that is a URL has source_on_demand",
        ),
        (
            entry.run_on_undemand.is_some() && entry.run_on_demand.is_none(),
            "run_on_undemand",
            "runs when run_on_demand has ended, which is not set",
        ),
        (
            entry.run_on_init.is_some() && !literal,
            "run_on_init",
            "cannot run for every path that fits a pattern; accepted: with one path as the name",
        ),
    ];
    found.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, key, message)| (key, message)).collect()
}

impl From<PathEntry> for PathRules {
    fn from(entry: PathEntry) -> Self {
        let source_on_demand = OnDemand {
            start_timeout: entry.source_on_demand_start_timeout_ms,
            close_after: entry.source_on_demand_close_after_ms,
        };
        let run_on_demand = OnDemand {
            start_timeout: entry.run_on_demand_start_timeout_ms,
            close_after: entry.run_on_demand_close_after_ms,
        };
        let source = match entry.source {
            Source::Pull(pull) => Source::Pull(PullSource { fingerprint: entry.source_fingerprint, ..pull }),
            Source::Publisher => Source::Publisher,
        };
        Self {
            name: entry.name,
            source,
            source_on_demand: entry.source_on_demand.then_some(source_on_demand),
            max_readers: entry.max_readers,
            override_publisher: entry.override_publisher,
            on_init: Task::new(entry.run_on_init, entry.run_on_init_restart),
            on_demand: Task::new(entry.run_on_demand, entry.run_on_demand_restart)
                .map(|task| (task, run_on_demand)),
            on_undemand: entry.run_on_undemand,
            on_available: Task::new(entry.run_on_available, entry.run_on_available_restart),
            on_unavailable: entry.run_on_unavailable,
            on_read: Task::new(entry.run_on_read, entry.run_on_read_restart),
            on_unread: entry.run_on_unread,
        }
    }
}

/// Notes entries whose name stands in an earlier one: they would never be asked.
pub(crate) fn check_names(entries: &[RawTable], problems: &mut Problems) {
    let mut seen: Vec<(&super::document::Found, &Place)> = Vec::new();
    for name in entries.iter().filter_map(|entry| entry.values.get("name")) {
        if let Some((_, Place::File { line, .. })) = seen.iter().find(|(known, _)| **known == name.value) {
            let message = format!("stands in line {line} already; accepted: one [[path]] for each name");
            problems.add(name.place.clone(), "path.name", message);
        }
        seen.push((&name.value, &name.place));
    }
}
