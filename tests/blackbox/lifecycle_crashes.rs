//! `kill -9` in the life of a destination: a change and the event that tells of it are there both or not at all.

use crate::lifecycle::{now, path_of, told, unchanged, wait_for_status};
use crate::support::{ADMIN, Receiver, Reply, Request, Settings, eventually};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const DESTINATIONS: &str = "/api/v1/destinations";

#[test]
fn a_verification_that_was_cut_off_begins_again() {
    let mut server = Settings::new().start();
    let receiver = Receiver::start(|delivery| {
        let wait = if delivery.is_verification() { 300 } else { 0 };
        Reply::after(Duration::from_millis(wait), Reply::consent(delivery))
    });
    let made = server.post(DESTINATIONS, &json!({"url": receiver.url()})).must(201);
    let waiting = server.publish_many("a", 3);
    let mut kills = 0;
    // Killed a little later each time, until a verification comes through before the kill.
    while now(&server, &made)["status"] == "pending" {
        std::thread::sleep(Duration::from_millis(40 * kills));
        server.crash();
        kills += 1;
        let (one, news) = unchanged(&server, &made, "activated");
        assert_eq!(one["status"] == "active", news == 1, "{one}");
    }
    eventually("what waited", || {
        let events = receiver.events();
        waiting.iter().all(|sequence| events.iter().any(|one| one.sequence() == *sequence)).then_some(())
    });
    server.crash();
    assert_eq!(now(&server, &made)["status"], "active");
    assert_eq!(told(&server, "activated").len(), 1);
}

#[test]
fn switching_on_and_off_between_kills_leaves_what_was_answered() {
    let mut server = Settings::new().start();
    let receiver = Receiver::willing();
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    let (mut is_on, mut switches) = (true, 0);
    for round in 0..6 {
        // The answer of the last call may be cut off: it is there or it is not, and its event with it.
        let (address, path) = (server.address(), path_of(&made));
        let answered = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&answered);
        let switcher = std::thread::spawn(move || {
            let mut done = 0;
            let mut on = is_on;
            loop {
                let call = if on { "deactivate" } else { "activate" };
                let request = Request::post(&format!("{path}/{call}")).key(ADMIN).json(&json!({}));
                let connection = crate::support::Connection::open(address);
                let Ok(response) = connection.and_then(|mut connection| connection.exchange(&request)) else {
                    return (done, on);
                };
                assert_eq!(response.status, 200, "{response:?}");
                (done, on) = (done + 1, !on);
                counter.store(done, Ordering::SeqCst);
            }
        });
        eventually("some switches", || (answered.load(Ordering::SeqCst) >= 2 + 2 * round).then_some(()));
        server.kill();
        // It has ended before there is a server again.
        let (done, on) = switcher.join().unwrap();
        server.spawn();
        server.wait_until_ready();
        switches += done;
        let status = now(&server, &made)["status"].clone();
        let news = count(&server);
        let is_cut_off_one_there = (status == "active") != on;
        switches += u64::from(is_cut_off_one_there);
        assert_eq!(news, switches, "each change is told of once");
        is_on = status == "active";
    }
    assert!(switches > 6, "{switches} switches");
}

fn count(server: &crate::support::Server) -> u64 {
    let list = |what: &str| {
        let answer = server.list(&format!("?type=event_destination.{what}&limit=1000"));
        assert_eq!(answer["has_more"], false);
        answer["data"].as_array().map_or(0, Vec::len) as u64
    };
    list("activated") + list("deactivated")
}

#[test]
fn a_gone_endpoint_is_switched_off_with_its_outcome_or_asked_again() {
    let mut server = Settings::new().start();
    let receiver = Receiver::start(|_| Reply::after(Duration::from_millis(100), Reply::status(410)));
    for round in 0..5 {
        let mut body = receiver.destination();
        body["events"] = json!(["a"]);
        let made = server.post(DESTINATIONS, &body).must(201);
        let event = server.publish(&json!({"type": "a", "data": {}}));
        std::thread::sleep(Duration::from_millis(60 + 25 * round));
        server.crash();
        let off = wait_for_status(&server, &made, "deactivated");
        assert_eq!(off["deactivation"]["reason"], "gone");
        let about: Vec<Value> =
            told(&server, "deactivated").into_iter().filter(|one| one["data"]["id"] == made["id"]).collect();
        assert_eq!(about.len(), 1, "{about:?}");
        let path = format!("/api/v1/events/{}/deliveries", event["id"].as_str().unwrap());
        let deliveries = server.send(&Request::get(&path).key(ADMIN)).must(200);
        let mine =
            deliveries["data"].as_array().unwrap().iter().find(|one| one["destination_id"] == made["id"]);
        assert_eq!(mine.unwrap()["status"], "dead", "{deliveries}");
    }
}
