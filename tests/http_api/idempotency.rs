//! `Idempotency-Key`.

use crate::support::*;

fn publish(server: &Running, path: &str, key: &str, body: &str) -> Answer {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    server.send("POST", path, PUBLISHER, &headers, body.as_bytes())
}

const ONE: &str = r#"{"type":"a","data":{"n":1}}"#;

#[test]
fn a_repeated_request_gets_the_first_answer_again() {
    let server = start();
    let first = publish(&server, "/api/v1/events", "k1", ONE);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    for same in ["k1", "\"k1\""] {
        let again = publish(&server, "/api/v1/events", same, ONE);
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
        assert_eq!(again.text(), first.text());
    }
    assert_eq!(server.stored(), 1);
}

#[test]
fn a_key_belongs_to_one_content_one_route_and_one_tenant() {
    let server = start();
    assert_eq!(publish(&server, "/api/v1/events", "k", ONE).status, 201);
    let other = publish(&server, "/api/v1/events", "k", r#"{"type":"a","data":{"n":2}}"#);
    other.problem(422, "idempotency_key_reused");
    let batch = publish(&server, "/api/v1/events/batch", "k", &format!(r#"{{"events":[{ONE}]}}"#));
    assert_eq!((batch.status, batch.header("idempotency-replayed")), (201, None));
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    let theirs = server.send("POST", "/api/v1/events", OTHER, &headers, ONE.as_bytes());
    assert_eq!((theirs.status, theirs.header("idempotency-replayed")), (201, None));
    assert_eq!(server.stored(), 3);
}

#[test]
fn what_is_no_key_is_400() {
    let server = start();
    let long = "k".repeat(256);
    for bad in ["", "a b", "\"open", "é", long.as_str()] {
        publish(&server, "/api/v1/events", bad, ONE).problem(400, "invalid_idempotency_key");
    }
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    let twice = server.send("POST", "/api/v1/events", PUBLISHER, &headers, ONE.as_bytes());
    twice.problem(400, "invalid_idempotency_key");
    assert_eq!(publish(&server, "/api/v1/events", &"k".repeat(255), ONE).status, 201);
}

#[test]
fn a_refused_request_does_not_use_its_key_up() {
    let server = start();
    assert_eq!(publish(&server, "/api/v1/events", "k", "{}").status, 422);
    assert_eq!(publish(&server, "/api/v1/events", "k", ONE).status, 201);
}
