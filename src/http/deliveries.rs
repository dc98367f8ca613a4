//! The delivery log: a destination's deliveries, one with every attempt, sending it again, a destination's figures.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::destinations::id_of;
use super::params::Params;
use super::problem::Problem;
use crate::broker::{Delivery, DeliveryAsk, DeliverySummary};
use crate::model::{AttemptRecord, DeliveryStatus, EventNote, Scope, Sequence, Timestamp, Verdict};
use crate::webhook::headers::{parse_delivery_id, sent_with};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

/// `GET /destinations/{id}/deliveries?status=&type=&since=&until=`: newest event first.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    let known = ["status", "type", "since", "until", "limit", "cursor"];
    let params = Params::read(request.query_string(), &known)?;
    let below = params.parsed("cursor", "a next_cursor of this list", Sequence::parse)?;
    let ask = DeliveryAsk {
        statuses: statuses(&params)?,
        filter: params.filter()?,
        below: below.unwrap_or(Sequence(u64::MAX)),
        limit: params.whole("limit", 1..=1000)?.unwrap_or(100) as usize,
    };
    let page = app.broker.delivery_page(caller.tenant(), id_of(&request)?, ask).await?;
    let next = page.next.map(|place| place.to_string());
    let data: Vec<Value> = page.deliveries.iter().map(summary).collect();
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("cache-control", "no-store"));
    if let Some(next) = &next {
        answer.insert_header(("link", super::poll::next_link(&request, next)));
    }
    Ok(answer.json(json!({"data": data, "has_more": next.is_some(), "next_cursor": next})))
}

fn statuses(params: &Params) -> Result<Vec<DeliveryStatus>, Problem> {
    let Some(text) = params.text("status") else { return Ok(Vec::new()) };
    let read = |name: &str| {
        let wrong = || {
            let known = DeliveryStatus::ALL.map(|(_, name)| name).join(", ");
            Problem::bad_request(format!("status is one or more of {known}, separated by commas"))
        };
        DeliveryStatus::parse(name).ok_or_else(wrong)
    };
    text.split(',').map(read).collect()
}

/// `GET /events/{id}/deliveries`.
pub(crate) async fn of_event(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    let params = Params::read(request.query_string(), &["limit", "cursor"])?;
    let event = super::poll::find(&app, caller.tenant(), request.match_info().query("id")).await?;
    let deliveries = app.broker.deliveries_of(caller.tenant(), &event).await?;
    let rows = deliveries.iter().map(|one| (one.id(), whole(one)));
    super::keys::page(&request, &params, rows, |text| parse_delivery_id(text).is_some())
}

/// `GET /deliveries/{id}`: one with every attempt.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    Params::read(request.query_string(), &[])?;
    let delivery = app.broker.delivery(caller.tenant(), request.match_info().query("id")).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(whole(&delivery)))
}

/// `POST /deliveries/{id}/resend`: again now; 202 with the delivery.
pub(crate) async fn resend(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    Params::read(request.query_string(), &[])?;
    super::destinations::refuse_members(super::body::optional_object(&request, &app, payload).await?, &[])?;
    let delivery = app.broker.resend(caller.tenant(), request.match_info().query("id")).await?;
    Ok(HttpResponse::Accepted().insert_header(("cache-control", "no-store")).json(whole(&delivery)))
}

/// `GET /destinations/{id}/stats`.
pub(crate) async fn stats(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    Params::read(request.query_string(), &[])?;
    let stats = app.broker.destination_stats(caller.tenant(), id_of(&request)?).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(stats))
}

fn summary(one: &DeliverySummary) -> Value {
    let last = one.last_attempt.as_ref();
    json!({
        "id": one.id(),
        "event_id": one.event.as_ref().map(|event| &event.id),
        "event_type": one.event.as_ref().map(|event| &event.event_type),
        "timestamp": one.event.as_ref().map(|event| event.timestamp),
        "sequence": one.sequence,
        "destination_id": one.destination,
        "status": one.status,
        "attempts": one.attempts,
        "next_attempt_at": one.next_attempt_at.map(Timestamp::from),
        "last_attempt": last.map(|last| json!({
            "at": Timestamp::from(last.at),
            "latency_ms": last.latency_ms,
            "status": last.status,
            "error": last.error,
        })),
    })
}

/// A delivery with its attempts.
fn whole(one: &Delivery) -> Value {
    let event = one.event.as_ref();
    json!({
        "id": one.id(),
        "event_id": event.map(|event: &EventNote| &event.id),
        "event_type": event.map(|event| &event.event_type),
        "timestamp": event.map(|event| event.timestamp),
        "sequence": one.sequence,
        "destination_id": one.destination.id,
        "status": one.status,
        "next_attempt_at": one.next_attempt_at.map(Timestamp::from),
        "attempts": one.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn attempt(one: &AttemptRecord) -> Value {
    let next_attempt_at = match one.verdict {
        Verdict::Retry { at } => Some(Timestamp::from(at)),
        _ => None,
    };
    json!({
        "attempt": one.attempt,
        "at": Timestamp::from(one.at),
        "latency_ms": one.latency_ms,
        "status": one.status,
        "error": one.error,
        "next_attempt_at": next_attempt_at,
        "replay_id": one.request.replay,
        "request": { "headers": object(sent_with(one)) },
        "response": {
            "headers": object(one.response_headers.clone()),
            "body": one.response_body,
        },
    })
}

/// Headers as an object; those that stand more than once are joined as HTTP joins them.
pub(super) fn object(headers: Vec<(String, String)>) -> Map<String, Value> {
    let mut members: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let joined = match members.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value,
        };
        members.insert(name, Value::String(joined));
    }
    members
}
