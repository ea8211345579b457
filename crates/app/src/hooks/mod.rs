//! Commands that run when something happens, as MediaMTX runs them: split into words without a shell, told the facts
//! by environment variables, ended by SIGINT when their cause ends.
//!
//! | module | what it does |
//! |---|---|
//! | `environment` | the variables, and their values in the words of a command |
//! | `process` | one process, with all that it starts, and its output |
//! | `runner` | all of them: how many, again after a pause, the end of the server |

mod environment;
mod process;
mod runner;

pub(crate) use environment::Environment;
pub use runner::HookCounters;
pub(crate) use runner::{Hook, Runner, Running};
