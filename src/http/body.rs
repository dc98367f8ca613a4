//! Reading request bodies: bounded in size and time, never inflated, JSON checked before anything reads it.

use super::App;
use super::problem::Problem;
use crate::model::json;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::{Map, Value};

/// Refuses bodies that are compressed or say that they might be, before a byte of them is read.
pub(crate) fn refuse_encoded(request: &HttpRequest) -> Result<(), Problem> {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let detail = "send the body as it is, without Content-Encoding (not even identity)";
        return Err(Problem::unsupported_media_type(detail));
    }
    Ok(())
}

/// Bodies of management calls nest no deeper.
const MANAGEMENT_DEPTH: usize = 64;

/// Reads a whole body, bounded in size and time by the config.
pub(crate) async fn read(
    request: &HttpRequest,
    app: &App,
    mut payload: web::Payload,
) -> Result<Bytes, Problem> {
    refuse_encoded(request)?;
    let server = &app.broker.config().server;
    let limit = server.max_body;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    let reading = collect(&mut payload, limit);
    match tokio::time::timeout(server.body_timeout, reading).await {
        Ok(body) => body,
        Err(_) => Err(Problem::new(
            actix_web::http::StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the body did not arrive in time",
        )),
    }
}

/// A body that came in one piece is not copied.
async fn collect(payload: &mut web::Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")))?;
        if first.len().max(joined.len()) + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        if first.is_empty() {
            first = chunk;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&chunk);
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// The media type of the body as written, without its parameters; refused when it is given twice, or when the
/// characters of the body are not UTF-8.
pub(crate) fn media_type(request: &HttpRequest) -> Result<&str, Problem> {
    let mut given = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unsupported_media_type("send exactly one Content-Type"));
    };
    let text = value.to_str().map_err(|_| Problem::unsupported_media_type("the Content-Type is no text"))?;
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_utf8 = value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8");
        if name.trim().eq_ignore_ascii_case("charset") && !is_utf8 {
            let detail = "JSON is UTF-8: leave charset out or say charset=utf-8";
            return Err(Problem::unsupported_media_type(detail));
        }
    }
    Ok(essence)
}

/// Checks a JSON text: not JSON is 400, a broken rule 422.
fn check_json(body: &[u8], max_depth: usize) -> Result<(), Problem> {
    json::scan(body, max_depth)?.map_or(Ok(()), |broken| Err(broken.into()))
}

/// Reads a small JSON object for management, or nothing, which needs no media type.
pub(crate) async fn optional_object(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
) -> Result<Map<String, Value>, Problem> {
    if request.headers().contains_key(header::CONTENT_TYPE) {
        return object_or(request, app, payload, Some(Map::new())).await;
    }
    if read(request, app, payload).await?.is_empty() {
        return Ok(Map::new());
    }
    Err(Problem::unsupported_media_type("the body must be application/json"))
}

/// Schemas nest deeper: each of theirs is a level or two of JSON.
const SCHEMA_DEPTH: usize = 110;

/// Reads a JSON text with schemas in it, to be taken as it is written.
pub(crate) async fn scanned(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
) -> Result<Bytes, Problem> {
    refuse_encoded(request)?;
    if !media_type(request)?.eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type("the body must be application/json"));
    }
    let body = read(request, app, payload).await?;
    check_json(&body, SCHEMA_DEPTH)?;
    Ok(body)
}

/// Reads a small JSON object for management.
pub(crate) async fn object(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
) -> Result<Map<String, Value>, Problem> {
    object_or(request, app, payload, None).await
}

/// Reads a small JSON object; an empty body is `empty` when there is such.
async fn object_or(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
    empty: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, Problem> {
    refuse_encoded(request)?;
    let media_type = media_type(request)?;
    let known = ["application/json", "application/merge-patch+json"];
    if !known.iter().any(|known| media_type.eq_ignore_ascii_case(known)) {
        return Err(Problem::unsupported_media_type("the body must be application/json"));
    }
    let body = read(request, app, payload).await?;
    if let (true, Some(empty)) = (body.is_empty(), empty) {
        return Ok(empty);
    }
    check_json(&body, MANAGEMENT_DEPTH)?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Problem::invalid(vec![crate::model::Violation::new("", "the body is a JSON object")])),
    }
}
