//! What the document says of replays and of trying filters.

use crate::http::openapi::{LIMIT, Operation, Parameter, Part, Shape, delete, get, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part =
    Part { name: "Replays", operations: &[CREATE, LIST, SHOW, STOP, DRY_RUN] };

const DESTINATION: Parameter = Parameter::new(
    "destination_id",
    Shape::Pattern {
        pattern: "^dst_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example: "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
    },
    "Replays of this destination.",
);

const BEFORE: Parameter = Parameter::new(
    "cursor",
    Shape::Pattern {
        pattern: "^rpl_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example: "rpl_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
    },
    "`next_cursor` of an earlier answer: goes on after it.",
);

const CREATE: Operation = post("/api/v1/destinations/{id}/replay")
    .named("createReplay", "Send stored events to a destination again")
    .about("A durable job: it survives restarts. `dry_run` only counts.")
    .scope(Scope::DestinationsWrite);

const LIST: Operation = get("/api/v1/replays")
    .named("listReplays", "List replays, newest first")
    .scope(Scope::DestinationsRead)
    .query(&[DESTINATION, LIMIT, BEFORE]);

const SHOW: Operation =
    get("/api/v1/replays/{id}").named("getReplay", "Show how far a replay is").scope(Scope::DestinationsRead);

const STOP: Operation =
    delete("/api/v1/replays/{id}").named("stopReplay", "Stop a replay").scope(Scope::DestinationsWrite);

const DRY_RUN: Operation = post("/api/v1/filters/dry-run")
    .named("tryFilter", "Try a filter on stored events")
    .about("How many it would have caught, and the first 20 of them.")
    .scope(Scope::EventsRead);
