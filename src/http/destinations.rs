//! `/destinations`.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::destination_json as json_of;
use super::params::Params;
use super::problem::Problem;
use crate::broker::Backlog;
use crate::model::{Destination, DestinationId, Scope, Violation};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

/// `GET /destinations`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    let params = Params::read(request.query_string(), &["limit", "cursor"])?;
    let limit = params.whole("limit", 1..=1000)?.unwrap_or(100) as usize;
    let cursor = params.text("cursor").unwrap_or_default().to_owned();
    let all = app.broker.destinations(caller.tenant());
    let mut rows = Vec::new();
    for one in all.iter().filter(|one| one.id.to_string() > cursor).take(limit + 1) {
        rows.push((one.id.to_string(), shown(&app, one).await?));
    }
    super::keys::page(&request, &params, rows.into_iter(), |text| DestinationId::parse(text).is_ok())
}

/// `POST /destinations`: the only answer with the secret.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    let body = body::object(&request, &app, payload).await?;
    let created = app.broker.create_destination(caller.tenant(), body).await?;
    let mut answer = shown(&app, &created.destination).await?;
    answer["secret"] = json!(created.secret);
    let location = format!("/api/v1/destinations/{}", created.destination.id);
    let mut response = HttpResponse::Created();
    Ok(response
        .insert_header(("location", location))
        .insert_header(("cache-control", "no-store"))
        .json(answer))
}

/// `GET /destinations/{id}`.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsRead)?;
    let destination = app.broker.destination(caller.tenant(), id_of(&request)?)?;
    Ok(HttpResponse::Ok().json(shown(&app, &destination).await?))
}

/// `PATCH /destinations/{id}`.
pub(crate) async fn change(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    let id = id_of(&request)?;
    let body = body::object(&request, &app, payload).await?;
    let destination = app.broker.change_destination(caller.tenant(), id, body).await?;
    Ok(HttpResponse::Ok().json(shown(&app, &destination).await?))
}

/// `DELETE /destinations/{id}`.
pub(crate) async fn remove(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    app.broker.remove_destination(caller.tenant(), id_of(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /destinations/{id}/verify`: asks the endpoint once, now; 200 with the destination and what came of it.
pub(crate) async fn verify(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    refuse_members(body::optional_object(&request, &app, payload).await?, &[])?;
    let verified = app.broker.verify_destination(caller.tenant(), id_of(&request)?).await?;
    let mut answer = shown(&app, &verified.destination).await?;
    answer["attempt"] = json_of::verification(verified.consented, &verified.answer);
    Ok(HttpResponse::Ok().json(answer))
}

/// `POST /destinations/{id}/rotate-secret`, with `{"overlap_s": n, "secret": "..."}`, part of it or nothing: the only
/// answer with the new secret.
pub(crate) async fn rotate_secret(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    Params::read(request.query_string(), &[])?;
    let id = id_of(&request)?;
    let body = body::optional_object(&request, &app, payload).await?;
    let rotated = app.broker.rotate_secret(caller.tenant(), id, body).await?;
    let mut answer = shown(&app, &rotated.destination).await?;
    answer["secret"] = json!(rotated.secret);
    answer["overlap_until"] = json!(rotated.overlap_until);
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// `POST /destinations/{id}/test`, with `{"type": "..."}` or nothing: sends one signed sample now; 200 whatever the endpoint
/// answered.
pub(crate) async fn test(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    Params::read(request.query_string(), &[])?;
    let id = id_of(&request)?;
    let body = body::optional_object(&request, &app, payload).await?;
    let trial = app.broker.try_destination(caller.tenant(), id, body).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json_of::trial(&trial)))
}

/// `POST /destinations/test`: the same for a URL that is not saved.
pub(crate) async fn test_url(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    Params::read(request.query_string(), &[])?;
    let body = body::object(&request, &app, payload).await?;
    let trial = app.broker.try_url(caller.tenant(), body).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json_of::trial(&trial)))
}

/// `POST /destinations/{id}/activate`, with `{"backlog": "send"|"skip"}` or nothing.
pub(crate) async fn activate(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    let id = id_of(&request)?;
    let members = body::optional_object(&request, &app, payload).await?;
    let backlog = match members.get("backlog") {
        None => Backlog::default(),
        Some(value) if value == "send" => Backlog::Send,
        Some(value) if value == "skip" => Backlog::Skip,
        Some(_) => return Err(Violation::new("/backlog", "send or skip").into()),
    };
    refuse_members(members, &["backlog"])?;
    let destination = app.broker.activate_destination(caller.tenant(), id, backlog).await?;
    Ok(HttpResponse::Ok().json(shown(&app, &destination).await?))
}

/// `POST /destinations/{id}/deactivate`.
pub(crate) async fn deactivate(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::DestinationsWrite)?;
    refuse_members(body::optional_object(&request, &app, payload).await?, &[])?;
    let destination = app.broker.deactivate_destination(caller.tenant(), id_of(&request)?).await?;
    Ok(HttpResponse::Ok().json(shown(&app, &destination).await?))
}

async fn shown(app: &App, destination: &Destination) -> Result<Value, Problem> {
    Ok(app.broker.shown(destination).await?)
}

/// Refuses the members of a body that nobody asked for.
pub(super) fn refuse_members(members: Map<String, Value>, known: &[&str]) -> Result<(), Problem> {
    let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
    let violation =
        |name: &String| Violation::new(format!("/{}", Violation::escape(name)), "there is no such member");
    let violations: Vec<Violation> = unknown.map(violation).collect();
    if violations.is_empty() { Ok(()) } else { Err(Problem::invalid(violations)) }
}

pub(super) fn id_of(request: &HttpRequest) -> Result<DestinationId, Problem> {
    let missing = |_| Problem::not_found("there is no such destination");
    DestinationId::parse(request.match_info().query("id")).map_err(missing)
}
