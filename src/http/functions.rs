//! `/apps` and `/functions`.

pub(super) mod api;

use super::App as Shared;
use super::auth::Caller;
use super::body;
use super::params::Params;
use super::problem::Problem;
use crate::broker::FunctionError;
use crate::model::{App, Function, FunctionBook, Scope, Target, TenantId};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// `GET /apps`.
pub(crate) async fn list_apps(request: HttpRequest, app: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsRead)?;
    let params = Params::read(request.query_string(), &["limit", "cursor"])?;
    let book = app.broker.function_book();
    let rows = book.apps_of(caller.tenant()).map(|one| (padded(one.id), app_json(one)));
    super::keys::page(&request, &params, rows, is_padded)
}

/// `POST /apps` `{"name", "slug"?}`.
pub(crate) async fn create_app(
    request: HttpRequest,
    app: web::Data<Shared>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    let body = body::object(&request, &app, payload).await?;
    let made = app.broker.create_app(caller.tenant(), body).await?;
    let location = format!("/api/v1/apps/{}", made.slug);
    Ok(HttpResponse::Created().insert_header(("location", location)).json(app_json(&made)))
}

/// `GET /apps/{slug}`.
pub(crate) async fn show_app(request: HttpRequest, app: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsRead)?;
    let found = app.broker.app(caller.tenant(), request.match_info().query("slug"))?;
    Ok(HttpResponse::Ok().json(app_json(&found)))
}

/// `PATCH /apps/{slug}`.
pub(crate) async fn change_app(
    request: HttpRequest,
    app: web::Data<Shared>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    let body = body::object(&request, &app, payload).await?;
    let slug = request.match_info().query("slug");
    let changed = app.broker.change_app(caller.tenant(), slug, body).await?;
    Ok(HttpResponse::Ok().json(app_json(&changed)))
}

/// `DELETE /apps/{slug}`.
pub(crate) async fn remove_app(
    request: HttpRequest,
    app: web::Data<Shared>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    app.broker.remove_app(caller.tenant(), request.match_info().query("slug")).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /functions`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsRead)?;
    let params = Params::read(request.query_string(), &["limit", "cursor", "app"])?;
    let book = app.broker.function_book();
    let tenant = caller.tenant();
    let of_app = params.text("app").map(|slug| book.app_of_slug(tenant, slug).map_or(0, |app| app.id));
    let wanted = book.functions_of(tenant).filter(|one| of_app.is_none_or(|app| app == one.app));
    let rows = wanted.map(|one| (padded(one.id), function_json(&book, one)));
    super::keys::page(&request, &params, rows, is_padded)
}

/// `POST /functions`: the only answer with the secret.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<Shared>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    let body = body::object(&request, &app, payload).await?;
    let made = app.broker.create_function(caller.tenant(), body).await?;
    let mut answer = function_json(&app.broker.function_book(), &made.function);
    answer["secret"] = json!(made.secret);
    let location = format!("/api/v1/functions/{}", made.function.id);
    let mut response = HttpResponse::Created();
    Ok(response
        .insert_header(("location", location))
        .insert_header(("cache-control", "no-store"))
        .json(answer))
}

/// `GET /functions/{id}`.
pub(crate) async fn show(request: HttpRequest, app: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsRead)?;
    let found = app.broker.function_of(caller.tenant(), id_of(&request)?)?;
    Ok(HttpResponse::Ok().json(function_json(&app.broker.function_book(), &found)))
}

/// `PATCH /functions/{id}`.
pub(crate) async fn change(
    request: HttpRequest,
    app: web::Data<Shared>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    let id = id_of(&request)?;
    let body = body::object(&request, &app, payload).await?;
    let changed = app.broker.change_function(caller.tenant(), id, body).await?;
    Ok(HttpResponse::Ok().json(function_json(&app.broker.function_book(), &changed)))
}

/// `DELETE /functions/{id}`: its subscriptions go with it.
pub(crate) async fn remove(request: HttpRequest, app: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::FunctionsWrite)?;
    app.broker.remove_function(caller.tenant(), id_of(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn id_of(request: &HttpRequest) -> Result<u64, Problem> {
    let id = crate::model::Sequence::parse(request.match_info().query("id"));
    id.map(|id| id.0).ok_or_else(|| FunctionError::NoFunction.into())
}

/// A number whose order as text is its order as number.
fn padded(id: u64) -> String {
    format!("{id:020}")
}

fn is_padded(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn app_json(app: &App) -> Value {
    json!({
        "id": app.id,
        "slug": app.slug,
        "name": app.name,
        "created_at": app.created_at,
        "updated_at": app.updated_at,
    })
}

fn function_json(book: &FunctionBook, function: &Function) -> Value {
    let (kind, url) = match &function.target {
        Target::Http { url } => ("http", Some(url)),
        Target::InProcess => ("in_process", None),
    };
    json!({
        "id": function.id,
        "name": function.name,
        "slug": function.slug,
        "app": app_of(book, function.tenant, function.app),
        "kind": kind,
        "url": url,
        "timeout_ms": function.timeout_ms,
        "retry": function.retry,
        "created_at": function.created_at,
        "updated_at": function.updated_at,
    })
}

fn app_of(book: &FunctionBook, tenant: TenantId, id: u64) -> Value {
    let app = book.apps.get(&(tenant, id));
    app.map_or(Value::Null, |app| json!({"id": app.id, "slug": app.slug, "name": app.name}))
}

impl From<FunctionError> for Problem {
    fn from(error: FunctionError) -> Self {
        let detail = error.to_string();
        match error {
            FunctionError::NoApp
            | FunctionError::NoFunction
            | FunctionError::NoInvocation
            | FunctionError::NotSubscribed { .. } => Self::not_found(detail),
            FunctionError::FunctionDoesNotExist(_)
            | FunctionError::InvalidEventType { .. }
            | FunctionError::AlreadySubscribed { .. } => Self::bad_request(detail),
            FunctionError::Invalid(violations) => Self::invalid(violations),
            FunctionError::NotRetryable(_) => Self::new(StatusCode::CONFLICT, "not_retryable", detail),
            FunctionError::AppInUse(_) => Self::new(StatusCode::CONFLICT, "in_use", detail),
            FunctionError::TooMany { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many", detail),
            FunctionError::Log(error) => error.into(),
        }
    }
}
