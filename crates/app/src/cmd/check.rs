//! `medley check`: tells what is wrong with a configuration, or what it would do.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::Config;

/// Check a configuration file with the environment, without starting anything.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(Some(&args.file), super::environment())?;
    let summary = config.summary();
    write!(io::stdout(), "{} is valid.\n{summary}", args.file.display())?;
    Ok(())
}
