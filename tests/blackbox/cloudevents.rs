//! CloudEvents 1.0 over HTTP: structured, batched and binary, in and out again.

use crate::support::{ADMIN, READER, Request, Response, Server};
use serde_json::{Value, json};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn sample() -> Value {
    json!({"specversion": "1.0", "id": "ce-1", "source": "/sensors/1", "type": "sensor.read", "subject": "room",
        "time": "2026-02-15T06:00:04.7Z", "traceparent": "00-abc", "datacontenttype": "application/json",
        "data": {"celsius": 21.50}})
}

fn send(server: &Server, path: &str, media_type: &str, body: &Value) -> Response {
    server.send(&Request::post(path).key(ADMIN).body(media_type, body.to_string()))
}

fn read_as_cloudevents(server: &Server) -> Vec<Value> {
    let answer = server.send(&Request::get("/api/v1/events").key(READER).accept(BATCH));
    assert!(answer.header("Content-Type").unwrap().starts_with(BATCH), "{:?}", answer.headers);
    answer.must(200).as_array().expect("a batch is an array").clone()
}

#[test]
fn a_structured_event_is_kept_with_all_its_attributes() {
    let server = Server::start();
    let stored = send(&server, "/api/v1/events", STRUCTURED, &sample()).must(201);
    assert_eq!((&stored["id"], &stored["type"]), (&json!("ce-1"), &json!("sensor.read")));
    assert_eq!(stored["timestamp"], "2026-02-15T06:00:04.7Z");
    assert_eq!(stored["data"], json!({"celsius": 21.5}));
    let events = read_as_cloudevents(&server);
    assert_eq!(events.len(), 1);
    for name in ["specversion", "id", "source", "type", "subject", "time", "traceparent", "data"] {
        assert_eq!(events[0][name], sample()[name], "{name} in {}", events[0]);
    }
}

#[test]
fn a_batch_is_published_whole_or_not_at_all() {
    let server = Server::start();
    let mut second = sample();
    second["id"] = json!("ce-2");
    let answer = send(&server, "/api/v1/events/batch", BATCH, &json!([sample(), second])).must(201);
    assert_eq!(answer["events"].as_array().unwrap().len(), 2);
    let mut bad = sample();
    bad["id"] = json!("ce-3");
    let mut worse = bad.clone();
    worse.as_object_mut().unwrap().remove("source");
    let status = send(&server, "/api/v1/events/batch", BATCH, &json!([bad, worse])).status;
    assert!(matches!(status, 400 | 422), "{status}");
    assert_eq!(server.head(), 2);
}

#[test]
fn binary_mode_carries_attributes_in_headers() {
    let server = Server::start();
    let request = Request::post("/api/v1/events").key(ADMIN);
    let request =
        request.header("ce-specversion", "1.0").header("ce-id", "ce-1").header("ce-source", "/sensors/1");
    let request = request.header("ce-type", "sensor.read").header("ce-time", "2026-02-15T06:00:04.7Z");
    let request = request.header("ce-subject", "Euro%20%E2%82%AC").header("ce-traceparent", "00-abc");
    server.send(&request.body("application/json", r#"{"celsius": 21.50}"#)).must(201);
    assert!(server.get("/api/v1/events/ce-1").text().contains(r#"{"celsius": 21.50}"#));
    let events = read_as_cloudevents(&server);
    assert_eq!(events[0]["source"], "/sensors/1");
    assert_eq!(events[0]["subject"], "Euro €");
    assert_eq!(events[0]["traceparent"], "00-abc");
}

#[test]
fn an_id_outside_our_alphabet_becomes_a_hash_of_source_and_id() {
    let server = Server::start();
    let mut event = sample();
    event["id"] = json!("urn:uuid:1.2.3");
    let first = send(&server, "/api/v1/events", STRUCTURED, &event).must(201);
    let id = first["id"].as_str().unwrap();
    assert!(id.starts_with("evt_") && id.len() <= 64, "{id}");
    assert_eq!(send(&server, "/api/v1/events", STRUCTURED, &event).must(200)["sequence"], first["sequence"]);
    event["source"] = json!("/sensors/2");
    let other = send(&server, "/api/v1/events", STRUCTURED, &event).must(201);
    assert_ne!(other["id"], first["id"]);
}

#[test]
fn every_event_can_be_read_as_a_cloudevent() {
    let server = Server::start();
    server.publish(&json!({"type": "a.b", "pipeline": "p", "run_id": "r", "data": {"n": 1}}));
    let event = read_as_cloudevents(&server).remove(0);
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("a.b")));
    assert!(!event["source"].as_str().unwrap().is_empty());
    assert_eq!(event["data"], json!({"n": 1}));
    let message = server.stream_from("?format=cloudevents", Some("0")).message();
    assert_eq!(message.json()["specversion"], "1.0");
    assert_eq!(message.json()["data"], json!({"n": 1}));
}

#[test]
fn what_is_no_cloudevent_is_refused() {
    let server = Server::start();
    let without = |name: &str| {
        let mut event = sample();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let with = |name: &str, value: Value| {
        let mut event = sample();
        event[name] = value;
        event
    };
    let bad = [
        without("specversion"),
        without("id"),
        without("source"),
        without("type"),
        with("specversion", json!("2.0")),
        with("data_base64", json!("AAAA")),
        with("Upper", json!("x")),
        with("time", json!("yesterday")),
        with("source", json!("")),
    ];
    for event in bad {
        let answer = send(&server, "/api/v1/events", STRUCTURED, &event);
        assert!(matches!(answer.status, 400 | 422), "{} to {event}", answer.status);
    }
    let both =
        Request::post("/api/v1/events").key(ADMIN).header("ce-id", "x").header("ce-specversion", "1.0");
    let both = server.send(&both.body(STRUCTURED, sample().to_string()));
    assert!(matches!(both.status, 400 | 422), "{both:?}");
    assert_eq!(server.head(), 0);
}

#[test]
fn what_would_make_another_cloudevent_of_it_is_refused() {
    let server = Server::start();
    for name in ["subject", "dataschema"] {
        for value in [json!(7), json!(true), json!("")] {
            let mut event = sample();
            event[name] = value;
            assert_eq!(
                send(&server, "/api/v1/events", STRUCTURED, &event).pointers(),
                [format!("/{name}")],
                "{event}"
            );
        }
    }
    for twice in [r#""ext":null,"ext":null"#, r#""ext":null,"ext":"x""#, r#""ext":"x","ext":null"#] {
        let body = format!(r#"{{"specversion":"1.0","id":"n-1","source":"/s","type":"a",{twice}}}"#);
        let answer = server.send(&Request::post("/api/v1/events").key(ADMIN).body(STRUCTURED, body));
        assert_eq!(
            (answer.problem(422)["type"].clone(), answer.pointers()),
            (json!("duplicate_key"), vec!["/ext".to_owned()])
        );
    }
    // There would be two members of this name when it is read back.
    let named_data = binary("d-1").header("ce-data", "x").body("application/json", "{}");
    assert_eq!(server.send(&named_data).pointers(), ["/data"]);
    assert_eq!(server.head(), 0);
}

fn binary(id: &str) -> Request {
    let request = Request::post("/api/v1/events").key(ADMIN).header("ce-specversion", "1.0");
    request.header("ce-id", id).header("ce-source", "/s").header("ce-type", "a")
}

fn read_back(server: &Server, id: &str) -> Value {
    server.send(&Request::get(&format!("/api/v1/events/{id}")).key(READER).accept(STRUCTURED)).must(200)
}

#[test]
fn a_binary_event_without_data_is_one_with_no_members() {
    let server = Server::start();
    server.send(&binary("none")).must(201);
    server.send(&binary("none-2").body("application/json", "")).must(201);
    for id in ["none", "none-2"] {
        let event = read_back(&server, id);
        assert_eq!((&event["data"], &event["datacontenttype"]), (&json!({}), &json!("application/json")));
    }
    let untyped = b"POST /api/v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer it-admin-key\r\nce-specversion: 1.0\r\nce-id: u\r\nce-source: /s\r\nce-type: a\r\nContent-Length: 2\r\n\r\n{}";
    let mut connection = crate::support::Connection::open(server.address()).unwrap();
    connection.write(untyped).unwrap();
    connection.answer(false).unwrap().problem(415);
}

#[test]
fn a_header_in_quotes_is_taken_out_of_them() {
    let server = Server::start();
    let request = binary("quoted").header("ce-one", r#""a b""#).header("ce-two", r#""a\"b\\c%20d""#);
    let request = request.header("ce-three", r#"a"b\c"#).body("application/json", "{}");
    server.send(&request).must(201);
    let event = read_back(&server, "quoted");
    assert_eq!(event["one"], "a b");
    assert_eq!(event["two"], r#"a"b\c d"#);
    assert_eq!(event["three"], r#"a"b\c"#);
    let broken = binary("broken").header("ce-one", r#""a\""#).body("application/json", "{}");
    server.send(&broken).problem(400);
}

#[test]
fn the_type_of_data_is_kept_unless_it_is_the_usual_one() {
    let server = Server::start();
    for (id, given, kept) in [
        ("t1", "application/vnd.acme+json", "application/vnd.acme+json"),
        ("t2", "text/json", "text/json"),
        ("t3", "Application/JSON; charset=utf-8", "application/json"),
    ] {
        let mut event = sample();
        event["id"] = json!(id);
        event["datacontenttype"] = json!(given);
        send(&server, "/api/v1/events", STRUCTURED, &event).must(201);
        send(&server, "/api/v1/events", STRUCTURED, &event).must(200);
        assert_eq!(read_back(&server, id)["datacontenttype"], kept);
        let id = format!("b-{id}");
        server.send(&binary(&id).body(given, "{}")).must(201);
        assert_eq!(read_back(&server, &id)["datacontenttype"], kept);
    }
}
