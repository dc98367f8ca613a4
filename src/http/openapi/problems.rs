//! The errors of an operation: those that follow from what it takes, and its own.

use super::{Access, Operation};
use serde_json::{Map, Value, json};

/// What a status means on every route.
const MEANINGS: &[(u16, &str)] = &[
    (
        400,
        "The request cannot be understood: malformed JSON, or a query parameter that is unknown, repeated or wrong.",
    ),
    (401, "There is no key, or it is not known, or has expired."),
    (403, "The key does not have the scope."),
    (404, "There is nothing of this name in the caller's tenant."),
    (408, "The body did not arrive in time."),
    (413, "The body is larger than the config allows."),
    (415, "The body has the wrong media type, or is encoded."),
    (422, "The body is JSON but breaks rules, which `errors` names."),
    (
        503,
        "Not now: `storage_full`, `commit_unknown`, `log_corrupt`, `draining` or `overloaded`, as `type` says.",
    ),
];

/// Every error of an operation with what it means.
pub(super) fn of(operation: &Operation) -> Vec<(u16, String)> {
    let mut all: Vec<(u16, String)> = Vec::new();
    let has_key = operation.access != Access::Open;
    let takes_body = !operation.body.is_empty();
    for (status, meaning) in MEANINGS {
        let applies = match status {
            400 => true,
            401 | 403 => has_key,
            404 => operation.path.contains('{'),
            408 | 413 | 415 | 422 => takes_body,
            _ => has_key,
        };
        if applies {
            all.push((*status, (*meaning).to_owned()));
        }
    }
    for (status, meaning) in operation.problems {
        match all.iter_mut().find(|(known, _)| known == status) {
            Some((_, known)) => *known = format!("{known} {meaning}"),
            None => all.push((*status, (*meaning).to_owned())),
        }
    }
    all.sort_by_key(|(status, _)| *status);
    all
}

/// The headers of an error.
pub(super) fn headers_of(status: u16) -> Map<String, Value> {
    let mut headers = Map::new();
    let challenge = "How to authenticate (RFC 6750).";
    let mut push = |name: &str, about: &str, schema: Value| {
        headers.insert(name.to_owned(), json!({"description": about, "schema": schema, "required": true}));
    };
    match status {
        401 | 403 => push("WWW-Authenticate", challenge, json!({"type": "string"})),
        429 | 503 => {
            push("Retry-After", "Seconds to wait.", json!({"type": "integer", "minimum": 0}));
        }
        _ => {}
    }
    headers
}

/// The schemas of errors.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let violation = json!({
        "type": "object",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {"type": "string", "description": "JSON Pointer to the member; empty for the whole body."},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "A word for programs, where one is promised."},
        },
        "examples": [{"pointer": "/url", "detail": "must be https", "code": "not_https"}],
    });
    let problem = json!({
        "type": "object",
        "description": "RFC 9457. Some types have further members, such as `oldest_cursor` of `trimmed`.",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string", "description": "A word for programs."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened, for a person."},
            "request_id": {"type": "string"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
        },
        "additionalProperties": true,
        "examples": [{
            "type": "invalid", "title": "Unprocessable Entity", "status": 422, "detail": "/type: is required",
            "request_id": "req_0123456789abcdef", "errors": [{"pointer": "/type", "detail": "is required"}],
        }],
    });
    let envelope = json!({
        "type": "object",
        "required": ["success", "message"],
        "properties": {"success": {"const": false}, "message": {"type": "string"}},
        "examples": [{"success": false, "message": "Function with ID 999 does not exist"}],
    });
    vec![("Problem", problem), ("Violation", violation), ("CloudError", envelope)]
}
