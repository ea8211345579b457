//! What was written, before it is checked: the document's values by key path, and over them the environment's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use super::document::{Entry, Found, Located};
use super::problem::{Place, Problems};
use super::schema;
use super::section::{Description, Key, Settings, join};

/// The prefix of every environment variable that sets a key.
pub(crate) const PREFIX: &str = "MEDLEY_";

/// The written values.
#[derive(Debug)]
pub(crate) struct Raw {
    sections: Vec<Description>,
    /// By key path.
    values: BTreeMap<String, Located>,
    /// The entries of each repeated table, by the table's path.
    repeated: BTreeMap<&'static str, Vec<RawTable>>,
    /// Key path and variable of what the environment set.
    pub(crate) overrides: Vec<(String, String)>,
    /// Variables of our prefix that set nothing.
    pub(crate) ignored: Vec<String>,
}

/// One entry of a repeated table.
#[derive(Debug)]
pub(crate) struct RawTable {
    pub(crate) place: Place,
    /// By the keys' names within the table.
    pub(crate) values: BTreeMap<String, Located>,
}

impl Raw {
    /// Sorts a document's values to their keys; unknown ones are noted.
    pub(crate) fn new(document: Vec<Entry>, problems: &mut Problems) -> Self {
        let mut raw = Self {
            sections: schema::sections(),
            values: BTreeMap::new(),
            repeated: BTreeMap::new(),
            overrides: Vec::new(),
            ignored: Vec::new(),
        };
        raw.table("", document, problems);
        raw
    }

    /// Sorts the entries of the table at `path` (recursively: `auth.user` lies in `auth`).
    fn table(&mut self, path: &str, entries: Vec<Entry>, problems: &mut Problems) {
        for entry in entries {
            let key_path = join(path, &entry.key);
            if self.find(&key_path).is_some() {
                self.values.insert(key_path, entry.value);
                continue;
            }
            let repeated = self.sections.iter().find(|section| section.table == key_path && section.repeated);
            if let Some(table) = repeated.map(|section| section.table) {
                self.entries_of(table, entry.value, problems);
            } else if self.is_table(&key_path) {
                match entry.value.value {
                    Found::Section(inner) => self.table(&key_path, inner, problems),
                    other => {
                        let message = format!("found {other}; accepted: a section, [{key_path}]");
                        problems.add(entry.value.place, key_path, message);
                    }
                }
            } else {
                problems.add(entry.place, key_path, self.unknown(path, &entry.key));
            }
        }
    }

    /// Sorts the entries of a repeated table.
    fn entries_of(&mut self, table: &'static str, value: Located, problems: &mut Problems) {
        let wrong = |found: &Found| format!("found {found}; accepted: sections, each headed [[{table}]]");
        let Found::List(items) = value.value else {
            problems.add(value.place, table, wrong(&value.value));
            return;
        };
        for item in items {
            let Found::Section(entries) = item.value else {
                problems.add(item.place, table, wrong(&item.value));
                continue;
            };
            let mut values = BTreeMap::new();
            for entry in entries {
                let key_path = join(table, &entry.key);
                if self.known().any(|(section, key)| section.path(key.name) == key_path) {
                    values.insert(entry.key, entry.value);
                } else {
                    problems.add(entry.place, key_path, self.unknown(table, &entry.key));
                }
            }
            self.repeated.entry(table).or_default().push(RawTable { place: item.place, values });
        }
    }

    /// Puts the environment's variables over the document's values; names that are nearly a key's are noted.
    pub(crate) fn overlay(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        problems: &mut Problems,
    ) {
        for (name, text) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let place = Place::Variable(Arc::from(name));
            let known = self.known().find(|(section, key)| variable(&section.path(key.name)) == name);
            let Some((section, key)) = known else {
                match self.unknown_variable(name) {
                    Some(message) => problems.add(place, "", message),
                    None => self.ignored.push(name.to_owned()),
                }
                continue;
            };
            let (path, shape) = (section.path(key.name), key.shape);
            if section.repeated {
                let message =
                    format!("[[{}]] may stand several times, so only the file can set it", section.table);
                problems.add(place, path, message);
                continue;
            }
            let Some(text) = text.to_str() else {
                problems.add(place, path, "the value is not UTF-8");
                continue;
            };
            let value = shape.read_variable(text, &place);
            self.overrides.push((path.clone(), name.to_owned()));
            self.values.insert(path, Located { place, value });
        }
        self.overrides.sort();
        self.ignored.sort();
    }

    /// The values of one table, for its section to read; leaves none behind.
    pub(crate) fn settings<'p>(&mut self, table: &'static str, problems: &'p mut Problems) -> Settings<'p> {
        let keys =
            self.sections.iter().filter(|section| section.table == table).flat_map(|section| &section.keys);
        let values =
            keys.filter_map(|key| Some((key.name.to_owned(), self.values.remove(&join(table, key.name))?)));
        Settings { table, place: Place::Whole, values: values.collect(), problems }
    }

    /// The entries of a repeated table; leaves none behind.
    pub(crate) fn take_repeated(&mut self, table: &str) -> Vec<RawTable> {
        self.repeated.remove(table).unwrap_or_default()
    }

    /// Where each key of a table was written; keys that were not are left out.
    pub(crate) fn places(&self, table: &str) -> Vec<(&'static str, Place)> {
        let keys =
            self.sections.iter().filter(|section| section.table == table).flat_map(|section| &section.keys);
        keys.filter_map(|key| Some((key.name, self.values.get(&join(table, key.name))?.place.clone())))
            .collect()
    }

    fn known(&self) -> impl Iterator<Item = (&Description, &Key)> {
        self.sections.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
    }

    /// A key that stands once, by its path.
    fn find(&self, key_path: &str) -> Option<(&Description, &Key)> {
        self.known().find(|(section, key)| !section.repeated && section.path(key.name) == key_path)
    }

    /// Whether `path` is a section or holds one.
    fn is_table(&self, path: &str) -> bool {
        self.sections.iter().any(|section| {
            section.table.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Says that `key` is not known in `table`, and what may have been meant: a key beside it, a section, or a key of
    /// that name elsewhere.
    fn unknown(&self, table: &str, key: &str) -> String {
        let inner = self.sections.iter().filter_map(|section| {
            let rest = section.table.strip_prefix(table)?;
            let inner = if table.is_empty() { rest } else { rest.strip_prefix('.')? };
            inner.split('.').next().filter(|name| !name.is_empty())
        });
        let keys = self.known().filter(|(section, _)| section.table == table).map(|(_, known)| known.name);
        let mut accepted: Vec<_> = keys.chain(inner).collect();
        accepted.dedup();
        if let Some(meant) = nearest(key, accepted.iter().copied()) {
            return format!("unknown key; did you mean `{meant}`?");
        }
        if let Some((section, known)) = self.known().find(|(_, known)| known.name == key) {
            return format!("unknown key here; did you mean `{}`?", section.path(known.name));
        }
        let place = if table.is_empty() { String::new() } else { format!(" in [{table}]") };
        format!("unknown key; accepted{place}: {}", accepted.join(", "))
    }

    /// What is wrong with a variable that sets no key; `None` if it was hardly meant to: Kubernetes gives every
    /// container `MEDLEY_SERVICE_HOST` and `MEDLEY_PORT_8080_TCP` when a service is called `medley`.
    fn unknown_variable(&self, name: &str) -> Option<String> {
        let once = || self.known().filter(|(section, _)| !section.repeated);
        let variables: Vec<_> = once().map(|(section, key)| variable(&section.path(key.name))).collect();
        // The prefix, which all share, would make everything look alike.
        let bare = variables.iter().filter_map(|name| name.strip_prefix(PREFIX));
        if let Some(meant) = name.strip_prefix(PREFIX).and_then(|name| nearest(name, bare)) {
            return Some(format!("sets no known key; did you mean {PREFIX}{meant}?"));
        }
        let (section, _) = once().find(|(section, _)| {
            !section.table.is_empty() && name.starts_with(&format!("{}_", variable(section.table)))
        })?;
        let keys: Vec<_> = section.keys.iter().map(|key| key.name).collect();
        Some(format!("sets no known key; accepted in [{}]: {}", section.table, keys.join(", ")))
    }
}

/// The environment variable of a key.
pub(crate) fn variable(key_path: &str) -> String {
    format!("{PREFIX}{}", key_path.replace('.', "_").to_ascii_uppercase())
}

/// The candidate that is most like `word`, if one is much like it.
pub(crate) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // A third of the letters may be wrong: `rtpm` is `rtmp`, `port` is nothing.
    let near = |candidate: &&str| {
        let distance = strsim::damerau_levenshtein(word, candidate);
        distance * 3 <= word.chars().count().max(3)
    };
    candidates.filter(near).min_by_key(|candidate| strsim::damerau_levenshtein(word, candidate))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_key_has_a_variable_of_its_own() {
        let sections = schema::sections();
        let paths: Vec<_> = sections.iter().flat_map(|s| s.keys.iter().map(|key| s.path(key.name))).collect();
        let variables: BTreeSet<_> = paths.iter().map(|path| variable(path)).collect();
        assert_eq!(variables.len(), paths.len());
        assert!(variables.contains("MEDLEY_LISTEN_RTMP") && variables.contains("MEDLEY_DATA_DIR"));
    }

    #[test]
    fn a_near_miss_has_a_suggestion_and_a_far_one_has_none() {
        let keys = ["http", "rtmp", "rtmps", "webrtc"];
        assert_eq!(nearest("rtpm", keys.into_iter()), Some("rtmp"));
        assert_eq!(nearest("webrct", keys.into_iter()), Some("webrtc"));
        assert_eq!(nearest("port", keys.into_iter()), None);
        assert_eq!(nearest("srt", keys.into_iter()), None);
    }
}
