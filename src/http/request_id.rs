//! The id that every answer carries: the caller's when it is sane, else one made here.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::cell::Cell;

/// The header, in requests and answers.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes ids for one worker thread: a random start and a count, so that no request waits for randomness.
#[derive(Debug)]
pub(super) struct RequestIds(Cell<u64>);

impl RequestIds {
    pub(super) fn new() -> Self {
        Self(Cell::new(u64::from_le_bytes(crate::clock::random())))
    }

    /// The id of a request.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let mut given = headers.get_all(X_REQUEST_ID);
        match (given.next(), given.next()) {
            (Some(value), None) if is_sane(value.as_bytes()) => value.clone(),
            _ => self.next(),
        }
    }

    fn next(&self) -> HeaderValue {
        let count = self.0.get().wrapping_add(1);
        self.0.set(count);
        let mut text = *b"req_0000000000000000";
        let mut bits = scramble(count);
        for digit in &mut text[4..] {
            *digit = b"0123456789abcdef"[(bits & 15) as usize];
            bits >>= 4;
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("req_0"))
    }
}

/// Spreads a count over all bits, without two counts meeting (each step can be undone).
fn scramble(count: u64) -> u64 {
    let bits = (count ^ (count >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// 1 to 128 of letters, digits, `.`, `_` and `-`: nothing that a log line or a header could trip over.
fn is_sane(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
        }
        RequestIds::new().of(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for(&["abc.D-1_2"]), "abc.D-1_2");
        let long = "x".repeat(129);
        for bad in [&[][..], &[""], &["a b"], &["é"], &[long.as_str()], &["a", "b"], &["a;b"]] {
            let id = id_for(bad);
            assert!(id.starts_with("req_") && id.len() == 20, "{bad:?} gave {id}");
        }
    }

    #[test]
    fn ids_of_a_worker_differ() {
        let ids = RequestIds::new();
        assert_ne!(ids.next(), ids.next());
    }
}
