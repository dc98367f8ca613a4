//! Functions of POST events: the publisher never meets them, and what was accepted runs, whatever happens.

use super::*;
use crate::support::Settings;
use crate::support::meddler::Meddler;
use std::collections::BTreeMap;

const POST: &str = "POST_USER_CREATE";

/// A function that is tried again after each of these seconds.
#[track_caller]
fn retried(server: &Server, name: &str, at: &Receiver, schedule_s: &[u64]) -> u64 {
    let retry = match schedule_s {
        [] => json!({"enabled": false}),
        waits => json!({"schedule_s": waits}),
    };
    let body = json!({"name": name, "url": at.url(), "retry": retry});
    let function = server.post("/api/v1/functions", &body).must(201)["id"].as_u64().unwrap();
    subscribe_with(server, POST, function, json!({}));
    function
}

/// Publishes a POST event and gives its id.
#[track_caller]
fn publish(server: &Server, user: u64) -> Value {
    let data = json!({"user_id": user, "username": "john_doe", "email": "john@example.com"});
    server.publish(&json!({"type": POST, "data": data}))["id"].clone()
}

fn retry(server: &Server, id: &Value) -> Response {
    server.send(&Request::post(&format!("/api/v1/invocations/{id}/retry")).key(ADMIN))
}

#[test]
fn the_publisher_never_meets_the_functions() {
    let server = Server::start();
    let (receiver, heard) = dawdling();
    let failing = Receiver::start(|_| Reply::status(500));
    let (function, secret) = make(&server, "Send Welcome Email", &receiver);
    subscribe_with(&server, POST, function, json!({}));
    retried(&server, "Failing", &failing, &[]);
    let event = server.publish(&json!({"type": POST, "data": {"user_id": 123}}));
    assert_eq!((&event["type"], &event["sequence"]), (&json!(POST), &json!(1)));
    let call = next(&heard);
    call.assert_signed_with(&secret);
    let rows = invocations_of(&server, &event["id"]);
    assert_eq!(call.header("webhook-id"), rows[0]["task_id"].as_str().unwrap());
    assert_eq!((&call.json()["id"], &call.json()["data"]), (&event["id"], &json!({"user_id": 123})));
    until_statuses(&server, &event["id"], &["running", "dead"]);
    let rows = invocations_of(&server, &event["id"]);
    assert_eq!((&rows[1]["mode"], &rows[1]["error"]["kind"]), (&json!("post"), &json!("error")));
}

#[test]
fn a_failure_is_tried_again_as_the_same_task() {
    let server = Server::start();
    let mut calls = 0;
    let receiver = Receiver::start(move |_| {
        calls += 1;
        Reply::status(if calls < 3 { 503 } else { 204 })
    });
    retried(&server, "Flaky", &receiver, &[1, 1]);
    let event = publish(&server, 1);
    until_statuses(&server, &event, &["success"]);
    let calls = receiver.deliveries();
    let attempts: Vec<u32> = calls.iter().map(Delivery::attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(calls.iter().all(|call| call.event_id() == calls[0].event_id()));
    let row = invocations_of(&server, &event)[0].clone();
    let shown = invocation(&server, &row["id"]);
    let told: Vec<(&Value, &Value)> =
        shown["attempts"].as_array().unwrap().iter().map(|one| (&one["attempt"], &one["status"])).collect();
    assert_eq!(
        told,
        [(&json!(1), &json!("error")), (&json!(2), &json!("error")), (&json!(3), &json!("success"))]
    );
    assert_eq!((&row["attempts"], &row["next_attempt_at"]), (&json!(3), &Value::Null));
}

#[test]
fn what_failed_to_the_end_is_dead_and_runs_again_by_hand() {
    let mut server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let function = retried(&server, "Broken", &receiver, &[1]);
    let event = publish(&server, 1);
    until_statuses(&server, &event, &["dead"]);
    assert_eq!(receiver.deliveries().len(), 2);
    let path = format!("/api/v1/invocations?status=dead&function_id={function}");
    let dead = server.send(&Request::get(&path).key(ADMIN)).must(200)["data"].clone();
    let id = dead[0]["id"].clone();
    assert_eq!((dead.as_array().unwrap().len(), &dead[0]["event_id"]), (1, &event));
    server.crash();
    assert_eq!(invocation(&server, &id)["status"], "dead");
    receiver.behave(|_| Reply::status(204));
    retry(&server, &id).must(202);
    until_statuses(&server, &event, &["success"]);
    let calls = receiver.deliveries();
    assert_eq!((calls.len(), calls[2].attempt()), (3, 3));
    assert_eq!(calls[2].event_id(), calls[0].event_id());
    // A fresh run of the schedule.
    receiver.behave(|_| Reply::status(500));
    retry(&server, &id).must(202);
    until_statuses(&server, &event, &["dead"]);
    assert_eq!(receiver.deliveries().len(), 5);
}

#[test]
fn a_function_that_says_no_is_not_asked_again() {
    let server = Server::start();
    let receiver = saying(&json!({"reject": {"code": "UNWANTED", "message": "not for me"}}));
    retried(&server, "Refusing", &receiver, &[1, 1, 1]);
    let patching = saying(&json!({"patch": {"a": 1}}));
    retried(&server, "Patching", &patching, &[]);
    let event = publish(&server, 1);
    until_statuses(&server, &event, &["dead", "dead"]);
    let rows = invocations_of(&server, &event);
    assert_eq!((&rows[0]["error"]["code"], &rows[0]["attempts"]), (&json!("UNWANTED"), &json!(1)));
    assert_eq!(rows[1]["error"]["kind"], "bad_response");
    let path = format!("/api/v1/events/{}", event.as_str().unwrap());
    assert_eq!(server.get(&path).must(200)["data"]["a"], Value::Null, "nothing was patched");
}

#[test]
fn what_waits_is_listed_and_an_ended_subscription_runs_nothing() {
    let server = Settings::new().with("functions.max_in_flight", "1").start();
    let (release, wait) = channel::<()>();
    let receiver = Receiver::start(move |_| {
        wait.recv_timeout(PATIENCE).ok();
        Reply::status(204)
    });
    let function = add(&server, POST, "One At A Time", &receiver);
    let events = [publish(&server, 1), publish(&server, 2), publish(&server, 3)];
    for (event, status) in events.iter().zip(["running", "pending", "pending"]) {
        until_statuses(&server, event, &[status]);
    }
    let id = invocations_of(&server, &events[2])[0]["id"].clone();
    let shown = invocation(&server, &id);
    assert_eq!((&shown["attempts"], &shown["started_at"]), (&json!([]), &Value::Null));
    assert_eq!(retry(&server, &id).must(202)["status"], "pending");
    release.send(()).unwrap();
    until_statuses(&server, &events[0], &["success"]);
    server
        .post(&format!("/api/cloud/events/{POST}/unsubscribe/"), &json!({"function_id": function}))
        .must(200);
    until_statuses(&server, &events[2], &[]);
    drop(release);
    let (again, _) = make(&server, "Later", &Receiver::willing());
    subscribe_with(&server, POST, again, json!({}));
    assert_eq!(statuses_of(&server, &events[2]), [""; 0], "a new subscription begins with the next event");
}

#[test]
fn a_filter_decides_and_a_failing_function_costs_the_others_nothing() {
    let server = Server::start();
    let (failing, willing) = (Receiver::start(|_| Reply::HangUp), Receiver::willing());
    retried(&server, "Failing", &failing, &[60]);
    let (function, _) = make(&server, "Willing", &willing);
    subscribe_with(&server, POST, function, json!({"filter": "data.user_id > 5"}));
    let events: Vec<Value> = (1..=10).map(|user| publish(&server, user)).collect();
    let heard = willing.wait_for(5);
    let users: Vec<u64> = heard.iter().map(|call| call.json()["data"]["user_id"].as_u64().unwrap()).collect();
    assert!(users.iter().all(|user| *user > 5), "{users:?}");
    until_statuses(&server, &events[0], &["error"]);
    until_statuses(&server, &events[9], &["error", "success"]);
    assert_eq!(willing.deliveries().len(), 5);
}

#[test]
fn killed_over_and_over_every_accepted_event_runs() {
    let mut server = Server::start();
    let receiver = Receiver::start(|_| Reply::after(Duration::from_millis(2), Reply::status(204)));
    retried(&server, "Counting", &receiver, &[1, 1, 1, 1, 1]);
    let mut events = Vec::new();
    for round in 0..5 {
        for user in 0..20 {
            events.push(publish(&server, round * 20 + user));
        }
        server.crash();
    }
    eventually("every event has run", || {
        let path = "/api/v1/invocations?status=success&limit=1000";
        let list = server.send(&Request::get(path).key(ADMIN)).must(200);
        (list["data"].as_array().unwrap().len() == events.len()).then_some(())
    });
    let mut tasks: BTreeMap<String, Value> = BTreeMap::new();
    for call in receiver.deliveries() {
        tasks.insert(call.event_id().to_owned(), call.json()["id"].clone());
    }
    assert_eq!(tasks.len(), events.len(), "an event is one task, whatever was in between");
    for event in &events {
        assert!(tasks.values().any(|known| known == event), "{event} ran");
    }
}

#[test]
fn what_the_log_does_not_take_is_recorded_later_and_runs_nothing_again() {
    let mut server = Server::start();
    let (tell, heard) = channel();
    let (answer, wait) = channel::<()>();
    let receiver = Receiver::start(move |call| {
        tell.send(call.clone()).ok();
        match call.json()["data"]["user_id"].as_u64() {
            Some(1) => return Reply::after(LONG, Reply::status(204)),
            _ => wait.recv_timeout(PATIENCE).ok(),
        };
        Reply::status(204)
    });
    add(&server, POST, "Counting", &receiver);
    let events = [1, 2].map(|user| {
        let event = publish(&server, user);
        next(&heard);
        event
    });
    let meddler = Meddler::attach(&server, "fsync,fdatasync", "error=EIO");
    answer.send(()).unwrap();
    eventually("a refusal", || server.output().contains("could not be recorded").then_some(()));
    drop(meddler);
    eventually("the log writes again", || (server.get("/readyz").status == 200).then_some(()));
    // Its outcome is in the log with that one, or after it.
    let last = publish(&server, 3);
    next(&heard);
    answer.send(()).unwrap();
    for (event, status) in events.iter().chain([&last]).zip(["running", "success", "success"]) {
        until_statuses(&server, event, &[status]);
    }
    assert_eq!(heard.try_iter().count(), 0, "nothing ran again");
    server.crash();
    let again = next(&heard);
    assert_eq!((&again.json()["id"], again.attempt()), (&events[0], 1), "it was under way");
    let shown = invocation(&server, &invocations_of(&server, &events[1])[0]["id"]);
    assert_eq!((&shown["status"], shown["attempts"].as_array().unwrap().len()), (&json!("success"), 1));
    assert_eq!(heard.try_iter().count(), 0, "only that ran again");
}
