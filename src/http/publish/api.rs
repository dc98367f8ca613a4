//! What the document says of publishing.

use crate::http::openapi::{Operation, Parameter, Part, Shape, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part { name: "Publishing", operations: &[ONE, MANY] };

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
    .about("Answered once the event is durable. Publishing the same `id` with the same content again changes nothing. A PRE event is answered with the tasks of its functions.")
    .scope(Scope::EventsPublish)
    .query(&[WAIT, DEADLINE]);

const MANY: Operation = post("/api/v1/events/batch")
    .named("publishEvents", "Publish 1 to 1000 events")
    .about("All of them are stored, or none.")
    .scope(Scope::EventsPublish);
