//! `CloudEvents` in and out.

use crate::support::*;
use serde_json::{Value, json};

const EVENTS: &str = "/api/v1/events";
const ONE: &str = "application/cloudevents+json";
const MANY: &str = "application/cloudevents-batch+json";

fn read_back(server: &Running, id: &str) -> Value {
    server.send("GET", &format!("{EVENTS}/{id}"), READER, &[("Accept", ONE)], b"").json()
}

#[test]
fn a_structured_event_comes_back_with_all_it_came_with() {
    let server = start();
    let event = json!({"specversion":"1.0","id":"e-1","source":"/apps/x","type":"com.example.done","subject":"s 1",
        "time":"2026-02-15T08:00:04.7+02:00","datacontenttype":"application/json","dataschema":"urn:x",
        "pipeline":"p","runid":"r","count":7,"flag":true,"nothing":null,"data":{"k":[1]}});
    let answer = server.post(EVENTS, PUBLISHER, ONE, event.to_string());
    assert_eq!(answer.status, 201);
    let stored = answer.json();
    assert_eq!(
        (&stored["id"], &stored["pipeline"], &stored["run_id"]),
        (&"e-1".into(), &"p".into(), &"r".into())
    );
    assert_eq!(stored["timestamp"], "2026-02-15T06:00:04.7Z");
    let mut back = read_back(&server, "e-1");
    assert_eq!(back["sequence"].take(), "1");
    let mut expected = event.clone();
    expected["time"] = "2026-02-15T06:00:04.7Z".into();
    expected["sequence"] = Value::Null;
    expected.as_object_mut().unwrap().remove("nothing");
    assert_eq!(back, expected);
    assert_eq!(
        server.post(EVENTS, PUBLISHER, ONE, event.to_string()).status,
        200,
        "sent again it is the same event"
    );
}

#[test]
fn an_id_outside_the_alphabet_becomes_a_hash_of_source_and_id() {
    let server = start();
    let publish = |source: &str, id: &str| {
        let event = json!({"specversion":"1.0","id":id,"source":source,"type":"a","data":{}});
        server.post(EVENTS, PUBLISHER, ONE, event.to_string()).json()["id"].as_str().unwrap().to_owned()
    };
    let made = publish("/a", "1.2/3");
    assert!(made.starts_with("evt_") && made.len() == 44, "{made}");
    assert_eq!(publish("/a", "1.2/3"), made);
    assert_ne!(publish("/b", "1.2/3"), made);
    assert_ne!(publish("/a1", ".2/3"), publish("/a", "1.2/3"));
}

#[test]
fn attributes_in_headers_are_an_event_too() {
    let server = start();
    let headers = [
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "b-1"),
        ("ce-source", "/s%20x"),
        ("ce-type", "a.b"),
        ("ce-subject", "caf%C3%A9"),
        ("ce-time", "2026-02-15T06:00:04Z"),
        ("ce-extra", "7"),
    ];
    let answer = server.send("POST", EVENTS, PUBLISHER, &headers, br#"{"n":1.50}"#);
    assert_eq!(answer.status, 201);
    assert!(answer.text().ends_with(r#""data":{"n":1.50}}"#));
    let back = read_back(&server, "b-1");
    assert_eq!(
        (&back["source"], &back["subject"], &back["extra"]),
        (&"/s x".into(), &"café".into(), &"7".into())
    );
}

#[test]
fn the_sequence_that_an_event_came_with_is_kept_beside_its_own() {
    let server = start();
    let event = |id: &str, more: Value| {
        let mut event = json!({"specversion":"1.0","id":id,"source":"/x","type":"a","data":{}});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event.to_string()
    };
    for (number, (given, kept)) in [
        (json!({}), Value::Null),
        (json!({"sequence":"007"}), json!("007")),
        (json!({"sequence":7}), json!(7)),
        (json!({"sequence":"7","sourcesequence":"3"}), json!("3")),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("e-{number}");
        assert_eq!(server.post(EVENTS, PUBLISHER, ONE, event(&id, given.clone())).status, 201);
        let back = read_back(&server, &id);
        assert_eq!(back["sequence"], (number + 1).to_string(), "its place in this log");
        assert_eq!(back["sourcesequence"], kept, "{given}");
        assert_eq!(
            server.post(EVENTS, PUBLISHER, ONE, event(&id, given)).status,
            200,
            "it is the same event"
        );
        let returned = server.post(EVENTS, PUBLISHER, ONE, back.to_string());
        assert_eq!(returned.status, 200, "and so it is when it comes back to where it was read: {back}");
    }
    let headers = [
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "b-1"),
        ("ce-source", "/x"),
        ("ce-type", "a"),
        ("ce-sequence", "12"),
    ];
    assert_eq!(server.send("POST", EVENTS, PUBLISHER, &headers, b"{}").status, 201);
    assert_eq!(read_back(&server, "b-1")["sourcesequence"], "12");
}

#[test]
fn a_batch_of_cloudevents_is_all_or_nothing() {
    let server = start();
    let event = |id: &str| json!({"specversion":"1.0","id":id,"source":"/s","type":"a"});
    let answer =
        server.post("/api/v1/events/batch", PUBLISHER, MANY, json!([event("1"), event("2")]).to_string());
    assert_eq!((answer.status, &answer.json()["events"][1]["id"]), (201, &"2".into()));
    let mut bad = event("3");
    bad["specversion"] = "2.0".into();
    let refused = server.post("/api/v1/events/batch", PUBLISHER, MANY, json!([event("4"), bad]).to_string());
    assert_eq!(refused.pointers(), ["/1/specversion"]);
    assert_eq!(server.post("/api/v1/events/batch", PUBLISHER, MANY, "[]").pointers(), [""]);
    assert_eq!(server.post("/api/v1/events/batch", PUBLISHER, MANY, "{}").pointers(), [""]);
    server
        .post("/api/v1/events/batch", PUBLISHER, ONE, event("5").to_string())
        .problem(415, "unsupported_media_type");
    server.post(EVENTS, PUBLISHER, MANY, "[]").problem(415, "unsupported_media_type");
    assert_eq!(server.stored(), 2);
}

#[test]
fn a_structured_event_that_breaks_a_rule_is_422_with_pointers() {
    let server = start();
    for (change, pointers) in [
        (json!({"specversion":null}), &["/specversion"][..]),
        (json!({"specversion":"2.0"}), &["/specversion"]),
        (json!({"id":null}), &["/id"]),
        (json!({"source":""}), &["/source"]),
        (json!({"type":"a b"}), &["/type"]),
        (json!({"type":"stream.x"}), &["/type"]),
        (json!({"time":"soon"}), &["/time"]),
        (json!({"subject":""}), &["/subject"]),
        (json!({"datacontenttype":"text/plain"}), &["/datacontenttype"]),
        (json!({"data":"text"}), &["/data"]),
        (json!({"data_base64":"e30="}), &["/data_base64"]),
        (json!({"Extra":"x"}), &["/Extra"]),
        (json!({"extra":1.5}), &["/extra"]),
        (json!({"extra":4_294_967_296_u64}), &["/extra"]),
        (json!({"extra":{}}), &["/extra"]),
        (json!({"pipeline":7}), &["/pipeline"]),
        (json!({"runid":""}), &["/runid"]),
    ] {
        let mut event = json!({"specversion":"1.0","id":"1","source":"/s","type":"a","data":{}});
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = server.post(EVENTS, PUBLISHER, ONE, event.to_string());
        assert_eq!(answer.pointers(), pointers, "{event}");
    }
    let twice = r#"{"specversion":"1.0","id":"1","source":"/s","type":"a","x":"1","x":"2"}"#;
    server.post(EVENTS, PUBLISHER, ONE, twice).problem(422, "duplicate_key");
    assert_eq!(server.stored(), 0);
}

#[test]
fn attributes_in_headers_that_are_wrong_are_refused() {
    let server = start();
    let send = |media_type: &str, headers: &[(&str, &str)]| {
        let all = [&[("Content-Type", media_type)], headers].concat();
        server.send("POST", EVENTS, PUBLISHER, &all, b"{}")
    };
    let good = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "a")];
    assert_eq!(send("application/json", &good[1..]).pointers(), ["/specversion"]);
    assert_eq!(send("application/json", &[&good[..], &[("ce-x", "a%zz")]].concat()).status, 400);
    assert_eq!(send("application/json", &[&good[..], &[("ce-x", "%ff")]].concat()).status, 400);
    send(ONE, &good).problem(400, "ambiguous_event");
    assert_eq!(send("text/plain", &good).status, 415);
    assert_eq!(server.stored(), 0);
}
