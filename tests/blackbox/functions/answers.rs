//! What a function's answer means, and every way to have none.

use super::*;
use crate::support::{Settings, free_port};

/// How an event fails whose only function behaves like this.
#[track_caller]
fn failure(server: &Server, reply: Reply) -> Value {
    let receiver = Receiver::start(move |_| reply.clone());
    failure_of(server, &receiver)
}

#[track_caller]
fn failure_of(server: &Server, receiver: &Receiver) -> Value {
    let name = format!("at {}", receiver.url());
    let function = add(server, PRE, &name, receiver);
    let data = ask(server, &draft()).must(422)["data"].clone();
    let [failure] = data["failures"].as_array().unwrap().as_slice() else { panic!("{data}") };
    assert_eq!(failure["function_id"], function);
    let path = format!("/api/v1/functions/{function}");
    server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
    let kept = invocation(server, &failure["invocation_id"]);
    assert_eq!(kept["error"]["kind"], failure["kind"]);
    assert_eq!(kept["error"]["message"], failure["message"]);
    failure.clone()
}

#[test]
fn every_answer_that_is_no_consent_fails_the_event_with_its_kind() {
    let server = Settings::new().with("functions.max_answer", r#""1KiB""#).start();
    let long = json!({"patch": {"text": "x".repeat(2000)}});
    for (reply, kind) in [
        (Reply::status(500), "error"),
        (Reply::status(404), "error"),
        (Reply::with_header(302, "Location", "/elsewhere"), "error"),
        (Reply::HangUp, "bad_response"),
        (Reply::Answer(200, Vec::new(), "OK".to_owned()), "bad_response"),
        (says(&json!([])), "bad_response"),
        (says(&json!({"ok": true})), "bad_response"),
        (says(&json!({"patch": 1})), "bad_response"),
        (says(&json!({"patch": {}, "reject": {}})), "bad_response"),
        (says(&json!({"reject": {"code": "NO"}})), "rejected"),
        (says(&json!({"reject": "no"})), "rejected"),
        (says(&long), "too_large"),
    ] {
        let told = format!("{reply:?}");
        let failure = failure(&server, reply);
        assert_eq!(failure["kind"], kind, "{told}: {failure}");
        assert!(!failure["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn every_consent_passes() {
    let server = Server::start();
    let replies = [
        Reply::status(200),
        Reply::status(204),
        Reply::status(299),
        says(&json!({})),
        says(&json!({"patch": {}})),
        Reply::Answer(200, Vec::new(), " \n ".to_owned()),
    ];
    let receivers: Vec<Receiver> =
        replies.into_iter().map(|reply| Receiver::start(move |_| reply.clone())).collect();
    for receiver in &receivers {
        add(&server, PRE, &format!("at {}", receiver.url()), receiver);
    }
    let data = ask(&server, &draft()).must(201)["data"].clone();
    assert_eq!(data["total_subscribers"], receivers.len());
    assert_eq!(data["params"], draft()["data"]);
}

#[test]
fn nobody_there_is_an_error() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/f", free_port());
    let made = server.post("/api/v1/functions", &json!({"name": "gone", "url": url})).must(201);
    subscribe_with(&server, PRE, made["id"].as_u64().unwrap(), json!({}));
    let data = ask(&server, &draft()).must(422)["data"].clone();
    assert_eq!(data["failures"][0]["kind"], "error");
}

#[test]
fn an_address_that_may_not_be_called_any_more_is_not_called() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing();
    let mut server = Settings::new().data_in(folder.path()).start();
    add(&server, PRE, "inside", &receiver);
    server.kill();
    let server = Settings::new().with("delivery.allow_networks", "[]").data_in(folder.path()).start();
    let data = ask(&server, &draft()).must(422)["data"].clone();
    assert_eq!(data["failures"][0]["kind"], "address_refused");
    assert_eq!(receiver.deliveries().len(), 0);
}

#[test]
fn a_function_that_takes_too_long_has_failed() {
    let server = Server::start();
    let (first, second) = (dawdling(), dawdling());
    for (name, receiver) in [("first", &first.0), ("second", &second.0)] {
        let body = json!({"name": name, "url": receiver.url(), "timeout_ms": 2000});
        let made = server.post("/api/v1/functions", &body).must(201);
        subscribe_with(&server, PRE, made["id"].as_u64().unwrap(), json!({}));
    }
    let data = ask(&server, &draft()).must(422)["data"].clone();
    let failures = data["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    for failure in failures {
        assert_eq!(failure["kind"], "timeout");
    }
    let told: u64 = next(&first.1).header("X-Campanile-Deadline").parse().unwrap();
    assert!(told <= 2000, "{told}");
    assert!(statuses_of(&server, &data["event_id"]).contains(&"timeout".to_owned()));
}

#[test]
fn a_deadline_bounds_the_whole() {
    let server = Server::start();
    let (receiver, heard) = dawdling();
    add(&server, PRE, "slow", &receiver);
    let late = add(&server, PRE, "late", &receiver);
    server.post(&format!("/api/cloud/events/{PRE}/unsubscribe/"), &json!({"function_id": late})).must(200);
    subscribe_with(&server, PRE, late, json!({"stage": 1}));
    let answer = server.post("/api/v1/events?wait=true&deadline_ms=3000", &draft());
    let data = answer.must(422)["data"].clone();
    assert_eq!(data["failures"][0]["kind"], "timeout");
    assert_eq!(data["failures"].as_array().unwrap().len(), 1);
    let told: u64 = next(&heard).header("X-Campanile-Deadline").parse().unwrap();
    assert!(told <= 3000, "{told}");
    assert_eq!(statuses_of(&server, &data["event_id"]), ["timeout", "cancelled"]);
}
