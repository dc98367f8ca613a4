//! What the document says of event streams and their tickets.

use crate::http::openapi::{Answer, Form, Operation, Parameter, Part, Shape, get, json_form, object, post};
use crate::http::poll::api::{FILTER, PIPELINE, RUN_ID, SINCE, TRIMMED, TYPE, UNTIL};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Streams",
    about: "Events as they happen, as Server-Sent Events that resume where a reader was.",
    operations: &[OPEN, TICKETS],
    schemas,
};

pub(in crate::http) const SPEED: Parameter = Parameter::new(
    "speed",
    Shape::OneOf(&["1x", "10x", "max"]),
    "How fast stored events are replayed: at the pace it happened, ten times that, or at once.",
);

pub(in crate::http) const FORMAT: Parameter = Parameter::new(
    "format",
    Shape::OneOf(&["envelope", "flat", "cloudevents"]),
    "How events are written: `envelope`, the default; `flat`, with the members of `data` beside `timestamp`, \
     `pipeline` and `run_id`; `cloudevents`.",
);

pub(in crate::http) const LAST_EVENT_ID: Parameter = Parameter::new(
    "last_event_id",
    Shape::Format { format: "place", example: "41" },
    "Resumes after this place, a sequence or an event's id, for who cannot send the header `Last-Event-ID`, which \
     wins.",
);

/// How some `EventSource` libraries spell it.
pub(in crate::http) const LAST_EVENT_ID_TOO: Parameter = Parameter::new(
    "lastEventId",
    Shape::Format { format: "place", example: "41" },
    "The same, as some libraries spell it.",
);

pub(in crate::http) const ON_GAP: Parameter = Parameter::new(
    "on_gap",
    Shape::OneOf(&["continue", "fail"]),
    "What happens when the place is gone: an event `stream.gap` and on from the oldest, or 410.",
);

pub(in crate::http) const TICKET: Parameter = Parameter::new(
    "ticket",
    Shape::Format { format: "ticket", example: "N0tAReaL-ticket_0123456789abcdef" },
    "A ticket instead of the header `Authorization`, which browsers cannot send. Good once, for 60 seconds.",
);

pub(in crate::http) const LAST_EVENT_ID_HEADER: Parameter = Parameter::new(
    "Last-Event-ID",
    Shape::Format { format: "place", example: "41" },
    "Resumes a stream after this place: the last `id` that was heard.",
);

const OPEN: Operation = get("/api/v1/events/stream")
    .named("streamEvents", "Hear events as they happen")
    .about(
        "Server-Sent Events. `id` is the sequence: who comes back with it in `Last-Event-ID` loses nothing and hears \
         nothing twice, also across a restart of the broker. Without it and without `since` or `until`: from now on. \
         `until` makes it a finite replay that ends with an event `stream.end`.",
    )
    .scope_or_ticket(Scope::EventsRead)
    .query(&[
        TYPE,
        PIPELINE,
        RUN_ID,
        FILTER,
        SINCE,
        UNTIL,
        SPEED,
        FORMAT,
        LAST_EVENT_ID,
        LAST_EVENT_ID_TOO,
        ON_GAP,
        TICKET,
    ])
    .headers(&[LAST_EVENT_ID_HEADER])
    .answers(&[Answer::of(
        200,
        "The stream. It also ends at once, after a `retry:`, when there are too many streams or the broker drains.",
        &[Form { media: "text/event-stream", schema: "EventStream" }],
    )])
    .problems(&[(410, TRIMMED)]);

const TICKETS: Operation = post("/api/v1/stream-tickets")
    .named("createStreamTicket", "Make a ticket for a browser's stream")
    .scope(Scope::EventsRead)
    .may_take(&[json_form("Nothing")])
    .answers(&[Answer::of(201, "The ticket.", &[json_form("StreamTicket")])]);

fn schemas() -> Vec<(&'static str, Value)> {
    let frames = "id: 42\nevent: pipeline.completed\ndata: {\"id\":\"evt_1\",\"type\":\"pipeline.completed\",\"timestamp\":\"2026-02-15T06:00:04.7Z\",\"data\":{}}\n\n";
    let stream = json!({
        "description": "Frames of Server-Sent Events. Beside events: `stream.gap`, `stream.end`, `stream.closing`.",
        "examples": [frames],
    });
    let members = json!({
        "ticket": {"type": "string"},
        "expires_at": {"type": "string", "format": "date-time"},
    });
    let example = json!({"ticket": "3q2-7wEx...", "expires_at": "2026-02-15T06:01:04.7Z"});
    vec![("EventStream", stream), ("StreamTicket", object(&["ticket", "expires_at"], members, example))]
}
