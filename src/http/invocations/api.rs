//! What the document says of invocations.

use crate::http::openapi::{CURSOR, LIMIT, Operation, Parameter, Part, Shape, get, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part { name: "Invocations", operations: &[LIST, SHOW, RETRY] };

const FUNCTION: Parameter = Parameter::new(
    "function_id",
    Shape::Pattern { pattern: "^(0|[1-9][0-9]{0,18})$", example: "1" },
    "Runs of this function.",
);

const EVENT: Parameter = Parameter::new(
    "event_id",
    Shape::Pattern { pattern: "^[A-Za-z0-9_-]{1,64}$", example: "evt_1" },
    "Runs on this event, those too that have not begun.",
);

const STATUS: Parameter = Parameter::new(
    "status",
    Shape::OneOf(&["pending", "running", "success", "error", "timeout", "cancelled", "dead"]),
    "Runs that are this far.",
);

const LIST: Operation = get("/api/v1/invocations")
    .named("listInvocations", "List runs of functions, newest first")
    .about("A run on a POST event is in the whole list from its first attempt on.")
    .scope(Scope::FunctionsRead)
    .query(&[FUNCTION, EVENT, STATUS, LIMIT, CURSOR]);

const SHOW: Operation = get("/api/v1/invocations/{id}")
    .named("getInvocation", "Show a run of a function with every attempt")
    .scope(Scope::FunctionsRead);

const RETRY: Operation = post("/api/v1/invocations/{id}/retry")
    .named("retryInvocation", "Run a POST event's function once more, now")
    .about(
        "With a fresh run of its retry schedule. A run on a PRE event is 409: its publisher has its answer.",
    )
    .scope(Scope::FunctionsWrite);
