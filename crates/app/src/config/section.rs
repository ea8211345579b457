//! One declaration for each section of the configuration, from which come the checked struct, the reading of it, the
//! defaults, the list of known keys and the reference page: they cannot disagree.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::document::{Located, parse_value};
use super::problem::{Place, Problems};
use super::rule::{Rule, Shape};

/// A key as the reference and the search for unknown keys see it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The doc comment, line by line.
    pub(crate) doc: &'static [&'static str],
    /// As TOML; `None`: it must be set.
    pub(crate) default: Option<&'static str>,
    pub(crate) accepted: String,
    pub(crate) shape: Shape,
    /// Of a number: see [`Rule::bounds`].
    pub(crate) bounds: Option<RangeInclusive<u32>>,
}

/// A section as the reference and the search for unknown keys see it.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    /// The table's path, such as `listen`; empty for the keys above all tables.
    pub(crate) table: &'static str,
    pub(crate) doc: &'static [&'static str],
    pub(crate) keys: Vec<Key>,
    /// Whether the table may be written several times, as `[[table]]`.
    pub(crate) repeated: bool,
}

impl Description {
    /// The path of one of its keys.
    pub(crate) fn path(&self, key: &str) -> String {
        join(self.table, key)
    }
}

/// A key's path from its table's.
pub(crate) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

/// A struct declared by [`section!`].
pub(crate) trait Section: Sized {
    /// What it holds, for the reference and the search for unknown keys.
    fn describe() -> Description;
    /// Reads it; problems are noted and replaced by placeholders.
    fn read(settings: &mut Settings<'_>) -> Self;
}

/// The written values of one table, taken out key by key.
pub(crate) struct Settings<'a> {
    pub(crate) table: &'static str,
    /// Where the table begins, for keys that are missing.
    pub(crate) place: Place,
    /// By the keys' names within the table.
    pub(crate) values: BTreeMap<String, Located>,
    pub(crate) problems: &'a mut Problems,
}

impl Settings<'_> {
    /// Takes one key by its rule: the written value, or else the default.
    pub(crate) fn take<R: Rule>(&mut self, key: &str, default: Option<&str>, rule: &R) -> R::Value {
        let found = match (self.values.remove(key), default) {
            (Some(found), _) => found,
            (None, Some(default)) => {
                let value =
                    parse_value(default, &Place::Whole).expect("defaults are TOML: a test reads them all");
                Located { place: Place::Whole, value }
            }
            (None, None) => {
                let message = format!("missing; accepted: {}", rule.accepted());
                self.problems.add(self.place.clone(), join(self.table, key), message);
                return R::Value::default();
            }
        };
        rule.read(&found).unwrap_or_else(|refusals| {
            for refusal in refusals {
                self.problems.add(refusal.place, join(self.table, key), refusal.message);
            }
            R::Value::default()
        })
    }
}

/// Declares a section: `key: Type = rule, default` with the default as TOML, or `None` for a key that must be set. The
/// doc comments are the text of the reference page.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $table:literal => $visibility:vis $name:ident {
            $( $(#[doc = $key_doc:literal])* $key:ident: $type:ty = $rule:expr, $default:expr; )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Debug)]
        $visibility struct $name {
            $( $(#[doc = $key_doc])* $visibility $key: $type, )*
        }

        impl $crate::config::section::Section for $name {
            fn describe() -> $crate::config::section::Description {
                use $crate::config::rule::Rule as _;
                $crate::config::section::Description {
                    table: $table,
                    doc: &[$($doc),*],
                    keys: vec![$( $crate::config::section::Key {
                        name: stringify!($key),
                        doc: &[$($key_doc),*],
                        default: $default,
                        accepted: $rule.accepted(),
                        shape: $rule.shape(),
                        bounds: $rule.bounds(),
                    } ),*],
                    repeated: false,
                }
            }

            fn read(settings: &mut $crate::config::section::Settings<'_>) -> Self {
                Self { $( $key: settings.take(stringify!($key), $default, &$rule), )* }
            }
        }
    };
}
pub(crate) use section;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Found;
    use crate::config::rule::Number;

    section! {
        /// Numbers.
        "numbers" => Numbers {
            /// One that must be set.
            needed: u32 = Number(0..=9), None;
            /// One that need not.
            optional: u32 = Number(0..=9), Some("3");
        }
    }

    fn read(values: &[(&str, i64)]) -> (Numbers, Vec<String>) {
        let mut problems = Problems::default();
        let place = Place::File { line: 1, column: 1 };
        let values = values.iter().map(|(key, number)| {
            ((*key).to_owned(), Located { place: place.clone(), value: Found::Integer(*number) })
        });
        let mut settings = Settings {
            table: "numbers",
            place: place.clone(),
            values: values.collect(),
            problems: &mut problems,
        };
        let numbers = Numbers::read(&mut settings);
        (numbers, problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect())
    }

    #[test]
    fn a_written_value_wins_over_the_default() {
        assert_eq!(read(&[("needed", 1)]), (Numbers { needed: 1, optional: 3 }, vec![]));
        assert_eq!(read(&[("needed", 1), ("optional", 2)]), (Numbers { needed: 1, optional: 2 }, vec![]));
    }

    #[test]
    fn all_problems_of_a_section_are_told_at_once() {
        let (_, problems) = read(&[("optional", 10)]);
        assert_eq!(
            problems,
            ["numbers.needed: missing; accepted: 0 to 9", "numbers.optional: found 10; accepted: 0 to 9"]
        );
    }
}
