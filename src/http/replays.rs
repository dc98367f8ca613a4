//! Replays of destinations, and trying a filter on the stored log.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::destinations::id_of;
use super::params::Params;
use super::problem::Problem;
use crate::broker::{ReplayAnswer, ReplayProgress};
use crate::model::{DestinationId, ReplayId, Scope, StoredEvent};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// `POST /destinations/{id}/replay`: 202 with the replay; with `"dry_run": true` 200 with how many it would send.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    Params::read(request.query_string(), &[])?;
    let id = id_of(&request)?;
    let members = body::optional_object(&request, &app, payload).await?;
    match app.broker.replay(caller.tenant(), id, members).await? {
        ReplayAnswer::Counted(total) => {
            let answer = json!({"dry_run": true, "destination_id": id, "total": total});
            Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
        }
        ReplayAnswer::Made(progress) => {
            let location = format!("/api/v1/replays/{}", progress.replay.id);
            let mut answer = HttpResponse::Accepted();
            answer.insert_header(("location", location)).insert_header(("cache-control", "no-store"));
            Ok(answer.json(shown(&progress)))
        }
    }
}

/// `GET /replays?destination_id=`: newest first.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    let params = Params::read(request.query_string(), &["destination_id", "limit", "cursor"])?;
    let of = params.parsed("destination_id", "a destination's id", |text| DestinationId::parse(text).ok())?;
    let before = params.parsed("cursor", "a next_cursor of this list", |text| ReplayId::parse(text).ok())?;
    let limit = params.whole("limit", 1..=1000)?.unwrap_or(100) as usize;
    let all = app.broker.replays(caller.tenant(), of);
    let mut wanted = all.into_iter().filter(|one| before.is_none_or(|before| one.replay.id < before));
    let page: Vec<ReplayProgress> = wanted.by_ref().take(limit).collect();
    let next = wanted.next().and(page.last()).map(|last| last.replay.id.to_string());
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("cache-control", "no-store"));
    if let Some(next) = &next {
        answer.insert_header(("link", super::poll::next_link(&request, next)));
    }
    let data: Vec<Value> = page.iter().map(shown).collect();
    Ok(answer.json(json!({"data": data, "has_more": next.is_some(), "next_cursor": next})))
}

/// `GET /replays/{id}`: how far it is.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    Params::read(request.query_string(), &[])?;
    let progress = app.broker.show_replay(caller.tenant(), replay_of(&request)?)?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(shown(&progress)))
}

/// `DELETE /replays/{id}`: stops it.
pub(crate) async fn stop(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    Params::read(request.query_string(), &[])?;
    app.broker.stop_replay(caller.tenant(), replay_of(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /filters/dry-run`: how many stored events a filter would have caught, and the first 20 of them.
pub(crate) async fn dry_run(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::EventsRead)?;
    Params::read(request.query_string(), &[])?;
    let members = body::optional_object(&request, &app, payload).await?;
    let run = app.broker.dry_run(caller.tenant(), members).await?;
    let mut out = br#"{"events":["#.to_vec();
    for (index, event) in run.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        StoredEvent::push_with_sequence(event, &mut out);
    }
    let (count, complete, scanned_to) = (run.count, run.is_complete, run.scanned_to);
    let rest = format!(r#"],"count":{count},"complete":{complete},"scanned_to":"{scanned_to}"}}"#);
    out.extend_from_slice(rest.as_bytes());
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("content-type", "application/json")).insert_header(("cache-control", "no-store"));
    Ok(answer.body(out))
}

fn replay_of(request: &HttpRequest) -> Result<ReplayId, Problem> {
    let missing = |_| Problem::not_found("there is no such replay");
    ReplayId::parse(request.match_info().query("id")).map_err(missing)
}

fn shown(progress: &ReplayProgress) -> Value {
    let (one, tally) = (&progress.replay, progress.tally);
    json!({
        "id": one.id,
        "destination_id": one.destination,
        "status": one.status,
        "since": one.since,
        "until": one.until,
        "types": one.types,
        "only": one.only,
        "rate_per_s": one.rate_per_s,
        "total": one.total,
        "done": tally.delivered,
        "failed": tally.failed,
        "waiting": tally.waiting,
        "created_at": one.created_at,
        "ended_at": one.ended_at,
    })
}
