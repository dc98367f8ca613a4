//! The cloud's event calls: which events there are, subscribing functions, who is subscribed. Paths, members,
//! messages and status codes are those of the published API, and every answer has its envelope, errors too.

pub(super) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::params::Params;
use super::problem::Problem;
use crate::broker::SubscribeOptions;
use crate::model::{EventMode, FunctionBook, OnError, PayloadFilter, Scope, Subscription, TenantId};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

/// `GET /api/cloud/events/`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    answer(listed(&request, &app))
}

fn listed(request: &HttpRequest, app: &App) -> Result<(String, Value), Problem> {
    let caller = Caller::of(request, app, Scope::FunctionsRead)?;
    Params::read(request.query_string(), &[])?;
    let types = app.broker.function_event_types(caller.tenant());
    let names: Vec<String> = types.into_iter().map(|(name, _)| name).collect();
    Ok(("Events retrieved successfully".to_owned(), json!({"events": names})))
}

/// `POST /api/cloud/events/{event}/subscribe/`.
pub(crate) async fn subscribe(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> HttpResponse {
    answer(subscribed(&request, &app, payload).await)
}

async fn subscribed(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
) -> Result<(String, Value), Problem> {
    let caller = Caller::of(request, app, Scope::FunctionsWrite)?;
    Params::read(request.query_string(), &[])?;
    let mut body = body::object(request, app, payload).await?;
    let event = request.match_info().query("event");
    let mode = app.broker.check_event_type(caller.tenant(), event)?;
    let function = function_id(&mut body)?;
    let options = options_of(&mut body, mode)?;
    refuse_rest(&body)?;
    let made = app.broker.subscribe_function(caller.tenant(), event, function, options).await?;
    let message = format!("Function {function} subscribed to event '{event}' successfully");
    Ok((message, subscription_json(&app.broker.function_book(), &made)))
}

/// `POST /api/cloud/events/{event}/unsubscribe/`.
pub(crate) async fn unsubscribe(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> HttpResponse {
    answer(unsubscribed(&request, &app, payload).await)
}

async fn unsubscribed(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
) -> Result<(String, Value), Problem> {
    let caller = Caller::of(request, app, Scope::FunctionsWrite)?;
    Params::read(request.query_string(), &[])?;
    let mut body = body::object(request, app, payload).await?;
    let event = request.match_info().query("event");
    app.broker.check_event_type(caller.tenant(), event)?;
    let function = function_id(&mut body)?;
    refuse_rest(&body)?;
    app.broker.unsubscribe_function(caller.tenant(), event, function).await?;
    Ok((format!("Function {function} unsubscribed from event '{event}' successfully"), json!({})))
}

/// `GET /api/apps/{app_slug}/events/{event}/`.
pub(crate) async fn of_app(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    answer(details(&request, &app))
}

fn details(request: &HttpRequest, app: &App) -> Result<(String, Value), Problem> {
    let caller = Caller::of(request, app, Scope::FunctionsRead)?;
    Params::read(request.query_string(), &[])?;
    let (slug, event) = (request.match_info().query("app_slug"), request.match_info().query("event"));
    let tenant = caller.tenant();
    let book = app.broker.function_book();
    let Some(found) = book.app_of_slug(tenant, slug) else {
        return Err(Problem::not_found(format!("App '{slug}' does not exist")));
    };
    app.broker.check_event_type(tenant, event)?;
    let of_app = book.subscriptions_of(tenant).filter(|one| {
        let function = book.functions.get(&(tenant, one.function));
        one.event == event && function.is_some_and(|function| function.app == found.id)
    });
    let subscribers: Vec<Value> = of_app.map(|one| subscriber_json(&book, one)).collect();
    let data = json!({
        "event": event,
        "app": {"id": found.id, "name": found.name, "slug": found.slug},
        "total_subscribers": subscribers.len(),
        "subscribers": subscribers,
    });
    Ok((format!("Event '{event}' details retrieved successfully"), data))
}

fn answer(result: Result<(String, Value), Problem>) -> HttpResponse {
    match result {
        Ok((message, data)) => {
            HttpResponse::Ok().json(json!({"success": true, "message": message, "data": data}))
        }
        Err(problem) => problem.in_envelope(),
    }
}

fn function_id(body: &mut Map<String, Value>) -> Result<u64, Problem> {
    let given = body.remove("function_id").ok_or_else(|| Problem::bad_request("function_id is required"))?;
    given.as_u64().ok_or_else(|| Problem::bad_request("function_id must be a whole number"))
}

/// What this broker lets a subscription say besides.
fn options_of(body: &mut Map<String, Value>, mode: EventMode) -> Result<SubscribeOptions, Problem> {
    let mut options = SubscribeOptions::default();
    if let Some(stage) = body.remove("stage") {
        let fits = stage.as_u64().filter(|stage| *stage <= 9);
        options.stage =
            fits.ok_or_else(|| Problem::bad_request("stage must be a whole number from 0 to 9"))? as u8;
    }
    if let Some(on_error) = body.remove("on_error") {
        let read = serde_json::from_value::<OnError>(on_error);
        options.on_error = read.map_err(|_| Problem::bad_request("on_error must be fail or ignore"))?;
    }
    if mode == EventMode::Post && options != SubscribeOptions::default() {
        return Err(Problem::bad_request("stage and on_error belong to PRE events"));
    }
    match body.remove("filter") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => {
            let parsed = PayloadFilter::parse(&text);
            options.filter = Some(parsed.map_err(|why| Problem::bad_request(format!("filter: {why}")))?);
        }
        Some(_) => return Err(Problem::bad_request("filter must be an expression as a string")),
    }
    Ok(options)
}

fn refuse_rest(body: &Map<String, Value>) -> Result<(), Problem> {
    match body.keys().next() {
        None => Ok(()),
        Some(name) => Err(Problem::bad_request(format!("there is no such member: {name}"))),
    }
}

/// What a subscription says of its function and app.
fn names(book: &FunctionBook, tenant: TenantId, function: u64) -> [Value; 5] {
    let found = book.functions.get(&(tenant, function));
    let app = found.and_then(|found| book.apps.get(&(tenant, found.app)));
    [
        json!(found.map(|found| &found.name)),
        json!(found.map(|found| &found.slug)),
        json!(app.map(|app| app.id)),
        json!(app.map(|app| &app.name)),
        json!(app.map(|app| &app.slug)),
    ]
}

fn subscription_json(book: &FunctionBook, one: &Subscription) -> Value {
    let [function_name, function_slug, _, app_name, app_slug] = names(book, one.tenant, one.function);
    let mut shown = json!({
        "id": one.id,
        "event": one.event,
        "function": one.function,
        "function_name": function_name,
        "function_slug": function_slug,
        "app_name": app_name,
        "app_slug": app_slug,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    });
    push_options(&mut shown, one);
    shown
}

fn subscriber_json(book: &FunctionBook, one: &Subscription) -> Value {
    let [function_name, function_slug, app_id, app_name, app_slug] = names(book, one.tenant, one.function);
    let mut shown = json!({
        "subscriber_id": one.id,
        "event": one.event,
        "function_id": one.function,
        "function_name": function_name,
        "function_slug": function_slug,
        "app_id": app_id,
        "app_name": app_name,
        "app_slug": app_slug,
        "created_at": one.created_at,
    });
    push_options(&mut shown, one);
    shown
}

/// The published shape has no options: they are shown where they were given.
fn push_options(shown: &mut Value, one: &Subscription) {
    if one.stage != 0 {
        shown["stage"] = json!(one.stage);
    }
    if one.on_error != OnError::default() {
        shown["on_error"] = json!(one.on_error);
    }
    if let Some(filter) = &one.filter {
        shown["filter"] = json!(filter.as_str());
    }
}
