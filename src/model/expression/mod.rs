//! Payload filters: expressions in CEL (the Common Expression Language) over one event.
//!
//! The text is parsed by a library and lowered into a small program of our own, which is evaluated on the stored
//! bytes: `data` is never built as a tree, and every step is counted. What must hold:
//! - No text, however hostile, costs more than its bounds: they are checked before the library sees it, and the
//!   library runs on a thread of its own with stack to spare, where a panic of it ends in an error.
//! - An evaluation ends after a bounded amount of work, and never panics. Whatever has no value (a missing member,
//!   a comparison of a text with a number, an overflow) makes the filter not match.
//! - Expressions with the same text are equal, and a program is compiled once for all clones.

mod apply;
mod calls;
mod compile;
mod document;
mod evaluate;
mod limits;
mod lower;
mod operators;
mod program;
mod value;

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;

use super::StoredEvent;
use program::Program;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = limits::MAX_BYTES;

/// Why an expression is no filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ExpressionError {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl ExpressionError {
    /// An error at a byte of the text.
    fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

/// A filter on what an event holds, such as `data.rows_loaded > 1000 && pipeline.startsWith("user-")`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PayloadFilter(Arc<Kept>);

struct Kept {
    text: Box<str>,
    program: OnceLock<Result<Program, ExpressionError>>,
}

impl PayloadFilter {
    /// Compiles an expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let program = compile::program(text)?;
        Ok(Self(Arc::new(Kept { text: text.into(), program: OnceLock::from(Ok(program)) })))
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Why a stored expression is none any more: another version may have taken what this one does not.
    pub fn broken(&self) -> Option<&ExpressionError> {
        self.compiled().as_ref().err()
    }

    fn compiled(&self) -> &Result<Program, ExpressionError> {
        self.0.program.get_or_init(|| compile::program(&self.0.text))
    }

    /// Whether an event matches. Adds what it cost to `work`, in units of about a nanosecond. A broken expression
    /// matches nothing.
    pub fn matches(&self, event: &StoredEvent, work: &mut u64) -> bool {
        self.compiled().as_ref().is_ok_and(|program| evaluate::matches(program, event, work))
    }
}

/// A stored expression: compiled when it is first needed, so that reading it back cannot fail.
impl From<String> for PayloadFilter {
    fn from(text: String) -> Self {
        Self(Arc::new(Kept { text: text.into(), program: OnceLock::new() }))
    }
}

impl From<PayloadFilter> for String {
    fn from(filter: PayloadFilter) -> Self {
        filter.0.text.to_string()
    }
}

impl PartialEq for PayloadFilter {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for PayloadFilter {}

impl Hash for PayloadFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl fmt::Display for PayloadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PayloadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PayloadFilter").field(&self.0.text).finish()
    }
}
