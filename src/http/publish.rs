//! `POST /events` and `/events/batch`: in JSON, in lines, and as CloudEvents.

use super::auth::Caller;
use super::body::{self, media_type};
use super::params::Params;
use super::problem::Problem;
use super::{App, cloudevents, drafts};
use crate::config::UnknownTypes;
use crate::log::{CommitKey, Committed};
use crate::model::{EventDraft, Scope, Violation};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sha2::{Digest, Sha256};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// `POST /events`.
pub(crate) async fn one(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::EventsPublish)?;
    Params::read(request.query_string(), &[])?;
    let key = idempotency_key(&request)?;
    let body = body::read(&request, &app, payload).await?;
    let media_type = media_type(&request);
    let is_binary = cloudevents::is_binary(request.headers());
    let draft = match media_type.as_str() {
        "application/json" if is_binary => cloudevents::binary(request.headers(), &body)?,
        "application/json" => drafts::single(&body)?,
        "application/cloudevents+json" if is_binary => {
            return Err(Problem::bad_request("a CloudEvent is either structured or binary, not both"));
        }
        "application/cloudevents+json" => cloudevents::structured(&body)?,
        "" if is_binary => cloudevents::binary(request.headers(), &body)?,
        _ => return Err(Problem::unsupported_media_type("application/json or application/cloudevents+json")),
    };
    let key = key.map(|name| commit_key(&name, &request, &media_type, &body));
    let committed = commit(&app, &caller, vec![draft], key).await?;
    let mut out = Vec::with_capacity(body.len() + 200);
    let status = match committed.events.first() {
        Some(event) => {
            event.push_with_sequence(&mut out);
            if committed.fresh == [true] { StatusCode::CREATED } else { StatusCode::OK }
        }
        None => StatusCode::OK,
    };
    let mut response = answer(status, &committed);
    if let Some(event) = committed.events.first() {
        response.insert_header(("location", format!("/api/v1/events/{}", event.id())));
    }
    Ok(response.body(out))
}

/// `POST /events/batch`.
pub(crate) async fn many(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::EventsPublish)?;
    Params::read(request.query_string(), &[])?;
    let key = idempotency_key(&request)?;
    let body = body::read(&request, &app, payload).await?;
    let media_type = media_type(&request);
    let drafts = match media_type.as_str() {
        "application/json" => drafts::batch(&body)?,
        "application/x-ndjson" => drafts::lines(&body)?,
        "application/cloudevents-batch+json" => cloudevents::batch(&body)?,
        _ => {
            return Err(Problem::unsupported_media_type(
                "application/json, application/x-ndjson or application/cloudevents-batch+json",
            ));
        }
    };
    let key = key.map(|name| commit_key(&name, &request, &media_type, &body));
    let committed = commit(&app, &caller, drafts, key).await?;
    let mut out = Vec::with_capacity(committed.events.len() * 64 + 16);
    out.extend_from_slice(br#"{"events":["#);
    for (index, event) in committed.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(
            format!(r#"{{"id":"{}","sequence":{}}}"#, event.id(), event.sequence()).as_bytes(),
        );
    }
    out.extend_from_slice(b"]}");
    let is_new = committed.fresh.contains(&true);
    Ok(answer(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &committed).body(out))
}

fn answer(status: StatusCode, committed: &Committed) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.content_type("application/json");
    if committed.replayed {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response
}

async fn commit(
    app: &App,
    caller: &Caller,
    drafts: Vec<EventDraft>,
    key: Option<CommitKey>,
) -> Result<Committed, Problem> {
    let events = &app.broker.config().events;
    if events.unknown_types == Some(UnknownTypes::Reject) {
        let detail = "this type is not known, and events.unknown_types is reject";
        let unknown = |index: usize| {
            let pointer =
                if drafts.len() == 1 { "/type".to_owned() } else { format!("/events/{index}/type") };
            Violation::new(pointer, detail).with_code("unknown_type")
        };
        return Err(Problem::invalid((0..drafts.len().min(20)).map(unknown).collect()));
    }
    let taken = |problem: crate::broker::PublishError| match problem {
        crate::broker::PublishError::Log(crate::log::LogError::IdTaken { index, id }) => {
            let detail = format!("another event has the id {id}");
            Problem::new(StatusCode::CONFLICT, "id_taken", detail).with_member("index", index)
        }
        other => other.into(),
    };
    app.broker.commit_events(caller.tenant(), drafts, key).await.map_err(taken)
}

/// The `Idempotency-Key`, bare or as the quoted string of the draft standard: both are the same key.
fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(only) = given.next() else { return Ok(None) };
    let refused = || Problem::bad_request("one Idempotency-Key of 1 to 255 visible ASCII characters");
    let text = only.to_str().map_err(|_| refused())?;
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=255).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits || given.next().is_some() {
        return Err(refused());
    }
    Ok(Some(bare.to_owned()))
}

/// A key belongs to its route, and to the content it was first used with.
fn commit_key(name: &str, request: &HttpRequest, media_type: &str, body: &Bytes) -> CommitKey {
    let mut content = Sha256::new().chain_update(media_type).chain_update([0]).chain_update(body);
    if cloudevents::is_binary(request.headers()) {
        let mut attributes: Vec<_> =
            request.headers().iter().filter(|(name, _)| name.as_str().starts_with("ce-")).collect();
        attributes.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        for (name, value) in attributes {
            content = content.chain_update([0]).chain_update(name.as_str()).chain_update([0]);
            content = content.chain_update(value.as_bytes());
        }
    }
    CommitKey { name: format!("{} {name}", request.path()), content: content.finalize().into() }
}
