//! What the document says of keys.

use crate::http::openapi::{
    Answer, LIMIT, Operation, Parameter, Part, Shape, closed, delete, get, json_form, named, nullable,
    object, page, page_of, post, row_cursor,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part =
    Part { name: "Keys", about: "API keys with their scopes.", operations: &[LIST, CREATE, REMOVE], schemas };

const NEXT: Parameter = row_cursor("^key_[0-7][0-9A-HJKMNP-TV-Z]{25}$", "key_01M8Z3W9X2K4Q5R6S7T8V9WXYZ");

const ID: Parameter = Parameter::new(
    "id",
    Shape::Pattern {
        pattern: "^key_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example: "key_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
    },
    "The key's id, which is not the key.",
);

const LIST: Operation = get("/api/v1/keys")
    .named("listKeys", "List the tenant's keys")
    .scope(Scope::Admin)
    .query(&[LIMIT, NEXT])
    .answers(&[page_of("A page.", &[json_form("KeyPage")])]);

const CREATE: Operation = post("/api/v1/keys")
    .named("createKey", "Make a key")
    .about("`key` is in this answer and no other.")
    .scope(Scope::Admin)
    .takes(&[json_form("KeyDraft")])
    .answers(&[Answer::of(201, "The key.", &[json_form("NewKey")])]);

const REMOVE: Operation = delete("/api/v1/keys/{id}")
    .named("deleteKey", "Remove a key")
    .about("What is open with it ends within a second.")
    .scope(Scope::Admin)
    .segments(&[ID])
    .answers(&[Answer::empty(204, "It is gone.")])
    .problems(&[(409, "The key stands in the config.")]);

fn schemas() -> Vec<(&'static str, Value)> {
    let scopes = Scope::ALL.map(|(_, name)| name);
    let time = json!({"type": "string", "format": "date-time"});
    let members = json!({
        "id": {"type": "string"},
        "name": {"type": "string"},
        "scopes": {"type": "array", "items": named("Scope")},
        "hint": {"type": ["string", "null"], "description": "How the key begins or ends, to know it again."},
        "declared": {"type": "boolean", "description": "Whether it stands in the config."},
        "created_at": time,
        "expires_at": nullable(time.clone()),
    });
    let mut with_key = members.clone();
    with_key["key"] = json!({"type": "string", "description": "The key itself, shown this once."});
    let draft = json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"},
        "scopes": {"type": "array", "minItems": 1, "items": named("Scope")},
        "expires_at": nullable(time),
    });
    let example = json!({
        "id": "key_01M8Z3W9X2K4Q5R6S7T8V9WXYZ", "name": "ci", "scopes": ["events:read"], "hint": "cmp_4fGh",
        "declared": false, "created_at": "2026-02-15T06:00:00Z", "expires_at": null,
    });
    let mut made = example.clone();
    made["key"] = json!("cmp_...");
    let required = ["id", "name", "scopes", "hint", "declared", "created_at", "expires_at"];
    let given = [&required[..], &["key"]].concat();
    vec![
        ("Scope", json!({"type": "string", "enum": scopes})),
        ("Key", object(&required, members, example)),
        ("NewKey", object(&given, with_key, made)),
        ("KeyPage", page("Key")),
        ("KeyDraft", closed(&["name", "scopes"], draft, json!({"name": "ci", "scopes": ["events:read"]}))),
    ]
}
