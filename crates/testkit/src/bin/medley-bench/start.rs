//! Time to start, and memory when nothing happens.

use std::time::Duration;

use anyhow::Result;
use testkit::server::Medley;
use testkit::stats::median;

use super::Setup;
use super::report::{Table, number};

pub(super) async fn run(setup: &Setup) -> Result<Table> {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..setup.runs.max(5) {
        let medley = Medley::start(&setup.binary, setup.core).await?;
        times.push(medley.started_in.as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.push(medley.process.resident_kib()? / 1024.0);
    }
    let mut table = Table::new("Start", &["", "measured", "target"]);
    table.row("process to /healthz 200, ms", [number(median(&times), 1), "< 200".to_owned()]);
    table.row("idle RSS, MiB", [number(median(&memory), 1), "< 30".to_owned()]);
    Ok(table)
}
