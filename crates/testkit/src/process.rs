//! What a process costs, as Linux counts it.

use std::fs;
use std::process::{Child, Command};

use anyhow::{Context, Result};

/// `sysconf(_SC_CLK_TCK)`, 100 on every Linux since 2.6.
const TICKS: f64 = 100.0;

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `command` on core `core`, if one is given.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: Command, core: Option<usize>) -> Result<Self> {
        let command = match core {
            None => command,
            Some(core) => pinned(&command, core),
        };
        let mut command = command;
        let name = command.get_program().to_owned();
        Ok(Self(command.spawn().with_context(|| format!("{} does not start", name.display()))?))
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Seconds of CPU so far, user and system.
    ///
    /// # Errors
    /// If it is gone.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(&self.0.id().to_string())
    }

    /// Resident memory in KiB.
    ///
    /// # Errors
    /// If it is gone.
    pub fn resident_kib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_ascii_whitespace().next().context("no VmRSS")?.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `command` through taskset(1), which replaces itself by it: the id stays.
fn pinned(command: &Command, core: usize) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.arg("-c").arg(core.to_string()).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(key, value),
            None => pinned.env_remove(key),
        };
    }
    pinned.stdout(std::process::Stdio::null());
    pinned
}

/// Seconds of CPU of process `id`, or of this one (`self`).
///
/// # Errors
/// If there is no such process.
pub fn cpu_seconds(id: &str) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("no process name")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    Ok((ticks(11).context("no utime")? + ticks(12).context("no stime")?) / TICKS)
}
