//! From text to validator: the one place where the library reads a schema.
//!
//! It recurses on what it reads, so it gets a thread with stack for the deepest schema that the bounds let through;
//! the same thread catches it should it panic.

use super::cost::{Cost, measure};
use super::graph::Graph;
use super::keywords::DIALECT;
use super::{MAX_SCHEMA_BYTES, MAX_VIOLATIONS, secret};
use crate::model::{Violation, json};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::thread::Builder;

const STACK_BYTES: usize = 16 << 20;

/// JSON around and in a schema nests no deeper; a subschema takes up to two levels.
const MAX_DEPTH: usize = 100;

/// What a compiled pattern may take; it is matched in linear time.
const PATTERN_BYTES: usize = 256 << 10;

/// A schema that is ready to validate.
pub(super) struct Compiled {
    pub(super) graph: Graph,
    pub(super) cost: Cost,
    pub(super) validator: Validator,
    /// Errors of these hold copies of the data.
    pub(super) copies_data: bool,
}

/// Measures and compiles a schema.
pub(super) fn schema(text: &str) -> Result<Compiled, Vec<Violation>> {
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(vec![Violation::new("", format!("a schema has at most {MAX_SCHEMA_BYTES} bytes"))]);
    }
    match json::scan(text.as_bytes(), MAX_DEPTH) {
        Ok(None) => {}
        Ok(Some(broken)) => return Err(vec![broken]),
        Err(malformed) => return Err(vec![Violation::new("", malformed.to_string())]),
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| vec![Violation::new("", format!("this schema cannot be read: {error}"))])?;
    if !value.is_object() {
        return Err(vec![Violation::new("", "a schema is a JSON object")]);
    }
    let graph = Graph::read(&value)?;
    let cost = measure(&graph).map_err(|exploding| vec![exploding])?;
    secret::check(&graph)?;
    let copies_data = ["\"anyOf\"", "\"oneOf\"", "\"propertyNames\"", "\"not\""];
    let copies_data = copies_data.iter().any(|word| text.contains(word));
    let validator = on_a_big_stack(value)?;
    Ok(Compiled { graph, cost, validator, copies_data })
}

fn on_a_big_stack(schema: Value) -> Result<Validator, Vec<Violation>> {
    let compiler = Builder::new().name("schema-compiler".to_owned()).stack_size(STACK_BYTES);
    let compiled = compiler.spawn(move || validator(&schema)).map(std::thread::JoinHandle::join);
    match compiled {
        Ok(Ok(result)) => result,
        _ => Err(vec![Violation::new("", "this schema cannot be compiled")]),
    }
}

fn validator(schema: &Value) -> Result<Validator, Vec<Violation>> {
    let against_dialect = jsonschema::draft202012::meta::validator();
    let broken: Vec<Violation> = against_dialect
        .iter_errors(schema)
        .take(MAX_VIOLATIONS)
        .map(|error| {
            let pointer = error.instance_path().to_string();
            Violation::new(pointer, format!("no JSON Schema of {DIALECT}: {}", shortened(&error)))
        })
        .collect();
    if !broken.is_empty() {
        return Err(broken);
    }
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(4 * PATTERN_BYTES);
    jsonschema::draft202012::options()
        .with_pattern_options(patterns)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .offline()
        .build(schema)
        .map_err(|error| vec![Violation::new(error.instance_path().to_string(), shortened(&error))])
}

/// What the library says, without the value and not for ever.
pub(super) fn shortened(error: &jsonschema::ValidationError<'_>) -> String {
    const LONGEST: usize = 200;
    let text = error.masked().to_string();
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
