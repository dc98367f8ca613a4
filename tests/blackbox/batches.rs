//! Publishing many events at once: all of them or none.

use crate::support::{ADMIN, Request, Server};
use serde_json::{Value, json};

fn drafts(count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({"type": "a.b", "data": {"n": n}})).collect()
}

#[test]
fn a_batch_is_answered_in_its_order_with_rising_sequences() {
    let server = Server::start();
    let answer = server.post("/api/v1/events/batch", &json!({"events": drafts(1000)})).must(201);
    let answered = answer["events"].as_array().unwrap();
    let page = server.list("?limit=1000");
    let stored = page["data"].as_array().unwrap();
    assert_eq!((answered.len(), stored.len()), (1000, 1000));
    for (n, (answered, stored)) in answered.iter().zip(stored).enumerate() {
        assert_eq!((&answered["id"], &answered["sequence"]), (&stored["id"], &stored["sequence"]));
        assert_eq!(stored["data"]["n"], n);
    }
    let sequences: Vec<u64> = answered.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_batch_has_1_to_1000_events() {
    let server = Server::start();
    for events in [drafts(0), drafts(1001)] {
        assert_eq!(server.post("/api/v1/events/batch", &json!({"events": events})).pointers(), ["/events"]);
    }
    server.post("/api/v1/events/batch", &json!({})).problem(422);
    server.post("/api/v1/events/batch", &json!({"events": {}})).problem(422);
    server.post("/api/v1/events/batch", &json!({"events": drafts(1), "more": 1})).problem(422);
    assert_eq!(server.head(), 0);
}

#[test]
fn one_bad_event_refuses_the_batch_and_is_named() {
    let server = Server::start();
    let mut events = drafts(1000);
    events[499]["tpye"] = json!("x");
    assert_eq!(
        server.post("/api/v1/events/batch", &json!({"events": events})).pointers(),
        ["/events/499/tpye"]
    );
    let mut events = drafts(3);
    events[2]["data"] = json!([]);
    assert_eq!(
        server.post("/api/v1/events/batch", &json!({"events": events})).pointers(),
        ["/events/2/data"]
    );
    assert_eq!(server.head(), 0);
}

#[test]
fn a_taken_id_refuses_the_whole_batch() {
    let server = Server::start();
    server.publish(&json!({"type": "a.b", "id": "taken", "data": {"n": 1}}));
    let mut events = drafts(3);
    events[1]["id"] = json!("taken");
    events[1]["data"] = json!({"n": "other"});
    server.post("/api/v1/events/batch", &json!({"events": events})).problem(409);
    assert_eq!(server.head(), 1);
}

#[test]
fn a_repeated_batch_with_ids_is_answered_with_what_is_stored() {
    let server = Server::start();
    let mut events = drafts(3);
    for (n, event) in events.iter_mut().enumerate() {
        event["id"] = json!(format!("own-{n}"));
    }
    let first = server.post("/api/v1/events/batch", &json!({"events": events})).must(201);
    let again = server.post("/api/v1/events/batch", &json!({"events": events}));
    assert!(matches!(again.status, 200 | 201), "{again:?}");
    assert_eq!(again.json()["events"], first["events"]);
    assert_eq!(server.head(), 3);
}

#[test]
fn newline_delimited_json_is_a_batch_too() {
    let server = Server::start();
    let lines: String = drafts(20).iter().map(|draft| format!("{draft}\n")).collect();
    let send = |body: &str| {
        let request = Request::post("/api/v1/events/batch").key(ADMIN);
        server.send(&request.body("application/x-ndjson", body))
    };
    assert_eq!(send(&lines).must(201)["events"].as_array().unwrap().len(), 20);
    assert_eq!(send(lines.trim_end()).must(201)["events"].as_array().unwrap().len(), 20);
    let refused = send(&format!("{lines}{{\"type\":\"a\",\"data\":{{}},\"tpye\":1}}\n"));
    assert!(refused.pointers()[0].ends_with("/20/tpye"), "{}", refused.text());
    send(&format!("{lines}{{\n")).problem(400);
    let refused = send("").status;
    assert!(matches!(refused, 400 | 422), "{refused}");
    assert_eq!(server.head(), 40);
}
