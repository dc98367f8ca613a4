//! Payload filters, from the outside: on destinations, streams and polls, and what a bad expression is told.

use crate::support::{ADMIN, Delivery, Message, Receiver, Request, Server, Settings};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A query with an expression in it.
fn with_filter(expression: &str, rest: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
    query.append_pair("filter", expression);
    format!("{}{rest}", query.finish())
}

fn sequences(page: &Value) -> Vec<u64> {
    let events = page["data"].as_array().expect("a list");
    events.iter().map(|event| event["sequence"].as_u64().expect("a sequence")).collect()
}

fn publish_runs(server: &Server) {
    for (pipeline, rows) in [("user-a", 10), ("user-b", 2000), ("order-c", 5000), ("user-d", 3000)] {
        let data = json!({"rows_loaded": rows});
        server.publish(&json!({"type": "pipeline.completed", "pipeline": pipeline, "data": data}));
    }
    server.publish(&json!({"type": "pipeline.failed", "data": {"error": "no rows"}}));
}

const MANY_ROWS: &str = r#"data.rows_loaded > 1000 && pipeline.startsWith("user-")"#;

#[test]
fn a_poll_finds_what_matches_and_its_cursor_moves_over_the_rest() {
    let server = Server::start();
    publish_runs(&server);
    let list = |expression: &str, rest: &str| server.list(&with_filter(expression, rest));
    assert_eq!(sequences(&list(MANY_ROWS, "")), [2, 4]);
    assert_eq!(sequences(&list(MANY_ROWS, "&order=desc&limit=1")), [4]);
    assert_eq!(sequences(&list(MANY_ROWS, "&pipeline=user-d")), [4]);
    assert_eq!(sequences(&list("!has(data.rows_loaded)", "")), [5]);
    assert_eq!(sequences(&list("data.rows_loaded != 10", "")), [2, 3, 4], "a missing member matches nothing");
    let nothing = list("data.rows_loaded > 1000000", "");
    assert_eq!(
        (sequences(&nothing).len(), &nothing["next_cursor"], &nothing["has_more"]),
        (0, &json!("5"), &json!(false))
    );
    let since = list("timestamp >= timestamp('2000-01-01T00:00:00Z') && sequence <= 2", "");
    assert_eq!(sequences(&since), [1, 2]);
}

#[test]
fn a_long_poll_passes_over_what_does_not_match() {
    let server = Server::start();
    publish_runs(&server);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.list(&with_filter("data.wanted", "&cursor=5&wait_ms=30000")));
        // Whether they come before or after the poll has begun to wait, only the last one ends it.
        for _ in 0..20 {
            server.publish(&json!({"type": "other", "data": {"wanted": false}}));
        }
        server.publish(&json!({"type": "other", "data": {"wanted": true}}));
        assert_eq!(sequences(&waiting.join().expect("the poll is answered")), [26]);
    });
}

#[test]
fn a_stream_brings_what_matches_stored_and_live() {
    let server = Server::start();
    publish_runs(&server);
    let mut stream = server.stream_from(&with_filter(MANY_ROWS, ""), Some("0"));
    let stored: Vec<u64> = stream.messages(2).iter().map(Message::sequence).collect();
    assert_eq!(stored, [2, 4]);
    publish_runs(&server);
    let live: Vec<u64> = stream.messages(2).iter().map(Message::sequence).collect();
    assert_eq!(live, [7, 9]);
}

/// Waits until these events have arrived, and no others but them.
#[track_caller]
fn assert_got(receiver: &Receiver, wanted: &[u64]) {
    crate::support::eventually(&format!("{wanted:?} to arrive"), || {
        let got: BTreeSet<u64> = receiver.deliveries().iter().map(Delivery::sequence).collect();
        wanted.iter().all(|sequence| got.contains(sequence)).then_some(())
    });
    let got: BTreeSet<u64> = receiver.deliveries().iter().map(Delivery::sequence).collect();
    assert_eq!(got, wanted.iter().copied().collect());
}

#[test]
fn a_destination_gets_what_its_filter_lets_through_and_a_change_holds_at_once() {
    let receiver = Receiver::willing();
    let mut server = Server::start();
    let mut wanted = receiver.destination();
    wanted["filter"] = json!(MANY_ROWS);
    let made = server.post("/api/v1/destinations", &wanted).must(201);
    assert_eq!(made["filter"], json!(MANY_ROWS));
    publish_runs(&server);
    assert_got(&receiver, &[2, 4]);
    server.restart();
    publish_runs(&server);
    assert_got(&receiver, &[2, 4, 7, 9]);

    let path = format!("/api/v1/destinations/{}", made["id"].as_str().expect("an id"));
    let change = |body: Value| server.send(&Request::new("PATCH", &path).key(ADMIN).json(&body));
    assert_eq!(change(json!({"description": "x"})).must(200)["filter"], json!(MANY_ROWS));
    let refused = change(json!({"filter": "data.rows_loaded >\n > 5"}));
    assert_eq!(refused.pointers(), ["/filter"]);
    let detail = refused.json()["errors"][0]["detail"].clone();
    assert!(detail.as_str().expect("a detail").starts_with("line 2, column 2:"), "{detail}");
    assert_eq!(change(json!({"filter": "has(data.error)"})).must(200)["filter"], json!("has(data.error)"));
    publish_runs(&server);
    assert_got(&receiver, &[2, 4, 7, 9, 15]);
    assert_eq!(change(json!({"filter": null})).must(200)["filter"], Value::Null);
    server.publish(&json!({"type": "anything", "data": {}}));
    assert_got(&receiver, &[2, 4, 7, 9, 15, 16]);
}

#[test]
fn every_change_of_a_filter_holds_for_the_very_next_event() {
    let receiver = Receiver::willing();
    let server = Server::start();
    let made = server.post("/api/v1/destinations", &receiver.destination()).must(201);
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().expect("an id"));
    let mut wanted = Vec::new();
    for round in 0..40_u64 {
        let event_type = format!("round_{}", round % 2);
        let body = json!({"events": [event_type], "filter": format!("data.round == {round}")});
        server.send(&Request::new("PATCH", &path).key(ADMIN).json(&body)).must(200);
        server.publish(&json!({"type": event_type, "data": {"round": round + 1}}));
        let event = server.publish(&json!({"type": event_type, "data": {"round": round}}));
        wanted.push(event["sequence"].as_u64().expect("a sequence"));
        assert_got(&receiver, &wanted);
    }
}

#[test]
fn lag_counts_what_the_filter_lets_through() {
    let server = Server::start();
    let wanted = json!({
        "url": "http://127.0.0.1:1/", "verification": "none", "filter": "data.n >= 15", "max_in_flight": 1,
        "retry": {"schedule_s": [3600]},
    });
    let made = server.post("/api/v1/destinations", &wanted).must(201);
    server.publish_many("counted", 20);
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().expect("an id"));
    let lag = server.send(&Request::get(&path).key(ADMIN)).must(200)["lag"].clone();
    assert_eq!(lag["events"], json!(5));
}

#[test]
fn a_bad_expression_is_told_by_line_and_column_wherever_it_is_given() {
    let server = Server::start();
    let deep = format!("{}1{} == 1", "(".repeat(200), ")".repeat(200));
    let long = format!("type == '{}'", "x".repeat(4000));
    for (expression, place) in [
        ("", "line 1, column 1:"),
        ("data.x ==", "line 1, column 10:"),
        ("data.x == 1 &&\nnothing", "line 2, column 1: there is no nothing"),
        ("sequence + 1", "line 1, column 10: a filter is true or false"),
        ("data.x.matches('(')", "line 1, column 16: this is no regular expression"),
        ("data.xs.map(x, x) == []", "line 1, column 12: a filter has all, exists"),
        (deep.as_str(), "line 1, column 17: brackets nest at most 16 deep"),
        (long.as_str(), "line 1, column 2049: an expression has at most 2048 bytes"),
    ] {
        for path in ["/api/v1/events", "/api/v1/events/stream"] {
            let problem = server.get(&format!("{path}{}", with_filter(expression, ""))).problem(400);
            assert_eq!(problem["type"], "invalid_filter", "{problem}");
            assert!(problem["detail"].as_str().expect("a detail").contains(place), "{problem}");
            assert!(problem["line"].is_u64() && problem["column"].is_u64(), "{problem}");
        }
        let body = json!({"url": "http://127.0.0.1:1/", "verification": "none", "filter": expression});
        let refused = server.post("/api/v1/destinations", &body);
        assert_eq!(refused.pointers(), ["/filter"]);
        let error = &refused.json()["errors"][0];
        assert_eq!(error["code"], "invalid_filter");
        assert!(error["detail"].as_str().expect("a detail").starts_with(place), "{error}");
    }
    for wrong in [json!(7), json!(["data.x"]), json!({})] {
        let body = json!({"url": "http://127.0.0.1:1/", "verification": "none", "filter": wrong});
        assert_eq!(server.post("/api/v1/destinations", &body).pointers(), ["/filter"]);
    }
}

#[test]
fn a_filter_that_costs_all_it_may_ends_in_pages_that_move_on() {
    let server = Server::start();
    let list = vec![0; 2000];
    let events: Vec<Value> =
        (0..100).map(|n| json!({"type": "large", "data": {"n": n, "list": list}})).collect();
    for _ in 0..2 {
        server.post("/api/v1/events/batch", &json!({"events": events})).must(201);
    }
    let costly = "data.list.all(a, data.list.all(b, a == b)) || data.n == 99";
    let (mut cursor, mut pages) = (String::from("0"), 0);
    loop {
        let page = server.list(&with_filter(costly, &format!("&cursor={cursor}")));
        assert_eq!(sequences(&page), Vec::<u64>::new(), "what costs more than it may does not match");
        pages += 1;
        if page["has_more"] == json!(false) {
            break;
        }
        let next = page["next_cursor"].as_str().expect("a cursor").to_owned();
        assert_ne!(next, cursor, "a page moves on");
        cursor = next;
    }
    assert!(pages > 1, "one page looked at everything");
    // A stream with the same filter says where it is, and goes on with what matches.
    let passing = with_filter("data.list.all(a, a == 0) && data.n == 99", "");
    let mut stream = server.stream_from(&passing, Some("0"));
    let found: Vec<u64> = stream.messages(2).iter().map(Message::sequence).collect();
    assert_eq!(found, [100, 200]);
}

#[test]
fn a_declared_destination_may_have_a_filter() {
    let receiver = Receiver::willing();
    let declared = format!("\n[[events.webhooks]]\nurl = \"{}\"\nfilter = 'data.n == 3'\n", receiver.url());
    let server = Settings::new().and(&declared).start();
    let listed = server.send(&Request::get("/api/v1/destinations").key(ADMIN)).must(200);
    assert_eq!(listed["data"][0]["filter"], json!("data.n == 3"));
    server.publish_many("counted", 10);
    assert_eq!(receiver.wait_for(1)[0].sequence(), 4);
}
