//! What the document says of sessions.

use crate::http::openapi::{
    Answer, Operation, Parameter, Part, Shape, closed, delete, get, json_form, nullable, object, post,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Sessions",
    about: "Signing in to the console with a key.",
    operations: &[SHOW, CREATE, REMOVE],
    schemas,
};

const HEADER: Parameter = Parameter::new(
    "X-Campanile-Session",
    Shape::Any,
    "Whatever it says, a page of another origin cannot send it. Without it a session's cookie counts for nothing.",
);

const SHOW: Operation = get("/api/v1/session")
    .named("getSession", "Show whose key or session this is, and what it may do")
    .about("Takes a key of any scope, or a session.")
    .headers(&[HEADER])
    .answers(&[Answer::of(200, "Who it is.", &[json_form("Session")])])
    .problems(&[(401, "There is neither, or it is not known, or has ended.")]);

const CREATE: Operation = post("/api/v1/session")
    .named("createSession", "Trade a key for a session")
    .about("The session is a cookie for the broker's own pages, for twelve hours at most.")
    .headers(&[HEADER])
    .takes(&[json_form("SignIn")])
    .answers(&[Answer::of(201, "Who it is; the cookie is in `Set-Cookie`.", &[json_form("Session")])])
    .problems(&[(401, "The key is not known, or has expired."), (403, "A page of another origin asks.")]);

const REMOVE: Operation = delete("/api/v1/session")
    .named("deleteSession", "End the session")
    .headers(&[HEADER])
    .answers(&[Answer::empty(204, "There is none any more.")])
    .problems(&[(403, "A page of another origin asks.")]);

fn schemas() -> Vec<(&'static str, Value)> {
    let time = json!({"type": "string", "format": "date-time"});
    let key = json!({
        "type": "object",
        "required": ["id", "name", "hint", "scopes", "expires_at"],
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "hint": {"type": ["string", "null"]},
            "scopes": {"type": "array", "items": {"type": "string"}},
            "expires_at": nullable(time.clone()),
        },
    });
    let scopes = Scope::ALL.map(|(_, name)| name);
    let members = json!({
        "key": key,
        "may": {"type": "array", "items": {"type": "string", "enum": scopes}, "description": "What it may do here."},
        "tenant": {"type": ["string", "null"]},
        "expires_at": nullable(time),
        "version": {"type": "string"},
    });
    let example = json!({
        "key": {
            "id": "key_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "name": "ops", "hint": "cmp_4fGh", "scopes": ["admin"],
            "expires_at": null,
        },
        "may": ["admin"], "tenant": "default", "expires_at": null, "version": "0.1.0",
    });
    let sign_in = json!({"key": {"type": "string", "minLength": 1}});
    vec![
        ("Session", object(&["key", "may", "tenant", "expires_at", "version"], members, example)),
        ("SignIn", closed(&["key"], sign_in, json!({"key": "cmp_..."}))),
    ]
}
