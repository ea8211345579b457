//! What `[[path]]` and `[hooks]` ask for: commands that run when something happens, and streams taken from elsewhere.
//!
//! ```text
//! hub, gateways -> Notices: answers by the table at once, passes events on -> Keeper -> hooks::Runner
//!                                                                                   `-> source: pulls, again and again
//! ```
//!
//! The keeper is one task that takes events in their order, so what it keeps needs no lock and a path's commands never
//! overtake each other.

mod keeper;
mod notices;
mod source;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gateway::Sessions;
use hub::Hub;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::hooks::{HookCounters, Runner};
use keeper::{Keeper, Kept};
use notices::{Event, Notices};
use table::PathTable;

/// Time for the last commands when the server ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// What was made of the configuration; nothing runs yet.
pub(crate) struct PathWork {
    table: Arc<PathTable>,
    hooks: crate::config::Hooks,
    runner: Runner,
    events: mpsc::UnboundedSender<Event>,
    received: mpsc::UnboundedReceiver<Event>,
}

/// What the operator asks to run, while the server does.
#[derive(Debug)]
pub(crate) struct RunningWork {
    keeper: JoinHandle<()>,
    sources: TaskTracker,
    runner: Runner,
    events: mpsc::UnboundedSender<Event>,
}

/// The figures of commands. Cloning shares them.
#[derive(Clone, Debug)]
pub struct HookFigures(Runner);

impl PathWork {
    pub(crate) fn new(config: &Config) -> Self {
        let (events, received) = mpsc::unbounded_channel();
        Self {
            table: Arc::new(PathTable::new(&config.paths)),
            hooks: config.hooks.clone(),
            runner: Runner::new(config.limits.hook_processes as usize),
            events,
            received,
        }
    }

    /// Who the hub asks, and whom it and the sessions tell.
    pub(crate) fn notices(&self) -> Arc<Notices> {
        let connections = self.hooks.run_on_connect.is_some() || self.hooks.run_on_disconnect.is_some();
        Arc::new(Notices::new(Arc::clone(&self.table), connections, self.events.clone()))
    }

    /// What the API asks.
    pub(crate) fn configured(&self) -> Arc<dyn api::ConfiguredPaths> {
        Arc::clone(&self.table) as _
    }

    pub(crate) fn figures(&self) -> HookFigures {
        HookFigures(self.runner.clone())
    }

    /// Runs what runs from the start, and the rest when it is time.
    pub(crate) fn start(self, hub: Hub, sessions: Sessions, rtsp_port: Option<u16>) -> RunningWork {
        let Self { table, hooks, runner, events, received } = self;
        let sources = TaskTracker::new();
        let keeper = Keeper {
            table,
            hooks,
            rtsp_port,
            hub,
            sessions,
            runner: runner.clone(),
            sources: sources.clone(),
            events: events.clone(),
            kept: Kept::default(),
        };
        RunningWork { keeper: tokio::spawn(keeper.run(received)), sources, runner, events }
    }
}

impl RunningWork {
    /// Ends everything; what was told before is acted upon first.
    pub(crate) async fn stop(self) {
        // A keeper that has panicked has let go of everything already.
        let _ = self.events.send(Event::Stop);
        let _ = self.keeper.await;
        self.sources.close();
        self.sources.wait().await;
        self.runner.close(FAREWELL).await;
    }
}

impl HookFigures {
    /// Commands that run now.
    pub fn processes(&self) -> usize {
        self.0.processes()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &HookCounters {
        self.0.counters()
    }
}

impl fmt::Debug for PathWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathWork").field("table", &self.table).finish_non_exhaustive()
    }
}
