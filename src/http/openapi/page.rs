//! The document for people: one page that needs no script, no network and no other file but its style.

use serde_json::{Map, Value};
use std::fmt::Write;

pub(super) const STYLE: &str = include_str!("page.css");

/// The page of a document.
pub(super) fn page(document: &Value) -> String {
    let mut out = Html::default();
    out.add(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Campanile API</title>\n\
         <link rel=\"stylesheet\" href=\"/docs/style.css\">\n</head>\n<body>\n",
    );
    let info = &document["info"];
    let by_tag = by_tag(document);
    out.add("<nav aria-label=\"Operations\"><h2>Operations</h2>\n");
    for (tag, operations) in &by_tag {
        out.add(&format!("<h3>{}</h3>\n<ul>\n", escape(tag)));
        for (_, _, operation) in operations {
            let (id, summary) = (text(&operation["operationId"]), text(&operation["summary"]));
            out.add(&format!("<li><a href=\"#{}\">{}</a></li>\n", escape(id), escape(summary)));
        }
        out.add("</ul>\n");
    }
    out.add("<p><a href=\"#schemas\">Schemas</a></p></nav>\n<main>\n");
    let version = escape(text(&info["version"]));
    out.add(&format!("<h1>Campanile API <small>{version}</small></h1>\n"));
    for paragraph in text(&info["description"]).split("\n\n") {
        out.add(&format!("<p>{}</p>\n", prose(paragraph)));
    }
    out.add("<p>The same for programs: <a href=\"/openapi.json\"><code>/openapi.json</code></a></p>\n");
    for (tag, operations) in &by_tag {
        out.add(&format!("<h2>{}</h2>\n", escape(tag)));
        for (path, method, operation) in operations {
            push_operation(&mut out, path, method, operation);
        }
    }
    out.add("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        push_schema(&mut out, name, schema);
    }
    out.add("</main>\n</body>\n</html>\n");
    out.0
}

/// The page so far.
#[derive(Default)]
struct Html(String);

impl Html {
    fn add(&mut self, html: &str) {
        self.0.push_str(html);
    }
}

type Row<'a> = (&'a str, &'a str, &'a Value);

/// The operations of each area, in the document's order of areas.
fn by_tag(document: &Value) -> Vec<(&str, Vec<Row<'_>>)> {
    let tags = document["tags"].as_array().into_iter().flatten().map(|tag| text(&tag["name"]));
    let of = |tag: &str| {
        let mut rows: Vec<Row<'_>> = Vec::new();
        for (path, methods) in members(&document["paths"]) {
            let wanted = members(methods).filter(|(_, operation)| operation["tags"][0] == tag);
            rows.extend(wanted.map(|(method, operation)| (path.as_str(), method.as_str(), operation)));
        }
        rows
    };
    tags.map(|tag| (tag, of(tag))).filter(|(_, rows)| !rows.is_empty()).collect()
}

fn push_operation(out: &mut Html, path: &str, method: &str, operation: &Value) {
    let (id, summary) = (escape(text(&operation["operationId"])), escape(text(&operation["summary"])));
    let call = format!("<code>{} {}</code>", method.to_ascii_uppercase(), escape(path));
    out.add(&format!("<section id=\"{id}\">\n<h3>{summary}</h3>\n<p class=\"call\">{call}</p>\n"));
    out.add(&format!("<p>{}</p>\n", prose(text(&operation["description"]))));
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        out.add("<table>\n<tr><th>Parameter</th><th>In</th><th>What it is</th></tr>\n");
        for one in parameters {
            let shape = escape(&shape(&one["schema"]));
            let (name, place) = (escape(text(&one["name"])), escape(text(&one["in"])));
            let about = prose(text(&one["description"]));
            let row = format!(
                "<tr><td><code>{name}</code></td><td>{place}</td><td>{about} <i>{shape}</i></td></tr>\n"
            );
            out.add(&row);
        }
        out.add("</table>\n");
    }
    if operation["requestBody"].is_object() {
        let forms = forms(&operation["requestBody"]["content"]);
        let need = if operation["requestBody"]["required"] == true { "" } else { " (may be left out)" };
        out.add(&format!("<p>Body{need}: {forms}</p>\n"));
    }
    out.add("<table>\n<tr><th>Status</th><th>When</th><th>Body</th></tr>\n");
    for (status, response) in members(&operation["responses"]) {
        let about = prose(text(&response["description"]));
        let forms = forms(&response["content"]);
        out.add(&format!("<tr><td>{}</td><td>{about}</td><td>{forms}</td></tr>\n", escape(status)));
    }
    out.add("</table>\n</section>\n");
}

/// Media types with links to their schemas.
fn forms(content: &Value) -> String {
    let mut shown = Vec::new();
    for (media, form) in members(content) {
        let name = name_of(&form["schema"]).unwrap_or_default();
        let name = escape(name);
        shown.push(format!("<a href=\"#schema-{name}\">{name}</a> <small>{}</small>", escape(media)));
    }
    shown.join(", ")
}

fn push_schema(out: &mut Html, name: &str, schema: &Value) {
    let name = escape(name);
    out.add(&format!("<section id=\"schema-{name}\">\n<h3>{name}</h3>\n"));
    if let Some(about) = schema["description"].as_str() {
        out.add(&format!("<p>{}</p>\n", prose(about)));
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if schema["properties"].is_object() {
        out.add("<table>\n<tr><th>Member</th><th>What it is</th></tr>\n");
        for (member, of) in members(&schema["properties"]) {
            let need = if required.contains(&member.as_str()) { "" } else { " <small>optional</small>" };
            let about = prose(text(&of["description"]));
            let shape = escape(&shape(of));
            let row = format!(
                "<tr><td><code>{}</code>{need}</td><td>{about} <i>{shape}</i></td></tr>\n",
                escape(member)
            );
            out.add(&row);
        }
        out.add("</table>\n");
    }
    if let Some(example) = schema["examples"].get(0) {
        let shown = example
            .as_str()
            .map_or_else(|| serde_json::to_string_pretty(example).unwrap_or_default(), str::to_owned);
        out.add(&format!("<pre><code>{}</code></pre>\n", escape(&shown)));
    }
    out.add("</section>\n");
}

/// What a value must look like, in a few words.
fn shape(schema: &Value) -> String {
    if let Some(name) = name_of(schema) {
        return name.to_owned();
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let mut said = match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("array of {}", shape(&schema["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    };
    for (name, word) in [("format", ""), ("pattern", ""), ("minimum", "at least "), ("maximum", "at most ")] {
        match &schema[name] {
            Value::Null => {}
            Value::String(value) => drop(write!(said, ", {word}{value}")),
            value => drop(write!(said, ", {word}{value}")),
        }
    }
    said
}

fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in it.
fn prose(text: &str) -> String {
    let mut shown = String::new();
    for (at, part) in escape(text).split('`').enumerate() {
        if at > 0 {
            shown.push_str(if at % 2 == 1 { "<code>" } else { "</code>" });
        }
        shown.push_str(part);
    }
    shown
}
