//! What a request shows to prove who is asking, as MediaMTX's clients carry it: `?user=&pass=` or `?token=` in a URL
//! (RTMP has nothing else), `Basic`, `Bearer token` or `Bearer user:pass` in HTTP.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hub::Credentials;
use media::Pii;
use percent_encoding::percent_decode_str;

/// More than any token needs.
const LONGEST: usize = 4_096;

/// Credentials in a query string; parameters of other names are ignored.
pub fn from_query(query: &str) -> Credentials {
    let mut credentials = Credentials::default();
    for pair in query.split('&') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let Some(field) = field(&mut credentials, name) else { continue };
        *field = percent_decode_str(value).decode_utf8().ok().and_then(|value| bounded(&value));
    }
    credentials
}

/// A query string without its credentials, for lists of sessions.
pub fn without_secrets(query: &str) -> String {
    let mut scratch = Credentials::default();
    let mut open = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        field(&mut scratch, name).is_none()
    };
    query.split('&').filter(|pair| open(pair)).collect::<Vec<_>>().join("&")
}

/// Where the value of a parameter goes; `None` if it is none of the credentials.
fn field<'c>(credentials: &'c mut Credentials, name: &str) -> Option<&'c mut Option<Pii<String>>> {
    match name {
        "user" => Some(&mut credentials.user),
        "pass" => Some(&mut credentials.password),
        "token" | "jwt" => Some(&mut credentials.token),
        _ => None,
    }
}

/// Credentials in the `Authorization` header of a request (RFC 9110 §11.6.2): `Basic` (RFC 7617) or `Bearer` (RFC 6750).
pub fn from_headers(headers: &HeaderMap) -> Option<Credentials> {
    from_authorization(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}

fn from_authorization(value: &str) -> Option<Credentials> {
    let (scheme, value) = value.trim().split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(value).ok()?;
        return user_and_password(std::str::from_utf8(&decoded).ok()?);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Some(from_bearer(value))
}

/// Credentials of a bearer token, which may be `user:pass`.
pub(crate) fn from_bearer(value: &str) -> Credentials {
    user_and_password(value)
        .unwrap_or_else(|| Credentials { token: bounded(value), ..Credentials::default() })
}

fn user_and_password(text: &str) -> Option<Credentials> {
    let (user, password) = text.split_once(':')?;
    Some(Credentials { user: bounded(user), password: bounded(password), ..Credentials::default() })
}

fn bounded(value: &str) -> Option<Pii<String>> {
    (!value.is_empty() && value.len() <= LONGEST).then(|| Pii(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(credentials: &Credentials) -> [Option<&str>; 3] {
        [&credentials.user, &credentials.password, &credentials.token]
            .map(|part| part.as_ref().map(|part| part.reveal().as_str()))
    }

    #[test]
    fn each_way_of_showing_credentials_is_read() {
        assert_eq!(shown(&from_query("user=li&pass=a%26b&x=1")), [Some("li"), Some("a&b"), None]);
        assert_eq!(shown(&from_query("token=abc.def")), [None, None, Some("abc.def")]);
        let header =
            |value| from_authorization(value).map(|found| shown(&found).map(|part| part.map(str::to_owned)));
        let li = || Some([Some("li".to_owned()), Some("pw".to_owned()), None]);
        assert_eq!(header("Basic bGk6cHc="), li());
        assert_eq!(header("bearer li:pw"), li());
        assert_eq!(header("Bearer abc.def"), Some([None, None, Some("abc.def".to_owned())]));
        assert_eq!(header("Digest x"), None);
        assert_eq!(header("Basic %%%"), None);
    }

    #[test]
    fn a_query_is_listed_without_its_credentials() {
        assert_eq!(without_secrets("user=li&room=3&pass=a%26b&x&jwt=abc&token=x"), "room=3&x");
        assert_eq!(without_secrets("token=abc"), "");
    }

    #[test]
    fn credentials_never_show_in_debug_output() {
        assert!(!format!("{:?}", from_query("user=lihua&pass=secret")).contains("secret"));
    }
}
