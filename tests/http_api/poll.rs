//! Reading events: pages, cursors, filters, forms, waiting.

use crate::support::*;
use campanile::clock::instant;
use campanile::model::Sequence;
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

fn sequences(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
}

#[test]
fn whoever_follows_next_cursor_sees_every_event_once() {
    let server = start();
    server.publish_many(25);
    let mut seen = Vec::new();
    let mut path = "/api/v1/events?limit=10".to_owned();
    loop {
        let answer = server.get(&path, READER);
        let page = answer.json();
        seen.extend(sequences(&page));
        let cursor = page["next_cursor"].as_str().unwrap();
        path = format!("/api/v1/events?limit=10&cursor={cursor}");
        assert_eq!(answer.header("link"), Some(format!("<{path}>; rel=\"next\"").as_str()));
        if page["has_more"] == false {
            assert_eq!(cursor, "25");
            break;
        }
    }
    assert_eq!(seen, (1..=25).collect::<Vec<u64>>());
    let empty = server.get("/api/v1/events?cursor=25", READER).json();
    assert_eq!((sequences(&empty), &empty["next_cursor"]), (vec![], &"25".into()));
}

#[test]
fn newest_first_pages_back_to_the_oldest() {
    let server = start();
    server.publish_many(5);
    let first = server.get("/api/v1/events?order=desc&limit=3", READER).json();
    assert_eq!(sequences(&first), [5, 4, 3]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.get(&format!("/api/v1/events?order=desc&limit=3&cursor={cursor}"), READER).json();
    assert_eq!(sequences(&second), [2, 1]);
    assert_eq!(second["has_more"], false);
    let cursor = second["next_cursor"].as_str().unwrap();
    let third = server.get(&format!("/api/v1/events?order=desc&limit=3&cursor={cursor}"), READER).json();
    assert_eq!(sequences(&third), [] as [u64; 0]);
}

#[test]
fn filters_narrow_and_the_cursor_moves_over_what_does_not_match() {
    let server = start();
    for (kind, pipeline, time) in [
        ("pipeline.started", "p1", "2026-01-01T00:00:00Z"),
        ("pipeline.stage.done", "p2", "2026-01-02T00:00:00Z"),
        ("run.started", "p1", "2026-01-03T00:00:00Z"),
        ("other", "p1", "2025-01-01T00:00:00Z"),
    ] {
        let body = format!(
            r#"{{"type":"{kind}","pipeline":"{pipeline}","run_id":"r {pipeline}","timestamp":"{time}","data":{{}}}}"#
        );
        assert_eq!(server.publish(body).status, 201);
    }
    for (query, expected) in [
        ("type=pipeline.*", &[1, 2][..]),
        ("type=pipeline.stage.*,other", &[2, 4]),
        ("type=other&type=run.started", &[3, 4]),
        ("type=*", &[1, 2, 3, 4]),
        ("pipeline=p1", &[1, 3, 4]),
        ("run_id=r+p2", &[2]),
        ("run_id=r%20p2&type=other", &[]),
        ("since=2026-01-02T00:00:00Z", &[2, 3]),
        ("until=2026-01-02T00:00:00Z", &[1, 4]),
        ("since=2026-01-01T02:00:00%2B02:00&until=2026-01-02T00:00:00Z", &[1]),
        ("since=2026-01-03T00:00:00Z&until=2026-01-01T00:00:00Z", &[]),
    ] {
        let page = server.get(&format!("/api/v1/events?{query}"), READER).json();
        assert_eq!(sequences(&page), expected, "{query}");
        assert_eq!(page["next_cursor"], "4", "{query}");
    }
}

#[test]
fn parameters_that_cannot_be_are_400() {
    let server = start();
    for query in [
        "since=yesterday",
        "since=2026-13-01",
        "since=2026-01-01T00:00:00",
        "since=2026-01-01T24:00:00Z",
        "since=10000-01-01T00:00:00Z",
        "since=2026-01-01T00:00:00%2B25:00",
        "until=2026-01-01T00:00:00.0000000000000000000000000000000000000001Z",
        "since=",
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=%2B1",
        "cursor=",
        "cursor=abc",
        "cursor=-1",
        "cursor=01",
        "cursor=18446744073709551616",
        "cursor=99",
        "order=up",
        "wait_ms=30001",
        "wait_ms=-1",
        "wait_ms=1&order=desc",
        "type=",
        "type=a*",
        "type=a,,b",
        "pipeline=",
        "limit=1&limit=2",
        "tpye=a",
        "type=%zz",
        "type=%ff",
        "format=flat",
    ] {
        let answer = server.get(&format!("/api/v1/events?{query}"), READER);
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(server.get("/api/v1/events?", READER).status, 200);
}

#[test]
fn a_cursor_older_than_what_is_kept_is_410_and_says_how_to_go_on() {
    let server = start();
    server.publish_many(10);
    server.log.trim(Sequence(6));
    let gone = server.get("/api/v1/events?cursor=2", READER).problem(410, "trimmed");
    assert_eq!((&gone["oldest_cursor"], &gone["missed"]), (&"5".into(), &3.into()));
    let on = server.get("/api/v1/events?cursor=5", READER).json();
    assert_eq!(sequences(&on), [6, 7, 8, 9, 10]);
    assert_eq!((&on["oldest_cursor"], &on["head_cursor"]), (&"5".into(), &"10".into()));
    assert_eq!(sequences(&server.get("/api/v1/events", READER).json()), [6, 7, 8, 9, 10]);
}

#[test]
fn what_has_not_changed_is_304() {
    let server = start();
    server.publish_many(2);
    let first = server.get("/api/v1/events", READER);
    let tag = first.header("etag").unwrap();
    let again = |tag: &str, path: &str| server.send("GET", path, READER, &[("If-None-Match", tag)], b"");
    let unchanged = again(tag, "/api/v1/events");
    assert_eq!((unchanged.status, unchanged.body.len(), unchanged.header("etag")), (304, 0, Some(tag)));
    assert_eq!(again(&format!("\"x\", W/{tag}"), "/api/v1/events").status, 304);
    server.publish_many(1);
    assert_eq!(again(tag, "/api/v1/events").status, 200);
    let event = server.publish_data("{}").json();
    let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
    let tag = server.get(&path, READER).header("etag").unwrap().to_owned();
    assert_eq!(again(&tag, &path).status, 304);
}

#[test]
fn accept_decides_the_form() {
    let server = start();
    assert_eq!(server.publish("{\"type\":\"a.b\",\"data\":{\"x\":\n1,\r\n\"y\":2}}").status, 201);
    server.publish_many(1);
    let read = |accept: &str| server.send("GET", "/api/v1/events", READER, &[("Accept", accept)], b"");
    let lines = read("application/x-ndjson");
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.header("x-next-cursor"), Some("2"));
    let rows: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["data"]), (2, &serde_json::json!({"x":1,"y":2})));
    let batch = read("application/cloudevents-batch+json");
    assert_eq!(batch.header("content-type"), Some("application/cloudevents-batch+json"));
    assert_eq!(batch.json()[1]["specversion"], "1.0");
    assert_eq!(batch.json()[1]["sequence"], "2");
    assert_eq!(read("*/*").header("content-type"), Some("application/json"));
    read("text/html").problem(406, "not_acceptable");
}

#[test]
fn a_long_poll_answers_as_soon_as_something_matches() {
    let server = start();
    server.publish_many(1);
    std::thread::scope(|scope| {
        let began = instant();
        let poll = scope.spawn(|| server.get("/api/v1/events?cursor=1&type=wanted&wait_ms=30000", READER));
        while metric(&server, "campanile_waiting_polls") == 0 {
            std::thread::yield_now();
        }
        server.publish_many(3);
        assert_eq!(server.publish(r#"{"type":"wanted","data":{}}"#).status, 201);
        let page = poll.join().unwrap().json();
        assert_eq!(sequences(&page), [5]);
        assert_eq!(page["head_cursor"], page["next_cursor"]);
        assert!(began.elapsed() < Duration::from_secs(29));
    });
    let empty = server.get("/api/v1/events?cursor=1&type=never&wait_ms=50", READER).json();
    assert_eq!((sequences(&empty), &empty["next_cursor"]), (vec![], &"5".into()));
    assert_eq!(
        sequences(&server.get("/api/v1/events?cursor=4&wait_ms=20000", READER).json()),
        [5],
        "no wait when there is one"
    );
}

#[test]
fn a_long_poll_of_a_key_that_ended_meanwhile_is_told_nothing() {
    let server = start();
    let key = r#"{"name":"short","scopes":["events:read"]}"#;
    let made = server.post("/api/v1/keys", ADMIN, "application/json", key).json();
    let text_of = |member: &str| made[member].as_str().unwrap().to_owned();
    let (id, token) = (text_of("id"), text_of("key"));
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| server.get("/api/v1/events?wait_ms=30000", &token));
        while metric(&server, "campanile_waiting_polls") == 0 {
            std::thread::yield_now();
        }
        let removed = server.send("DELETE", &format!("/api/v1/keys/{id}"), ADMIN, &[], b"");
        assert_eq!(removed.status, 204);
        server.publish_many(1);
        poll.join().unwrap().problem(401, "unauthorized");
    });
}

fn metric(server: &Running, name: &str) -> u64 {
    let page = server.get("/metrics", OPERATOR);
    let line = page.text().lines().find(|line| line.starts_with(&format!("{name} "))).unwrap().to_owned();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn long_polls_are_bounded_and_end_when_the_broker_drains() {
    let server = start_with(|config| config.server.max_waiting_polls = 2);
    let mut waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut connection = server.connect();
            let request = format!("GET /api/v1/events?wait_ms=30000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READER}\r\n\r\n");
            connection.write_all(request.as_bytes()).unwrap();
            connection
        })
        .collect();
    while metric(&server, "campanile_waiting_polls") < 2 {
        std::thread::yield_now();
    }
    let refused = server.get("/api/v1/events?wait_ms=30000", READER);
    refused.problem(503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.get("/api/v1/events", READER).status, 200, "polls that do not wait go on");

    let began = instant();
    futures_executor::block_on(server.broker.shutdown());
    for connection in &mut waiting {
        let answer = answers_in(&read_all(connection));
        assert_eq!((answer[0].status, sequences(&answer[0].json())), (200, vec![]));
    }
    assert!(began.elapsed() < Duration::from_secs(25));
}

#[test]
fn a_long_poll_whose_client_left_gives_its_seat_back() {
    let server = start();
    let mut connection = server.connect();
    let request = format!(
        "GET /api/v1/events?wait_ms=30000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READER}\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    while metric(&server, "campanile_waiting_polls") < 1 {
        std::thread::yield_now();
    }
    drop(connection);
    let began = instant();
    while metric(&server, "campanile_waiting_polls") > 0 {
        assert!(began.elapsed() < Duration::from_secs(29), "the seat is taken for ever");
        std::thread::yield_now();
    }
}

#[test]
fn an_event_is_read_by_its_id_in_either_form() {
    let server = start();
    for id in ["x-1", "batch"] {
        assert_eq!(server.publish(format!(r#"{{"id":"{id}","type":"a","data":{{"n":1.0}}}}"#)).status, 201);
        let event = server.get(&format!("/api/v1/events/{id}"), READER);
        assert!(event.text().ends_with(r#""data":{"n":1.0}}"#));
    }
    let accept = [("Accept", "application/cloudevents+json")];
    let event = server.send("GET", "/api/v1/events/x-1", READER, &accept, b"");
    assert_eq!(event.header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(event.json()["source"], "/campanile");
    for missing in ["nobody", "a.b", "%00", "a%2Fb", ""] {
        server.get(&format!("/api/v1/events/{missing}"), READER).problem(404, "not_found");
    }
    let head = server.send("HEAD", "/api/v1/events/x-1", READER, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}
