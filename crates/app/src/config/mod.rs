//! The configuration: a TOML file and the environment over it, checked as a whole before anything starts.
//!
//! ```text
//! document   TOML text -> a tree in which every value knows its line and column
//! raw        the tree -> values by key path, unknown keys refused, environment variables over them
//! schema     the sections: each key with type, rule, default and text, declared once
//! checked    raw -> Config; all problems of all sections together, then what holds between sections
//! reference  the sections -> docs/reference/config.md
//! ```
//!
//! A [`Config`] exists only when it is valid; nothing after this module checks a setting again.

mod checked;
mod command;
pub(crate) mod document;
mod path;
mod pattern;
mod problem;
pub(crate) mod raw;
pub mod reference;
pub(crate) mod rule;
pub(crate) mod schema;
pub(crate) mod section;
mod source;
mod summary;
#[cfg(test)]
mod tests;
mod user;
pub(crate) mod value;

pub(crate) use checked::read;
pub use checked::{Config, ConfigError, FILE_BYTES};
pub use command::HookCommand;
pub use path::{OnDemand, PathRules, Task};
pub use pattern::PathPattern;
pub use problem::{Place, Problem, Problems};
pub(crate) use raw::variable;
pub use schema::{
    Audio, Flv, General, Hls, Hooks, Hub, Limits, Listen, Listener, Log, Tls, Transport, WebRtc,
};
pub use source::{PullSource, Scheme, Source};
pub use user::{Identity, Secret, User};
pub use value::{CREDENTIAL_BYTES, Host, IceServer, LogFormat, Origin, PasswordHash};
