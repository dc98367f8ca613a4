//! What the document says of event types.

use crate::http::openapi::{
    Answer, LIMIT, Operation, Parameter, Part, Shape, closed, delete, get, json_form, object, page, page_of,
    put, row_cursor,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Event types",
    about: "What may be published: meaning, mode, schema and sample of each type.",
    operations: &[LIST, SHOW, PUT, REMOVE, SAMPLE],
    schemas,
};

const NEXT: Parameter = row_cursor("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "pipeline.completed");

const NAME: Parameter = Parameter::new(
    "name",
    Shape::Pattern { pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", example: "order.paid" },
    "The type.",
);

const OR_PUBLISH: &str = "The scope `events:publish` does too.";

const LIST: Operation = get("/api/v1/event-types")
    .named("listEventTypes", "List event types: those of the catalogs and the tenant's own")
    .about(OR_PUBLISH)
    .scope(Scope::EventsRead)
    .query(&[LIMIT, NEXT])
    .answers(&[page_of("A page.", &[json_form("EventTypePage")])]);

const SHOW: Operation = get("/api/v1/event-types/{name}")
    .named("getEventType", "Show an event type")
    .about(OR_PUBLISH)
    .scope(Scope::EventsRead)
    .segments(&[NAME])
    .answers(&[Answer::of(200, "The type.", &[json_form("EventType")])]);

const PUT: Operation = put("/api/v1/event-types/{name}")
    .named("putEventType", "Define an event type of the tenant's own")
    .about("What is left out is as if it had never been given.")
    .scope(Scope::Admin)
    .segments(&[NAME])
    .takes(&[json_form("EventTypeDraft")])
    .answers(&[
        Answer::of(201, "The type, which is new.", &[json_form("EventType")]),
        Answer::of(200, "The type, in place of the earlier one.", &[json_form("EventType")]),
    ])
    .problems(&[(409, "Functions subscribe to it in another mode.")]);

const REMOVE: Operation = delete("/api/v1/event-types/{name}")
    .named("deleteEventType", "Remove an event type of the tenant's own")
    .scope(Scope::Admin)
    .segments(&[NAME])
    .answers(&[Answer::empty(204, "It is gone.")])
    .problems(&[(409, "It came with a catalog, or functions subscribe to it.")]);

const SAMPLE: Operation = get("/api/v1/event-types/{name}/sample")
    .named("getEventTypeSample", "Show a valid event of a type")
    .about(OR_PUBLISH)
    .scope(Scope::EventsRead)
    .segments(&[NAME])
    .answers(&[Answer::of(200, "An event to publish.", &[json_form("SampleEvent")])]);

const MODES: [&str; 3] = ["notify", "pre", "post"];

fn formats() -> Value {
    json!({
        "enum": ["envelope", "resource", "run", "audit", "cloudevents", null],
        "description": "How webhooks write it unless a destination says otherwise.",
    })
}

fn schemas() -> Vec<(&'static str, Value)> {
    let schema = json!({
        "type": ["object", "null"], "additionalProperties": true,
        "description": "A JSON Schema (2020-12) that `data` must satisfy; bounded in size, depth and cost.",
    });
    let members = json!({
        "name": {"type": "string"},
        "description": {"type": "string"},
        "mode": {"enum": MODES},
        "catalog": {"type": ["string", "null"], "description": "The catalog that it came with."},
        "schema": schema,
        "sample": {"type": ["object", "null"], "additionalProperties": true, "description": "An example of `data`."},
        "format": formats(),
        "deprecated": {"type": "boolean"},
    });
    let required = ["name", "description", "mode", "catalog", "schema", "sample", "format", "deprecated"];
    let example = json!({
        "name": "order.paid", "description": "An order was paid.", "mode": "notify", "catalog": null,
        "schema": {"type": "object", "required": ["amount"]}, "sample": {"amount": 5}, "format": null,
        "deprecated": false,
    });
    let draft = json!({
        "description": {
            "type": "string", "maxLength": 1000, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        },
        "mode": {"enum": MODES},
        "schema": {"type": ["object", "null"], "format": "data-schema"},
        "sample": {"type": ["object", "null"], "format": "data-sample", "description": "Must satisfy the schema."},
        "format": formats(),
        "deprecated": {"type": "boolean"},
        "name": {"type": "string", "format": "the-name-in-the-path"},
        "catalog": {"type": "null"},
    });
    let event = json!({
        "id": {"type": "string"},
        "type": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "pipeline": {"type": "string"},
        "run_id": {"type": "string"},
        "data": {"type": "object", "additionalProperties": true},
    });
    let sample = json!({"type": "order.paid", "timestamp": "2026-02-15T06:00:00Z", "data": {"amount": 5}});
    vec![
        ("EventType", object(&required, members, example)),
        ("EventTypePage", page("EventType")),
        (
            "EventTypeDraft",
            closed(&[], draft, json!({"description": "An order was paid.", "mode": "notify"})),
        ),
        ("SampleEvent", object(&["type", "data"], event, sample)),
    ]
}
