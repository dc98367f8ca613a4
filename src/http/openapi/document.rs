//! The OpenAPI document, made of what is served and what is said of it.

use super::{Operation, PARTS, Parameter, Shape};
use serde_json::{Map, Value, json};

/// A path with the methods it answers to.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(in crate::http) path: &'static str,
    pub(in crate::http) methods: Vec<&'static str>,
}

/// The document for what is served: a route that nothing is said of is there too, and says so.
pub(super) fn document(served: &[Served]) -> Value {
    let mut paths = Map::new();
    for one in served {
        let mut methods = Map::new();
        for method in one.methods.iter().filter(|method| **method != "HEAD") {
            methods.insert(method.to_ascii_lowercase(), operation_of(one.path, method));
        }
        paths.insert(one.path.to_owned(), Value::Object(methods));
    }
    let info = json!({
        "title": "Campanile",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": env!("CARGO_PKG_DESCRIPTION"),
    });
    json!({"openapi": "3.1.0", "info": info, "paths": paths})
}

fn operation_of(path: &str, method: &str) -> Value {
    for part in &PARTS {
        for operation in part.operations {
            if operation.path == path && operation.method == method {
                return described(part.name, operation);
            }
        }
    }
    json!({"x-undescribed": true})
}

fn described(part: &str, operation: &Operation) -> Value {
    let parameters: Vec<Value> = operation.query.iter().map(|one| parameter(one, "query")).collect();
    json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.about,
        "tags": [part],
        "parameters": parameters,
    })
}

fn parameter(one: &Parameter, place: &str) -> Value {
    let mut schema = schema_of(one.shape);
    if one.repeats {
        schema = json!({"type": "array", "items": schema});
    }
    json!({
        "name": one.name,
        "in": place,
        "description": one.about,
        "schema": schema,
    })
}

fn schema_of(shape: Shape) -> Value {
    match shape {
        Shape::Text { least, most } => json!({"type": "string", "minLength": least, "maxLength": most}),
        Shape::OneOf(words) => json!({"type": "string", "enum": words}),
        Shape::Whole { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Time => {
            json!({"type": "string", "format": "date-time", "examples": ["2026-02-15T06:00:00Z"]})
        }
        Shape::Pattern { pattern, example } => {
            json!({"type": "string", "pattern": pattern, "examples": [example]})
        }
        Shape::Format { format, example } => {
            json!({"type": "string", "format": format, "examples": [example]})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_given_once() {
        let all: Vec<&Operation> = PARTS.iter().flat_map(|part| part.operations).collect();
        let ids: BTreeSet<&str> = all.iter().map(|one| one.id).collect();
        let places: BTreeSet<(&str, &str)> = all.iter().map(|one| (one.path, one.method)).collect();
        assert_eq!((ids.len(), places.len()), (all.len(), all.len()));
        assert!(all.iter().all(|one| !one.id.is_empty() && !one.summary.is_empty()));
    }

    #[test]
    fn what_is_said_of_a_route_is_served() {
        let routes = include_str!("../routes.rs");
        for one in PARTS.iter().flat_map(|part| part.operations) {
            assert!(routes.contains(&format!("\"{}\"", one.path)), "{} is said to be there", one.path);
        }
    }
}
