//! Everything that is served over HTTP and is not media: the accept loop, the process's state and figures.

mod guard;
mod listener;
mod metrics;
mod patience;
mod status;

pub use guard::guarded;
pub use listener::{Bound, Counters, Options};
pub use metrics::Metrics;
pub(crate) use metrics::{counter, gauge};
pub use status::{Phase, Status};
