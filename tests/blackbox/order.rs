//! Deliveries in order by key: an event that fails holds back its own key and no other.

use crate::support::{ADMIN, Delivery, Receiver, Reply, Request, Server, eventually, text_of};
use serde_json::{Value, json};

/// A destination in order by pipeline whose endpoint fails for the pipeline `bad`, once a day.
fn ordered(server: &Server) -> (Receiver, Value) {
    let receiver = Receiver::start(|delivery| match pipeline_of(delivery).as_str() {
        "bad" => Reply::status(500),
        _ => Reply::status(200),
    });
    let mut body = receiver.destination();
    body["ordering"] = json!("pipeline");
    body["max_in_flight"] = json!(4);
    body["retry"] = json!({"enabled": true, "schedule_s": [86_400]});
    let made = server.post("/api/v1/destinations", &body).must(201);
    (receiver, made)
}

fn pipeline_of(delivery: &Delivery) -> String {
    text_of(&delivery.json()["pipeline"])
}

fn publish(server: &Server, pipeline: &str) {
    server.post("/api/v1/events", &json!({"type": "a", "pipeline": pipeline, "data": {}})).must(201);
}

fn pipelines(receiver: &Receiver, count: usize) -> Vec<String> {
    receiver.wait_for(count).iter().map(pipeline_of).collect()
}

#[test]
fn however_many_events_wait_for_a_failing_one_other_keys_go_on() {
    let server = Server::start();
    let (receiver, _) = ordered(&server);
    publish(&server, "bad");
    assert_eq!(pipelines(&receiver, 1), ["bad"]);
    for _ in 0..100 {
        publish(&server, "bad");
    }
    publish(&server, "good");
    assert_eq!(pipelines(&receiver, 2), ["bad", "good"]);
}

#[test]
fn a_restart_does_not_make_other_keys_wait_for_a_failing_event() {
    let mut server = Server::start();
    let (receiver, made) = ordered(&server);
    publish(&server, "bad");
    receiver.wait_for(1);
    let listed = format!("/api/v1/destinations/{}/deliveries?status=retrying", text_of(&made["id"]));
    eventually("the failure is recorded", || {
        let listed = server.send(&Request::get(&listed).key(ADMIN)).must(200);
        (listed["data"].as_array().unwrap().len() == 1).then_some(())
    });
    server.crash();
    publish(&server, "bad");
    publish(&server, "good");
    assert_eq!(pipelines(&receiver, 2), ["bad", "good"]);
}
