//! Endpoints that fail for long: warned of, probed, switched off, and told of when they are well again.

use crate::lifecycle::{now, path_of, told, unchanged, wait_for_status};
use crate::support::{ADMIN, Delivery, Receiver, Reply, Request, Server, Settings, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const DESTINATIONS: &str = "/api/v1/destinations";

fn create(server: &Server, receiver: &Receiver, more: &Value) -> Value {
    let mut body = receiver.destination();
    body["events"] = json!(["a"]);
    body["retry"] = json!({"enabled": true, "schedule_s": vec![1; 60]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post(DESTINATIONS, &body).must(201)
}

fn about<'a>(events: &'a [Value], made: &Value) -> Vec<&'a Value> {
    events.iter().filter(|one| one["data"]["id"] == made["id"]).collect()
}

#[test]
fn an_endpoint_that_fails_for_half_of_the_time_is_warned_of_and_told_of_when_it_is_well() {
    let server = Settings::new().with("delivery.deactivate_after", r#""3s""#).start();
    let receiver = Receiver::start(|_| Reply::status(500));
    // So few attempts that it is far from being switched off.
    let made = create(&server, &receiver, &json!({"retry": {"schedule_s": vec![2; 60]}}));
    // It hears of its own failing, which must not multiply.
    let hearing = json!({"events": ["a", "event_destination.*"]});
    let patch = Request::new("PATCH", &path_of(&made)).key(ADMIN).json(&hearing);
    server.send(&patch).must(200);
    assert_eq!(now(&server, &made)["failing_since"], Value::Null);
    server.publish_many("a", 1);
    eventually("failing since", || now(&server, &made)["failing_since"].is_string().then_some(()));
    let warning = eventually("the warning", || told(&server, "failing").pop());
    let one = now(&server, &made);
    assert_eq!(warning["data"]["failing_since"], one["failing_since"]);
    assert_eq!((&warning["data"]["status"], &warning["data"]["id"]), (&json!("active"), &made["id"]));
    receiver.behave(|_| Reply::status(204));
    let recovered = eventually("the recovery", || told(&server, "recovered").pop());
    assert_eq!(recovered["data"]["failing_since"], Value::Null);
    eventually("the news at the endpoint itself", || {
        let of = |name: &str| {
            let is_it = |one: &&Delivery| one.header("X-Campanile-Event") == name && one.succeeded();
            receiver.deliveries().iter().filter(is_it).count()
        };
        (of("event_destination.failing") == 1 && of("event_destination.recovered") == 1).then_some(())
    });
    assert_eq!((told(&server, "failing").len(), told(&server, "recovered").len()), (1, 1));
    assert_eq!(now(&server, &made)["failing_since"], Value::Null);
    assert!(told(&server, "deactivated").is_empty());
}

#[test]
fn an_endpoint_that_only_fails_is_switched_off_and_keeps_what_waits() {
    let server = Settings::new().with("delivery.deactivate_after", r#""2s""#).start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let made = create(&server, &receiver, &json!({}));
    server.publish_many("a", 8);
    let off = wait_for_status(&server, &made, "deactivated");
    assert_eq!(off["deactivation"]["reason"], "failures");
    assert!(off["deactivation"]["detail"].as_str().unwrap().contains("attempts since"), "{off}");
    assert!(receiver.deliveries().len() >= 20);
    let news = told(&server, "deactivated");
    assert_eq!(news.len(), 1);
    assert_eq!(news[0]["data"]["deactivation"], off["deactivation"]);
    assert!(told(&server, "failing").len() <= 1);
    server.publish_many("a", 2);
    assert_eq!(now(&server, &made)["lag"]["events"], 10);
    receiver.behave(|_| Reply::status(200));
    let on = server.send(&Request::post(&format!("{}/activate", path_of(&made))).key(ADMIN)).must(200);
    assert_eq!((&on["status"], &on["failing_since"]), (&json!("active"), &Value::Null));
    eventually("everything that waited", || {
        let delivered = receiver.deliveries().iter().filter(|one| one.succeeded()).count();
        (delivered == 10).then_some(())
    });
    assert!(told(&server, "recovered").is_empty(), "it was switched on, which is told");
    assert_eq!(told(&server, "activated").len(), 1);
}

#[test]
fn another_url_begins_with_a_clean_slate() {
    let server = Settings::new().with("delivery.deactivate_after", r#""1h""#).start();
    let (bad, good) = (Receiver::start(|_| Reply::status(500)), Receiver::start(|_| Reply::status(500)));
    let made = create(&server, &bad, &json!({"retry": {"schedule_s": [1, 100]}}));
    server.publish_many("a", 1);
    // What was still under way at the change would be heard of after it.
    eventually("both outcomes", || {
        let path = format!("{}/deliveries", path_of(&made));
        let listed = server.send(&Request::get(&path).key(ADMIN)).must(200);
        (listed["data"][0]["attempts"] == 2).then_some(())
    });
    let before =
        eventually("its failures", || now(&server, &made)["failing_since"].as_str().map(str::to_owned));
    let patch = Request::new("PATCH", &path_of(&made)).key(ADMIN).json(&json!({"url": good.url()}));
    assert_eq!(server.send(&patch).must(200)["failing_since"], Value::Null);
    server.publish_many("a", 1);
    good.wait_for(1);
    let after =
        eventually("new failures", || now(&server, &made)["failing_since"].as_str().map(str::to_owned));
    assert!(after > before, "{after} {before}");
}

#[test]
fn warnings_and_ends_survive_kills_and_are_told_once() {
    let mut server = Settings::new().with("delivery.deactivate_after", r#""4s""#).start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let made = create(&server, &receiver, &json!({}));
    server.publish_many("a", 8);
    let mut since = None;
    let mut round = 0;
    let off = loop {
        round += 1;
        std::thread::sleep(Duration::from_millis(150 + 37 * (round % 5)));
        server.crash();
        let (one, ends) = unchanged(&server, &made, "deactivated");
        assert_eq!(one["status"] == "deactivated", ends == 1, "{one}");
        if one["status"] == "deactivated" {
            break one;
        }
        if since.is_some() {
            assert_eq!(one["failing_since"].as_str().map(str::to_owned), since, "a crash forgets no failure");
        }
        since = one["failing_since"].as_str().map(str::to_owned);
        assert!(round < 200, "{one}");
    };
    assert_eq!(off["deactivation"]["reason"], "failures");
    assert!(about(&told(&server, "failing"), &made).len() <= 1);
    server.crash();
    let mut still = now(&server, &made);
    // What waits grows older.
    still["lag"]["seconds"] = off["lag"]["seconds"].clone();
    assert_eq!(still, off);
}

#[test]
fn an_endpoint_that_is_down_is_probed_and_what_waits_loses_no_attempt() {
    let settings = Settings::new().with("delivery.breaker_after", r#""1s""#);
    let settings = settings
        .with("delivery.breaker_pause", r#""200ms""#)
        .with("delivery.breaker_pause_max", r#""400ms""#);
    let server = settings.start();
    let down = |_: &Delivery| Reply::after(Duration::from_millis(10), Reply::status(503));
    let receiver = Receiver::start(down);
    let made = create(&server, &receiver, &json!({"max_in_flight": 4, "retry": {"schedule_s": [3600]}}));
    // Four at a time, each ten milliseconds: at most four hundred of them before the breaker opens.
    server.publish_many("a", 1000);
    eventually("probes instead of everything", || {
        let deliveries = receiver.deliveries();
        let lately = deliveries.iter().filter(|one| one.at.elapsed() < Duration::from_millis(700)).count();
        (deliveries.len() >= 20 && lately <= 6).then_some(())
    });
    receiver.behave(|_| Reply::status(200));
    // What is being answered at this moment still fails.
    let burnt = receiver.deliveries().len() + 4;
    assert!(burnt < 900, "{burnt} attempts");
    let rest = eventually("what waited", || {
        let deliveries = receiver.deliveries();
        let failed = deliveries.iter().filter(|one| !one.succeeded()).count();
        (deliveries.len() == 1000).then_some((deliveries, failed))
    });
    assert!(rest.0.iter().all(|one| one.attempt() == 1), "each event has had its first attempt, and no more");
    assert!(rest.1 <= burnt, "{} {burnt}", rest.1);
    let lag = eventually("the retries that wait", || {
        let lag = now(&server, &made)["lag"]["events"].as_u64().unwrap();
        (lag <= rest.1 as u64).then_some(lag)
    });
    assert_eq!(lag, rest.1 as u64);
}
