//! Which stream paths a setting is about.

use std::fmt;

use media::StreamPath;
use regex::{Regex, RegexBuilder};

use super::rule::Text;

/// The longest pattern, in bytes.
const LONGEST: usize = 1_024;
/// The most memory that one compiled expression may take, in bytes; a few hundred times what MediaMTX's examples need.
const COMPILED_BYTES: usize = 1 << 20;

/// A pattern over stream paths: a path in which `*` stands for any run of characters, or `~` and a regular expression,
/// which finds its match anywhere in the path unless it begins with `^` and ends with `$` (as MediaMTX has it).
#[derive(Clone)]
pub struct PathPattern {
    text: String,
    regex: Regex,
}

impl PathPattern {
    /// Reads a pattern; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let expression = match text.strip_prefix('~') {
            Some(expression) => expression.to_owned(),
            None => from_stars(text)?,
        };
        let regex = RegexBuilder::new(&expression).size_limit(COMPILED_BYTES).build().ok()?;
        Some(Self { text: text.to_owned(), regex })
    }

    /// Whether `path` fits.
    pub fn matches(&self, path: &StreamPath) -> bool {
        self.regex.is_match(path.as_str())
    }

    /// What the groups of the expression, or the stars, stand for in `path`; `None` if it does not fit. A group that
    /// took no part is empty.
    pub fn groups(&self, path: &StreamPath) -> Option<Vec<String>> {
        let captures = self.regex.captures(path.as_str())?;
        let group = |found: Option<regex::Match<'_>>| found.map_or("", |found| found.as_str()).to_owned();
        Some(captures.iter().skip(1).map(group).collect())
    }

    /// The one path that fits, if the pattern is that path.
    pub fn literal(&self) -> Option<StreamPath> {
        if self.text.starts_with('~') || self.text.contains('*') {
            return None;
        }
        StreamPath::new(&self.text).ok()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The expression of a path with stars. Each star takes as little as it can, which leaves the most for what follows.
fn from_stars(text: &str) -> Option<String> {
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~/*".contains(&byte);
    let valid = (1..=StreamPath::MAX_LEN).contains(&text.len())
        && text.bytes().all(accepted)
        && !text.starts_with('/')
        && !text.ends_with('/');
    let parts: Vec<_> = text.split('*').map(regex::escape).collect();
    valid.then(|| format!("^{}$", parts.join("(.*?)")))
}

impl Default for PathPattern {
    /// Nothing fits.
    fn default() -> Self {
        Self { text: String::new(), regex: Regex::new("^$").expect("the expression is fixed") }
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(crate) fn path_pattern() -> Text<PathPattern> {
    Text {
        accepted: "a stream path of A-Z a-z 0-9 _ - . ~ / with * for any run of characters, or ~ and a regular \
                   expression such as \"~^ward/(.+)$\"",
        parse: PathPattern::parse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn path(name: &str) -> StreamPath {
        StreamPath::new(name).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (text, name, expected) in [
            ("*", "ward/3", true),
            ("doctorStream", "doctorStream", true),
            ("doctorStream", "doctorStream2", false),
            ("doctorStream", "adoctorStream", false),
            ("ward/*", "ward/3/bed", true),
            ("ward/*", "ward", false),
            ("*Stream", "patientStream", true),
            ("*Stream", "Stream", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
            ("**", "x", true),
            ("a.b", "aXb", false),
        ] {
            assert_eq!(pattern(text).matches(&path(name)), expected, "{text} {name}");
        }
    }

    #[test]
    fn an_expression_is_searched_for_as_mediamtx_does() {
        for (text, name, expected) in [
            ("~^cam/(.+)$", "cam/3", true),
            ("~^cam/(.+)$", "xcam/3", false),
            ("~cam", "xcam/3", true),
            ("~^(test1|test2)$", "test2", true),
            ("~^(test1|test2)$", "test3", false),
            ("~^.*$", "anything/at/all", true),
            (r"~^live/\d{4}$", "live/2026", true),
            (r"~^live/\d{4}$", "live/26", false),
        ] {
            assert_eq!(pattern(text).matches(&path(name)), expected, "{text} {name}");
        }
    }

    #[test]
    fn groups_are_what_stars_and_parentheses_stand_for() {
        for (text, name, expected) in [
            ("~^cam/(.+)$", "cam/3", Some(vec!["3"])),
            ("~^(a|b)/(x)?$", "a/b", None),
            ("~^(a|b)(x)?$", "b", Some(vec!["b", ""])),
            ("cam/*/*", "cam/3/left/main", Some(vec!["3", "left/main"])),
            ("cam", "cam", Some(vec![])),
        ] {
            let expected = expected.map(|groups: Vec<&str>| groups.into_iter().map(str::to_owned).collect());
            assert_eq!(pattern(text).groups(&path(name)), expected, "{text} {name}");
        }
    }

    #[test]
    fn only_a_whole_path_is_literal() {
        assert_eq!(pattern("ward/3").literal(), Some(path("ward/3")));
        for text in ["ward/*", "~^ward$", "~ward", "a/../b"] {
            assert_eq!(pattern(text).literal(), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        let nested = format!("~{}", "(".repeat(400) + "a" + &")".repeat(400));
        let long = "a".repeat(LONGEST + 1);
        for text in
            ["", "/a", "a/", "a b", "a%", "~(", "~a{1000}{1000}{1000}", &nested, &long, &format!("~{long}")]
        {
            assert_eq!(PathPattern::parse(text), None, "{text}");
        }
    }
}
