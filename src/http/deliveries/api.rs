//! What the document says of deliveries.

use crate::http::openapi::{
    Answer, CURSOR, DESTINATION_ID, EVENT_ID, LIMIT, Operation, Parameter, Part, Shape, get, json_form,
    named, nullable, object, page, page_of, post, row_cursor,
};
use crate::http::poll::api::{SINCE, TYPE, UNTIL};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Deliveries",
    about: "What became of each event at each destination, with every attempt, and sending it again.",
    operations: &[LIST, OF_EVENT, SHOW, RESEND, STATS],
    schemas,
};

const NEXT: Parameter =
    row_cursor("^dlv_[0-7][0-9A-HJKMNP-TV-Z]{25}_[1-9][0-9]{0,18}$", "dlv_01M8Z3W9X2K4Q5R6S7T8V9WXYZ_42");

const STATUS: Parameter = Parameter::new(
    "status",
    Shape::Pattern {
        pattern: "^(pending|retrying|delivered|dead|expired|cancelled)(,(pending|retrying|delivered|dead|expired|cancelled))*$",
        example: "retrying,dead",
    },
    "Deliveries with one of these statuses, separated by commas.",
);

const ID: Parameter = Parameter::new(
    "id",
    Shape::Pattern {
        pattern: "^dlv_[0-7][0-9A-HJKMNP-TV-Z]{25}_[0-9]{1,19}$",
        example: "dlv_01M8Z3W9X2K4Q5R6S7T8V9WXYZ_42",
    },
    "The delivery's id.",
);

const EXPIRED: (u16, &str) = (409, "Its event went by retention, or the destination is switched off.");

const LIST: Operation = get("/api/v1/destinations/{id}/deliveries")
    .named("listDeliveries", "List a destination's deliveries, newest event first")
    .scope(Scope::DestinationsRead)
    .segments(&[DESTINATION_ID])
    .query(&[STATUS, TYPE, SINCE, UNTIL, LIMIT, CURSOR])
    .answers(&[page_of("A page.", &[json_form("DeliverySummaryPage")])]);

const OF_EVENT: Operation = get("/api/v1/events/{id}/deliveries")
    .named("listDeliveriesOfEvent", "List an event's deliveries with their attempts")
    .scope(Scope::DestinationsRead)
    .segments(&[EVENT_ID])
    .query(&[LIMIT, NEXT])
    .answers(&[page_of("A page.", &[json_form("DeliveryPage")])]);

const SHOW: Operation = get("/api/v1/deliveries/{id}")
    .named("getDelivery", "Show a delivery with every attempt")
    .scope(Scope::DestinationsRead)
    .segments(&[ID])
    .answers(&[Answer::of(200, "The delivery.", &[json_form("Delivery")])]);

const RESEND: Operation = post("/api/v1/deliveries/{id}/resend")
    .named("resendDelivery", "Send a delivery again, now")
    .scope(Scope::DestinationsWrite)
    .segments(&[ID])
    .may_take(&[json_form("Nothing")])
    .answers(&[Answer::of(202, "The delivery, which is sent again.", &[json_form("Delivery")])])
    .problems(&[EXPIRED]);

const STATS: Operation = get("/api/v1/destinations/{id}/stats")
    .named("getDestinationStats", "Show a destination's figures")
    .about("Everything but what waits is of the newest 2000 deliveries.")
    .scope(Scope::DestinationsRead)
    .segments(&[DESTINATION_ID])
    .answers(&[Answer::of(200, "The figures.", &[json_form("DestinationStats")])]);

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn members() -> Value {
    json!({
        "id": {"type": "string"},
        "event_id": {"type": ["string", "null"], "description": "Null when the event went by retention."},
        "event_type": {"type": ["string", "null"]},
        "timestamp": nullable(time()),
        "sequence": {"type": "integer"},
        "destination_id": {"type": "string"},
        "status": {"enum": ["pending", "retrying", "delivered", "dead", "expired", "cancelled"]},
        "next_attempt_at": nullable(time()),
    })
}

const ALWAYS: [&str; 9] = [
    "id",
    "event_id",
    "event_type",
    "timestamp",
    "sequence",
    "destination_id",
    "status",
    "next_attempt_at",
    "attempts",
];

fn example() -> Value {
    json!({
        "id": "dlv_01M8Z3W9X2K4Q5R6S7T8V9WXYZ_42", "event_id": "evt_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
        "event_type": "pipeline.completed", "timestamp": "2026-02-15T06:00:04.7Z", "sequence": 42,
        "destination_id": "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "status": "delivered", "next_attempt_at": null,
    })
}

fn attempt() -> Value {
    let headers = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let members = json!({
        "attempt": {"type": "integer", "minimum": 1},
        "at": time(),
        "latency_ms": {"type": "integer"},
        "status": {"type": ["integer", "null"]},
        "error": {"type": ["string", "null"]},
        "next_attempt_at": nullable(time()),
        "replay_id": {"type": ["string", "null"]},
        "request": {"type": "object", "required": ["headers"], "properties": {"headers": headers}},
        "response": {
            "type": "object", "required": ["headers", "body"],
            "properties": {"headers": headers, "body": {"type": ["string", "null"], "description": "The first 4 KiB."}},
        },
    });
    let required = [
        "attempt",
        "at",
        "latency_ms",
        "status",
        "error",
        "next_attempt_at",
        "replay_id",
        "request",
        "response",
    ];
    let example = json!({
        "attempt": 1, "at": "2026-02-15T06:00:05Z", "latency_ms": 12, "status": 200, "error": null,
        "next_attempt_at": null, "replay_id": null, "request": {"headers": {"webhook-id": "evt_1"}},
        "response": {"headers": {}, "body": "ok"},
    });
    object(&required, members, example)
}

fn stats() -> Value {
    let whole = json!({"type": "integer", "minimum": 0});
    let of = |names: &[&str]| -> Value {
        let members: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), whole.clone())).collect();
        json!({"type": "object", "required": names, "properties": members})
    };
    let members = json!({
        "counts": of(&["pending", "retrying", "delivered", "dead", "expired", "cancelled"]),
        "attempts": whole,
        "success_rate": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "latency_ms": nullable(of(&["p50", "p95", "p99"])),
        "lag": of(&["events", "seconds"]),
        "deliveries": whole,
        "since": nullable(time()),
    });
    let required = ["counts", "attempts", "success_rate", "latency_ms", "lag", "deliveries", "since"];
    let example = json!({
        "counts": {"pending": 0, "retrying": 0, "delivered": 3, "dead": 0, "expired": 0, "cancelled": 0},
        "attempts": 3, "success_rate": 1.0, "latency_ms": {"p50": 3, "p95": 5, "p99": 5},
        "lag": {"events": 0, "seconds": 0}, "deliveries": 3, "since": "2026-02-15T06:00:05Z",
    });
    object(&required, members, example)
}

fn schemas() -> Vec<(&'static str, Value)> {
    let last = json!({
        "type": ["object", "null"], "required": ["at", "latency_ms", "status", "error"],
        "properties": {
            "at": time(), "latency_ms": {"type": "integer"}, "status": {"type": ["integer", "null"]},
            "error": {"type": ["string", "null"]},
        },
    });
    let (mut summary, mut whole) = (members(), members());
    summary["attempts"] = json!({"type": "integer", "minimum": 0, "description": "How many were made."});
    summary["last_attempt"] = last;
    whole["attempts"] = json!({"type": "array", "items": named("Attempt")});
    let (mut of_list, mut of_one) = (example(), example());
    of_list["attempts"] = json!(1);
    of_list["last_attempt"] =
        json!({"at": "2026-02-15T06:00:05Z", "latency_ms": 12, "status": 200, "error": null});
    of_one["attempts"] = json!([]);
    let listed = [&ALWAYS[..], &["last_attempt"]].concat();
    vec![
        ("DeliverySummary", object(&listed, summary, of_list)),
        ("DeliverySummaryPage", page("DeliverySummary")),
        ("Delivery", object(&ALWAYS, whole, of_one)),
        ("DeliveryPage", page("Delivery")),
        ("Attempt", attempt()),
        ("DestinationStats", stats()),
    ]
}
