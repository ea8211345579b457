//! A TOML document as a tree in which every key and value knows its place.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Place, Problems};

/// A value and where it was written.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Located {
    pub(crate) place: Place,
    pub(crate) value: Found,
}

/// What was written, before anyone knows what it should be.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Found {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Located>),
    Section(Vec<Entry>),
    /// Something that no setting takes: a fraction, a date, an integer beyond 64 bits.
    Other(String),
}

/// A key of a section with its value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) key: String,
    pub(crate) value: Located,
}

/// The longest value that an error repeats, in characters.
const SHOWN: usize = 60;

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.chars().count() > SHOWN => {
                let start: String = text.chars().take(SHOWN).collect();
                write!(f, "{start:?}...")
            }
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(_) => f.write_str("a list"),
            Self::Section(_) => f.write_str("a section"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Parses a whole document. Syntax errors go to `problems`; what could be read is returned all the same, so that one
/// run shows the other errors too.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Vec<Entry> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let from = text.get(span.start..).unwrap_or_default();
        let (key, message) = match error.message() {
            duplicate @ "duplicate key" => (text.get(span.clone()).unwrap_or_default(), duplicate),
            _ if from.is_empty() || from.starts_with(['\n', '\r', '#']) => ("", end_of_line(&error)),
            message => ("", message),
        };
        problems.add(lines.place(&span), key, message);
    }
    lines.entries(table.into_inner())
}

/// The parser explains a value that is not there as a text without quotes.
fn end_of_line(error: &toml::de::Error) -> &str {
    let message = error.message();
    if message.starts_with("string values must be quoted") { "a value is missing" } else { message }
}

/// Parses one value, such as a list in an environment variable; `None` if it is not TOML.
pub(crate) fn parse_value(text: &str, place: &Place) -> Option<Found> {
    let value = DeValue::parse(text).ok()?;
    let mut value = Lines::of(text).located(value);
    value.replace_place(place);
    Some(value.value)
}

impl Located {
    fn replace_place(&mut self, place: &Place) {
        self.place.clone_from(place);
        if let Found::List(items) = &mut self.value {
            items.iter_mut().for_each(|item| item.replace_place(place));
        }
    }
}

/// Turns byte offsets into lines and columns.
struct Lines<'t> {
    text: &'t str,
    /// Where each line starts.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..span.start).unwrap_or_default();
        Place::File { line, column: before.chars().count() + 1 }
    }

    fn entries(&self, table: DeTable<'_>) -> Vec<Entry> {
        let entry = |(key, value): (Spanned<_>, _)| {
            let place = self.place(&key.span());
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            Entry { place, key: key.into_owned(), value: self.located(value) }
        };
        table.into_iter().map(entry).collect()
    }

    fn located(&self, value: Spanned<DeValue<'_>>) -> Located {
        let place = self.place(&value.span());
        let value = match value.into_inner() {
            DeValue::String(text) => Found::Text(text.into_owned()),
            DeValue::Integer(number) => integer(&number),
            DeValue::Boolean(flag) => Found::Flag(flag),
            DeValue::Array(items) => Found::List(items.into_iter().map(|item| self.located(item)).collect()),
            DeValue::Table(table) => Found::Section(self.entries(table)),
            DeValue::Float(number) => Found::Other(number.as_str().to_owned()),
            DeValue::Datetime(date) => Found::Other(date.to_string()),
        };
        Located { place, value }
    }
}

fn integer(number: &DeInteger<'_>) -> Found {
    i64::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| Found::Other(number.as_str().to_owned()), Found::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: usize, column: usize) -> Place {
        Place::File { line, column }
    }

    #[test]
    fn every_key_and_value_knows_its_line_and_column() {
        let mut problems = Problems::default();
        let document = parse("a = 1\n\n[s]\n  \"中\" = \"x\" \n  l = [\n   true, 0x1F]\n", &mut problems);
        assert!(problems.is_empty());
        assert_eq!(document[0].place, place(1, 1));
        assert_eq!(document[0].value, Located { place: place(1, 5), value: Found::Integer(1) });
        let Found::Section(section) = &document[1].value.value else { panic!("[s] is a section") };
        let [l, chinese] = section.as_slice() else { panic!("two keys") };
        assert_eq!(chinese.place, place(4, 3));
        assert_eq!(chinese.value.place, place(4, 9));
        let Found::List(items) = &l.value.value else { panic!("l is a list") };
        assert_eq!(items[0], Located { place: place(6, 4), value: Found::Flag(true) });
        assert_eq!(items[1], Located { place: place(6, 10), value: Found::Integer(31) });
    }

    #[test]
    fn syntax_errors_are_all_told_and_the_rest_is_still_read() {
        let mut problems = Problems::new(Some("f".into()));
        let document = parse("a = 1\nb = \nc = 3\na = 2\nd = 'x\n", &mut problems);
        let problems = problems.into_result().unwrap_err();
        let lines: Vec<_> = problems.iter().map(|p| p.place.clone()).collect();
        assert_eq!(lines, [place(2, 5), place(4, 1), place(5, 7)], "{problems}");
        assert!(problems.to_string().contains("f:4:1: a: duplicate key"), "{problems}");
        assert!(document.iter().any(|entry| entry.key == "c" && entry.value.value == Found::Integer(3)));
    }

    #[test]
    fn a_long_value_is_cut_in_errors() {
        let shown = Found::Text("x".repeat(10_000)).to_string();
        assert_eq!(shown.len(), SHOWN + 5);
    }
}
