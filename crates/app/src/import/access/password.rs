//! Passwords: plain ones are hashed, argon2 is taken as it is, and the others cannot be verified here.

use std::collections::BTreeMap;

use crate::config::{CREDENTIAL_BYTES, PasswordHash};

use super::Door;
use crate::import::Hash;

/// The argon2 hash of a door's password.
///
/// # Errors
/// Why there is none, without repeating anything.
pub(super) fn hash(
    door: &Door,
    hashes: &mut BTreeMap<String, String>,
    hash: Hash<'_>,
) -> Result<String, &'static str> {
    let hashed = |text: &str| text.starts_with("sha256:") || text.starts_with("argon2:");
    if hashed(&door.name) {
        return Err(
            "the name is a hash, from which it cannot be found out: this [[auth.user]] stands as a comment",
        );
    }
    if let Some(phc) = door.password.strip_prefix("argon2:") {
        let valid = PasswordHash::parse(phc).is_some();
        return valid
            .then(|| phc.to_owned())
            .ok_or("the argon2 hash is damaged: this [[auth.user]] stands as a comment");
    }
    if hashed(&door.password) {
        return Err(
            "the password is a SHA-256, which is not verified here: this [[auth.user]] stands as a comment until \
                    `medley hash-password` has made a hash of the password",
        );
    }
    if door.password.is_empty() {
        return Err("there is no password, so MediaMTX takes any: this [[auth.user]] stands as a comment");
    }
    if door.password.len() > CREDENTIAL_BYTES {
        return Err("the password has more than 256 bytes: this [[auth.user]] stands as a comment");
    }
    if let Some(known) = hashes.get(&door.password) {
        return Ok(known.clone());
    }
    let made = hash(&door.password)
        .ok_or("the password cannot be hashed: this [[auth.user]] stands as a comment")?;
    hashes.insert(door.password.clone(), made.clone());
    Ok(made)
}
