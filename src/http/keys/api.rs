//! What the document says of keys.

use crate::http::openapi::{LIMIT, Operation, Part, ROW_CURSOR, delete, get, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part { name: "Keys", operations: &[LIST, CREATE, REMOVE] };

const LIST: Operation = get("/api/v1/keys")
    .named("listKeys", "List the tenant's keys")
    .scope(Scope::Admin)
    .query(&[LIMIT, ROW_CURSOR]);

const CREATE: Operation = post("/api/v1/keys")
    .named("createKey", "Make a key")
    .about("`key` is in this answer and no other.")
    .scope(Scope::Admin);

const REMOVE: Operation = delete("/api/v1/keys/{id}").named("deleteKey", "Remove a key").scope(Scope::Admin);
