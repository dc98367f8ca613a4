//! What the document says of reading events.

use crate::http::openapi::{
    Answer, CURSOR, EVENT_ID, Form, LIMIT, Operation, Parameter, Part, Shape, get, json_form, named, object,
    page_of,
};
use crate::http::stream::api::{
    FORMAT, LAST_EVENT_ID, LAST_EVENT_ID_HEADER, LAST_EVENT_ID_TOO, ON_GAP, SPEED, TICKET,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Events",
    about: "What the log keeps: read by place, type, pipeline, run, time and filter, in either order, waiting for the next one.",
    operations: &[LIST, ONE, ONE_NAMED_BATCH],
    schemas,
};

pub(in crate::http) const TYPE: Parameter = Parameter::new(
    "type",
    Shape::Format { format: "type-filter", example: "pipeline.*" },
    "Types: exact, or with a last segment `*`; several by comma or by repeating the parameter.",
)
.repeated();

pub(in crate::http) const PIPELINE: Parameter =
    Parameter::new("pipeline", Shape::Text { least: 1, most: 256 }, "Events of this pipeline.");

pub(in crate::http) const RUN_ID: Parameter =
    Parameter::new("run_id", Shape::Text { least: 1, most: 256 }, "Events of this run.");

pub(in crate::http) const FILTER: Parameter = Parameter::new(
    "filter",
    Shape::Format { format: "cel", example: "data.rows > 100" },
    "Events for which this CEL expression over the event is true.",
);

pub(in crate::http) const SINCE: Parameter =
    Parameter::new("since", Shape::Time, "Events whose `timestamp` is at or after this time.");

pub(in crate::http) const UNTIL: Parameter =
    Parameter::new("until", Shape::Time, "Events whose `timestamp` is before this time.");

pub(in crate::http) const ORDER: Parameter =
    Parameter::new("order", Shape::OneOf(&["asc", "desc"]), "Log order, or newest first.");

pub(in crate::http) const WAIT_MS: Parameter = Parameter::new(
    "wait_ms",
    Shape::Whole { least: 0, most: 30_000 },
    "Waits so long for a matching event when there is none yet. Goes with `order=asc` only.",
);

const LIST: Operation = get("/api/v1/events")
    .named("listEvents", "Read events in log order")
    .about(
        "Whoever keeps `next_cursor` and goes on with it sees every matching event once, also those published late \
         with an old timestamp. A page is bounded by the head at the start of the request. With \
         `Accept: text/event-stream` this is the event stream, with its parameters too.",
    )
    .scope_or_ticket(Scope::EventsRead)
    .query(&[
        TYPE,
        PIPELINE,
        RUN_ID,
        FILTER,
        SINCE,
        UNTIL,
        CURSOR,
        LIMIT,
        ORDER,
        WAIT_MS,
        SPEED,
        FORMAT,
        LAST_EVENT_ID,
        LAST_EVENT_ID_TOO,
        ON_GAP,
        TICKET,
    ])
    .headers(&[IF_NONE_MATCH, LAST_EVENT_ID_HEADER])
    .answers(&[
        page_of(
            "A page.",
            &[
                json_form("EventPage"),
                Form { media: "application/x-ndjson", schema: "EventLines" },
                Form { media: "application/cloudevents-batch+json", schema: "CloudEventList" },
                Form { media: "text/event-stream", schema: "EventStream" },
            ],
        )
        .with(&[ETAG, NEXT_CURSOR, OLDEST_CURSOR, HEAD_CURSOR]),
        NOT_MODIFIED,
    ])
    .problems(&[NOT_ACCEPTABLE, (410, TRIMMED)]);

const NEXT_CURSOR: Parameter = Parameter::new(
    "X-Next-Cursor",
    Shape::Pattern { pattern: "^[0-9]+$", example: "42" },
    "`next_cursor`, in the forms that have no room for it.",
);

const OLDEST_CURSOR: Parameter = Parameter::new(
    "X-Oldest-Cursor",
    Shape::Pattern { pattern: "^[0-9]+$", example: "0" },
    "`oldest_cursor`, in the same forms.",
);

const HEAD_CURSOR: Parameter = Parameter::new(
    "X-Head-Cursor",
    Shape::Pattern { pattern: "^[0-9]+$", example: "42" },
    "`head_cursor`, in the same forms.",
);

const ETAG: Parameter =
    Parameter::new("ETag", Shape::Format { format: "etag", example: "\"1-1-42-0\"" }, "For `If-None-Match`.");

const IF_NONE_MATCH: Parameter = Parameter::new(
    "If-None-Match",
    Shape::Format { format: "etag", example: "\"1-1-42-0\"" },
    "The `ETag` of an earlier answer: 304 when it would be the same.",
);

const NOT_MODIFIED: Answer = Answer::empty(304, "It is what the caller has.").with(&[ETAG]);

const NOT_ACCEPTABLE: (u16, &str) = (406, "It cannot be had in the form that `Accept` asks for.");

pub(in crate::http) const TRIMMED: &str = "The place is older than what is kept; `oldest_cursor` is where to go on, `missed` how many events are gone.";

const EVENT_FORMS: &[Form] =
    &[json_form("Event"), Form { media: "application/cloudevents+json", schema: "CloudEvent" }];

const ONE: Operation = get("/api/v1/events/{id}")
    .named("getEvent", "Read one event")
    .scope(Scope::EventsRead)
    .segments(&[EVENT_ID])
    .headers(&[IF_NONE_MATCH])
    .answers(&[Answer::of(200, "The event.", EVENT_FORMS).with(&[ETAG]), NOT_MODIFIED])
    .problems(&[NOT_ACCEPTABLE]);

const ONE_NAMED_BATCH: Operation = get("/api/v1/events/batch")
    .named("getEventNamedBatch", "Read the event whose id is `batch`")
    .scope(Scope::EventsRead)
    .headers(&[IF_NONE_MATCH])
    .answers(&[Answer::of(200, "The event.", EVENT_FORMS).with(&[ETAG]), NOT_MODIFIED])
    .problems(&[(404, "There is no such event."), NOT_ACCEPTABLE]);

fn schemas() -> Vec<(&'static str, Value)> {
    let cursor = |about: &str| json!({"type": "string", "pattern": "^[0-9]+$", "description": about});
    let properties = json!({
        "data": {"type": "array", "items": named("Event")},
        "has_more": {"type": "boolean"},
        "next_cursor": cursor("Goes on after everything that was looked at, also when nothing matched."),
        "oldest_cursor": cursor("Goes on with the oldest event kept."),
        "head_cursor": cursor("Goes on after the newest event."),
    });
    let required = ["data", "has_more", "next_cursor", "oldest_cursor", "head_cursor"];
    let example = json!({"data": [], "has_more": false, "next_cursor": "42", "oldest_cursor": "0", "head_cursor": "42"});
    vec![("EventPage", object(&required, properties, example))]
}
