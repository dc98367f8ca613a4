//! Replays: ranges of the log sent to a destination again, as a durable job; filters tried on the stored log.

use crate::lifecycle::path_of;
use crate::support::{
    ADMIN, DESTINATIONS_READER, Delivery, READER, Receiver, Reply, Request, STRANGER, Server, eventually,
    text_of,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn create(server: &Server, receiver: &Receiver, more: &Value) -> Value {
    let mut body = receiver.destination();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.post("/api/v1/destinations", &body).must(201)
}

fn replay(server: &Server, made: &Value, body: &Value) -> Value {
    server.post(&format!("{}/replay", path_of(made)), body).must(202)
}

fn counted(server: &Server, made: &Value, only: &str) -> Value {
    let body = json!({"only": only, "dry_run": true});
    server.post(&format!("{}/replay", path_of(made)), &body).must(200)["total"].clone()
}

fn show(server: &Server, replay: &Value) -> Value {
    let path = format!("/api/v1/replays/{}", text_of(&replay["id"]));
    server.send(&Request::get(&path).key(ADMIN)).must(200)
}

fn wait_until(server: &Server, replay: &Value, status: &str) -> Value {
    eventually(&format!("a replay that is {status}"), || {
        Some(show(server, replay)).filter(|shown| shown["status"] == status)
    })
}

fn count_of(server: &Server, made: &Value, status: &str) -> usize {
    let path = format!("{}/deliveries?limit=1000&status={status}", path_of(made));
    server.send(&Request::get(&path).key(ADMIN)).must(200)["data"].as_array().unwrap().len()
}

fn wait_for_count(server: &Server, made: &Value, status: &str, count: usize) {
    eventually(&format!("{count} that are {status}"), || {
        (count_of(server, made, status) == count).then_some(())
    });
}

fn figures(shown: &Value) -> (u64, u64, u64) {
    let number = |name: &str| shown[name].as_u64().unwrap_or_else(|| panic!("{name} in {shown}"));
    (number("total"), number("done"), number("failed"))
}

/// A destination of events `a` that are refused, then accepted.
fn with_dead_ones(count: usize) -> (Server, Receiver, Value) {
    let server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let made = create(&server, &receiver, &json!({"events": ["a"], "retry": {"enabled": false}}));
    server.publish_many("a", count);
    wait_for_count(&server, &made, "dead", count);
    receiver.behave(|_| Reply::status(200));
    (server, receiver, made)
}

#[test]
fn what_failed_is_sent_again_and_the_replay_tells_how_far_it_is() {
    let (server, receiver, made) = with_dead_ones(30);
    assert_eq!(counted(&server, &made, "failed"), 30);
    let job = replay(&server, &made, &json!({"only": "failed"}));
    assert_eq!((&job["destination_id"], &job["only"]), (&made["id"], &json!("failed")));
    assert!(["queued", "running", "done"].contains(&job["status"].as_str().unwrap()), "{job}");
    let done = wait_until(&server, &job, "done");
    assert_eq!(figures(&done), (30, 30, 0));
    assert!(done["ended_at"].is_string(), "{done}");
    wait_for_count(&server, &made, "delivered", 30);
    let again: Vec<Delivery> = receiver.wait_for(60).split_off(30);
    for delivery in &again {
        assert_eq!(delivery.header("x-campanile-replay"), text_of(&job["id"]));
        assert_eq!(delivery.attempt(), 2);
    }
    assert_eq!(counted(&server, &made, "failed"), 0);
    assert_eq!(receiver.deliveries().len(), 60);
}

#[test]
fn attempts_of_a_replay_retry_like_any_other() {
    let server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let made = create(&server, &receiver, &json!({"events": ["a"], "retry": {"enabled": false}}));
    server.publish_many("a", 3);
    wait_for_count(&server, &made, "dead", 3);
    let quick = json!({"retry": {"enabled": true, "schedule_s": [1]}});
    server.send(&Request::new("PATCH", &path_of(&made)).key(ADMIN).json(&quick)).must(200);
    let mut tries: BTreeMap<String, u32> = BTreeMap::new();
    receiver.behave(move |delivery| {
        let tried = tries.entry(delivery.event_id().to_owned()).or_default();
        *tried += 1;
        Reply::status(if *tried == 2 { 200 } else { 500 })
    });
    let job = replay(&server, &made, &json!({}));
    assert_eq!(figures(&wait_until(&server, &job, "done")), (3, 3, 0));
    let attempts: Vec<u32> = receiver.deliveries().iter().map(Delivery::attempt).collect();
    assert_eq!((attempts.len(), attempts.iter().max()), (9, Some(&3)));
    receiver.behave(|_| Reply::status(500));
    let job = replay(&server, &made, &json!({"only": "all"}));
    assert_eq!(figures(&wait_until(&server, &job, "done")), (3, 0, 3));
    wait_for_count(&server, &made, "dead", 3);
}

#[test]
fn missing_events_are_those_from_before_it_was_there_or_that_it_did_not_want_or_skipped() {
    let server = Server::start();
    let receiver = Receiver::willing();
    server.publish_many("a", 5);
    let made = create(&server, &receiver, &json!({"events": ["a"]}));
    server.publish_many("b", 7);
    server.publish_many("a", 4);
    wait_for_count(&server, &made, "delivered", 4);
    assert_eq!((counted(&server, &made, "missing"), counted(&server, &made, "all")), (json!(5), json!(9)));
    let both = json!({"events": ["a", "b"]});
    server.send(&Request::new("PATCH", &path_of(&made)).key(ADMIN).json(&both)).must(200);
    eventually("what it passed over to be missing", || {
        (counted(&server, &made, "missing") == 12).then_some(())
    });
    let types = json!({"only": "missing", "types": ["b"]});
    let job = replay(&server, &made, &types);
    assert_eq!(figures(&wait_until(&server, &job, "done")), (7, 7, 0));
    let job = replay(&server, &made, &json!({"only": "missing"}));
    assert_eq!(figures(&wait_until(&server, &job, "done")), (5, 5, 0));
    assert_eq!(counted(&server, &made, "missing"), 0);
    let mut heard: Vec<u64> = receiver.deliveries().iter().map(Delivery::sequence).collect();
    assert_eq!(heard.len(), 16);
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), 16, "each of them once");
}

#[test]
fn a_replay_takes_only_its_range_of_time_and_types() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({}));
    for minute in 0..20 {
        let name = if minute % 2 == 0 { "even.x" } else { "odd" };
        let timestamp = format!("2026-01-01T00:{minute:02}:00Z");
        server.publish(&json!({"type": name, "timestamp": timestamp, "data": {}}));
    }
    wait_for_count(&server, &made, "delivered", 20);
    let body = json!({
        "only": "all", "since": "2026-01-01T00:04:00Z", "until": "2026-01-01T00:10:00Z", "types": ["even.*"],
    });
    let job = replay(&server, &made, &body);
    assert_eq!(figures(&wait_until(&server, &job, "done")), (3, 3, 0));
    let mut again: Vec<u64> = receiver.wait_for(23)[20..].iter().map(Delivery::sequence).collect();
    again.sort_unstable();
    assert_eq!(again, [5, 7, 9], "in any order: the destination asked for none");
}

#[test]
fn a_replay_that_is_stopped_sends_no_more() {
    let (server, receiver, made) = with_dead_ones(200);
    let job = replay(&server, &made, &json!({"rate_per_s": 4}));
    let before = eventually("some of them to be sent again", || {
        Some(receiver.deliveries().len()).filter(|heard| *heard > 203)
    });
    let path = format!("/api/v1/replays/{}", text_of(&job["id"]));
    server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
    server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
    let stopped = show(&server, &job);
    assert_eq!((&stopped["status"], &stopped["waiting"]), (&json!("stopped"), &json!(0)));
    assert!(stopped["done"].as_u64().unwrap() >= (before as u64 - 200).saturating_sub(16), "{stopped}");
    let left = counted(&server, &made, "failed").as_u64().unwrap();
    assert!(left > 100, "{left}");
    // What follows it is sent when it is: nothing of the stopped one comes before it.
    let heard = receiver.deliveries().len();
    server.publish_many("a", 1);
    let all = eventually("what follows", || {
        let all = receiver.deliveries();
        let live = all.iter().filter(|one| one.find_header("x-campanile-replay").is_none()).count();
        (live == 201).then_some(all)
    });
    assert!(all.len() <= heard + 1 + 16, "at most what was under way");
}

#[test]
fn a_replay_goes_on_after_every_kill_and_loses_and_repeats_no_more_than_was_under_way() {
    let (mut server, receiver, made) = with_dead_ones(400);
    let job = replay(&server, &made, &json!({"rate_per_s": 400}));
    let kills = 4;
    for round in 1..=kills {
        let wanted = 400 + round * 50;
        eventually("it to go on", || (receiver.deliveries().len() >= wanted).then_some(()));
        server.crash();
    }
    let done = wait_until(&server, &job, "done");
    assert_eq!(figures(&done), (400, 400, 0));
    let mut heard: BTreeMap<u64, usize> = BTreeMap::new();
    for delivery in &receiver.deliveries()[400..] {
        assert_eq!(delivery.header("x-campanile-replay"), text_of(&job["id"]));
        *heard.entry(delivery.sequence()).or_default() += 1;
    }
    assert_eq!(heard.len(), 400);
    let repeated: usize = heard.values().map(|times| times - 1).sum();
    assert!(repeated <= kills * 16, "{repeated} were sent twice");
    wait_for_count(&server, &made, "delivered", 400);
}

#[test]
fn replays_of_a_destination_take_turns_and_wait_while_it_is_off() {
    let (server, receiver, made) = with_dead_ones(20);
    server.post(&format!("{}/deactivate", path_of(&made)), &json!({})).must(200);
    let first = replay(&server, &made, &json!({"only": "failed"}));
    let second = replay(&server, &made, &json!({"only": "failed"}));
    let list = server.send(&Request::get("/api/v1/replays").key(ADMIN)).must(200);
    let ids: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&second["id"], &first["id"]], "newest first");
    assert!(list["data"].as_array().unwrap().iter().all(|one| one["status"] == "queued"), "{list}");
    assert_eq!(receiver.deliveries().len(), 20);
    server.post(&format!("{}/activate", path_of(&made)), &json!({})).must(200);
    let (first, second) = (wait_until(&server, &first, "done"), wait_until(&server, &second, "done"));
    let sent_again =
        receiver.deliveries().iter().filter(|one| one.find_header("x-campanile-replay").is_some()).count();
    let totals = figures(&first).0 + figures(&second).0;
    assert_eq!(totals, sent_again as u64, "{first} {second}");
    assert_eq!(count_of(&server, &made, "delivered"), 20);
}

#[test]
fn live_events_overtake_a_replay() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"events": ["a", "live"], "max_in_flight": 2}));
    server.publish_many("a", 300);
    wait_for_count(&server, &made, "delivered", 300);
    // The replay stands still after its first ten, until the live event is there.
    let goes_on = Arc::new(AtomicBool::new(false));
    let (flag, mut heard) = (Arc::clone(&goes_on), 0);
    receiver.behave(move |_| {
        heard += 1;
        let reply = Reply::status(200);
        if heard <= 10 { reply } else { Reply::When(Arc::clone(&flag), Box::new(reply)) }
    });
    let job = replay(&server, &made, &json!({"only": "all"}));
    receiver.wait_for(310);
    let live = server.publish_many("live", 1)[0];
    goes_on.store(true, Ordering::SeqCst);
    let position =
        eventually("the live event", || receiver.deliveries().iter().position(|one| one.sequence() == live));
    let done = wait_until(&server, &job, "done");
    assert_eq!(figures(&done).1, 300);
    assert!(position < 550, "the live event came as number {position}");
}

#[test]
fn a_replay_belongs_to_its_tenant_and_goes_with_its_destination() {
    let (server, _receiver, made) = with_dead_ones(1);
    let path = format!("{}/replay", path_of(&made));
    server.send(&Request::post(&path).key(STRANGER).json(&json!({}))).problem(404);
    server.send(&Request::post(&path).key(DESTINATIONS_READER).json(&json!({}))).problem(403);
    let job = replay(&server, &made, &json!({}));
    let shown = format!("/api/v1/replays/{}", text_of(&job["id"]));
    server.send(&Request::get(&shown).key(STRANGER)).problem(404);
    server.send(&Request::new("DELETE", &shown).key(STRANGER)).problem(404);
    server.send(&Request::new("DELETE", &shown).key(DESTINATIONS_READER)).problem(403);
    let list = server.send(&Request::get("/api/v1/replays").key(STRANGER)).must(200);
    assert_eq!(list["data"], json!([]));
    server.send(&Request::new("DELETE", &path_of(&made)).key(ADMIN)).must(204);
    server.send(&Request::get(&shown).key(ADMIN)).problem(404);
}

#[test]
fn what_is_wrong_with_a_replay_is_said_member_by_member() {
    let (server, _receiver, made) = with_dead_ones(1);
    let path = format!("{}/replay", path_of(&made));
    let cases = [
        (json!({"only": "some"}), "/only"),
        (json!({"since": "yesterday"}), "/since"),
        (json!({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}), "/until"),
        (json!({"types": ["a b"]}), "/types"),
        (json!({"types": "a"}), "/types"),
        (json!({"rate_per_s": 0}), "/rate_per_s"),
        (json!({"dry_run": "yes"}), "/dry_run"),
        (json!({"form": 1}), "/form"),
    ];
    for (body, pointer) in cases {
        let problem = server.post(&path, &body).problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    server.send(&Request::get("/api/v1/replays/rpl_x").key(ADMIN)).problem(404);
    server.send(&Request::get("/api/v1/replays?destination_id=x").key(ADMIN)).problem(400);
    server.send(&Request::post(&format!("{path}?x=1")).key(ADMIN)).problem(400);
}

#[test]
fn a_destination_has_so_many_replays_that_have_not_ended() {
    let (server, _receiver, made) = with_dead_ones(1);
    server.post(&format!("{}/deactivate", path_of(&made)), &json!({})).must(200);
    let jobs: Vec<Value> = (0..20).map(|_| replay(&server, &made, &json!({}))).collect();
    let path = format!("{}/replay", path_of(&made));
    server.post(&path, &json!({})).problem(409);
    let stop = format!("/api/v1/replays/{}", text_of(&jobs[3]["id"]));
    server.send(&Request::new("DELETE", &stop).key(ADMIN)).must(204);
    replay(&server, &made, &json!({}));
    let page = server.send(&Request::get("/api/v1/replays?limit=15").key(ADMIN)).must(200);
    let next = text_of(&page["next_cursor"]);
    let rest = server.send(&Request::get(&format!("/api/v1/replays?cursor={next}")).key(ADMIN)).must(200);
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (6, &json!(false)));
}

#[test]
fn a_filter_is_tried_on_what_is_stored() {
    let server = Server::start();
    for n in 0..60 {
        let timestamp = format!("2026-01-01T00:{n:02}:00Z");
        server.publish(
            &json!({"type": if n % 2 == 0 { "a" } else { "b" }, "timestamp": timestamp, "data": {"n": n}}),
        );
    }
    let tried = |body: &Value| {
        server.send(&Request::post("/api/v1/filters/dry-run").key(READER).json(body)).must(200)
    };
    let all = tried(&json!({}));
    assert_eq!((&all["count"], &all["complete"]), (&json!(60), &json!(true)));
    assert_eq!(all["events"].as_array().unwrap().len(), 20);
    assert_eq!(all["events"][0]["data"], json!({"n": 0}));
    let some = tried(
        &json!({"events": ["a"], "filter": "data.n >= 30", "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:40:00Z"}),
    );
    let numbers: Vec<u64> =
        some["events"].as_array().unwrap().iter().map(|one| one["data"]["n"].as_u64().unwrap()).collect();
    assert_eq!((numbers, &some["count"]), (vec![30, 32, 34, 36, 38], &json!(5)));
    let refused = server
        .send(&Request::post("/api/v1/filters/dry-run").key(READER).json(&json!({"filter": "data.n >"})));
    assert_eq!(refused.problem(422)["errors"][0]["pointer"], "/filter");
    let stranger = server.send(&Request::post("/api/v1/filters/dry-run").key(STRANGER).json(&json!({})));
    assert_eq!(stranger.must(200)["count"], 0);
}
