//! How what became of asking an endpoint, or of trying it out, looks in the API.

use super::deliveries::object;
use crate::broker::Trial;
use crate::model::Timestamp;
use crate::webhook::Answer;
use crate::webhook::headers::redacted;
use serde_json::{Value, json};

/// What a test sent and what came of it: an attempt as the delivery log shows one, and the request's whole.
pub(super) fn trial(one: &Trial) -> Value {
    let sent = one.sent.headers.iter();
    let sent = sent.map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        (name.shown().to_owned(), redacted(name.shown(), &text).to_owned())
    });
    let (status, response) = match &one.answer.result {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            (Some(response.status), json!({ "headers": object(response.headers.clone()), "body": body }))
        }
        Err(_) => (None, Value::Null),
    };
    let error = one.answer.failure();
    json!({
        "event_id": one.event.id(),
        "event_type": one.event.event_type(),
        "success": error.is_none(),
        "attempt": 1,
        "at": Timestamp::from(one.answer.at),
        "latency_ms": one.answer.latency_ms,
        "status": status,
        "error": error,
        "request": {
            "url": one.sent.to.url(),
            "headers": object(sent.collect()),
            "body": String::from_utf8_lossy(&one.sent.body),
        },
        "response": response,
    })
}

/// What came of asking an endpoint for its consent.
pub(super) fn verification(passed: bool, answer: &Answer) -> Value {
    let (status, error, response) = match &answer.result {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            (
                Some(response.status),
                None,
                json!({ "headers": object(response.headers.clone()), "body": body }),
            )
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
