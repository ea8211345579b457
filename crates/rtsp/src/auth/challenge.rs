//! What a server asks with (RFC 7616 §3.3, RFC 7617 §2).

use super::digest::{Algorithm, Digest};
use super::{basic, parameters};

/// How to answer a challenge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scheme {
    /// Name and password as they are.
    Basic,
    /// A proof by MD5 or SHA-256.
    Digest,
}

/// What a camera wants to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// How to answer.
    pub scheme: Scheme,
    pub(super) realm: String,
    pub(super) nonce: String,
    opaque: Option<String>,
    pub(super) algorithm: Algorithm,
    algorithm_named: bool,
    pub(super) qop: bool,
    /// The last proof was right but for its nonce.
    pub stale: bool,
}

impl Challenge {
    /// Picks the strongest challenge that can be answered out of one `WWW-Authenticate`, which may hold several
    /// (RFC 9110 §11.6.1): a parser of headers joins the two lines that cameras send.
    pub fn parse(header: &str) -> Option<Self> {
        let mut starts: Vec<usize> = Vec::new();
        let lower = header.to_ascii_lowercase();
        for scheme in ["basic ", "digest "] {
            for (at, _) in lower.match_indices(scheme) {
                let before = lower[..at].trim_end();
                if before.is_empty() || before.ends_with(',') {
                    starts.push(at);
                }
            }
        }
        starts.sort_unstable();
        starts.push(header.len());
        let challenges = starts.windows(2).filter_map(|pair| Self::parse_one(&header[pair[0]..pair[1]]));
        challenges.max_by_key(|challenge| (challenge.scheme, challenge.algorithm == Algorithm::Sha256))
    }

    fn parse_one(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(' ')?;
        let scheme = if scheme.eq_ignore_ascii_case("digest") { Scheme::Digest } else { Scheme::Basic };
        let find = |wanted: &str| {
            parameters(rest).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let qop = find("qop");
        // `auth-int` alone would ask for a hash of bodies that nobody sends.
        let takes_auth = |qops: &str| qops.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth"));
        if qop.is_some_and(|qops| !takes_auth(qops)) {
            return None;
        }
        let algorithm = find("algorithm");
        let nonce = find("nonce").unwrap_or_default();
        if scheme == Scheme::Digest && nonce.is_empty() {
            return None;
        }
        Some(Self {
            scheme,
            realm: find("realm").unwrap_or_default().to_owned(),
            nonce: nonce.to_owned(),
            opaque: find("opaque").map(str::to_owned),
            algorithm: Algorithm::parse(algorithm.unwrap_or_default())?,
            algorithm_named: algorithm.is_some(),
            qop: qop.is_some(),
            stale: find("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The `Authorization` of one request (method and URI); `cnonce` is random.
    pub fn answer(&self, user: (&str, &str), request: (&str, &str), cnonce: u64) -> String {
        match self.scheme {
            Scheme::Basic => basic(user.0, user.1),
            Scheme::Digest => Digest::answer(self, user, request, cnonce)
                .write(self.opaque.as_deref(), self.algorithm_named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_of_several_is_picked() {
        let parsed = |text: &str| Challenge::parse(text).map(|one| (one.scheme, one.algorithm, one.realm));
        let joined = "Basic realm=\"cam, 1\", Digest realm=\"cam\", nonce=\"x\", Digest realm=\"cam\", nonce=\"y\", \
                      algorithm=SHA-256, qop=\"auth,auth-int\"";
        assert_eq!(parsed(joined), Some((Scheme::Digest, Algorithm::Sha256, "cam".to_owned())));
        let hikvision = "Digest realm=\"IP Camera(C1234)\", nonce=\"abc\", stale=\"FALSE\"";
        assert_eq!(parsed(hikvision), Some((Scheme::Digest, Algorithm::Md5, "IP Camera(C1234)".to_owned())));
        assert_eq!(parsed("basic realm=\"x\""), Some((Scheme::Basic, Algorithm::Md5, "x".to_owned())));
        for none in [
            "",
            "Digest realm=\"x\"",
            "Digest realm=\"x\", nonce=\"y\", algorithm=SHA-512-256",
            "Negotiate",
            "Digest realm=\"x\",nonce=\"y\",qop=\"auth-int\"",
        ] {
            assert_eq!(parsed(none), None, "{none}");
        }
    }

    #[test]
    fn a_stale_nonce_is_told() {
        assert!(Challenge::parse("Digest realm=\"x\", nonce=\"y\", stale=true").unwrap().stale);
    }
}
