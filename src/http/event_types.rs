//! `/event-types`: what events there are, what their data must be, and examples of them.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::params::Params;
use super::problem::Problem;
use crate::broker::EventTypeError;
use crate::clock;
use crate::model::{BodyFormat, EventMode, EventType, EventTypeDefinition, Scope, Timestamp};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// An event type as it is shown: schema and sample as they were written.
#[derive(Serialize)]
struct Shown {
    name: String,
    description: String,
    mode: EventMode,
    catalog: Option<String>,
    schema: Option<Box<RawValue>>,
    sample: Option<Box<RawValue>>,
    format: Option<BodyFormat>,
    deprecated: bool,
}

impl Shown {
    fn of(one: &EventTypeDefinition) -> Self {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).ok();
        Self {
            name: one.name.as_str().to_owned(),
            description: one.description.clone(),
            mode: one.mode,
            catalog: one.catalog.clone(),
            schema: one.schema.as_ref().and_then(|schema| raw(schema.as_str())),
            sample: one.sample.as_ref().and_then(|sample| raw(&sample.data)),
            format: one.format,
            deprecated: one.deprecated,
        }
    }
}

/// `GET /event-types`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = reader(&request, &app)?;
    let params = Params::read(request.query_string(), &["limit", "cursor"])?;
    let types = app.broker.event_types(caller.tenant());
    let rows = types.values().map(|one| (one.name.as_str().to_owned(), Shown::of(one)));
    super::keys::page(&request, &params, rows, |text| EventType::parse(text).is_ok())
}

/// `GET /event-types/{name}`.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Shown::of(&*named(&request, &app)?)))
}

/// `GET /event-types/{name}/sample`: a valid event of the type.
pub(crate) async fn sample(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let found = named(&request, &app)?;
    let event = found.sample_event(Timestamp::from(clock::now())).ok_or_else(|| {
        Problem::not_found("no sample follows from the schema of this type: put one with its definition")
    })?;
    Ok(HttpResponse::Ok().content_type("application/json").body(event))
}

/// `PUT /event-types/{name}`: 201 when the tenant had none of its own under this name.
pub(crate) async fn put(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::Admin)?;
    Params::read(request.query_string(), &[])?;
    let body = body::scanned(&request, &app, payload).await?;
    let put = app.broker.put_event_type(caller.tenant(), name_of(&request), &body).await?;
    let status = if put.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(Shown::of(&put.definition)))
}

/// `DELETE /event-types/{name}`.
pub(crate) async fn remove(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::Admin)?;
    Params::read(request.query_string(), &[])?;
    app.broker.remove_event_type(caller.tenant(), name_of(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who reads events may know their types, and so may who publishes them.
fn reader(request: &HttpRequest, app: &App) -> Result<Caller, Problem> {
    let caller = Caller::authenticate(request, app)?;
    if !caller.key.scopes.allow(Scope::EventsPublish) {
        caller.require(Scope::EventsRead)?;
    }
    Ok(caller)
}

fn named(request: &HttpRequest, app: &App) -> Result<Arc<EventTypeDefinition>, Problem> {
    let caller = reader(request, app)?;
    Params::read(request.query_string(), &[])?;
    let found = app.broker.event_type(caller.tenant(), name_of(request));
    found.ok_or_else(|| EventTypeError::NotFound.into())
}

fn name_of(request: &HttpRequest) -> &str {
    request.match_info().query("name")
}

impl From<EventTypeError> for Problem {
    fn from(error: EventTypeError) -> Self {
        let detail = error.to_string();
        match error {
            EventTypeError::NotFound => Self::not_found(detail),
            EventTypeError::Shipped { .. } => Self::new(StatusCode::CONFLICT, "shipped", detail),
            EventTypeError::InUse(_) => Self::new(StatusCode::CONFLICT, "in_use", detail),
            EventTypeError::Invalid(violations) => Self::invalid(violations),
            EventTypeError::TooMany(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many", detail),
            EventTypeError::Log(error) => error.into(),
        }
    }
}
