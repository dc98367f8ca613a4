//! `/keys`: who may do what in a tenant. A key is shown once, when it is made.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::params::Params;
use super::problem::Problem;
use crate::model::{Key, KeyId, Scope, Scopes, Timestamp, Violation};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};

/// `GET /keys`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::Admin)?;
    let params = Params::read(request.query_string(), &["limit", "cursor"])?;
    let management = app.broker.log().management();
    let keys = management.keys.values().filter(|key| key.tenant == caller.tenant());
    let rows = keys.map(|key| (key.id.to_string(), shown(key)));
    page(&request, &params, rows, |text| KeyId::parse(text).is_ok())
}

/// A page as it is answered.
#[derive(Serialize)]
struct Listed<T> {
    data: Vec<T>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// One page of rows in the order of their ids, one of which `is_cursor` takes for one.
pub(super) fn page<T: Serialize>(
    request: &HttpRequest,
    params: &Params,
    rows: impl Iterator<Item = (String, T)>,
    is_cursor: impl Fn(&str) -> bool,
) -> Result<HttpResponse, Problem> {
    let limit = params.whole("limit", 1..=1000)?.unwrap_or(100) as usize;
    params.parsed("cursor", "a next_cursor of this list", |text| is_cursor(text).then_some(()))?;
    let cursor = params.text("cursor").unwrap_or_default();
    let mut rows: Vec<(String, T)> = rows.filter(|(id, _)| id.as_str() > cursor).take(limit + 1).collect();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|(id, _)| id.clone());
    let data = rows.into_iter().map(|(_, row)| row).collect();
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("cache-control", "no-store"));
    if let Some(next) = &next {
        answer.insert_header(("link", super::poll::next_link(request, next)));
    }
    Ok(answer.json(Listed { data, has_more, next_cursor: next }))
}

fn shown(key: &Key) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "hint": key.hint,
        "declared": key.declared,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    })
}

/// `POST /keys` `{"name","scopes","expires_at"?}`.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::Admin)?;
    let mut body = body::object(&request, &app, payload).await?;
    let mut violations = Vec::new();
    let name = body.remove("name").and_then(|name| name.as_str().map(str::to_owned));
    let name =
        name.filter(|name| (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control));
    if name.is_none() {
        violations.push(Violation::new("/name", "1 to 100 characters without control characters"));
    }
    let scopes = read_scopes(body.remove("scopes"), &mut violations);
    let operator = scopes.0.contains(&Scope::Operator) && !caller.key.scopes.allow(Scope::Operator);
    if operator {
        violations.push(Violation::new("/scopes", "only an operator can give the scope operator"));
    }
    let expires_at = match body.remove("expires_at") {
        None | Some(Value::Null) => None,
        Some(given) => {
            let time = given.as_str().and_then(|text| Timestamp::parse_bound(text).ok());
            if time.is_none() {
                violations.push(Violation::new("/expires_at", "an RFC 3339 time with a zone"));
            }
            time
        }
    };
    for name in body.keys() {
        violations.push(Violation::new(format!("/{}", Violation::escape(name)), "there is no such member"));
    }
    let Some(name) = name.filter(|_| violations.is_empty()) else { return Err(Problem::invalid(violations)) };
    let (key, token) = app.broker.create_key(caller.tenant(), name, scopes, expires_at).await?;
    let mut answer = shown(&key);
    answer["key"] = json!(token);
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

fn read_scopes(given: Option<Value>, violations: &mut Vec<Violation>) -> Scopes {
    let names = given.as_ref().and_then(Value::as_array).filter(|names| !names.is_empty());
    let Some(names) = names else {
        violations.push(Violation::new("/scopes", "a list of scopes"));
        return Scopes::default();
    };
    let mut scopes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match name.as_str().and_then(Scope::parse) {
            Some(scope) if !scopes.contains(&scope) => scopes.push(scope),
            Some(_) => {}
            None => {
                let known = Scope::ALL.map(|(_, name)| name).join(", ");
                violations.push(Violation::new(format!("/scopes/{index}"), format!("one of {known}")));
            }
        }
    }
    Scopes(scopes)
}

/// `DELETE /keys/{id}`.
pub(crate) async fn remove(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::Admin)?;
    let missing = || Problem::not_found("there is no such key");
    let id = KeyId::parse(request.match_info().query("id")).map_err(|_| missing())?;
    app.broker.remove_key(caller.tenant(), id).await?;
    Ok(HttpResponse::NoContent().finish())
}
