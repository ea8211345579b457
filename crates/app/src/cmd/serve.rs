//! `medley serve`: runs the server.

use std::path::PathBuf;

use axum::Router;

use crate::config::Config;

/// Run the server.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Configuration file; without one the defaults hold, which let nobody in.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), super::environment())?;
    super::serve_until_signal(&config, |_, _| Ok(Router::new()))
}
