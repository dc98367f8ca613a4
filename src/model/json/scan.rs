//! The check: strict RFC 8259, plus the rules that a valid text may still break: depth, duplicate member names,
//! lone surrogates. One pass, no recursion, work and memory linear in the text.

use crate::model::Violation;
use std::borrow::Cow;
use std::collections::HashSet;

/// Violations beyond this many are not listed.
const MOST_VIOLATIONS: usize = 20;

/// Objects with fewer members compare names one by one.
const SMALL_OBJECT: usize = 16;

/// The text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON at byte {offset}: {what}")]
pub struct Malformed {
    /// Where reading stopped.
    pub offset: usize,
    /// What was wrong there.
    pub what: &'static str,
}

/// Rules that a valid text breaks.
pub type Problems = Vec<Violation>;

/// Checks a whole text. `max_depth` counts objects and arrays around a value, the outermost as one.
pub fn scan(bytes: &[u8], max_depth: usize) -> Result<Problems, Malformed> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(Malformed { offset: error.valid_up_to(), what: "not UTF-8" });
    }
    let mut scanner =
        Scanner { bytes, at: 0, max_depth, frames: Vec::new(), names: Vec::new(), problems: Vec::new() };
    scanner.run()?;
    Ok(scanner.problems)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
    frames: Vec<Frame<'a>>,
    /// Member names of the open objects, each frame's after those of the frames around it.
    names: Vec<Cow<'a, [u8]>>,
    problems: Problems,
}

struct Frame<'a> {
    is_object: bool,
    names_start: usize,
    /// The element an array is at.
    index: usize,
    /// Member names once there are many.
    many: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Result<(), Malformed> {
        self.space();
        loop {
            // A value starts here.
            let opened = self.value()?;
            if opened {
                continue;
            }
            // A value ended: close what ends with it, or go to the next one.
            loop {
                self.space();
                let next = self.peek();
                let Some(frame) = self.frames.last_mut() else {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        self.fail("text after the value")
                    };
                };
                let is_object = frame.is_object;
                match next {
                    Some(b',') => {
                        frame.index += 1;
                        self.at += 1;
                        self.space();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => self.close(),
                    Some(b']') if !is_object => self.close(),
                    None => return self.fail("the text ends inside a value"),
                    Some(_) => return self.fail("expected a comma or the end of the object or array"),
                }
            }
        }
    }

    /// Reads a scalar, or opens an object or array; true when the next thing is a value again.
    fn value(&mut self) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word(b"true").map(|()| false),
            Some(b'f') => self.word(b"false").map(|()| false),
            Some(b'n') => self.word(b"null").map(|()| false),
            Some(open @ (b'{' | b'[')) => self.open(open == b'{'),
            Some(_) => self.fail("expected a value"),
            None => self.fail("the text ends where a value should be"),
        }
    }

    fn open(&mut self, is_object: bool) -> Result<bool, Malformed> {
        self.at += 1;
        if self.frames.len() == self.max_depth {
            self.problem("too_deep", "nested deeper than allowed");
        }
        self.frames.push(Frame { is_object, names_start: self.names.len(), index: 0, many: None });
        self.space();
        match self.peek() {
            Some(b'}') if is_object => self.close(),
            Some(b']') if !is_object => self.close(),
            _ if is_object => {
                self.name()?;
                return Ok(true);
            }
            _ => return Ok(true),
        }
        Ok(false)
    }

    fn close(&mut self) {
        self.at += 1;
        if let Some(frame) = self.frames.pop() {
            self.names.truncate(frame.names_start);
        }
    }

    /// A member name with its colon.
    fn name(&mut self) -> Result<(), Malformed> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name in double quotes");
        }
        let name = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon");
        }
        self.at += 1;
        self.space();
        self.remember(name);
        Ok(())
    }

    fn remember(&mut self, name: Cow<'a, [u8]>) {
        let Some(frame) = self.frames.last_mut() else { return };
        let known = &self.names[frame.names_start..];
        let repeated = if let Some(many) = &mut frame.many {
            !many.insert(name.clone())
        } else {
            let repeated = known.contains(&name);
            if known.len() >= SMALL_OBJECT {
                frame.many = Some(known.iter().cloned().chain([name.clone()]).collect());
            }
            repeated
        };
        self.names.push(name);
        if repeated {
            self.problem("duplicate_key", "this member name stands twice in the object");
        }
    }

    /// Reads a string; its content without escapes.
    fn string(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        self.at += 1;
        let start = self.at;
        let mut unescaped: Option<Vec<u8>> = None;
        let mut copied = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.bytes[copied..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(rest),
                        Some(mut text) => {
                            text.extend_from_slice(rest);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.extend_from_slice(&self.bytes[copied..self.at]);
                    let escaped = self.escape()?;
                    text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    copied = self.at;
                }
                Some(0..=0x1f) => return self.fail("a control character must be escaped"),
                Some(_) => self.at += 1,
                None => return self.fail("the text ends inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let plain = match self.bytes.get(self.at + 1) {
            Some(escaped @ (b'"' | b'\\' | b'/')) => char::from(*escaped),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("there is no such escape"),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Malformed> {
        let first = self.hex(self.at + 2)?;
        self.at += 6;
        if let Some(plain) = char::from_u32(first) {
            return Ok(plain);
        }
        let second = self.bytes[self.at..].starts_with(b"\\u").then(|| self.hex(self.at + 2)).transpose()?;
        match second {
            Some(second @ 0xDC00..=0xDFFF) if first < 0xDC00 => {
                self.at += 6;
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => {
                self.problem("lone_surrogate", "half of a surrogate pair stands alone");
                Ok(char::REPLACEMENT_CHARACTER)
            }
        }
    }

    fn hex(&mut self, at: usize) -> Result<u32, Malformed> {
        let digits = self.bytes.get(at..at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(value) => Ok(value),
            None => self.fail("\\u needs four hexadecimal digits"),
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail("expected a digit"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Malformed> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fail("expected a digit");
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { offset: self.at, what })
    }

    fn problem(&mut self, code: &'static str, detail: &str) {
        if self.problems.len() < MOST_VIOLATIONS {
            self.problems.push(Violation::new(self.pointer(), detail).with_code(code));
        }
    }

    /// Where the scanner is, as far as its frames tell; a very deep place is cut short.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        let ends = self.frames.iter().skip(1).map(|frame| frame.names_start).chain([self.names.len()]);
        for (frame, end) in self.frames.iter().zip(ends).take(self.max_depth + 1) {
            pointer.push('/');
            if frame.is_object {
                let name = self.names.get(end.wrapping_sub(1)).filter(|_| end > frame.names_start);
                let name = name.map_or(Cow::Borrowed(""), |name| String::from_utf8_lossy(name));
                pointer.push_str(&Violation::escape(&name));
            } else {
                pointer.push_str(&frame.index.to_string());
            }
        }
        pointer
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
