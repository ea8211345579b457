//! A command that a hook runs.

use std::fmt;

use super::document::{Found, Located};
use super::rule::{Refusal, Rule, Shape, because};

/// A program and its arguments. They may hold secrets, so nothing shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct HookCommand(Vec<String>);

impl HookCommand {
    /// Splits a command line into words as a POSIX shell does, quotes and backslashes included, and expands nothing.
    /// No shell runs unless the first word is one.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('\0') {
            return Err("a command that holds a NUL character");
        }
        match shell_words::split(text) {
            Err(_) => Err("a command with a quotation mark that is not closed"),
            Ok(words) if words.first().is_none_or(String::is_empty) => Err("a command without a program"),
            Ok(words) => Ok(Self(words)),
        }
    }

    /// The program, then its arguments; never empty.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for HookCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The rule of commands. They may hold a token, so it never repeats one.
pub(crate) struct CommandRule;

impl Rule for CommandRule {
    type Value = Option<HookCommand>;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        "a program and its arguments, split at spaces and quoted as in a shell".to_owned()
    }

    fn read(&self, found: &Located) -> Result<Self::Value, Vec<Refusal>> {
        let what = match &found.value {
            Found::Text(text) if text.is_empty() => return Ok(None),
            Found::Text(text) => match HookCommand::parse(text) {
                Ok(command) => return Ok(Some(command)),
                Err(what) => what,
            },
            _ => "something that is no text",
        };
        because(found, format!("found {what}; accepted: {}", self.accepted()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Place;

    fn words(text: &str) -> Vec<String> {
        HookCommand::parse(text).unwrap().words().to_vec()
    }

    #[test]
    fn a_command_is_split_as_a_shell_splits_and_expands_nothing() {
        assert_eq!(
            words("curl -d 'path=$MTX_PATH' \"http://h/a b\""),
            ["curl", "-d", "path=$MTX_PATH", "http://h/a b"]
        );
        assert_eq!(words(r"echo a\ b '' *"), ["echo", "a b", "", "*"]);
        assert_eq!(words("a;b && c | d > e"), ["a;b", "&&", "c", "|", "d", ">", "e"]);
        assert_eq!(words("sh -c 'a; b'"), ["sh", "-c", "a; b"]);
    }

    #[test]
    fn a_wrong_command_is_told_without_being_repeated() {
        let read = |value| CommandRule.read(&Located { place: Place::Whole, value });
        assert_eq!(read(Found::Text(String::new())), Ok(None));
        for wrong in ["curl 'hunter2", "   ", "'' hunter2", "hunter2\0"] {
            let refusal = read(Found::Text(wrong.to_owned())).unwrap_err().remove(0).message;
            assert!(refusal.contains("accepted: a program") && !refusal.contains("hunter2"), "{refusal}");
        }
        assert!(read(Found::Integer(5)).is_err());
        assert_eq!(format!("{:?}", HookCommand::parse("curl hunter2")), "Ok(<redacted>)");
    }
}
