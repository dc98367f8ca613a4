//! Signing secrets: another one with an overlap, its end, `kill -9` in the middle of it, and that none is shown anywhere.

use crate::lifecycle::{now, path_of};
use crate::support::{
    ADMIN, Connection, DESTINATIONS_READER, Delivery, OPERATOR, Receiver, Request, STRANGER, Server,
    Settings, eventually,
};
use serde_json::{Value, json};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const DESTINATIONS: &str = "/api/v1/destinations";

fn rotate(server: &Server, made: &Value, body: &Value) -> crate::support::Response {
    server.post(&format!("{}/rotate-secret", path_of(made)), body)
}

/// Publishes an event and gives its delivery.
fn deliver(server: &Server, receiver: &Receiver) -> Delivery {
    let sequence = server.publish_many("a", 1)[0];
    eventually("the delivery", || receiver.events().into_iter().find(|one| one.sequence() == sequence))
}

fn signatures(delivery: &Delivery) -> usize {
    delivery.header("webhook-signature").split(' ').count()
}

#[test]
fn both_secrets_sign_until_the_overlap_is_over_and_then_only_the_new_one() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    let first = made["secret"].as_str().unwrap();
    deliver(&server, &receiver).assert_signed_with(first);

    let answer = rotate(&server, &made, &json!({"overlap_s": 3600}));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let rotated = answer.must(200);
    let second = rotated["secret"].as_str().unwrap();
    assert!(second.starts_with("whsec_") && second != first);
    assert!(rotated["overlap_until"].as_str().unwrap() > rotated["updated_at"].as_str().unwrap());
    let shown = now(&server, &made);
    assert!(shown.get("secret").is_none() && shown.get("overlap_until").is_none(), "{shown}");
    assert_eq!(shown["id"], rotated["id"]);
    let both = deliver(&server, &receiver);
    both.assert_signed_with(second);
    assert!(both.is_signed_with(first) && signatures(&both) == 2);

    // A shorter overlap ends the earlier ones as well.
    let third = rotate(&server, &made, &json!({"overlap_s": 1})).must(200)["secret"].clone();
    let third = third.as_str().unwrap();
    let single = eventually("the end of the overlap", || {
        let one = deliver(&server, &receiver);
        one.assert_signed_with(third);
        (signatures(&one) == 1).then_some(one)
    });
    assert!(!single.is_signed_with(second) && !single.is_signed_with(first));

    let fourth = rotate(&server, &made, &json!({"overlap_s": 0})).must(200);
    assert_eq!(fourth["overlap_until"], Value::Null);
    let at_once = deliver(&server, &receiver);
    at_once.assert_signed_with(fourth["secret"].as_str().unwrap());
    assert_eq!(signatures(&at_once), 1);
}

#[test]
fn a_secret_can_be_given_and_an_unsigned_destination_signs_from_then_on() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let mut body = receiver.destination();
    body["secret"] = Value::Null;
    let made = server.post(DESTINATIONS, &body).must(201);
    assert_eq!(deliver(&server, &receiver).find_header("webhook-signature"), None);
    let given = "a-secret-of-our-own-choice";
    let rotated = rotate(&server, &made, &json!({"secret": given})).must(200);
    assert_eq!((&rotated["secret"], &rotated["overlap_until"]), (&json!(given), &Value::Null));
    let signed = deliver(&server, &receiver);
    assert!(signed.is_signed_with(given) && signatures(&signed) == 1);
    // The usual overlap is a day.
    let next = server.send(&Request::post(&format!("{}/rotate-secret", path_of(&made))).key(ADMIN)).must(200);
    let both = deliver(&server, &receiver);
    assert!(both.is_signed_with(given) && both.is_signed_with(next["secret"].as_str().unwrap()));
}

#[test]
fn what_breaks_a_rule_is_refused_and_changes_nothing() {
    let declared =
        "\n[[events.webhooks]]\nurl = \"http://127.0.0.1:9/x\"\nsecret = \"declared-secret-0123\"\n";
    let server = Settings::new().and(declared).start();
    let declared = server.send(&Request::get(DESTINATIONS).key(ADMIN)).must(200)["data"][0].clone();
    assert_eq!(rotate(&server, &declared, &json!({})).problem(409)["type"], "declared");
    let body =
        json!({"url": "http://127.0.0.1:9/", "verification": "none", "secret": "the-secret-it-has-now"});
    let made = server.post(DESTINATIONS, &body).must(201);
    for (body, pointer) in [
        (json!({"overlap_s": -1}), "/overlap_s"),
        (json!({"overlap_s": 1.5}), "/overlap_s"),
        (json!({"overlap_s": 2_592_001}), "/overlap_s"),
        (json!({"overlap_s": null}), "/overlap_s"),
        (json!({"overlap": 1}), "/overlap"),
        (json!({"secret": "short"}), "/secret"),
        (json!({"secret": null}), "/secret"),
        (json!({"secret": "the-secret-it-has-now"}), "/secret"),
    ] {
        assert_eq!(rotate(&server, &made, &body).pointers(), [pointer], "{body}");
    }
    let path = format!("{}/rotate-secret", path_of(&made));
    let by = |key: &str| server.send(&Request::post(&path).key(key).json(&json!({})));
    by(STRANGER).problem(404);
    by(DESTINATIONS_READER).problem(403);
    server.send(&Request::post(&format!("{path}?x=1")).key(ADMIN)).problem(400);
    assert_eq!(server.send(&Request::get(&path).key(ADMIN)).problem(405)["status"], 405);
    rotate(&server, &json!({"id": "dst_00000000000000000000000001"}), &json!({})).problem(404);
    assert_eq!(now(&server, &made)["updated_at"], made["updated_at"]);
    for _ in 0..4 {
        rotate(&server, &made, &json!({})).must(200);
    }
    assert_eq!(rotate(&server, &made, &json!({})).problem(409)["type"], "too_many_secrets");
    rotate(&server, &made, &json!({"overlap_s": 0})).must(200);
}

#[test]
fn no_secret_is_shown_anywhere_but_in_its_one_answer_nor_kept_in_the_clear() {
    let mut server = Server::start();
    let receiver = Receiver::willing();
    let mut body = receiver.destination();
    body["secret"] = json!("the-first-secret-to-hide");
    body["headers"] = json!({"X-Api-Key": "the-header-secret-to-hide"});
    let made = server.post(DESTINATIONS, &body).must(201);
    let rotated = rotate(&server, &made, &json!({})).must(200);
    rotate(&server, &made, &json!({"secret": "short-bad"})).problem(422);
    let delivery = deliver(&server, &receiver);
    let secrets = ["the-first-secret-to-hide", rotated["secret"].as_str().unwrap()];
    server.send(&Request::post(&format!("{}/deactivate", path_of(&made))).key(ADMIN)).must(200);
    let id = delivery.header("X-Campanile-Delivery");
    for (path, key) in [
        (DESTINATIONS.to_owned(), ADMIN),
        (path_of(&made), ADMIN),
        (format!("{}/deliveries", path_of(&made)), ADMIN),
        (format!("/api/v1/deliveries/{id}"), ADMIN),
        ("/api/v1/events".to_owned(), ADMIN),
        ("/metrics".to_owned(), OPERATOR),
    ] {
        let answer = server.send(&Request::get(&path).key(key));
        let text = answer.text();
        assert_eq!(answer.status, 200, "{path}: {text}");
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{path}: {text}");
    }
    let output = server.output();
    assert!(secrets.iter().all(|secret| !output.contains(secret)), "{output}");
    // Nobody writes while this reads.
    server.kill();
    let kept = bytes_under(&server.data());
    for secret in secrets {
        assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is on disk");
    }
}

fn bytes_under(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            bytes.extend(bytes_under(&entry.path()));
        } else {
            bytes.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    bytes
}

#[test]
fn a_rotation_that_was_answered_survives_kill_9_and_one_that_was_cut_off_is_whole_or_not_there() {
    let mut server = Server::start();
    let receiver = Receiver::willing();
    let name = |number: usize| format!("secret-of-this-number-{number:06}");
    let mut body = receiver.destination();
    body["secret"] = json!(name(0));
    let made = server.post(DESTINATIONS, &body).must(201);
    let mut current = 0;
    for round in 0..6 {
        // Rotates with no pause until the broker is gone; each answered one is durable.
        let (address, path) = (server.address(), format!("{}/rotate-secret", path_of(&made)));
        let done = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&done);
        let rotator = std::thread::spawn(move || {
            let mut number = current;
            loop {
                // Two of three end what went before, so that there is always room for one that overlaps.
                let overlap_s = if number % 3 == 0 { 3600 } else { 0 };
                let body = json!({"secret": name(number + 1), "overlap_s": overlap_s});
                let request = Request::post(&path).key(ADMIN).json(&body);
                let answer =
                    Connection::open(address).and_then(|mut connection| connection.exchange(&request));
                let Ok(answer) = answer else { return number };
                assert_eq!(answer.status, 200, "{answer:?}");
                number += 1;
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        eventually("some rotations", || (done.load(Ordering::SeqCst) >= 2 + 2 * round).then_some(()));
        server.kill();
        // It has ended before there is a server again.
        let answered = rotator.join().unwrap();
        server.spawn();
        server.wait_until_ready();
        let delivery = deliver(&server, &receiver);
        let signs = [answered, answered + 1].into_iter().find(|number| {
            let secret = name(*number);
            // The current one comes first, and makes the body-only signature.
            let first = delivery.header("webhook-signature").split(' ').next().unwrap().to_owned();
            delivery.standard_signature(&secret) == first
        });
        let signs = signs.unwrap_or_else(|| panic!("neither {answered} nor the next signs"));
        delivery.assert_signed_with(&name(signs));
        let overlaps = signs > 0 && (signs - 1) % 3 == 0;
        assert_eq!(signatures(&delivery), 1 + usize::from(overlaps), "{signs}");
        if overlaps {
            assert!(delivery.is_signed_with(&name(signs - 1)));
        }
        current = signs;
    }
    assert!(current > 6, "{current} rotations");
}

/// Starts the server with another master key in its folder, and gives the one that was there.
fn with_master_key(server: &mut Server, key: &[u8]) -> Vec<u8> {
    server.kill();
    let path = server.data().join("secret.key");
    let before = std::fs::read(&path).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, key).unwrap();
    server.spawn();
    server.wait_until_ready();
    before
}

#[test]
fn what_cannot_be_signed_with_this_master_key_waits_and_is_never_sent_unsigned() {
    let mut server = Server::start();
    let (receiver, rotated, unsigned) = (Receiver::willing(), Receiver::willing(), Receiver::willing());
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    let other = server.post(DESTINATIONS, &rotated.destination()).must(201);
    let pending = Receiver::consenting();
    server
        .post(DESTINATIONS, &json!({"url": unsigned.url(), "verification": "none", "secret": null}))
        .must(201);
    let before = with_master_key(&mut server, "5".repeat(64).as_bytes());
    assert!(server.output().contains("its secret cannot be opened"), "{}", server.output());
    server.publish_many("a", 1);
    unsigned.wait_for(1);
    let tried = server.post(&format!("{}/test", path_of(&made)), &json!({})).must(200);
    assert!(tried["error"].as_str().unwrap().contains("its secret cannot be opened"), "{tried}");
    let new = rotate(&server, &other, &json!({"overlap_s": 0})).must(200);
    rotated.wait_for(1)[0].assert_signed_with(new["secret"].as_str().unwrap());
    assert_eq!(now(&server, &made)["lag"]["events"], 1);
    let waits = server.post(DESTINATIONS, &json!({"url": pending.url()})).must(201);
    pending.wait_for(1)[0].assert_signed_with(waits["secret"].as_str().unwrap());
    receiver.settle();
    assert_eq!(receiver.deliveries().len(), 0);
    with_master_key(&mut server, &before);
    receiver.wait_for(1)[0].assert_signed_with(made["secret"].as_str().unwrap());
}

#[test]
fn header_values_that_may_be_secret_are_in_no_event() {
    let server = Server::start();
    let (receiver, others) = (Receiver::willing(), Receiver::willing());
    let mut body = receiver.destination();
    body["headers"] = json!({"Authorization": "Bearer of-another-service", "X-Team": "data"});
    let made = server.post(DESTINATIONS, &body).must(201);
    server.post(DESTINATIONS, &others.destination()).must(201);
    assert_eq!(now(&server, &made)["headers"], body["headers"]);
    server.post(&format!("{}/deactivate", path_of(&made)), &json!({})).must(200);
    let told = others.wait_for(1)[0].json();
    assert_eq!(told["type"], "event_destination.deactivated");
    assert_eq!(told["data"]["headers"], json!({"Authorization": "[redacted]", "X-Team": "data"}));
    assert!(!server.list("").to_string().contains("of-another-service"));
    server.post(&format!("{}/activate", path_of(&made)), &json!({})).must(200);
    assert_eq!(receiver.wait_for(1)[0].header("Authorization"), "Bearer of-another-service");
}
