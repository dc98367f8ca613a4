//! What the document says of the cloud's event calls.

use crate::http::openapi::{Operation, Part, get, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part =
    Part { name: "Subscriptions", operations: &[LIST, SUBSCRIBE, UNSUBSCRIBE, OF_APP] };

const LIST: Operation = get("/api/cloud/events/")
    .named("listFunctionEvents", "List the events that functions can subscribe to")
    .scope(Scope::FunctionsRead)
    .in_envelope();

const SUBSCRIBE: Operation = post("/api/cloud/events/{event}/subscribe/")
    .named("subscribeFunction", "Subscribe a function to an event")
    .scope(Scope::FunctionsWrite)
    .in_envelope();

const UNSUBSCRIBE: Operation = post("/api/cloud/events/{event}/unsubscribe/")
    .named("unsubscribeFunction", "End a function's subscription")
    .scope(Scope::FunctionsWrite)
    .in_envelope();

const OF_APP: Operation = get("/api/apps/{app_slug}/events/{event}/")
    .named("getAppEvent", "Show which functions of an app subscribe to an event")
    .scope(Scope::FunctionsRead)
    .in_envelope();
