//! `POST /events` and `POST /events/batch`: checks, one commit, one answer. A PRE event has an answer of its own.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body::{self, refuse_encoded};
use super::drafts;
use super::idempotency::{REPLAYED, commit_key, key_of};
use super::params::Params;
use super::problem::Problem;
use super::publish_pre::{self, Waits};
use crate::broker::{PublishError, Refusal};
use crate::log::{CommitKey, Committed, LogError};
use crate::model::{EventDraft, EventMode, Scope, TenantId, Violation};
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

/// What a publisher asks for, checked.
struct Asked {
    tenant: TenantId,
    form: Form,
    drafts: Vec<EventDraft>,
    key: Option<CommitKey>,
}

/// `POST /api/v1/events?wait=&deadline_ms=`
pub(crate) async fn one(
    request: HttpRequest,
    app: Data<App>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    Caller::of(&request, &app, Scope::EventsPublish)?;
    let waits = Waits::read(&Params::read(request.query_string(), &["wait", "deadline_ms"])?)?;
    let mut asked = read(&request, &app, payload, single_form, "POST /events").await?;
    let pointer = pointer_to(asked.form, 0, "type");
    if is_pre(&app, &asked, &asked.drafts[0]) {
        let draft = asked.drafts.swap_remove(0);
        let answered = publish_pre::answer(&app, asked.tenant, draft, asked.key, waits).await;
        return answered.map_err(|error| refusal(asked.form, error));
    }
    waits.refuse_for(&pointer, asked.drafts[0].event_type.as_str())?;
    let committed = commit(&app, asked).await?;
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
    Caller::of(&request, &app, Scope::EventsPublish)?;
    Params::read(request.query_string(), &[])?;
    let asked = read(&request, &app, payload, batch_form, "POST /events/batch").await?;
    refuse_pre(&app, &asked)?;
    let committed = commit(&app, asked).await?;
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

async fn read(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
    form_of: fn(&HttpRequest) -> Result<Form, Problem>,
    route: &'static str,
) -> Result<Asked, Problem> {
    let tenant = Caller::of(request, app, Scope::EventsPublish)?.tenant();
    refuse_encoded(request)?;
    let form = form_of(request)?;
    let key = key_of(request)?;
    let cause = publish_pre::cause_of(request, app)?;
    let body = body::read(request, app, payload).await?;
    let mut drafts = read_drafts(form, request, &body)?;
    for draft in &mut drafts {
        cause
            .iter()
            .try_for_each(|cause| cause.write(draft))
            .map_err(|broken| Problem::invalid(vec![broken]))?;
    }
    let key = key.map(|key| commit_key(&key, route, request, &body, app.broker.secrets()));
    Ok(Asked { tenant, form, drafts, key })
}

async fn commit(app: &App, asked: Asked) -> Result<Committed, Problem> {
    let committed = app.broker.commit_events(asked.tenant, asked.drafts, asked.key).await;
    committed.map_err(|error| refusal(asked.form, error))
}

fn refusal(form: Form, error: PublishError) -> Problem {
    match error {
        PublishError::Log(LogError::IdTaken { index, .. }) => {
            Problem::id_taken(&pointer_to(form, index, "id"), &error.to_string())
        }
        PublishError::Refused(refusals) => {
            Problem::invalid(refusals.into_iter().map(|one| placed(form, one)).collect())
        }
        other => other.into(),
    }
}

fn is_pre(app: &App, asked: &Asked, draft: &EventDraft) -> bool {
    app.broker.event_mode(asked.tenant, draft.event_type.as_str()) == EventMode::Pre
}

/// A PRE event asks before something happens: it stands for itself, and not among what has happened.
fn refuse_pre(app: &App, asked: &Asked) -> Result<(), Problem> {
    let of_pre = asked.drafts.iter().enumerate().filter(|(_, draft)| is_pre(app, asked, draft)).take(100);
    let broken: Vec<Violation> = of_pre
        .map(|(index, draft)| {
            let detail = format!("{} is a PRE event: it is published alone", draft.event_type);
            Violation::new(pointer_to(asked.form, index, "type"), detail).with_code("pre_in_batch")
        })
        .collect();
    if broken.is_empty() { Ok(()) } else { Err(Problem::invalid(broken)) }
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
    let has_attributes = request.headers().keys().any(|name| name.as_str().starts_with("ce-"));
    if has_attributes && !request.headers().contains_key(CONTENT_TYPE) {
        // An event without data has no type of data.
        return Ok(Form::Binary);
    }
    let media_type = body::media_type(request)?;
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

/// A broken rule of one of the events, as a rule of the document.
fn placed(form: Form, refusal: Refusal) -> Violation {
    let place = pointer_to(form, refusal.index, "");
    refusal.violation.under(place.trim_end_matches('/'))
}
