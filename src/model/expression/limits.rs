//! The bounds of an expression's text, checked in one pass before anything is built from it.

use super::ExpressionError;

pub(super) const MAX_BYTES: usize = 2048;

/// Names, literals and signs.
const MAX_TOKENS: usize = 512;

/// Brackets of any kind around a place.
const MAX_NESTING: usize = 16;

/// Refuses a text that is too long, has too many parts or nests too deep.
pub(super) fn check(text: &str) -> Result<(), ExpressionError> {
    if text.len() > MAX_BYTES {
        let detail = format!("an expression has at most {MAX_BYTES} bytes");
        return Err(ExpressionError::at(text, MAX_BYTES, detail));
    }
    let (mut at, mut tokens, mut nesting) = (0, 0, 0_usize);
    while let Some(start) = skip_to_token(text.as_bytes(), at) {
        let byte = text.as_bytes()[start];
        at = token_end(text.as_bytes(), start);
        tokens += 1;
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if tokens > MAX_TOKENS {
            let detail = format!("an expression has at most {MAX_TOKENS} names, literals and signs");
            return Err(ExpressionError::at(text, start, detail));
        }
        if nesting > MAX_NESTING {
            let detail = format!("brackets nest at most {MAX_NESTING} deep");
            return Err(ExpressionError::at(text, start, detail));
        }
    }
    if tokens == 0 {
        return Err(ExpressionError::at(text, 0, "an expression is needed"));
    }
    Ok(())
}

/// The next byte that is neither white space nor in a comment.
fn skip_to_token(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            byte if byte.is_ascii_whitespace() || *byte == 0x0b => at += 1,
            b'/' if text.get(at + 1) == Some(&b'/') => {
                at += text[at..].iter().position(|byte| *byte == b'\n')?;
            }
            _ => return Some(at),
        }
    }
}

fn token_end(text: &[u8], start: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let word = text[start..].iter().take_while(|byte| is_word(byte)).count();
    let after = text.get(start + word);
    match (&text[start..start + word], after) {
        (prefix, Some(quote @ (b'"' | b'\''))) if prefix.len() <= 2 && is_string_prefix(prefix) => {
            string_end(text, start + word, *quote, prefix.iter().any(|byte| byte.eq_ignore_ascii_case(&b'r')))
        }
        ([], _) => start + 1,
        _ => start + word,
    }
}

fn is_string_prefix(prefix: &[u8]) -> bool {
    [&b""[..], b"r", b"b", b"rb", b"br"].iter().any(|known| prefix.eq_ignore_ascii_case(known))
}

/// After the string that opens at `open`; the end of the text when it does not close.
fn string_end(text: &[u8], open: usize, quote: u8, is_raw: bool) -> usize {
    let triple = [quote; 3];
    let close: &[u8] = if text[open..].starts_with(&triple) { &triple } else { &triple[..1] };
    let mut at = open + close.len();
    while at < text.len() {
        if text[at..].starts_with(close) {
            return at + close.len();
        }
        at += if text[at] == b'\\' && !is_raw { 2 } else { 1 };
    }
    text.len()
}
