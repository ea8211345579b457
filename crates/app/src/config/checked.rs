//! The configuration that the program runs by.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::document;
use super::path::{self, PathRules};
use super::problem::{Place, Problems};
use super::raw::Raw;
use super::schema::{Audio, Flv, General, Hls, Hooks, Hub, Limits, Listen, Log, Tls, WebRtc, overlap};
use super::section::Section;
use super::user::User;

/// The largest configuration file that is read, in bytes.
pub const FILE_BYTES: u64 = 1 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not. Not a `source`, which would be told a second time.
        reason: io::Error,
    },
    /// The file is larger than [`FILE_BYTES`].
    #[error("the configuration {} has more than {FILE_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It can be read and is wrong.
    #[error("{heading}\n{0}", heading = heading(.0.len()))]
    Invalid(Problems),
}

impl From<Problems> for ConfigError {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

fn heading(problems: usize) -> String {
    format!("{problems} problem{} in the configuration", if problems == 1 { "" } else { "s" })
}

/// A valid configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The keys above all sections.
    pub general: General,
    /// Every socket.
    pub listen: Listen,
    /// The certificate, whose files have been read once.
    pub tls: Tls,
    /// Who may do what; empty: nobody anything.
    pub users: Vec<User>,
    /// What is special about single paths, in the order of the file.
    pub paths: Vec<PathRules>,
    /// Commands for connections.
    pub hooks: Hooks,
    /// What is logged.
    pub log: Log,
    /// How live streams are kept.
    pub hub: Hub,
    /// What renditions sound like.
    pub audio: Audio,
    /// WebRTC beyond its sockets.
    pub webrtc: WebRtc,
    /// HTTP-FLV.
    pub flv: Flv,
    /// HLS.
    pub hls: Hls,
    /// Bounds.
    pub limits: Limits,
    /// Key path and variable of what the environment set.
    overrides: Vec<(String, String)>,
    /// Variables of our prefix that set nothing.
    ignored: Vec<String>,
}

impl Config {
    /// Reads `file` (without one, the defaults) and the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`]; of what is invalid it tells everything at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let text = file.map(read).transpose()?.unwrap_or_default();
        let name = file.map(|path| path.display().to_string());
        Ok(Self::parse(&text, name, environment)?)
    }

    /// Checks a configuration's text and the environment over it; `name` is the file's name for errors.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn parse(
        text: &str,
        name: Option<String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new(name);
        let document = document::parse(text, &mut problems);
        let mut raw = Raw::new(document, &mut problems);
        raw.overlay(environment, &mut problems);
        let config = Self::check(raw, &mut problems);
        problems.into_result().map(|()| config)
    }

    fn check(mut raw: Raw, problems: &mut Problems) -> Self {
        let places = raw.places("listen");
        let listen: Listen = read_section(&mut raw, problems);
        check_ports(&listen, &places, problems);
        let tls_places = raw.places("tls");
        let tls: Tls = read_section(&mut raw, problems);
        check_tls(&tls, &tls_places, &listen, &places, problems);
        let users = raw.take_repeated("auth.user").into_iter();
        let paths = raw.take_repeated("path");
        path::check_names(&paths, problems);
        Self {
            general: read_section(&mut raw, problems),
            listen,
            tls,
            users: users.filter_map(|user| User::check(user, problems)).collect(),
            paths: paths.into_iter().filter_map(|path| PathRules::check(path, problems)).collect(),
            hooks: read_section(&mut raw, problems),
            log: read_section(&mut raw, problems),
            hub: read_section(&mut raw, problems),
            audio: read_section(&mut raw, problems),
            webrtc: read_section(&mut raw, problems),
            flv: read_section(&mut raw, problems),
            hls: read_section(&mut raw, problems),
            limits: read_section(&mut raw, problems),
            overrides: raw.overrides,
            ignored: raw.ignored,
        }
    }

    /// Key path and variable of what the environment set, in order.
    pub fn overrides(&self) -> impl Iterator<Item = (&str, &str)> {
        self.overrides.iter().map(|(key, variable)| (key.as_str(), variable.as_str()))
    }

    /// Environment variables that begin with `MEDLEY_` and set nothing, in order.
    pub fn ignored_variables(&self) -> &[String] {
        &self.ignored
    }
}

impl Default for Config {
    /// The configuration of an empty file: closed to everybody.
    fn default() -> Self {
        Self::parse("", None, []).expect("the defaults are valid: a test reads them")
    }
}

fn read_section<S: Section>(raw: &mut Raw, problems: &mut Problems) -> S {
    let table = S::describe().table;
    S::read(&mut raw.settings(table, problems))
}

/// Reads a configuration file whole.
///
/// # Errors
/// [`ConfigError::Read`], [`ConfigError::TooLarge`].
pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |reason| ConfigError::Read { path: path.to_owned(), reason };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let size = file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if size as u64 > FILE_BYTES { Err(ConfigError::TooLarge(path.to_owned())) } else { Ok(text) }
}

/// Where the keys of a section were written.
type Places = [(&'static str, Place)];

fn place_of(places: &Places, key: &str) -> Place {
    places.iter().find(|(name, _)| *name == key).map_or(Place::Whole, |(_, place)| place.clone())
}

/// Whoever speaks TLS has a certificate, and its files are what they should be.
fn check_tls(tls: &Tls, written: &Places, listen: &Listen, listeners: &Places, problems: &mut Problems) {
    let mut blame = |key: &str, message: String| {
        problems.add(place_of(written, key), format!("tls.{key}"), message);
    };
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => blame("certificate", format!("stands alone; accepted: {BOTH}")),
        (None, Some(_)) => blame("key", format!("stands alone; accepted: {BOTH}")),
        (Some(_), Some(_)) => {
            if let Some(Err(error)) = tls.files().map(|files| files.load()) {
                blame(error.part.key(), error.to_string());
            }
        }
        (None, None) => {
            if !tls.listeners.is_empty() {
                blame("listeners", format!("need a certificate; accepted: {BOTH}, or an empty list"));
            }
            for listener in listen.listeners() {
                let name = listener.name;
                if listener.address.is_some() && Tls::always(name) {
                    let message = format!("needs a certificate; accepted: {BOTH}, or \"\" for off");
                    problems.add(place_of(listeners, name), format!("listen.{name}"), message);
                }
            }
        }
    }
}

const BOTH: &str = "tls.certificate and tls.key, both with a file";

/// Two listeners cannot share a port of one transport, whatever their protocols.
fn check_ports(listen: &Listen, places: &[(&'static str, Place)], problems: &mut Problems) {
    let listeners = listen.listeners();
    for (index, later) in listeners.iter().enumerate() {
        let clash = listeners[..index].iter().find(|earlier| {
            let both = later.address.zip(earlier.address);
            later.transport.shares(earlier.transport)
                && both.is_some_and(|(later, earlier)| overlap(later, earlier))
        });
        let (Some(earlier), Some(address)) = (clash, later.address) else { continue };
        // The error belongs where the operator wrote something; the other side may be a default.
        let place = |name: &str| places.iter().find(|(key, _)| *key == name).map(|(_, place)| place.clone());
        let (blamed, other) = match (place(later.name), place(earlier.name)) {
            (None, Some(place)) => ((earlier.name, place), later.name),
            (place, _) => ((later.name, place.unwrap_or(Place::Whole)), earlier.name),
        };
        let message = format!(
            "port {} is taken by listen.{other}; accepted: a port of its own for each listener, or \"\" for off",
            address.port()
        );
        problems.add(blamed.1, format!("listen.{}", blamed.0), message);
    }
}
