//! Who is told what sessions do.

use std::fmt;

use super::{Activity, Session};

/// Is told who comes, what they do and when they leave. `app` implements it for commands that run then.
///
/// All methods are called in the course of the sessions' own work: they return at once. For one session
/// [`Self::began`] and [`Self::ended`] come by turns, between [`Self::came`] and [`Self::left`].
pub trait SessionWatcher: Send + Sync + fmt::Debug {
    /// A session came; what it wants is not known yet.
    fn came(&self, session: &Session);

    /// It publishes or reads from now on.
    fn began(&self, session: &Session, activity: &Activity);

    /// It does so no more.
    fn ended(&self, session: &Session, activity: &Activity);

    /// It is gone.
    fn left(&self, session: &Session);
}
