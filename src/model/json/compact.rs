//! Taking the white space between tokens away.

/// A text without the white space between its tokens; numbers, strings and the order of members stay as written.
/// The text was scanned.
pub fn compact(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b' ' | b'\n' | b'\t' | b'\r' => at += 1,
            b'"' => {
                let start = at;
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(text.len());
                out.extend_from_slice(&text[start..at]);
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn only_white_space_between_tokens_goes() {
        let text = "{ \"b \\\" c\" :\r\n\t[ 1.10 , \"\\\\\" ] , \"a\" : null }";
        assert_eq!(compact(text.as_bytes()), br#"{"b \" c":[1.10,"\\"],"a":null}"#);
        assert_eq!(compact(b""), b"");
    }
}
