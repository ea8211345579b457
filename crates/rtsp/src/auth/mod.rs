//! Basic (RFC 7617) and Digest (RFC 2617, RFC 7616), as the server asks for them and as the client answers.

mod challenge;
mod digest;

pub use challenge::{Challenge, Scheme};
pub use digest::{Algorithm, Digest, Nonces, Stale};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::Pii;

/// The name of what is protected (RFC 7617 §2).
pub const REALM: &str = "medley";
/// The longest `Authorization` that is looked at.
const MAX_AUTHORIZATION: usize = 8 << 10;

/// What a client shows in `Authorization`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authorization {
    /// Name and password.
    Basic {
        /// The name.
        user: Pii<String>,
        /// The password.
        password: Pii<String>,
    },
    /// A token (RFC 6750), as MediaMTX' players show it.
    Bearer(Pii<String>),
    /// A proof that the client knows the password.
    Digest(Box<Digest>),
}

impl Authorization {
    /// Reads the header of a request with this method; `None` for other schemes and for what is malformed.
    pub fn parse(header: &str, method: &str) -> Option<Self> {
        if header.len() > MAX_AUTHORIZATION {
            return None;
        }
        let (scheme, rest) = header.trim().split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let decoded = STANDARD.decode(rest.trim()).ok()?;
                let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
                Some(Self::Basic { user: Pii(user.to_owned()), password: Pii(password.to_owned()) })
            }
            "bearer" => Some(Self::Bearer(Pii(rest.trim().to_owned()))),
            "digest" => Some(Self::Digest(Box::new(Digest::parse(rest, method)?))),
            _ => None,
        }
    }
}

/// `Basic` for name and password (RFC 7617 §2).
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// `name=value` and `name="value"` between commas (RFC 9110 §11.2). A value keeps its commas and equal signs within
/// quotation marks.
fn parameters(mut text: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        text = text.trim_start_matches([' ', '\t', ',']);
        let (name, rest) = text.split_once('=')?;
        let rest = rest.trim_start();
        let value = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (value, rest) = quoted.split_once('"')?;
                text = rest;
                value
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                text = &rest[end..];
                rest[..end].trim_end()
            }
        };
        Some((name.trim(), value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_and_bearer_are_read() {
        let basic = Authorization::parse("Basic bGk6cHc6eA==", "DESCRIBE");
        let Some(Authorization::Basic { user, password }) = basic else { panic!("{basic:?}") };
        assert_eq!((user.reveal().as_str(), password.reveal().as_str()), ("li", "pw:x"));
        let bearer = Authorization::parse("bearer a.b.c", "DESCRIBE");
        assert_eq!(bearer, Some(Authorization::Bearer(Pii("a.b.c".into()))));
        for broken in ["", "Basic", "Basic ***", "Basic bGk=", "Negotiate x", &"x".repeat(100_000)] {
            assert_eq!(Authorization::parse(broken, "DESCRIBE"), None);
        }
        assert_eq!(
            Authorization::parse(&super::basic("li", "pw:x"), "PLAY"),
            Authorization::parse("Basic bGk6cHc6eA==", "")
        );
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        let shown = format!("{:?}", Authorization::parse("Basic bGk6c2VjcmV0", "DESCRIBE"));
        assert!(!shown.contains("secret") && !shown.contains("li"), "{shown}");
    }

    #[test]
    fn parameters_with_and_without_quotation_marks() {
        let all: Vec<_> = parameters(r#" a="1, 2=3" ,b=4,  c = "5",d"#).collect();
        assert_eq!(all, [("a", "1, 2=3"), ("b", "4"), ("c", "5")]);
        assert_eq!(parameters("a=\"open").next(), None);
    }
}
