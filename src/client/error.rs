//! What can go wrong, as types.

use super::stream::Gap;
use crate::clock;
use crate::protocol::retry_after;
use crate::protocol::tls::TlsError;
use hyper::StatusCode;
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// Any error of the client.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was not told what it needs, or something that cannot be. Nothing was sent.
    #[error("{0}")]
    Configuration(String),
    /// No answer came: the broker was not reached, or the connection broke. Whether a request was carried out is open.
    #[error("{url} does not answer: {detail}")]
    Unreachable {
        /// The broker's address.
        url: String,
        /// What the network says.
        detail: String,
    },
    /// No answer came in time. Whether the request was carried out is open.
    #[error("{url} does not answer within {} ms", .after.as_millis())]
    TimedOut {
        /// The broker's address.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The broker refused; the problem document says why.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// What came is not what a broker answers.
    #[error("{url} does not answer as a broker does: {detail}")]
    Unexpected {
        /// The broker's address.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Events of a stream are gone: the place to resume at is not kept any more. The stream goes on after it.
    #[error("{0}")]
    Gap(Gap),
}

impl Error {
    /// What the broker said, when it refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The status of the answer, when there was one.
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }
}

/// A problem document (RFC 9457), and what else the answer said.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The status of the answer.
    pub status: u16,
    /// What kind of problem; `about:blank` when the status says it all.
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// What is wrong.
    pub detail: String,
    /// What to tell the operator: the broker's log has it too.
    pub request_id: Option<String>,
    /// The rules that the request broke, each with its place in the body.
    pub violations: Vec<Violation>,
    /// When to try again, as the broker says.
    pub retry_after: Option<Duration>,
    /// The whole document.
    pub members: Map<String, Value>,
}

/// One rule that a request broke.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where, as a JSON pointer; empty for the body as a whole.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// A name for it that programs can compare, where there is one.
    pub code: Option<String>,
}

impl Problem {
    /// Reads an answer. What is no problem document is one without details.
    pub(super) fn of(status: u16, headers: &[(String, String)], body: &[u8]) -> Self {
        let read = serde_json::from_slice::<Map<String, Value>>(body);
        let is_document = read.is_ok();
        let members = read.unwrap_or_default();
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let told = text("detail").or_else(|| text("message"));
        let raw = || String::from_utf8_lossy(body).chars().take(500).collect();
        let detail = told.unwrap_or_else(|| if is_document { String::new() } else { raw() });
        let request_id = text("request_id").or_else(|| header(headers, "x-request-id").map(str::to_owned));
        let retry_after = retry_after::millis(headers, clock::now()).map(Duration::from_millis);
        Self {
            status,
            kind: text("type").unwrap_or_else(|| "about:blank".to_owned()),
            title: text("title").unwrap_or_else(|| reason.unwrap_or_default().to_owned()),
            detail,
            request_id,
            violations: members.get("errors").map(violations).unwrap_or_default(),
            retry_after,
            members,
        }
    }

    /// The oldest place that is kept, when the one asked for is gone (410).
    pub fn oldest_cursor(&self) -> Option<&str> {
        self.members.get("oldest_cursor").and_then(Value::as_str)
    }

    /// Whether the change that was asked for may have been made all the same.
    pub(super) fn is_open(&self) -> bool {
        self.kind.ends_with("commit_unknown")
    }
}

fn violations(errors: &Value) -> Vec<Violation> {
    let text = |one: &Value, name: &str| one[name].as_str().map(str::to_owned);
    let of = |one: &Value| Violation {
        pointer: text(one, "pointer").unwrap_or_default(),
        detail: text(one, "detail").unwrap_or_default(),
        code: text(one, "code"),
    };
    errors.as_array().into_iter().flatten().map(of).collect()
}

/// The first header of a name.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker answered {} {}", self.status, self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for Violation { pointer, detail, .. } in &self.violations {
            let pointer = if pointer.is_empty() { "/" } else { pointer };
            let told = format!("{pointer}: {detail}");
            if told != self.detail {
                write!(f, "; {told}")?;
            }
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::CaFile(why) => {
                Self::Configuration(format!("the file of certificate authorities cannot be used: {why}"))
            }
            TlsError::Provider(_) => Self::Configuration(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_read_whole() {
        let body = br#"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"two rules",
            "request_id":"req_1","errors":[{"pointer":"/data/rows","detail":"is no number","code":"type"},{"detail":"x"}]}"#;
        let headers = [("retry-after".to_owned(), "3".to_owned())];
        let problem = Problem::of(422, &headers, body);
        assert_eq!(problem.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(problem.violations[0].code.as_deref(), Some("type"));
        assert_eq!(
            Error::Refused(Box::new(problem)).to_string(),
            "the broker answered 422 Unprocessable Content: two rules; /data/rows: is no number; /: x (request req_1)"
        );
    }

    #[test]
    fn one_broken_rule_is_told_once() {
        let body = br#"{"title":"Unprocessable Entity","status":422,"detail":"/type: is required",
            "errors":[{"pointer":"/type","detail":"is required"}]}"#;
        let told = Problem::of(422, &[], body).to_string();
        assert_eq!(told, "the broker answered 422 Unprocessable Entity: /type: is required");
    }

    #[test]
    fn what_is_no_document_is_told_as_it_came() {
        let headers = [("X-Request-Id".to_owned(), "req_2".to_owned())];
        let problem = Problem::of(502, &headers, b"<html>no broker here</html>");
        assert_eq!((problem.title.as_str(), problem.request_id.as_deref()), ("Bad Gateway", Some("req_2")));
        assert_eq!(problem.detail, "<html>no broker here</html>");
        assert_eq!(Problem::of(599, &[], b"").to_string(), "the broker answered 599 ");
        let cloud = Problem::of(404, &[], br#"{"success": false, "message": "no such app"}"#);
        assert_eq!(cloud.detail, "no such app");
    }
}
