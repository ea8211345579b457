//! Values -> bytes.

use super::{Object, Value, marker};
use bytes::{BufMut, BytesMut};

/// Appends one value.
pub fn write(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(value) => out.put_slice(&[marker::BOOLEAN, u8::from(*value)]),
        Value::String(text) => write_string(out, text),
        Value::Object(object) => {
            out.put_u8(marker::OBJECT);
            properties(out, object);
        }
        Value::TypedObject { class, properties: object } => {
            out.put_u8(marker::TYPED_OBJECT);
            short_string(out, class);
            properties(out, object);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::EcmaArray(object) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(count(object.len()));
            properties(out, object);
        }
        Value::StrictArray(elements) => {
            out.put_u8(marker::STRICT_ARRAY);
            out.put_u32(count(elements.len()));
            elements.iter().for_each(|element| write(out, element));
        }
        Value::Date { millis, zone } => {
            out.put_u8(marker::DATE);
            out.put_f64(*millis);
            out.put_i16(*zone);
        }
    }
}

/// Appends a string value; longer than 65,535 bytes as a long string (§2.14).
pub fn write_string(out: &mut BytesMut, text: &str) {
    if text.len() <= usize::from(u16::MAX) {
        out.put_u8(marker::STRING);
        short_string(out, text);
    } else {
        out.put_u8(marker::LONG_STRING);
        out.put_u32(count(text.len()));
        out.put_slice(text.as_bytes());
    }
}

fn properties(out: &mut BytesMut, object: &Object) {
    for (name, value) in object.iter() {
        short_string(out, name);
        write(out, value);
    }
    out.put_slice(&[0, 0, marker::OBJECT_END]);
}

/// A name has a 16-bit length and no long form: what does not fit is cut at a character.
fn short_string(out: &mut BytesMut, text: &str) {
    let (text, _cut) = text.split_at(text.floor_char_boundary(usize::from(u16::MAX)));
    out.put_u16(u16::try_from(text.len()).expect("cut to 65,535 bytes above"));
    out.put_slice(text.as_bytes());
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("values are parsed from messages of at most 16 MiB or built here")
}
