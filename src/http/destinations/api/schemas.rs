//! The schemas of destinations.

use crate::http::openapi::{closed, named, nullable, object, page};
use serde_json::{Map, Value, json};

/// A text without control characters.
const PLAIN: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

const URL: &str = "https://example.com/hooks";

const ALWAYS: [&str; 19] = [
    "id",
    "url",
    "description",
    "events",
    "filter",
    "format",
    "status",
    "deactivation",
    "verification",
    "headers",
    "retry",
    "timeout_ms",
    "max_in_flight",
    "rate_limit_per_s",
    "ordering",
    "signature_header",
    "lag",
    "failing_since",
    "declared",
];

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let mut all = shown();
    all.extend(given());
    all.extend(trials());
    all
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// What a caller says of a destination, on creation and later.
fn settings() -> Map<String, Value> {
    let settings = json!({
        "url": {
            "type": "string", "format": "webhook-url",
            "description": "HTTPS, and a public host, unless the config allows others.",
        },
        "description": {"type": "string", "maxLength": 1000, "pattern": PLAIN},
        "events": {
            "type": "array", "maxItems": 1000, "items": {"type": "string", "format": "type-filter"},
            "description": "Type filters; all types when empty or `[\"*\"]`.",
        },
        "filter": {"type": ["string", "null"], "format": "cel", "description": "A CEL expression over an event."},
        "format": {
            "enum": ["envelope", "resource", "run", "audit", "cloudevents", null],
            "description": "How bodies are written; null for the default of the event's type.",
        },
        "headers": {
            "type": "object", "maxProperties": 64, "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9-]{0,127}$"},
            "additionalProperties": {"type": "string", "maxLength": 8192, "pattern": "^[ -~]*$"},
            "description": "Added to every delivery.",
        },
        "retry": named("RetryDraft"),
        "timeout_ms": {"type": "integer", "minimum": 100, "maximum": 600_000},
        "max_in_flight": {"type": "integer", "minimum": 1, "maximum": 10_000},
        "rate_limit_per_s": {"type": ["integer", "null"], "minimum": 1, "maximum": 100_000},
        "ordering": {"enum": ["none", "strict", "pipeline", "run_id"]},
        "signature_header": {
            "type": "string", "format": "signature-header",
            "description": "The header of the body-only signature.",
        },
        "verification": {"enum": ["challenge", "ping", "none"]},
    });
    settings.as_object().cloned().unwrap_or_default()
}

fn secret() -> Value {
    json!({
        "type": "string", "format": "webhook-secret",
        "description": "`whsec_` and base64 of 24 to 64 bytes, or 16 to 256 visible ASCII characters.",
    })
}

fn retry(about_absent: &str) -> Value {
    json!({
        "enabled": {"type": "boolean", "description": about_absent},
        "schedule_s": {
            "type": "array", "minItems": 1, "maxItems": 100,
            "items": {"type": "integer", "minimum": 1, "maximum": 2_592_000},
            "description": "Seconds to wait before each further attempt.",
        },
    })
}

fn given() -> Vec<(&'static str, Value)> {
    let example =
        json!({"url": URL, "events": ["pipeline.completed", "pipeline.failed"], "description": "billing"});
    let mut create = settings();
    let unsigned = "Made when absent; null for unsigned deliveries.";
    create
        .insert("secret".to_owned(), json!({"anyOf": [secret(), {"type": "null"}], "description": unsigned}));
    let start = json!({
        "description": "Where it begins: `now`, the default; `oldest`; a sequence; or a time.",
        "anyOf": [
            {"enum": ["now", "oldest"]},
            {"type": "integer", "minimum": 0},
            time(),
        ],
    });
    create.insert("start".to_owned(), start);
    let mut test = settings();
    test.retain(|name, _| {
        ["url", "format", "headers", "signature_header", "timeout_ms"].contains(&name.as_str())
    });
    let of_type = json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"});
    test.insert("type".to_owned(), of_type.clone());
    test.insert("secret".to_owned(), nullable(secret()));
    let rotation =
        json!({"overlap_s": {"type": "integer", "minimum": 0, "maximum": 2_592_000}, "secret": secret()});
    let backlog =
        json!({"backlog": {"enum": ["send", "skip"], "description": "What becomes of what waits."}});
    vec![
        ("RetryDraft", closed(&[], retry("One attempt only when false."), json!({"enabled": true}))),
        ("DestinationDraft", closed(&["url"], create.into(), example)),
        ("DestinationChange", closed(&[], settings().into(), json!({"events": ["pipeline.failed"]}))),
        ("Activation", closed(&[], backlog, json!({"backlog": "skip"}))),
        ("Rotation", closed(&[], rotation, json!({"overlap_s": 86400}))),
        ("DestinationTest", closed(&[], json!({"type": of_type}), json!({"type": "pipeline.completed"}))),
        ("UrlTest", closed(&["url"], test.into(), json!({"url": URL}))),
        ("Nothing", closed(&[], json!({}), json!({}))),
    ]
}

fn members() -> Map<String, Value> {
    let lag = json!({
        "type": "object", "required": ["events", "seconds"],
        "properties": {"events": {"type": "integer"}, "seconds": {"type": "integer"}},
        "description": "How far it is behind the head of the log.",
    });
    let deactivation = json!({
        "type": ["object", "null"], "required": ["reason", "at", "detail"],
        "properties": {
            "reason": {"enum": ["user", "failures", "gone"]}, "at": time(), "detail": {"type": "string"},
        },
    });
    let members = json!({
        "id": {"type": "string"},
        "url": {"type": "string"},
        "description": {"type": ["string", "null"]},
        "events": {"type": "array", "items": {"type": "string"}},
        "filter": {"type": ["string", "null"]},
        "format": {"type": ["string", "null"], "description": "null: that of each event's type, which differ."},
        "status": {"enum": ["pending", "active", "deactivated"]},
        "deactivation": deactivation,
        "verification": {"enum": ["challenge", "ping", "none"]},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "retry": named("Retry"),
        "timeout_ms": {"type": "integer"},
        "max_in_flight": {"type": "integer"},
        "rate_limit_per_s": {"type": ["integer", "null"]},
        "ordering": {"enum": ["none", "strict", "pipeline", "run_id"]},
        "signature_header": {"type": ["string", "null"]},
        "lag": lag,
        "failing_since": nullable(time()),
        "declared": {"type": "boolean", "description": "Whether it stands in the config."},
        "created_at": time(),
        "updated_at": time(),
    });
    members.as_object().cloned().unwrap_or_default()
}

fn example() -> Value {
    json!({
        "id": "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "url": URL, "description": "billing",
        "events": ["pipeline.completed", "pipeline.failed"], "filter": null, "format": "envelope", "status": "active",
        "deactivation": null, "verification": "challenge", "headers": {"X-Team": "data"},
        "retry": {"enabled": true, "schedule_s": [5, 300, 1800, 7200, 18000, 36000, 36000]}, "timeout_ms": 15000,
        "max_in_flight": 16, "rate_limit_per_s": null, "ordering": "none", "signature_header": null,
        "lag": {"events": 0, "seconds": 0}, "failing_since": null, "declared": false,
        "created_at": "2026-02-15T06:00:00Z", "updated_at": "2026-02-15T06:00:00Z",
    })
}

/// A destination with further members.
fn with(more: Value, values: &Value) -> Value {
    let more = more.as_object().cloned().unwrap_or_default();
    let required: Vec<&str> = ALWAYS
        .iter()
        .copied()
        .chain(["created_at", "updated_at"])
        .chain(more.keys().map(String::as_str))
        .collect();
    let mut properties = members();
    properties.extend(more.clone());
    let mut example = example();
    for name in more.keys() {
        example[name] = values[name].clone();
    }
    object(&required, properties.into(), example)
}

fn shown() -> Vec<(&'static str, Value)> {
    let secret = json!({"type": ["string", "null"], "description": "Shown this once; null when unsigned."});
    let made = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    let attempt = json!({"attempt": named("VerificationAttempt")});
    let verification = json!({
        "passed": true, "at": "2026-02-15T06:00:00Z", "latency_ms": 12, "status": 200, "error": null,
        "response": {"headers": {}, "body": "ok"},
    });
    let rotated = json!({"secret": {"type": "string"}, "overlap_until": nullable(time())});
    let retry_example = json!({"enabled": true, "schedule_s": [5, 300]});
    vec![
        (
            "Retry",
            object(&["enabled", "schedule_s"], retry("Whether failures are tried again."), retry_example),
        ),
        ("Destination", with(json!({}), &Value::Null)),
        ("DestinationPage", page("Destination")),
        ("NewDestination", with(json!({"secret": secret}), &json!({"secret": made}))),
        (
            "RotatedDestination",
            with(rotated, &json!({"secret": made, "overlap_until": "2026-02-16T06:00:00Z"})),
        ),
        ("VerifiedDestination", with(attempt, &json!({"attempt": verification}))),
    ]
}

/// What came of asking an endpoint.
fn trials() -> Vec<(&'static str, Value)> {
    let response = json!({
        "type": ["object", "null"], "required": ["headers", "body"],
        "properties": {
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"type": "string"},
        },
    });
    let outcome = json!({
        "at": time(),
        "latency_ms": {"type": "integer"},
        "status": {"type": ["integer", "null"], "description": "The status that the endpoint answered."},
        "error": {"type": ["string", "null"], "description": "Why there was no answer, or what was wrong with it."},
        "response": response,
    });
    let mut verification = outcome.clone();
    verification["passed"] = json!({"type": "boolean"});
    let mut trial = outcome;
    trial["event_id"] = json!({"type": "string"});
    trial["event_type"] = json!({"type": "string"});
    trial["success"] = json!({"type": "boolean"});
    trial["attempt"] = json!({"type": "integer"});
    trial["request"] = json!({
        "type": "object", "required": ["url", "headers", "body"],
        "properties": {
            "url": {"type": "string"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"type": "string"},
        },
    });
    let asked = ["passed", "at", "latency_ms", "status", "error", "response"];
    let tried = [
        "event_id",
        "event_type",
        "success",
        "attempt",
        "at",
        "latency_ms",
        "status",
        "error",
        "request",
        "response",
    ];
    let answer = json!({"headers": {"content-type": "text/plain"}, "body": "ok"});
    let example = json!({
        "passed": true, "at": "2026-02-15T06:00:00Z", "latency_ms": 12, "status": 200, "error": null,
        "response": answer,
    });
    let sample = json!({
        "event_id": "evt_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "event_type": "event_destination.test", "success": true,
        "attempt": 1, "at": "2026-02-15T06:00:00Z", "latency_ms": 12, "status": 200, "error": null,
        "request": {"url": URL, "headers": {}, "body": "{}"}, "response": answer,
    });
    vec![
        ("VerificationAttempt", object(&asked, verification, example)),
        ("Trial", object(&tried, trial, sample)),
    ]
}
