//! AMF0, the value notation of RTMP commands and data messages ("Action Message Format AMF 0", Adobe 2007).
//!
//! Parsing is bounded in depth, before any recursion, and in the number of values: one `connect` with thousands of
//! nested objects overflows the stack of servers that only follow the markers, and a stack overflow cannot be caught.

mod parse;
mod write;

pub use parse::{Error, MAX_DEPTH, MAX_VALUES, Parser, parse};
pub use write::{write, write_string};

/// One AMF0 value (§2.1). References (§2.9) and XML or recordset markers are refused by the parser: no RTMP client
/// sends them, and references would allow cycles.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// §2.2: always a double.
    Number(f64),
    /// §2.3: any non-zero byte is true.
    Boolean(bool),
    /// §2.4 and §2.14 (long string). Invalid UTF-8 is replaced by U+FFFD.
    String(String),
    /// §2.5: an anonymous object.
    Object(Object),
    /// §2.18: an object of a named class.
    TypedObject {
        /// The alias of the class.
        class: String,
        /// Its properties.
        properties: Object,
    },
    /// §2.7.
    Null,
    /// §2.8.
    Undefined,
    /// §2.10: an associative array; the announced count is only a hint and is not kept.
    EcmaArray(Object),
    /// §2.12: values by position.
    StrictArray(Vec<Self>),
    /// §2.13.
    Date {
        /// Milliseconds since 1970-01-01 UTC.
        millis: f64,
        /// Reserved; 0 in practice.
        zone: i16,
    },
}

impl Value {
    /// The number, if it is one.
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is a string of either length class.
    pub const fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The properties of an object, typed object or ECMA array: peers use the three interchangeably (`onMetaData` is
    /// an ECMA array from ffmpeg, an object from some phones).
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) | Self::EcmaArray(object) => Some(object),
            Self::TypedObject { properties, .. } => Some(properties),
            _ => None,
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

/// The properties of an object in the order of the wire.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Object(Vec<(String, Value)>);

impl Object {
    /// No properties.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a property.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The first property of that name.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All properties in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many properties there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}

/// The type markers of §2.1 that are read or written.
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    /// "Unsupported" (§2.15) carries nothing and reads as undefined.
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|number| Value::Number(f64::from(number) / 8.0)),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,40}".prop_map(Value::String),
            Just(Value::String("x".repeat(70_000))),
            Just(Value::Null),
            Just(Value::Undefined),
            any::<(u32, i16)>().prop_map(|(millis, zone)| Value::Date { millis: f64::from(millis), zone }),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            // An empty name ends an object, so no property can carry one.
            let properties = prop::collection::vec((".{1,10}", inner.clone()), 0..5)
                .prop_map(|properties| properties.into_iter().collect::<Object>());
            prop_oneof![
                properties.clone().prop_map(Value::Object),
                properties.clone().prop_map(Value::EcmaArray),
                (".{0,10}", properties)
                    .prop_map(|(class, properties)| Value::TypedObject { class, properties }),
                prop::collection::vec(inner, 0..5).prop_map(Value::StrictArray),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back(values in prop::collection::vec(value(), 0..6)) {
            let mut bytes = BytesMut::new();
            values.iter().for_each(|value| write(&mut bytes, value));
            prop_assert_eq!(parse(&bytes).unwrap(), values);
        }

        #[test]
        fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
