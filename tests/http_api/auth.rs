//! Who is let in.

use crate::support::*;

#[test]
fn without_exactly_one_good_bearer_key_the_answer_is_401_with_a_challenge() {
    let server = start();
    let long = format!("Bearer {}", "x".repeat(10_240));
    for header in [
        None,
        Some("Basic YTpi"),
        Some("Bearer "),
        Some("Bearer nobody"),
        Some(long.as_str()),
        Some("reader-key"),
    ] {
        let headers: Vec<(&str, &str)> = header.iter().map(|value| ("Authorization", *value)).collect();
        let answer = server.send("GET", "/api/v1/events", "", &headers, b"");
        answer.problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer realm="), "{header:?}");
    }
    let twice = server.send("GET", "/api/v1/events", READER, &[("Authorization", "Bearer other")], b"");
    twice.problem(401, "unauthorized");
    server.get("/api/v1/events", EXPIRED).problem(401, "unauthorized");
    assert_eq!(server.get("/api/v1/events", READER).status, 200);
}

#[test]
fn a_key_without_the_scope_gets_403_that_names_it() {
    let server = start();
    let answer = server.post("/api/v1/events", READER, "application/json", r#"{"type":"a","data":{}}"#);
    answer.problem(403, "forbidden");
    assert!(answer.header("www-authenticate").unwrap().contains("scope=\"events:publish\""));
    server.get("/api/v1/events", PUBLISHER).problem(403, "forbidden");
    server.get("/api/v1/keys", READER).problem(403, "forbidden");
    server.get("/api/v1/tenants", ADMIN).problem(403, "forbidden");
    let admin = server.post("/api/v1/events", ADMIN, "application/json", r#"{"type":"a","data":{}}"#);
    admin.problem(403, "forbidden");
}

#[test]
fn another_tenant_s_event_is_as_missing_as_one_that_never_was() {
    let server = start();
    assert_eq!(server.publish(r#"{"id":"mine","type":"a","data":{}}"#).status, 201);
    assert_eq!(server.get("/api/v1/events/mine", READER).status, 200);
    let mut foreign = server.get("/api/v1/events/mine", OTHER).problem(404, "not_found");
    let mut missing = server.get("/api/v1/events/nobodys", OTHER).problem(404, "not_found");
    foreign["request_id"].take();
    missing["request_id"].take();
    assert_eq!(foreign, missing);
    assert_eq!(server.get("/api/v1/events", OTHER).json()["data"].as_array().unwrap().len(), 0);
    let theirs =
        server.post("/api/v1/events", OTHER, "application/json", r#"{"id":"mine","type":"b","data":{}}"#);
    assert_eq!(theirs.status, 201, "ids are each tenant's own");
}

#[test]
fn every_answer_has_a_request_id_and_only_a_sane_one_is_taken_over() {
    let server = start();
    let id_of = |given: &str| {
        let answer = server.send("GET", "/healthz", "", &[("X-Request-Id", given)], b"");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id_of("abc-1.2_X"), "abc-1.2_X");
    let long = "x".repeat(300);
    for bad in [long.as_str(), "a b", "[31mred", "é", "a;b"] {
        assert!(id_of(bad).starts_with("req_"), "{bad:?}");
    }
    let escape = server.send("GET", "/healthz", "", &[("X-Request-Id", "\u{1b}[31mred")], b"");
    assert_eq!(escape.status, 400, "a control character in a header does not even get to a route");
    for path in ["/nowhere", "/api/v1/events"] {
        assert!(server.get(path, "").header("x-request-id").is_some());
    }
}

#[test]
fn pages_of_other_sites_read_nothing_unless_the_config_lets_them() {
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    let closed = start();
    let answer = closed.send("OPTIONS", "/api/v1/events", "", &preflight, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));

    let open = start_with(|config| config.server.cors_origins = vec!["https://app.example".to_owned()]);
    let answer = open.send("OPTIONS", "/api/v1/events", "", &preflight, b"");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("Authorization") && allowed.contains("Last-Event-ID"));
    let read = open.send("GET", "/api/v1/events", READER, &preflight[..1], b"");
    assert_eq!(read.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(read.header("access-control-expose-headers").unwrap().contains("Link"));
    let refused = open.send("GET", "/api/v1/events", "", &preflight[..1], b"");
    assert_eq!((refused.status, refused.header("access-control-allow-origin").is_some()), (401, true));
    for (path, origin) in
        [("/api/v1/events", "https://evil.example"), ("/api/v1/keys", "https://app.example")]
    {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        let answer = open.send("OPTIONS", path, "", &headers, b"");
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (405, None),
            "{path} {origin}"
        );
    }
}
