//! How what became of asking an endpoint looks in the API.

use crate::model::Timestamp;
use crate::webhook::Answer;
use serde_json::{Value, json};

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
