//! `POST /events` and `POST /events/batch`: checks, one commit, one answer.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body::{self, refuse_encoded};
use super::drafts;
use super::idempotency::{REPLAYED, commit_key, key_of};
use super::params::Params;
use super::problem::Problem;
use crate::broker::PublishError;
use crate::config::UnknownTypes;
use crate::log::{Committed, LogError};
use crate::model::{EventDraft, Scope, Violation};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

/// How the events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    Batch,
    Lines,
    Structured,
    StructuredBatch,
    Binary,
}

/// `POST /api/v1/events`
pub(crate) async fn one(
    request: HttpRequest,
    app: Data<App>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let committed = publish(&request, &app, payload, single_form, "POST /events").await?;
    let event = committed.events.first().ok_or_else(Problem::draining)?;
    let mut out = Vec::with_capacity(event.envelope().len() + 40);
    event.push_with_sequence(&mut out);
    let mut answer = answer_to(&committed);
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/events/{}", event.id())) {
        answer.insert_header((LOCATION, location));
    }
    Ok(answer.body(out))
}

/// `POST /api/v1/events/batch`
pub(crate) async fn many(
    request: HttpRequest,
    app: Data<App>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let committed = publish(&request, &app, payload, batch_form, "POST /events/batch").await?;
    let mut out = Vec::with_capacity(committed.events.len() * 70 + 16);
    out.extend_from_slice(br#"{"events":["#);
    for (at, event) in committed.events.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let row = format!(r#"{comma}{{"id":"{}","sequence":{}}}"#, event.id(), event.sequence());
        out.extend_from_slice(row.as_bytes());
    }
    out.extend_from_slice(b"]}");
    Ok(answer_to(&committed).body(out))
}

/// 201 when something new was stored, 200 when all of it was there already; a repeated request repeats its answer.
fn answer_to(committed: &Committed) -> actix_web::HttpResponseBuilder {
    let is_new = committed.fresh.contains(&true);
    let mut answer = HttpResponse::build(if is_new { StatusCode::CREATED } else { StatusCode::OK });
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    if committed.replayed {
        answer.insert_header(REPLAYED);
    }
    answer
}

async fn publish(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
    form_of: fn(&HttpRequest) -> Result<Form, Problem>,
    route: &'static str,
) -> Result<Committed, Problem> {
    let config = app.broker.config();
    let caller = Caller::of(request, app, Scope::EventsPublish)?;
    Params::read(request.query_string(), &[])?;
    refuse_encoded(request)?;
    let form = form_of(request)?;
    let key = key_of(request)?;
    let body = body::read(request, app, payload).await?;
    let drafts = read_drafts(form, request, &body)?;
    if config.events.unknown_types == Some(UnknownTypes::Reject) {
        refuse_unknown(form, &drafts)?;
    }
    let key = key.map(|key| commit_key(&key, route, request, &body));
    let committed = app.broker.commit_events(caller.tenant(), drafts, key).await;
    committed.map_err(|error| match error {
        PublishError::Log(LogError::IdTaken { index, .. }) => {
            Problem::id_taken(&pointer_to(form, index, "id"), &error.to_string())
        }
        other => other.into(),
    })
}

fn read_drafts(form: Form, request: &HttpRequest, body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    match form {
        Form::Single => drafts::read_single(body).map(|draft| vec![draft]),
        Form::Batch => drafts::read_batch(body),
        Form::Lines => drafts::read_lines(body),
        Form::Structured => drafts::read_structured(body).map(|draft| vec![draft]),
        Form::StructuredBatch => drafts::read_structured_batch(body),
        Form::Binary => drafts::read_binary(request.headers(), body).map(|draft| vec![draft]),
    }
}

fn single_form(request: &HttpRequest) -> Result<Form, Problem> {
    let media_type = body::media_type(request)?;
    let has_attributes = request.headers().keys().any(|name| name.as_str().starts_with("ce-"));
    let is = |name: &str| media_type.eq_ignore_ascii_case(name);
    match has_attributes {
        true if is("application/cloudevents+json") => Err(both_modes()),
        true if drafts::is_json(media_type) => Ok(Form::Binary),
        false if is("application/json") => Ok(Form::Single),
        false if is("application/cloudevents+json") => Ok(Form::Structured),
        _ => Err(Problem::unsupported_media_type(
            "send application/json or application/cloudevents+json; batches go to /events/batch",
        )),
    }
}

fn batch_form(request: &HttpRequest) -> Result<Form, Problem> {
    let media_type = body::media_type(request)?;
    if request.headers().keys().any(|name| name.as_str().starts_with("ce-")) {
        return Err(both_modes());
    }
    let is = |name: &str| media_type.eq_ignore_ascii_case(name);
    if is("application/json") {
        Ok(Form::Batch)
    } else if is("application/x-ndjson") {
        Ok(Form::Lines)
    } else if is("application/cloudevents-batch+json") {
        Ok(Form::StructuredBatch)
    } else {
        let known = "send application/json, application/x-ndjson or application/cloudevents-batch+json";
        Err(Problem::unsupported_media_type(known))
    }
}

fn both_modes() -> Problem {
    let detail = "ce- headers belong to a single event in binary mode: leave them out of structured bodies and batches";
    Problem::malformed("ambiguous_event", detail)
}

/// Where a member of one of the events stands in the document.
fn pointer_to(form: Form, index: usize, member: &str) -> String {
    match form {
        Form::Single | Form::Structured | Form::Binary => format!("/{member}"),
        Form::Batch | Form::Lines => format!("/events/{index}/{member}"),
        Form::StructuredBatch => format!("/{index}/{member}"),
    }
}

/// No type is known to this broker by itself: a catalog makes some known.
fn refuse_unknown(form: Form, drafts: &[EventDraft]) -> Result<(), Problem> {
    let unknown = drafts.iter().enumerate().take(100).map(|(index, draft)| {
        let detail = format!("the event type {} is in no catalog", draft.event_type);
        Violation::new(pointer_to(form, index, "type"), detail).with_code("unknown_type")
    });
    let unknown: Vec<Violation> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(Problem::invalid(unknown)) }
}
