//! The command line: one module for each command.

mod check;
mod demo;
mod hash_password;
mod import;
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use axum::Router;
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::server::Server;
use crate::{logging, shutdown};

/// Video consultations between browsers and mini-programs, in one process.
#[derive(Parser, Debug)]
#[command(name = "medley", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Check(check::Args),
    HashPassword(hash_password::Args),
    Import(import::Args),
}

/// Runs the command that the command line names. 0: done; 1: it failed, and standard error says why; 2: the command
/// line is wrong.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::HashPassword(args) => hash_password::run(&args),
        Command::Import(args) => import::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even this cannot be written.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The environment, for the configuration.
fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Logs, assembles and serves until a signal, with the routes that `extra` makes for the bound server.
fn serve_until_signal(
    config: &Config,
    extra: impl FnOnce(&Server, &CancellationToken) -> anyhow::Result<Router>,
) -> anyhow::Result<()> {
    logging::start(&config.log)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let shutdown = shutdown::on_signals()?;
        let server = Server::bind(config, shutdown.clone()).await?;
        let routes = extra(&server, &shutdown)?;
        server.run(routes).await
    })
}
