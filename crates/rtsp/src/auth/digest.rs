//! Digest (RFC 2617 §3, RFC 7616 §3).

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use media::Pii;
use sha2::{Digest as _, Sha256};

use super::{Challenge, REALM, parameters};

/// How long a nonce may be used. A request comes at once after the challenge; what is sniffed is worth nothing later.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Bytes of the nonce's HMAC that are sent: 96 bits cannot be guessed within its life.
const NONCE_TAG: usize = 12;

/// The hash function of a digest (RFC 7616 §3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// What every client and camera has.
    Md5,
    /// What newer cameras ask for.
    Sha256,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "" | "MD5" => Some(Self::Md5),
            "SHA-256" => Some(Self::Sha256),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hex(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// The quality of protection that a client answered with (RFC 7616 §3.4.3).
#[derive(Clone, PartialEq, Eq, Debug)]
struct Protection {
    qop: String,
    nc: String,
    cnonce: String,
}

/// A client's proof that it knows a password. Whose nonce it is [`Nonces`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    user: Pii<String>,
    realm: String,
    nonce: String,
    uri: Pii<String>,
    response: String,
    algorithm: Algorithm,
    protection: Option<Protection>,
    method: String,
}

impl Digest {
    pub(super) fn parse(text: &str, method: &str) -> Option<Self> {
        let find = |wanted: &str| {
            parameters(text)
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.to_owned())
        };
        let protection = match find("qop") {
            Some(qop) => Some(Protection { qop, nc: find("nc")?, cnonce: find("cnonce")? }),
            None => None,
        };
        Some(Self {
            user: Pii(find("username")?),
            realm: find("realm")?,
            nonce: find("nonce")?,
            uri: Pii(find("uri")?),
            response: find("response")?.to_ascii_lowercase(),
            algorithm: Algorithm::parse(&find("algorithm").unwrap_or_default())?,
            protection,
            method: method.to_owned(),
        })
    }

    /// The client's answer to a challenge, for one request.
    pub(super) fn answer(
        challenge: &Challenge,
        (user, password): (&str, &str),
        (method, uri): (&str, &str),
        cnonce: u64,
    ) -> Self {
        let protection = challenge.qop.then(|| Protection {
            qop: "auth".to_owned(),
            nc: "00000001".to_owned(),
            cnonce: format!("{cnonce:016x}"),
        });
        let mut this = Self {
            user: Pii(user.to_owned()),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: Pii(uri.to_owned()),
            response: String::new(),
            algorithm: challenge.algorithm,
            protection,
            method: method.to_owned(),
        };
        this.response = this.expected(password);
        this
    }

    /// The `Authorization` header (RFC 7616 §3.4).
    pub(super) fn write(&self, opaque: Option<&str>, name_algorithm: bool) -> String {
        let mut header = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{}\"",
            self.user.reveal(),
            self.realm,
            self.nonce,
            self.uri.reveal(),
            self.response
        );
        if let Some(Protection { qop, nc, cnonce }) = &self.protection {
            header.push_str(&format!(", qop={qop}, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = opaque {
            header.push_str(&format!(", opaque=\"{opaque}\""));
        }
        // Some cameras refuse an answer with a parameter that they did not ask with.
        if name_algorithm {
            header.push_str(&format!(", algorithm={}", self.algorithm.name()));
        }
        header
    }

    /// Whose password is proven.
    pub const fn user(&self) -> &Pii<String> {
        &self.user
    }

    /// The URI that the proof is for.
    pub const fn uri(&self) -> &Pii<String> {
        &self.uri
    }

    /// Whether the client knows `password`.
    pub fn proves(&self, password: &str) -> bool {
        let expected = self.expected(password);
        // In time that tells nothing of where they differ.
        let differences = expected.bytes().zip(self.response.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        self.realm == REALM && expected.len() == self.response.len() && differences == 0
    }

    /// RFC 7616 §3.4.1, and without `qop` RFC 2069 §2.1.1, which live555 still speaks.
    fn expected(&self, password: &str) -> String {
        let hash = |text: &str| self.algorithm.hex(text);
        let a1 = hash(&format!("{}:{}:{password}", self.user.reveal(), self.realm));
        let a2 = hash(&format!("{}:{}", self.method, self.uri.reveal()));
        match &self.protection {
            Some(Protection { qop, nc, cnonce }) => {
                hash(&format!("{a1}:{}:{nc}:{cnonce}:{qop}:{a2}", self.nonce))
            }
            None => hash(&format!("{a1}:{}:{a2}", self.nonce)),
        }
    }
}

/// A proof with a nonce that is too old, or another server's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stale;

/// Makes nonces and knows them again without keeping any: each holds its time and an HMAC of it.
#[derive(Clone)]
pub struct Nonces {
    key: Hmac<Sha256>,
    epoch: Instant,
}

impl Nonces {
    /// `key` is random; nonces count time from `epoch`.
    pub fn new(key: &[u8; 32], epoch: Instant) -> Self {
        Self { key: Hmac::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104 §2)"), epoch }
    }

    /// A new nonce.
    pub fn issue(&self, now: Instant) -> String {
        self.nonce(now.saturating_duration_since(self.epoch).as_secs())
    }

    /// Whether the proof's nonce is one of ours and young enough.
    ///
    /// # Errors
    /// [`Stale`] if not; the client may be asked again.
    pub fn check(&self, digest: &Digest, now: Instant) -> Result<(), Stale> {
        let issued = digest.nonce.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or(Stale)?;
        let age = now.saturating_duration_since(self.epoch).as_secs().checked_sub(issued).ok_or(Stale)?;
        let ours = age <= NONCE_LIFE.as_secs() && self.nonce(issued) == digest.nonce;
        if ours { Ok(()) } else { Err(Stale) }
    }

    fn nonce(&self, seconds: u64) -> String {
        let tag = self.key.clone().chain_update(seconds.to_be_bytes()).finalize().into_bytes();
        format!("{seconds:016x}{}", hex(&tag[..NONCE_TAG]))
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1, whose realm is not ours: only the arithmetic is compared.
    #[test]
    fn the_examples_of_rfc_7616() {
        let header = |algorithm: &str, response: &str| {
            format!(
                "username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let digest = Digest::parse(&header(algorithm, response), "GET").unwrap();
            assert_eq!(digest.expected("Circle of Life"), response);
            assert!(!digest.proves("Circle of Life"), "for another realm");
        }
    }

    fn proof(nonce: &str, password: &str) -> Digest {
        let challenge = Challenge::parse(&format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\"")).unwrap();
        let answer = challenge.answer(("li", password), ("DESCRIBE", "rtsp://h/a"), 7);
        Digest::parse(answer.strip_prefix("Digest ").unwrap(), "DESCRIBE").unwrap()
    }

    #[test]
    fn only_the_right_password_is_proven() {
        let digest = proof("n", "right");
        assert!(digest.proves("right"));
        assert!(!digest.proves("wrong") && !digest.proves(""));
        assert!(!Digest { method: "PLAY".into(), ..digest.clone() }.proves("right"), "for another request");
        assert!(!Digest { response: String::new(), ..digest }.proves("right"));
    }

    #[test]
    fn nonces_are_known_again_and_grow_old() {
        let epoch = Instant::now();
        let nonces = Nonces::new(&[7; 32], epoch);
        let later = epoch + Duration::from_secs(1_000);
        let digest = proof(&nonces.issue(later), "right");
        assert_eq!(nonces.check(&digest, later), Ok(()));
        assert_eq!(nonces.check(&digest, later + NONCE_LIFE), Ok(()));
        assert_eq!(nonces.check(&digest, later + NONCE_LIFE + Duration::from_secs(1)), Err(Stale));
        assert_eq!(nonces.check(&digest, epoch), Err(Stale), "from the future");
        let foreign = Nonces::new(&[8; 32], epoch);
        assert_eq!(foreign.check(&digest, later), Err(Stale));
        for nonce in ["x", "0000000000000001", "éééééééééééééééé"] {
            assert_eq!(nonces.check(&proof(nonce, "right"), later), Err(Stale), "{nonce}");
        }
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        let shown = format!("{:?}", proof("n", "right"));
        assert!(!shown.contains("li\"") && !shown.contains("rtsp:"), "{shown}");
    }
}
