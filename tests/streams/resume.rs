//! Coming back: nothing lost, nothing twice, in order, through the hand-over from stored to live.

use crate::parser::{Parser, Seen};
use crate::support::{OTHER, READER, at, draft, start, start_with};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

const REPLAY: &str = "until=2999-01-01T00:00:00Z";

#[test]
fn a_stream_resumes_by_sequence_and_by_event_id_and_the_header_wins() {
    let server = start();
    server.publish_many(30);
    let path = "/api/v1/events/stream";
    server.stream_from("", Some("25")).expect(26..=30);
    server.stream("last_event_id=28").expect([29, 30]);
    server.stream("lastEventId=28").expect([29, 30]);
    server.stream_from("last_event_id=1", Some("29")).expect([30]);
    server.stream_from("since=2020-01-01T00:00:00Z", Some("29")).expect([30]);
    let tenth =
        server.ask(READER, &format!("{path}?last_event_id=9"), &[]).opened().message().json()["id"].clone();
    let id = tenth.as_str().unwrap().to_owned();
    assert!(id.starts_with("evt_"), "{id}");
    server.stream_from("", Some(&id)).expect([11, 12]);
    server.stream(&format!("last_event_id={id}")).expect([11, 12]);
    let mut named = draft("b", "{}");
    named.id = Some(campanile::model::EventId::parse("my-own").unwrap());
    server.publish(vec![named, draft("b", "{}")]);
    server.stream_from("", Some("my-own")).expect([32]);
}

#[test]
fn since_is_inclusive_and_goes_by_the_event_s_own_time() {
    let server = start();
    let times = ["2026-01-01T00:00:02Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"];
    server.publish(times.iter().map(|time| at(time, draft("a", "{}"))).collect());
    let mut stream = server.stream("since=2026-01-01T00:00:01Z");
    stream.expect([1, 3]);
    server.publish(vec![at("2025-12-31T00:00:00Z", draft("late", "{}")), draft("now", "{}")]);
    stream.expect([5]);
}

#[test]
fn a_filter_that_changes_goes_on_from_the_place() {
    let server = start();
    server.publish((0..9).map(|n| draft(["a.x", "a.y", "b"][n % 3], "{}")).collect());
    server.stream_from("type=a.*", Some("3")).expect([4, 5, 7, 8]);
    server.stream_from("type=a.x,b", Some("3")).expect([4, 6, 7, 9]);
    server.stream_from("type=a.x&type=b", Some("3")).expect([4, 6, 7, 9]);
}

#[test]
fn another_tenant_hears_nothing_but_places() {
    let server = start_with(|config| config.stream.keep_alive = std::time::Duration::from_millis(100));
    server.publish_many(5);
    let mut stream = server.ask(OTHER, "/api/v1/events/stream?last_event_id=0", &[]).opened();
    server.publish_many(5);
    while stream.parser.last_event_id != "10" {
        assert!(stream.next().unwrap().sequence().is_none());
    }
    server.publish_as(server.tenant("other"), vec![draft("mine", "{}")]);
    stream.expect([11]);
}

#[test]
fn a_stream_cut_at_every_byte_and_resumed_is_the_log() {
    let server = start();
    server.publish(
        (0..200).map(|n| draft("a", ["{}", "{\"a\":\n1}", "{\"é\":\"\u{1f600}\"}"][n % 3])).collect(),
    );
    let mut whole = server.stream(REPLAY);
    whole.rest();
    let mut parser = Parser::default();
    let mut resumes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut heard = Vec::new();
    // What a client has heard and the id that it holds, when the connection breaks after this byte.
    for byte in &whole.bytes {
        heard.extend(parser.feed(&[*byte]).iter().filter_map(Seen::sequence));
        resumes.entry(parser.last_event_id.clone()).or_insert_with(|| heard.clone());
        assert_eq!(resumes[&parser.last_event_id], heard, "one id is one place");
    }
    assert_eq!(resumes.len(), 201);
    for (id, mut heard) in resumes {
        let mut rest = server.stream_from(REPLAY, Some(&id).filter(|id| !id.is_empty()).map(String::as_str));
        heard.extend(rest.rest().iter().filter_map(Seen::sequence));
        assert_eq!(heard, (1..=200).collect::<Vec<_>>(), "resumed after {id:?}");
    }
}

#[test]
fn sockets_cut_at_any_byte_under_publishing_lose_and_repeat_nothing() {
    let server = start();
    server.publish_many(100);
    let head = AtomicU64::new(100);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for _ in 0..200 {
                head.store(server.publish_many(5), Ordering::SeqCst);
                std::thread::yield_now();
            }
        });
        let readers = (0..8_usize).map(|reader| {
            let server = &server;
            scope.spawn(move || {
                let (mut id, mut heard, mut bytes) = ("0".to_owned(), Vec::new(), 37 + reader * 101);
                while heard.len() < 1100 {
                    let mut stream = server.stream_from("", Some(&id));
                    bytes = bytes * 31 % 8191 + 60;
                    for _ in 0..bytes {
                        if heard.len() == 1100 {
                            break;
                        }
                        let byte = stream.more().unwrap();
                        heard.extend(stream.parser.feed(&[byte]).iter().filter_map(Seen::sequence));
                    }
                    // The connection is cut here, in the middle of whatever was being written.
                    if !stream.parser.last_event_id.is_empty() {
                        id.clone_from(&stream.parser.last_event_id);
                    }
                }
                assert_eq!(heard, (1..=1100).collect::<Vec<_>>());
            })
        });
        readers.collect::<Vec<_>>().into_iter().for_each(|reader| reader.join().unwrap());
        publisher.join().unwrap();
    });
    assert_eq!(head.load(Ordering::SeqCst), 1100);
}

#[test]
fn two_hundred_clients_from_any_place_hear_exactly_the_filtered_log() {
    let server = start_with(|config| config.stream.client_buffer = 4096);
    let types = ["a.x", "a.y", "b"];
    let batch =
        |first: usize| (first..first + 20).map(|n| draft(types[n % 3], format!(r#"{{"n":{n}}}"#))).collect();
    for n in 0..50 {
        server.publish(batch(n * 20));
    }
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..200_u64)
            .map(|client| {
                let server = &server;
                let query = ["", "type=a.*", "type=b", "type=a.y,b&format=flat"][client as usize % 4];
                let wants = move |n: u64| match client % 4 {
                    0 => true,
                    1 => n % 3 != 2,
                    2 => n % 3 == 2,
                    _ => !n.is_multiple_of(3),
                };
                let from = client * 7919 % 1000;
                let run = move || {
                    let mut stream = server.stream_from(query, Some(&from.to_string()));
                    for sequence in (from + 1..=2000).filter(|sequence| wants(sequence - 1)) {
                        assert_eq!(
                            stream.message().sequence(),
                            Some(sequence),
                            "client {client} from {from}"
                        );
                    }
                };
                std::thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, run).unwrap()
            })
            .collect();
        for n in 50..100 {
            server.publish(batch(n * 20));
        }
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}
