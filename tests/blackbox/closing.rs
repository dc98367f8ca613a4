//! SIGTERM: what is under way is finished, streams say goodbye, the process ends with 0.

use crate::support::{
    EventStream, Item, PUBLISHER, READER, Receiver, Reply, Request, Server, Settings, eventually,
};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A server whose drain is longer than any test: what ends has not been waited for.
fn patient() -> Server {
    Settings::new().with("server.drain", r#""600s""#).start()
}

#[test]
fn an_idle_server_ends_at_once_with_0() {
    let mut server = patient();
    server.terminate();
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn interrupting_is_asking_to_end() {
    let mut server = patient();
    crate::support::signal("INT", server.pid());
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn streams_end_with_a_jittered_retry_and_a_closing_event() {
    let mut server = patient();
    let mut streams: Vec<EventStream> = (0..6).map(|_| server.stream("")).collect();
    server.publish_many("a", 1);
    for stream in &mut streams {
        stream.message();
    }
    server.terminate();
    let mut retries = HashSet::new();
    for stream in &mut streams {
        let items = stream.rest();
        let retry = items.iter().find_map(|item| if let Item::Retry(ms) = item { Some(*ms) } else { None });
        retries.insert(retry.unwrap_or_else(|| panic!("no retry time in {items:?}")));
        let Some(Item::Message(last)) = items.iter().rfind(|item| matches!(item, Item::Message(_))) else {
            panic!("no closing event in {items:?}");
        };
        assert_eq!((last.event.as_str(), last.data.as_str()), ("stream.closing", "{}"));
    }
    assert!(retries.len() > 1, "all come back at the same moment: {retries:?}");
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn a_stream_that_never_reads_does_not_hold_the_server_past_its_drain() {
    let mut server = Settings::new().with("server.drain", r#""2s""#).start();
    let _stuck = server.stream("");
    let filler = "x".repeat(8000);
    let events: Vec<_> = (0..100).map(|_| json!({"type": "a", "data": {"s": filler}})).collect();
    for _ in 0..12 {
        server.post("/api/v1/events/batch", &json!({"events": events})).must(201);
    }
    server.terminate();
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn publishes_under_way_are_answered_and_what_was_acknowledged_is_there() {
    let mut server = Server::start();
    let acknowledged = Mutex::new(Vec::new());
    let cut_off = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let address = server.address();
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let (acknowledged, cut_off, stop) = (&acknowledged, &cut_off, &stop);
            scope.spawn(move || {
                for n in 0.. {
                    let id = format!("p{publisher}-{n}");
                    let request = Request::post("/api/v1/events").key(PUBLISHER);
                    let request = request.json(&json!({"type": "a", "id": id, "data": {"n": n}}));
                    // A connection that is refused was never begun; one that was accepted is answered.
                    let Ok(mut connection) = crate::support::Connection::open(address) else {
                        return;
                    };
                    match connection.exchange(&request) {
                        Ok(answer) if answer.status == 201 => acknowledged.lock().unwrap().push(id),
                        Ok(answer) => {
                            assert_eq!(answer.status, 503, "{answer:?}");
                            assert!(answer.header("Retry-After").is_some());
                            return;
                        }
                        Err(error) => {
                            cut_off.lock().unwrap().push(format!("{id}: {error}"));
                            return;
                        }
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        eventually("some publishes", || (acknowledged.lock().unwrap().len() > 60).then_some(()));
        server.terminate();
        assert_eq!(server.exit().code(), Some(0));
        stop.store(true, Ordering::Relaxed);
    });
    // A connection may sit in the listener's backlog, unseen by the server, when the listener closes.
    assert!(cut_off.lock().unwrap().len() <= 4, "{cut_off:?}");
    server.spawn();
    server.wait_until_ready();
    for id in acknowledged.lock().unwrap().iter() {
        server.get(&format!("/api/v1/events/{id}")).must(200);
    }
}

#[test]
fn while_something_is_under_way_whoever_asks_is_told_that_the_server_drains() {
    let mut server = patient();
    let (receiver, is_asked, answers) = Receiver::holding(200);
    server.post("/api/v1/destinations", &receiver.destination()).must(201);
    server.publish(&json!({"type": "a", "data": {}}));
    is_asked.recv().unwrap();
    server.terminate();
    let unready = server.wait_for_status(&Request::get("/readyz"), 503);
    assert_eq!(unready.json()["type"], "draining");
    server.send(&Request::get("/healthz")).must(200);
    let refused = server.post("/api/v1/events", &json!({"type": "a", "data": {}}));
    assert_eq!(refused.problem(503)["type"], "draining");
    assert!(refused.header("Retry-After").is_some());
    let stream = Request::get("/api/v1/events/stream").key(READER);
    assert_eq!(server.send(&stream).problem(503)["type"], "draining");
    let told = server.send(&stream.accept("text/event-stream"));
    assert_eq!((told.status, told.text().starts_with("retry: ")), (200, true), "{}", told.text());
    assert_eq!(server.list("")["data"].as_array().unwrap().len(), 1);
    answers.store(true, Ordering::Relaxed);
    assert_eq!(server.exit().code(), Some(0));
    assert_eq!(receiver.deliveries().len(), 1);
}

#[test]
fn a_second_signal_does_not_wait_and_neither_does_the_end_of_the_drain() {
    for (drain, signals) in [(r#""600s""#, 2), (r#""300ms""#, 1)] {
        let mut server = Settings::new().with("server.drain", drain).start();
        let (receiver, is_asked, answers) = Receiver::holding(200);
        server.post("/api/v1/destinations", &receiver.destination()).must(201);
        server.publish(&json!({"type": "a", "data": {}}));
        is_asked.recv().unwrap();
        server.terminate();
        if signals == 2 {
            server.wait_for_status(&Request::get("/readyz"), 503);
            server.terminate();
        }
        assert_eq!(server.exit().code(), Some(0), "{drain}");
        answers.store(true, Ordering::Relaxed);
        server.spawn();
        server.wait_until_ready();
        assert_eq!(server.list("")["data"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_delivery_under_way_is_finished_and_not_repeated_after_the_restart() {
    let mut server = patient();
    let (asked, is_asked) = std::sync::mpsc::channel();
    let receiver = Receiver::start(move |_| {
        asked.send(()).ok();
        Reply::after(Duration::from_millis(800), Reply::status(200))
    });
    let made = server.post("/api/v1/destinations", &receiver.destination()).must(201);
    server.publish_many("a", 3);
    (0..3).for_each(|_| is_asked.recv().unwrap());
    server.restart();
    server.publish_many("a", 1);
    eventually("nothing that waits", || {
        (crate::lifecycle::now(&server, &made)["lag"]["events"] == 0).then_some(())
    });
    let deliveries = receiver.deliveries();
    let sequences: HashSet<u64> = deliveries.iter().map(crate::support::Delivery::sequence).collect();
    assert_eq!((sequences.len(), deliveries.len()), (4, 4), "nothing is delivered twice over a clean stop");
}

#[test]
fn a_long_poll_is_answered_when_the_server_ends() {
    let mut server = patient();
    let address = server.address();
    std::thread::scope(|scope| {
        let polls: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    let request = Request::get("/api/v1/events?wait_ms=30000").key(crate::support::READER);
                    crate::support::Connection::open(address)?.exchange(&request)
                })
            })
            .collect();
        // An ordinary request behind them shows that they are being served.
        server.head();
        let started = Instant::now();
        server.terminate();
        assert_eq!(server.exit().code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(29), "{:?}", started.elapsed());
        for poll in polls {
            if let Ok(answer) = poll.join().unwrap() {
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            }
        }
    });
}
