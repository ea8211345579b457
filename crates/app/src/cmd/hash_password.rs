//! `medley hash-password`: makes the hash that stands in the configuration.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, ensure};

use crate::auth;
use crate::config::CREDENTIAL_BYTES;

/// Read a password from standard input and print its argon2 hash for [[auth.user]].
#[derive(clap::Args, Debug)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> anyhow::Result<()> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        write!(io::stderr(), "Password (it shows while you type): ")?;
    }
    let mut line = String::new();
    // One byte more than accepted, and a line break.
    stdin
        .lock()
        .take(CREDENTIAL_BYTES as u64 + 2)
        .read_line(&mut line)
        .context("the password cannot be read")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "the password is empty");
    ensure!(password.len() <= CREDENTIAL_BYTES, "the password has more than {CREDENTIAL_BYTES} bytes");
    let hash = auth::hash_password(password).context("the password cannot be hashed")?;
    writeln!(io::stdout(), "{hash}")?;
    Ok(())
}
