//! What a stream says first, and which requests do not open one.

use crate::parser::Seen;
use crate::support::{READER, Stream, draft, start, start_with};

#[test]
fn a_stream_opens_at_once_with_its_headers_a_retry_time_and_a_comment() {
    let server = start();
    let mut stream = server.stream("");
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!((stream.header("content-length"), stream.header("content-encoding")), (None, None));
    assert_eq!(stream.next(), Some(Seen::Retry(2000)));
    assert!(matches!(stream.next(), Some(Seen::Comment(_))));
}

#[test]
fn without_a_place_a_stream_is_live_from_now() {
    let server = start();
    server.publish_many(5);
    let mut stream = server.stream("");
    server.publish_many(2);
    stream.expect([6, 7]);
}

#[test]
fn a_list_that_accepts_streams_is_one() {
    let server = start();
    server.publish_many(5);
    let accept = [("Accept", "text/event-stream")];
    let mut stream =
        server.ask(READER, "/api/v1/events?cursor=3&limit=10&order=asc&wait_ms=5", &accept).opened();
    stream.expect([4, 5]);
    server.publish_many(1);
    stream.expect([6]);
    assert_eq!(server.ask(READER, "/api/v1/events?order=desc", &accept).status, 400);
}

#[test]
fn a_head_request_is_answered_and_opens_nothing() {
    let server = start_with(|config| config.stream.max_clients = 1);
    for _ in 0..3 {
        let head = Stream::ask(server.connect(), "HEAD", READER, "/api/v1/events/stream", &[]);
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    }
    assert_eq!(server.open_streams(), 0);
}

#[test]
fn unknown_and_malformed_parameters_are_400() {
    let server = start();
    for query in [
        "tpye=a",
        "limit=1",
        "cursor=1",
        "speed=2x",
        "speed=",
        "format=xml",
        "on_gap=maybe",
        "since=yesterday",
        "until=2026-13-01T00:00:00Z",
        "type=a*",
        "last_event_id=nonsense",
        "last_event_id=-1",
        "format=flat&format=flat",
    ] {
        let refused = server.ask(READER, &format!("/api/v1/events/stream?{query}"), &[]);
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    }
}

#[test]
fn hostile_places_are_400_and_an_empty_one_is_none() {
    let server = start();
    server.publish_many(3);
    let long = "9".repeat(5000);
    for id in
        ["nonsense", "-1", "+1", "01", "1.0", "18446744073709551616", "1 2", "evt.x", "é", long.as_str()]
    {
        let headers = [("Last-Event-ID", id)];
        assert_eq!(server.ask(READER, "/api/v1/events/stream", &headers).status, 400, "{id}");
    }
    let twice = [("Last-Event-ID", "1"), ("Last-Event-ID", "2")];
    assert_eq!(server.ask(READER, "/api/v1/events/stream", &twice).status, 400);
    let mut live = server.stream_from("", Some(""));
    server.publish(vec![draft("a", "{}")]);
    live.expect([4]);
}

#[test]
fn more_clients_than_allowed_are_asked_to_come_back() {
    let server = start_with(|config| config.stream.max_clients = 1);
    let first = server.stream("");
    let path = "/api/v1/events/stream";
    let mut second = server.ask(READER, path, &[("Accept", "text/html, Text/Event-Stream")]).opened();
    assert_eq!(second.header("content-type"), Some("text/event-stream"));
    let rest = second.rest();
    assert!(matches!(rest[..], [Seen::Retry(1000..=5000)]), "{rest:?}");
    let third = server.ask(READER, path, &[]);
    assert_eq!((third.status, third.header("retry-after")), (503, Some("2")));
    assert!(third.body().contains("\"overloaded\""));
    drop(first);
    crate::support::until("the place is free again", || server.ask(READER, path, &[]).status == 200);
}
