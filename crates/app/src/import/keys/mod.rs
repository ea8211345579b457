//! Every key of MediaMTX and what becomes of it: the one table that drives the import and the page
//! `docs/reference/mediamtx.md`.

mod global;
mod path;
mod read;
mod small;

use crate::config::document::{Found, Located};
use crate::config::raw::nearest;
use crate::config::rule::Refusal;

pub(super) use global::GLOBAL;
pub(super) use path::PATH;
pub(super) use small::{ICE_SERVER, PERMISSION, USER};

/// Reads a value by MediaMTX's rule and gives it as TOML.
pub(super) type Reader = fn(&Located) -> Result<String, Vec<Refusal>>;

/// A key of MediaMTX.
#[derive(Debug)]
pub(super) struct Key {
    /// As MediaMTX spells it; with a `*` at the end, all keys that begin so.
    pub(super) name: &'static str,
    pub(super) fate: Fate,
}

/// What becomes of a key.
#[derive(Debug)]
pub(super) enum Fate {
    /// One of our keys, by its path.
    Becomes { ours: &'static str, read: Reader, remark: &'static str },
    /// It takes part in something that code decides; in words.
    Shapes(&'static str),
    /// An old spelling of another key; `how`: what it is to that one, such as "is called".
    Old { of: &'static str, how: &'static str, turn: fn(Found) -> Found },
    /// Nothing, and why. `harmless`: the value, as YAML, that loses nothing; most often MediaMTX's default.
    Ignored { harmless: &'static str, why: &'static str },
}

/// Keys that stand together in the reference.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) keys: &'static [Key],
}

const fn becomes(name: &'static str, ours: &'static str, read: Reader) -> Key {
    Key { name, fate: Fate::Becomes { ours, read, remark: "" } }
}

const fn becomes_but(name: &'static str, ours: &'static str, read: Reader, remark: &'static str) -> Key {
    Key { name, fate: Fate::Becomes { ours, read, remark } }
}

const fn shapes(name: &'static str, what: &'static str) -> Key {
    Key { name, fate: Fate::Shapes(what) }
}

const fn ignored(name: &'static str, harmless: &'static str, why: &'static str) -> Key {
    Key { name, fate: Fate::Ignored { harmless, why } }
}

const fn renamed(name: &'static str, of: &'static str) -> Key {
    Key { name, fate: Fate::Old { of, how: "is called", turn: |found| found } }
}

/// An old key that says the opposite.
const fn negated(name: &'static str, of: &'static str) -> Key {
    let turn = |found| match found {
        Found::Flag(flag) => Found::Flag(!flag),
        other => other,
    };
    Key { name, fate: Fate::Old { of, how: "is the opposite of", turn } }
}

/// An old key with one value where a list stands now.
const fn single(name: &'static str, of: &'static str) -> Key {
    let turn = |found| match found {
        Found::Text(text) => {
            Found::List(vec![Located { place: crate::config::Place::Whole, value: Found::Text(text) }])
        }
        other => other,
    };
    Key { name, fate: Fate::Old { of, how: "is one of the list", turn } }
}

/// The key of that name in `groups`. MediaMTX reads JSON's way, for which `publishIps` is `publishIPs`.
pub(super) fn find(groups: &'static [Group], name: &str) -> Option<&'static Key> {
    let exact = all(groups).find(|key| key.name.eq_ignore_ascii_case(name));
    exact.or_else(|| {
        all(groups).find(|key| key.name.strip_suffix('*').is_some_and(|begin| name.starts_with(begin)))
    })
}

/// The key that was probably meant by `name`.
pub(super) fn meant(groups: &'static [Group], name: &str) -> Option<&'static str> {
    // Nobody's typing error is that long, and the search takes as many steps as the name has letters.
    (name.len() <= 64).then(|| nearest(name, all(groups).map(|key| key.name))).flatten()
}

pub(super) fn all(groups: &'static [Group]) -> impl Iterator<Item = &'static Key> {
    groups.iter().flat_map(|group| group.keys)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::schema::sections;
    use crate::import::yaml;

    const ALL: [&[Group]; 5] = [GLOBAL, PATH, USER, PERMISSION, ICE_SERVER];

    #[test]
    fn every_key_stands_once_and_what_it_becomes_exists() {
        let ours: BTreeSet<String> = sections()
            .iter()
            .flat_map(|section| section.keys.iter().map(|key| section.path(key.name)))
            .collect();
        for groups in ALL {
            let names: Vec<_> = all(groups).map(|key| key.name.to_ascii_lowercase()).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            for key in all(groups) {
                match &key.fate {
                    Fate::Becomes { ours: path, .. } => assert!(ours.contains(*path), "{path}"),
                    Fate::Old { of, .. } => {
                        let target = find(groups, of).unwrap_or_else(|| panic!("{of}"));
                        assert!(!matches!(target.fate, Fate::Old { .. }), "{of}");
                    }
                    Fate::Ignored { harmless, why } => {
                        assert!(yaml::parse_value(harmless).is_some(), "{}: {harmless}", key.name);
                        assert!(!why.is_empty());
                    }
                    Fate::Shapes(what) => assert!(!what.is_empty()),
                }
            }
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_and_a_near_miss_is_suggested() {
        assert_eq!(find(PATH, "publishIps").unwrap().name, "publishIPs");
        assert_eq!(find(PATH, "rpiCameraWidth").unwrap().name, "rpiCamera*");
        assert!(find(GLOBAL, "rtmpAdress").is_none());
        assert_eq!(meant(GLOBAL, "rtmpAdress"), Some("rtmpAddress"));
        assert_eq!(meant(GLOBAL, "xyz"), None);
    }
}
