//! What an operator's monitoring sees of deliveries.

use crate::support::{OPERATOR, Receiver, Reply, Request, Server, eventually, text_of};
use serde_json::json;

/// The value of a sample, when it is there.
fn sample(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let is_it = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
    page.lines().find(is_it).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn page(server: &Server) -> String {
    let answer = server.send(&Request::get("/metrics").key(OPERATOR));
    assert_eq!(answer.status, 200);
    answer.text()
}

#[test]
fn a_destination_s_attempts_and_lag_are_shown() {
    let server = Server::start();
    let healthy = Receiver::start(|_| Reply::status(204));
    let broken = Receiver::start(|_| Reply::status(500));
    let made = |receiver: &Receiver| {
        let mut body = receiver.destination();
        body["retry"] = json!({"schedule_s": vec![1; 100]});
        let made = server.post("/api/v1/destinations", &body).must(201);
        format!("destination=\"{}\"", text_of(&made["id"]))
    };
    let (healthy, broken) = (made(&healthy), made(&broken));
    for n in 0..3 {
        server.publish(&json!({"type": "a", "data": {"n": n}}));
    }
    let attempts = "campanile_delivery_attempts_total{";
    let seen = eventually("three attempts at each, and no lag where they succeeded", || {
        let page = page(&server);
        let delivered = sample(&page, attempts, &[&healthy, "outcome=\"delivered\""]);
        let failed = sample(&page, attempts, &[&broken, "outcome=\"retry\""]);
        let lag = sample(&page, "campanile_destination_lag_events{", &[&healthy]);
        (delivered == Some(3.0) && failed >= Some(3.0) && lag == Some(0.0)).then_some(page)
    });
    let lag = sample(&seen, "campanile_destination_lag_events{", &[&broken, "tenant=\"default\""]);
    assert_eq!(lag, Some(3.0), "{seen}");
    assert!(sample(&seen, "campanile_destination_lag_seconds{", &[&broken]).is_some());
    assert_eq!(sample(&seen, "campanile_destination_restarts_total{", &[&broken]), Some(0.0));
    assert!(sample(&seen, "campanile_delivery_attempt_duration_seconds_count", &[]) >= Some(6.0));
}
