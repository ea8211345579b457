//! Bytes -> values.
#![deny(clippy::indexing_slicing)]

use super::{Object, Value, marker};

/// How deep values may nest. Real commands nest three deep (`connect` with `videoFourCcInfoMap`).
pub const MAX_DEPTH: usize = 16;

/// How many values one message may hold, properties and array elements included: a value of one byte (null) costs
/// 56 bytes in memory. Real commands have about 20, `onMetaData` of a file about 30.
pub const MAX_VALUES: usize = 4096;

/// Why bytes are not AMF0. `at` is the offset in the bytes that were given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside a value.
    #[error("AMF0 ends inside the value at byte {at}")]
    Truncated {
        /// Where the missing bytes would start.
        at: usize,
    },
    /// A type marker that RTMP peers do not send, or that §2.1 does not define.
    #[error("AMF0 marker {marker:#04x} at byte {at} is not accepted")]
    Marker {
        /// Where the marker stands.
        at: usize,
        /// The marker.
        marker: u8,
    },
    /// More than [`MAX_DEPTH`] levels.
    #[error("AMF0 nests deeper than 16 levels at byte {at}")]
    TooDeep {
        /// Where the level after the last accepted one starts.
        at: usize,
    },
    /// More than [`MAX_VALUES`] values.
    #[error("AMF0 holds more than 4096 values at byte {at}")]
    TooMany {
        /// Where the value after the last accepted one starts.
        at: usize,
    },
}

/// All values of a message body.
///
/// # Errors
/// [`Error`] at the first byte that is not AMF0 or exceeds a bound.
pub fn parse(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let mut parser = Parser::new(bytes);
    let mut values = Vec::new();
    while let Some(value) = parser.next_value()? {
        values.push(value);
    }
    Ok(values)
}

/// Reads value after value; the bounds hold for all of them together.
#[derive(Debug)]
pub struct Parser<'a> {
    rest: &'a [u8],
    len: usize,
    values_left: usize,
}

impl<'a> Parser<'a> {
    /// Starts at the first byte of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), values_left: MAX_VALUES }
    }

    /// The next value, or `None` at the end.
    ///
    /// # Errors
    /// [`Error`], see there; the parser is of no use after one.
    pub fn next_value(&mut self) -> Result<Option<Value>, Error> {
        if self.rest.is_empty() { Ok(None) } else { self.value(MAX_DEPTH).map(Some) }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    fn value(&mut self, depth_left: usize) -> Result<Value, Error> {
        let at = self.position();
        self.values_left = self.values_left.checked_sub(1).ok_or(Error::TooMany { at })?;
        let [marker] = self.take()?;
        let depth = depth_left.checked_sub(1).ok_or(Error::TooDeep { at });
        Ok(match marker {
            marker::NUMBER => Value::Number(f64::from_be_bytes(self.take()?)),
            marker::BOOLEAN => Value::Boolean(self.take::<1>()? != [0]),
            marker::STRING => Value::String(self.short_string()?),
            marker::LONG_STRING => Value::String(self.long_string()?),
            marker::NULL => Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
            marker::DATE => Value::Date {
                millis: f64::from_be_bytes(self.take()?),
                zone: i16::from_be_bytes(self.take()?),
            },
            marker::OBJECT => Value::Object(self.properties(depth?, false)?),
            marker::TYPED_OBJECT => {
                let class = self.short_string()?;
                Value::TypedObject { class, properties: self.properties(depth?, false)? }
            }
            marker::ECMA_ARRAY => {
                let _count_hint: [u8; 4] = self.take()?;
                Value::EcmaArray(self.properties(depth?, true)?)
            }
            marker::STRICT_ARRAY => Value::StrictArray(self.elements(depth?)?),
            marker => return Err(Error::Marker { at, marker }),
        })
    }

    /// Properties up to the empty name with the end marker (§2.11). Some encoders leave it out after the last property
    /// of an ECMA array that ends the message, because the count said it all (`end_may_be_missing`).
    fn properties(&mut self, depth_left: usize, end_may_be_missing: bool) -> Result<Object, Error> {
        let mut object = Object::new();
        loop {
            if end_may_be_missing && self.rest.is_empty() {
                return Ok(object);
            }
            let name = self.short_string()?;
            if name.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                let _end: [u8; 1] = self.take()?;
                return Ok(object);
            }
            object.0.push((name, self.value(depth_left)?));
        }
    }

    fn elements(&mut self, depth_left: usize) -> Result<Vec<Value>, Error> {
        let count = u32::from_be_bytes(self.take()?);
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.value(depth_left)?);
        }
        Ok(elements)
    }

    fn short_string(&mut self) -> Result<String, Error> {
        let len = u16::from_be_bytes(self.take()?);
        self.text(usize::from(len))
    }

    fn long_string(&mut self) -> Result<String, Error> {
        let len = u32::from_be_bytes(self.take()?);
        self.text(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn text(&mut self, len: usize) -> Result<String, Error> {
        let at = self.position();
        let (text, rest) = self.rest.split_at_checked(len).ok_or(Error::Truncated { at })?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let at = self.position();
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated { at })?;
        self.rest = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `levels` objects, each the property "a" of the one before; the innermost holds null.
    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![];
        for _ in 0..levels {
            bytes.extend([marker::OBJECT, 0, 1, b'a']);
        }
        bytes.push(marker::NULL);
        for _ in 0..levels {
            bytes.extend([0, 0, marker::OBJECT_END]);
        }
        bytes
    }

    #[test]
    fn depth_is_bounded_before_recursion() {
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        let refused = Err(Error::TooDeep { at: 4 * MAX_DEPTH });
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), refused);
        assert_eq!(parse(&nested(100_000)), refused);
    }

    #[test]
    fn an_array_is_bounded_by_count_and_never_allocates_by_its_promise() {
        let promise = [marker::STRICT_ARRAY, 0xff, 0xff, 0xff, 0xff, marker::NULL];
        assert_eq!(parse(&promise), Err(Error::Truncated { at: 6 }));
        let mut kept = promise.to_vec();
        kept.extend([marker::NULL; 10_000]);
        assert_eq!(parse(&kept), Err(Error::TooMany { at: 5 + MAX_VALUES - 1 }));
        assert_eq!(parse(&[marker::NULL; MAX_VALUES]).unwrap().len(), MAX_VALUES);
    }

    #[test]
    fn a_long_string_promise_is_refused_without_its_bytes() {
        assert_eq!(
            parse(&[marker::LONG_STRING, 0xff, 0xff, 0xff, 0xff, b'x']),
            Err(Error::Truncated { at: 5 })
        );
    }

    #[test]
    fn references_xml_and_undefined_markers_are_refused_where_they_stand() {
        for marker in [0x04, 0x07, 0x09, 0x0e, 0x0f, 0x11, 0xff] {
            assert_eq!(parse(&[marker::NULL, marker, 0, 0]), Err(Error::Marker { at: 1, marker }));
        }
    }

    #[test]
    fn an_ecma_array_may_lack_its_end_only_at_the_end_of_the_message() {
        let array = [marker::ECMA_ARRAY, 0, 0, 0, 1, 0, 1, b'w', marker::BOOLEAN, 1];
        let expected = Object::new().with("w", true);
        assert_eq!(parse(&array).unwrap(), [Value::EcmaArray(expected)]);
        assert!(matches!(parse(&array[..9]), Err(Error::Truncated { .. })));
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(parse(&[marker::STRING, 0, 2, b'a', 0xff]).unwrap(), [Value::String("a\u{fffd}".into())]);
    }
}
