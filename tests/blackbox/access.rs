//! Who may do what: keys, scopes, tenants, and what needs none.

use crate::support::{
    ADMIN, DESTINATIONS_READER, OPERATOR, PUBLISHER, READER, Request, Server, Settings, text_of,
};
use serde_json::json;

#[test]
fn without_a_good_key_everything_is_401() {
    let server = Server::start();
    let plain = || Request::get("/api/v1/events");
    let long = format!("Bearer {}", "x".repeat(10 * 1024));
    let requests = [
        plain(),
        plain().header("Authorization", "Basic dXNlcjpwYXNz"),
        plain().header("Authorization", "Bearer "),
        plain().header("Authorization", "Bearer wrong"),
        plain().header("Authorization", &long),
        plain().header("Authorization", READER),
        plain().key(READER).key("wrong"),
        plain().key("wrong").key(READER),
    ];
    for request in requests {
        let answer = server.send(&request);
        answer.problem(401);
        assert!(answer.header("WWW-Authenticate").unwrap_or_default().starts_with("Bearer"), "{answer:?}");
    }
    for (method, path) in [
        ("POST", "/api/v1/events"),
        ("GET", "/api/v1/events/stream"),
        ("GET", "/api/v1/destinations"),
        ("POST", "/api/v1/stream-tickets"),
        ("GET", "/api/v1/keys"),
    ] {
        server.send(&Request::new(method, path)).problem(401);
    }
}

#[test]
fn liveness_and_readiness_need_no_key() {
    let server = Server::start();
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(server.send(&Request::get(path)).status, 200, "{path}");
    }
}

#[test]
fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let server = Server::start();
    let draft = json!({"type": "a", "data": {}});
    let events = || Request::get("/api/v1/events");
    let publish = || Request::post("/api/v1/events").json(&draft);
    let destinations = || Request::get("/api/v1/destinations");
    let create = || Request::post("/api/v1/destinations").json(&json!({"url": "https://example.com/x"}));
    let keys = || Request::get("/api/v1/keys");
    let table: [(Request, &[&str]); 9] = [
        (publish(), &[READER, DESTINATIONS_READER, OPERATOR]),
        (events(), &[PUBLISHER, DESTINATIONS_READER]),
        (Request::get("/api/v1/events/stream"), &[PUBLISHER, DESTINATIONS_READER]),
        (Request::post("/api/v1/stream-tickets"), &[PUBLISHER, DESTINATIONS_READER]),
        (Request::get("/api/v1/events/evt_1"), &[PUBLISHER, DESTINATIONS_READER]),
        (destinations(), &[PUBLISHER, READER]),
        (create(), &[PUBLISHER, READER, DESTINATIONS_READER]),
        (keys(), &[PUBLISHER, READER, DESTINATIONS_READER]),
        (Request::get("/metrics"), &[PUBLISHER, READER, ADMIN]),
    ];
    for (request, refused) in table {
        for key in refused {
            assert_eq!(server.send(&request.clone().key(key)).status, 403, "{key} {request:?}");
        }
    }
    server.send(&publish().key(PUBLISHER)).must(201);
    server.send(&events().key(READER)).must(200);
    server.send(&destinations().key(DESTINATIONS_READER)).must(200);
    server.send(&keys().key(ADMIN)).must(200);
    assert_eq!(server.send(&Request::get("/metrics").key(OPERATOR)).status, 200);
}

#[test]
fn metrics_are_prometheus_text_and_can_be_made_public() {
    let server = Settings::new().with("server.metrics_public", "true").start();
    server.publish(&json!({"type": "a", "data": {}}));
    let metrics = server.send(&Request::get("/metrics"));
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.header("Content-Type").unwrap().starts_with("text/plain; version=0.0.4"),
        "{:?}",
        metrics.headers
    );
    assert!(metrics.text().contains("# TYPE campanile_"), "{}", metrics.text());
    let open = server.send(&Request::get("/metrics").accept("application/openmetrics-text"));
    assert!(open.header("Content-Type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n"));
}

#[test]
fn keys_are_made_shown_once_and_end_when_they_are_deleted() {
    let server = Server::start();
    let made = server.post("/api/v1/keys", &json!({"name": "app", "scopes": ["events:read"]})).must(201);
    let token = ["key", "token", "secret"]
        .iter()
        .find_map(|name| made[name].as_str())
        .expect("the key itself")
        .to_owned();
    assert!(token.starts_with("cmp_") && token.len() == 47, "{token}");
    server.send(&Request::get("/api/v1/events").key(&token)).must(200);
    server
        .send(&Request::post("/api/v1/events").key(&token).json(&json!({"type": "a", "data": {}})))
        .problem(403);
    let list = server.send(&Request::get("/api/v1/keys").key(ADMIN));
    list.must(200);
    assert!(list.text().contains(made["id"].as_str().unwrap()) && !list.text().contains(&token));
    let delete = Request::new("DELETE", &format!("/api/v1/keys/{}", made["id"].as_str().unwrap())).key(ADMIN);
    assert_eq!(server.send(&delete).status, 204);
    server.send(&Request::get("/api/v1/events").key(&token)).problem(401);
}

#[test]
fn an_expired_key_is_no_key() {
    let key = "\n[[keys]]\nname = \"old\"\ntoken = \"old-key\"\ntenant = \"default\"\nscopes = [\"events:read\"]\nexpires_at = \"2020-01-01T00:00:00Z\"\n";
    let server = Settings::new().and(key).start();
    server.send(&Request::get("/api/v1/events").key("old-key")).problem(401);
}

#[test]
fn another_origin_is_told_nothing_unless_it_is_allowed() {
    let server = Settings::new().with("server.cors_origins", r#"["https://app.example"]"#).start();
    let preflight = |origin: &str| {
        let request = Request::new("OPTIONS", "/api/v1/events/stream").header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "GET");
        server.send(&request.header("Access-Control-Request-Headers", "authorization, last-event-id"))
    };
    assert!(preflight("https://evil.example").header("Access-Control-Allow-Origin").is_none());
    let allowed = preflight("https://app.example");
    assert!((200..300).contains(&allowed.status), "{allowed:?}");
    assert_eq!(allowed.header("Access-Control-Allow-Origin"), Some("https://app.example"));
    let headers = allowed.header("Access-Control-Allow-Headers").unwrap_or_default().to_lowercase();
    assert!(headers.contains("last-event-id") && headers.contains("authorization"), "{headers}");
}

#[test]
fn a_tenant_has_so_many_keys_and_no_more() {
    // Those of the config count, and may be more than that.
    let server = Settings::new().with("server.max_keys", "1").start();
    let body = json!({"name": "one more", "scopes": ["events:read"]});
    let refused = server.post("/api/v1/keys", &body).problem(422);
    assert!(text_of(&refused["type"]).ends_with("too_many"), "{refused}");
    assert!(text_of(&refused["detail"]).contains("server.max_keys"), "{refused}");
}
