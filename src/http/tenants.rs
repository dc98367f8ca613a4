//! `/tenants`: for operators.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::params::Params;
use super::problem::Problem;
use crate::model::{Scope, Tenant, Violation};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

fn shown(tenant: &Tenant) -> Value {
    json!({"name": tenant.name, "created_at": tenant.created_at})
}

fn is_name(name: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(is_of_names)
}

/// `GET /tenants`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    Caller::of(&request, &app, Scope::Operator)?;
    let params = Params::read(request.query_string(), &["limit", "cursor"])?;
    let management = app.broker.log().management();
    let mut rows: Vec<_> =
        management.tenants.values().map(|tenant| (tenant.name.clone(), shown(tenant))).collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    super::keys::page(&request, &params, rows.into_iter(), is_name)
}

/// `POST /tenants` `{"name"}`: the tenant, and an admin key of it, shown once.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    Caller::of(&request, &app, Scope::Operator)?;
    let mut body = body::object(&request, &app, payload).await?;
    let name = body.remove("name").and_then(|name| name.as_str().map(str::to_owned));
    let mut violations: Vec<Violation> = body
        .keys()
        .map(|name| Violation::new(format!("/{}", Violation::escape(name)), "there is no such member"))
        .collect();
    if !name.as_deref().is_some_and(is_name) {
        violations.push(Violation::new("/name", "1 to 64 of a-z, 0-9 and -"));
    }
    let Some(name) = name.filter(|_| violations.is_empty()) else { return Err(Problem::invalid(violations)) };
    let (tenant, token) = app.broker.create_tenant(name).await?;
    let mut answer = shown(&tenant);
    answer["admin_key"] = json!(token);
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}
