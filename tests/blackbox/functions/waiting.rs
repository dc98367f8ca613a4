//! Who waits for a PRE event, who joins, who does not, and who goes away.

use super::*;
use crate::support::{Connection, PUBLISHER, READER};

fn keyed(key: &str, path: &str) -> Request {
    Request::post(path).key(PUBLISHER).header("Idempotency-Key", key).json(&draft())
}

#[test]
fn who_does_not_wait_has_an_answer_at_once_and_the_run_goes_on() {
    let server = Server::start();
    let (release, wait) = channel::<()>();
    let receiver = Receiver::start(move |_| {
        wait.recv_timeout(PATIENCE).ok();
        Reply::status(204)
    });
    let function = add(&server, PRE, "Validate User Data", &receiver);
    let document = server.post("/api/v1/events", &draft()).must(201);
    let data = &document["data"];
    assert_eq!(
        (&document["status"], &document["message"]),
        (&json!("success"), &json!("Event published successfully"))
    );
    assert_eq!(data["task_ids"][0]["function_id"], function);
    let members: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 4, "event, task_ids, total_subscribers, event_id: {members:?}");
    until_statuses(&server, &data["event_id"], &["running"]);
    release.send(()).unwrap();
    until_statuses(&server, &data["event_id"], &["success"]);
}

#[test]
fn a_repeated_publish_joins_the_run_and_then_repeats_its_answer() {
    let server = Server::start();
    let (release, wait) = channel::<()>();
    let (tell, heard) = channel();
    let receiver = Receiver::start(move |call| {
        tell.send(call.clone()).ok();
        wait.recv_timeout(PATIENCE).ok();
        says(&json!({"patch": {"plan": "pro"}}))
    });
    add(&server, PRE, "one", &receiver);
    let address = server.address();
    let send = move || {
        let request = keyed("k1", "/api/v1/events?wait=true");
        Connection::open(address).unwrap().exchange(&request).unwrap()
    };
    let first = std::thread::spawn(send);
    next(&heard);
    let second = std::thread::spawn(send);
    // One that does not wait hears of the same run.
    let unwaited = server.send(&keyed("k1", "/api/v1/events")).must(201);
    release.send(()).unwrap();
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert_eq!((first.status, first.json()), (second.status, second.json()));
    assert_eq!((first.status, &first.json()["data"]["params"]["plan"]), (201, &json!("pro")));
    assert_eq!(unwaited["data"]["task_ids"], first.json()["data"]["task_ids"]);
    let third = server.send(&keyed("k1", "/api/v1/events?wait=true"));
    assert_eq!((third.status, third.json()), (201, first.json()));
    assert_eq!(third.header("Idempotency-Replayed"), Some("true"));
    let other = Request::post("/api/v1/events").key(PUBLISHER).header("Idempotency-Key", "k1");
    server.send(&other.json(&json!({"type": PRE, "data": {}}))).problem(422);
    assert_eq!((receiver.deliveries().len(), server.head()), (1, 1));
}

#[test]
fn the_same_id_is_the_same_event_and_the_same_run() {
    let server = Server::start();
    let receiver = saying(&json!({"reject": {"code": "NO", "message": "no"}}));
    add(&server, PRE, "one", &receiver);
    let mut draft = draft();
    draft["id"] = json!("own-1");
    let first = ask(&server, &draft).must(422);
    assert_eq!(ask(&server, &draft).must(422), first);
    assert_eq!(receiver.deliveries().len(), 1);
    draft["data"] = json!({});
    ask(&server, &draft).problem(409);
}

#[test]
fn a_publisher_that_hangs_up_ends_the_run() {
    let server = Server::start();
    let (receiver, heard) = dawdling();
    add(&server, PRE, "slow", &receiver);
    let mut request = keyed("k1", "/api/v1/events?wait=true");
    request = request.accept("application/json");
    let (cut, waits_for_cut) = channel::<()>();
    let address = server.address();
    let publisher = std::thread::spawn(move || {
        let mut connection = Connection::open(address).unwrap();
        connection.send_only(&request).unwrap();
        waits_for_cut.recv().ok();
    });
    let event = next(&heard).json()["id"].clone();
    until_statuses(&server, &event, &["running"]);
    cut.send(()).unwrap();
    publisher.join().unwrap();
    eventually("the run ends before its function", || {
        (statuses_of(&server, &event) == ["cancelled"]).then_some(())
    });
    let again = server.send(&keyed("k1", "/api/v1/events?wait=true")).must(422);
    assert_eq!((&again["status"], &again["code"]), (&json!("error"), &json!("CANCELLED")));
    assert!(heard.try_recv().is_err(), "it is not run again");
}

#[test]
fn waiting_belongs_to_pre_events_and_they_stand_alone() {
    let server = Server::start();
    for event_type in ["user.created", "POST_USER_CREATE"] {
        let draft = json!({"type": event_type, "data": {}});
        for query in ["wait=true", "deadline_ms=100", "wait=true&deadline_ms=100"] {
            let refused = server.post(&format!("/api/v1/events?{query}"), &draft);
            assert_eq!(refused.pointers(), ["/type"], "{event_type} {query}");
        }
        server.post("/api/v1/events?wait=false", &draft).must(201);
    }
    for query in ["wait=1", "wait=", "wait=true&wait=true", "deadline_ms=0", "deadline_ms=x", "wait_ms=1"] {
        server.post(&format!("/api/v1/events?{query}"), &draft()).problem(400);
    }
    let batch = json!({"events": [{"type": "a", "data": {}}, draft()]});
    assert_eq!(server.post("/api/v1/events/batch", &batch).pointers(), ["/events/1/type"]);
    server.post("/api/v1/events/batch?wait=true", &json!({"events": []})).problem(400);
    assert_eq!(server.head(), 2);
    server.send(&Request::post("/api/v1/events?wait=true").key(READER).json(&draft())).problem(403);
    let mut unknown = draft();
    unknown["stage"] = json!(1);
    assert_eq!(ask(&server, &unknown).pointers(), ["/stage"]);
}

#[test]
fn types_that_functions_subscribe_to_are_known_where_unknown_ones_are_refused() {
    let server = crate::support::Settings::new().with("events.unknown_types", r#""reject""#).start();
    ask(&server, &draft()).must(201);
    server.publish(&json!({"type": "POST_USER_CREATE", "data": {}}));
    assert_eq!(server.post("/api/v1/events", &json!({"type": "a", "data": {}})).pointers(), ["/type"]);
}
