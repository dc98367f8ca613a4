//! Repeating a publish: with the event's own id, with an `Idempotency-Key`, at once and after a crash.

use crate::support::{ADMIN, Request, Response, STRANGER, Server};
use serde_json::{Value, json};

fn keyed(server: &Server, path: &str, key: &str, body: &Value) -> Response {
    server.send(&Request::post(path).key(ADMIN).header("Idempotency-Key", key).json(body))
}

#[test]
fn the_same_id_with_the_same_content_is_the_stored_event() {
    let mut server = Server::start();
    let draft = json!({"type": "a.b", "id": "own-1", "pipeline": "p", "data": {"n": 1.5}});
    let first = server.publish(&draft);
    let again = server.post("/api/v1/events", &draft);
    assert_eq!(again.must(200), first);
    server.crash();
    assert_eq!(server.post("/api/v1/events", &draft).must(200), first);
    assert_eq!(server.head(), 1);
}

#[test]
fn the_same_id_with_other_content_is_409() {
    let mut server = Server::start();
    let draft = json!({"type": "a.b", "id": "own-1", "pipeline": "p", "data": {"n": 1}});
    server.publish(&draft);
    for (member, value) in
        [("type", json!("a.c")), ("pipeline", json!("q")), ("run_id", json!("r")), ("data", json!({"n": 2}))]
    {
        let mut other = draft.clone();
        other[member] = value;
        server.post("/api/v1/events", &other).problem(409);
    }
    server.crash();
    server.post("/api/v1/events", &json!({"type": "a.b", "id": "own-1", "data": {}})).problem(409);
    assert_eq!(server.head(), 1);
}

#[test]
fn two_different_events_of_one_batch_cannot_share_an_id() {
    let server = Server::start();
    let events =
        json!([{"type": "a", "id": "x", "data": {"n": 1}}, {"type": "a", "id": "x", "data": {"n": 2}}]);
    let status = server.post("/api/v1/events/batch", &json!({"events": events})).status;
    assert!(matches!(status, 409 | 422), "{status}");
    assert_eq!(server.head(), 0);
}

#[test]
fn a_repeated_idempotency_key_repeats_the_answer() {
    let mut server = Server::start();
    let draft = json!({"type": "a.b", "data": {"n": 1}});
    let first = keyed(&server, "/api/v1/events", "key-1", &draft);
    first.must(201);
    assert_eq!(first.header("Idempotency-Replayed"), None);
    let check = |again: Response| {
        assert_eq!((again.status, again.json()), (201, first.json()));
        assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    };
    check(keyed(&server, "/api/v1/events", "key-1", &draft));
    server.crash();
    check(keyed(&server, "/api/v1/events", "key-1", &draft));
    assert_eq!(server.head(), 1);
    keyed(&server, "/api/v1/events", "key-1", &json!({"type": "a.b", "data": {"n": 2}})).problem(422);
    assert_eq!(server.head(), 1);
}

#[test]
fn a_repeated_idempotency_key_repeats_a_batch() {
    let mut server = Server::start();
    let batch = json!({"events": [{"type": "a", "data": {}}, {"type": "b", "data": {}}]});
    let first = keyed(&server, "/api/v1/events/batch", "key-1", &batch).must(201);
    server.crash();
    let again = keyed(&server, "/api/v1/events/batch", "key-1", &batch);
    assert_eq!(again.must(201), first);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(server.head(), 2);
}

#[test]
fn a_key_counts_for_its_route_and_tenant_only() {
    let server = Server::start();
    let draft = json!({"type": "a.b", "data": {}});
    keyed(&server, "/api/v1/events", "key-1", &draft).must(201);
    let other_route = keyed(&server, "/api/v1/events/batch", "key-1", &json!({"events": [draft]}));
    other_route.must(201);
    assert_eq!(other_route.header("Idempotency-Replayed"), None);
    let request = Request::post("/api/v1/events").key(STRANGER).header("Idempotency-Key", "key-1");
    let other_tenant = server.send(&request.json(&draft));
    other_tenant.must(201);
    assert_eq!(other_tenant.header("Idempotency-Replayed"), None);
    assert_eq!(server.list("")["data"].as_array().unwrap().len(), 2);
}

#[test]
fn a_refused_request_does_not_use_its_key_up() {
    let server = Server::start();
    keyed(&server, "/api/v1/events", "key-1", &json!({"type": "a.b", "data": []})).problem(422);
    keyed(&server, "/api/v1/events", "key-1", &json!({"type": "a.b", "data": {}})).must(201);
}

#[test]
fn an_idempotency_key_is_1_to_255_ascii_characters() {
    let server = Server::start();
    let draft = json!({"type": "a.b", "data": {}});
    for key in ["", &"x".repeat(256), "schlüssel"] {
        keyed(&server, "/api/v1/events", key, &draft).problem(400);
    }
    keyed(&server, "/api/v1/events", &"x".repeat(255), &draft).must(201);
    assert_eq!(server.head(), 1);
}

#[test]
fn publishers_that_race_with_one_key_store_one_event() {
    let server = Server::start();
    let draft = json!({"type": "a.b", "data": {}});
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let racers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| keyed(&server, "/api/v1/events", "key-1", &draft))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    for answer in &answers {
        assert!(matches!(answer.status, 201 | 409), "{answer:?}");
    }
    let fresh = answers
        .iter()
        .filter(|answer| answer.status == 201 && answer.header("Idempotency-Replayed").is_none());
    assert_eq!(fresh.count(), 1);
    assert_eq!(server.head(), 1);
}
