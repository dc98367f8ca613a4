//! How destinations and deliveries look in the API.

use crate::broker::{Delivery, Lag};
use crate::model::{AttemptRecord, Destination, Timestamp, UnixMillis, Verdict};
use serde_json::{Value, json};

/// A destination as the API shows it: everything but its secrets.
pub(super) fn destination(one: &Destination, lag: Lag) -> Value {
    let events: Vec<String> = if one.events.is_empty() {
        vec!["*".to_owned()]
    } else {
        one.events.iter().map(ToString::to_string).collect()
    };
    json!({
        "id": one.id,
        "url": one.url,
        "description": one.description,
        "events": events,
        "filter": null,
        "format": one.format.map_or(json!("envelope"), |format| json!(format)),
        "status": one.status,
        "deactivation": one.deactivation,
        "verification": one.verification,
        "headers": one.headers,
        "retry": one.retry,
        "timeout_ms": one.timeout_ms,
        "max_in_flight": one.max_in_flight,
        "rate_limit_per_s": one.rate_limit_per_s,
        "ordering": one.ordering,
        "signature_header": one.signature_header,
        "lag": lag,
        "failing_since": null,
        "declared": one.declared,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    })
}

/// A delivery with its attempts.
pub(super) fn delivery(one: &Delivery) -> Value {
    json!({
        "id": one.id(),
        "event_id": one.event.id(),
        "event_type": one.event.event_type().as_str(),
        "sequence": one.event.sequence(),
        "destination_id": one.destination.id,
        "status": one.status,
        "next_attempt_at": one.next_attempt_at.map(Timestamp::from),
        "attempts": one.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn attempt(one: &AttemptRecord) -> Value {
    let next_attempt_at = match one.verdict {
        Verdict::Retry { at } => Some(at),
        _ => None,
    };
    json!({
        "attempt": one.attempt,
        "at": Timestamp::from(one.at),
        "latency_ms": one.latency_ms,
        "status": one.status,
        "error": one.error,
        "next_attempt_at": next_attempt_at.map(|at: UnixMillis| Timestamp::from(at)),
        "response": {
            "headers": one.response_headers,
            "body": one.response_body,
        },
    })
}
