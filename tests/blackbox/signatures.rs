//! Real deliveries, checked by an independent package as a receiver would: formats, odd payloads, a rotation.

use crate::lifecycle::path_of;
use crate::support::{Delivery, Receiver, Server, eventually};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use standardwebhooks::{Webhook, WebhookError};

/// The headers of a delivery as a framework gives them.
fn headers(delivery: &Delivery) -> HeaderMap {
    let pair = |(name, value): &(String, String)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    delivery.headers.iter().map(pair).collect()
}

fn verified(delivery: &Delivery, secret: &str) -> Result<(), WebhookError> {
    Webhook::new(secret).unwrap().verify(&delivery.body, &headers(delivery))
}

#[test]
fn a_delivery_is_accepted_in_its_format_and_nothing_that_was_changed() {
    let server = Server::start();
    let odd = json!({"n": 1.50, "text": "é \u{1f514} \u{2028} \"quoted\" \\ \u{0}", "deep": [[[{}]]], "none": null});
    for format in ["envelope", "resource", "cloudevents"] {
        let receiver = Receiver::willing();
        let mut body = receiver.destination();
        body["format"] = json!(format);
        body["headers"] = json!({"X-Team": "data"});
        let made = server.post("/api/v1/destinations", &body).must(201);
        let secret = made["secret"].as_str().unwrap();
        server.publish(&json!({"type": "pipeline.completed", "pipeline": "p", "run_id": "r", "data": odd}));
        let delivery = receiver.wait_for(1).remove(0);
        verified(&delivery, secret).unwrap_or_else(|error| panic!("{format}: {error}"));
        delivery.assert_signed_with(secret);
        let mut changed = delivery.clone();
        changed.body.push(b' ');
        assert!(verified(&changed, secret).is_err(), "another body");
        for (name, value) in [("webhook-id", "evt_other"), ("webhook-timestamp", "1700000000")] {
            let mut changed = headers(&delivery);
            changed.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            let webhook = Webhook::new(secret).unwrap();
            assert!(webhook.verify(&delivery.body, &changed).is_err(), "another {name}");
        }
        assert!(verified(&delivery, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").is_err());
    }
}

#[test]
fn before_during_and_after_a_rotation_who_knows_a_live_secret_accepts_it() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = server.post("/api/v1/destinations", &receiver.destination()).must(201);
    let old = made["secret"].as_str().unwrap().to_owned();
    let deliver = || {
        let event = server.publish(&json!({"type": "a", "data": {}}));
        eventually("its delivery", || {
            receiver.deliveries().into_iter().find(|one| event["id"] == one.event_id())
        })
    };
    verified(&deliver(), &old).unwrap();
    let path = format!("{}/rotate-secret", path_of(&made));
    let rotated = server.post(&path, &json!({"overlap_s": 3600})).must(200);
    let new = rotated["secret"].as_str().unwrap().to_owned();
    let delivery = deliver();
    verified(&delivery, &old).unwrap();
    verified(&delivery, &new).unwrap();
    let rotated = server.post(&path, &json!({"overlap_s": 0})).must(200);
    let last = rotated["secret"].as_str().unwrap();
    let delivery = deliver();
    verified(&delivery, last).unwrap();
    assert!(verified(&delivery, &old).is_err() && verified(&delivery, &new).is_err());
}
