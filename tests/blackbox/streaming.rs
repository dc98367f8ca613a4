//! Server-Sent Events: opening, resuming, formats, replays, checkpoints.

use crate::support::sse::{Parser, stream_request};
use crate::support::{
    EventStream, Item, Message, Next, PATIENCE, READER, Request, Server, Settings, text_of,
};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

fn ns(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.json()["data"]["n"].as_u64().unwrap()).collect()
}

#[track_caller]
fn assert_quiet(stream: &mut EventStream) {
    match stream.next(Duration::from_millis(300)) {
        Next::Quiet => {}
        other => panic!("expected nothing, got {other:?}"),
    }
}

#[test]
fn a_stream_opens_at_once_with_its_headers_a_retry_time_and_a_comment() {
    // Nothing else would be written for longer than this test waits.
    let server = Settings::new().with("stream.keep_alive", r#""10m""#).start();
    let stream = server.stream("");
    let header = |name: &str| stream.head.header(name);
    assert_eq!(
        header("Content-Type").map(|value| value.split(';').next().unwrap()),
        Some("text/event-stream")
    );
    assert_eq!(header("Cache-Control"), Some("no-store"));
    assert_eq!(header("X-Accel-Buffering"), Some("no"));
    assert_eq!(header("Content-Length"), None);
    assert!(header("X-Request-Id").is_some());
}

#[test]
fn without_a_place_a_stream_is_live_from_now() {
    let server = Server::start();
    server.publish_many("old", 3);
    let mut stream = server.stream("");
    let made = server.publish(&json!({"type": "a.b", "pipeline": "p", "run_id": "r", "data": {"n": 1}}));
    let message = stream.message();
    assert_eq!(message.event, "a.b");
    assert_eq!(message.id, Some(text_of(&made["sequence"])));
    let mut envelope = made.clone();
    envelope.as_object_mut().unwrap().remove("sequence");
    assert_eq!(message.json(), envelope);
}

#[test]
fn a_stream_resumes_after_a_sequence_an_event_id_or_from_a_time() {
    let server = Server::start();
    let events: Vec<Value> = (0..5)
        .map(|n| {
            server.publish(
                &json!({"type": "a", "timestamp": format!("2026-01-01T00:00:0{n}Z"), "data": {"n": n}}),
            )
        })
        .collect();
    let third = &events[2];
    let (sequence, id) = (text_of(&third["sequence"]), text_of(&third["id"]));
    assert_eq!(ns(&server.stream_from("", Some(&sequence)).messages(2)), [3, 4]);
    assert_eq!(ns(&server.stream_from("", Some(&id)).messages(2)), [3, 4]);
    assert_eq!(ns(&server.stream(&format!("?last_event_id={sequence}")).messages(2)), [3, 4]);
    assert_eq!(ns(&server.stream(&format!("?last_event_id={id}")).messages(2)), [3, 4]);
    assert_eq!(ns(&server.stream("?since=2026-01-01T00:00:01Z").messages(4)), [1, 2, 3, 4]);
    // The header is what the client saw last, the query what it was first given.
    assert_eq!(ns(&server.stream_from("?last_event_id=0", Some(&sequence)).messages(2)), [3, 4]);
}

#[test]
fn a_malformed_place_is_400() {
    let server = Server::start();
    server.publish_many("a", 3);
    for bad in ["nonsense", "-1", "18446744073709551616", "1.5", "evt_unknown!", "1 2", "é"] {
        let answer = server.send(&stream_request("", Some(bad)));
        answer.problem(400);
        let query = bad.replace(' ', "%20").replace('é', "%C3%A9");
        server.get(&format!("/api/v1/events/stream?last_event_id={query}")).problem(400);
    }
    for query in
        ["?format=xml", "?speed=0x", "?speed=fast", "?since=x", "?until=x", "?on_gap=maybe", "?type=a*"]
    {
        server.get(&format!("/api/v1/events/stream{query}")).problem(400);
    }
}

#[test]
fn a_stream_is_filtered_like_a_list() {
    let server = Server::start();
    let mut by_type = server.stream("?type=pipeline.*,other");
    let mut by_run = server.stream("?pipeline=p&run_id=2");
    for (n, (name, run)) in
        [("pipeline.a", "1"), ("noise", "2"), ("other", "1"), ("pipeline.b", "2")].iter().enumerate()
    {
        server.publish(&json!({"type": name, "pipeline": "p", "run_id": run, "data": {"n": n}}));
    }
    assert_eq!(ns(&by_type.messages(3)), [0, 2, 3]);
    assert_eq!(ns(&by_run.messages(2)), [1, 3]);
    assert_quiet(&mut by_type);
}

#[test]
fn the_hand_over_from_stored_to_live_loses_and_repeats_nothing() {
    let server = Server::start();
    server.publish_many("a", 500);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| (0..60).for_each(|_| drop(server.publish_many("a", 10))));
        let readers: Vec<_> = (0..6u64)
            .map(|reader| {
                let server = &server;
                scope.spawn(move || {
                    let from = reader * 90;
                    let mut stream = server.stream_from("", Some(&from.to_string()));
                    let count = usize::try_from(1100 - from).unwrap();
                    let sequences: Vec<u64> = stream.messages(count).iter().map(Message::sequence).collect();
                    assert_eq!(sequences, (from + 1..=1100).collect::<Vec<_>>());
                })
            })
            .collect();
        publisher.join().unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn a_stream_cut_anywhere_resumes_where_the_client_stands() {
    let mut server = Server::start();
    server.publish_many("a", 200);
    let mut last = "0".to_owned();
    let mut seen = Vec::new();
    for cut in 0..20 {
        let mut stream = server.stream_from("", Some(&last));
        for message in stream.messages(1 + cut % 5) {
            seen.push(message.sequence());
        }
        last = stream.last_id.clone().unwrap();
        if cut == 10 {
            server.crash();
        }
    }
    let mut stream = server.stream_from("", Some(&last));
    while seen.len() < 200 {
        seen.push(stream.message().sequence());
    }
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_stream_cut_at_any_byte_leaves_a_place_from_which_nothing_is_missing_or_repeated() {
    let server = Server::start();
    for n in 0..40 {
        let draft = json!({"type": "a", "timestamp": "2026-01-01T00:00:00Z", "data": {"n": n, "s": "é\n✓"}});
        server.publish(&draft);
    }
    let request = stream_request("?until=2026-01-02T00:00:00Z", Some("0"));
    let bytes = server.send(&request).body;
    let rest_after = |id: &str| -> Vec<u64> {
        let mut stream = server.stream_from("?until=2026-01-02T00:00:00Z", Some(id));
        let items = stream.rest();
        let of_log = |item: &Item| matches!(item, Item::Message(message) if message.event == "a");
        let messages = items.iter().filter(|item| of_log(item));
        messages.map(|item| if let Item::Message(message) = item { message.sequence() } else { 0 }).collect()
    };
    let mut rests = HashMap::new();
    for cut in 0..=bytes.len() {
        let (mut parser, mut items) = (Parser::default(), VecDeque::new());
        parser.feed(&bytes[..cut], &mut items);
        let (mut seen, mut place) = (Vec::new(), "0".to_owned());
        for item in items {
            match item {
                Item::Message(message) if message.event == "a" => {
                    seen.push(message.sequence());
                    place = message.id.unwrap();
                }
                Item::Checkpoint(id) => place = id,
                _ => {}
            }
        }
        let rest: &Vec<u64> = rests.entry(place.clone()).or_insert_with(|| rest_after(&place));
        seen.extend(rest);
        assert_eq!(seen, (1..=40).collect::<Vec<_>>(), "cut at byte {cut}, resumed after {place}");
    }
}

#[test]
fn formats_change_the_data_and_nothing_else() {
    let server = Server::start();
    let draft = json!({"type": "a.b", "timestamp": "2026-01-01T00:00:00Z", "pipeline": "p", "run_id": "r", "data": {"rows": 950}});
    server.publish(&draft);
    let with = |query: &str| server.stream_from(query, Some("0")).message();
    let flat = with("?format=flat");
    assert_eq!(
        flat.json(),
        json!({"pipeline": "p", "run_id": "r", "timestamp": "2026-01-01T00:00:00Z", "rows": 950})
    );
    assert_eq!(with("?format=envelope"), with(""));
    let cloud = with("?format=cloudevents");
    assert_eq!(cloud.json()["type"], "a.b");
    for message in [&flat, &cloud] {
        assert_eq!((message.event.as_str(), message.sequence()), ("a.b", 1));
    }
}

#[test]
fn a_replay_until_a_time_ends_with_an_end() {
    let server = Server::start();
    for n in 0..5 {
        server
            .publish(&json!({"type": "a", "timestamp": format!("2026-01-01T00:00:0{n}Z"), "data": {"n": n}}));
    }
    let mut stream = server.stream("?since=2026-01-01T00:00:01Z&until=2026-01-01T00:00:04Z&speed=max");
    assert_eq!(ns(&stream.messages(3)), [1, 2, 3]);
    let end = stream.message();
    assert_eq!(end.event, "stream.end");
    assert!(!end.data.is_empty());
    let rest = stream.rest();
    assert!(!rest.iter().any(|item| matches!(item, Item::Message(_))), "{rest:?}");
}

#[test]
fn a_replay_at_a_speed_keeps_the_distances() {
    let server = Server::start();
    for n in 0..3 {
        server.publish(
            &json!({"type": "a", "timestamp": format!("2026-01-01T00:00:{:02}Z", n * 20), "data": {"n": n}}),
        );
    }
    let started = Instant::now();
    let mut stream = server.stream("?since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z&speed=10x");
    assert_eq!(ns(&stream.messages(3)), [0, 1, 2]);
    let took = started.elapsed();
    // Forty seconds, ten times as fast.
    assert!(took >= Duration::from_millis(3990) && took < Duration::from_secs(38), "{took:?}");
    assert_eq!(stream.message().event, "stream.end");
}

#[test]
fn silence_is_broken_by_checkpoints_from_which_a_narrow_filter_resumes() {
    let server = Settings::new().with("stream.keep_alive", r#""1s""#).start();
    let mut stream = server.stream("?type=wanted");
    let sequences = server.publish_many("noise", 40);
    let last = sequences[39].to_string();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match stream.item() {
            Item::Checkpoint(id) if id == last => break,
            Item::Checkpoint(id) => assert!(id.parse::<u64>().unwrap() < sequences[39], "{id}"),
            other => panic!("a quiet stream said {other:?}"),
        }
        assert!(Instant::now() < deadline, "the checkpoint does not move on");
    }
    assert_eq!(stream.last_id.as_deref(), Some(last.as_str()));
    server.publish(&json!({"type": "wanted", "data": {"n": 1}}));
    assert_eq!(ns(&server.stream_from("?type=wanted", Some(&last)).messages(1)), [1]);
}

#[test]
fn a_checkpoint_never_runs_ahead_of_an_event_that_matches() {
    let server = Settings::new().with("stream.keep_alive", r#""1s""#).start();
    let mut stream = server.stream_from("?type=wanted", Some("0"));
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for n in 0..30 {
                server.publish_many("noise", 3);
                server.publish(&json!({"type": "wanted", "data": {"n": n}}));
            }
            server.publish(&json!({"type": "wanted", "data": {"n": 30}}))
        });
        let mut place = 0;
        let mut next = 0;
        while next <= 30 {
            match stream.item() {
                Item::Checkpoint(id) => place = id.parse().unwrap(),
                Item::Message(message) => {
                    assert!(message.sequence() > place, "{message:?} after the checkpoint {place}");
                    place = message.sequence();
                    assert_eq!(message.json()["data"]["n"], next);
                    next += 1;
                }
                _ => {}
            }
        }
        publisher.join().unwrap();
    });
}

#[test]
fn a_slow_reader_is_served_from_the_log_and_loses_nothing() {
    let server = Settings::new()
        .with("storage.tail_bytes", r#""64KiB""#)
        .with("stream.client_buffer", r#""16KiB""#)
        .start();
    let mut stream = server.stream("");
    let filler = "x".repeat(8000);
    // About 12 MB: far more than the sockets between us take in.
    for first in (0..1500).step_by(100) {
        let events: Vec<Value> =
            (first..first + 100).map(|n| json!({"type": "a", "data": {"n": n, "s": filler}})).collect();
        server.post("/api/v1/events/batch", &json!({"events": events})).must(201);
    }
    assert_eq!(ns(&stream.messages(1500)), (0..1500).collect::<Vec<_>>());
}

#[test]
fn a_ticket_opens_one_stream() {
    let server = Server::start();
    let ticket = server.send(&Request::post("/api/v1/stream-tickets").key(READER));
    let ticket = ticket.json();
    assert!(ticket["expires_at"].as_str().unwrap().ends_with('Z'));
    let path = format!("/api/v1/events/stream?ticket={}", ticket["ticket"].as_str().unwrap());
    let mut stream = EventStream::open(server.address(), &Request::get(&path)).unwrap().opened();
    server.publish(&json!({"type": "a", "data": {"n": 1}}));
    assert_eq!(ns(&stream.messages(1)), [1]);
    server.send(&Request::get(&path)).problem(401);
    server.send(&Request::get("/api/v1/events/stream?ticket=made-up")).problem(401);
}

#[test]
fn a_stream_ends_when_its_key_does() {
    // Nothing would be written that tells of a stream that nobody may hear.
    let server = Settings::new().with("stream.keep_alive", r#""10m""#).start();
    let made = server.post("/api/v1/keys", &json!({"name": "app", "scopes": ["events:read"]})).must(201);
    let token = ["key", "token", "secret"].iter().find_map(|name| made[name].as_str()).unwrap().to_owned();
    let request = Request::get("/api/v1/events/stream").key(&token);
    let mut stream = EventStream::open(server.address(), &request).unwrap().opened();
    server.publish(&json!({"type": "a", "data": {"n": 1}}));
    assert_eq!(ns(&stream.messages(1)), [1]);
    let delete = Request::new("DELETE", &format!("/api/v1/keys/{}", made["id"].as_str().unwrap()));
    assert_eq!(server.send(&delete.key(crate::support::ADMIN)).status, 204);
    stream.rest();
}

#[test]
fn a_stream_ends_when_its_key_expires_and_not_before() {
    let server = Settings::new().with("stream.keep_alive", r#""10m""#).start();
    let expiry = crate::support::in_seconds(6);
    let key = json!({"name": "short", "scopes": ["events:read"], "expires_at": expiry.text});
    let token = text_of(&server.post("/api/v1/keys", &key).must(201)["key"]);
    let request = Request::get("/api/v1/events/stream").key(&token);
    let mut stream = EventStream::open(server.address(), &request).unwrap().opened();
    server.publish(&json!({"type": "a", "data": {"n": 1}}));
    assert_eq!(ns(&stream.messages(1)), [1]);
    stream.rest();
    let after = expiry.since();
    assert!(after > -0.1 && after < 60.0, "the stream ended {after} s after its key");
    server.send(&request).problem(401);
}

#[test]
fn more_clients_than_allowed_are_sent_away_to_come_back() {
    let server = Settings::new().with("stream.max_clients", "2").start();
    let _first = server.stream("");
    let _second = server.stream("");
    let mut third =
        EventStream::open(server.address(), &stream_request("", None).accept("text/event-stream")).unwrap();
    assert_eq!(third.head.status, 200);
    let items = third.rest();
    assert!(items.iter().any(|item| matches!(item, Item::Retry(_))), "{items:?}");
    let plain = server.send(&stream_request("", None));
    plain.problem(503);
    assert!(plain.header("Retry-After").is_some());
}
