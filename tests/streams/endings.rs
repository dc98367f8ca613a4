//! How streams end: replays, drains, keys; and that a closed one is noticed.

use crate::parser::Seen;
use crate::support::{ADMIN, at, draft, start, until};
use campanile::model::{Scope, Scopes, Timestamp, UnixMillis};
use futures_executor::block_on;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn in_millis(millis: i64) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    Timestamp::from(UnixMillis(now + millis))
}

#[test]
fn a_replay_until_a_time_ends_with_an_end() {
    let server = start();
    server.publish((0..5).map(|n| at(&format!("2026-01-01T00:00:0{n}Z"), draft("a", "{}"))).collect());
    let mut stream = server.stream("since=2026-01-01T00:00:01Z&until=2026-01-01T00:00:04Z&speed=max");
    stream.expect([2, 3, 4]);
    let end = stream.message();
    assert_eq!((end.event(), stream.parser.last_event_id.as_str()), ("stream.end", "5"));
    assert_eq!(stream.rest(), []);
    // Resumed at its end there is nothing but the end.
    let mut again = server.stream_from("until=2026-01-01T00:00:04Z", Some("5"));
    assert_eq!(again.message().event(), "stream.end");
    assert_eq!(again.rest(), []);
}

#[test]
fn a_replay_at_a_speed_keeps_the_distances_and_is_then_live() {
    let server = start();
    server.publish((0..3).map(|n| at(&format!("2026-01-01T00:00:0{}Z", n * 3), draft("a", "{}"))).collect());
    let began = Instant::now();
    let mut stream = server.stream("since=2026-01-01T00:00:00Z&speed=10x");
    stream.expect([1, 2, 3]);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(590), "{took:?}");
    server.publish_many(1);
    stream.expect([4]);
}

#[test]
fn a_drain_closes_every_stream_with_an_event_also_one_that_waits_for_its_pace() {
    let server = start();
    let mut live = server.stream("");
    server.publish((0..2).map(|n| at(&format!("2026-01-01T0{n}:00:00Z"), draft("a", "{}"))).collect());
    let mut paced = server.stream("since=2026-01-01T00:00:00Z&speed=1x");
    live.expect([1, 2]);
    paced.expect([1]);
    server.broker.begin_drain();
    for stream in [&mut live, &mut paced] {
        let rest = stream.rest();
        let [Seen::Retry(1000..=5000), closing] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!((closing.event(), closing.json()), ("stream.closing", serde_json::json!({})));
        assert!(stream.ended);
    }
}

#[test]
fn a_stream_ends_with_its_key() {
    let server = start();
    let tenant = server.broker.default_tenant();
    let scopes = Scopes(vec![Scope::EventsRead]);
    let (made, token) = block_on(server.broker.create_key(tenant, "x".to_owned(), scopes, None)).unwrap();
    let path = "/api/v1/events/stream";
    let mut streams = [
        server.ask(&token, path, &[]).opened(),
        server.ask(&token, "/api/v1/events/stream?type=b", &[]).opened(),
    ];
    server.publish_many(1);
    streams[0].expect([1]);
    block_on(server.broker.remove_key(tenant, made.id)).unwrap();
    for stream in &mut streams {
        stream.rest();
        assert!(stream.ended);
    }
    assert_eq!(server.ask(&token, path, &[]).status, 401);
}

#[test]
fn a_stream_ends_when_its_key_expires_and_not_before() {
    let server = start();
    let expires_at = in_millis(6000);
    let (tenant, scopes) = (server.broker.default_tenant(), Scopes(vec![Scope::EventsRead]));
    let made = server.broker.create_key(tenant, "short-lived".to_owned(), scopes, Some(expires_at));
    let (_, token) = block_on(made).unwrap();
    let mut stream = server.ask(&token, "/api/v1/events/stream", &[]).opened();
    server.publish_many(1);
    stream.expect([1]);
    stream.rest();
    let late = in_millis(0).as_micros() - expires_at.as_micros();
    assert!(late > -100_000, "it ended {late} µs after its key");
    assert_eq!(server.ask(&token, "/api/v1/events/stream", &[]).status, 401);
}

#[test]
fn a_client_that_goes_away_is_noticed_while_nothing_happens() {
    let server = start();
    let streams: Vec<_> = (0..50).map(|_| server.stream("")).collect();
    assert_eq!(server.open_streams(), 50);
    drop(streams);
    until("all of them are gone", || server.open_streams() == 0);
}

#[test]
fn a_stream_opened_while_draining_is_told_to_come_back() {
    let server = start();
    // A connection that is there before the drain, so that its request is still heard.
    let mut early = server.connect();
    early.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\n").unwrap();
    let keeps_the_server_up = server.stream("");
    until("the connections are served", || server.open_streams() == 1);
    server.broker.begin_drain();
    let rest = format!("Authorization: Bearer {ADMIN}\r\nAccept: text/event-stream\r\n\r\n");
    // Whether it is still heard depends on who is first: an answer is this one.
    if early.write_all(rest.as_bytes()).is_ok() {
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut early, &mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.contains("200 OK") && answer.contains("retry: "), "{answer}");
    }
    drop(keeps_the_server_up);
}
