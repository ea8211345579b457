//! What the import tells the operator. Names keys and lines, and never a password, a command, a URL or an address.

use std::fmt;

use crate::config::Place;

use super::yaml;

/// How much a note matters, most first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Somebody must decide something.
    Decide,
    /// Taken over, and not quite the same here.
    Different,
    /// An old name, read as the new one.
    Old,
    /// Lost, and why.
    Ignored,
    /// No key of MediaMTX.
    Unknown,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Decide, Self::Different, Self::Old, Self::Ignored, Self::Unknown];

    const fn heading(self) -> &'static str {
        match self {
            Self::Decide => "Look at this before you start the server",
            Self::Different => "Not quite the same here",
            Self::Old => "Old names, read as the new ones",
            Self::Ignored => "Ignored",
            Self::Unknown => "No keys of MediaMTX, and ignored",
        }
    }
}

/// Where something stands in MediaMTX's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The key's path, such as `paths.ward.source`.
    pub key: String,
    /// Its value's place.
    pub place: Place,
}

impl Origin {
    /// The file as a whole: what MediaMTX does when a key is not written.
    pub(super) fn default_of(key: &str) -> Self {
        Self { key: key.to_owned(), place: Place::Whole }
    }
}

/// One thing that is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// How much it matters.
    pub kind: Kind,
    /// What it is about.
    pub origin: Origin,
    /// One sentence.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Place::File { line, .. } = self.origin.place {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: {}", yaml::shown(&self.origin.key), self.text)
    }
}

/// The most notes of one kind; who gets more reads none.
const NOTES: usize = 1_000;

/// Everything that is told, and what was taken over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    notes: Vec<Note>,
    /// Notes beyond [`NOTES`].
    more: usize,
    /// Key paths of ours that are set, then counts of entries, in words.
    taken: Vec<String>,
    /// Variables that MediaMTX would have read.
    variables: Vec<String>,
}

impl Report {
    pub(super) fn note(&mut self, kind: Kind, origin: &Origin, text: impl Into<String>) {
        let note = Note { kind, origin: origin.clone(), text: text.into() };
        if self.is_full(kind) {
            self.more += 1;
            return;
        }
        // What stands in `pathDefaults` would be told for every path.
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether further notes of a kind are only counted.
    pub(super) fn is_full(&self, kind: Kind) -> bool {
        self.notes.iter().filter(|note| note.kind == kind).count() >= NOTES
    }

    /// Notes of one kind, in the order of the file.
    pub fn notes(&self, kind: Kind) -> Vec<&Note> {
        let mut notes: Vec<_> = self.notes.iter().filter(|note| note.kind == kind).collect();
        notes.sort_by_key(|note| place(note));
        notes
    }

    pub(super) fn set_taken(&mut self, taken: Vec<String>) {
        self.taken = taken;
    }

    pub(super) fn set_variables(&mut self, variables: Vec<String>) {
        self.variables = variables;
    }

    /// The notes as comments at the head of the file that is written.
    pub(super) fn comments(&self) -> Vec<String> {
        self.sections()
            .into_iter()
            .flat_map(|(heading, lines)| {
                std::iter::once(format!("{heading}:"))
                    .chain(lines.into_iter().map(|line| format!("  {line}")))
            })
            .collect()
    }

    fn sections(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut sections = Vec::new();
        for kind in Kind::ALL {
            let mut lines: Vec<_> = self.notes(kind).iter().map(ToString::to_string).collect();
            if kind == Kind::Decide && !self.variables.is_empty() {
                lines.push(format!(
                    "the environment sets {}, which MediaMTX reads over its file and this import does not",
                    self.variables.join(", ")
                ));
            }
            if !lines.is_empty() {
                sections.push((kind.heading(), lines));
            }
        }
        if self.more > 0 {
            sections.push(("And more", vec![format!("{} further notes", self.more)]));
        }
        sections
    }
}

/// Defaults come first: they are about the file as a whole.
fn place(note: &Note) -> (usize, usize) {
    match note.origin.place {
        Place::File { line, column } => (line, column),
        Place::Variable(_) | Place::Whole => (0, 0),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.taken.as_slice() {
            [] => writeln!(f, "Taken over: nothing differs from Medley's defaults.")?,
            taken => writeln!(f, "Taken over: {}.", taken.join(", "))?,
        }
        for (heading, lines) in self.sections() {
            writeln!(f, "{heading}:")?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
