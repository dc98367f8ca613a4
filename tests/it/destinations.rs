//! Webhook destinations: managing them, and what arrives.

use crate::endpoint::{Endpoint, status};
use crate::harness::{ADMIN, Broker, OTHER, READER, until};
use serde_json::{Value, json};

const DESTINATIONS: &str = "/api/v1/destinations";

fn create(broker: &Broker, body: Value) -> Value {
    let mut body = body;
    body["verification"] = json!("none");
    broker.post(ADMIN, DESTINATIONS, &body.to_string()).expect(201)
}

#[test]
fn a_delivery_has_every_header_and_the_event_as_its_body() {
    let endpoint = Endpoint::start(|_| status(204));
    let broker = Broker::start("");
    let made = create(
        &broker,
        json!({"url": endpoint.url(), "headers": {"X-Team": "data"}, "events": ["pipeline.*"]}),
    );
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    broker.publish(r#"{"type":"other","data":{}}"#).expect(201);
    let event = broker.publish(r#"{"type":"pipeline.completed","data":{ "rows":1.10 }}"#).expect(201);
    let taken = &endpoint.wait_for(1)[0];
    for (name, value) in [
        ("webhook-id", event["id"].as_str().unwrap()),
        ("x-campanile-event", "pipeline.completed"),
        ("x-campanile-attempt", "1"),
        ("x-campanile-sequence", "2"),
        ("user-agent", concat!("Campanile/", env!("CARGO_PKG_VERSION"))),
        ("content-type", "application/json"),
        ("x-team", "data"),
    ] {
        assert_eq!(taken.header(name), value, "{name}");
    }
    assert!(taken.header("x-campanile-delivery").starts_with("dlv_"));
    let body = String::from_utf8(taken.body.clone()).unwrap();
    assert!(body.contains(r#""data":{ "rows":1.10 }"#) && !body.contains("sequence"));
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(http::HeaderName::from_static(name), taken.header(name).parse().unwrap());
    }
    standardwebhooks::Webhook::new(secret).unwrap().verify(&taken.body, &headers).unwrap();
    let list = broker.get(ADMIN, DESTINATIONS).text();
    assert!(!list.contains(secret) && !list.contains("sealed"), "the secret is shown once");
}

#[test]
fn a_destination_is_changed_and_removed_and_hidden_from_others() {
    let endpoint = Endpoint::start(|_| status(200));
    let broker = Broker::start("");
    let made = create(&broker, json!({"url": endpoint.url(), "events": ["a"], "secret": null}));
    assert_eq!(
        (&made["secret"], &made["status"], &made["events"]),
        (&Value::Null, &json!("active"), &json!(["a"]))
    );
    let path = format!("{DESTINATIONS}/{}", made["id"].as_str().unwrap());
    broker.get(OTHER, &path).problem(404);
    broker.get(READER, &path).problem(403);
    broker.send("PATCH", ADMIN, &path, "{}").expect(200);
    for bad in [r#"{"status":"active"}"#, r#"{"id":"x"}"#, r#"{"secret":null}"#, r#"{"nothing":1}"#] {
        broker.send("PATCH", ADMIN, &path, bad).problem(422);
    }
    let changed =
        broker.send("PATCH", ADMIN, &path, r#"{"events":["b"],"description":"billing"}"#).expect(200);
    assert_eq!((&changed["events"], &changed["description"]), (&json!(["b"]), &json!("billing")));
    broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    broker.publish(r#"{"type":"b","data":{}}"#).expect(201);
    let taken = &endpoint.wait_for(1)[0];
    assert_eq!(taken.header("x-campanile-event"), "b");
    assert_eq!(taken.header("webhook-signature"), "", "unsigned as asked");
    until("nothing waits", || broker.get(ADMIN, &path).json()["lag"]["events"] == 0);
    broker.send("DELETE", ADMIN, &path, "").expect(204);
    broker.get(ADMIN, &path).problem(404);
}

#[test]
fn what_a_destination_may_not_be_is_refused_by_member() {
    let broker = Broker::start("");
    for (member, value, pointer) in [
        ("url", json!("http://10.0.0.1/"), "/url"),
        ("url", json!("https://user@example.com/"), "/url"),
        ("url", json!(7), "/url"),
        ("headers", json!({"Host": "x"}), "/headers/Host"),
        ("headers", json!({"X-A": "a\nb"}), "/headers/X-A"),
        ("retry", json!({"schedule_s": []}), "/retry/schedule_s"),
        ("retry", json!({"schedule_s": [1e12]}), "/retry/schedule_s"),
        ("timeout_ms", json!(99), "/timeout_ms"),
        ("max_in_flight", json!(10_001), "/max_in_flight"),
        ("events", json!(["a*"]), "/events"),
        ("secret", json!("short"), "/secret"),
        ("signature_header", json!("webhook-signature"), "/signature_header"),
        ("format", json!("xml"), "/format"),
        ("start", json!("yesterday"), "/start"),
        ("filter", json!("tru"), "/filter"),
        ("verification", json!("handshake"), "/verification"),
        ("tpye", json!(1), "/tpye"),
    ] {
        let mut body = json!({"url": "https://example.com/", "verification": "none"});
        body[member] = value;
        let problem = broker.post(ADMIN, DESTINATIONS, &body.to_string()).problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let strict = Broker::start("[delivery]\nallow_http = false\nallow_networks = []\n");
    let problem = strict.post(ADMIN, DESTINATIONS, r#"{"url":"http://example.com/","verification":"none"}"#);
    assert_eq!(problem.problem(422)["errors"][0]["code"], "not_https");
}

#[test]
fn redirects_are_failures_and_a_dead_endpoint_harms_nobody() {
    let target = Endpoint::start(|_| status(200));
    let location = target.url();
    let redirecting = Endpoint::start(move |_| {
        format!("HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let resetting = Endpoint::start(|_| Vec::new());
    let good = Endpoint::start(|_| status(200));
    let broker = Broker::start("");
    create(&broker, json!({"url": redirecting.url(), "retry": {"enabled": false}}));
    let later = json!({"schedule_s": [3600]});
    create(&broker, json!({"url": resetting.url(), "retry": later}));
    create(&broker, json!({"url": "http://127.0.0.1:1/", "timeout_ms": 500, "retry": later}));
    create(&broker, json!({"url": good.url()}));
    for _ in 0..50 {
        broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    }
    let order: Vec<String> =
        good.wait_for(50).iter().map(|one| one.header("x-campanile-sequence").to_owned()).collect();
    assert_eq!(order.len(), 50);
    redirecting.wait_for(50);
    let id =
        broker.get(READER, "/api/v1/events?limit=1").json()["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events/{id}/deliveries");
    let statuses = || -> Vec<Value> {
        let deliveries = broker.get(ADMIN, &path).expect(200);
        deliveries["data"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect()
    };
    until("each has its outcome", || {
        statuses() == [json!("dead"), json!("retrying"), json!("retrying"), json!("delivered")]
    });
    assert!(target.all().is_empty(), "no redirect is followed");
}

#[test]
fn strict_order_is_kept_through_failures() {
    let endpoint = Endpoint::start(|number| status(if number % 4 == 1 { 503 } else { 200 }));
    let broker = Broker::start("");
    create(&broker, json!({"url": endpoint.url(), "ordering": "strict", "retry": {"schedule_s": [1, 1, 1]}}));
    for _ in 0..8 {
        broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    }
    let good = || -> Vec<String> {
        let all = endpoint.all();
        let good = all.iter().filter(|one| one.status == 200);
        good.map(|one| one.header("x-campanile-sequence").to_owned()).collect()
    };
    until("all eight are delivered", || good().len() >= 8);
    assert_eq!(good(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn a_destination_can_begin_in_the_past() {
    let endpoint = Endpoint::start(|_| status(200));
    let broker = Broker::start("");
    for _ in 0..300 {
        broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    }
    create(&broker, json!({"url": endpoint.url(), "start": "oldest", "max_in_flight": 50}));
    assert_eq!(endpoint.wait_for(300).len(), 300);
    create(&broker, json!({"url": endpoint.url(), "start": 299}));
    let taken = endpoint.wait_for(302);
    assert_eq!(
        taken[300].header("x-campanile-sequence").parse::<u64>().unwrap() / 10,
        29 + u64::from(taken[300].header("x-campanile-sequence") == "300")
    );
}

#[test]
fn the_config_declares_destinations_and_takes_them_away() {
    let endpoint = Endpoint::start(|_| status(200));
    let mut broker = Broker::start("");
    let declared = format!(
        "[[events.webhooks]]\nurl = \"{}\"\nevents = [\"pipeline.failed\"]\nsecret = \"${{SECRET:-a-secret-of-some-length}}\"\nretry = true\n",
        endpoint.url()
    );
    let plain = std::fs::read_to_string(broker.config_path()).unwrap();
    broker.terminate();
    broker.run_with(&(plain.clone() + &declared));
    broker.publish(r#"{"type":"pipeline.failed","data":{}}"#).expect(201);
    assert!(endpoint.wait_for(1)[0].header("x-campanile-signature").starts_with("sha256="));
    let id = broker.get(ADMIN, DESTINATIONS).json()["data"][0]["id"].as_str().unwrap().to_owned();
    broker.send("DELETE", ADMIN, &format!("{DESTINATIONS}/{id}"), "").problem(409);
    broker.terminate();
    broker.run_with(&(plain.clone() + &declared));
    assert_eq!(broker.get(ADMIN, DESTINATIONS).json()["data"][0]["id"], id, "it keeps its place");
    broker.terminate();
    broker.run_with(&plain);
    assert_eq!(broker.get(ADMIN, DESTINATIONS).json()["data"], json!([]));
}
