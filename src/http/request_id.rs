//! Every answer names its request, and every problem document too; every request is counted.

use super::App;
use super::problem::Problem;
use crate::clock;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Runs a request and finishes its answer.
pub(super) async fn finish(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = clock::instant();
    let id = given(&request).unwrap_or_else(made);
    let response = next.call(request).await?.map_into_boxed_body();
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>()).cloned();
    let mut response = match problem {
        Some(problem) => {
            let answer = problem.respond(&id);
            response.into_response(answer)
        }
        None => response,
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(app) = response.request().app_data::<web::Data<App>>() {
        let pattern = response.request().match_pattern();
        app.metrics.count(pattern.as_deref(), response.status().as_u16(), begun.elapsed());
    }
    Ok(response)
}

/// The caller's own id, if it is a sane one.
fn given(request: &ServiceRequest) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let is_sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    ((1..=128).contains(&text.len()) && text.bytes().all(is_sane)).then(|| text.to_owned())
}

/// Unlike any other: the process by chance, the request by number.
fn made() -> String {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| u64::from_le_bytes(clock::random()));
    format!("req_{process:016x}{:08x}", NUMBER.fetch_add(1, Ordering::Relaxed))
}
