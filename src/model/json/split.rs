//! Cutting a text that [`super::scan`] has accepted into the spans of its members.

use std::borrow::Cow;
use std::ops::Range;

/// The members of the object at `span`: names without escapes and the spans of their values. `None` when there
/// is no object.
pub fn members(text: &[u8], span: Range<usize>) -> Option<Vec<(Cow<'_, str>, Range<usize>)>> {
    let mut at = skip_space(text, span.start);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    let mut members = Vec::with_capacity(6);
    at = skip_space(text, at + 1);
    while text.get(at) == Some(&b'"') {
        let end = skip_value(text, at);
        let name = self::text(text, at..end)?;
        let colon = skip_space(text, end);
        let start = skip_space(text, colon + 1);
        let end = skip_value(text, start);
        members.push((name, start..end));
        at = next(text, end);
    }
    Some(members)
}

/// The spans of what an object (`open` is `{`) or an array (`[`) holds, found one by one: of each member its name in
/// quotes and its value, of each element nothing and its value. Nothing when `text` does not begin with `open`.
pub(crate) fn spans(text: &[u8], open: u8) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut at = if text.first() == Some(&open) { skip_space(text, 1) } else { text.len() };
    std::iter::from_fn(move || {
        let mut name = at..at;
        if open == b'{' {
            if text.get(at) != Some(&b'"') {
                return None;
            }
            name.end = skip_value(text, at);
            at = skip_space(text, skip_space(text, name.end) + 1);
        } else if matches!(text.get(at), None | Some(b']')) {
            return None;
        }
        let value = at..skip_value(text, at);
        if value.is_empty() {
            return None;
        }
        at = next(text, value.end);
        Some((name, value))
    })
}

/// The string at `span` without escapes; `None` when there is no string.
fn text(text: &[u8], span: Range<usize>) -> Option<Cow<'_, str>> {
    let quoted = text.get(span)?;
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_some() {
        return serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// After a value: past the comma, if there is one.
fn next(text: &[u8], end: usize) -> usize {
    let at = skip_space(text, end);
    if text.get(at) == Some(&b',') { skip_space(text, at + 1) } else { at }
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the value that starts at `at`.
fn skip_value(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b' ' | b'\n' | b'\t' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

fn skip_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_bytes() {
        let source = br#" { "a" : {"x":"}\"]"} , "\u0062":[1, 2.0 ,"3"],"c":null } "#;
        let members = members(source, 0..source.len()).unwrap();
        let shown: Vec<(&str, &str)> = members
            .iter()
            .map(|(name, span)| (&**name, std::str::from_utf8(&source[span.clone()]).unwrap()))
            .collect();
        assert_eq!(shown, [("a", r#"{"x":"}\"]"}"#), ("b", r#"[1, 2.0 ,"3"]"#), ("c", "null")]);
        let object = source.trim_ascii();
        let found: Vec<&[u8]> = spans(object, b'{').map(|(_, value)| &object[value]).collect();
        assert_eq!(found, [&br#"{"x":"}\"]"}"#[..], br#"[1, 2.0 ,"3"]"#, b"null"]);
        let array = br#"[ 1,"]" , {"a":[]},[],null ]"#;
        let found: Vec<&[u8]> = spans(array, b'[').map(|(_, value)| &array[value]).collect();
        assert_eq!(found, [&b"1"[..], b"\"]\"", br#"{"a":[]}"#, b"[]", b"null"]);
        for empty in [&b"[]"[..], b"[ ]", b"{}", b"", b"[", b"{", b"{\"", b"7"] {
            assert_eq!(spans(empty, b'[').count() + spans(empty, b'{').count(), 0);
        }
        assert_eq!(super::members(b"{}", 0..2), Some(vec![]));
        assert_eq!(super::members(b"[]", 0..2), None);
    }
}
