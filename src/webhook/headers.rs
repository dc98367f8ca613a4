//! The headers of a delivery: ours, and which ones a user may add.

use crate::model::{AttemptRecord, DestinationId, Sequence};
use std::collections::BTreeMap;

/// The most headers a user may add, and the longest value.
const MOST_HEADERS: usize = 64;
const LONGEST_VALUE: usize = 8192;
const LONGEST_NAME: usize = 128;

/// Names that belong to the connection, to the request or to us.
const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "trailers",
    "upgrade",
    "expect",
    "user-agent",
    "date",
    "accept-encoding",
    "http2-settings",
];
const RESERVED_PREFIXES: &[&str] = &["webhook-", "x-campanile-", "proxy-", ":"];

/// What is sent as `User-Agent`.
pub const USER_AGENT: &str = concat!("Campanile/", env!("CARGO_PKG_VERSION"));

/// The header of the body-only signature, unless a destination names another.
pub const SIGNATURE: &str = "X-Campanile-Signature";

/// What is shown in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Parts of names whose values are taken for secrets.
const SECRET_NAMES: &[&str] = &["auth", "cookie", "key", "password", "secret", "session", "sign", "token"];

/// A header's value as the delivery log shows it.
pub fn redacted<'v>(name: &str, value: &'v str) -> &'v str {
    let name = name.to_ascii_lowercase();
    if SECRET_NAMES.iter().any(|part| name.contains(part)) { REDACTED } else { value }
}

/// The headers that an attempt was made with, secrets redacted, in the order they are sent.
pub fn sent_with(attempt: &AttemptRecord) -> Vec<(String, String)> {
    let note = &attempt.request;
    let media_type = if note.is_cloudevent { "application/cloudevents+json" } else { "application/json" };
    let mut headers = vec![
        ("User-Agent".to_owned(), USER_AGENT.to_owned()),
        ("Content-Type".to_owned(), media_type.to_owned()),
    ];
    headers.extend(note.headers.iter().cloned());
    let mut push = |name: &str, value: String| headers.push((name.to_owned(), value));
    if let Some(event) = &attempt.event {
        push("webhook-id", event.id.to_string());
        push("X-Campanile-Event", event.event_type.to_string());
    }
    push("webhook-timestamp", attempt.at.0.div_euclid(1000).to_string());
    push("X-Campanile-Delivery", delivery_id(attempt.destination, attempt.sequence));
    push("X-Campanile-Attempt", attempt.attempt.to_string());
    push("X-Campanile-Sequence", attempt.sequence.to_string());
    if let Some(replay) = note.replay {
        push("X-Campanile-Replay", replay.to_string());
    }
    if note.signatures > 0 {
        let signatures = vec![format!("v1,{REDACTED}"); usize::from(note.signatures)];
        push("webhook-signature", signatures.join(" "));
        push(note.signature_header.as_deref().unwrap_or(SIGNATURE), format!("sha256={REDACTED}"));
    }
    headers
}

/// Reads a delivery's id.
pub fn parse_delivery_id(text: &str) -> Option<(DestinationId, Sequence)> {
    let (destination, sequence) = text.strip_prefix("dlv_")?.split_once('_')?;
    let destination = DestinationId::parse(&format!("dst_{destination}")).ok()?;
    Some((destination, Sequence::parse(sequence)?))
}

/// The id of the delivery of an event to a destination, the same for every attempt.
pub fn delivery_id(destination: DestinationId, sequence: Sequence) -> String {
    format!("{}{sequence}", delivery_id_prefix(destination))
}

/// What the ids of all deliveries to a destination begin with; the event's place follows.
pub fn delivery_id_prefix(destination: DestinationId) -> String {
    format!("dlv_{}_", destination.to_string().trim_start_matches("dst_"))
}

/// What is wrong with headers that a user wants to add, by name.
pub fn check_custom(headers: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    if headers.len() > MOST_HEADERS {
        wrong.push((String::new(), format!("at most {MOST_HEADERS} headers")));
        return wrong;
    }
    let mut seen = std::collections::HashSet::new();
    for (name, value) in headers {
        if let Err(detail) = check_name(name) {
            wrong.push((name.clone(), detail));
        } else if !seen.insert(name.to_ascii_lowercase()) {
            wrong.push((name.clone(), "this header stands twice".to_owned()));
        } else if value.len() > LONGEST_VALUE || !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            wrong.push((name.clone(), format!("at most {LONGEST_VALUE} visible ASCII characters")));
        }
    }
    wrong
}

/// Whether a name can be that of the body-only signature.
pub fn check_signature_header(name: &str) -> Result<(), String> {
    if name.eq_ignore_ascii_case("x-campanile-signature") { Ok(()) } else { check_name(name) }
}

/// Whether a name is that of one of these headers, however either is written.
pub fn stands_among(name: &str, headers: &BTreeMap<String, String>) -> bool {
    headers.keys().any(|known| known.eq_ignore_ascii_case(name))
}

fn check_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&&*lower) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err("this header is set by the broker or by the connection".to_owned());
    }
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_token) {
        return Err("this is no header name".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(name: &str, value: &str) -> usize {
        check_custom(&BTreeMap::from([(name.to_owned(), value.to_owned())])).len()
    }

    #[test]
    fn a_delivery_id_reads_back_and_has_one_spelling() {
        let delivery = (DestinationId::from_parts(1_771_135_204_700, 7), Sequence(42));
        let text = delivery_id(delivery.0, delivery.1);
        assert_eq!(parse_delivery_id(&text), Some(delivery));
        for bad in ["", "dlv_", "dlv_x_1", &text.to_lowercase(), &text.replace("_42", "_042"), &text[4..]] {
            assert_eq!(parse_delivery_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn values_that_may_be_secret_are_not_shown() {
        for name in ["Authorization", "X-Api-Key", "Cookie", "X-Auth", "X-Access-Token", "X-My-SECRET"] {
            assert_eq!(redacted(name, "hush"), REDACTED, "{name}");
        }
        assert_eq!(redacted("X-Team", "data"), "data");
    }

    #[test]
    fn reserved_malformed_and_repeated_headers_are_refused() {
        for name in [
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "Proxy-Authorization",
            "webhook-id",
            "X-Campanile-Event",
            "Content-Type",
            ":path",
            "",
            "a b",
            "x\r\ny",
        ] {
            assert_eq!(wrong(name, "v"), 1, "{name:?}");
        }
        for value in ["a\rb", "a\nb", "a\0b", "a\x7fb", &"x".repeat(9000)] {
            assert_eq!(wrong("X-Team", value), 1);
        }
        assert_eq!(wrong("X-Team", "data"), 0);
        let twice = BTreeMap::from([("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())]);
        assert_eq!(check_custom(&twice).len(), 1);
        assert!(check_signature_header("X-Hub-Signature-256").is_ok());
        assert!(check_signature_header("webhook-signature").is_err());
    }
}
