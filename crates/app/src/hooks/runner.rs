//! The processes of all hooks: how many there are, when they start again, how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use media::StreamPath;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::environment::Environment;
use super::process::{self, Ended};
use crate::config::HookCommand;

/// From the end of a command to its next start, as in MediaMTX.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// A command, and why it runs.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    /// The key of the configuration.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) path: Option<StreamPath>,
    pub(crate) command: HookCommand,
    pub(crate) environment: Environment,
}

impl Hook {
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_ref().map(StreamPath::as_str)
    }
}

/// What happened to hooks since the start; each is a metric.
#[derive(Debug, Default)]
pub struct HookCounters {
    /// Commands that did not run because as many as may be were running.
    pub refused: AtomicU64,
    /// Commands that could not be started, or ended by themselves with another code than 0.
    pub failed: AtomicU64,
}

/// Starts and ends processes. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Runner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: Arc<Semaphore>,
    most: usize,
    tasks: TaskTracker,
    /// Ends every process without further patience.
    at_once: CancellationToken,
    counters: HookCounters,
}

/// A command that runs; dropping this ends it.
#[derive(Debug)]
pub(crate) struct Running {
    _terminate: DropGuard,
}

impl Runner {
    /// For at most `most` processes at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            slots: Arc::new(Semaphore::new(most)),
            most,
            tasks: TaskTracker::new(),
            at_once: CancellationToken::new(),
            counters: HookCounters::default(),
        }))
    }

    /// Runs a command until the result is dropped, again and again if `restart`.
    pub(crate) fn start(&self, hook: Hook, restart: bool) -> Running {
        let terminate = CancellationToken::new();
        self.0.tasks.spawn(Arc::clone(&self.0).run(hook, restart, terminate.clone()));
        Running { _terminate: terminate.drop_guard() }
    }

    /// Runs a command once, to its own end.
    pub(crate) fn once(&self, hook: Hook) {
        self.0.tasks.spawn(Arc::clone(&self.0).run(hook, false, CancellationToken::new()));
    }

    /// Processes now.
    pub(crate) fn processes(&self) -> usize {
        self.0.most - self.0.slots.available_permits()
    }

    pub(crate) fn counters(&self) -> &HookCounters {
        &self.0.counters
    }

    /// Waits until every process has ended, at most `patience`; those that have not are killed then.
    pub(crate) async fn close(&self, patience: Duration) {
        self.0.tasks.close();
        if timeout(patience, self.0.tasks.wait()).await.is_err() {
            self.0.at_once.cancel();
            self.0.tasks.wait().await;
        }
    }
}

impl Shared {
    async fn run(self: Arc<Self>, hook: Hook, restart: bool, terminate: CancellationToken) {
        loop {
            let goes_on = self.run_once(&hook, &terminate).await;
            if !restart || !goes_on {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                () = terminate.cancelled() => return,
                () = self.at_once.cancelled() => return,
            }
        }
    }

    /// Runs a command to its end; whether it ended by itself.
    async fn run_once(&self, hook: &Hook, terminate: &CancellationToken) -> bool {
        let (name, path) = (hook.name, hook.path());
        let Ok(_slot) = self.slots.try_acquire() else {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                hook = name,
                path,
                limit = self.most,
                "too many commands of hooks; this one does not run"
            );
            return true;
        };
        tracing::info!(hook = name, path, "command started");
        match process::run(hook, terminate, &self.at_once).await {
            Ok(Ended::Terminated) => {
                tracing::info!(hook = name, path, "command ended");
                return false;
            }
            Ok(Ended::Exited(status)) if status.success() => {
                tracing::info!(hook = name, path, "command ended by itself");
            }
            // "exit status: 1", "signal: 9 (SIGKILL)".
            Ok(Ended::Exited(status)) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(hook = name, path, %status, "command failed");
            }
            Err(error) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(hook = name, path, %error, "command cannot be started");
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Instant;

    use super::*;

    fn hook(command: &str) -> Hook {
        Hook {
            name: "run_on_test",
            path: Some(StreamPath::new("ward/3").unwrap()),
            command: HookCommand::parse(command).unwrap(),
            environment: Environment::new(None).with("MTX_PATH", "ward/3"),
        }
    }

    /// A file that does not exist yet.
    fn file(name: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("medley-hook-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&file);
        file
    }

    async fn comes_to(file: &PathBuf, expected: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while fs::read_to_string(file).unwrap_or_default() != expected {
            assert!(Instant::now() < deadline, "{:?} instead of {expected:?}", fs::read_to_string(file));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_command_gets_its_words_and_variables_and_no_shell() {
        let out = file("words");
        let runner = Runner::new(4);
        runner
            .once(hook(&format!("sh -c 'echo \"$0|$MTX_PATH|$1\" > {}' '$MTX_PATH' 'a; b'", out.display())));
        comes_to(&out, "ward/3|ward/3|a; b\n").await;
        runner.close(Duration::from_secs(5)).await;
        assert_eq!((runner.processes(), runner.counters().failed.load(Ordering::Relaxed)), (0, 0));
        fs::remove_file(out).unwrap();
    }

    #[tokio::test]
    async fn ending_a_command_ends_all_that_it_has_started() {
        let out = file("group");
        let runner = Runner::new(4);
        // As the server has one: what a process handles, its children have by default, also where a shell in the
        // background made everything ignore it.
        let _handler = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
        // The shell's child writes; SIGINT reaches it by its group only.
        let child = format!(
            "trap \"echo int >> {0}; exit 0\" INT; echo up >> {0}; while :; do sleep 0.05; done",
            out.display()
        );
        let script = format!("sh -c {}; true", shell_words::quote(&child));
        let running = runner.start(hook(&format!("sh -c {}", shell_words::quote(&script))), false);
        comes_to(&out, "up\n").await;
        assert_eq!(runner.processes(), 1);
        let begun = Instant::now();
        drop(running);
        runner.close(Duration::from_secs(9)).await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        comes_to(&out, "up\nint\n").await;
        fs::remove_file(out).unwrap();
    }

    #[tokio::test]
    async fn a_command_that_does_not_listen_is_killed() {
        let out = file("deaf");
        let runner = Runner::new(4);
        let script = format!("trap '' INT; echo up > {}; while :; do sleep 0.05; done", out.display());
        let running = runner.start(hook(&format!("sh -c {}", shell_words::quote(&script))), true);
        comes_to(&out, "up\n").await;
        drop(running);
        let begun = Instant::now();
        runner.close(Duration::from_millis(300)).await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert_eq!(runner.processes(), 0);
        fs::remove_file(out).unwrap();
    }

    #[tokio::test]
    async fn a_command_that_fails_or_cannot_start_is_counted() {
        let runner = Runner::new(4);
        runner.once(hook("false"));
        runner.once(hook("/no/such/program --token=hunter2"));
        runner.once(hook("true"));
        runner.close(Duration::from_secs(5)).await;
        assert_eq!(runner.counters().failed.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn no_more_run_than_may() {
        let runner = Runner::new(1);
        let running = runner.start(hook("sleep 60"), false);
        while runner.processes() == 0 {
            tokio::task::yield_now().await;
        }
        runner.once(hook("true"));
        while runner.counters().refused.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        drop(running);
        runner.close(Duration::from_secs(5)).await;
        assert_eq!(runner.processes(), 0);
    }
}
