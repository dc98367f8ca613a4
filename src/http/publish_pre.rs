//! The answer to a published PRE event: whom it asked, and when the publisher waited, what came of it. Members and
//! messages are those of the published `publish_event()`, and more beside them.

use super::App;
use super::idempotency::REPLAYED;
use super::params::Params;
use super::problem::Problem;
use crate::broker::{Cause, PreOptions, PreOutcome, Publication, PublishError, PublishedTask};
use crate::log::CommitKey;
use crate::model::{
    Conflict, EventDraft, FailureKind, GateOutcome, InvocationRecord, OnError, TenantId, Violation,
};
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The header with which a function says what caused its publish.
const CAUSE: &str = "campanile-cause";

/// The longest time that a whole run may be given.
const LONGEST_DEADLINE_MS: u64 = 3_600_000;

/// What a publisher says about waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    wait: bool,
    deadline: Option<Duration>,
}

impl Waits {
    pub(super) fn read(params: &Params) -> Result<Self, Problem> {
        let wait = match params.text("wait") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Problem::bad_request("wait must be true or false")),
        };
        let deadline = params.whole("deadline_ms", 1..=LONGEST_DEADLINE_MS)?.map(Duration::from_millis);
        Ok(Self { wait, deadline })
    }

    /// Whoever waits for functions that no event of the type has would take silence for consent.
    pub(super) fn refuse_for(self, pointer: &str, event_type: &str) -> Result<(), Problem> {
        if !self.wait && self.deadline.is_none() {
            return Ok(());
        }
        let detail = format!("{event_type} is no PRE event: it has no functions to wait for");
        Err(Problem::invalid(vec![Violation::new(pointer, detail).with_code("not_a_pre_event")]))
    }
}

/// What the request says that it was caused by.
pub(super) fn cause_of(request: &HttpRequest, app: &App) -> Result<Option<Cause>, Problem> {
    let mut given = request.headers().get_all(CAUSE);
    let invalid =
        || Problem::malformed("invalid_cause", "Campanile-Cause is the token that a function was given");
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(token), None) => {
            let cause = token.to_str().ok().and_then(|token| app.broker.read_cause(token));
            cause.map(Some).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}

/// Publishes a PRE event and answers, at once or when its functions have.
pub(super) async fn answer(
    app: &App,
    tenant: TenantId,
    draft: EventDraft,
    key: Option<CommitKey>,
    waits: Waits,
) -> Result<HttpResponse, PublishError> {
    let options = PreOptions { key, deadline: waits.deadline, detached: !waits.wait };
    let publication = app.broker.publish_pre(tenant, draft, options).await?;
    let (is_fresh, is_replayed) = (publication.is_fresh, publication.is_replayed);
    let location = format!("/api/v1/events/{}", publication.event().id());
    let begun = |status| begun(status, is_replayed, &location);
    let published = if is_fresh { StatusCode::CREATED } else { StatusCode::OK };
    if !waits.wait {
        let mut response = begun(published);
        return Ok(response.json(success(&publication)));
    }
    let outcome = publication.wait().await?;
    Ok(match outcome.closed.outcome {
        GateOutcome::Passed => begun(published).body(passed(&outcome)),
        GateOutcome::Failed => begun(StatusCode::UNPROCESSABLE_ENTITY).json(failed(&outcome)),
        GateOutcome::Cancelled if *app.broker.draining().borrow() => return Err(PublishError::Draining),
        GateOutcome::Cancelled => begun(StatusCode::UNPROCESSABLE_ENTITY).json(cancelled(&outcome)),
    })
}

fn begun(status: StatusCode, is_replayed: bool, location: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.content_type("application/json").insert_header((LOCATION, location));
    if is_replayed {
        response.insert_header(REPLAYED);
    }
    response
}

fn success(publication: &Publication) -> Value {
    let event = publication.event();
    let data = data_of(event.event_type().as_str(), event.id().as_str(), publication.tasks());
    json!({"status": "success", "message": "Event published successfully", "data": data})
}

fn data_of(event_type: &str, event_id: &str, tasks: &[PublishedTask]) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("event".to_owned(), json!(event_type));
    let tasks: Vec<Value> = tasks.iter().map(task_json).collect();
    data.insert("total_subscribers".to_owned(), json!(tasks.len()));
    data.insert("task_ids".to_owned(), json!(tasks));
    data.insert("event_id".to_owned(), json!(event_id));
    data
}

fn task_json(task: &PublishedTask) -> Value {
    json!({
        "function_id": task.function_id,
        "function_name": task.function_name,
        "task_id": task.task_id,
        "invocation_id": task.invocation_id,
    })
}

/// The params keep every digit, so they are not taken apart again.
fn passed(outcome: &PreOutcome) -> String {
    let event = &outcome.event;
    let mut data = data_of(event.event_type().as_str(), event.id().as_str(), &outcome.tasks);
    let conflicts: Vec<Value> = outcome.closed.conflicts.iter().map(conflict_json).collect();
    data.insert("conflicts".to_owned(), json!(conflicts));
    let ignored = outcome.closed.records.iter().filter(|record| record.task.on_error == OnError::Ignore);
    let ignored: Vec<Value> = ignored.filter(|record| record.kind.is_some()).map(failure_json).collect();
    if !ignored.is_empty() {
        data.insert("ignored".to_owned(), json!(ignored));
    }
    let params = String::from_utf8_lossy(&outcome.kept_params()).into_owned();
    let params = RawValue::from_string(params).ok();
    let data = Shown { data, params };
    serde_json::to_string(&Success { status: "success", message: "Event published successfully", data })
        .unwrap_or_default()
}

#[derive(serde::Serialize)]
struct Success {
    status: &'static str,
    message: &'static str,
    data: Shown,
}

#[derive(serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    data: Map<String, Value>,
    params: Option<Box<RawValue>>,
}

fn conflict_json(conflict: &Conflict) -> Value {
    json!({
        "pointer": conflict.pointer,
        "function_id": conflict.overwritten,
        "overwritten_by": conflict.kept,
    })
}

fn failure_json(record: &InvocationRecord) -> Value {
    json!({
        "function_id": record.task.function,
        "function_name": record.task.function_name,
        "task_id": record.task_id(),
        "invocation_id": record.id().number(),
        "kind": record.kind.map(FailureKind::name),
        "code": record.code,
        "duration_ms": record.duration_ms,
        "message": record.message,
    })
}

/// The first function that failed stands where the published shape has it, with `task_id` null as there.
fn failed(outcome: &PreOutcome) -> Value {
    let failures: Vec<Value> = outcome.failures().map(failure_json).collect();
    let mut data = failure_data(outcome);
    let first = outcome.failures().next();
    data.insert("function_id".to_owned(), json!(first.map(|first| first.task.function)));
    data.insert("function_name".to_owned(), json!(first.map(|first| &first.task.function_name)));
    data.insert("status".to_owned(), json!("error"));
    data.insert("task_id".to_owned(), Value::Null);
    data.insert("failures".to_owned(), json!(failures));
    let broken = &outcome.closed.broken;
    if !broken.is_empty() {
        let errors = broken.iter().map(|(pointer, detail)| json!({"pointer": pointer, "detail": detail}));
        data.insert("errors".to_owned(), errors.collect());
    }
    json!({
        "status": "error",
        "code": "EXECUTION_ERROR",
        "message": "Function execution failed",
        "data": data,
    })
}

fn cancelled(outcome: &PreOutcome) -> Value {
    json!({
        "status": "error",
        "code": "CANCELLED",
        "message": "Event was cancelled before its functions had answered",
        "data": failure_data(outcome),
    })
}

fn failure_data(outcome: &PreOutcome) -> Map<String, Value> {
    let event = &outcome.event;
    data_of(event.event_type().as_str(), event.id().as_str(), &outcome.tasks)
}
