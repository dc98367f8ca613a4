//! Verifying webhooks: whether a request was signed with a secret, just now.
//!
//! Verify the bytes of the body as they came, before anything parses them.

use super::models::Event;
use crate::clock;
use crate::protocol::signature::{Signer, TOLERANCE_S, check_secret};

/// Why a webhook is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The secret is none.
    #[error("the secret is none: {0}")]
    Secret(String),
    /// A header is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The secret is another one, the body was changed, or the request is older or newer than five minutes.
    #[error("not signed with this secret within {TOLERANCE_S} s: another secret, or the body was changed")]
    Signature,
    /// It is signed, and no event in the format `envelope`.
    #[error("no event in the format envelope: {0}")]
    Body(String),
}

/// Whether a request was signed with this secret (Standard Webhooks), within five minutes. `headers` are pairs of names
/// and values, as the HTTP libraries give them.
///
/// ```
/// use campanile::client::webhooks::{WebhookError, verify};
///
/// let headers = [("webhook-id", "evt_1"), ("webhook-timestamp", "1771135204"), ("webhook-signature", "v1,forged")];
/// let verified = verify(b"{}", headers, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
/// assert_eq!(verified, Err(WebhookError::Signature));
/// ```
pub fn verify<N: AsRef<str>, V: AsRef<[u8]>>(
    body: &[u8],
    headers: impl IntoIterator<Item = (N, V)>,
    secret: &str,
) -> Result<(), WebhookError> {
    checked(body, headers, secret).map(|_| ())
}

/// The same, and the event that the body holds in the format `envelope`.
pub fn unwrap<N: AsRef<str>, V: AsRef<[u8]>>(
    body: &[u8],
    headers: impl IntoIterator<Item = (N, V)>,
    secret: &str,
) -> Result<Event, WebhookError> {
    let sequence = checked(body, headers, secret)?;
    let read = serde_json::from_slice::<Event>(body);
    let mut event = read.map_err(|error| WebhookError::Body(error.to_string()))?;
    event.sequence = event.sequence.or(sequence);
    Ok(event)
}

/// Whether the body-only signature (`X-Campanile-Signature`) is one of this secret. It names no time: whoever saw it can
/// send it again. Prefer [`verify`].
pub fn verify_body(body: &[u8], signature: &str, secret: &str) -> Result<(), WebhookError> {
    check_secret(secret).map_err(WebhookError::Secret)?;
    let is_signed = Signer::new(secret).verify_body_only(signature, body);
    if is_signed { Ok(()) } else { Err(WebhookError::Signature) }
}

/// The place in the log that a verified request names.
fn checked<N: AsRef<str>, V: AsRef<[u8]>>(
    body: &[u8],
    headers: impl IntoIterator<Item = (N, V)>,
    secret: &str,
) -> Result<Option<u64>, WebhookError> {
    check_secret(secret).map_err(WebhookError::Secret)?;
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-campanile-sequence"];
    let mut found: [Option<String>; 4] = Default::default();
    for (name, value) in headers {
        if let Some(at) = names.iter().position(|known| known.eq_ignore_ascii_case(name.as_ref())) {
            found[at].get_or_insert_with(|| String::from_utf8_lossy(value.as_ref()).into_owned());
        }
    }
    let [id, at, signatures, sequence] = found;
    let id = id.ok_or(WebhookError::Missing("webhook-id"))?;
    let at = at.ok_or(WebhookError::Missing("webhook-timestamp"))?;
    let signatures = signatures.ok_or(WebhookError::Missing("webhook-signature"))?;
    let now = clock::now().0.div_euclid(1000);
    if !Signer::new(secret).verify_standard(&id, &at, &signatures, body, now) {
        return Err(WebhookError::Signature);
    }
    // Not signed: it says where to go on, and is worth no more than that.
    Ok(sequence.and_then(|sequence| sequence.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] =
        br#"{"id":"evt_1","type":"a.b","timestamp":"2026-02-15T06:00:04.7Z","data":{"n": 1.10}}"#;

    fn signed(body: &[u8]) -> Vec<(String, String)> {
        let now = clock::now().0 / 1000;
        let headers = [
            ("Webhook-Id", "evt_1".to_owned()),
            ("Webhook-Timestamp", now.to_string()),
            ("Webhook-Signature", Signer::new(SECRET).standard("evt_1", now, body)),
            ("X-Campanile-Sequence", "42".to_owned()),
        ];
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn an_event_comes_out_of_a_signed_body() {
        let event = unwrap(BODY, signed(BODY), SECRET).unwrap();
        assert_eq!(
            (event.id.as_str(), event.sequence, event.data.get()),
            ("evt_1", Some(42), r#"{"n": 1.10}"#)
        );
        let headers: hyper::HeaderMap = signed(BODY)
            .into_iter()
            .map(|(name, value)| (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        verify(BODY, &headers, SECRET).unwrap();
    }

    #[test]
    fn nothing_else_is_trusted() {
        assert_eq!(verify(b"{}", signed(BODY), SECRET), Err(WebhookError::Signature));
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(verify(BODY, signed(BODY), other), Err(WebhookError::Signature));
        for (at, name) in ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().enumerate() {
            let mut headers = signed(BODY);
            headers.remove(at);
            assert_eq!(verify(BODY, headers, SECRET), Err(WebhookError::Missing(name)));
        }
        assert!(matches!(verify(BODY, signed(BODY), ""), Err(WebhookError::Secret(_))));
        assert!(matches!(unwrap(b"[]", signed(b"[]"), SECRET), Err(WebhookError::Body(_))));
    }

    #[test]
    fn the_body_only_signature_is_checked_too() {
        let signature = Signer::new(SECRET).body_only(BODY);
        assert_eq!(verify_body(BODY, &signature, SECRET), Ok(()));
        assert_eq!(verify_body(b"{}", &signature, SECRET), Err(WebhookError::Signature));
    }
}
