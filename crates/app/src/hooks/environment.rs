//! What a hook's command is told, by MediaMTX's names.

use std::collections::BTreeMap;

use media::StreamPath;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Go's `url.QueryEscape`, but for the space, which becomes `+`.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Variables of one command, beside those that this process was started with.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What every command is told: where RTSP is served, empty if it is not.
    pub(crate) fn new(rtsp_port: Option<u16>) -> Self {
        let port = rtsp_port.map(|port| port.to_string()).unwrap_or_default();
        Self::default().with("RTSP_PORT", port)
    }

    /// One variable more.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The path, and what the groups of its pattern stand for.
    pub(crate) fn with_path(self, path: &StreamPath, groups: &[String]) -> Self {
        let named = self.with("MTX_PATH", path.as_str());
        let numbered = groups.iter().zip(1_u32..);
        numbered.fold(named, |environment, (group, number)| environment.with(format!("G{number}"), group))
    }

    /// The query of a URL, escaped as a whole: it can hold whatever somebody has sent.
    pub(crate) fn with_query(self, query: &str) -> Self {
        let escaped = utf8_percent_encode(query, QUERY).to_string().replace("%20", "+");
        self.with("MTX_QUERY", escaped)
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts values into one word of a command, for `$NAME` and `${NAME}`. Of names that are not set here this process's
    /// own environment is asked; then those that a hook may have are empty, and the others stay as they are, for a
    /// shell that the command may run.
    pub(crate) fn expand(&self, word: &str) -> String {
        self.expand_with(word, |name| std::env::var(name).ok())
    }

    fn expand_with(&self, word: &str, outer: impl Fn(&str) -> Option<String>) -> String {
        let mut out = String::with_capacity(word.len());
        let mut rest = word;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let Some((name, written)) = placeholder(from) else {
                out.push('$');
                rest = &from[1..];
                continue;
            };
            let value = self.0.get(name).cloned().or_else(|| outer(name));
            match value {
                Some(value) => out.push_str(&value),
                None if is_ours(name) => {}
                None => out.push_str(&from[..written]),
            }
            rest = &from[written..];
        }
        out.push_str(rest);
        out
    }
}

/// The name that `text`, which begins with `$`, begins with, and how many bytes it takes with the dollar and braces.
fn placeholder(text: &str) -> Option<(&str, usize)> {
    let word =
        |text: &str| text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let after = &text[1..];
    if let Some(inner) = after.strip_prefix('{') {
        let length = word(inner);
        return (length > 0 && inner[length..].starts_with('}')).then(|| (&inner[..length], length + 3));
    }
    let length = word(after);
    (length > 0).then(|| (&after[..length], length + 1))
}

/// Whether hooks have a variable of this name, be it not this one.
fn is_ours(name: &str) -> bool {
    let group = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    name.starts_with("MTX_") || name == "RTSP_PORT" || name.strip_prefix('G').is_some_and(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let path = StreamPath::new("ward/3").unwrap();
        Environment::new(Some(8554))
            .with_path(&path, &["3".to_owned(), String::new()])
            .with_query("a=1&b=x y")
    }

    #[test]
    fn the_variables_are_those_of_mediamtx() {
        let environment = environment();
        let variables: Vec<_> = environment.iter().collect();
        assert_eq!(
            variables,
            [
                ("G1", "3"),
                ("G2", ""),
                ("MTX_PATH", "ward/3"),
                ("MTX_QUERY", "a%3D1%26b%3Dx+y"),
                ("RTSP_PORT", "8554"),
            ]
        );
        assert_eq!(Environment::new(None).iter().collect::<Vec<_>>(), [("RTSP_PORT", "")]);
    }

    #[test]
    fn placeholders_are_replaced_and_what_is_a_shells_own_stays() {
        let outer = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        for (word, expected) in [
            ("$MTX_PATH", "ward/3"),
            ("http://h/${MTX_PATH}x?q=$MTX_QUERY", "http://h/ward/3x?q=a%3D1%26b%3Dx+y"),
            ("$G1$G2$G3.", "3."),
            ("$MTX_SOURCE_ID", ""),
            ("$HOME/$MTX_PATH", "/root/ward/3"),
            (
                "for i in 1 2; do echo $i $$ $? $(date) ${i} ${i%x} $; done",
                "for i in 1 2; do echo $i $$ $? $(date) ${i} ${i%x} $; done",
            ),
            ("${", "${"),
            ("50$", "50$"),
            ("中$MTX_PATH文", "中ward/3文"),
        ] {
            assert_eq!(environment().expand_with(word, outer), expected, "{word}");
        }
    }

    #[test]
    fn a_query_cannot_say_anything_to_a_shell() {
        let hostile = "x=$(reboot)`id`;|&<>\"'\\\n*?[]{}~! #";
        let environment = Environment::default().with_query(hostile);
        let value = environment.expand_with("$MTX_QUERY", |_| None);
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%+".contains(&byte);
        assert!(value.bytes().all(harmless), "{value}");
    }
}
