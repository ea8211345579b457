//! Attribute lists (HLS2 §4.2) and the numbers in them.

use std::time::Duration;

/// The attributes of a tag.
#[derive(Debug)]
pub(super) struct Attributes<'a>(Vec<(&'a str, Value<'a>)>);

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Quoted(&'a str),
    Plain(&'a str),
}

impl<'a> Attributes<'a> {
    /// Reads a list; the error says what is wrong with it.
    pub(super) fn parse(mut text: &'a str) -> Result<Self, String> {
        let mut list: Vec<(&str, Value<'_>)> = Vec::new();
        while !text.is_empty() {
            let (name, rest) = text.split_once('=').ok_or_else(|| format!("'{text}' has no value"))?;
            let of_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(of_name) {
                return Err(format!("'{name}' is no attribute name"));
            }
            let (value, rest) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (value, rest) =
                        quoted.split_once('"').ok_or_else(|| format!("the string of {name} has no end"))?;
                    (Value::Quoted(value), rest)
                }
                None => {
                    let end = rest.find(',').unwrap_or(rest.len());
                    (Value::Plain(&rest[..end]), &rest[end..])
                }
            };
            if list.iter().any(|(known, _)| *known == name) {
                return Err(format!("{name} stands there twice"));
            }
            list.push((name, value));
            text = match rest.strip_prefix(',') {
                Some("") => return Err("the list ends with a comma".to_owned()),
                Some(rest) => rest,
                None if rest.is_empty() => rest,
                None => return Err(format!("'{rest}' follows the string of {name}")),
            };
        }
        Ok(Self(list))
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A quoted string.
    pub(super) fn string(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.get(name) {
            Some(Value::Quoted(text)) => Ok(Some(text)),
            Some(Value::Plain(_)) => Err(format!("{name} is not in quotes")),
            None => Ok(None),
        }
    }

    /// An enumerated string, a number, a resolution: what has no quotes.
    pub(super) fn plain(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.get(name) {
            Some(Value::Plain(text)) => Ok(Some(text)),
            Some(Value::Quoted(_)) => Err(format!("{name} is in quotes")),
            None => Ok(None),
        }
    }

    /// `YES`, or its absence.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.plain(name)? {
            Some("YES") => Ok(true),
            None | Some("NO") => Ok(false),
            Some(other) => Err(format!("{name} is {other}, which is neither YES nor NO")),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<u64>, String> {
        self.plain(name)?.map(integer).transpose()
    }

    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, String> {
        self.plain(name)?.map(seconds).transpose()
    }
}

/// What a tag cannot do without.
pub(super) fn required<T>(tag: &str, name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{tag} has no {name}"))
}

pub(super) fn integer(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = if digits { text.parse().ok() } else { None };
    value.ok_or_else(|| format!("'{text}' is no decimal integer"))
}

/// A decimal floating-point number of seconds, exact to the nanosecond.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no decimal number");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = integer(whole).map_err(|_| wrong())?;
    integer(fraction).map_err(|_| wrong())?;
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Ok(Duration::new(whole, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind() {
        let list = Attributes::parse(r#"URI="a,b=c",DURATION=0.2,INDEPENDENT=YES,LAST-MSN=7"#).unwrap();
        assert_eq!(list.string("URI"), Ok(Some("a,b=c")));
        assert_eq!(list.seconds("DURATION"), Ok(Some(Duration::from_millis(200))));
        assert_eq!((list.flag("INDEPENDENT"), list.flag("GAP")), (Ok(true), Ok(false)));
        assert_eq!((list.integer("LAST-MSN"), list.integer("LAST-PART")), (Ok(Some(7)), Ok(None)));
        assert!(list.plain("URI").is_err() && list.string("DURATION").is_err());
    }

    #[test]
    fn lists_that_are_none() {
        for text in ["URI", "=1", "uri=1", "URI=\"a", "A=1,", "A=1,A=2", "URI=\"a\"B=1", "A=\"\"\""] {
            assert!(Attributes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_exact() {
        assert_eq!(seconds("0.200001"), Ok(Duration::from_micros(200_001)));
        assert_eq!(seconds("6"), Ok(Duration::from_secs(6)));
        assert_eq!(seconds("0.0000000019"), Ok(Duration::from_nanos(1)));
        for text in ["", ".5", "1.", "-1", "1e3", "+1"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
