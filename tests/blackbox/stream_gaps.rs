//! Streams from places that are gone, unknown or not there yet.

use crate::cursors::{forgetful, publish_until_forgotten, undisturbed};
use crate::support::sse::stream_request;
use crate::support::{Server, number};
use serde_json::json;

#[test]
fn a_trimmed_place_gets_one_gap_and_goes_on_from_the_oldest_kept() {
    let server = forgetful().start();
    let first = number(&server.publish(&json!({"type": "a", "id": "first", "data": {}}))["sequence"]);
    publish_until_forgotten(&server, first + 10);
    let [gap, next, after] = undisturbed(&server, || {
        let mut stream = server.stream_from("", Some(&first.to_string()));
        [stream.message(), stream.message(), stream.message()]
    });
    assert_eq!(gap.event, "stream.gap");
    let gap = gap.json();
    assert_eq!(gap["reason"], "trimmed");
    assert_eq!(number(&gap["oldest"]), next.sequence(), "{gap}");
    assert!(gap["oldest"].is_string(), "a sequence is written as text: {gap}");
    assert_eq!(number(&gap["missed"]), next.sequence() - first - 1, "{gap}");
    assert_eq!(after.sequence(), next.sequence() + 1);
    let failing = server.send(&stream_request("?on_gap=fail", Some(&first.to_string())));
    assert!(failing.problem(410)["oldest_cursor"] != json!(null));
}

#[test]
fn a_place_ahead_of_the_log_gets_a_gap_and_is_live_from_the_head() {
    let server = Server::start();
    server.publish_many("a", 3);
    let mut stream = server.stream_from("", Some("4000"));
    let gap = stream.message();
    assert_eq!((gap.event.as_str(), &gap.json()["reason"]), ("stream.gap", &json!("ahead")));
    server.publish_many("a", 1);
    assert_eq!(stream.message().sequence(), 4);
    server.send(&stream_request("?on_gap=fail", Some("4000"))).problem(410);
}

#[test]
fn an_unknown_event_id_gets_a_gap_and_everything_that_is_kept() {
    let server = Server::start();
    server.publish_many("a", 3);
    let unknown = "evt_01HZZZZZZZZZZZZZZZZZZZZZZZ";
    let mut stream = server.stream_from("", Some(unknown));
    let gap = stream.message();
    assert_eq!((gap.event.as_str(), &gap.json()["reason"]), ("stream.gap", &json!("unknown")));
    assert_eq!(gap.json()["missed"], json!(null));
    let sequences: Vec<u64> = stream.messages(3).iter().map(crate::support::Message::sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    server.send(&stream_request("?on_gap=fail", Some(unknown))).problem(410);
}

#[test]
fn another_tenants_event_is_no_place() {
    let server = Server::start();
    let theirs = crate::support::Request::post("/api/v1/events").key(crate::support::STRANGER);
    let theirs = server.send(&theirs.json(&json!({"type": "a", "data": {}}))).must(201);
    let id = theirs["id"].as_str().unwrap();
    let answer = server.send(&stream_request("?on_gap=fail", Some(id)));
    assert!(matches!(answer.status, 400 | 410), "{answer:?}");
}
