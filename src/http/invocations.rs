//! `/invocations`: what became of functions' runs, one with every attempt, trying again.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::params::Params;
use super::problem::Problem;
use crate::broker::{FunctionError, Invocation, InvocationAsk};
use crate::model::{
    EventId, FailureKind, InvocationId, InvocationRecord, InvocationStatus, Scope, Sequence, Timestamp,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// `GET /invocations?function_id=&event_id=&status=`: newest first.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsRead)?;
    let known = ["function_id", "event_id", "status", "limit", "cursor"];
    let params = Params::read(request.query_string(), &known)?;
    let statuses = InvocationStatus::ALL.map(|(_, name)| name).join(", ");
    let number = |text: &str| Sequence::parse(text).map(|number| number.0);
    let ask = InvocationAsk {
        function: params.parsed("function_id", "a function's number", number)?,
        event: params.parsed("event_id", "an event's id", |text| EventId::parse(text).ok())?,
        status: params.parsed("status", &format!("one of {statuses}"), InvocationStatus::parse)?,
        below: params.parsed("cursor", "a next_cursor of this list", InvocationId::parse)?,
        limit: params.whole("limit", 1..=1000)?.unwrap_or(100) as usize,
    };
    let page = app.broker.invocation_page(caller.tenant(), ask).await?;
    let next = page.next.map(|id| id.to_string());
    let data: Vec<Value> = page.invocations.iter().map(row).collect();
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("cache-control", "no-store"));
    if let Some(next) = &next {
        answer.insert_header(("link", super::poll::next_link(&request, next)));
    }
    Ok(answer.json(json!({"data": data, "has_more": next.is_some(), "next_cursor": next})))
}

/// `GET /invocations/{id}`.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsRead)?;
    Params::read(request.query_string(), &[])?;
    let found = app.broker.invocation(caller.tenant(), id_of(&request)?).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(whole(&found)))
}

/// `POST /invocations/{id}/retry`: once more; 202 with the invocation.
pub(crate) async fn retry(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    Params::read(request.query_string(), &[])?;
    super::destinations::refuse_members(super::body::optional_object(&request, &app, payload).await?, &[])?;
    let found = app.broker.retry_invocation(caller.tenant(), id_of(&request)?).await?;
    Ok(HttpResponse::Accepted().insert_header(("cache-control", "no-store")).json(whole(&found)))
}

fn id_of(request: &HttpRequest) -> Result<InvocationId, Problem> {
    InvocationId::parse(request.match_info().query("id")).ok_or_else(|| FunctionError::NoInvocation.into())
}

/// As in lists, where `attempts` says how many.
fn row(one: &Invocation) -> Value {
    let (last, task) = (&one.last, &one.last.task);
    json!({
        "id": last.id().number(),
        "task_id": last.task_id(),
        "event_id": task.event_id,
        "event_type": task.event_type,
        "sequence": last.sequence,
        "mode": task.mode,
        "function_id": task.function,
        "function_name": task.function_name,
        "function_slug": task.function_slug,
        "subscription_id": task.subscription,
        "stage": task.stage,
        "on_error": task.on_error,
        "status": one.status.name(),
        "attempts": last.attempt,
        "next_attempt_at": one.next_attempt_at.map(Timestamp::from),
        "created_at": Timestamp::from(task.stored_at),
        "started_at": (last.attempt > 0).then(|| Timestamp::from(last.at)),
        "duration_ms": (last.attempt > 0).then_some(last.duration_ms),
        "result": result_json(last),
        "error": error_json(last),
    })
}

fn whole(one: &Invocation) -> Value {
    let mut shown = row(one);
    shown["attempts"] = one.attempts.iter().map(attempt).collect();
    shown
}

fn attempt(one: &InvocationRecord) -> Value {
    json!({
        "attempt": one.attempt,
        "at": Timestamp::from(one.at),
        "duration_ms": one.duration_ms,
        "status": one.status.name(),
        "result": result_json(one),
        "error": error_json(one),
    })
}

/// What the function gave: nothing but that it agrees, or what it changes.
fn result_json(one: &InvocationRecord) -> Value {
    let patch = one.patch.as_ref().and_then(|patch| serde_json::from_str::<Value>(patch).ok());
    match (one.status, patch) {
        (_, Some(patch)) => json!({ "patch": patch }),
        (InvocationStatus::Success, None) => json!({}),
        _ => Value::Null,
    }
}

fn error_json(one: &InvocationRecord) -> Value {
    match (&one.kind, &one.message) {
        (None, None) => Value::Null,
        (kind, message) => {
            json!({"kind": kind.map(FailureKind::name), "code": one.code, "message": message})
        }
    }
}
