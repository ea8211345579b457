//! What a setting accepts. Each rule reads one kind of value, says in words what it accepts, and says how a text from
//! the environment is to be taken.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::document::{Found, Located, parse_value};
use super::problem::Place;

/// Which TOML type a setting has; decides how an environment variable's text is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Text,
    Integer,
    Flag,
    /// A list of texts; in the environment `a,b` or `["a", "b"]`.
    List,
}

impl Shape {
    /// Reads a variable's text. What does not fit stays a text, which the setting's rule then refuses.
    pub(crate) fn read_variable(self, text: &str, place: &Place) -> Found {
        let as_text = || Found::Text(text.to_owned());
        let trimmed = text.trim();
        match self {
            Self::Text => as_text(),
            Self::Integer => trimmed.parse().map_or_else(|_| as_text(), Found::Integer),
            Self::Flag => trimmed.parse().map_or_else(|_| as_text(), Found::Flag),
            Self::List if trimmed.starts_with('[') => parse_value(trimmed, place).unwrap_or_else(as_text),
            Self::List => {
                let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
                let located =
                    |item: &str| Located { place: place.clone(), value: Found::Text(item.to_owned()) };
                Found::List(items.map(located).collect())
            }
        }
    }
}

/// Why a value was refused; a list may hold several refused items.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Refusal {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// What one setting accepts.
pub(crate) trait Rule {
    /// What a value becomes; its default stands in for a refused value until all errors are told.
    type Value: Default;

    /// The TOML type.
    fn shape(&self) -> Shape;

    /// What is accepted, for errors and the reference: completes "accepted: ...".
    fn accepted(&self) -> String;

    /// The least and the greatest number that is accepted; `None` for what is no number.
    fn bounds(&self) -> Option<RangeInclusive<u32>> {
        None
    }

    /// Reads a value.
    fn read(&self, found: &Located) -> Result<Self::Value, Vec<Refusal>>;
}

/// The usual refusal: what was found, and what is accepted.
pub(crate) fn refused<T>(found: &Located, accepted: impl Display) -> Result<T, Vec<Refusal>> {
    because(found, format!("found {}; accepted: {accepted}", found.value))
}

/// A refusal with a reason of its own.
pub(crate) fn because<T>(found: &Located, message: impl Into<String>) -> Result<T, Vec<Refusal>> {
    Err(vec![Refusal { place: found.place.clone(), message: message.into() }])
}

/// A rule for a text that `parse` understands.
pub(crate) struct Text<T> {
    pub(crate) accepted: &'static str,
    pub(crate) parse: fn(&str) -> Option<T>,
}

impl<T: Default> Rule for Text<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        self.accepted.to_owned()
    }

    fn read(&self, found: &Located) -> Result<T, Vec<Refusal>> {
        match &found.value {
            Found::Text(text) => (self.parse)(text).map_or_else(|| refused(found, self.accepted), Ok),
            _ => refused(found, self.accepted),
        }
    }
}

/// A path in the file system, not empty.
pub(crate) fn path() -> Text<PathBuf> {
    Text {
        accepted: "a path in the file system",
        parse: |text| (!text.is_empty()).then(|| PathBuf::from(text)),
    }
}

/// A list whose items follow another rule.
pub(crate) struct List<R>(pub(crate) R);

impl<R: Rule> Rule for List<R> {
    type Value = Vec<R::Value>;

    fn shape(&self) -> Shape {
        Shape::List
    }

    fn accepted(&self) -> String {
        format!("a list; each item {}", self.0.accepted())
    }

    fn read(&self, found: &Located) -> Result<Self::Value, Vec<Refusal>> {
        let Found::List(items) = &found.value else { return refused(found, self.accepted()) };
        let (mut values, mut refusals) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match self.0.read(item) {
                Ok(value) => values.push(value),
                Err(more) => refusals.extend(more),
            }
        }
        if refusals.is_empty() { Ok(values) } else { Err(refusals) }
    }
}

/// `true` or `false`.
pub(crate) struct Flag;

impl Rule for Flag {
    type Value = bool;

    fn shape(&self) -> Shape {
        Shape::Flag
    }

    fn accepted(&self) -> String {
        "true or false".to_owned()
    }

    fn read(&self, found: &Located) -> Result<bool, Vec<Refusal>> {
        match found.value {
            Found::Flag(flag) => Ok(flag),
            _ => refused(found, self.accepted()),
        }
    }
}

/// One of a few words.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

impl<T: Copy + Default> Rule for Choice<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("{word:?}")).collect();
        words.join(", ")
    }

    fn read(&self, found: &Located) -> Result<T, Vec<Refusal>> {
        let chosen = match &found.value {
            Found::Text(text) => self.0.iter().find(|(word, _)| word == text),
            _ => None,
        };
        chosen.map_or_else(|| refused(found, self.accepted()), |(_, value)| Ok(*value))
    }
}

/// A whole number between two bounds.
pub(crate) struct Number(pub(crate) RangeInclusive<u32>);

impl Rule for Number {
    type Value = u32;

    fn shape(&self) -> Shape {
        Shape::Integer
    }

    fn accepted(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }

    fn bounds(&self) -> Option<RangeInclusive<u32>> {
        Some(self.0.clone())
    }

    fn read(&self, found: &Located) -> Result<u32, Vec<Refusal>> {
        let number = match found.value {
            Found::Integer(number) => u32::try_from(number).ok().filter(|number| self.0.contains(number)),
            _ => None,
        };
        number.map_or_else(|| refused(found, self.accepted()), Ok)
    }
}

/// A number within its rule, or 0 for what suits.
pub(crate) struct OrDefault(pub(crate) Number);

impl Rule for OrDefault {
    type Value = Option<u32>;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn accepted(&self) -> String {
        format!("0 or {}", self.0.accepted())
    }

    fn bounds(&self) -> Option<RangeInclusive<u32>> {
        self.0.bounds()
    }

    fn read(&self, found: &Located) -> Result<Option<u32>, Vec<Refusal>> {
        if found.value == Found::Integer(0) {
            return Ok(None);
        }
        self.0.read(found).map_or_else(|_| refused(found, self.accepted()), |number| Ok(Some(number)))
    }
}

/// A span of time in whole milliseconds between two bounds.
pub(crate) struct Millis(pub(crate) RangeInclusive<u32>);

impl Rule for Millis {
    type Value = Duration;

    fn shape(&self) -> Shape {
        Shape::Integer
    }

    fn accepted(&self) -> String {
        format!("{} to {} (milliseconds)", self.0.start(), self.0.end())
    }

    fn bounds(&self) -> Option<RangeInclusive<u32>> {
        Some(self.0.clone())
    }

    fn read(&self, found: &Located) -> Result<Duration, Vec<Refusal>> {
        match Number(self.0.clone()).read(found) {
            Ok(number) => Ok(Duration::from_millis(number.into())),
            Err(_) => refused(found, self.accepted()),
        }
    }
}

/// Where to listen; `""` is nowhere.
pub(crate) struct Address;

impl Address {
    const ACCEPTED: &'static str = r#""ADDRESS:PORT" such as "0.0.0.0:8080" or "[::]:8080", or "" for off"#;

    /// What was probably meant, for the shorthands that other servers take.
    fn meant(found: &Found) -> Option<String> {
        let text = match found {
            Found::Text(text) => text.clone(),
            Found::Integer(number) => number.to_string(),
            _ => return None,
        };
        let host_and_port = text.rsplit_once(':');
        let (host, port) = host_and_port.unwrap_or(("", &text));
        let port: u16 = port.parse().ok()?;
        match host {
            "" | "*" => Some(format!("0.0.0.0:{port}")),
            "localhost" => Some(format!("127.0.0.1:{port}")),
            _ => None,
        }
    }
}

impl Rule for Address {
    type Value = Option<SocketAddr>;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        Self::ACCEPTED.to_owned()
    }

    fn read(&self, found: &Located) -> Result<Self::Value, Vec<Refusal>> {
        match &found.value {
            Found::Text(text) if text.is_empty() => return Ok(None),
            Found::Text(text) => {
                if let Ok(address) = text.parse() {
                    return Ok(Some(address));
                }
            }
            _ => {}
        }
        match Self::meant(&found.value) {
            Some(meant) => refused(found, format!("{}; did you mean {meant:?}?", Self::ACCEPTED)),
            None => refused(found, Self::ACCEPTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: Found) -> Located {
        Located { place: Place::Whole, value }
    }

    fn text(text: &str) -> Located {
        at(Found::Text(text.into()))
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Vec<Refusal>>) -> String {
        result.unwrap_err().remove(0).message
    }

    #[test]
    fn an_address_is_an_ip_and_a_port_or_nothing() {
        assert_eq!(Address.read(&text("")), Ok(None));
        assert_eq!(Address.read(&text("127.0.0.1:80")), Ok(Some(([127, 0, 0, 1], 80).into())));
        assert!(Address.read(&text("[::1]:80")).unwrap().unwrap().is_ipv6());
        for (found, meant) in [
            (text(":8080"), r#"did you mean "0.0.0.0:8080"?"#),
            (text("8080"), r#"did you mean "0.0.0.0:8080"?"#),
            (at(Found::Integer(8080)), r#"did you mean "0.0.0.0:8080"?"#),
            (text("localhost:1935"), r#"did you mean "127.0.0.1:1935"?"#),
        ] {
            let message = message(Address.read(&found));
            assert!(message.ends_with(meant), "{message}");
        }
        for wrong in ["0.0.0.0", "0.0.0.0:99999", "clinic.example:80", "256.0.0.1:1"] {
            let message = message(Address.read(&text(wrong)));
            assert!(
                message.starts_with(&format!("found {wrong:?}; accepted: \"ADDRESS:PORT\"")),
                "{message}"
            );
        }
    }

    #[test]
    fn numbers_keep_their_bounds() {
        let rule = Millis(10..=20);
        assert_eq!(rule.read(&at(Found::Integer(10))), Ok(Duration::from_millis(10)));
        assert_eq!(rule.read(&at(Found::Integer(20))), Ok(Duration::from_millis(20)));
        for wrong in [Found::Integer(9), Found::Integer(21), Found::Integer(-1), Found::Text("10".into())] {
            let message = message(rule.read(&at(wrong)));
            assert!(message.ends_with("accepted: 10 to 20 (milliseconds)"), "{message}");
        }
        assert_eq!(OrDefault(Number(16..=256)).read(&at(Found::Integer(0))), Ok(None));
        assert_eq!(OrDefault(Number(16..=256)).read(&at(Found::Integer(16))), Ok(Some(16)));
        assert_eq!(
            message(OrDefault(Number(16..=256)).read(&at(Found::Integer(8)))),
            "found 8; accepted: 0 or 16 to 256"
        );
        let too_large = Number(0..=u32::MAX).read(&at(Found::Integer(1 << 40)));
        assert_eq!(message(too_large), "found 1099511627776; accepted: 0 to 4294967295");
    }

    #[test]
    fn a_list_tells_every_wrong_item() {
        let rule = List(Number(0..=9));
        let items = [5, 50, 500].map(|number| at(Found::Integer(number)));
        let refusals = rule.read(&at(Found::List(items.to_vec()))).unwrap_err();
        assert_eq!(refusals.len(), 2);
        assert_eq!(message(rule.read(&text("x"))), r#"found "x"; accepted: a list; each item 0 to 9"#);
    }

    #[test]
    fn a_variables_text_takes_the_shape_of_its_setting() {
        let place = Place::Whole;
        assert_eq!(Shape::Text.read_variable("12", &place), Found::Text("12".into()));
        assert_eq!(Shape::Integer.read_variable(" 12 ", &place), Found::Integer(12));
        assert_eq!(Shape::Integer.read_variable("a dozen", &place), Found::Text("a dozen".into()));
        assert_eq!(Shape::Flag.read_variable("true", &place), Found::Flag(true));
        let list = Found::List(vec![text("a"), text("b")]);
        assert_eq!(Shape::List.read_variable("a, b", &place), list);
        assert_eq!(Shape::List.read_variable(r#"["a", "b"]"#, &place), list);
        assert_eq!(Shape::List.read_variable("", &place), Found::List(vec![]));
    }
}
