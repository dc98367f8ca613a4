//! Small words to write schemas with (JSON Schema 2020-12).

use serde_json::{Value, json};

/// A schema by its name.
pub(in crate::http) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The same, or null.
pub(in crate::http) fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// An object as it is answered: the members named in `required` are always there. Clients leave members alone that they
/// do not know.
pub(in crate::http) fn object(required: &[&str], properties: Value, example: Value) -> Value {
    let mut schema = json!({"type": "object", "properties": properties, "examples": [example]});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// An object as it is sent: a member that is not named is refused.
pub(in crate::http) fn closed(required: &[&str], properties: Value, example: Value) -> Value {
    let mut schema = object(required, properties, example);
    schema["additionalProperties"] = json!(false);
    schema
}

/// A page of a list of these.
pub(in crate::http) fn page(name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["data", "has_more", "next_cursor"],
        "properties": {
            "data": {"type": "array", "items": named(name)},
            "has_more": {"type": "boolean"},
            "next_cursor": {"type": ["string", "null"], "description": "For `cursor`, to go on after this page."},
        },
        "examples": [{"data": [], "has_more": false, "next_cursor": null}],
    })
}
