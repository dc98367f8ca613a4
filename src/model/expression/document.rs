//! Reading members and elements out of the stored bytes of an object or an array.
//!
//! The bytes were checked when they were published. Should they be anything else nothing is found in them.

use super::value::Value;
use crate::model::json;
use std::borrow::Cow;

/// The value that stands in `text`; `None` when there is none.
pub(super) fn value(text: &[u8]) -> Option<Value<'_>> {
    Some(match text.first()? {
        b'{' | b'[' => Value::Json(text),
        b'"' => Value::Text(string(text)?),
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'n' => Value::Null,
        _ => number(std::str::from_utf8(text).ok()?)?,
    })
}

/// Whole numbers are an `int`, those beyond it a `uint`, all others a `double`.
fn number(text: &str) -> Option<Value<'static>> {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        if let Ok(number) = text.parse() {
            return Some(Value::Int(number));
        }
        if let Ok(number) = text.parse() {
            return Some(Value::UInt(number));
        }
    }
    text.parse().ok().map(Value::Double)
}

/// The text in quotes without its escapes.
pub(super) fn string(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_some() {
        return serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// Whether the name in quotes is `wanted`.
pub(super) fn is_named(quoted: &[u8], wanted: &str) -> bool {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    inner == wanted.as_bytes()
        || (memchr::memchr(b'\\', inner).is_some() && string(quoted).is_some_and(|name| name == wanted))
}

/// Whether the text is an object; else it is an array.
pub(super) fn is_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{')
}

/// Names in quotes and values of an object.
pub(super) fn members(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    json::spans(object, b'{').map(|(name, value)| (&object[name], &object[value]))
}

/// The elements of an array.
pub(super) fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    json::spans(array, b'[').map(|(_, value)| &array[value])
}
