//! Places that are gone, unknown, or not there yet; silence and its checkpoints.

use crate::parser::Seen;
use crate::support::{OTHER, READER, Stream, draft, start, start_with};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_trimmed_place_is_told_once_with_what_is_missing() {
    let server = start();
    server.publish_many(20);
    server.trim(11);
    let mut stream = server.stream_from("", Some("4"));
    let gap = stream.message();
    assert_eq!(gap.event(), "stream.gap");
    assert_eq!(gap.json(), json!({"reason": "trimmed", "missed": 6, "oldest": "11"}));
    assert_eq!(stream.parser.last_event_id, "10");
    stream.expect(11..=20);
    // The place right before the oldest has lost nothing.
    server.stream_from("", Some("10")).expect([11]);
    let refused = server.ask(READER, "/api/v1/events/stream?on_gap=fail", &[("Last-Event-ID", "9")]);
    assert_eq!(refused.status, 410);
    let problem: serde_json::Value = serde_json::from_str(&refused.body()).unwrap();
    assert_eq!((&problem["oldest_cursor"], &problem["missed"]), (&json!("10"), &json!(1)));
    server.stream_from("on_gap=fail", Some("10")).expect([11]);
}

#[test]
fn a_place_ahead_of_the_log_is_told_and_the_stream_is_live() {
    let server = start();
    server.publish_many(3);
    let mut stream = server.stream_from("", Some("1000"));
    assert_eq!(stream.message().json(), json!({"reason": "ahead", "missed": null, "oldest": "1"}));
    server.publish_many(1);
    stream.expect([4]);
    assert_eq!(server.ask(READER, "/api/v1/events/stream?on_gap=fail&last_event_id=1000", &[]).status, 410);
}

#[test]
fn an_unknown_event_and_another_tenant_s_look_the_same() {
    let server = start();
    server.publish_many(3);
    let theirs = server.publish_as(server.tenant("other"), vec![draft("secret", "{}")]);
    let query = format!("/api/v1/events/stream?last_event_id={}", theirs - 1);
    let id = server.ask(OTHER, &query, &[]).opened().message().json()["id"].as_str().unwrap().to_owned();
    for id in [id.as_str(), "evt_01HZZZZZZZZZZZZZZZZZZZZZZZ"] {
        let mut stream = server.stream_from("", Some(id));
        assert_eq!(
            stream.message().json(),
            json!({"reason": "unknown", "missed": null, "oldest": "1"}),
            "{id}"
        );
        stream.expect([1, 2, 3]);
        assert_eq!(
            server.ask(READER, "/api/v1/events/stream?on_gap=fail", &[("Last-Event-ID", id)]).status,
            410
        );
    }
}

/// A stream that is behind because its reader does not read.
fn behind(query: &str) -> (crate::support::Running, crate::support::Stream) {
    let server = start_with(|config| config.stream.client_buffer = 64 * 1024);
    let data = format!(r#"{{"s":"{}"}}"#, "x".repeat(20_000));
    let stream = server.stream_from(query, Some("0"));
    for _ in 0..20 {
        server.publish((0..50).map(|_| draft("a", data.clone())).collect());
    }
    (server, stream)
}

#[test]
fn trimming_while_a_stream_catches_up_gives_one_gap_with_the_right_numbers() {
    let (server, mut stream) = behind("");
    server.trim(991);
    let mut last = 0;
    let gap = loop {
        let message = stream.message();
        match message.sequence() {
            Some(sequence) => {
                assert_eq!(sequence, last + 1);
                last = sequence;
            }
            None => break message,
        }
    };
    assert!(last < 990, "20 MB do not fit between us");
    assert_eq!(gap.json(), json!({"reason": "trimmed", "missed": 990 - last, "oldest": "991"}));
    stream.expect(991..=1000);
    server.publish_many(1);
    stream.expect([1001]);
}

#[test]
fn a_stream_that_must_have_no_gap_ends_with_it_and_the_client_keeps_its_place() {
    let (server, mut stream) = behind("on_gap=fail");
    server.trim(991);
    let rest = stream.rest();
    let place = rest.iter().filter_map(Seen::sequence).max().unwrap();
    let gap = rest.last().unwrap();
    assert_eq!((gap.event(), gap.json()["missed"].as_u64()), ("stream.gap", Some(990 - place)));
    assert_eq!(stream.parser.last_event_id, place.to_string());
    let again =
        server.ask(READER, "/api/v1/events/stream?on_gap=fail", &[("Last-Event-ID", &place.to_string())]);
    assert_eq!(again.status, 410);
}

#[test]
fn silence_is_broken_by_checkpoints_from_which_a_narrow_filter_resumes() {
    let server = start_with(|config| config.stream.keep_alive = Duration::from_millis(100));
    let mut stream = server.stream("type=wanted");
    server.publish_many(40);
    while stream.parser.last_event_id != "40" {
        let seen = stream.next().unwrap();
        assert!(!matches!(seen, Seen::Message { .. }), "{seen:?}");
    }
    server.publish(vec![draft("noise", "{}"), draft("wanted", "{}")]);
    server.stream_from("type=wanted", Some("40")).expect([42]);
    stream.expect([42]);
}

#[test]
fn a_checkpoint_never_runs_ahead_of_an_event_that_matches() {
    let server = start_with(|config| config.stream.keep_alive = Duration::from_millis(1));
    let mut stream = server.stream_from("type=wanted", Some("0"));
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                server.publish_many(3);
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        for _ in 0..200 {
            let wanted = server.publish(vec![draft("wanted", "{}")]);
            let mut place = 0;
            while let Seen::Place(id) = next_block(&mut stream) {
                place = id.parse().unwrap();
            }
            assert!(place < wanted, "the checkpoint {place} came before event {wanted}");
            assert_eq!(stream.parser.last_event_id, wanted.to_string());
        }
        // Silence: the place moves on over what does not match.
        assert!(matches!(next_block(&mut stream), Seen::Place(_)));
        is_done.store(true, Ordering::SeqCst);
    });
}

/// The next event or place.
fn next_block(stream: &mut Stream) -> Seen {
    loop {
        match stream.next().unwrap() {
            Seen::Comment(_) | Seen::Retry(_) => {}
            block => return block,
        }
    }
}
