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
mod document;
mod problem;
mod raw;
pub mod reference;
mod rule;
mod schema;
mod section;
mod summary;
#[cfg(test)]
mod tests;
mod user;
mod value;

pub use checked::{Config, ConfigError, FILE_BYTES};
pub use problem::{Place, Problem, Problems};
pub(crate) use raw::variable;
pub use schema::{Audio, Flv, General, Hub, Limits, Listen, Listener, Log, Transport, WebRtc};
pub use user::{Identity, Secret, User};
pub use value::{CREDENTIAL_BYTES, Host, IceServer, LogFormat, Origin, PasswordHash, PathPattern};
