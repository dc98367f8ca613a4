//! What the document says of tenants.

use crate::http::openapi::{LIMIT, Operation, Part, ROW_CURSOR, get, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part { name: "Tenants", operations: &[LIST, CREATE] };

const LIST: Operation = get("/api/v1/tenants")
    .named("listTenants", "List tenants")
    .scope(Scope::Operator)
    .query(&[LIMIT, ROW_CURSOR]);

const CREATE: Operation = post("/api/v1/tenants")
    .named("createTenant", "Make a tenant")
    .about("With an admin key of it, which is in this answer and no other.")
    .scope(Scope::Operator);
