//! Numbers that validation would round: found in the text, before it becomes numbers of a machine.

use crate::model::Violation;
use crate::model::json::pointer_at;

/// Numbers of at most so many digits are never rounded.
const SAFE_DIGITS: usize = 15;

/// The first number that is not what a machine would make of it. The text was scanned.
pub(super) fn rounded(text: &[u8]) -> Option<Violation> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => at = after_string(text, at),
            b'-' | b'0'..=b'9' => {
                let rest = &text[at..];
                let length = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
                if !is_exact(&rest[..length]) {
                    let detail = "this number cannot be checked without rounding it; send it as a string";
                    let pointer = pointer_at(text, at);
                    return Some(Violation::new(pointer, detail).with_code("number_too_precise"));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

fn after_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

fn is_exact(number: &[u8]) -> bool {
    if number.len() <= SAFE_DIGITS && !number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return true;
    }
    let Ok(text) = std::str::from_utf8(number) else { return false };
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return true;
    }
    let Some(parsed) = text.parse::<f64>().ok().filter(|parsed| parsed.is_finite()) else { return false };
    decimal(text).is_some_and(|written| Some(written) == decimal(&format!("{parsed:e}")))
}

/// A number as its digits, without zeros at either end, and where the point is. `None` when that is out of bounds.
fn decimal(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let leading = digits.len() - significant.len();
    let exponent: i64 = exponent.parse().ok()?;
    let point = exponent.checked_add(whole.len() as i64 - leading as i64)?;
    Some((significant.trim_end_matches('0').to_owned(), point))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_would_be_rounded_is_refused() {
        for exact in [
            "0",
            "-0",
            "-0.0",
            "1.10",
            "1e2",
            "9007199254740993",
            "18446744073709551615",
            "0.1234567890123456",
            "-9223372036854775808",
            "1e300",
            "100000000000000000000000",
            "2.5e-300",
            "0e999999999999999999999",
        ] {
            assert!(is_exact(exact.as_bytes()), "{exact}");
        }
        for rounded in
            ["1e400", "12345678901234567890123", "1.10000000000000000001", "1e-400", "0.12345678901234567891"]
        {
            assert!(!is_exact(rounded.as_bytes()), "{rounded}");
        }
        let found = rounded(br#"{"a":[1,"1e400\"",{"b":1e400}]}"#).unwrap();
        assert_eq!(found.pointer, "/a/2/b");
    }

    proptest! {
        #[test]
        fn every_number_that_a_machine_writes_is_exact(number: f64) {
            prop_assume!(number.is_finite());
            let (plain, scientific) = (format!("{number}"), format!("{number:e}"));
            prop_assert!(is_exact(plain.as_bytes()));
            prop_assert!(is_exact(scientific.as_bytes()));
        }
    }
}
