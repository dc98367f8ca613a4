//! The OpenAPI document (3.1), made of what is served and what is said of it.

use super::{Access, Answer, Form, Operation, PARTS, Parameter, Shape, problems};
use serde_json::{Map, Value, json};

/// A path with the methods it answers to.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(in crate::http) path: &'static str,
    pub(in crate::http) methods: Vec<&'static str>,
}

const ABOUT: &str = "Publish events once into a durable log; hear them by signed webhook, Server-Sent Events, polling \
and functions, all from the same place in the log.\n\nErrors are problem documents (RFC 9457). Times are RFC 3339 in \
UTC. Every answer has `X-Request-Id`. `GET` stands for `HEAD` too. A known path with another method is 405 with \
`Allow`. Members of answers that are not named here may come: leave them alone.";

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
    let tags: Vec<Value> =
        PARTS.iter().map(|part| json!({"name": part.name, "description": part.about})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Campanile",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This broker."}],
        "tags": tags,
        "paths": paths,
        "components": components(),
    })
}

fn components() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in
        problems::schemas().into_iter().chain(PARTS.iter().flat_map(|part| (part.schemas)()))
    {
        schemas.insert(name.to_owned(), schema);
    }
    json!({
        "schemas": schemas,
        "headers": {
            "X-Request-Id": {
                "description": "The request's id: the caller's, if it sent a sane one.",
                "required": true,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
            },
        },
        "securitySchemes": {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key, `cmp_...`."},
            "ticket": {
                "type": "apiKey", "in": "query", "name": "ticket",
                "description": "A stream ticket, for browsers. Good once, for 60 seconds.",
            },
        },
    })
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
    let of = |place: &'static str| move |one: &Parameter| parameter(one, place);
    // A ticket is a security scheme, not a parameter.
    let query = operation.query.iter().filter(|one| one.name != "ticket");
    let mut parameters: Vec<Value> = operation.segments.iter().map(of("path")).collect();
    parameters.extend(query.map(of("query")));
    parameters.extend(operation.headers.iter().map(of("header")));
    let mut shown = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": description(operation),
        "tags": [part],
        "parameters": parameters,
        "responses": responses(operation),
        "security": security(operation.access),
    });
    if !operation.body.is_empty() {
        shown["requestBody"] = json!({"required": operation.needs_body, "content": content(operation.body)});
    }
    if let Access::Key(scope) | Access::KeyOrTicket(scope) = operation.access {
        shown["x-scope"] = json!(scope.name());
    }
    shown
}

fn description(operation: &Operation) -> String {
    let scope = match operation.access {
        Access::Open => "Needs no key.".to_owned(),
        Access::Key(scope) | Access::KeyOrTicket(scope) => format!("Needs the scope `{}`.", scope.name()),
    };
    if operation.about.is_empty() { scope } else { format!("{} {scope}", operation.about) }
}

fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::Key(_) => json!([{"key": []}]),
        Access::KeyOrTicket(_) => json!([{"key": []}, {"ticket": []}]),
    }
}

fn responses(operation: &Operation) -> Value {
    let mut all = Map::new();
    for answer in operation.answers {
        all.insert(answer.status.to_string(), response(answer));
    }
    let (media, schema) = if operation.has_envelope {
        ("application/json", "CloudError")
    } else {
        ("application/problem+json", "Problem")
    };
    for (status, meaning) in problems::of(operation) {
        // In the envelope, what breaks a rule is 400.
        if operation.has_envelope && status == 422 {
            continue;
        }
        let mut headers = problems::headers_of(status);
        headers.insert("X-Request-Id".to_owned(), json!({"$ref": "#/components/headers/X-Request-Id"}));
        let content = content(&[Form { media, schema }]);
        // An answer of the operation's own may have the status of a problem, and another form.
        if let Some(known) = all.get_mut(&status.to_string()) {
            let said = known["description"].as_str().unwrap_or_default();
            known["description"] = json!(format!("{said} {meaning}"));
            if let (Some(forms), Some(more)) = (known["content"].as_object_mut(), content.as_object()) {
                forms.extend(more.clone());
            }
            continue;
        }
        let problem = json!({"description": meaning, "headers": headers, "content": content});
        all.insert(status.to_string(), problem);
    }
    Value::Object(all)
}

fn response(answer: &Answer) -> Value {
    let mut headers = Map::new();
    headers.insert("X-Request-Id".to_owned(), json!({"$ref": "#/components/headers/X-Request-Id"}));
    for one in answer.headers {
        headers
            .insert(one.name.to_owned(), json!({"description": one.about, "schema": schema_of(one.shape)}));
    }
    let mut shown = json!({"description": answer.about, "headers": headers});
    if !answer.forms.is_empty() {
        shown["content"] = content(answer.forms);
    }
    shown
}

fn content(forms: &[Form]) -> Value {
    let schema = |form: &Form| json!({"schema": super::named(form.schema)});
    forms.iter().map(|form| (form.media.to_owned(), schema(form))).collect::<Map<String, Value>>().into()
}

fn parameter(one: &Parameter, place: &str) -> Value {
    let mut schema = schema_of(one.shape);
    if one.repeats {
        schema = json!({"type": "array", "items": schema, "maxItems": 100});
    }
    json!({
        "name": one.name,
        "in": place,
        "description": one.about,
        "required": place == "path",
        "schema": schema,
    })
}

fn schema_of(shape: Shape) -> Value {
    match shape {
        Shape::Any => json!({"type": "string"}),
        Shape::Text { least, most } => {
            json!({"type": "string", "minLength": least, "maxLength": most, "examples": ["user-analytics"]})
        }
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
mod tests;
