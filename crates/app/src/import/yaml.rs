//! A YAML document as the tree that the configuration is read from, every key and value with its place.
//!
//! The grammar is saphyr-parser's; what plain words mean is what MediaMTX's own reader takes them for: the core schema
//! of YAML 1.2 (§10.3.2), and `yes`, `no`, `on` and `off` of YAML 1.1 as booleans.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::config::document::{Entry, Found, Located};
use crate::config::{Place, Problems};

/// How deep sections and lists may be within each other; MediaMTX's own go to 5.
const DEPTH: usize = 32;
/// The most values of a document, each alias counted as all that it stands for: an "alias bomb" ends here.
const VALUES: usize = 100_000;

/// A value that is not there, as in `key:`; MediaMTX takes it for a key that was not written.
const NOTHING: &str = "nothing";

/// Whether a key has no value.
pub(super) fn is_nothing(found: &Found) -> bool {
    matches!(found, Found::Other(text) if text == NOTHING)
}

/// Parses a whole document: its root's entries, in order. What is wrong goes to `problems`: the first syntax error, and
/// every key that is written twice.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Vec<Entry> {
    match tree(text, problems) {
        Ok(Some(Located { value: Found::Section(entries), .. })) => entries,
        Ok(None) => Vec::new(),
        Ok(Some(root)) if is_nothing(&root.value) => Vec::new(),
        Ok(Some(root)) => {
            problems.add(root.place, "", format!("found {}; accepted: keys with values", root.value));
            Vec::new()
        }
        Err(wrong) => {
            problems.add(wrong.place, "", wrong.message);
            Vec::new()
        }
    }
}

/// Parses one value, such as a default of MediaMTX; `None` if it is not YAML.
pub(super) fn parse_value(text: &str) -> Option<Found> {
    tree(text, &mut Problems::new(None)).ok()?.map(|root| root.value)
}

/// Why the rest of a document cannot be read.
struct Wrong {
    place: Place,
    message: String,
}

impl Wrong {
    fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into() }
    }
}

impl From<ScanError> for Wrong {
    fn from(error: ScanError) -> Self {
        let (line, column) = (error.marker().line(), error.marker().col() + 1);
        Self { place: Place::File { line, column }, message: format!("not YAML: {}", error.info()) }
    }
}

fn tree(text: &str, problems: &mut Problems) -> Result<Option<Located>, Wrong> {
    let mut builder = Builder { problems, open: Vec::new(), anchors: BTreeMap::new(), root: None, values: 0 };
    let mut parser = Parser::<StrInput<'_>>::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event?;
        builder.take(event, &span)?;
    }
    Ok(builder.root)
}

/// A section or list that has begun.
struct Open {
    place: Place,
    anchor: usize,
    inner: Inner,
}

enum Inner {
    List(Vec<Located>),
    /// The entries so far, and the key whose value comes next.
    Section(Vec<Entry>, Option<(Place, String)>),
}

/// Builds the tree out of the parser's events, without recursion.
struct Builder<'p> {
    problems: &'p mut Problems,
    open: Vec<Open>,
    /// What anchors stand for, by their number.
    anchors: BTreeMap<usize, Located>,
    root: Option<Located>,
    /// Values so far.
    values: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Wrong> {
        let place = Place::File { line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // `!!str 5` and the like: a tag says what it is, and it is a text in what anyone writes here.
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain { plain_scalar(&text) } else { Found::Text(text.into_owned()) };
                self.value(anchor, Located { place, value })
            }
            Event::SequenceStart(anchor, _) => self.begin(place, anchor, Inner::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.begin(place, anchor, Inner::Section(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(value) = self.anchors.get(&anchor) else {
                    return Err(Wrong::at(&place, "an alias that stands within its own anchor"));
                };
                self.values += count(&value.value, VALUES);
                if self.values > VALUES {
                    return Err(Wrong::at(&place, TOO_MANY));
                }
                let value = value.clone();
                self.value(0, value)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Wrong::at(&place, "a second document; accepted: one"))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, inner: Inner) -> Result<(), Wrong> {
        if self.open.len() == DEPTH {
            return Err(Wrong::at(&place, format!("nested deeper than {DEPTH} levels")));
        }
        self.open.push(Open { place, anchor, inner });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let Some(Open { place, anchor, inner }) = self.open.pop() else { return Ok(()) };
        let value = match inner {
            Inner::List(items) => Found::List(items),
            Inner::Section(entries, _) => Found::Section(self.merged(entries)),
        };
        self.value(anchor, Located { place, value })
    }

    /// A whole value: a key, or what belongs into the innermost section or list.
    fn value(&mut self, anchor: usize, value: Located) -> Result<(), Wrong> {
        self.values += 1;
        if self.values > VALUES {
            return Err(Wrong::at(&value.place, TOO_MANY));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut().map(|open| &mut open.inner) {
            None => self.root = Some(value),
            Some(Inner::List(items)) => items.push(value),
            Some(Inner::Section(entries, key)) => match key.take() {
                Some((place, key)) => entries.push(Entry { place, key, value }),
                None => *key = Some((value.place.clone(), name(&value)?)),
            },
        }
        Ok(())
    }

    /// The entries of a section with what `<<` merges into it (YAML 1.1, <https://yaml.org/type/merge.html>): keys that are
    /// written in the section itself win. A key that is written twice is noted.
    fn merged(&mut self, written: Vec<Entry>) -> Vec<Entry> {
        let (merges, mut entries): (Vec<_>, Vec<_>) =
            written.into_iter().partition(|entry| entry.key == "<<");
        let mut known = BTreeSet::new();
        for entry in &entries {
            if !known.insert(entry.key.clone()) {
                self.problems.add(entry.place.clone(), shown(&entry.key), "written twice");
            }
        }
        for merge in merges {
            let sections = match merge.value.value {
                Found::List(items) => items,
                _ => vec![merge.value],
            };
            for section in sections {
                let Found::Section(inner) = section.value else {
                    self.problems.add(merge.place.clone(), "<<", "accepted: an alias of a section");
                    continue;
                };
                for entry in inner {
                    if known.insert(entry.key.clone()) {
                        entries.push(entry);
                    }
                }
            }
        }
        entries
    }
}

const TOO_MANY: &str = "more than 100000 values, aliases written out";

/// How many values `found` holds, itself included; stops counting at `most`.
fn count(found: &Found, most: usize) -> usize {
    let mut waiting = vec![found];
    let mut counted = 0;
    while let Some(next) = waiting.pop() {
        counted += 1;
        if counted > most {
            break;
        }
        match next {
            Found::List(items) => waiting.extend(items.iter().map(|item| &item.value)),
            Found::Section(entries) => waiting.extend(entries.iter().map(|entry| &entry.value.value)),
            Found::Text(_) | Found::Integer(_) | Found::Flag(_) | Found::Other(_) => {}
        }
    }
    counted
}

/// The text of a key.
fn name(key: &Located) -> Result<String, Wrong> {
    match &key.value {
        Found::Text(text) => Ok(text.clone()),
        Found::Integer(number) => Ok(number.to_string()),
        Found::Flag(flag) => Ok(flag.to_string()),
        Found::Other(text) => Ok(text.clone()),
        Found::List(_) | Found::Section(_) => Err(Wrong::at(&key.place, "a key that is no text")),
    }
}

/// A key for an error: whoever writes a file of one key with a megabyte gets the beginning back.
pub(super) fn shown(key: &str) -> String {
    const LONGEST: usize = 60;
    let clean: String = key.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match clean.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &clean[..at]),
        None => clean,
    }
}

/// What a word without quotes is.
fn plain_scalar(text: &str) -> Found {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Found::Other(NOTHING.to_owned()),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Found::Flag(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Found::Flag(false);
        }
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Found::Integer(number);
    }
    let like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if like_a_number && text.parse::<f64>().is_ok() {
        return Found::Other(text.to_owned());
    }
    Found::Text(text.to_owned())
}

fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let digits = digits.replace('_', "");
    let begins = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Entry>, String) {
        let mut problems = Problems::new(Some("m.yml".into()));
        let entries = parse(text, &mut problems);
        (entries, problems.into_result().err().map(|problems| problems.to_string()).unwrap_or_default())
    }

    fn value(text: &str) -> Found {
        parse_value(text).unwrap()
    }

    #[test]
    fn words_are_what_mediamtx_takes_them_for() {
        for (text, expected) in [
            ("yes", Found::Flag(true)),
            ("Off", Found::Flag(false)),
            ("TRUE", Found::Flag(true)),
            ("\"no\"", Found::Text("no".into())),
            ("y", Found::Text("y".into())),
            ("tRue", Found::Text("tRue".into())),
            ("512", Found::Integer(512)),
            ("-0x1F", Found::Integer(-31)),
            ("1_000", Found::Integer(1000)),
            ("'512'", Found::Text("512".into())),
            (":8554", Found::Text(":8554".into())),
            ("10s", Found::Text("10s".into())),
            ("1.5", Found::Other("1.5".into())),
            ("nan", Found::Text("nan".into())),
            ("192.168.1.1", Found::Text("192.168.1.1".into())),
            ("~", Found::Other(NOTHING.into())),
            ("", Found::Other(NOTHING.into())),
        ] {
            let found = parse_value(text).unwrap_or_else(|| Found::Other(NOTHING.into()));
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(value("!!str 5"), Found::Text("5".into()));
    }

    #[test]
    fn every_key_and_value_knows_its_line_and_column() {
        let (entries, problems) = read("a: 1\npaths:\n  \"中\":\n    source: x # y\n  l: [\n    yes]\n");
        assert_eq!(problems, "");
        assert_eq!(entries[0].value.place, Place::File { line: 1, column: 4 });
        let Found::Section(paths) = &entries[1].value.value else { panic!("paths is a section") };
        assert_eq!(
            (paths[0].key.as_str(), paths[0].place.clone()),
            ("中", Place::File { line: 3, column: 3 })
        );
        let Found::Section(path) = &paths[0].value.value else { panic!("so is the path") };
        assert_eq!(path[0].value.place, Place::File { line: 4, column: 13 });
        let Found::List(items) = &paths[1].value.value else { panic!("a list") };
        assert_eq!(items[0], Located { place: Place::File { line: 6, column: 5 }, value: Found::Flag(true) });
    }

    #[test]
    fn an_alias_stands_for_its_anchor_and_a_merge_fills_what_is_not_written() {
        let (entries, problems) = read("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  k: 3\n");
        assert_eq!(problems, "");
        assert_eq!(entries[0].value.value, entries[1].value.value);
        let Found::Section(merged) = &entries[2].value.value else { panic!("c is a section") };
        let values: Vec<_> = merged.iter().map(|entry| (&*entry.key, entry.value.value.clone())).collect();
        assert_eq!(values, [("k", Found::Integer(3)), ("l", Found::Integer(2))]);
    }

    #[test]
    fn bombs_and_towers_are_refused_in_time() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..40 {
            let alias = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", ")));
        }
        assert!(read(&bomb).1.contains("more than 100000 values"), "{}", read(&bomb).1);
        let tower = format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(read(&tower).1.contains("not YAML: recursion limit"), "{}", read(&tower).1);
        let tower = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
        assert!(read(&tower).1.contains("nested deeper than 32"), "{}", read(&tower).1);
        let blocks: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(read(&blocks).1.contains("nested deeper than 32"));
        assert!(read("a: &x [*x]\n").1.contains("within its own anchor"));
    }

    #[test]
    fn what_is_no_single_document_of_keys_is_told_with_its_line() {
        for (text, expected) in [
            ("a: 1\nb: [1\n", "not YAML"),
            ("- a\n", "m.yml:1:1: found a list; accepted: keys with values"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            ("a: 1\nb: 2\na: 3\n", "m.yml:3:1: a: written twice"),
            ("a: *nobody\n", "not YAML"),
            ("? [1]\n: 2\n", "a key that is no text"),
        ] {
            assert!(read(text).1.contains(expected), "{text}: {}", read(text).1);
        }
        for empty in ["", "# nothing\n", "---\n", "~\n"] {
            assert_eq!(read(empty), (vec![], String::new()), "{empty}");
        }
    }
}
