//! The document and the routes say the same, and what the document does not name is refused.

use crate::support::*;
use serde_json::Value;

/// Every operation of the document: method, path with something in place of its parameters, what is said of it.
fn operations(server: &Running) -> Vec<(String, String, Value)> {
    let document = server.get("/openapi.json", "").json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let filled: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_ascii_uppercase(), filled.join("/"), operation.clone()));
        }
    }
    assert!(all.len() >= 45, "the routes were not found");
    all
}

#[test]
fn every_route_is_described() {
    let server = start();
    let missing: Vec<String> = operations(&server)
        .into_iter()
        .filter(|(_, _, operation)| operation["x-undescribed"] == true)
        .map(|(method, path, _)| format!("{method} {path}: add it to the `api.rs` of its area"))
        .collect();
    assert!(missing.is_empty(), "not described:\n{}", missing.join("\n"));
}

#[test]
fn an_unknown_query_parameter_is_refused_on_every_route() {
    let server = start();
    for (method, path, operation) in operations(&server) {
        for query in ["no_such_parameter=1", "Limit=1", "limit%20=1", "no_such_parameter"] {
            let answer = server.send(&method, &format!("{path}?{query}"), OPERATOR, &[], b"");
            assert_eq!(answer.status, 400, "{method} {path}?{query}: {}", answer.text());
            let said = if path.starts_with("/api/v1") || operation["tags"][0] != "Subscriptions" {
                answer.problem(400, "unknown_parameter")["detail"].clone()
            } else {
                assert_eq!(answer.json()["success"], false);
                answer.json()["message"].clone()
            };
            let name = query.split('=').next().unwrap().replace("%20", " ");
            assert!(said.as_str().unwrap().contains(&format!("{name:?}")), "{method} {path}: {said}");
        }
        let repeated =
            operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query");
        for parameter in repeated.filter(|one| one["schema"]["type"] != "array") {
            let name = parameter["name"].as_str().unwrap();
            let twice = server.send(&method, &format!("{path}?{name}=1&{name}=1"), OPERATOR, &[], b"");
            assert_eq!(twice.status, 400, "{method} {path}?{name} twice: {}", twice.text());
        }
    }
}

#[test]
fn a_described_query_parameter_is_taken() {
    let server = start();
    // The example of a cursor is a place that there is.
    server.publish_many(50);
    for (method, path, operation) in operations(&server) {
        // A list of events has those of the stream only when it is asked for one.
        let accept = if path == "/api/v1/events" { "text/event-stream" } else { "*/*" };
        for parameter in
            operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query")
        {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
            let value = [&schema["examples"][0], &schema["enum"][0]].into_iter().find_map(Value::as_str);
            let value = value.unwrap_or("1");
            let path = format!("{path}?{name}={}", value.replace(' ', "%20").replace('>', "%3E"));
            let head = if method == "GET" { "HEAD" } else { &method };
            let answer = server.send(head, &path, OPERATOR, &[("Accept", accept)], b"");
            assert_ne!(answer.status, 400, "{method} {path}");
        }
    }
}

#[test]
fn the_page_shows_every_operation_and_loads_nothing_from_elsewhere() {
    let server = start();
    let page = server.get("/docs", "");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    let html = page.text();
    for (_, _, operation) in operations(&server) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id} is not shown");
    }
    for loaded in ["<script", " style=", "<img", "@import", "url("] {
        assert!(!html.contains(loaded), "{loaded}");
    }
    // What it links to is there: places of the page itself, and of this server.
    for target in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        match target.strip_prefix('#') {
            Some(id) => assert!(html.contains(&format!("id=\"{id}\"")), "{target}"),
            None => assert_eq!(server.get(target, "").status, 200, "{target}"),
        }
    }
}
