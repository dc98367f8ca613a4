//! Webhook deliveries: what is sent, how it is signed, and what follows from each answer.

use crate::support::{ADMIN, Delivery, Receiver, Reply, Request, Server, eventually, text_of};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Creates a destination for an endpoint, with further members.
fn create(server: &Server, receiver: &Receiver, more: &Value) -> Value {
    let mut body = receiver.destination();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.post("/api/v1/destinations", &body).must(201)
}

fn get(server: &Server, path: &str) -> Value {
    server.send(&Request::get(path).key(ADMIN)).must(200)
}

fn destination_now(server: &Server, made: &Value) -> Value {
    get(server, &format!("/api/v1/destinations/{}", text_of(&made["id"])))
}

/// The deliveries of an event, as the broker lists them.
fn deliveries_of(server: &Server, event: &Value) -> Vec<Value> {
    let path = format!("/api/v1/events/{}/deliveries", text_of(&event["id"]));
    get(server, &path)["data"].as_array().unwrap().clone()
}

/// Waits until the only delivery of an event has this status.
fn wait_for_delivery(server: &Server, event: &Value, status: &str) -> Value {
    eventually(&format!("a delivery that is {status}"), || {
        let mut deliveries = deliveries_of(server, event);
        assert!(deliveries.len() <= 1, "{deliveries:?}");
        deliveries.pop().filter(|one| one["status"] == status)
    })
}

/// A reply that waits until the flag is set.
fn held_by(flag: &Arc<AtomicBool>, status: u16) -> Reply {
    Reply::When(Arc::clone(flag), Box::new(Reply::status(status)))
}

/// How many attempts a listed delivery counts.
fn attempts_of(delivery: &Value) -> u64 {
    let attempts = &delivery["attempts"];
    attempts.as_array().map_or_else(|| attempts.as_u64().unwrap(), |list| list.len() as u64)
}

#[test]
fn a_delivery_is_the_event_with_the_promised_headers_and_both_signatures() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"headers": {"X-Team": "data"}}));
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    let event = server.publish(&json!({"type": "a.b", "pipeline": "p", "data": {"n": 1}}));
    let delivery = receiver.wait_for(1).remove(0);
    delivery.assert_signed_with(secret);
    assert_eq!(delivery.path, "/hook");
    let mut envelope = event.clone();
    envelope.as_object_mut().unwrap().remove("sequence");
    assert_eq!(delivery.json(), envelope);
    for (name, value) in [
        ("webhook-id", text_of(&event["id"])),
        ("X-Campanile-Sequence", text_of(&event["sequence"])),
        ("X-Campanile-Event", "a.b".to_owned()),
        ("X-Campanile-Attempt", "1".to_owned()),
        ("X-Team", "data".to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ] {
        assert_eq!(delivery.header(name), value, "{name}");
    }
    assert!(delivery.header("User-Agent").starts_with("Campanile/"));
    let listed = wait_for_delivery(&server, &event, "delivered");
    assert_eq!(delivery.header("X-Campanile-Delivery"), text_of(&listed["id"]));
    assert_eq!(
        (&listed["event_id"], &listed["event_type"], &listed["destination_id"]),
        (&event["id"], &json!("a.b"), &made["id"])
    );
    assert_eq!(attempts_of(&listed), 1);
    assert!(!listed.to_string().contains(secret));
}

#[test]
fn only_2xx_is_success_and_redirects_are_not_followed() {
    let server = Server::start();
    let target = Receiver::willing();
    let location = target.url();
    let mut statuses = [500, 302, 307, 400, 404, 429, 503, 206].into_iter();
    let receiver =
        Receiver::start(move |_| Reply::with_header(statuses.next().unwrap_or(500), "Location", &location));
    create(&server, &receiver, &json!({"retry": {"enabled": true, "schedule_s": vec![1; 9]}}));
    let event = server.publish(&json!({"type": "a", "data": {}}));
    let deliveries = receiver.wait_for(8);
    assert_eq!(deliveries.iter().map(Delivery::attempt).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert_eq!(attempts_of(&wait_for_delivery(&server, &event, "delivered")), 8);
    assert!(target.deliveries().is_empty());
    let ids: Vec<&str> = deliveries.iter().map(Delivery::event_id).collect();
    assert!(ids.iter().all(|id| *id == event["id"]), "{ids:?}");
}

#[test]
fn without_retries_the_first_failure_is_the_last() {
    let server = Server::start();
    let receiver = Receiver::start(|_| Reply::Answer(500, Vec::new(), "out of order".to_owned()));
    create(&server, &receiver, &json!({"retry": {"enabled": false}}));
    let event = server.publish(&json!({"type": "a", "data": {}}));
    let dead = wait_for_delivery(&server, &event, "dead");
    assert_eq!(receiver.deliveries().len(), 1);
    assert!(dead.to_string().contains("out of order"), "what the endpoint said is kept: {dead}");
}

#[test]
fn a_schedule_that_is_used_up_leaves_a_dead_delivery_and_holds_nothing_up() {
    let server = Server::start();
    let passed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&passed);
    let receiver = Receiver::start(move |delivery| match delivery.header("X-Campanile-Event") {
        // It goes on when the other one is through.
        "bad" if delivery.attempt() == 2 => held_by(&flag, 500),
        "bad" => Reply::status(500),
        _ => Reply::status(200),
    });
    create(&server, &receiver, &json!({"retry": {"enabled": true, "schedule_s": [1, 1]}}));
    let bad = server.publish(&json!({"type": "bad", "data": {}}));
    wait_for_delivery(&server, &bad, "retrying");
    let good = server.publish(&json!({"type": "good", "data": {}}));
    wait_for_delivery(&server, &good, "delivered");
    assert_eq!(deliveries_of(&server, &bad)[0]["status"], "retrying");
    passed.store(true, Ordering::SeqCst);
    let dead = wait_for_delivery(&server, &bad, "dead");
    assert_eq!(attempts_of(&dead), 3);
    assert_eq!(receiver.deliveries().len(), 4);
}

#[test]
fn gone_deactivates_at_once() {
    let server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(410));
    let made = create(&server, &receiver, &json!({}));
    server.publish(&json!({"type": "a", "data": {}}));
    eventually("the deactivation", || {
        (destination_now(&server, &made)["status"] == "deactivated").then_some(())
    });
    assert_eq!(destination_now(&server, &made)["deactivation"]["reason"], "gone");
    let healthy = Receiver::willing();
    create(&server, &healthy, &json!({}));
    server.publish(&json!({"type": "a", "data": {}}));
    healthy.wait_for(1);
    assert_eq!(receiver.deliveries().len(), 1);
}

#[test]
fn an_endpoint_that_does_not_answer_in_time_has_failed() {
    let server = Server::start();
    let never = Arc::new(AtomicBool::new(false));
    let receiver = Receiver::start(move |delivery| match delivery.attempt() {
        1 => held_by(&never, 200),
        _ => Reply::status(200),
    });
    let retry = json!({"enabled": true, "schedule_s": vec![1; 50]});
    create(&server, &receiver, &json!({"timeout_ms": 1000, "retry": retry}));
    let event = server.publish(&json!({"type": "a", "data": {}}));
    let delivered = wait_for_delivery(&server, &event, "delivered");
    // A slow machine may need more than the second.
    assert!(attempts_of(&delivered) >= 2, "{delivered}");
    let first = text_of(&delivered["attempts"][0]["error"]);
    assert!(first.starts_with("no answer within 1000 ms"), "{first}");
}

#[test]
fn an_endpoint_that_hangs_up_is_tried_again() {
    let server = Server::start();
    let receiver = Receiver::start(|delivery| match delivery.attempt() {
        1 => Reply::HangUp,
        _ => Reply::status(200),
    });
    create(&server, &receiver, &json!({"retry": {"enabled": true, "schedule_s": [1, 1]}}));
    let event = server.publish(&json!({"type": "a", "data": {}}));
    assert_eq!(attempts_of(&wait_for_delivery(&server, &event, "delivered")), 2);
}

#[test]
fn an_endpoint_that_is_not_there_is_a_failed_attempt_with_a_reason() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/", crate::support::free_port());
    let nobody = json!({"url": url, "verification": "none", "retry": {"enabled": false}});
    server.post("/api/v1/destinations", &nobody).must(201);
    let event = server.publish(&json!({"type": "b", "data": {}}));
    let dead = wait_for_delivery(&server, &event, "dead");
    assert!(dead["attempts"][0]["error"].is_string(), "{dead}");
}

#[test]
fn a_removed_destination_is_sent_nothing_more() {
    let server = Server::start();
    let (removed, kept) = (Receiver::willing(), Receiver::willing());
    let made = create(&server, &removed, &json!({}));
    create(&server, &kept, &json!({}));
    server.publish_many("a", 1);
    removed.wait_for(1);
    kept.wait_for(1);
    let path = format!("/api/v1/destinations/{}", text_of(&made["id"]));
    assert_eq!(server.send(&Request::new("DELETE", &path).key(ADMIN)).status, 204);
    server.send(&Request::get(&path).key(ADMIN)).problem(404);
    server.publish_many("a", 3);
    kept.wait_for(4);
    assert_eq!(removed.deliveries().len(), 1);
}

#[test]
fn the_secret_is_in_the_answer_to_the_creation_and_in_no_other() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"secret": "a-secret-of-my-own"}));
    assert_eq!(made["secret"], "a-secret-of-my-own");
    server.publish(&json!({"type": "a", "data": {}}));
    let delivery = receiver.wait_for(1).remove(0);
    assert!(delivery.find_header("webhook-signature").is_some());
    for path in ["/api/v1/destinations".to_owned(), format!("/api/v1/destinations/{}", text_of(&made["id"]))]
    {
        let answer = server.send(&Request::get(&path).key(ADMIN)).text();
        assert!(!answer.contains("a-secret-of-my-own") && !answer.contains("whsec_"), "{answer}");
    }
    assert!(!server.output().contains("a-secret-of-my-own"));
}

#[test]
fn a_destination_without_a_secret_is_unsigned() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"secret": null}));
    assert!(made.get("secret").is_none_or(Value::is_null));
    server.publish(&json!({"type": "a", "data": {}}));
    let delivery = receiver.wait_for(1).remove(0);
    assert_eq!(delivery.find_header("webhook-signature"), None);
    assert_eq!(delivery.find_header("X-Campanile-Signature"), None);
}

#[test]
fn an_endpoint_that_says_when_is_asked_then() {
    let server = Server::start();
    let receiver = Receiver::start(|delivery| match delivery.attempt() {
        1 => Reply::with_header(503, "Retry-After", "3"),
        _ => Reply::status(200),
    });
    create(&server, &receiver, &json!({"retry": {"enabled": true, "schedule_s": [1, 1]}}));
    server.publish(&json!({"type": "a", "data": {}}));
    let deliveries = receiver.wait_for(2);
    let waited = deliveries[1].at - deliveries[0].at;
    assert!(waited >= Duration::from_millis(2900), "{waited:?}");
}

#[test]
fn a_new_destination_starts_now_or_where_it_is_told() {
    let server = Server::start();
    let sequences = server.publish_many("a", 5);
    let from = |start: Value, count: usize| {
        let receiver = Receiver::willing();
        create(&server, &receiver, &json!({"start": start}));
        let mut got: Vec<u64> = receiver.wait_for(count).iter().map(Delivery::sequence).collect();
        got.sort_unstable();
        got
    };
    assert_eq!(from(json!("oldest"), 5), sequences);
    assert_eq!(from(json!(sequences[2]), 3), sequences[2..]);
    let receiver = Receiver::willing();
    create(&server, &receiver, &json!({}));
    let next = server.publish_many("a", 1);
    assert_eq!(receiver.wait_for(1)[0].sequence(), next[0]);
}

#[test]
fn only_the_wanted_types_are_sent_and_a_change_counts_at_once() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"events": ["pipeline.*", "other"]}));
    for name in ["pipeline.a", "noise", "other", "pipeline"] {
        server.publish(&json!({"type": name, "data": {}}));
    }
    let types = |count| {
        let mut types: Vec<String> =
            receiver.wait_for(count).iter().map(|one| one.header("X-Campanile-Event").to_owned()).collect();
        types.sort();
        types
    };
    assert_eq!(types(2), ["other", "pipeline.a"]);
    let path = format!("/api/v1/destinations/{}", text_of(&made["id"]));
    server.send(&Request::new("PATCH", &path).key(ADMIN).json(&json!({"events": ["noise"]}))).must(200);
    for name in ["pipeline.a", "noise"] {
        server.publish(&json!({"type": name, "data": {}}));
    }
    assert_eq!(types(3), ["noise", "other", "pipeline.a"]);
}

#[test]
fn strict_order_holds_later_events_back_until_the_failing_one_is_through() {
    let server = Server::start();
    let receiver =
        Receiver::start(|delivery| match (delivery.json()["data"]["n"].as_u64(), delivery.attempt()) {
            (Some(2), 1 | 2) => Reply::status(500),
            _ => Reply::status(200),
        });
    create(
        &server,
        &receiver,
        &json!({"ordering": "strict", "retry": {"enabled": true, "schedule_s": vec![1; 5]}}),
    );
    server.publish_many("a", 6);
    let order: Vec<u64> =
        receiver.wait_for(8).iter().map(|one| one.json()["data"]["n"].as_u64().unwrap()).collect();
    assert_eq!(order, [0, 1, 2, 2, 2, 3, 4, 5]);
}

#[test]
fn a_destination_that_hangs_costs_the_others_nothing() {
    let server = Server::start();
    let never = Arc::new(AtomicBool::new(false));
    let hanging = Receiver::start(move |_| held_by(&never, 200));
    let healthy = Receiver::willing();
    create(&server, &hanging, &json!({"timeout_ms": 600_000}));
    create(&server, &healthy, &json!({}));
    server.publish_many("a", 200);
    healthy.wait_for(200);
    assert!(hanging.deliveries().is_empty());
}
