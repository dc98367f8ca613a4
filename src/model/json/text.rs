//! A place in a text and the tokens that can stand there: strings, numbers, literals, white space.

use super::Malformed;
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A string token.
pub(super) struct StringToken {
    /// Where its characters are, without the quotes.
    pub(super) inner: Range<usize>,
    /// Whether it holds an escape.
    pub(super) escaped: bool,
    /// Where an escape is half of a surrogate pair.
    pub(super) lone_surrogate: Option<usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { offset: self.at, expected }
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(self.malformed(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// A token that is neither an object nor an array.
    pub(super) fn scalar(&mut self) -> Result<Option<usize>, Malformed> {
        match self.peek() {
            Some(b'"') => return self.string().map(|found| found.lone_surrogate),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(self.malformed("a value")),
        }
        Ok(None)
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), Malformed> {
        for byte in word {
            self.expect(*byte, "true, false or null")?;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.malformed("a digit"));
        }
        self.at += count;
        Ok(())
    }

    pub(super) fn string(&mut self) -> Result<StringToken, Malformed> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let mut found = StringToken { inner: start..start, escaped: false, lone_surrogate: None };
        loop {
            self.at += plain_run(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    found.inner.end = self.at;
                    self.at += 1;
                    return Ok(found);
                }
                Some(b'\\') => {
                    found.escaped = true;
                    let escape_at = self.at;
                    if !self.escape()? {
                        found.lone_surrogate = found.lone_surrogate.or(Some(escape_at));
                    }
                }
                Some(_) => return Err(self.malformed("no raw control character in a string")),
                None => return Err(self.malformed("the closing quote of a string")),
            }
        }
    }

    /// Steps over an escape; false when it is half of a surrogate pair.
    fn escape(&mut self) -> Result<bool, Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'u') => {
                self.at += 1;
                let unit = self.four_hex()?;
                if !(0xD800..0xE000).contains(&unit) {
                    return Ok(true);
                }
                Ok(unit < 0xDC00 && self.low_half_follows())
            }
            _ => Err(self.malformed("a known escape after the backslash")),
        }
    }

    fn four_hex(&mut self) -> Result<u16, Malformed> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.ok_or_else(|| self.malformed("four hexadecimal digits after \\u"))?;
            unit = unit << 4 | digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Steps over `\uDC00`..`\uDFFF` if that is what comes next.
    fn low_half_follows(&mut self) -> bool {
        let Some(digits) = self.text.as_bytes()[self.at..].strip_prefix(b"\\u") else {
            return false;
        };
        let is_low = digits.len() >= 4
            && matches!(digits[0], b'd' | b'D')
            && matches!(digits[1], b'c'..=b'f' | b'C'..=b'F')
            && digits[2..4].iter().all(u8::is_ascii_hexdigit);
        self.at += if is_low { 6 } else { 0 };
        is_low
    }
}

/// How many bytes from the start are neither a quote, a backslash nor a control character, eight at a time.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // A byte's high bit is set where it is below the bound (or, for bytes after such a one, maybe wrongly:
        // the first is exact, and only the first counts).
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES) & !(word ^ (ONES * 0x22));
        let backslash = (word ^ (ONES * 0x5C)).wrapping_sub(ONES) & !(word ^ (ONES * 0x5C));
        let special = (below_space | quote | backslash) & HIGHS;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && **byte != b'"' && **byte != b'\\';
    at + bytes[at..].iter().take_while(is_plain).count()
}

/// The characters of a string token that was checked; half a surrogate pair becomes U+FFFD.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let kind = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        match kind {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => rest = push_unit(&mut out, rest),
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    out
}

/// Appends the character of a `\u` escape whose digits start `rest`; gives what comes after it.
fn push_unit<'a>(out: &mut String, rest: &'a str) -> &'a str {
    let unit = |digits: &str| digits.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let first = unit(rest).unwrap_or(0xFFFD);
    let rest = rest.get(4..).unwrap_or_default();
    if !(0xD800..0xDC00).contains(&first) {
        out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        return rest;
    }
    let second = rest.strip_prefix("\\u").and_then(unit).filter(|low| (0xDC00..0xE000).contains(low));
    let both = second.and_then(|low| char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00)));
    out.push(both.unwrap_or(char::REPLACEMENT_CHARACTER));
    if both.is_some() { rest.get(6..).unwrap_or_default() } else { rest }
}
