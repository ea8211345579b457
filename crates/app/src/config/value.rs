//! The kinds of value that settings have, beyond numbers and words.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use argon2::Params;
use argon2::password_hash::phc;
use ipnet::IpNet;
use media::Pii;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::document::{Found, Located};
use super::rule::{Refusal, Rule, Shape, Text, because, refused};

/// An address or a DNS name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, in lower case.
    Name(String),
}

impl Default for Host {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// RFC 1123 §2.1: labels of letters, digits and inner hyphens; a name of digits and dots only is a mistyped address.
fn parse_host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse() {
        return Some(Host::Address(address));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (text.len() <= 253 && !numeric && text.split('.').all(label))
        .then(|| Host::Name(text.to_ascii_lowercase()))
}

pub(crate) fn host() -> Text<Host> {
    Text {
        accepted: r#"an address or a name without scheme and port, such as "203.0.113.7""#,
        parse: parse_host,
    }
}

pub(crate) fn network() -> Text<IpNet> {
    let parse = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    Text { accepted: r#"an address or a network such as "192.168.1.0/24" or "fd00::/8""#, parse }
}

/// The longest user name and password, in bytes.
pub const CREDENTIAL_BYTES: usize = 256;

pub(crate) fn user_name() -> Text<Pii<String>> {
    let parse = |text: &str| {
        // A colon would end the name in HTTP Basic (RFC 7617 §2).
        let accepted = !text.contains(|c: char| c == ':' || c.is_control());
        ((1..=CREDENTIAL_BYTES).contains(&text.len()) && accepted).then(|| Pii(text.to_owned()))
    };
    Text { accepted: "1 to 256 bytes without ':' and control characters", parse }
}

/// An argon2 hash in PHC form, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(phc::PasswordHash);

impl PasswordHash {
    /// Checks a PHC text such as `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`; `None` if it is none that can be verified.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let is_argon2 = argon2::Algorithm::new(hash.algorithm.as_str()).is_ok();
        let complete = hash.salt.is_some() && hash.hash.is_some() && Params::try_from(&hash).is_ok();
        (is_argon2 && complete).then_some(Self(hash))
    }

    /// For the verification.
    pub const fn phc(&self) -> &phc::PasswordHash {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The rule of `auth.user.password`. What it refuses is likely a password, so it never repeats it.
pub(crate) struct PasswordRule;

pub(crate) const fn password_hash() -> PasswordRule {
    PasswordRule
}

impl Rule for PasswordRule {
    type Value = Option<PasswordHash>;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        r#"an argon2 hash as `medley hash-password` prints it: "$argon2id$...""#.to_owned()
    }

    fn read(&self, found: &Located) -> Result<Self::Value, Vec<Refusal>> {
        let Found::Text(text) = &found.value else {
            return because(found, format!("found something that is no text; accepted: {}", self.accepted()));
        };
        if text.is_empty() {
            return Ok(None);
        }
        let what = if text.starts_with("$argon2") {
            "a damaged argon2 hash"
        } else {
            "a text that is no argon2 hash"
        };
        PasswordHash::parse(text).map_or_else(
            || because(found, format!("found {what}; accepted: {}", self.accepted())),
            |hash| Ok(Some(hash)),
        )
    }
}

pub(crate) fn optional_file() -> Text<Option<PathBuf>> {
    Text {
        accepted: "the path of a file",
        parse: |text| Some((!text.is_empty()).then(|| PathBuf::from(text))),
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object in each line.
    Json,
}

impl LogFormat {
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("pretty", Self::Pretty), ("json", Self::Json)];
}

/// `Targets` takes a word that is no level for the name of a target at level trace; a mistyped level must not do so.
fn parse_log_level(text: &str) -> Option<Targets> {
    let word = |word: &str| {
        let (target, level) = word.split_once('=').unwrap_or(("all", word));
        !target.trim().is_empty() && !level.trim().is_empty() && LevelFilter::from_str(level.trim()).is_ok()
    };
    text.split(',').all(word).then(|| text.replace(' ', "").parse().ok()).flatten()
}

pub(crate) fn log_level() -> Text<Targets> {
    Text {
        accepted: r#""off", "error", "warn", "info", "debug", "trace", or also by target: "info,gateway=debug""#,
        parse: parse_log_level,
    }
}

/// A STUN or TURN server (RFC 7064 §3.1, RFC 7065 §3.1), with what TURN asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IceServer {
    /// `stun:`, `stuns:`, `turn:` or `turns:` with host, port and transport, without credentials.
    pub url: String,
    /// TURN's user name and password.
    pub credentials: Option<(Pii<String>, Pii<String>)>,
}

/// The rule of `webrtc.ice_servers`. A URL may hold a password, so it is never repeated.
pub(crate) struct IceServerRule;

pub(crate) const fn ice_server() -> IceServerRule {
    IceServerRule
}

impl IceServerRule {
    fn parse(text: &str) -> Option<IceServer> {
        let (scheme, rest) = text.split_once(':')?;
        let turn = match scheme {
            "turn" | "turns" => true,
            "stun" | "stuns" => false,
            _ => return None,
        };
        // The last '@': a password may hold one.
        let (credentials, server) =
            rest.rsplit_once('@').map_or((None, rest), |(user, server)| (Some(user), server));
        let credentials = match credentials.map(|text| text.split_once(':')) {
            Some(Some((user, password))) if turn && !user.is_empty() => {
                Some((Pii(user.to_owned()), Pii(password.to_owned())))
            }
            None => None,
            Some(_) => return None,
        };
        let (address, query) =
            server.split_once('?').map_or((server, None), |(address, query)| (address, Some(query)));
        let known_query =
            query.is_none_or(|query| turn && matches!(query, "transport=udp" | "transport=tcp"));
        (known_query && is_authority(address))
            .then(|| IceServer { url: format!("{scheme}:{server}"), credentials })
    }
}

impl Rule for IceServerRule {
    type Value = IceServer;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        r#""stun:HOST:PORT" or "turn:USER:PASSWORD@HOST:PORT?transport=tcp""#.to_owned()
    }

    fn read(&self, found: &Located) -> Result<IceServer, Vec<Refusal>> {
        let Found::Text(text) = &found.value else { return refused(found, self.accepted()) };
        Self::parse(text).map_or_else(
            || because(found, format!("not a STUN or TURN server; accepted: {}", self.accepted())),
            Ok,
        )
    }
}

/// Whether `text` is a host, or a host and a port (RFC 3986 §3.2 without user information).
pub(crate) fn is_authority(text: &str) -> bool {
    let Ok(authority) = text.parse::<axum::http::uri::Authority>() else { return false };
    let host = authority.host();
    let port = authority.port_u16().map(|port| format!("{host}:{port}"));
    let whole = port.as_deref().unwrap_or(host) == text;
    whole && parse_host(host.trim_start_matches('[').trim_end_matches(']')).is_some()
}

/// Whose pages may call: an origin (RFC 6454 §6.2), or every page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Origin {
    /// `*`.
    #[default]
    Any,
    /// Such as `https://clinic.example`.
    One(String),
}

pub(crate) fn origin() -> Text<Origin> {
    let parse = |text: &str| {
        if text == "*" {
            return Some(Origin::Any);
        }
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        is_authority(authority).then(|| Origin::One(text.to_ascii_lowercase()))
    };
    Text { accepted: r#""*" or an origin such as "https://clinic.example""#, parse }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Place;

    fn read<R: Rule>(rule: &R, text: &str) -> Result<R::Value, Vec<Refusal>> {
        rule.read(&Located { place: Place::Whole, value: Found::Text(text.into()) })
    }

    fn all<R: Rule>(rule: &R, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(read(rule, text).is_ok(), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(read(rule, text).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        all(
            &host(),
            &["203.0.113.7", "fd00::1", "clinic.example", "localhost", "a-b.c"],
            &["", "https://clinic.example", "clinic.example:80", "256.1.1.1", "-a", "a..b", "a_b", "*"],
        );
    }

    #[test]
    fn networks_are_addresses_or_cidr() {
        all(&network(), &["10.0.0.0/8", "::1", "192.0.2.1", "fd00::/8"], &["", "10.0.0.0/33", "10", "local"]);
    }

    #[test]
    fn log_levels_are_levels_and_never_a_mistyped_target() {
        all(
            &log_level(),
            &["info", "DEBUG", "off", "info,gateway=debug", "warn, rtmp=trace"],
            &["", "inof", "gateway", "info,", "=info", "info,rtmp=loud"],
        );
    }

    const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$RRMsMw4RO6RBYkiLGHVSzA";

    #[test]
    fn a_password_is_a_whole_argon2_hash_and_never_repeated() {
        assert!(read(&password_hash(), HASH).unwrap().is_some());
        assert_eq!(read(&password_hash(), "").unwrap(), None);
        for secret in
            ["hunter2", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64,t=1,p=1$hunter2", &HASH[..50]]
        {
            let refusal = read(&password_hash(), secret).unwrap_err().remove(0).message;
            assert!(!refusal.contains(secret) && !refusal.contains("hunter2"), "{refusal}");
            assert!(refusal.contains("medley hash-password"), "{refusal}");
        }
    }

    #[test]
    fn ice_servers_carry_credentials_apart_from_the_url() {
        let turn = read(&ice_server(), "turn:nurse:p@ss:word@turn.example:3478?transport=tcp").unwrap();
        assert_eq!(turn.url, "turn:turn.example:3478?transport=tcp");
        assert_eq!(turn.credentials, Some((Pii("nurse".into()), Pii("p@ss:word".into()))));
        all(
            &ice_server(),
            &["stun:stun.example", "stun:[fd00::1]:3478", "turns:203.0.113.7:443"],
            &[
                "",
                "stun:",
                "stun:a:b@host",
                "http:x",
                "turn:host:99999",
                "turn:h/p",
                "stun:h?transport=udp",
                "turn:u@h",
            ],
        );
        let refusal = read(&ice_server(), "turn:nurse:secret@ho st").unwrap_err().remove(0).message;
        assert!(!refusal.contains("secret"), "{refusal}");
    }

    #[test]
    fn origins_have_a_scheme_and_no_path() {
        all(
            &origin(),
            &["*", "https://clinic.example", "http://localhost:5173", "http://[::1]:80"],
            &["", "clinic.example", "https://clinic.example/", "https://u@h", "https://*.example", "ftp://x"],
        );
    }
}
