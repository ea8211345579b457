//! What is wrong with a configuration, and exactly where.

use std::fmt;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// In the configuration file; both count from 1, columns count characters.
    File {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(Arc<str>),
    /// Nowhere: it concerns the configuration as a whole.
    Whole,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The path of the key, such as `listen.http`; empty when no single key is concerned.
    pub key: String,
    /// What was found and what is accepted, in one sentence.
    pub message: String,
}

/// Every problem of a configuration, in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    /// The file's name as it was given; `None` without a file.
    file: Option<String>,
    list: Vec<Problem>,
}

impl Problems {
    /// An empty list about `file`.
    pub(crate) const fn new(file: Option<String>) -> Self {
        Self { file, list: Vec::new() }
    }

    /// Notes one problem.
    pub(crate) fn add(&mut self, place: Place, key: impl Into<String>, message: impl Into<String>) {
        self.list.push(Problem { place, key: key.into(), message: message.into() });
    }

    /// Whether nothing was found.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// The problems, in the order of the file, those of the environment after them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// `Err(self)` if anything was found.
    pub(crate) fn into_result(mut self) -> Result<(), Self> {
        self.list.sort_by(|a, b| a.place.cmp(&b.place));
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    /// One line for each problem: `FILE:LINE:COLUMN: KEY: MESSAGE`, which editors turn into links.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let file = self.file.as_deref().unwrap_or("configuration");
            match &problem.place {
                Place::File { line, column } => write!(f, "{file}:{line}:{column}: ")?,
                Place::Variable(name) => write!(f, "environment {name}: ")?,
                Place::Whole => write!(f, "{file}: ")?,
            }
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_in_the_order_of_the_file_and_the_environment_last() {
        let mut problems = Problems::new(Some("medley.toml".into()));
        problems.add(Place::Variable("MEDLEY_X".into()), "x", "c");
        problems.add(Place::File { line: 10, column: 1 }, "b", "b");
        problems.add(Place::File { line: 9, column: 30 }, "a", "a");
        let problems = problems.into_result().unwrap_err();
        assert_eq!(
            problems.to_string(),
            "medley.toml:9:30: a: a\nmedley.toml:10:1: b: b\nenvironment MEDLEY_X: x: c"
        );
    }
}
