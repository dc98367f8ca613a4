//! How destinations and deliveries look in the API.

use crate::broker::Delivery;
use crate::model::{AttemptRecord, Timestamp, UnixMillis, Verdict};
use crate::webhook::Answer;
use serde_json::{Value, json};

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

/// What came of asking an endpoint for its consent.
pub(super) fn verification(passed: bool, answer: &Answer) -> Value {
    let (status, error, response) = match &answer.result {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            (Some(response.status), None, json!({ "headers": response.headers, "body": body }))
        }
        Err(error) => (None, Some(error.to_string()), Value::Null),
    };
    let at = Timestamp::from(answer.at);
    let latency_ms = answer.latency_ms;
    json!({
        "passed": passed,
        "at": at,
        "latency_ms": latency_ms,
        "status": status,
        "error": error,
        "response": response,
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
