//! What a function's answer says.

use crate::model::FailureKind;
use crate::model::json;
use std::ops::Range;

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
    /// The function's word is out: asked again it would say the same, so it is not.
    pub is_final: bool,
}

impl Failure {
    /// A failure without a word of the function's own, which may go better when it is asked again.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), is_final: false }
    }

    /// The function said no.
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = Some(code.into());
        Self { kind: FailureKind::Rejected, code, message: message.into(), is_final: true }
    }
}

/// Reads an answer: 2xx with nothing or `{}`, `{"patch": {...}}` where patches count, `{"reject": {...}}`. A patch that
/// changes nothing agrees anywhere. One that would, where none counts, is a failure, and the function did run: to run it
/// again would only do its work twice.
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
    let text = |span: &Range<usize>| String::from_utf8_lossy(&body[span.clone()]).into_owned();
    match members.as_slice() {
        [] => Ok(Reply::Pass),
        [(name, span)] if *name == "reject" => Err(read_reject(&text(span))),
        [(name, span)] if *name == "patch" => read_patch(&body[span.clone()], may_patch),
        _ => Err(bad("a function answers {}, {\"patch\": {...}} or {\"reject\": {...}}")),
    }
}

fn read_patch(patch: &[u8], may_patch: bool) -> Result<Reply, Failure> {
    let failed = |message| {
        let failure = Failure::new(FailureKind::BadResponse, message);
        Err(Failure { is_final: !may_patch, ..failure })
    };
    match patch.strip_prefix(b"{") {
        None => failed("patch is a JSON object"),
        Some(_) if may_patch => Ok(Reply::Patch(String::from_utf8_lossy(patch).into_owned())),
        Some(members) if members.trim_ascii() == b"}" => Ok(Reply::Pass),
        Some(_) => failed("a patch only counts before the operation, in PRE events"),
    }
}

fn read_reject(json: &str) -> Failure {
    let reject: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let member = |name: &str| reject.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let code = member("code");
    let message = member("message").or_else(|| reject.as_str().map(str::to_owned));
    let message = message.or_else(|| code.clone()).unwrap_or_else(|| "rejected".to_owned());
    Failure { kind: FailureKind::Rejected, code, message, is_final: true }
}
