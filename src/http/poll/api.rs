//! What the document says of reading events.

use crate::http::openapi::{CURSOR, LIMIT, Operation, Parameter, Part, Shape, get};
use crate::http::stream::api::{FORMAT, LAST_EVENT_ID, LAST_EVENT_ID_TOO, ON_GAP, SPEED, TICKET};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part { name: "Events", operations: &[LIST, ONE, ONE_NAMED_BATCH] };

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
    ]);

const ONE: Operation =
    get("/api/v1/events/{id}").named("getEvent", "Read one event").scope(Scope::EventsRead);

const ONE_NAMED_BATCH: Operation = get("/api/v1/events/batch")
    .named("getEventNamedBatch", "Read the event whose id is `batch`")
    .scope(Scope::EventsRead);
