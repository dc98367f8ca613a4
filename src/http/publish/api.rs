//! What the document says of publishing.

use crate::http::openapi::{
    Answer, Form, LOCATION, Operation, Parameter, Part, Shape, closed, json_form, named, object, post,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Publishing",
    about: "Putting events into the log: one, many, as JSON, lines or CloudEvents. 201 means that they are on disk.",
    operations: &[ONE, MANY],
    schemas,
};

const IDEMPOTENCY_KEY: Parameter = Parameter::new(
    "Idempotency-Key",
    Shape::Pattern { pattern: "^[!#-~]{1,255}$", example: "run_001-completed" },
    "Makes repeating the whole request safe: the same key and body get the first answer again.",
);

const CAUSE: Parameter = Parameter::new(
    "Campanile-Cause",
    Shape::Any,
    "The token that a function was given, passed on by what it publishes: a chain that is too deep is refused.",
);

const REPLAYED: Parameter =
    Parameter::new("Idempotency-Replayed", Shape::OneOf(&["true"]), "The answer was given before.");

const CONFLICTS: (u16, &str) =
    (409, "The id belongs to an event with other content, or the first request with this key still runs.");

const WAIT: Parameter = Parameter::new(
    "wait",
    Shape::OneOf(&["true", "false"]),
    "A PRE event is answered when its functions have; 422 when one of them failed.",
);

const DEADLINE: Parameter = Parameter::new(
    "deadline_ms",
    Shape::Whole { least: 1, most: 3_600_000 },
    "All functions of a PRE event together have so many milliseconds.",
);

const ONE: Operation = post("/api/v1/events")
    .named("publishEvent", "Publish an event")
    .about(
        "Answered once the event is durable. Publishing the same `id` with the same content again changes nothing. \
         CloudEvents come structured, or in binary mode with `ce-` headers and any JSON media type. A \
         PRE event is answered with the tasks of its functions.",
    )
    .scope(Scope::EventsPublish)
    .query(&[WAIT, DEADLINE])
    .headers(&[IDEMPOTENCY_KEY, CAUSE])
    .takes(&[json_form("EventDraft"), Form { media: "application/cloudevents+json", schema: "CloudEvent" }])
    .answers(&[
        Answer::of(201, "It is stored.", &[json_form("Published")]).with(&[LOCATION, REPLAYED]),
        Answer::of(200, "It was stored already.", &[json_form("Published")]).with(&[LOCATION, REPLAYED]),
        Answer::of(422, "A function failed, or the run was cancelled.", &[json_form("PreFailure")]),
    ])
    .problems(&[CONFLICTS]);

const MANY: Operation = post("/api/v1/events/batch")
    .named("publishEvents", "Publish 1 to 1000 events")
    .about("All of them are stored, or none.")
    .scope(Scope::EventsPublish)
    .headers(&[IDEMPOTENCY_KEY, CAUSE])
    .takes(&[
        json_form("EventDrafts"),
        Form { media: "application/x-ndjson", schema: "EventLines" },
        Form { media: "application/cloudevents-batch+json", schema: "CloudEvents" },
    ])
    .answers(&[
        Answer::of(201, "They are stored.", &[json_form("StoredEvents")]).with(&[REPLAYED]),
        Answer::of(200, "All of them were stored already.", &[json_form("StoredEvents")]).with(&[REPLAYED]),
    ])
    .problems(&[CONFLICTS]);

const TYPE: &str =
    "^(?!(stream\\.|event_destination\\.|function\\.|open$|error$))[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";

fn draft_members() -> Value {
    json!({
        "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$", "description": "Made when absent."},
        "type": {"type": "string", "pattern": TYPE},
        "timestamp": {"type": "string", "format": "date-time", "description": "Now when absent."},
        "pipeline": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"},
        "run_id": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"},
        "data": {"type": "object", "description": "Kept byte for byte; at most 64 levels deep."},
    })
}

fn event_members() -> Value {
    json!({
        "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "type": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "pipeline": {"type": "string"},
        "run_id": {"type": "string"},
        "data": {"type": "object"},
        "sequence": {"type": "integer", "minimum": 1, "description": "Its place in the log, never reused."},
    })
}

fn cloudevent() -> Value {
    json!({
        "type": "object",
        "description": "CloudEvents 1.0. Extension attributes are kept and come back in this form. `sequence` is the \
             place in this log; one that the event came with comes back as `sourcesequence`.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {"type": "string", "pattern": TYPE},
            "time": {"type": "string", "format": "date-time"},
            "subject": {"type": "string", "minLength": 1},
            "datacontenttype": {"type": "string", "format": "json-media-type"},
            "dataschema": {"type": "string", "format": "uri"},
            "data": {"type": "object"},
        },
        "additionalProperties": {"type": ["string", "boolean", "integer"]},
        "propertyNames": {"pattern": "^[a-z0-9]{1,64}$"},
        "examples": [{
            "specversion": "1.0", "id": "1", "source": "/runs", "type": "pipeline.completed",
            "datacontenttype": "application/json", "data": {"rows_loaded": 892},
        }],
    })
}

/// What a PRE event is answered with.
fn of_pre() -> Vec<(&'static str, Value)> {
    let (text, whole) = (json!({"type": ["string", "null"]}), json!({"type": ["integer", "null"]}));
    let task = json!({
        "type": "object", "required": ["function_id", "function_name", "task_id", "invocation_id"],
        "properties": {"function_id": whole, "function_name": text, "task_id": text, "invocation_id": whole},
    });
    let failure = json!({
        "type": "object", "required": ["function_id", "function_name", "kind", "duration_ms", "message"],
        "properties": {
            "function_id": whole, "function_name": text, "task_id": text, "invocation_id": whole, "kind": text,
            "code": text, "duration_ms": whole, "message": text,
        },
    });
    let conflict = json!({
        "type": "object", "required": ["pointer", "function_id", "overwritten_by"],
        "properties": {"pointer": {"type": "string"}, "function_id": whole, "overwritten_by": whole},
    });
    let mut members = json!({
        "event": {"type": "string"}, "task_ids": {"type": "array", "items": task}, "total_subscribers": whole,
        "event_id": {"type": "string"},
    });
    let required = ["event", "task_ids", "total_subscribers", "event_id"];
    let mut failed = members.clone();
    members["params"] =
        json!({"type": ["object", "null"], "additionalProperties": true, "description": "With every patch."});
    members["conflicts"] = json!({"type": "array", "items": conflict});
    members["ignored"] = json!({"type": "array", "items": failure});
    for (name, schema) in
        [("function_id", &whole), ("function_name", &text), ("status", &text), ("task_id", &text)]
    {
        failed[name] = schema.clone();
    }
    failed["failures"] = json!({"type": "array", "items": failure});
    failed["errors"] = json!({"type": "array", "items": named("Violation")});
    let data =
        json!({"event": "PRE_USER_CREATE", "task_ids": [], "total_subscribers": 0, "event_id": "evt_1"});
    let passed = json!({
        "status": {"const": "success"}, "message": {"type": "string"},
        "data": {"type": "object", "required": required, "properties": members},
    });
    let broken = json!({
        "status": {"const": "error"}, "code": {"enum": ["EXECUTION_ERROR", "CANCELLED"]},
        "message": {"type": "string"}, "data": {"type": "object", "required": required, "properties": failed},
    });
    let done = json!({"status": "success", "message": "Event published successfully", "data": data});
    let not_done = json!({"status": "error", "code": "EXECUTION_ERROR", "message": "Function execution failed", "data": data});
    vec![
        (
            "Published",
            json!({"anyOf": [named("Event"), named("PublishedPre")], "description": "A PRE event is answered with its tasks."}),
        ),
        ("PublishedPre", object(&["status", "message", "data"], passed, done)),
        ("PreFailure", object(&["status", "code", "message", "data"], broken, not_done)),
    ]
}

fn schemas() -> Vec<(&'static str, Value)> {
    let draft = json!({"type": "pipeline.completed", "pipeline": "user-analytics", "run_id": "run_001", "data": {"rows_loaded": 892}});
    let event = json!({
        "id": "evt_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "type": "pipeline.completed", "timestamp": "2026-02-15T06:00:04.7Z",
        "pipeline": "user-analytics", "run_id": "run_001", "data": {"rows_loaded": 892}, "sequence": 42,
    });
    let drafts = json!({"type": "array", "minItems": 1, "maxItems": 1000, "items": named("EventDraft")});
    let place = json!({"id": {"type": "string"}, "sequence": {"type": "integer", "minimum": 1}});
    let stored = json!({"id": "evt_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "sequence": 42});
    let places = json!({"type": "array", "items": named("StoredEvent")});
    let lines = "One event draft a line.";
    let mut all = of_pre();
    all.extend([
        ("EventDraft", closed(&["type", "data"], draft_members(), draft.clone())),
        ("EventDrafts", closed(&["events"], json!({"events": drafts}), json!({"events": [draft]}))),
        (
            "EventLines",
            json!({"type": "string", "description": lines, "examples": ["{\"type\":\"a.b\",\"data\":{}}\n"]}),
        ),
        ("Event", object(&["id", "type", "timestamp", "data", "sequence"], event_members(), event)),
        ("StoredEvent", object(&["id", "sequence"], place, stored.clone())),
        ("StoredEvents", object(&["events"], json!({"events": places}), json!({"events": [stored]}))),
        ("CloudEvent", cloudevent()),
        ("CloudEventList", json!({"type": "array", "items": named("CloudEvent")})),
        (
            "CloudEvents",
            json!({"type": "array", "minItems": 1, "maxItems": 1000, "items": named("CloudEvent")}),
        ),
    ]);
    all
}
