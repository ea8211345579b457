//! Who may publish, read and use the API: the doors of `[[auth.user]]`, closed to everybody else.
//!
//! An answer costs nothing for `any`, one HMAC for a password that was verified before, and one argon2 run otherwise;
//! argon2 runs on the blocking threads, few at a time, so that guessing passwords cannot take the processor from the
//! media. A wrong password is answered late.

mod verifier;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use hub::{AccessRequest, Action, Authorizer, Credentials, Denied, Proof, UserName};
use media::{Pii, StreamPath};
use tokio::time::Instant;

use crate::config::{CREDENTIAL_BYTES, Identity, Secret, User};
use verifier::{Checked, Password, Verifier};

/// Makes a password's argon2 hash, as the configuration takes it.
///
/// # Errors
/// The operating system has no random numbers for the salt, or argon2 refuses the password's length.
pub fn hash_password(password: &str) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// A wrong name or password is answered this long after it was shown, however soon it was found out: guessing becomes
/// slow, and a known name cannot be told from an unknown one by the time taken.
const FAILURE_DELAY: Duration = Duration::from_secs(1);

/// Decides over the users of the configuration.
#[derive(Debug)]
pub struct UserAuthorizer {
    doors: Vec<Door>,
    verifier: Verifier,
}

#[derive(Debug)]
struct Door {
    user: User,
    /// `None`: it needs no password.
    lock: Option<Lock>,
}

#[derive(Debug)]
struct Lock {
    name: Pii<String>,
    password: Password,
    /// The password itself, where it is known and not only its hash.
    known: Option<Pii<String>>,
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Stream(Action, &'a StreamPath),
    Api,
}

impl Wish<'_> {
    fn allowed_to(self, user: &User) -> bool {
        match self {
            Self::Stream(Action::Publish, path) => user.may_publish(path),
            Self::Stream(Action::Read, path) => user.may_read(path),
            Self::Api => user.api,
        }
    }
}

impl UserAuthorizer {
    /// Takes the users over.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(users: Vec<User>) -> Result<Self, getrandom::Error> {
        let verifier = Verifier::new()?;
        let door = |user: User| {
            let lock = match &user.identity {
                Identity::Any => None,
                Identity::Named { name, secret } => {
                    let known = match secret {
                        Secret::Password(password) => Some(password.clone()),
                        Secret::Hash(_) => None,
                    };
                    Some(Lock { name: name.clone(), password: verifier.password(secret), known })
                }
            };
            Door { user, lock }
        };
        let doors = users.into_iter().map(door).collect();
        Ok(Self { doors, verifier })
    }

    /// Decides about the API and the metrics.
    ///
    /// # Errors
    /// [`Denied`] says why not.
    pub async fn authorize_api(&self, remote: IpAddr, credentials: &Credentials) -> Result<(), Denied> {
        self.decide(Wish::Api, remote, credentials).await.map(drop)
    }

    /// As whom somebody is let in; `None` as anybody.
    async fn decide(
        &self,
        wish: Wish<'_>,
        remote: IpAddr,
        credentials: &Credentials,
    ) -> Result<Option<UserName>, Denied> {
        let asked = Instant::now();
        let mut locks = Vec::new();
        for door in self.doors_to(wish, remote) {
            match &door.lock {
                None => return Ok(None),
                Some(lock) => locks.push(lock),
            }
        }
        if locks.is_empty() {
            return Err(Denied::NotPermitted);
        }
        if credentials.user.is_none() && credentials.password.is_none() && credentials.token.is_none() {
            return Err(Denied::CredentialsNeeded);
        }
        let result = match (&credentials.proof, shown(credentials)) {
            (Some(proof), _) => prove(&locks, credentials.user.as_ref(), proof),
            (None, Some((name, password))) => self.try_locks(&locks, name, password).await,
            (None, None) => Err(Denied::WrongCredentials),
        };
        if result == Err(Denied::WrongCredentials) {
            tokio::time::sleep_until(asked + FAILURE_DELAY).await;
        }
        result
    }

    fn doors_to<'a>(&'a self, wish: Wish<'a>, remote: IpAddr) -> impl Iterator<Item = &'a Door> {
        self.doors.iter().filter(move |door| door.user.covers(remote) && wish.allowed_to(&door.user))
    }

    async fn try_locks(
        &self,
        locks: &[&Lock],
        name: &str,
        password: &str,
    ) -> Result<Option<UserName>, Denied> {
        for lock in locks.iter().filter(|lock| lock.name.reveal() == name) {
            match self.verifier.check(&lock.password, password).await {
                Checked::Right => return Ok(Some(lock.name.clone())),
                Checked::Wrong => {}
                Checked::Busy => return Err(Denied::Busy),
            }
        }
        Err(Denied::WrongCredentials)
    }
}

/// Whether the password of one of the locks with this name is proven.
fn prove(locks: &[&Lock], name: Option<&Pii<String>>, proof: &Proof) -> Result<Option<UserName>, Denied> {
    let mut of_name = locks.iter().filter(|lock| Some(&lock.name) == name);
    let proves = |lock: &&&Lock| lock.known.as_ref().is_some_and(|known| proof.is_of(known.reveal()));
    of_name.find(proves).map(|lock| Some(lock.name.clone())).ok_or(Denied::WrongCredentials)
}

/// Name and password, if something was shown that can be them: players that can send one value only send
/// `NAME:PASSWORD` as the token, as MediaMTX takes it.
fn shown(credentials: &Credentials) -> Option<(&str, &str)> {
    let (name, password) = match (&credentials.user, &credentials.password, &credentials.token) {
        (Some(name), password, _) => {
            (name.reveal().as_str(), password.as_ref().map_or("", |text| text.reveal()))
        }
        (None, _, Some(token)) => token.reveal().split_once(':')?,
        (None, _, None) => return None,
    };
    (name.len() <= CREDENTIAL_BYTES && password.len() <= CREDENTIAL_BYTES).then_some((name, password))
}

impl Authorizer for UserAuthorizer {
    fn authorize<'a>(
        &'a self,
        request: &'a AccessRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<UserName>, Denied>> + Send + 'a>> {
        let wish = Wish::Stream(request.action, &request.path);
        Box::pin(self.decide(wish, *request.remote.reveal(), &request.credentials))
    }

    fn takes_proof(&self, request: &AccessRequest) -> bool {
        let wish = Wish::Stream(request.action, &request.path);
        let mut locks = self.doors_to(wish, *request.remote.reveal()).filter_map(|door| door.lock.as_ref());
        locks.all(|lock| lock.known.is_some())
    }
}

#[cfg(test)]
mod tests;
