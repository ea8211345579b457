//! `medley import`: makes a configuration from MediaMTX's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::auth;
use crate::config::{ConfigError, read};
use crate::import::{Import, Kind, import};

/// Make a configuration from MediaMTX's mediamtx.yml, and tell what it does not take over.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// MediaMTX's configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the configuration; - is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "medley.toml")]
    output: PathBuf,
    /// Replace an output file that exists.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let standard_output = args.output == Path::new("-");
    // Before the passwords are hashed, which takes its time.
    if !standard_output && !args.force && args.output.exists() {
        bail!("{}", exists(&args.output));
    }
    let text = read(&args.file)?;
    let name = args.file.display().to_string();
    let made = import(&text, &name, super::environment(), &|password| auth::hash_password(password).ok());
    let Import { toml, report } = made.map_err(ConfigError::from)?;
    if standard_output {
        io::stdout().write_all(toml.as_bytes())?;
    } else {
        write(&args.output, &toml, args.force)?;
    }
    let mut stderr = io::stderr();
    write!(stderr, "{report}")?;
    if !standard_output {
        let decide =
            if report.notes(Kind::Decide).is_empty() { "" } else { " when you have looked at the above" };
        let output = args.output.display();
        writeln!(stderr, "{output} is written and valid. Next: medley check {output}{decide}.")?;
    }
    Ok(())
}

fn exists(path: &Path) -> String {
    format!("{} exists; accepted: --force, or another --output", path.display())
}

/// Writes a file that nobody else can read: it holds hashes of passwords. One that is replaced is there whole, old or
/// new, at any time.
fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    if !force {
        return match create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!("{}", exists(path)),
            created => created.and_then(|file| fill(file, text)).with_context(failed),
        };
    }
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let replaced =
        create(Path::new(&new)).and_then(|file| fill(file, text)).and_then(|()| fs::rename(&new, path));
    replaced.with_context(failed)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
