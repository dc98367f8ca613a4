//! Killed again and again under load: what was acknowledged is kept, heard in order and exactly once by those
//! who keep their place, and delivered at least once with duplicates bounded by what was in flight.

mod checks;
mod publishers;
mod readers;

use crate::support::{Delivery, Receiver, Reply, Server, eventually_within};
use publishers::{Acknowledged, Publishers};
use readers::{Poller, StreamReader};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KILLS: usize = 22;
const MAX_IN_FLIGHT: usize = 16;
/// How long everybody may take to catch up at the end.
const CATCH_UP: Duration = Duration::from_secs(240);

/// Small numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One death, or two in a row, of a broker.
struct Kill {
    killed: Instant,
    spawned: Instant,
    /// How many died.
    brokers: usize,
}

/// Fails one in three, hangs up or dawdles now and then.
fn flaky() -> impl FnMut(&Delivery) -> Reply + Send {
    let mut dice = Dice::new(7);
    move |_| match dice.below(60) {
        0..20 => Reply::status(if dice.below(2) == 0 { 500 } else { 429 }),
        20 => Reply::HangUp,
        21..24 => Reply::after(Duration::from_millis(250), Reply::status(200)),
        _ => Reply::status(200),
    }
}

#[test]
fn killed_over_and_over_nothing_acknowledged_is_lost_and_nobody_hears_it_twice() {
    let mut server = Server::start();
    let receiver = Receiver::start(flaky());
    let mut destination = receiver.destination();
    destination["retry"] = json!({"enabled": true, "schedule_s": vec![1; 30]});
    destination["max_in_flight"] = json!(MAX_IN_FLIGHT);
    let made = server.post("/api/v1/destinations", &destination).must(201);
    let secret = made["secret"].as_str().expect("the secret is in this answer").to_owned();

    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Acknowledged::default();
    let publishers = Publishers::start(server.address(), &acknowledged);
    let streams = ["", "", "?type=load.single,load.keyed"]
        .map(|query| StreamReader::start(server.address(), query, &stop));
    let poller = Poller::start(server.address(), &stop);
    let mut dice = Dice::new(42);
    let mut kills = Vec::new();
    for kill in 0..KILLS {
        let target = acknowledged.len() + 10 + usize::try_from(dice.below(110)).unwrap();
        eventually_within(CATCH_UP, &format!("publishes before kill {kill}"), || {
            (acknowledged.len() >= target).then_some(())
        });
        server.kill();
        let killed = Instant::now();
        let once_more = kill % 4 == 3;
        if once_more {
            // Somewhere on the way up.
            server.spawn();
            std::thread::sleep(Duration::from_millis(dice.below(40)));
            server.kill();
        }
        // The endpoint reads what was sent with the last breath.
        receiver.settle();
        kills.push(Kill { killed, spawned: Instant::now(), brokers: 1 + usize::from(once_more) });
        server.spawn();
        server.wait_until_ready();
    }
    publishers.finish();
    let deaths: usize = kills.iter().map(|kill| kill.brokers).sum();

    let log = checks::whole_log(&server);
    checks::every_acknowledged_event_is_there_once(&log, &acknowledged, deaths);
    let head = log.last().expect("events").sequence;
    checks::endpoint_has_everything(&receiver, &log, CATCH_UP);
    for stream in &streams {
        stream.wait_for(head, &log, CATCH_UP);
    }
    poller.wait_for(head, CATCH_UP);
    stop.store(true, Ordering::Relaxed);
    for stream in streams {
        stream.check(&log);
    }
    poller.check(&log);
    checks::deliveries_are_signed_and_tell_the_truth(&receiver, &log, &secret);
    checks::duplicates_are_bounded(&receiver, &kills, MAX_IN_FLIGHT);
}

#[test]
fn a_delivery_that_was_retrying_goes_on_with_its_next_attempt_after_a_crash() {
    let mut server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let mut destination = receiver.destination();
    destination["retry"] = json!({"enabled": true, "schedule_s": vec![1; 100]});
    let made = server.post("/api/v1/destinations", &destination).must(201);
    let event = server.publish(&json!({"type": "a", "data": {"n": 1}}));
    checks::wait_for_recorded_attempts(&server, &event, 2);
    server.kill();
    receiver.settle();
    let before = receiver.deliveries().len();
    server.spawn();
    server.wait_until_ready();
    let deliveries = receiver.wait_for(before + 1);
    let mut attempts: Vec<u32> = deliveries.iter().map(Delivery::attempt).collect();
    assert!(attempts.is_sorted(), "{attempts:?}");
    // What was under way at the kill, if anything was, is made again as the same attempt.
    attempts.dedup();
    assert!(attempts.len() >= before, "{attempts:?}");
    assert_eq!(attempts, (1..=attempts.len() as u32).collect::<Vec<_>>());
    assert!(attempts.len() >= 3, "{attempts:?}");
    let ids: Vec<&str> = deliveries.iter().map(|delivery| delivery.header("X-Campanile-Delivery")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "it is one delivery: {ids:?}");
    receiver.behave(|_| Reply::status(200));
    eventually_within(CATCH_UP, "the delivery", || {
        receiver.deliveries().last().unwrap().succeeded().then_some(())
    });
    let last = receiver.deliveries().last().unwrap().clone();
    last.assert_signed_with(made["secret"].as_str().unwrap());
    assert_eq!(last.event_id(), event["id"]);
}

#[test]
fn an_event_whose_outcome_is_recorded_is_not_delivered_again_after_a_crash() {
    let mut server = Server::start();
    let receiver = Receiver::willing();
    server.post("/api/v1/destinations", &receiver.destination()).must(201);
    server.publish_many("a", 40);
    let last = server.publish(&json!({"type": "a", "data": {"n": 40}}));
    receiver.wait_for(41);
    checks::wait_until_nothing_is_in_flight(&server);
    server.crash();
    let after = server.publish(&json!({"type": "a", "data": {"n": 41}}));
    receiver.wait_for(42);
    checks::wait_for_recorded_attempts(&server, &after, 1);
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 42, "of {last} and those before it nothing is repeated");
}
