//! Who may open a stream, and with what.

use crate::support::{ADMIN, OTHER, READER, Stream, draft, key, start, start_with};
use campanile::model::Scope;
use serde_json::Value;

const PATH: &str = "/api/v1/events/stream";

fn ticket(server: &crate::support::Running, key: &str) -> String {
    let answer = Stream::ask(server.connect(), "POST", key, "/api/v1/stream-tickets", &[]);
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let body: Value = serde_json::from_str(&answer.body()).unwrap();
    assert!(body["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    body["ticket"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_that_may_read_events_is_needed() {
    let server = start_with(|config| {
        config.keys.push(key("publisher", "default", &[Scope::EventsPublish], None));
    });
    assert_eq!(server.ask("", PATH, &[]).status, 401);
    assert_eq!(server.ask("made-up", PATH, &[]).status, 401);
    assert_eq!(server.ask("publisher", PATH, &[]).status, 403);
    assert_eq!(server.ask(ADMIN, PATH, &[]).status, 200);
    let refused = Stream::ask(server.connect(), "POST", "publisher", "/api/v1/stream-tickets", &[]);
    assert_eq!(refused.status, 403);
}

#[test]
fn a_ticket_opens_one_stream_of_its_key_s_tenant() {
    let server = start();
    let path = format!("{PATH}?ticket={}", ticket(&server, OTHER));
    let mut stream = server.ask("", &path, &[]).opened();
    server.publish_many(1);
    server.publish_as(server.tenant("other"), vec![draft("mine", "{}")]);
    stream.expect([2]);
    assert_eq!(server.ask("", &path, &[]).status, 401);
    assert_eq!(server.ask("", &format!("{PATH}?ticket=made-up"), &[]).status, 401);
}

#[test]
fn a_ticket_is_not_used_up_by_a_request_that_opens_nothing() {
    let server = start_with(|config| config.stream.max_clients = 1);
    let path = format!("{PATH}?ticket={}", ticket(&server, READER));
    assert_eq!(server.ask("", &format!("{path}&format=xml"), &[]).status, 400);
    assert_eq!(server.ask("", &format!("{path}&on_gap=fail&last_event_id=99"), &[]).status, 410);
    let first = server.stream("");
    assert_eq!(server.ask("", &path, &[]).status, 503);
    drop(first);
    crate::support::until("there is room again", || server.open_streams() == 0);
    assert_eq!(server.ask("", &path, &[]).status, 200);
    assert_eq!(server.ask("", &path, &[]).status, 401);
}

#[test]
fn many_at_once_with_one_ticket_open_one_stream() {
    let server = start();
    let path = format!("{PATH}?ticket={}", ticket(&server, READER));
    let opened = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| server.ask("", &path, &[]).status)).collect();
        clients
            .into_iter()
            .filter(|_| true)
            .map(|client| client.join().unwrap())
            .filter(|status| *status == 200)
            .count()
    });
    assert_eq!(opened, 1);
}

#[test]
fn pages_of_allowed_origins_may_ask() {
    let server = start_with(|config| config.server.cors_origins = vec!["https://app.example.com".to_owned()]);
    let headers = [
        ("Origin", "https://app.example.com"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "last-event-id, authorization"),
    ];
    let preflight = Stream::ask(server.connect(), "OPTIONS", "", PATH, &headers);
    assert!(matches!(preflight.status, 200 | 204));
    let allowed = preflight.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    assert!(allowed.contains("last-event-id") && allowed.contains("authorization"), "{allowed}");
    let stream = server.ask(READER, PATH, &headers[..1]).opened();
    assert_eq!(stream.header("access-control-allow-origin"), Some("https://app.example.com"));
    let stranger = server.ask(READER, PATH, &[("Origin", "https://evil.example")]).opened();
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}
