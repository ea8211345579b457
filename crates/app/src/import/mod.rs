//! MediaMTX's configuration as ours: `medley import mediamtx.yml`.
//!
//! ```text
//! yaml         YAML text -> a tree in which every value knows its line (the one that our own files become)
//! keys         every key of MediaMTX and what becomes of it; the page docs/reference/mediamtx.md
//! value        the kinds of value that MediaMTX has: spans of time, sizes, addresses
//! mapping      one level of the file by that table: old names, ignored and unknown keys
//! listen, tls, webrtc, paths, access   what several keys decide together
//! draft        the TOML in the making, checked by the configuration's own reader
//! report       what the operator is told
//! ```
//!
//! What MediaMTX would refuse is an error, with its line, and nothing comes out. What MediaMTX accepts and Medley does
//! not is written as a comment and told; never does anybody get more than before.

mod access;
mod draft;
mod environment;
mod keys;
mod listen;
mod mapping;
mod paths;
pub mod reference;
mod report;
#[cfg(test)]
mod tests;
mod tls;
mod value;
mod webrtc;
mod yaml;

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::config::document::{Entry, Found, Located};
use crate::config::{Place, Problems};

use draft::Draft;
use keys::{Fate, GLOBAL};
use mapping::Mapping;
pub use report::{Kind, Note, Origin, Report};

/// Makes the argon2 hash of a password; `None` if it cannot.
pub type Hash<'h> = &'h dyn Fn(&str) -> Option<String>;

/// A configuration made from MediaMTX's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The text of `medley.toml`. It holds hashes of passwords, and what stood in sources and commands.
    pub toml: String,
    /// What the operator should know.
    pub report: Report,
}

/// What a part of the import works on.
struct Context<'h> {
    problems: Problems,
    /// What `problems` has, but for the YAML's own.
    refused: BTreeSet<(Place, String)>,
    report: Report,
    draft: Draft,
    hash: Hash<'h>,
}

impl Context<'_> {
    /// Sets one of our keys that stands once.
    fn set(&mut self, path: &'static str, value: String, origin: &Origin) {
        self.draft.set(path, value, origin, &mut self.report);
    }

    /// Notes an error, once: what stands in `pathDefaults` is read for every path.
    fn refuse(&mut self, origin: &Origin, message: impl Into<String>) {
        let key = yaml::shown(&origin.key);
        if self.refused.insert((origin.place.clone(), key.clone())) {
            self.problems.add(origin.place.clone(), key, message);
        }
    }

    /// Notes a key that must be written.
    fn missing(&mut self, level: &Mapping, key: &str) {
        let origin = Origin { key: format!("{}.{key}", level.origin.key), ..level.origin.clone() };
        self.refuse(&origin, "missing");
    }
}

/// Makes a configuration from `text`, MediaMTX's file with the name `name`. Of `environment` only names are looked at.
///
/// # Errors
/// Every value that MediaMTX would refuse, or the first error of the YAML itself.
pub fn import(
    text: &str,
    name: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    hash: Hash<'_>,
) -> Result<Import, Problems> {
    let mut context = Context {
        problems: Problems::new(Some(name.to_owned())),
        refused: BTreeSet::new(),
        report: Report::default(),
        draft: Draft::new(),
        hash,
    };
    let entries = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text), &mut context.problems);
    let root = Mapping::open(entries, GLOBAL, Origin::default_of(""), &mut context);
    listen::write(&root, &mut context);
    webrtc::write(&root, &mut context);
    direct(&root, &mut context);
    let paths = paths::write(&root, &mut context);
    access::write(&root, &paths, &mut context);
    let Context { problems, mut report, draft, .. } = context;
    problems.into_result()?;
    report.set_variables(environment::read_by_mediamtx(environment));
    let head = [
        format!("Made from {name} by medley import {}.", env!("CARGO_PKG_VERSION")),
        "What is left out has Medley's default: docs/reference/config.md.".to_owned(),
    ];
    let toml = draft.settle(&mut report, &head).map_err(|why| {
        let mut problems = Problems::new(Some(name.to_owned()));
        problems.add(Place::Whole, "", why);
        problems
    })?;
    Ok(Import { toml, report })
}

/// Takes what the table maps one to one.
fn direct(root: &Mapping, context: &mut Context<'_>) {
    for key in keys::all(GLOBAL) {
        let Fate::Becomes { ours, read, .. } = key.fate else { continue };
        if let Some(taken) = root.read_by(key.name, read, context) {
            context.set(ours, taken.value, &taken.origin);
        }
    }
}

/// The entries of a section that may be empty; `None` if it is something else, which is noted.
fn entries(value: Located, origin: &Origin, context: &mut Context<'_>) -> Option<Vec<Entry>> {
    match value.value {
        Found::Section(entries) => Some(entries),
        other if yaml::is_nothing(&other) => Some(Vec::new()),
        _ => {
            let message = "found something else; accepted: keys with values, or nothing";
            context.refuse(&Origin { place: value.place, ..origin.clone() }, message);
            None
        }
    }
}
