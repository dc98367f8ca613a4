//! What the document says of publishing.

use crate::http::openapi::{Operation, Part, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part { name: "Publishing", operations: &[ONE, MANY] };

const ONE: Operation = post("/api/v1/events")
    .named("publishEvent", "Publish an event")
    .about("Answered once the event is durable. Publishing the same `id` with the same content again changes nothing.")
    .scope(Scope::EventsPublish);

const MANY: Operation = post("/api/v1/events/batch")
    .named("publishEvents", "Publish 1 to 1000 events")
    .about("All of them are stored, or none.")
    .scope(Scope::EventsPublish);
