//! Reading events by polling: pages, filters, formats, conditional and long polls.

use crate::support::{READER, Request, Server, number, text_of};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn ns(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect()
}

#[test]
fn pages_follow_the_log_and_lead_on_to_the_next() {
    let server = Server::start();
    let sequences = server.publish_many("a.b", 25);
    let first = server.get("/api/v1/events?limit=10");
    let page = first.must(200);
    assert_eq!(ns(&page), (0..10).collect::<Vec<_>>());
    assert_eq!(page["has_more"], true);
    assert_eq!(number(&page["next_cursor"]), sequences[9]);
    assert_eq!(number(&page["head_cursor"]), sequences[24]);
    let link = first.header("Link").expect("a Link header");
    assert!(
        link.contains(r#"rel="next""#) && link.contains("cursor=") && link.contains("limit=10"),
        "{link}"
    );
    let second = server.list(&format!("?limit=10&cursor={}", text_of(&page["next_cursor"])));
    assert_eq!(ns(&second), (10..20).collect::<Vec<_>>());
    let third = server.list(&format!("?limit=10&cursor={}", text_of(&second["next_cursor"])));
    assert_eq!((ns(&third), &third["has_more"]), ((20..25).collect(), &json!(false)));
    let fourth = server.list(&format!("?limit=10&cursor={}", text_of(&third["next_cursor"])));
    assert_eq!((ns(&fourth), &fourth["next_cursor"]), (vec![], &third["next_cursor"]));
}

#[test]
fn a_page_has_100_events_unless_asked_for_1_to_1000() {
    let server = Server::start();
    server.publish_many("a.b", 1000);
    server.publish_many("a.b", 1);
    assert_eq!(ns(&server.list("")).len(), 100);
    assert_eq!(ns(&server.list("?limit=1000")).len(), 1000);
    assert_eq!(ns(&server.list("?limit=1")).len(), 1);
    for limit in ["0", "1001", "-1", "abc", "1.5", ""] {
        server.get(&format!("/api/v1/events?limit={limit}")).problem(400);
    }
}

#[test]
fn types_are_filtered_exactly_or_by_a_segment_suffix() {
    let server = Server::start();
    let types =
        ["pipeline", "pipeline.completed", "pipeline.stage.completed", "pipelines.completed", "other"];
    for (n, name) in types.iter().enumerate() {
        server.publish(&json!({"type": name, "data": {"n": n}}));
    }
    for (query, expected) in [
        ("type=pipeline.completed", vec![1]),
        ("type=pipeline.*", vec![1, 2]),
        ("type=pipeline.stage.*", vec![2]),
        ("type=*", vec![0, 1, 2, 3, 4]),
        ("type=other,pipeline", vec![0, 4]),
        ("type=other&type=pipeline.stage.*", vec![2, 4]),
        ("type=nothing", vec![]),
    ] {
        assert_eq!(ns(&server.list(&format!("?{query}"))), expected, "{query}");
    }
    for bad in ["", "pipe*", "*.completed", "a b", "**", "a.*.b"] {
        let query = bad.replace(' ', "%20");
        server.get(&format!("/api/v1/events?type={query}")).problem(400);
    }
}

#[test]
fn pipelines_and_runs_are_filtered_exactly() {
    let server = Server::start();
    for (n, (pipeline, run)) in [("p", "1"), ("p", "2"), ("q", "1")].iter().enumerate() {
        server.publish(&json!({"type": "a", "pipeline": pipeline, "run_id": run, "data": {"n": n}}));
    }
    server.publish(&json!({"type": "a", "data": {"n": 3}}));
    assert_eq!(ns(&server.list("?pipeline=p")), [0, 1]);
    assert_eq!(ns(&server.list("?run_id=1")), [0, 2]);
    assert_eq!(ns(&server.list("?pipeline=p&run_id=1")), [0]);
    assert_eq!(ns(&server.list("?pipeline=P")), [0; 0]);
}

#[test]
fn since_is_inclusive_and_until_exclusive_on_the_events_own_time() {
    let server = Server::start();
    for n in 0..4 {
        server
            .publish(&json!({"type": "a", "timestamp": format!("2026-01-01T00:00:0{n}Z"), "data": {"n": n}}));
    }
    assert_eq!(ns(&server.list("?since=2026-01-01T00:00:01Z&until=2026-01-01T00:00:03Z")), [1, 2]);
    assert_eq!(ns(&server.list("?since=2026-01-01T00:00:01.000000001Z")), [2, 3]);
    assert_eq!(ns(&server.list("?since=2026-01-01T01:00:03%2B01:00")), [3]);
    assert_eq!(ns(&server.list("?until=2026-01-01T00:00:00Z")), [0; 0]);
    assert_eq!(ns(&server.list("?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z")), [0; 0]);
    for bad in [
        "yesterday",
        "2026-13-01",
        "2026-01-01T00:00:00",
        "2026-01-01T24:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-01-01T00:00:00%2B25:00",
        "2026-01-01T00:00:00.0000000000000000000000000000000000000001Z",
        "1767225600",
        "",
    ] {
        for name in ["since", "until"] {
            server.get(&format!("/api/v1/events?{name}={bad}")).problem(400);
        }
    }
}

#[test]
fn newest_first_pages_back_to_the_oldest() {
    let server = Server::start();
    server.publish_many("a.b", 25);
    let first = server.list("?order=desc&limit=10");
    assert_eq!(ns(&first), (15..25).rev().collect::<Vec<_>>());
    let second = server.list(&format!("?order=desc&limit=10&cursor={}", text_of(&first["next_cursor"])));
    assert_eq!(ns(&second), (5..15).rev().collect::<Vec<_>>());
    let third = server.list(&format!("?order=desc&limit=10&cursor={}", text_of(&second["next_cursor"])));
    assert_eq!((ns(&third), &third["has_more"]), ((0..5).rev().collect(), &json!(false)));
    server.get("/api/v1/events?order=sideways").problem(400);
}

#[test]
fn unknown_and_malformed_parameters_are_400() {
    let server = Server::start();
    for query in [
        "tpye=a",
        "limit=1&limti=2",
        "cursor=abc",
        "cursor=-1",
        "cursor=99999999999999999999999",
        "wait_ms=30001",
        "wait_ms=-1",
        "wait_ms=x",
        "order=ASC",
        "limit=1&limit=2",
    ] {
        server.get(&format!("/api/v1/events?{query}")).problem(400);
    }
    server.get("/api/v1/events/stream?tpye=a").problem(400);
    server.post("/api/v1/events?dry=1", &json!({"type": "a", "data": {}})).problem(400);
    assert_eq!(server.head(), 0);
}

#[test]
fn an_event_is_found_by_its_id_and_nothing_else_is() {
    let server = Server::start();
    let made = server.publish(&json!({"type": "a", "data": {"n": 1}}));
    let given = server.publish(&json!({"type": "a", "id": "own", "data": {"n": 2}}));
    for event in [made, given] {
        let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
        assert_eq!(server.get(&path).must(200), event);
    }
    for id in ["evt_00000000000000000000000000", "nothing", "OWN", "a.b"] {
        server.get(&format!("/api/v1/events/{id}")).problem(404);
    }
}

#[test]
fn pages_come_as_newline_delimited_json_too() {
    let server = Server::start();
    server.publish_many("a.b", 3);
    let answer =
        server.send(&Request::get("/api/v1/events?limit=2").key(READER).accept("application/x-ndjson"));
    assert_eq!(answer.status, 200);
    assert!(answer.header("Content-Type").unwrap().starts_with("application/x-ndjson"));
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert!(lines.iter().all(|event| event["sequence"].is_u64()), "{text}");
    assert!(answer.header("Link").unwrap().contains(r#"rel="next""#));
}

#[test]
fn asking_the_list_for_event_stream_gives_a_stream() {
    let server = Server::start();
    server.publish_many("a.b", 2);
    let request = Request::get("/api/v1/events?type=a.*")
        .key(READER)
        .accept("text/event-stream")
        .header("Last-Event-ID", "0");
    let mut stream = crate::support::EventStream::open(server.address(), &request).unwrap().opened();
    assert_eq!(
        stream
            .messages(2)
            .iter()
            .map(|message| message.json()["data"]["n"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[test]
fn an_unchanged_page_is_304() {
    let server = Server::start();
    server.publish_many("a.b", 2);
    let first = server.get("/api/v1/events");
    let tag = first.header("ETag").expect("an ETag").to_owned();
    let ask = || server.send(&Request::get("/api/v1/events").key(READER).header("If-None-Match", &tag));
    let unchanged = ask();
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("ETag"), Some(tag.as_str()));
    server.publish_many("a.b", 1);
    let changed = ask();
    assert_eq!(ns(&changed.must(200)).len(), 3);
    assert_ne!(changed.header("ETag"), Some(tag.as_str()));
}

#[test]
fn a_long_poll_answers_as_soon_as_a_matching_event_exists() {
    let server = Server::start();
    let cursor = text_of(&server.list("")["next_cursor"]);
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let started = Instant::now();
            (server.list(&format!("?type=wanted&wait_ms=30000&cursor={cursor}")), started.elapsed())
        });
        for _ in 0..20 {
            server.publish_many("unwanted", 1);
        }
        server.publish(&json!({"type": "wanted", "data": {"n": 7}}));
        let (page, waited) = poll.join().unwrap();
        assert_eq!(ns(&page), [7]);
        assert!(waited < Duration::from_secs(29), "{waited:?}");
    });
}

#[test]
fn a_long_poll_without_an_event_ends_empty_after_its_time() {
    let server = Server::start();
    let started = Instant::now();
    let page = server.list("?wait_ms=300");
    assert_eq!(page["data"], json!([]));
    assert!(!page["next_cursor"].is_null());
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(290), "{waited:?}");
}
