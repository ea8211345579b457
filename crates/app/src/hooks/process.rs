//! One process of a hook, with all that it starts.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::runner::Hook;

/// How long a process may take to end after SIGINT.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked whether the children of an ended process have ended too.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The longest line of a command's output that is logged, in bytes.
const LONGEST_LINE: usize = 512;
/// Lines of one command's output that are logged in a second.
const LINES_A_SECOND: u32 = 20;

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It was told to.
    Terminated,
}

/// Runs a hook's command to its end. When `terminate` comes, the process and all that it has started are sent SIGINT,
/// and SIGKILL after 10 s; with `at_once`, SIGKILL immediately.
///
/// # Errors
/// If the command cannot be started.
pub(super) async fn run(
    hook: &Hook,
    terminate: &CancellationToken,
    at_once: &CancellationToken,
) -> io::Result<Ended> {
    let mut child = start(hook)?;
    let Some(group) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
        return Ok(Ended::Exited(child.wait().await?));
    };
    tokio::select! {
        status = child.wait() => return Ok(Ended::Exited(status?)),
        () = terminate.cancelled() => signal(group, Signal::INT),
        () = at_once.cancelled() => {}
    }
    let deadline = Instant::now() + PATIENCE;
    tokio::select! {
        () = wait_for_all(&mut child, group, deadline) => {}
        () = at_once.cancelled() => {}
    }
    signal(group, Signal::KILL);
    child.wait().await?;
    Ok(Ended::Terminated)
}

fn start(hook: &Hook) -> io::Result<Child> {
    let mut words = hook.command.words().iter().map(|word| hook.environment.expand(word));
    let mut command = Command::new(words.next().unwrap_or_default());
    // A group of its own: a signal reaches what a shell has started too, and Ctrl-C at our terminal does not.
    command.args(words).envs(hook.environment.iter()).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null());
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(output) = child.stdout.take() {
        tokio::spawn(log_lines(hook.clone(), output));
    }
    if let Some(output) = child.stderr.take() {
        tokio::spawn(log_lines(hook.clone(), output));
    }
    Ok(child)
}

/// A group that is gone has ended, which is what was wanted.
fn signal(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal)
        && error != Errno::SRCH
    {
        tracing::warn!(%error, "a hook's process cannot be sent a signal");
    }
}

/// Waits for the process and then for what it has started, until `deadline`.
async fn wait_for_all(child: &mut Child, group: Pid, deadline: Instant) {
    if timeout_at(deadline, child.wait()).await.is_err() {
        return;
    }
    while test_kill_process_group(group).is_ok() && Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
    }
}

/// Logs what a command prints, within bounds, until it prints no more.
async fn log_lines(hook: Hook, mut output: impl AsyncRead + Unpin) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 4 << 10];
    let mut budget = Budget::new(Instant::now());
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        lines.push(&buffer[..length], |line| {
            if budget.take(Instant::now()) {
                let line = String::from_utf8_lossy(line);
                tracing::debug!(hook = hook.name, path = hook.path(), ?line, "output of a hook's command");
            }
        });
    }
}

/// Puts lines together. ffmpeg ends the lines of its progress with CR alone.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' if self.0.is_empty() => {}
                b'\n' | b'\r' => {
                    line(&self.0);
                    self.0.clear();
                }
                _ if self.0.len() < LONGEST_LINE => self.0.push(byte),
                _ => {}
            }
        }
    }
}

/// So many lines in each second; the others are not logged.
struct Budget {
    since: Instant,
    left: u32,
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self { since: now, left: LINES_A_SECOND }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_into_lines_of_bounded_length() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in [&b"frame=1\rframe"[..], b"=2\r\n\n", &[b'x'; 2_000], b"\nrest"] {
            lines.push(part, |line| seen.push(String::from_utf8(line.to_vec()).unwrap()));
        }
        assert_eq!(seen[..2], ["frame=1", "frame=2"]);
        assert_eq!((seen.len(), seen[2].len()), (3, LONGEST_LINE));
    }

    #[test]
    fn so_many_lines_are_logged_in_a_second() {
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        assert_eq!((0..100).filter(|_| budget.take(begun)).count(), 20);
        assert!(budget.take(begun + Duration::from_secs(1)));
    }
}
