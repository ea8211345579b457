//! The kinds of value that MediaMTX's keys have, as rules of the configuration: each says what it accepts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::config::document::{Found, Located};
use crate::config::rule::{Choice, List, Refusal, Rule, Shape, because, refused};
use crate::config::value::network;

/// Any text. It may be a password or hold one, so it is never repeated.
pub(super) struct Words;

impl Rule for Words {
    type Value = String;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        "a text; one that looks like a number stands in quotes".to_owned()
    }

    fn read(&self, found: &Located) -> Result<String, Vec<Refusal>> {
        match &found.value {
            Found::Text(text) => Ok(text.clone()),
            _ => because(found, format!("found something that is no text; accepted: {}", self.accepted())),
        }
    }
}

/// A span of time as Go writes it (`time.ParseDuration`), and days.
pub(super) struct Wait;

impl Rule for Wait {
    type Value = Duration;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        r#"a span of time such as "10s", "1h30m", "200ms" or "1d""#.to_owned()
    }

    fn read(&self, found: &Located) -> Result<Duration, Vec<Refusal>> {
        let span = match &found.value {
            Found::Text(text) => span(text),
            Found::Integer(0) => Some(Duration::ZERO),
            _ => None,
        };
        span.map_or_else(|| refused(found, self.accepted()), Ok)
    }
}

/// The longest span: more than any setting takes, and no sum of such overflows.
const LONGEST: f64 = 1e9;

fn span(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, f64)] = &[
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3_600.0),
        ("d", 86_400.0),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number * factor;
        rest = next;
    }
    (!text.is_empty() && seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds))
}

/// A decimal number without a sign at the beginning of `text`, and what follows.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// A size in bytes as MediaMTX writes it: powers of 1024 with a unit.
pub(super) struct Size;

impl Rule for Size {
    type Value = u64;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        r#"a size with its unit, such as "50M" or "512K""#.to_owned()
    }

    fn read(&self, found: &Located) -> Result<u64, Vec<Refusal>> {
        let size = match &found.value {
            Found::Text(text) => size(text),
            _ => None,
        };
        size.map_or_else(|| refused(found, self.accepted()), Ok)
    }
}

fn size(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let (number, unit) = number(&upper)?;
    let power = match unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(unit) {
        "" if unit == "B" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    let bytes = number * 1024_f64.powi(power);
    // Beyond 2^53 the number is not exact, and no setting takes it.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 2^53, a fraction of a byte is nothing"
    )]
    (1.0..9e15).contains(&bytes).then_some(bytes as u64)
}

/// Where to listen as Go writes it: `:8554` is every address; `""` is nowhere.
pub(super) struct GoAddress;

impl GoAddress {
    /// Reads an address with a port.
    pub(super) fn parse(text: &str) -> Option<SocketAddr> {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let ip = match host {
            "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(host) => IpAddr::V6(host.parse().ok()?),
                None => IpAddr::V4(host.parse().ok()?),
            },
        };
        Some(SocketAddr::new(ip, port))
    }
}

impl Rule for GoAddress {
    type Value = Option<SocketAddr>;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        r#"":PORT" or "ADDRESS:PORT" such as ":8554" or "[::1]:8554""#.to_owned()
    }

    fn read(&self, found: &Located) -> Result<Self::Value, Vec<Refusal>> {
        match &found.value {
            Found::Text(text) if text.is_empty() => Ok(None),
            Found::Text(text) => {
                Self::parse(text).map_or_else(|| refused(found, self.accepted()), |address| Ok(Some(address)))
            }
            _ => refused(found, self.accepted()),
        }
    }
}

/// Whether a listener speaks TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Encryption {
    /// In the open only.
    #[default]
    No,
    /// Both, on a port each.
    Optional,
    /// TLS only.
    Strict,
}

/// The rule of `rtspEncryption` and its like.
pub(super) struct EncryptionRule;

impl Rule for EncryptionRule {
    type Value = Encryption;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        Choice(WORDS).accepted()
    }

    fn read(&self, found: &Located) -> Result<Encryption, Vec<Refusal>> {
        match &found.value {
            Found::Flag(false) => Ok(Encryption::No),
            Found::Flag(true) => Ok(Encryption::Strict),
            Found::Text(text) if text == "false" => Ok(Encryption::No),
            Found::Text(text) if text == "yes" || text == "true" => Ok(Encryption::Strict),
            _ => Choice(WORDS).read(found),
        }
    }
}

const WORDS: &[(&str, Encryption)] =
    &[("no", Encryption::No), ("optional", Encryption::Optional), ("strict", Encryption::Strict)];

/// Addresses and networks, from which a user may come; `[]` is everywhere.
pub(super) fn networks() -> List<impl Rule<Value = IpNet>> {
    List(network())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;

    fn at(value: Found) -> Located {
        Located { place: Place::Whole, value }
    }

    fn text(text: &str) -> Located {
        at(Found::Text(text.into()))
    }

    #[test]
    fn spans_of_time_are_gos_and_days() {
        for (written, milliseconds) in [
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("200ms", 200),
            ("1.5s", 1_500),
            ("1d", 86_400_000),
            ("1d2h", 93_600_000),
            ("0", 0),
            ("0s", 0),
            ("500us", 0),
        ] {
            assert_eq!(Wait.read(&text(written)).unwrap().as_millis(), milliseconds, "{written}");
        }
        for wrong in ["", "10", "s", "-1s", "1x", "10 s", "1.2.3s", "999999999999h", "1e9s"] {
            assert!(Wait.read(&text(wrong)).is_err(), "{wrong}");
        }
        let message = Wait.read(&at(Found::Integer(10))).unwrap_err().remove(0).message;
        assert_eq!(message, r#"found 10; accepted: a span of time such as "10s", "1h30m", "200ms" or "1d""#);
    }

    #[test]
    fn sizes_are_powers_of_1024_with_a_unit() {
        for (written, bytes) in
            [("50M", 52_428_800), ("1k", 1_024), ("1.5KiB", 1_536), ("2GB", 2 << 30), ("7b", 7)]
        {
            assert_eq!(Size.read(&text(written)), Ok(bytes), "{written}");
        }
        for wrong in ["", "50", "M", "-1M", "0M", "50X", "9999999T"] {
            assert!(Size.read(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_may_leave_out_the_host() {
        for (written, address) in [
            (":8554", "0.0.0.0:8554"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::]:8554", "[::]:8554"),
            ("localhost:9997", "127.0.0.1:9997"),
        ] {
            assert_eq!(GoAddress.read(&text(written)), Ok(Some(address.parse().unwrap())), "{written}");
        }
        assert_eq!(GoAddress.read(&text("")), Ok(None));
        for wrong in ["8554", ":99999", "::1:80", "camera.lan:8554", ":"] {
            assert!(GoAddress.read(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn encryption_is_a_word_or_a_boolean_of_old() {
        for (found, expected) in [
            (text("no"), Encryption::No),
            (at(Found::Flag(false)), Encryption::No),
            (text("optional"), Encryption::Optional),
            (text("strict"), Encryption::Strict),
            (at(Found::Flag(true)), Encryption::Strict),
        ] {
            assert_eq!(EncryptionRule.read(&found), Ok(expected));
        }
        let message = EncryptionRule.read(&text("on demand")).unwrap_err().remove(0).message;
        assert_eq!(message, r#"found "on demand"; accepted: "no", "optional", "strict""#);
    }

    #[test]
    fn a_text_that_is_none_is_not_repeated() {
        let message = Words.read(&at(Found::Integer(4711))).unwrap_err().remove(0).message;
        assert!(message.contains("in quotes") && !message.contains("4711"), "{message}");
    }
}
