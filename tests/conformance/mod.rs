//! Whether an answer is what the document says: status, media type, headers, and every member of its body.

use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The document, made strict: a member of an answer that no schema names is wrong.
pub(crate) struct Conformance {
    document: Value,
    schemas: Value,
    validators: Mutex<HashMap<String, jsonschema::Validator>>,
}

/// An answer to check.
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) headers: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) body: &'a [u8],
}

impl Conformance {
    pub(crate) fn new(mut document: Value) -> Self {
        let mut schemas = document["components"]["schemas"].take();
        close(&mut schemas);
        Self { document, schemas, validators: Mutex::default() }
    }

    /// Panics when the document says otherwise. What it says nothing of is left alone: other paths, other methods.
    pub(crate) fn check(&self, seen: &Seen<'_>) {
        let Some(operation) = self.operation(seen) else { return };
        // A head that is no HTTP came to no route, and a method may be switched off.
        if (seen.status == 400 && seen.body.is_empty() && seen.method != "HEAD") || seen.status == 405 {
            return;
        }
        let what = format!("{} {} -> {}", seen.method, seen.path, seen.status);
        assert_ne!(operation["x-undescribed"], true, "{what}: the route is not described");
        let response = &operation["responses"][seen.status.to_string()];
        assert!(response.is_object(), "{what} is not described: {}", String::from_utf8_lossy(seen.body));
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let is_there = (seen.headers)(&name.to_ascii_lowercase()).is_some();
            let is_required = header["required"] == true || name == "X-Request-Id";
            assert!(is_there || !is_required, "{what} has no {name}");
        }
        if response["content"].is_null() || seen.method == "HEAD" {
            assert!(seen.body.is_empty(), "{what} has a body");
            return;
        }
        let media = (seen.headers)("content-type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let schema = &response["content"][media]["schema"];
        assert!(schema.is_object(), "{what} is {media}, which is not described");
        if media == "application/json" || media.ends_with("+json") {
            self.check_body(&what, schema, seen.body);
        }
    }

    fn check_body(&self, what: &str, schema: &Value, body: &[u8]) {
        let instance: Value = match serde_json::from_slice(body) {
            Ok(instance) => instance,
            // Numbers of any size come back: not every reader has room for them.
            Err(error) if error.to_string().contains("number out of range") => return,
            Err(error) => panic!("{what}: {error}"),
        };
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let mut whole = schema.clone();
            whole["components"] = json!({"schemas": self.schemas});
            jsonschema::options().should_validate_formats(true).build(&whole).expect("a valid schema")
        });
        let errors: Vec<String> = validator
            .iter_errors(&instance)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}: {}\n{instance}", errors.join("\n"));
    }

    fn operation(&self, seen: &Seen<'_>) -> Option<&Value> {
        let path = seen.path.split('?').next().unwrap_or_default();
        let given: Vec<&str> = path.split('/').collect();
        let paths = self.document["paths"].as_object().expect("paths");
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == given.len()
                && parts
                    .iter()
                    .zip(&given)
                    .all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()))
        };
        // What is written out comes before what stands for anything.
        let found = paths
            .iter()
            .filter(|(template, _)| fits(template))
            .min_by_key(|(template, _)| template.matches('{').count());
        let method = if seen.method == "HEAD" { "get".to_owned() } else { seen.method.to_ascii_lowercase() };
        found.and_then(|(_, methods)| methods.get(&method))
    }
}

/// Refuses members that are not named, wherever nothing else is said.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            let is_object =
                members.get("properties").is_some_and(Value::is_object) && members.contains_key("type");
            if is_object && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(close),
        _ => {}
    }
}

/// The examples of every schema fit it.
#[test]
fn examples_are_what_their_schemas_say() {
    let conformance = crate::conformance();
    let schemas: &Map<String, Value> = conformance.schemas.as_object().unwrap();
    for (name, schema) in schemas {
        for example in schema["examples"].as_array().into_iter().flatten() {
            let named = json!({"$ref": format!("#/components/schemas/{name}")});
            conformance.check_body(name, &named, example.to_string().as_bytes());
        }
    }
}
