//! Everything that goes wrong, as a caller sees it: one problem document (RFC 9457) for every error.

use crate::broker::{ManageError, PublishError};
use crate::log::LogError;
use crate::model::Violation;
use crate::model::json::Malformed;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};
use std::fmt;

/// An error answer before it knows its request.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    errors: Vec<Violation>,
    members: Map<String, Value>,
    headers: Vec<(header::HeaderName, String)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let (errors, members, headers) = (Vec::new(), Map::new(), Vec::new());
        Self(Box::new(Parts { status, kind, detail: detail.into(), errors, members, headers }))
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 400 with a word of its own.
    pub(crate) fn malformed(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        problem.with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"campanile\"")
    }

    /// 403: the key is good, but not for this (RFC 6750, 3.1).
    pub(crate) fn forbidden(scope: &'static str) -> Self {
        let detail = format!("this key does not have the scope {scope}");
        let challenge =
            format!("Bearer realm=\"campanile\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 405 with the methods that there are.
    pub(crate) fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("this path answers to {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            .with_header(header::ALLOW, allow)
    }

    /// 409: the id of an event belongs to another one.
    pub(crate) fn id_taken(pointer: &str, detail: &str) -> Self {
        let mut problem = Self::new(StatusCode::CONFLICT, "id_taken", detail);
        let taken = Violation::new(pointer, "this id belongs to an event with other content");
        problem.0.errors.push(taken.with_code("id_taken"));
        problem
    }

    /// The broken rules that it names.
    #[cfg(test)]
    pub(super) fn violations(&self) -> &[Violation] {
        &self.0.errors
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    pub(crate) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    pub(crate) fn invalid(errors: Vec<Violation>) -> Self {
        let detail = match errors.as_slice() {
            [only] => {
                format!("{}: {}", if only.pointer.is_empty() { "/" } else { &only.pointer }, only.detail)
            }
            many => format!("{} rules are broken", many.len()),
        };
        // One broken rule with a word of its own gives the whole its word.
        let kind = match errors.as_slice() {
            [Violation { code: Some(code), .. }] => code,
            _ => "invalid",
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, detail);
        problem.0.errors = errors;
        problem
    }

    pub(crate) fn unavailable(kind: &'static str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail);
        problem.with_header(header::RETRY_AFTER, retry_after_s.to_string())
    }

    pub(crate) fn draining() -> Self {
        Self::unavailable("draining", "the broker is shutting down", 2)
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// The answer in the words of the cloud's event calls. What breaks a rule is 400 there.
    pub(super) fn in_envelope(&self) -> HttpResponse {
        let parts = &self.0;
        let status = match parts.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        let mut response = HttpResponse::build(status);
        for (name, value) in &parts.headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.json(json!({"success": false, "message": parts.detail}))
    }

    /// The answer to the request of this id.
    pub(crate) fn respond(&self, request_id: &str) -> HttpResponse {
        let parts = &self.0;
        let mut body = json!({
            "type": parts.kind,
            "title": title(parts.status),
            "status": parts.status.as_u16(),
            "detail": parts.detail,
            "request_id": request_id,
        });
        if let Value::Object(members) = &mut body {
            if !parts.errors.is_empty() {
                members.insert("errors".to_owned(), json!(parts.errors));
            }
            members.extend(parts.members.clone());
        }
        let mut response = HttpResponse::build(parts.status);
        response.content_type("application/problem+json");
        for (name, value) in &parts.headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.body(body.to_string())
    }
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.respond("")
    }
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        Self::invalid(vec![violation])
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        let detail = format!("{malformed} was expected");
        let problem = Self::new(StatusCode::BAD_REQUEST, "malformed_json", detail);
        problem.with_member("offset", malformed.offset)
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let detail = error.to_string();
        match error {
            LogError::StorageFull => Self::unavailable("storage_full", detail, 5),
            LogError::CommitUnknown { .. } => Self::unavailable("commit_unknown", detail, 1),
            LogError::Corrupt { sequence, resume } => {
                let problem =
                    Self::unavailable("log_corrupt", detail, 60).with_member("sequence", sequence.0);
                // Going on after it reads the rest.
                problem.with_member("next_cursor", resume.to_string())
            }
            LogError::Read(_) => Self::unavailable("log_corrupt", detail, 60),
            LogError::Overloaded => Self::unavailable("overloaded", detail, 1),
            LogError::Closed => Self::draining(),
            LogError::Trimmed { oldest, missed } => Self::new(StatusCode::GONE, "trimmed", detail)
                .with_member("oldest_cursor", oldest.previous().to_string())
                .with_member("missed", missed),
            LogError::IdTaken { index, .. } => Self::id_taken(&format!("/events/{index}/id"), &detail),
            LogError::KeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::Log(error) => error.into(),
            PublishError::KeyRunning => {
                let problem = Self::new(StatusCode::CONFLICT, "idempotency_key_running", detail);
                problem.with_header(header::RETRY_AFTER, "1")
            }
            PublishError::Draining => Self::draining(),
            PublishError::Invalid(violation) => Self::invalid(vec![violation]),
            PublishError::Refused(refused) => {
                Self::invalid(refused.into_iter().map(|one| one.violation).collect())
            }
        }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        let detail = error.to_string();
        match error {
            ManageError::NotFound | ManageError::NoKey | ManageError::NoDelivery | ManageError::NoReplay => {
                Self::not_found(detail)
            }
            ManageError::Expired => Self::new(StatusCode::CONFLICT, "expired", detail),
            ManageError::Invalid(errors) => Self::invalid(errors),
            ManageError::Declared => Self::new(StatusCode::CONFLICT, "declared", detail),
            ManageError::TooManySecrets(_) => Self::new(StatusCode::CONFLICT, "too_many_secrets", detail),
            ManageError::TooManyTests(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tests", detail)
                    .with_header(header::RETRY_AFTER, "1")
            }
            ManageError::Pending(_) => Self::new(StatusCode::CONFLICT, "pending", detail),
            ManageError::Off => Self::new(StatusCode::CONFLICT, "deactivated", detail),
            ManageError::NothingToVerify => Self::new(StatusCode::CONFLICT, "nothing_to_verify", detail),
            ManageError::TooMany(_) | ManageError::TooManyKeys(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many", detail)
            }
            ManageError::TooManyReplays(_) => Self::new(StatusCode::CONFLICT, "too_many_replays", detail),
            ManageError::Log(error) => error.into(),
        }
    }
}
