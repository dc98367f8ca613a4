//! Places in the log: one number for all ways of reading, never moved back, never lost, honest about gaps.

use crate::support::{Server, Settings, eventually, number, text_of};
use serde_json::{Value, json};

fn page_after(server: &Server, query: &str, cursor: &Value) -> Value {
    server.list(&format!("?{query}&cursor={}", text_of(cursor)))
}

#[test]
fn an_event_published_late_with_an_old_time_is_not_missed() {
    let server = Server::start();
    server.publish(&json!({"type": "a", "timestamp": "2026-06-01T00:00:00Z", "data": {}}));
    let page = server.list("?since=2026-01-01T00:00:00Z");
    let late =
        server.publish(&json!({"type": "a", "timestamp": "2026-02-01T00:00:00Z", "data": {"late": true}}));
    let next = page_after(&server, "since=2026-01-01T00:00:00Z", &page["next_cursor"]);
    assert_eq!(next["data"], json!([late]));
}

#[test]
fn the_cursor_moves_on_over_events_that_do_not_match() {
    let server = Server::start();
    let empty = server.list("?type=wanted");
    assert!(!empty["next_cursor"].is_null());
    server.publish_many("unwanted", 50);
    let moved = page_after(&server, "type=wanted", &empty["next_cursor"]);
    assert_eq!(moved["data"], json!([]));
    assert_eq!(number(&moved["next_cursor"]), number(&moved["head_cursor"]));
    assert_eq!(moved["has_more"], false);
}

#[test]
fn a_poller_that_keeps_its_cursor_sees_every_event_once_also_across_a_crash() {
    let mut server = Server::start();
    let mut cursor = server.list("")["next_cursor"].clone();
    let (mut published, mut seen) = (Vec::new(), Vec::new());
    for round in 0..4 {
        published.extend(server.publish_many("a.b", 7 + round));
        if round == 2 {
            server.crash();
        }
        let page = page_after(&server, "limit=5", &cursor);
        cursor = page["next_cursor"].clone();
        seen.extend(page["data"].as_array().unwrap().iter().map(|event| number(&event["sequence"])));
    }
    while seen.len() < published.len() {
        let page = page_after(&server, "limit=5", &cursor);
        cursor = page["next_cursor"].clone();
        seen.extend(page["data"].as_array().unwrap().iter().map(|event| number(&event["sequence"])));
    }
    assert_eq!(seen, published);
}

#[test]
fn a_place_means_the_same_to_polls_and_streams() {
    let server = Server::start();
    let sequences = server.publish_many("a.b", 10);
    let mut stream = server.stream_from("", Some("0"));
    let fourth = stream.messages(4).remove(3);
    assert_eq!(fourth.sequence(), sequences[3]);
    let page = server.list(&format!("?cursor={}", fourth.sequence()));
    assert_eq!(number(&page["data"][0]["sequence"]), sequences[4]);
    let cursor = text_of(&server.list("?limit=6")["next_cursor"]);
    assert_eq!(server.stream_from("", Some(&cursor)).message().sequence(), sequences[6]);
}

#[test]
fn sequences_are_never_reused_after_a_crash() {
    let mut server = Server::start();
    let mut last = 0;
    for _ in 0..3 {
        let sequences = server.publish_many("a.b", 5);
        assert!(sequences[0] > last, "{sequences:?} after {last}");
        last = sequences[4];
        server.crash();
    }
}

/// A log that keeps little: files of about 1 MiB and no more than a few of them.
pub(crate) fn forgetful() -> Settings {
    let settings = Settings::new().with("storage.segment_bytes", r#""1MiB""#);
    settings
        .with("storage.retention", r#"{ max_age = "30d", max_bytes = "3MiB" }"#)
        .with("storage.tail_bytes", r#""16KiB""#)
}

/// Publishes until the log has forgotten `place`; gives the list's own account of what is oldest.
pub(crate) fn publish_until_forgotten(server: &Server, place: u64) -> u64 {
    let filler = "x".repeat(8000);
    eventually("retention", || {
        let events: Vec<Value> = (0..50).map(|_| json!({"type": "filler", "data": {"s": filler}})).collect();
        server.post("/api/v1/events/batch", &json!({"events": events})).must(201);
        let oldest = oldest_kept(server);
        (oldest > place + 1).then_some(oldest)
    })
}

fn oldest_kept(server: &Server) -> u64 {
    number(&server.list("?order=desc&limit=1")["oldest_cursor"])
}

/// Does something again until nothing was forgotten meanwhile, and gives what it gave.
pub(crate) fn undisturbed<T>(server: &Server, work: impl Fn() -> T) -> T {
    eventually("retention to rest", || {
        let before = oldest_kept(server);
        let done = work();
        (oldest_kept(server) == before).then_some(done)
    })
}

#[test]
fn a_place_that_retention_has_passed_is_410_and_says_how_much_is_gone() {
    let server = forgetful().start();
    let first = number(&server.publish(&json!({"type": "a", "id": "first", "data": {}}))["sequence"]);
    publish_until_forgotten(&server, first + 10);
    let (gone, page, from_start) = undisturbed(&server, || {
        let gone = server.get(&format!("/api/v1/events?cursor={first}"));
        let oldest = text_of(&gone.json()["oldest_cursor"]);
        let page = server.get(&format!("/api/v1/events?cursor={oldest}"));
        (gone, page, server.get("/api/v1/events?limit=1"))
    });
    let (gone, page, from_start) = (gone.problem(410), page.must(200), from_start.must(200));
    let oldest = number(&gone["oldest_cursor"]);
    assert!(oldest > first, "{gone}");
    let next = number(&page["data"][0]["sequence"]);
    assert!(next > first + 1);
    let missed = ["missed", "gone", "events_gone"].iter().find_map(|name| gone[name].as_u64());
    let missed = missed.unwrap_or_else(|| panic!("how many are gone? {gone}"));
    assert!(missed >= 1 && missed <= next - first, "{gone}, the next is {next}");
    server.get("/api/v1/events/first").problem(404);
    assert_eq!(
        number(&from_start["data"][0]["sequence"]),
        next,
        "without a cursor a list starts at what is kept"
    );
}
