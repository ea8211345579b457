//! One level of MediaMTX's file, sorted by the table of keys: old names are read as the new ones, and what is ignored or
//! unknown is noted.

use std::collections::BTreeMap;

use crate::config::document::{Entry, Found, Located};
use crate::config::rule::{Refusal, Rule};

use super::Context;
use super::keys::{self, Fate, Group};
use super::report::{Kind, Origin};
use super::yaml;

/// A value that was written, and where.
#[derive(Clone, Debug)]
struct Written {
    origin: Origin,
    value: Located,
}

/// A value that was read, and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Taken<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// The written keys of one level that mean something here.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    groups: &'static [Group],
    values: BTreeMap<&'static str, Written>,
    /// Where the level begins.
    pub(super) origin: Origin,
}

impl Mapping {
    /// Sorts the entries of the level at `origin`, whose keys are `groups`.
    pub(super) fn open(
        entries: Vec<Entry>,
        groups: &'static [Group],
        origin: Origin,
        context: &mut Context<'_>,
    ) -> Self {
        let mut mapping = Self { groups, values: BTreeMap::new(), origin };
        let (old, new): (Vec<_>, Vec<_>) =
            entries.into_iter().filter(|entry| !yaml::is_nothing(&entry.value.value)).partition(|entry| {
                keys::find(groups, &entry.key).is_some_and(|key| matches!(key.fate, Fate::Old { .. }))
            });
        // As MediaMTX does it: an old key that is written beside the new one wins.
        for entry in new.into_iter().chain(old) {
            mapping.take(entry, context);
        }
        mapping
    }

    fn take(&mut self, entry: Entry, context: &mut Context<'_>) {
        let Entry { place, key, mut value } = entry;
        let path =
            if self.origin.key.is_empty() { key.clone() } else { format!("{}.{key}", self.origin.key) };
        let origin = Origin { key: path, place: value.place.clone() };
        let Some(known) = keys::find(self.groups, &key) else {
            let meant =
                if context.report.is_full(Kind::Unknown) { None } else { keys::meant(self.groups, &key) };
            let text = meant
                .map_or_else(|| "nothing is like it".to_owned(), |meant| format!("did you mean `{meant}`?"));
            context.report.note(Kind::Unknown, &Origin { place, ..origin }, text);
            return;
        };
        let known = match &known.fate {
            Fate::Old { of, how, turn } => {
                value.value = turn(value.value);
                context.report.note(Kind::Old, &origin, format!("{how} `{of}` now"));
                keys::find(self.groups, of).expect("old names lead to new ones: a test reads the table")
            }
            _ => known,
        };
        match &known.fate {
            Fate::Ignored { harmless, why } => {
                if !same(harmless, &value.value) {
                    context.report.note(Kind::Ignored, &origin, *why);
                }
            }
            _ => self.put(known.name, Written { origin, value }),
        }
    }

    fn put(&mut self, name: &'static str, written: Written) {
        // The one old key whose value is added to the new one's.
        if name == "webrtcICEServers2"
            && let Some(Written { value: Located { value: Found::List(all), .. }, .. }) =
                self.values.get_mut(name)
            && let Found::List(more) = &written.value.value
        {
            all.extend_from_slice(more);
            return;
        }
        self.values.insert(name, written);
    }

    /// The same with `defaults` where a key is not written.
    pub(super) fn over(mut self, defaults: &Self) -> Self {
        for (key, value) in &defaults.values {
            self.values.entry(key).or_insert_with(|| value.clone());
        }
        self
    }

    /// Whether `key` is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Where `key` is written; else the level's beginning.
    pub(super) fn origin_of(&self, key: &str) -> Origin {
        self.values.get(key).map_or_else(|| Origin::default_of(key), |written| written.origin.clone())
    }

    /// Reads a key. `None` if it is not written or wrong, which is noted.
    pub(super) fn read<R: Rule>(
        &self,
        key: &str,
        rule: &R,
        context: &mut Context<'_>,
    ) -> Option<Taken<R::Value>> {
        self.read_by(key, |found| rule.read(found), context)
    }

    /// The same by a function.
    pub(super) fn read_by<T>(
        &self,
        key: &str,
        read: impl Fn(&Located) -> Result<T, Vec<Refusal>>,
        context: &mut Context<'_>,
    ) -> Option<Taken<T>> {
        debug_assert!(keys::find(self.groups, key).is_some(), "{key} is in the table");
        let written = self.values.get(key)?;
        match read(&written.value) {
            Ok(value) => Some(Taken { value, origin: written.origin.clone() }),
            Err(refusals) => {
                for refusal in refusals {
                    context
                        .refuse(&Origin { place: refusal.place, ..written.origin.clone() }, refusal.message);
                }
                None
            }
        }
    }

    /// Reads a key, or gives what MediaMTX has without it.
    pub(super) fn read_or<R: Rule>(
        &self,
        key: &str,
        rule: &R,
        default: R::Value,
        context: &mut Context<'_>,
    ) -> R::Value {
        self.read(key, rule, context).map_or(default, |taken| taken.value)
    }

    /// Takes a key's section.
    pub(super) fn section(&self, key: &str, context: &mut Context<'_>) -> Option<Taken<Vec<Entry>>> {
        self.read_by(key, |found| section(found, "keys with values"), context)
    }

    /// Takes a key's list of sections, each with its origin.
    pub(super) fn sections(&self, key: &str, context: &mut Context<'_>) -> Option<Vec<Taken<Vec<Entry>>>> {
        let list = self.read_by(
            key,
            |found| match &found.value {
                Found::List(items) => Ok(items.clone()),
                other => refuse(found, other, "a list"),
            },
            context,
        )?;
        let mut sections = Vec::new();
        for (number, item) in list.value.iter().enumerate() {
            let origin = Origin { key: format!("{}[{number}]", list.origin.key), place: item.place.clone() };
            match section(item, "keys with values, behind a dash") {
                Ok(value) => sections.push(Taken { value, origin }),
                Err(refusals) => {
                    for refusal in refusals {
                        context.refuse(&Origin { place: refusal.place, ..origin.clone() }, refusal.message);
                    }
                }
            }
        }
        Some(sections)
    }
}

fn section(found: &Located, accepted: &str) -> Result<Vec<Entry>, Vec<Refusal>> {
    match &found.value {
        Found::Section(entries) => Ok(entries.clone()),
        other => refuse(found, other, accepted),
    }
}

/// What stands where a section should may be a password on the wrong line.
fn refuse<T>(found: &Located, other: &Found, accepted: &str) -> Result<T, Vec<Refusal>> {
    let what = match other {
        Found::List(_) | Found::Section(_) => other.to_string(),
        Found::Text(_) | Found::Integer(_) | Found::Flag(_) | Found::Other(_) => "a single value".to_owned(),
    };
    Err(vec![Refusal { place: found.place.clone(), message: format!("found {what}; accepted: {accepted}") }])
}

/// Whether `found` is the value `text`, places aside.
fn same(text: &str, found: &Found) -> bool {
    yaml::parse_value(text).is_some_and(|value| alike(&value, found))
}

fn alike(a: &Found, b: &Found) -> bool {
    match (a, b) {
        (Found::List(a), Found::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(&a.value, &b.value))
        }
        (Found::Section(a), Found::Section(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.key == b.key && alike(&a.value.value, &b.value.value))
        }
        _ => a == b,
    }
}
