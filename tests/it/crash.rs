//! kill -9 in the middle of everything, again and again: nothing acknowledged is lost, order is kept, duplicates
//! are bounded.

use crate::endpoint::{Endpoint, status};
use crate::harness::{ADMIN, Broker, PUBLISHER, READER, try_request, until};
use crate::streams::Stream;
use campanile::webhook::signature::Signer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CYCLES: usize = 20;
const MAX_IN_FLIGHT: usize = 4;

/// What publishers were told: id to sequence.
type Acknowledged = Mutex<BTreeMap<String, u64>>;

fn publish_until(address: SocketAddr, publisher: usize, done: &AtomicBool, acknowledged: &Acknowledged) {
    let bearer = format!("Bearer {PUBLISHER}");
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        number += 1;
        let event =
            |n: u64| format!(r#"{{"type":"a.b","id":"p{publisher}-{number}-{n}","data":{{"n":{n}}}}}"#);
        let (path, body) = if number % 5 == 0 {
            let events: Vec<String> = (0..7).map(event).collect();
            ("/api/v1/events/batch", format!(r#"{{"events":[{}]}}"#, events.join(",")))
        } else {
            ("/api/v1/events", event(0))
        };
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        // Repeated with the same ids until it is answered: it must count once.
        while !done.load(Ordering::Relaxed) {
            let answer = try_request(address, "POST", path, &headers, body.as_bytes());
            let Some(answer) = answer.ok().filter(|answer| matches!(answer.status, 200 | 201)) else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else { continue };
            let mut acknowledged = acknowledged.lock().unwrap();
            let events = value["events"].as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for event in events {
                let known = acknowledged
                    .insert(event["id"].as_str().unwrap().to_owned(), event["sequence"].as_u64().unwrap());
                assert!(known.is_none_or(|known| known == event["sequence"].as_u64().unwrap()));
            }
            break;
        }
    }
}

/// Reads the stream across every crash; what it heard, in order.
fn read_until(broker: &Mutex<Broker>, done: &AtomicBool, heard: &Mutex<Vec<u64>>) {
    let mut last = "0".to_owned();
    while !done.load(Ordering::Relaxed) {
        let opened = {
            let broker = broker.lock().unwrap();
            Stream::try_open(&broker, READER, "", Some(&last))
        };
        let Ok(mut stream) = opened else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        while let Some(block) = stream.next() {
            if let Some(id) = &block.id {
                last.clone_from(id);
            }
            if block.data.is_some() && !block.event.starts_with("stream.") {
                heard.lock().unwrap().push(block.id.unwrap().parse().unwrap());
            }
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

#[test]
fn twenty_kills_lose_nothing_keep_order_and_bound_duplicates() {
    // Every third delivery fails.
    let endpoint = Endpoint::start(|number| status(if number % 3 == 2 { 500 } else { 200 }));
    let broker = Broker::start("[stream]\nkeep_alive = \"200ms\"\n");
    let address = broker.address;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let destination = json!({
        "url": endpoint.url(), "verification": "none", "secret": secret, "max_in_flight": MAX_IN_FLIGHT,
        "retry": {"schedule_s": vec![1; 50]}, "timeout_ms": 60_000,
    });
    broker.post(ADMIN, "/api/v1/destinations", &destination.to_string()).expect(201);
    let (acknowledged, heard) = (Acknowledged::default(), Mutex::new(Vec::new()));
    let (publishing_done, reading_done) = (AtomicBool::new(false), AtomicBool::new(false));
    let broker = Mutex::new(broker);
    std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..3)
            .map(|publisher| {
                let (done, acknowledged) = (&publishing_done, &acknowledged);
                scope.spawn(move || publish_until(address, publisher, done, acknowledged))
            })
            .collect();
        let reader = scope.spawn(|| read_until(&broker, &reading_done, &heard));
        for cycle in 0..CYCLES {
            let before = acknowledged.lock().unwrap().len();
            until("events are acknowledged", || acknowledged.lock().unwrap().len() > before + 10 + cycle);
            let mut broker = broker.lock().unwrap();
            broker.kill();
            broker.run();
        }
        publishing_done.store(true, Ordering::Relaxed);
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        let head = broker.lock().unwrap().get(READER, "/api/v1/events").json()["head_cursor"].clone();
        let head: u64 = head.as_str().unwrap().parse().unwrap();
        until("the reader has everything", || heard.lock().unwrap().last() == Some(&head));
        reading_done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let broker = broker.into_inner().unwrap();
    let (acknowledged, heard) = (acknowledged.into_inner().unwrap(), heard.into_inner().unwrap());
    let log = whole_log(&broker);
    for (id, sequence) in &acknowledged {
        assert_eq!(log.get(sequence), Some(id), "acknowledged and lost");
    }
    let ids: BTreeSet<&String> = log.values().collect();
    assert_eq!(ids.len(), log.len(), "an event is in the log twice");
    assert_eq!(heard, log.keys().copied().collect::<Vec<_>>(), "the stream is the log, in order, once");
    check_deliveries(&endpoint, &log, secret);
}

/// The log by polling from the beginning: sequence to id.
fn whole_log(broker: &Broker) -> BTreeMap<u64, String> {
    let mut log = BTreeMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = broker.get(READER, &format!("/api/v1/events?limit=1000&cursor={cursor}")).expect(200);
        for event in page["data"].as_array().unwrap() {
            let sequence = event["sequence"].as_u64().unwrap();
            assert!(log.keys().next_back().is_none_or(|last| *last < sequence));
            log.insert(sequence, event["id"].as_str().unwrap().to_owned());
        }
        page["next_cursor"].as_str().unwrap().clone_into(&mut cursor);
        if page["has_more"] == false {
            return log;
        }
    }
}

fn check_deliveries(endpoint: &Endpoint, log: &BTreeMap<u64, String>, secret: &str) {
    let delivered = || -> BTreeMap<String, usize> {
        let mut delivered = BTreeMap::new();
        for one in endpoint.all().iter().filter(|one| one.status == 200) {
            *delivered.entry(one.header("webhook-id").to_owned()).or_default() += 1;
        }
        delivered
    };
    until("every event is delivered", || delivered().len() == log.len());
    let duplicates: usize = delivered().values().map(|times| times - 1).sum();
    assert!(duplicates <= CYCLES * MAX_IN_FLIGHT, "{duplicates} duplicates in {CYCLES} kills");
    let signer = Signer::new(secret);
    for one in endpoint.all() {
        let (id, time) = (one.header("webhook-id"), one.header("webhook-timestamp"));
        let signature = one.header("webhook-signature");
        assert!(signer.verify_standard(id, time, signature, &one.body, time.parse().unwrap()));
        let sequence: u64 = one.header("x-campanile-sequence").parse().unwrap();
        assert_eq!(log.get(&sequence).map(String::as_str), Some(id));
    }
}

#[test]
fn a_retry_that_waits_goes_on_after_a_kill_with_the_next_attempt() {
    let endpoint = Endpoint::start(|number| status(if number == 0 { 500 } else { 200 }));
    let mut broker = Broker::start("");
    let body = json!({"url": endpoint.url(), "verification": "none", "retry": {"schedule_s": [2, 2]}});
    broker.post(ADMIN, "/api/v1/destinations", &body.to_string()).expect(201);
    let event = broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    let path = format!("/api/v1/events/{}/deliveries", event["id"].as_str().unwrap());
    until("the failure is recorded", || broker.get(ADMIN, &path).json()["data"][0]["status"] == "retrying");
    broker.kill();
    broker.run();
    let taken = endpoint.wait_for(2);
    assert_eq!((taken[0].header("x-campanile-attempt"), taken[1].header("x-campanile-attempt")), ("1", "2"));
    assert_eq!(taken[0].header("webhook-id"), taken[1].header("webhook-id"));
    until("it is delivered", || broker.get(ADMIN, &path).json()["data"][0]["status"] == "delivered");
    let attempts = broker.get(ADMIN, &path).json()["data"][0]["attempts"].clone();
    assert_eq!((&attempts[0]["status"], &attempts[1]["status"]), (&json!(500), &json!(200)));
}
