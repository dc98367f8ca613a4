//! Reading request bodies: bounded in size and time, never inflated, JSON checked before anything reads it.

use super::App;
use super::problem::Problem;
use crate::model::json;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::{Map, Value};

/// Reads a whole body.
pub(crate) async fn read(
    request: &HttpRequest,
    app: &App,
    mut payload: web::Payload,
) -> Result<Bytes, Problem> {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::unsupported_media_type("request bodies must not have a Content-Encoding"));
    }
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

/// The media type of a request in lower case, without parameters.
pub(crate) fn media_type(request: &HttpRequest) -> String {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Checks a JSON text: not JSON is 400, a broken rule 422.
pub(crate) fn check_json(body: &[u8], max_depth: usize) -> Result<(), Problem> {
    let problems = json::scan(body, max_depth)?;
    if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems)) }
}

/// Reads a small JSON object for management.
pub(crate) async fn object(
    request: &HttpRequest,
    app: &App,
    payload: web::Payload,
) -> Result<Map<String, Value>, Problem> {
    let body = read(request, app, payload).await?;
    if !matches!(media_type(request).as_str(), "application/json" | "application/merge-patch+json") {
        return Err(Problem::unsupported_media_type("the body must be application/json"));
    }
    check_json(&body, 64)?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Problem::invalid(vec![crate::model::Violation::new("", "the body is a JSON object")])),
    }
}
