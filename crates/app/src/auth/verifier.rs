//! Compares passwords: with argon2 the first time, with a keyed digest from then on.

use std::sync::{Arc, OnceLock};
use std::thread;

use argon2::password_hash::PasswordVerifier;
use argon2::{Argon2, password_hash};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::config::{PasswordHash, Secret};

/// Checks that may wait for a thread; beyond, callers are told to come back. One takes some 20 ms, so nobody in the
/// queue waits long.
const QUEUE: usize = 64;

/// A keyed digest (HMAC-SHA256) of a password. The key lives as long as the process, so a digest is worth nothing
/// outside of it.
type Digest = [u8; 32];

/// What a password is compared with.
#[derive(Debug)]
pub(super) struct Password {
    /// `None`: the password itself was given, and `verified` holds its digest from the start.
    hash: Option<PasswordHash>,
    /// The digest of the password that was found right.
    verified: OnceLock<Digest>,
}

/// What a comparison says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checked {
    Right,
    Wrong,
    /// Too many comparisons are waiting.
    Busy,
}

/// Compares passwords, few at a time.
pub(super) struct Verifier {
    key: Hmac<Sha256>,
    queue: Semaphore,
    threads: Arc<Semaphore>,
}

impl Verifier {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        // Half of the processors: argon2 fills one for its whole run, and media goes on meanwhile.
        let threads = thread::available_parallelism().map_or(1, |count| (count.get() / 2).max(1));
        Ok(Self {
            key: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length (RFC 2104 §2)"),
            queue: Semaphore::new(QUEUE),
            threads: Arc::new(Semaphore::new(threads)),
        })
    }

    /// Makes a secret comparable.
    pub(super) fn password(&self, secret: &Secret) -> Password {
        match secret {
            Secret::Hash(hash) => Password { hash: Some((**hash).clone()), verified: OnceLock::new() },
            Secret::Password(password) => {
                Password { hash: None, verified: OnceLock::from(self.digest(password.reveal())) }
            }
        }
    }

    /// Compares `shown` with `password`.
    pub(super) async fn check(&self, password: &Password, shown: &str) -> Checked {
        if let Some(verified) = password.verified.get() {
            // In constant time; it is the same password or it is wrong.
            let right = self.key.clone().chain_update(shown).verify_slice(verified).is_ok();
            return if right { Checked::Right } else { Checked::Wrong };
        }
        let Some(hash) = password.hash.clone() else { return Checked::Wrong };
        let Ok(_place) = self.queue.try_acquire() else { return Checked::Busy };
        let Ok(thread) = Arc::clone(&self.threads).acquire_owned().await else { return Checked::Busy };
        let digest = self.digest(shown);
        let shown = shown.to_owned();
        let run = move || {
            // The thread counts as taken until the run ends, even if nobody waits for it any more.
            let _thread = thread;
            verify(&hash, &shown)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(Ok(())) => {
                // Lost only to an equal digest.
                let _ = password.verified.set(digest);
                Checked::Right
            }
            Ok(Err(password_hash::Error::PasswordInvalid)) => Checked::Wrong,
            Ok(Err(error)) => {
                tracing::error!(%error, "a password could not be verified");
                Checked::Wrong
            }
            Err(error) => {
                tracing::error!(panic = error.is_panic(), "the verification of a password was cut off");
                Checked::Wrong
            }
        }
    }

    fn digest(&self, password: &str) -> Digest {
        self.key.clone().chain_update(password).finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

fn verify(hash: &PasswordHash, shown: &str) -> password_hash::Result<()> {
    Argon2::default().verify_password(shown.as_bytes(), hash.phc())
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;
    use argon2::{Algorithm, Params, Version};

    use super::*;

    /// A cheap hash, with the least memory that argon2 takes.
    fn secret(password: &str) -> Secret {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash: password_hash::phc::PasswordHash = argon2.hash_password(password.as_bytes()).unwrap();
        Secret::Hash(Box::new(PasswordHash::parse(&hash.to_string()).unwrap()))
    }

    #[tokio::test]
    async fn a_password_is_verified_once_and_then_remembered() {
        let verifier = Verifier::new().unwrap();
        let password = verifier.password(&secret("right"));
        assert_eq!(verifier.check(&password, "wrong").await, Checked::Wrong);
        assert!(password.verified.get().is_none(), "a wrong password is not remembered");
        assert_eq!(verifier.check(&password, "right").await, Checked::Right);
        assert!(password.verified.get().is_some());
        // No thread is needed any more.
        verifier.threads.close();
        assert_eq!(verifier.check(&password, "right").await, Checked::Right);
        assert_eq!(verifier.check(&password, "wrong").await, Checked::Wrong);
        assert_eq!(verifier.check(&password, "").await, Checked::Wrong);
    }

    #[tokio::test]
    async fn a_password_from_a_file_needs_no_thread() {
        let verifier = Verifier::new().unwrap();
        verifier.threads.close();
        let password = verifier.password(&Secret::Password(media::Pii("right".into())));
        assert_eq!(verifier.check(&password, "right").await, Checked::Right);
        assert_eq!(verifier.check(&password, "wrong").await, Checked::Wrong);
    }

    #[tokio::test]
    async fn a_crowd_at_the_door_is_told_to_come_back() {
        let verifier = Verifier::new().unwrap();
        let password = verifier.password(&secret("right"));
        let crowd = verifier.queue.acquire_many(u32::try_from(QUEUE).unwrap()).await.unwrap();
        assert_eq!(verifier.check(&password, "right").await, Checked::Busy);
        drop(crowd);
        assert_eq!(verifier.check(&password, "right").await, Checked::Right);
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        let verifier = Verifier::new().unwrap();
        let password = verifier.password(&Secret::Password(media::Pii("hunter2".into())));
        assert!(!format!("{:?}", Secret::Password(media::Pii("hunter2".into()))).contains("hunter2"));
        assert_eq!(format!("{verifier:?}"), "Verifier { .. }");
        assert!(!format!("{password:?}").contains("hunter2"));
    }
}
