//! An object that a schema takes, made from the schema alone: examples and defaults first, the plainest value else.
//!
//! It is a guess: whoever asks validates it.

use serde_json::{Map, Value, json};

/// How deep a guess goes.
const MAX_DEPTH: usize = 12;

/// A guess, as JSON text.
pub(super) fn of(schema: &str) -> Option<String> {
    let root: Value = serde_json::from_str(schema).ok()?;
    let guess = guess(&root, &root, 0)?;
    let object = if guess.is_object() { guess } else { json!({}) };
    serde_json::to_string(&object).ok()
}

fn guess(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let Value::Object(words) = schema else { return (schema != &Value::Bool(false)).then(|| json!({})) };
    let given =
        [words.get("const"), words.get("examples").and_then(|list| list.get(0)), words.get("default")];
    let first_of_enum = words.get("enum").and_then(|list| list.get(0));
    if let Some(given) = given.into_iter().flatten().chain(first_of_enum).next() {
        return Some(given.clone());
    }
    if depth > MAX_DEPTH {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(target) = words.get("$ref").and_then(Value::as_str) {
        parts.push(guess(root, root.pointer(target.strip_prefix('#')?)?, depth + 1)?);
    }
    let all = words.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for part in all {
        parts.push(guess(root, part, depth + 1)?);
    }
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(list) = words.get(alternatives).and_then(Value::as_array) {
            parts.push(list.iter().find_map(|one| guess(root, one, depth + 1))?);
        }
    }
    let own = of_type(root, words, depth);
    let is_plain = !["type", "properties", "required"].iter().any(|word| words.contains_key(*word));
    if is_plain && !parts.is_empty() {
        return Some(merged(parts));
    }
    parts.push(own?);
    Some(merged(parts))
}

/// Objects are joined; of anything else the last is taken.
fn merged(parts: Vec<Value>) -> Value {
    let mut whole = Value::Null;
    for part in parts {
        match (&mut whole, part) {
            (Value::Object(whole), Value::Object(part)) => whole.extend(part),
            (whole, part) => *whole = part,
        }
    }
    whole
}

fn of_type(root: &Value, words: &Map<String, Value>, depth: usize) -> Option<Value> {
    let kind = match words.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("object"),
        Some(kind) => kind.as_str().unwrap_or("object"),
        None if words.contains_key("items") => "array",
        None => "object",
    };
    Some(match kind {
        "string" => text(words),
        "integer" | "number" => number(words, kind == "integer"),
        "boolean" => json!(true),
        "null" => Value::Null,
        "array" => {
            let least = words.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(16);
            let item = words.get("items").cloned().unwrap_or(json!({}));
            Value::Array((0..least).map(|_| guess(root, &item, depth + 1)).collect::<Option<_>>()?)
        }
        _ => object(root, words, depth)?,
    })
}

/// Required members, and those others that can be guessed.
fn object(root: &Value, words: &Map<String, Value>, depth: usize) -> Option<Value> {
    let mut made = Map::new();
    let empty = Map::new();
    let properties = words.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> = words
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, schema) in properties {
        match guess(root, schema, depth + 1) {
            Some(value) => drop(made.insert(name.clone(), value)),
            None if required.contains(&name.as_str()) => return None,
            None => {}
        }
    }
    let rest = words.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
    for name in required {
        if !made.contains_key(name) {
            made.insert(name.to_owned(), guess(root, &rest, depth + 1)?);
        }
    }
    Some(Value::Object(made))
}

fn text(words: &Map<String, Value>) -> Value {
    let known = match words.get("format").and_then(Value::as_str).unwrap_or_default() {
        "date-time" => "2026-02-15T06:00:00Z",
        "date" => "2026-02-15",
        "time" => "06:00:00Z",
        "duration" => "PT1S",
        "email" | "idn-email" => "ada@example.com",
        "uri" | "iri" | "uri-reference" => "https://example.com/",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => "text",
    };
    let bound = |word: &str| words.get(word).and_then(Value::as_u64).map(|bound| bound.min(4096) as usize);
    let mut text = known.to_owned();
    while text.len() < bound("minLength").unwrap_or(0) {
        text.push('x');
    }
    text.truncate(bound("maxLength").unwrap_or(text.len()));
    Value::String(text)
}

fn number(words: &Map<String, Value>, is_whole: bool) -> Value {
    let bound = |word: &str| words.get(word).and_then(Value::as_f64);
    let step = bound("multipleOf").unwrap_or(1.0);
    let mut number = 1.0_f64.max(step);
    if let Some(least) = bound("minimum").or(bound("exclusiveMinimum").map(|least| least + step)) {
        number = number.max((least / step).ceil() * step);
    }
    if let Some(most) = bound("maximum").or(bound("exclusiveMaximum").map(|most| most - step)) {
        number = number.min((most / step).floor() * step);
    }
    if is_whole || number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
}
