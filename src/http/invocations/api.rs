//! What the document says of invocations.

use crate::http::openapi::{
    Answer, CURSOR, LIMIT, Operation, Parameter, Part, Shape, get, json_form, named, nullable, object, page,
    page_of, post,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Invocations",
    about: "Runs of functions: what each answered, and running one again.",
    operations: &[LIST, SHOW, RETRY],
    schemas,
};

const FUNCTION: Parameter = Parameter::new(
    "function_id",
    Shape::Pattern { pattern: "^(0|[1-9][0-9]{0,18})$", example: "1" },
    "Runs of this function.",
);

const EVENT: Parameter = Parameter::new(
    "event_id",
    Shape::Pattern { pattern: "^[A-Za-z0-9_-]{1,64}$", example: "evt_1" },
    "Runs on this event.",
);

const STATUS: Parameter = Parameter::new(
    "status",
    Shape::OneOf(&["pending", "running", "success", "error", "timeout", "cancelled", "dead"]),
    "Runs that are this far.",
);

const LIST: Operation = get("/api/v1/invocations")
    .named("listInvocations", "List runs of functions, newest first")
    .about(
        "Runs that have not begun are `pending`. What waits for a POST event's function is looked for in the events: a page \
         may be short while `has_more` is true.",
    )
    .scope(Scope::FunctionsRead)
    .query(&[FUNCTION, EVENT, STATUS, LIMIT, CURSOR])
    .answers(&[page_of("A page.", &[json_form("InvocationSummaryPage")])]);

const SHOW: Operation = get("/api/v1/invocations/{id}")
    .named("getInvocation", "Show a run of a function with every attempt")
    .scope(Scope::FunctionsRead)
    .segments(&[ID])
    .answers(&[Answer::of(200, "The run.", &[json_form("Invocation")])]);

const RETRY: Operation = post("/api/v1/invocations/{id}/retry")
    .named("retryInvocation", "Run a POST event's function once more, now")
    .about(
        "With a fresh run of its retry schedule. A run on a PRE event is 409: its publisher has its answer.",
    )
    .scope(Scope::FunctionsWrite)
    .segments(&[ID])
    .may_take(&[json_form("Nothing")])
    .answers(&[Answer::of(202, "The run, which is tried again.", &[json_form("Invocation")])])
    .problems(&[(409, "It cannot be run again.")]);

const ID: Parameter =
    Parameter::new("id", Shape::Pattern { pattern: "^[1-9][0-9]{0,18}$", example: "8" }, "The run's number.");

const ALWAYS: [&str; 20] = [
    "id",
    "task_id",
    "event_id",
    "event_type",
    "sequence",
    "mode",
    "function_id",
    "function_name",
    "function_slug",
    "subscription_id",
    "stage",
    "on_error",
    "status",
    "attempts",
    "next_attempt_at",
    "created_at",
    "started_at",
    "duration_ms",
    "result",
    "error",
];

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn status() -> Value {
    json!({"enum": ["pending", "running", "success", "error", "timeout", "cancelled", "dead"]})
}

fn outcome() -> (Value, Value) {
    let result = json!({
        "type": ["object", "null"], "description": "`patch` is what the function changed.",
        "properties": {"patch": {"type": "object", "additionalProperties": true}},
    });
    let error = json!({
        "type": ["object", "null"], "required": ["kind", "code", "message"],
        "properties": {
            "kind": {"enum": ["rejected", "error", "timeout", "address_refused", "bad_response", "too_large", null]},
            "code": {"type": ["string", "null"], "description": "What the function gave with its rejection."},
            "message": {"type": ["string", "null"]},
        },
    });
    (result, error)
}

fn members() -> Value {
    let (result, error) = outcome();
    json!({
        "id": {"type": "integer"},
        "task_id": {"type": "string", "description": "The `webhook-id` of its calls."},
        "event_id": {"type": "string"},
        "event_type": {"type": "string"},
        "sequence": {"type": "integer"},
        "mode": {"enum": ["pre", "post"]},
        "function_id": {"type": "integer"},
        "function_name": {"type": "string"},
        "function_slug": {"type": "string"},
        "subscription_id": {"type": "integer"},
        "stage": {"type": "integer"},
        "on_error": {"enum": ["fail", "ignore"]},
        "status": status(),
        "next_attempt_at": nullable(time()),
        "created_at": time(),
        "started_at": nullable(time()),
        "duration_ms": {"type": ["integer", "null"]},
        "result": result,
        "error": error,
    })
}

fn example() -> Value {
    json!({
        "id": 8, "task_id": "task_8", "event_id": "evt_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "event_type": "POST_USER_CREATE",
        "sequence": 42, "mode": "post", "function_id": 123, "function_name": "Welcome", "function_slug": "welcome",
        "subscription_id": 1, "stage": 0, "on_error": "fail", "status": "success", "next_attempt_at": null,
        "created_at": "2026-02-15T06:00:00Z", "started_at": "2026-02-15T06:00:00Z", "duration_ms": 12, "result": {},
        "error": null,
    })
}

fn attempt() -> Value {
    let (result, error) = outcome();
    let members = json!({
        "attempt": {"type": "integer"}, "at": time(), "duration_ms": {"type": "integer"}, "status": status(),
        "result": result, "error": error,
    });
    let example = json!({
        "attempt": 1, "at": "2026-02-15T06:00:00Z", "duration_ms": 12, "status": "success", "result": {},
        "error": null,
    });
    object(&["attempt", "at", "duration_ms", "status", "result", "error"], members, example)
}

fn schemas() -> Vec<(&'static str, Value)> {
    let (mut summary, mut whole) = (members(), members());
    summary["attempts"] = json!({"type": "integer", "description": "How many were made."});
    whole["attempts"] = json!({"type": "array", "items": named("InvocationAttempt")});
    let (mut of_list, mut of_one) = (example(), example());
    of_list["attempts"] = json!(1);
    of_one["attempts"] = json!([]);
    vec![
        ("InvocationSummary", object(&ALWAYS, summary, of_list)),
        ("InvocationSummaryPage", page("InvocationSummary")),
        ("Invocation", object(&ALWAYS, whole, of_one)),
        ("InvocationAttempt", attempt()),
    ]
}
