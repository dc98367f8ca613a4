//! `Idempotency-Key`: which texts are keys, and what they are bound to.

use super::problem::Problem;
use crate::log::CommitKey;
use crate::secrets::Secrets;
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that the answer is one that was given before.
pub(super) const REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));

/// The request's key, bare (`abc`) or as a structured string (`"abc"`): both are the same key.
pub(super) fn key_of(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all(IDEMPOTENCY_KEY);
    let invalid = || {
        let detail = "an idempotency key is 1 to 255 visible ASCII characters, sent once";
        Problem::malformed("invalid_idempotency_key", detail)
    };
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => unquoted(value.as_bytes()).map(Some).ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

fn unquoted(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => {
            let inner = rest.strip_suffix('"')?;
            let mut key = String::with_capacity(inner.len());
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => key.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
                    '"' => return None,
                    plain => key.push(plain),
                }
            }
            key
        }
    };
    let fits = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(key)
}

/// Binds a key to its route and to all that makes the request what it is. The digest is kept, so it is a keyed one.
pub(super) fn commit_key(
    key: &str,
    route: &str,
    request: &HttpRequest,
    body: &[u8],
    secrets: &Secrets,
) -> CommitKey {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(route.as_bytes());
    part(request.headers().get(CONTENT_TYPE).map_or(b"", HeaderValue::as_bytes));
    part(body);
    let mut attributes: Vec<(&str, &[u8])> = request
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("ce-"))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    attributes.sort_unstable();
    for (name, value) in attributes {
        part(name.as_bytes());
        part(value);
    }
    CommitKey { name: format!("{route} {key}"), content: secrets.bind(&hash.finalize().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_and_quoted_keys_are_the_same_key() {
        assert_eq!(unquoted(b"abc-1").as_deref(), Some("abc-1"));
        assert_eq!(unquoted(b"\"abc-1\"").as_deref(), Some("abc-1"));
        assert_eq!(unquoted(br#""a\"b\\c""#).as_deref(), Some(r#"a"b\c"#));
        let long = "x".repeat(256);
        for bad in ["", "\"\"", "a b", "\"", "\"a", "\"a\"b\"", "\"a\\b\"", "é", long.as_str()] {
            assert_eq!(unquoted(bad.as_bytes()), None, "{bad:?}");
        }
        assert!(unquoted("x".repeat(255).as_bytes()).is_some());
    }
}
