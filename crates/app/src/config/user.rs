//! Who may do what: the checked form of `[[auth.user]]`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use media::{Pii, StreamPath};

use super::pattern::PathPattern;
use super::problem::Problems;
use super::raw::RawTable;
use super::schema::UserEntry;
use super::section::{Section, Settings};
use super::value::{CREDENTIAL_BYTES, PasswordHash};

/// One door: who, from where, to what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Who goes through.
    pub identity: Identity,
    /// From where; never empty.
    pub networks: Vec<IpNet>,
    /// What may be published.
    pub publish: Vec<PathPattern>,
    /// What may be read.
    pub read: Vec<PathPattern>,
    /// Whether the API and the metrics may be used.
    pub api: bool,
}

/// Who a door is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// Everybody, without a password.
    Any,
    /// Who shows this name and its password.
    Named {
        /// The name.
        name: Pii<String>,
        /// What the password is compared with.
        secret: Secret,
    },
}

/// What a password is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Secret {
    /// Its argon2 hash.
    Hash(Box<PasswordHash>),
    /// The password itself, from a file that only Medley can read.
    Password(Pii<String>),
}

impl User {
    /// Whether `address` lies in one of the networks. An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2), which is
    /// what a socket on `[::]` sees, counts as IPv4.
    pub fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether `path` may be published.
    pub fn may_publish(&self, path: &StreamPath) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether `path` may be read.
    pub fn may_read(&self, path: &StreamPath) -> bool {
        self.read.iter().any(|pattern| pattern.matches(path))
    }

    /// Checks one entry. `None` when it has problems, which are noted.
    pub(crate) fn check(raw: RawTable, problems: &mut Problems) -> Option<Self> {
        let before = problems.len();
        let place_of =
            |key: &str| raw.values.get(key).map_or_else(|| raw.place.clone(), |value| value.place.clone());
        let [hash_place, file_place, networks_place] =
            ["password", "password_file", "networks"].map(place_of);
        let table = raw.place.clone();
        let mut settings = Settings { table: "auth.user", place: raw.place, values: raw.values, problems };
        let entry = UserEntry::read(&mut settings);
        if entry.networks.is_empty() && problems.len() == before {
            let message = "found an empty list, which is nowhere; leave the key out for everywhere";
            problems.add(networks_place, "auth.user.networks", message);
        }
        let secret = match (entry.password, entry.password_file) {
            (Some(_), Some(_)) => Err("stands beside `password`; accepted: one of them".to_owned()),
            (Some(hash), None) => Ok(Some(Secret::Hash(Box::new(hash)))),
            (None, Some(path)) => read_secret(&path).map(Some).map_err(|error| error.to_string()),
            (None, None) => Ok(None),
        };
        let secret = secret.unwrap_or_else(|message| {
            problems.add(file_place.clone(), "auth.user.password_file", message);
            None
        });
        if problems.len() > before {
            return None;
        }
        let identity = match (entry.name.reveal() == "any", secret) {
            (true, None) => Ok(Identity::Any),
            (false, Some(secret)) => Ok(Identity::Named { name: entry.name, secret }),
            (true, Some(_)) => Err((hash_place.max(file_place), PASSWORD_FOR_ANY)),
            (false, None) => Err((table, PASSWORD_MISSING)),
        };
        let identity =
            identity.map_err(|(place, message)| problems.add(place, "auth.user.password", message)).ok()?;
        let (networks, publish, read, api) = (entry.networks, entry.publish, entry.read, entry.api);
        Some(Self { identity, networks, publish, read, api })
    }
}

const PASSWORD_FOR_ANY: &str = "\"any\" asks for no password; name the user or leave the password out";
const PASSWORD_MISSING: &str =
    "missing; accepted: an argon2 hash as `medley hash-password` prints it, or `password_file`";

/// Why a password file is of no use.
#[derive(Debug, thiserror::Error)]
enum SecretFileError {
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("the file's first line is empty")]
    Empty,
    #[error("the file's first line has more than {CREDENTIAL_BYTES} bytes")]
    TooLong,
    #[error("the file's first line is a damaged argon2 hash")]
    Hash,
}

/// Reads a password, or its hash, from the first line of a file (Docker and systemd hand over secrets so).
fn read_secret(path: &Path) -> Result<Secret, SecretFileError> {
    let mut line = String::new();
    // One more byte than accepted, and a line break.
    let limit = u64::try_from(CREDENTIAL_BYTES + 2).unwrap_or(u64::MAX);
    BufReader::new(File::open(path)?.take(limit)).read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    match line {
        "" => Err(SecretFileError::Empty),
        _ if line.len() > CREDENTIAL_BYTES => Err(SecretFileError::TooLong),
        _ if line.starts_with("$argon2") => {
            let hash = PasswordHash::parse(line).ok_or(SecretFileError::Hash)?;
            Ok(Secret::Hash(Box::new(hash)))
        }
        _ => Ok(Secret::Password(Pii(line.to_owned()))),
    }
}
