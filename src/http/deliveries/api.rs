//! What the document says of deliveries.

use crate::http::openapi::{CURSOR, LIMIT, Operation, Parameter, Part, ROW_CURSOR, Shape, get, post};
use crate::http::poll::api::{SINCE, TYPE, UNTIL};
use crate::model::Scope;

pub(in crate::http) const PART: Part =
    Part { name: "Deliveries", operations: &[LIST, OF_EVENT, SHOW, RESEND, STATS] };

const STATUS: Parameter = Parameter::new(
    "status",
    Shape::Pattern {
        pattern: "^(pending|retrying|delivered|dead|expired|cancelled)(,(pending|retrying|delivered|dead|expired|cancelled))*$",
        example: "retrying,dead",
    },
    "Deliveries with one of these statuses, separated by commas.",
);

const LIST: Operation = get("/api/v1/destinations/{id}/deliveries")
    .named("listDeliveries", "List a destination's deliveries, newest event first")
    .scope(Scope::DestinationsRead)
    .query(&[STATUS, TYPE, SINCE, UNTIL, LIMIT, CURSOR]);

const OF_EVENT: Operation = get("/api/v1/events/{id}/deliveries")
    .named("listDeliveriesOfEvent", "List an event's deliveries with their attempts")
    .scope(Scope::DestinationsRead)
    .query(&[LIMIT, ROW_CURSOR]);

const SHOW: Operation = get("/api/v1/deliveries/{id}")
    .named("getDelivery", "Show a delivery with every attempt")
    .scope(Scope::DestinationsRead);

const RESEND: Operation = post("/api/v1/deliveries/{id}/resend")
    .named("resendDelivery", "Send a delivery again, now")
    .scope(Scope::DestinationsWrite);

const STATS: Operation = get("/api/v1/destinations/{id}/stats")
    .named("getDestinationStats", "Show a destination's figures")
    .scope(Scope::DestinationsRead);
