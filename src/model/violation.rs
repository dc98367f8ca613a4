//! One broken rule, with where it was broken.

use serde::Serialize;

/// A rule that a value breaks: what a caller sees in `errors[]` of a problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) to the member, empty for the whole document.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
    /// A stable word for programs, where one is promised (`private_address`, `duplicate_key`, ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

impl Violation {
    /// A violation at `pointer` without a stable code.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), code: None }
    }

    /// The same with a stable code.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The same violation seen from a document that holds this one at `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }

    /// Escapes a member name for use in a JSON Pointer.
    pub fn escape(name: &str) -> String {
        name.replace('~', "~0").replace('/', "~1")
    }
}
