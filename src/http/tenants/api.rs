//! What the document says of tenants.

use crate::http::openapi::{
    Answer, LIMIT, Operation, Parameter, Part, closed, get, json_form, object, page, page_of, post,
    row_cursor,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Tenants",
    about: "Who shares this broker without seeing each other.",
    operations: &[LIST, CREATE],
    schemas,
};

const NEXT: Parameter = row_cursor("^[a-z0-9-]{1,64}$", "default");

const LIST: Operation = get("/api/v1/tenants")
    .named("listTenants", "List tenants")
    .scope(Scope::Operator)
    .query(&[LIMIT, NEXT])
    .answers(&[page_of("A page.", &[json_form("TenantPage")])]);

const CREATE: Operation = post("/api/v1/tenants")
    .named("createTenant", "Make a tenant")
    .about("With an admin key of it, which is in this answer and no other.")
    .scope(Scope::Operator)
    .takes(&[json_form("TenantDraft")])
    .answers(&[Answer::of(201, "The tenant.", &[json_form("NewTenant")])]);

fn schemas() -> Vec<(&'static str, Value)> {
    let members =
        json!({"name": {"type": "string"}, "created_at": {"type": "string", "format": "date-time"}});
    let mut with_key = members.clone();
    with_key["admin_key"] = json!({"type": "string", "description": "Shown this once."});
    let name = json!({"name": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}});
    let example = json!({"name": "acme", "created_at": "2026-02-15T06:00:00Z"});
    let made = json!({"name": "acme", "created_at": "2026-02-15T06:00:00Z", "admin_key": "cmp_..."});
    vec![
        ("Tenant", object(&["name", "created_at"], members, example)),
        ("NewTenant", object(&["name", "created_at", "admin_key"], with_key, made)),
        ("TenantPage", page("Tenant")),
        ("TenantDraft", closed(&["name"], name, json!({"name": "acme"}))),
    ]
}
