//! Which pages of other sites may read events (Fetch standard, CORS protocol).

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};

/// The origins that the config allows.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<String>,
}

/// What answers to pages of other sites carry beside what the Fetch standard shows them anyway.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Link, ETag, Retry-After, X-Request-Id, Idempotency-Replayed, X-Next-Cursor, X-Oldest-Cursor, X-Head-Cursor",
);

impl Cors {
    /// `None` when no origin is allowed.
    pub(super) fn new(origins: &[String]) -> Option<Self> {
        let origins: Vec<String> =
            origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect();
        (!origins.is_empty()).then_some(Self { origins })
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        if self.origins.iter().any(|known| known == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|known| known.eq_ignore_ascii_case(text)).then(|| origin.clone())
    }

    /// Answers a preflight of an allowed origin.
    pub(super) fn preflight(&self, request: &HeaderMap) -> Option<HttpResponse> {
        if !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        self.allowed(request)?;
        let mut answer = HttpResponse::NoContent();
        answer.insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"));
        let headers = "Authorization, Last-Event-ID, If-None-Match, Accept, X-Request-Id";
        answer.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, headers));
        answer.insert_header((ACCESS_CONTROL_MAX_AGE, "600"));
        Some(answer.finish())
    }

    /// Lets an allowed origin's page read an answer.
    pub(super) fn allow(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.allowed(request) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
