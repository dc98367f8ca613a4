//! The broker dies or stops while functions of a PRE event run: it ends as cancelled, and never as passed.

use super::*;
use crate::support::{Connection, Settings};

fn keyed() -> Request {
    Request::post("/api/v1/events?wait=true").key(ADMIN).header("Idempotency-Key", "k1").json(&draft())
}

#[test]
fn killed_in_the_middle_an_event_ends_as_cancelled_and_is_not_run_again() {
    let mut server = Server::start();
    let (receiver, heard) = dawdling();
    let willing = Receiver::willing();
    add(&server, PRE, "quick", &willing);
    add(&server, PRE, "slow", &receiver);
    let address = server.address();
    let publisher = std::thread::spawn(move || Connection::open(address).unwrap().exchange(&keyed()));
    let event = next(&heard).json()["id"].clone();
    willing.wait_for(1);
    server.crash();
    assert!(publisher.join().unwrap().is_err(), "nobody told it anything");
    assert_eq!(statuses_of(&server, &event), ["cancelled", "cancelled"]);
    for again in 0..2 {
        let answer = server.send(&keyed());
        let document = answer.must(422);
        assert_eq!(document["code"], "CANCELLED", "{again}");
        assert_eq!(document["data"]["event_id"], event);
        assert_eq!(answer.header("Idempotency-Replayed"), Some("true"));
    }
    assert_eq!((willing.deliveries().len(), heard.try_iter().count()), (1, 0));
    // The next one runs as ever, and the outcome of this one stays.
    server.restart();
    assert_eq!(statuses_of(&server, &event), ["cancelled", "cancelled"]);
}

#[test]
fn killed_at_any_moment_an_answer_that_was_given_stands() {
    let mut server = Server::start();
    let receiver =
        Receiver::start(|_| Reply::after(Duration::from_millis(3), says(&json!({"patch": {"a": 1}}))));
    add(&server, PRE, "quick", &receiver);
    let mut passed = Vec::new();
    for round in 0..6 {
        let address = server.address();
        let publisher = std::thread::spawn(move || {
            let mut answers = Vec::new();
            let mut connection = Connection::open(address).unwrap();
            let request = Request::post("/api/v1/events?wait=true").key(ADMIN).json(&draft());
            while let Ok(answer) = connection.exchange(&request) {
                answers.push(answer);
            }
            answers
        });
        receiver.wait_for(passed.len() + 5 + round * 7);
        server.crash();
        passed.extend(publisher.join().unwrap().into_iter().map(|answer| answer.must(201)));
    }
    assert!(!passed.is_empty());
    for document in &passed {
        assert_eq!(document["data"]["params"]["a"], 1);
        let kept = invocation(&server, &document["data"]["task_ids"][0]["invocation_id"]);
        assert_eq!((&kept["status"], &kept["result"]), (&json!("success"), &json!({"patch": {"a": 1}})));
    }
    let list = server.send(&Request::get("/api/v1/invocations?limit=1000").key(ADMIN)).must(200);
    for row in list["data"].as_array().unwrap() {
        assert!(["success", "cancelled"].contains(&row["status"].as_str().unwrap()), "{row}");
    }
}

#[test]
fn a_broker_that_stops_tells_its_publishers_and_ends_the_runs() {
    let mut server = Settings::new().with("server.drain", r#""100s""#).start();
    let (receiver, heard) = dawdling();
    add(&server, PRE, "slow", &receiver);
    let address = server.address();
    let publisher = std::thread::spawn(move || Connection::open(address).unwrap().exchange(&keyed()));
    let event = next(&heard).json()["id"].clone();
    server.terminate();
    let answer = publisher.join().unwrap().expect("it is told");
    let problem = answer.problem(503);
    assert!(problem["type"].as_str().unwrap().ends_with("draining"), "{problem}");
    assert!(server.exit().success());
    server.spawn();
    server.wait_until_ready();
    assert_eq!(statuses_of(&server, &event), ["cancelled"]);
}
