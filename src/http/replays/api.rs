//! What the document says of replays and of trying filters.

use crate::http::openapi::{
    Answer, DESTINATION_ID, LIMIT, LOCATION, Operation, Parameter, Part, Shape, closed, delete, get,
    json_form, named, nullable, object, page, page_of, post,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Replays",
    about: "Sending a range of the log to a destination again, as a job that outlives a restart.",
    operations: &[CREATE, LIST, SHOW, STOP, DRY_RUN],
    schemas,
};

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

const ID: Parameter = Parameter::new(
    "id",
    Shape::Pattern {
        pattern: "^rpl_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example: "rpl_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
    },
    "The replay's id.",
);

const CREATE: Operation = post("/api/v1/destinations/{id}/replay")
    .named("createReplay", "Send stored events to a destination again")
    .about("A durable job: it survives restarts. `dry_run` only counts.")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .may_take(&[json_form("ReplayDraft")])
    .answers(&[
        Answer::of(202, "The replay, which has begun.", &[json_form("Replay")]).with(&[LOCATION]),
        Answer::of(200, "How many it would send.", &[json_form("ReplayCount")]),
    ])
    .problems(&[(409, "Too many replays of this destination are under way.")]);

const LIST: Operation = get("/api/v1/replays")
    .named("listReplays", "List replays, newest first")
    .scope(Scope::DestinationsRead)
    .query(&[DESTINATION, LIMIT, BEFORE])
    .answers(&[page_of("A page.", &[json_form("ReplayPage")])]);

const SHOW: Operation = get("/api/v1/replays/{id}")
    .named("getReplay", "Show how far a replay is")
    .scope(Scope::DestinationsRead)
    .segments(&[ID])
    .answers(&[Answer::of(200, "The replay.", &[json_form("Replay")])]);

const STOP: Operation = delete("/api/v1/replays/{id}")
    .named("stopReplay", "Stop a replay")
    .about("It stays listed.")
    .scope(Scope::DestinationsWrite)
    .segments(&[ID])
    .answers(&[Answer::empty(204, "It has stopped.")]);

const DRY_RUN: Operation = post("/api/v1/filters/dry-run")
    .named("tryFilter", "Try a filter on stored events")
    .about("How many it would have caught, and the first 20 of them.")
    .scope(Scope::EventsRead)
    .may_take(&[json_form("FilterDraft")])
    .answers(&[Answer::of(200, "What it would have caught.", &[json_form("FilterResult")])]);

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn types() -> Value {
    json!({"type": "array", "maxItems": 1000, "items": {"type": "string", "format": "type-filter"}})
}

fn replay() -> Value {
    let whole = json!({"type": "integer", "minimum": 0});
    let members = json!({
        "id": {"type": "string"},
        "destination_id": {"type": "string"},
        "status": {"enum": ["queued", "running", "done", "stopped"]},
        "since": nullable(time()),
        "until": nullable(time()),
        "types": {"type": "array", "items": {"type": "string"}},
        "only": {"enum": ["failed", "missing", "all"]},
        "rate_per_s": {"type": ["integer", "null"]},
        "total": {"type": ["integer", "null"], "description": "Null until they are counted."},
        "done": whole,
        "failed": whole,
        "waiting": whole,
        "created_at": time(),
        "ended_at": nullable(time()),
    });
    let required = [
        "id",
        "destination_id",
        "status",
        "since",
        "until",
        "types",
        "only",
        "rate_per_s",
        "total",
        "done",
        "failed",
        "waiting",
        "created_at",
        "ended_at",
    ];
    let example = json!({
        "id": "rpl_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "destination_id": "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
        "status": "running", "since": "2026-02-15T00:00:00Z", "until": null, "types": [], "only": "failed",
        "rate_per_s": null, "total": 120, "done": 40, "failed": 0, "waiting": 16,
        "created_at": "2026-02-15T06:00:00Z", "ended_at": null,
    });
    object(&required, members, example)
}

fn schemas() -> Vec<(&'static str, Value)> {
    let ask = json!({
        "since": time(),
        "until": time(),
        "types": types(),
        "only": {"enum": ["failed", "missing", "all"], "description": "Which deliveries; `failed` when absent."},
        "rate_per_s": {"type": "integer", "minimum": 1, "maximum": 100_000},
        "dry_run": {"type": "boolean"},
    });
    let counted = json!({
        "dry_run": {"const": true}, "destination_id": {"type": "string"}, "total": {"type": "integer", "minimum": 0},
    });
    let count = json!({"dry_run": true, "destination_id": "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "total": 120});
    let filter = json!({
        "events": types(), "filter": {"type": ["string", "null"], "format": "cel"}, "since": time(), "until": time(),
    });
    let caught = json!({
        "events": {"type": "array", "maxItems": 20, "items": named("Event")},
        "count": {"type": "integer", "minimum": 0},
        "complete": {"type": "boolean", "description": "Whether the whole range was looked at."},
        "scanned_to": {"type": "string", "description": "How far it was."},
    });
    let result = json!({"events": [], "count": 0, "complete": true, "scanned_to": "42"});
    vec![
        ("ReplayDraft", closed(&[], ask, json!({"since": "2026-02-15T00:00:00Z", "only": "failed"}))),
        ("Replay", replay()),
        ("ReplayPage", page("Replay")),
        ("ReplayCount", object(&["dry_run", "destination_id", "total"], counted, count)),
        ("FilterDraft", closed(&[], filter, json!({"events": ["pipeline.*"], "filter": "data.rows > 100"}))),
        ("FilterResult", object(&["events", "count", "complete", "scanned_to"], caught, result)),
    ]
}
