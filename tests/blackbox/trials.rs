//! Testing an endpoint, before a destination is made for it and after: what is sent, what is told, and that nothing else
//! changes.

use crate::lifecycle::{now, path_of};
use crate::support::{
    ADMIN, DESTINATIONS_READER, Receiver, Reply, Request, Response, Rogue, STRANGER, Server, Settings,
    eventually,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const DESTINATIONS: &str = "/api/v1/destinations";
const TEST: &str = "/api/v1/destinations/test";

fn test(server: &Server, made: &Value, body: &Value) -> Response {
    server.post(&format!("{}/test", path_of(made)), body)
}

#[test]
fn a_test_sends_one_signed_sample_and_tells_what_was_sent_and_received() {
    let server = Server::start();
    let receiver = Receiver::start(|_| {
        Reply::Answer(201, vec![("X-Mine".to_owned(), "yes".to_owned())], "thank you".to_owned())
    });
    let mut body = receiver.destination();
    body["headers"] = json!({"X-Team": "data", "X-Api-Key": "secret-of-the-receiver"});
    body["events"] = json!(["pipeline.*", "pipeline.failed"]);
    let made = server.post(DESTINATIONS, &body).must(201);
    let answer = test(&server, &made, &json!({"type": "pipeline.completed"}));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert!(!answer.text().contains("secret-of-the-receiver"), "{}", answer.text());
    let told = answer.must(200);
    let sent = &receiver.wait_for(1)[0];
    sent.assert_signed_with(made["secret"].as_str().unwrap());
    for (name, value) in [
        ("X-Campanile-Event", "pipeline.completed"),
        ("X-Campanile-Attempt", "1"),
        ("X-Campanile-Sequence", "0"),
        ("X-Campanile-Test", "true"),
        ("X-Team", "data"),
        ("X-Api-Key", "secret-of-the-receiver"),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    assert_eq!(
        (&told["success"], &told["status"], &told["error"]),
        (&json!(true), &json!(201), &Value::Null)
    );
    assert!(told["latency_ms"].is_u64() && told["at"].is_string());
    assert_eq!(told["event_id"], sent.event_id());
    assert_eq!(told["request"]["url"], receiver.url());
    assert_eq!(told["request"]["body"].as_str().unwrap().as_bytes(), sent.body);
    assert_eq!(told["request"]["headers"]["X-Team"], "data");
    assert_eq!(told["response"]["body"], "thank you");
    assert_eq!(told["response"]["headers"]["x-mine"], "yes");
    // Left out, the type is the first that the destination names.
    let usual = server.send(&Request::post(&format!("{}/test", path_of(&made))).key(ADMIN)).must(200);
    assert_eq!(usual["event_type"], "pipeline.failed");
}

#[test]
fn an_answer_without_a_length_is_told_with_its_own_headers_and_no_others() {
    let server = Server::start();
    for (answer, headers) in [
        ("HTTP/1.0 200 OK\r\nX-Mine: yes\r\n\r\nhello", json!({"x-mine": "yes"})),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", json!({"connection": "close"})),
        ("HTTP/1.1 200 OK\r\n\r\nhello", json!({})),
    ] {
        let rogue = Rogue::saying(answer);
        let told = server.post(TEST, &json!({"url": rogue.url()})).must(200);
        assert_eq!(told["response"], json!({"headers": headers, "body": "hello"}), "{answer}");
    }
}

#[test]
fn whatever_the_endpoint_answers_nothing_changes() {
    let server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(410));
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    let pending = Receiver::start(|_| Reply::status(500));
    let waits = server.post(DESTINATIONS, &json!({"url": pending.url()})).must(201);
    pending.wait_for(1);
    let (before, head) = (now(&server, &made), server.head());
    for (status, success) in [(410, false), (500, false), (302, false), (204, true), (429, false)] {
        receiver.behave(move |_| Reply::with_header(status, "Location", "http://127.0.0.1:9/"));
        let told = test(&server, &made, &json!({})).must(200);
        assert_eq!((&told["status"], &told["success"]), (&json!(status), &json!(success)), "{told}");
        assert_eq!(told["error"].is_null(), success);
    }
    receiver.behave(|_| Reply::HangUp);
    let told = test(&server, &made, &json!({})).must(200);
    assert_eq!((&told["status"], &told["response"]), (&Value::Null, &Value::Null), "{told}");
    assert!(!told["error"].as_str().unwrap().is_empty());
    pending.behave(|_| Reply::status(200));
    test(&server, &waits, &json!({})).must(200);
    assert_eq!(now(&server, &waits)["status"], "pending", "a test is no consent");
    assert_eq!((now(&server, &made), server.head()), (before, head));
    let stats = server.send(&Request::get(&format!("{}/deliveries", path_of(&made))).key(ADMIN)).must(200);
    assert_eq!(stats["data"], json!([]));
    // One that is switched off can be tried before it is switched on again.
    server.send(&Request::post(&format!("{}/deactivate", path_of(&made))).key(ADMIN)).must(200);
    receiver.behave(|_| Reply::status(200));
    assert_eq!(test(&server, &made, &json!({})).must(200)["success"], true);
    assert_eq!(now(&server, &made)["status"], "deactivated");
}

#[test]
fn a_url_is_tested_before_there_is_a_destination() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let body = json!({
        "url": receiver.url(), "type": "a.b", "format": "resource", "headers": {"X-Team": "data"},
        "secret": "a-secret-to-try-it-with", "signature_header": "X-Hub-Signature-256", "timeout_ms": 60_000,
    });
    let told = server.post(TEST, &body).must(200);
    assert_eq!((&told["success"], &told["event_type"]), (&json!(true), &json!("a.b")));
    let sent = &receiver.deliveries()[0];
    assert_eq!(sent.json()["object"], "event");
    assert!(sent.is_signed_with("a-secret-to-try-it-with"));
    assert!(sent.header("X-Hub-Signature-256").starts_with("sha256="));
    server.post(TEST, &json!({"url": receiver.url()})).must(200);
    assert_eq!(receiver.deliveries()[1].find_header("webhook-signature"), None, "there is no secret yet");
    let list = server.send(&Request::get(DESTINATIONS).key(ADMIN)).must(200);
    assert_eq!(list["data"], json!([]));
}

#[test]
fn what_breaks_a_rule_is_refused_and_nothing_is_sent() {
    let server = Server::start();
    let receiver = Receiver::willing();
    for (name, value, pointers) in [
        ("url", json!("http://10.0.0.1/"), vec!["/url"]),
        ("url", json!("https://user@example.com/"), vec!["/url"]),
        ("type", json!("no type"), vec!["/type"]),
        ("type", json!("event_destination.verification"), vec!["/type"]),
        ("headers", json!({"Host": "x"}), vec!["/headers/Host"]),
        ("headers", json!({"X-A": "a\r\nX-B: b"}), vec!["/headers/X-A"]),
        ("format", json!("xml"), vec!["/format"]),
        ("retry", json!({"enabled": false}), vec!["/retry"]),
        ("urll", json!("x"), vec!["/urll"]),
    ] {
        let mut body = json!({"url": receiver.url()});
        body[name] = value;
        assert_eq!(server.post(TEST, &body).pointers(), pointers, "{body}");
    }
    assert_eq!(server.post(TEST, &json!({})).pointers(), ["/url"]);
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    for (body, pointer) in [(json!({"url": "https://example.com"}), "/url"), (json!({"type": 7}), "/type")] {
        assert_eq!(test(&server, &made, &body).pointers(), [pointer]);
    }
    let path = format!("{}/test", path_of(&made));
    server.send(&Request::post(&path).key(STRANGER)).problem(404);
    server.send(&Request::post(&path).key(DESTINATIONS_READER)).problem(403);
    server.send(&Request::post(&format!("{path}?now=1")).key(ADMIN)).problem(400);
    for path in [path.as_str(), TEST] {
        let refused = server.send(&Request::get(path).key(ADMIN));
        refused.problem(405);
        assert_eq!(refused.header("Allow"), Some("POST"));
    }
    assert!(receiver.deliveries().is_empty());
}

#[test]
fn a_tenant_has_only_so_many_tests_under_way() {
    let server = Settings::new().with("delivery.max_tests", "2").start();
    let (goes, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (gate, counter) = (Arc::clone(&goes), Arc::clone(&asked));
    let slow = Receiver::start(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::When(Arc::clone(&gate), Box::new(Reply::status(200)))
    });
    let quick = Receiver::willing();
    let address = server.address();
    let body = json!({"url": slow.url(), "timeout_ms": 60_000});
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let request = Request::post(TEST).key(ADMIN).json(&body);
            std::thread::spawn(move || {
                crate::support::Connection::open(address).unwrap().exchange(&request).unwrap().status
            })
        })
        .collect();
    let ask = |key: &str| server.send(&Request::post(TEST).key(key).json(&json!({"url": quick.url()})));
    eventually("both are under way", || (asked.load(Ordering::SeqCst) == 2).then_some(()));
    let refused = ask(ADMIN);
    assert_eq!(refused.problem(429)["type"], "too_many_tests");
    assert_eq!(refused.header("Retry-After"), Some("1"));
    ask(STRANGER).must(200);
    goes.store(true, Ordering::SeqCst);
    assert_eq!(waiting.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>(), [200, 200]);
    ask(ADMIN).must(200);
}
