//! What a function's answer says.

use crate::model::FailureKind;
use crate::model::json;

/// An answer of a function nests no deeper.
const DEPTH: usize = 64;

/// What a function said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It agrees.
    Pass,
    /// It agrees, and changes the params: a JSON Merge Patch.
    Patch(String),
}

/// Why a function's run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The function's own word for it.
    pub code: Option<String>,
    /// What happened, for a person.
    pub message: String,
}

impl Failure {
    /// A failure without a word of the function's own.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into() }
    }

    /// The function said no.
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Rejected, code: Some(code.into()), message: message.into() }
    }
}

/// Reads an answer: 2xx with nothing or `{}`, `{"patch": {...}}` where patches count, `{"reject": {...}}`.
pub fn read_reply(status: u16, body: &[u8], may_patch: bool) -> Result<Reply, Failure> {
    let bad = |message: &str| Failure::new(FailureKind::BadResponse, message);
    if !(200..300).contains(&status) {
        let message = match status {
            300..400 => format!("the function answered {status}: redirects are not followed"),
            _ => format!("the function answered {status}"),
        };
        return Err(Failure::new(FailureKind::Error, message));
    }
    if body.trim_ascii().is_empty() {
        return Ok(Reply::Pass);
    }
    match json::scan(body, DEPTH) {
        Ok(None) => {}
        Ok(Some(broken)) => return Err(bad(&format!("the answer at {}: {}", broken.pointer, broken.detail))),
        Err(malformed) => return Err(bad(&format!("the answer is no JSON: {malformed}"))),
    }
    let start = body.len() - body.trim_ascii_start().len();
    let members =
        json::members(body, start..body.len()).ok_or_else(|| bad("the answer is no JSON object"))?;
    let text = |span: &std::ops::Range<usize>| String::from_utf8_lossy(&body[span.clone()]).into_owned();
    match members.as_slice() {
        [] => Ok(Reply::Pass),
        [(name, span)] if *name == "reject" => Err(read_reject(&text(span))),
        [(name, _)] if *name == "patch" && !may_patch => {
            Err(bad("a patch only counts before the operation, in PRE events"))
        }
        [(name, span)] if *name == "patch" => match body.get(span.start) {
            Some(b'{') => Ok(Reply::Patch(text(span))),
            _ => Err(bad("patch is a JSON object")),
        },
        _ => Err(bad("a function answers {}, {\"patch\": {...}} or {\"reject\": {...}}")),
    }
}

fn read_reject(json: &str) -> Failure {
    let reject: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let member = |name: &str| reject.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let code = member("code");
    let message = member("message").or_else(|| reject.as_str().map(str::to_owned));
    let message = message.or_else(|| code.clone()).unwrap_or_else(|| "rejected".to_owned());
    Failure { kind: FailureKind::Rejected, code, message }
}
