//! What runs for paths and sessions: begun and ended by what the hub and the gateways tell, one after the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateway::Sessions;
use gateway::sessions::{SessionId, SessionKind};
use hub::{Action, Hub};
use media::StreamPath;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::notices::{Event, Reader};
use super::source::{self, Pulling};
use super::table::{Matched, PathTable};
use crate::config::{HookCommand, OnDemand, PullSource, Source, Task};
use crate::hooks::{Environment, Hook, Runner, Running};

/// How long readers who waited for a stream have to take it.
const SETTLE: Duration = Duration::from_secs(1);

/// Keeps commands and sources running while there is a reason to.
pub(super) struct Keeper {
    pub(super) table: Arc<PathTable>,
    pub(super) hooks: crate::config::Hooks,
    pub(super) rtsp_port: Option<u16>,
    pub(super) hub: Hub,
    pub(super) sessions: Sessions,
    pub(super) runner: Runner,
    pub(super) sources: TaskTracker,
    /// For times that are set.
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) kept: Kept,
}

/// What runs now.
#[derive(Default)]
pub(super) struct Kept {
    initial: Vec<Work>,
    demands: HashMap<StreamPath, Demand>,
    available: HashMap<StreamPath, Lasting>,
    readers: HashMap<SessionId, Lasting>,
    connections: HashMap<SessionId, Lasting>,
    times: u64,
}

/// Something that ends when it is dropped.
enum Work {
    Command { _running: Running },
    Source { _pulling: Pulling },
}

/// What goes on while its cause does.
struct Lasting {
    _running: Option<Running>,
    /// What runs once it has ended.
    afterwards: Option<Hook>,
}

/// What was begun because somebody wants to read a path.
struct Demand {
    work: Work,
    afterwards: Option<Hook>,
    timing: OnDemand,
    available: bool,
    /// The time that counts; those set before do not.
    due: u64,
}

impl Keeper {
    /// Keeps until it is told to stop; then everything has been told to end.
    pub(super) async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        self.begin();
        while let Some(event) = events.recv().await {
            match event {
                Event::Wanted(path) => self.wanted(path),
                Event::Available(path) => self.available(path),
                Event::Unavailable(path) => self.unavailable(&path),
                Event::Abandoned(path) => self.abandoned(&path),
                Event::Due(path, time) => self.due(&path, time),
                Event::Connected(id, kind) => self.connected(id, kind),
                Event::Disconnected(id) => {
                    let ended = self.kept.connections.remove(&id);
                    self.end(ended);
                }
                Event::Reads(reader) => self.reads(&reader),
                Event::Unread(id) => {
                    let ended = self.kept.readers.remove(&id);
                    self.end(ended);
                }
                Event::Stop => break,
            }
        }
        self.stop();
    }

    /// What runs from the start.
    fn begin(&mut self) {
        for (path, rules) in self.table.literal() {
            let found = Matched { rules: Arc::clone(rules), groups: Vec::new() };
            if let (Source::Pull(source), None) = (&rules.source, rules.source_on_demand) {
                self.kept.initial.extend(self.pull(path, source, &found));
            }
            if let Some(task) = &rules.on_init {
                let hook = hook("run_on_init", path, &task.command, self.environment(path, &found));
                let running = self.runner.start(hook, task.restart);
                self.kept.initial.push(Work::Command { _running: running });
            }
        }
    }

    fn environment(&self, path: &StreamPath, found: &Matched) -> Environment {
        Environment::new(self.rtsp_port).with_path(path, &found.groups)
    }

    fn pull(&self, path: &StreamPath, source: &PullSource, found: &Matched) -> Option<Work> {
        let Some(source) = source::resolve(source, found, "") else {
            tracing::warn!(%path, "the path makes no URL of its source");
            return None;
        };
        let pulling = source::start(&self.sources, self.hub.clone(), path.clone(), source);
        Some(Work::Source { _pulling: pulling })
    }

    fn wanted(&mut self, path: StreamPath) {
        if let Some(demand) = self.kept.demands.get(&path) {
            if !demand.available {
                self.set_time(&path, demand.timing.start_timeout);
            }
            return;
        }
        let Some(demand) = self.demand(&path) else { return };
        let patience = demand.timing.start_timeout;
        self.kept.demands.insert(path.clone(), demand);
        self.set_time(&path, patience);
    }

    /// Sends for a path.
    fn demand(&self, path: &StreamPath) -> Option<Demand> {
        let found = self.table.find(path)?;
        let environment = || self.environment(path, &found).with_query("");
        let (work, timing, afterwards) = match (&found.rules.source, &found.rules.on_demand) {
            (Source::Pull(source), _) => {
                (self.pull(path, source, &found)?, found.rules.source_on_demand?, None)
            }
            (Source::Publisher, Some((task, timing))) => {
                let hook_of = |name, command: &HookCommand| hook(name, path, command, environment());
                let running = self.runner.start(hook_of("run_on_demand", &task.command), task.restart);
                let afterwards = found.rules.on_undemand.as_ref();
                let afterwards = afterwards.map(|command| hook_of("run_on_undemand", command));
                (Work::Command { _running: running }, *timing, afterwards)
            }
            (Source::Publisher, None) => return None,
        };
        Some(Demand { work, afterwards, timing, available: false, due: 0 })
    }

    /// Lets [`Event::Due`] come after `wait`; times set before for the path no longer count.
    fn set_time(&mut self, path: &StreamPath, wait: Duration) {
        self.kept.times += 1;
        let time = self.kept.times;
        if let Some(demand) = self.kept.demands.get_mut(path) {
            demand.due = time;
        }
        let (events, path) = (self.events.clone(), path.clone());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // Nobody is there to hear it once the server ends.
            let _ = events.send(Event::Due(path, time));
        });
    }

    fn due(&mut self, path: &StreamPath, time: u64) {
        let Some(demand) = self.kept.demands.get(path).filter(|demand| demand.due == time) else { return };
        if !demand.available {
            tracing::warn!(%path, "nobody published the path in time after it was sent for");
            self.end_demand(path);
        } else if self.hub.readers(path) == 0 {
            self.end_demand(path);
        }
    }

    fn end_demand(&mut self, path: &StreamPath) {
        let Some(Demand { work, afterwards, .. }) = self.kept.demands.remove(path) else { return };
        drop(work);
        if let Some(hook) = afterwards {
            self.runner.once(hook);
        }
    }

    fn available(&mut self, path: StreamPath) {
        if let Some(demand) = self.kept.demands.get_mut(&path) {
            demand.available = true;
            let wait = demand.timing.close_after.max(SETTLE);
            self.set_time(&path, wait);
        }
        let Some(found) = self.table.find(&path) else { return };
        let (task, afterwards) = (&found.rules.on_available, &found.rules.on_unavailable);
        if task.is_none() && afterwards.is_none() {
            return;
        }
        let (kind, id, query) = self.publisher(&path, &found);
        let environment = self.environment(&path, &found).with_query(&query);
        let environment = environment.with("MTX_SOURCE_TYPE", kind).with("MTX_SOURCE_ID", id);
        let names = ("run_on_available", "run_on_unavailable");
        let lasting = self.start(names, Some(&path), task.as_ref(), afterwards.as_ref(), &environment);
        let before = self.kept.available.insert(path, lasting);
        self.end(before);
    }

    /// Kind, id and query of who feeds a path.
    fn publisher(&self, path: &StreamPath, found: &Matched) -> (&'static str, String, String) {
        if let Some(kind) = found.rules.source.name() {
            return (kind, String::new(), String::new());
        }
        let publishes = |session: &Arc<gateway::sessions::Session>| {
            let activity = session.details().activity?;
            let publishes = activity.action == Action::Publish && activity.path == *path;
            publishes.then(|| (session.kind.name(), session.id.to_string(), activity.query.0))
        };
        self.sessions.snapshot().iter().rev().find_map(publishes).unwrap_or_default()
    }

    fn unavailable(&mut self, path: &StreamPath) {
        // What was sent for has come and gone; the next reader sends again.
        self.end_demand(path);
        let ended = self.kept.available.remove(path);
        self.end(ended);
    }

    fn abandoned(&mut self, path: &StreamPath) {
        if let Some(demand) = self.kept.demands.get(path)
            && demand.available
        {
            self.set_time(path, demand.timing.close_after);
        }
    }

    fn reads(&mut self, reader: &Reader) {
        let Some(found) = self.table.find(&reader.path) else { return };
        let environment = self.environment(&reader.path, &found).with_query(reader.query.reveal());
        let environment = environment
            .with("MTX_READER_TYPE", reader.kind.name())
            .with("MTX_READER_ID", reader.id.to_string());
        let names = ("run_on_read", "run_on_unread");
        let (task, afterwards) = (found.rules.on_read.as_ref(), found.rules.on_unread.as_ref());
        let lasting = self.start(names, Some(&reader.path), task, afterwards, &environment);
        let before = self.kept.readers.insert(reader.id, lasting);
        self.end(before);
    }

    fn connected(&mut self, id: SessionId, kind: SessionKind) {
        let environment = Environment::new(self.rtsp_port)
            .with("MTX_CONN_TYPE", kind.name())
            .with("MTX_CONN_ID", id.to_string());
        let task = Task::new(self.hooks.run_on_connect.clone(), self.hooks.run_on_connect_restart);
        let names = ("run_on_connect", "run_on_disconnect");
        let afterwards = self.hooks.run_on_disconnect.as_ref();
        let lasting = self.start(names, None, task.as_ref(), afterwards, &environment);
        let before = self.kept.connections.insert(id, lasting);
        self.end(before);
    }

    /// Begins what goes on while a cause does. Both commands get the same variables.
    fn start(
        &self,
        names: (&'static str, &'static str),
        path: Option<&StreamPath>,
        task: Option<&Task>,
        afterwards: Option<&HookCommand>,
        environment: &Environment,
    ) -> Lasting {
        let hook_of = |name, command: &HookCommand| Hook {
            name,
            path: path.cloned(),
            command: command.clone(),
            environment: environment.clone(),
        };
        let running = task.map(|task| self.runner.start(hook_of(names.0, &task.command), task.restart));
        Lasting { _running: running, afterwards: afterwards.map(|command| hook_of(names.1, command)) }
    }

    /// Ends what went on: the one command is told to end, the other runs at once, so that what happens next to the
    /// same path cannot overtake it.
    fn end(&self, ended: Option<Lasting>) {
        let Some(Lasting { _running: running, afterwards }) = ended else { return };
        drop(running);
        if let Some(hook) = afterwards {
            self.runner.once(hook);
        }
    }

    fn stop(mut self) {
        let Kept { initial, demands, available, readers, connections, .. } = std::mem::take(&mut self.kept);
        drop(initial);
        self.kept.demands = demands;
        for path in self.kept.demands.keys().cloned().collect::<Vec<_>>() {
            self.end_demand(&path);
        }
        let lasting = readers.into_values().chain(available.into_values()).chain(connections.into_values());
        lasting.for_each(|lasting| self.end(Some(lasting)));
    }
}

fn hook(name: &'static str, path: &StreamPath, command: &HookCommand, environment: Environment) -> Hook {
    Hook { name, path: Some(path.clone()), command: command.clone(), environment }
}
