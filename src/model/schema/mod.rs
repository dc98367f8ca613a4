//! Schemas of events' data: JSON Schema 2020-12, bounded so that no schema and no data can cost much.
//!
//! A library validates; what it is given was measured before. What must hold:
//! - A schema that could make validation explode is refused when it is given ([`DataSchema::parse`]): its size, its
//!   nesting, its subschemas, how often one place of the data is looked at, how deep validation can recurse.
//! - Nothing is ever fetched: a `$ref` stays inside its schema, and the library is built without a way out.
//! - A number that validation would have to round is refused, not rounded.
//! - Details never repeat a value, so that a secret is not told by the message that refuses it.

mod check;
mod compile;
mod cost;
mod graph;
mod keywords;
mod numbers;
mod sample;
mod secret;

#[cfg(test)]
mod tests;

pub use check::CheckBudget;

use super::Violation;
use bytes::Bytes;
use compile::Compiled;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The longest schema, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// The most broken rules that one check names.
pub const MAX_VIOLATIONS: usize = 100;

/// What the data of an event type must be. Cheap to clone; compiled once for all clones.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct DataSchema(Arc<Kept>);

struct Kept {
    text: Box<str>,
    compiled: OnceLock<Result<Compiled, Vec<Violation>>>,
}

impl DataSchema {
    /// Measures and compiles a schema. The violations' pointers start at the schema's root.
    pub fn parse(text: &str) -> Result<Self, Vec<Violation>> {
        let compiled = compile::schema(text)?;
        Ok(Self(Arc::new(Kept { text: text.into(), compiled: OnceLock::from(Ok(compiled)) })))
    }

    /// The schema as written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Why a stored schema is none any more: another version may have taken what this one does not.
    pub fn broken(&self) -> Option<&[Violation]> {
        self.compiled().as_ref().err().map(Vec::as_slice)
    }

    /// The rules that data breaks, at most [`MAX_VIOLATIONS`]; pointers start at the data's root. The data must be
    /// JSON that was scanned. A broken schema takes nothing.
    pub fn check(&self, data: &[u8], budget: &mut CheckBudget) -> Vec<Violation> {
        match self.compiled() {
            Ok(compiled) => check::check(compiled, data, budget),
            Err(_) => vec![Violation::new("", "the schema of this event type can no longer be read")],
        }
    }

    /// Whether it marks anything as `writeOnly`.
    pub fn has_secrets(&self) -> bool {
        self.compiled().as_ref().is_ok_and(|compiled| compiled.graph.has_secrets())
    }

    /// Data without what is marked `writeOnly`: members are left out, elements of arrays become `null`, the rest
    /// stays byte for byte. `None` when the data holds nothing secret.
    pub fn without_secrets(&self, data: &[u8]) -> Option<Bytes> {
        let compiled = self.compiled().as_ref().ok()?;
        secret::without(&compiled.graph, data).map(Bytes::from)
    }

    /// An object that the schema takes, if one is easily found.
    pub fn sample(&self) -> Option<String> {
        let sample = sample::of(&self.0.text)?;
        self.check(sample.as_bytes(), &mut CheckBudget::default()).is_empty().then_some(sample)
    }

    fn compiled(&self) -> &Result<Compiled, Vec<Violation>> {
        self.0.compiled.get_or_init(|| compile::schema(&self.0.text))
    }
}

/// A stored schema: compiled when it is first needed, so that reading it back cannot fail.
impl From<String> for DataSchema {
    fn from(text: String) -> Self {
        Self(Arc::new(Kept { text: text.into(), compiled: OnceLock::new() }))
    }
}

impl From<DataSchema> for String {
    fn from(schema: DataSchema) -> Self {
        schema.0.text.to_string()
    }
}

impl PartialEq for DataSchema {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for DataSchema {}

impl fmt::Debug for DataSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataSchema").field(&self.0.text).finish()
    }
}
