//! What the document says of the cloud's event calls.

use crate::http::openapi::{Answer, Operation, Parameter, Part, Shape, closed, get, json_form, object, post};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Subscriptions",
    about: "Which functions run on which event types, and how.",
    operations: &[LIST, SUBSCRIBE, UNSUBSCRIBE, OF_APP],
    schemas,
};

const EVENT: Parameter = Parameter::new(
    "event",
    Shape::Pattern { pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", example: "PRE_USER_CREATE" },
    "The event's type.",
);

const APP: Parameter = Parameter::new(
    "app_slug",
    Shape::Pattern { pattern: "^[a-z0-9-]{1,64}$", example: "crm" },
    "The app's slug.",
);

const BROKEN: (u16, &str) = (400, "Or the body breaks a rule, or the event or the function does not exist.");

const LIST: Operation = get("/api/cloud/events/")
    .named("listFunctionEvents", "List the events that functions can subscribe to")
    .scope(Scope::FunctionsRead)
    .answers(&[Answer::of(200, "The events.", &[json_form("FunctionEvents")])])
    .in_envelope();

const SUBSCRIBE: Operation = post("/api/cloud/events/{event}/subscribe/")
    .named("subscribeFunction", "Subscribe a function to an event")
    .scope(Scope::FunctionsWrite)
    .segments(&[EVENT])
    .takes(&[json_form("SubscriptionDraft")])
    .answers(&[Answer::of(200, "It is subscribed.", &[json_form("Subscribed")])])
    .problems(&[BROKEN])
    .in_envelope();

const UNSUBSCRIBE: Operation = post("/api/cloud/events/{event}/unsubscribe/")
    .named("unsubscribeFunction", "End a function's subscription")
    .scope(Scope::FunctionsWrite)
    .segments(&[EVENT])
    .takes(&[json_form("SubscriptionEnd")])
    .answers(&[Answer::of(200, "It is not subscribed any more.", &[json_form("Unsubscribed")])])
    .problems(&[BROKEN])
    .in_envelope();

const OF_APP: Operation = get("/api/apps/{app_slug}/events/{event}/")
    .named("getAppEvent", "Show which functions of an app subscribe to an event")
    .scope(Scope::FunctionsRead)
    .segments(&[APP, EVENT])
    .answers(&[Answer::of(200, "The subscribers.", &[json_form("AppEvent")])])
    .problems(&[BROKEN])
    .in_envelope();

/// The envelope around `data`.
fn envelope(data: Value, message: &str, example: &Value) -> Value {
    let members = json!({"success": {"const": true}, "message": {"type": "string"}, "data": data});
    let example = json!({"success": true, "message": message, "data": example});
    object(&["success", "message", "data"], members, example)
}

/// What a subscription says beside what it says of its function.
fn options() -> Value {
    json!({
        "stage": {"type": "integer", "minimum": 0, "maximum": 9},
        "on_error": {"enum": ["fail", "ignore"]},
        "filter": {"type": ["string", "null"], "format": "cel"},
    })
}

fn with_options(mut members: Value) -> Value {
    if let (Value::Object(members), Value::Object(options)) = (&mut members, options()) {
        members.extend(options);
    }
    members
}

fn subscription() -> Value {
    let (text, time) =
        (json!({"type": ["string", "null"]}), json!({"type": "string", "format": "date-time"}));
    let members = with_options(json!({
        "id": {"type": "integer"}, "event": {"type": "string"}, "function": {"type": "integer"},
        "function_name": text, "function_slug": text, "app_name": text, "app_slug": text, "created_at": time,
        "updated_at": time,
    }));
    let required = [
        "id",
        "event",
        "function",
        "function_name",
        "function_slug",
        "app_name",
        "app_slug",
        "created_at",
        "updated_at",
    ];
    let example = json!({
        "id": 1, "event": "PRE_USER_CREATE", "function": 123, "function_name": "Validate User Data",
        "function_slug": "validate-user-data", "app_name": "CRM", "app_slug": "crm",
        "created_at": "2026-02-15T06:00:00Z", "updated_at": "2026-02-15T06:00:00Z",
    });
    let message = "Function 123 subscribed to event 'PRE_USER_CREATE' successfully";
    envelope(object(&required, members, example.clone()), message, &example)
}

fn app_event() -> Value {
    let text = json!({"type": ["string", "null"]});
    let subscriber = with_options(json!({
        "subscriber_id": {"type": "integer"}, "event": {"type": "string"}, "function_id": {"type": "integer"},
        "function_name": text, "function_slug": text, "app_id": {"type": ["integer", "null"]}, "app_name": text,
        "app_slug": text, "created_at": {"type": "string", "format": "date-time"},
    }));
    let app = json!({
        "type": "object", "required": ["id", "name", "slug"],
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "slug": {"type": "string"}},
    });
    let members = json!({
        "event": {"type": "string"},
        "app": app,
        "total_subscribers": {"type": "integer", "minimum": 0},
        "subscribers": {"type": "array", "items": {"type": "object", "properties": subscriber}},
    });
    let example = json!({
        "event": "PRE_USER_CREATE", "app": {"id": 1, "name": "CRM", "slug": "crm"}, "total_subscribers": 0,
        "subscribers": [],
    });
    let required = ["event", "app", "total_subscribers", "subscribers"];
    let message = "Event 'PRE_USER_CREATE' details retrieved successfully";
    envelope(object(&required, members, example.clone()), message, &example)
}

fn schemas() -> Vec<(&'static str, Value)> {
    let events = json!({
        "type": "object", "required": ["events"],
        "properties": {"events": {"type": "array", "items": {"type": "string"}}},
    });
    let function = json!({"function_id": {"type": "integer", "minimum": 0}});
    let names = json!({"events": ["PRE_USER_CREATE", "POST_USER_CREATE"]});
    let ended = "Function 123 unsubscribed from event 'PRE_USER_CREATE' successfully";
    let id = json!({"function_id": 123});
    vec![
        ("FunctionEvents", envelope(events, "Events retrieved successfully", &names)),
        ("SubscriptionDraft", closed(&["function_id"], with_options(function.clone()), id.clone())),
        ("SubscriptionEnd", closed(&["function_id"], function, id)),
        ("Subscribed", subscription()),
        ("Unsubscribed", envelope(json!({"type": "object"}), ended, &json!({}))),
        ("AppEvent", app_event()),
    ]
}
