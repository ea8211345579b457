//! The publishers and readers of a measurement.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use media::Frame;
use testkit::process;
use testkit::stamp::{self, Stamp};
use testkit::stats::percentile;
use tokio::task::JoinSet;

/// Tasks that run as long as this lives, and must not end before.
#[derive(Debug, Default)]
pub(super) struct Crew(JoinSet<Result<()>>);

impl Crew {
    pub(super) fn add(&mut self, task: impl Future<Output = Result<()>> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Waits, and fails if one of the tasks ends meanwhile.
    pub(super) async fn work(&mut self, time: Duration) -> Result<()> {
        match tokio::time::timeout(time, self.0.join_next()).await {
            Err(_) => Ok(()),
            Ok(None) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Ok(Some(ended)) => {
                ended.context("a task panicked")??;
                bail!("a task ended early")
            }
        }
    }

    /// Waits until `done`, ten seconds at most.
    pub(super) async fn work_until(&mut self, done: impl Fn() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !done() {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(30), "not everybody joined in 30 s");
            self.work(Duration::from_millis(20)).await?;
        }
        Ok(())
    }
}

/// Delays of pictures in milliseconds, of all who share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays(Arc<Mutex<Vec<f64>>>);

impl Delays {
    /// A picture has arrived now.
    pub(super) fn note(&self, frame: &Frame) {
        if let Some(stamp) = Stamp::of(frame) {
            self.push(stamp::nanos().saturating_sub(stamp.nanos));
        }
    }

    pub(super) fn push(&self, nanos: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(nanos as f64 / 1e6);
    }

    /// What was noted so far; it begins anew.
    pub(super) fn take(&self) -> Vec<f64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// p50, p95, p99 and the largest.
pub(super) fn quantiles(delays: &[f64]) -> [f64; 4] {
    [0.5, 0.95, 0.99, 1.0].map(|share| percentile(delays, share))
}

/// CPU of the server and of this process over a time, in shares of a core.
pub(super) async fn cpu_of(
    server: &process::Process,
    crew: &mut Crew,
    time: Duration,
) -> Result<(f64, f64, f64)> {
    let before = (server.cpu_seconds()?, process::cpu_seconds("self")?, Instant::now());
    crew.work(time).await?;
    let passed = before.2.elapsed().as_secs_f64();
    let used = server.cpu_seconds()? - before.0;
    let own = process::cpu_seconds("self")? - before.1;
    Ok((used, used / passed * 100.0, own / passed * 100.0))
}
