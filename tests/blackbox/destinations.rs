//! What a destination may be: each member's rules, and what a caller is told when one is broken.

use crate::support::{ADMIN, Request, Server, Settings};
use serde_json::{Value, json};

fn body_with(name: &str, value: &Value) -> Value {
    let mut body = json!({"url": "http://127.0.0.1:9999/", "verification": "none"});
    body[name] = value.clone();
    body
}

#[test]
fn what_breaks_a_rule_is_422_with_a_pointer() {
    let server = Server::start();
    let table = [
        ("urll", json!("x"), "/urll"),
        ("url", json!(7), "/url"),
        ("timeout_ms", json!(99), "/timeout_ms"),
        ("timeout_ms", json!(600_001), "/timeout_ms"),
        ("timeout_ms", json!("1s"), "/timeout_ms"),
        ("max_in_flight", json!(0), "/max_in_flight"),
        ("max_in_flight", json!(10_001), "/max_in_flight"),
        ("retry", json!(true), "/retry"),
        ("retry", json!({"schedule_s": []}), "/retry/schedule_s"),
        ("retry", json!({"schedule_s": [0]}), "/retry/schedule_s"),
        ("retry", json!({"schedule_s": [-1]}), "/retry/schedule_s"),
        ("retry", json!({"schedule_s": [1.5]}), "/retry/schedule_s"),
        ("retry", json!({"schedule_s": vec![1; 1001]}), "/retry/schedule_s"),
        ("retry", json!({"enabld": true}), "/retry/enabld"),
        ("ordering", json!("random"), "/ordering"),
        ("format", json!("xml"), "/format"),
        ("secret", json!("short"), "/secret"),
        ("secret", json!("whsec_AAAA"), "/secret"),
        ("secret", json!("sixteen charactérs"), "/secret"),
        ("events", json!(["a*"]), "/events"),
        ("start", json!("later"), "/start"),
        ("signature_header", json!("webhook-signature"), "/signature_header"),
        ("signature_header", json!("Host"), "/signature_header"),
        ("status", json!("active"), "/status"),
        ("id", json!("dst_00000000000000000000000001"), "/id"),
    ];
    for (name, value, pointer) in table {
        let body = body_with(name, &value);
        let pointers = server.post("/api/v1/destinations", &body).pointers();
        assert!(pointers.len() == 1 && pointers[0].starts_with(pointer), "{body}: {pointers:?}");
    }
    let list = server.send(&Request::get("/api/v1/destinations").key(ADMIN)).must(200);
    assert_eq!(list["data"], json!([]));
}

#[test]
fn headers_that_are_the_brokers_or_no_headers_are_refused() {
    let server = Server::start();
    let names = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "webhook-id",
        "Webhook-Signature",
        "X-Campanile-Event",
        "Content-Type",
        ":path",
        "a b",
        "",
        "x\r\ny",
    ];
    for name in names {
        let pointers =
            server.post("/api/v1/destinations", &body_with("headers", &json!({name: "x"}))).pointers();
        assert!(pointers.iter().all(|pointer| pointer.starts_with("/headers")), "{name:?}: {pointers:?}");
    }
    for value in ["a\r\nb", "a\nb", "a\0b", "a\u{7f}b", &"x".repeat(9 * 1024)] {
        let pointers =
            server.post("/api/v1/destinations", &body_with("headers", &json!({"X-Mine": value}))).pointers();
        assert!(pointers.iter().all(|pointer| pointer.starts_with("/headers")), "{value:?}: {pointers:?}");
    }
    let twice = json!({"X-Mine": "1", "x-mine": "2"});
    server.post("/api/v1/destinations", &body_with("headers", &twice)).problem(422);
}

#[test]
fn the_signature_has_a_header_of_its_own() {
    let server = Server::start();
    let both = json!({"url": "http://127.0.0.1:9999/", "verification": "none", "headers": {"x-mine": "1"},
        "signature_header": "X-Mine"});
    assert_eq!(server.post("/api/v1/destinations", &both).pointers(), ["/signature_header"]);
    let trial = json!({"url": both["url"], "headers": both["headers"], "signature_header": "X-Mine"});
    assert_eq!(server.post("/api/v1/destinations/test", &trial).pointers(), ["/signature_header"]);
    let made =
        server.post("/api/v1/destinations", &body_with("signature_header", &json!("X-Mine"))).must(201);
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    let change = |body: Value| server.send(&Request::new("PATCH", &path).key(ADMIN).json(&body));
    assert_eq!(change(json!({"headers": {"x-MINE": "1"}})).pointers(), ["/signature_header"]);
    change(json!({"headers": {"x-MINE": "1"}, "signature_header": "X-Other"})).must(200);
    assert_eq!(change(json!({"signature_header": "X-Mine"})).pointers(), ["/signature_header"]);
}

#[test]
fn a_url_is_bounded() {
    let server = Server::start();
    let url = |length: usize| {
        let begin = "http://127.0.0.1:9999/";
        json!(format!("{begin}{}", "x".repeat(length - begin.len())))
    };
    server.post("/api/v1/destinations", &body_with("url", &url(8000))).must(201);
    let refused = server.post("/api/v1/destinations", &body_with("url", &url(8001))).problem(422);
    assert_eq!(refused["errors"][0]["code"], "bad_url");
}

#[test]
fn a_change_keeps_what_it_does_not_name_and_what_is_not_its_to_change() {
    let server = Server::start();
    let made = server.post("/api/v1/destinations", &body_with("description", &json!("one"))).must(201);
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    let change = |body: Value| server.send(&Request::new("PATCH", &path).key(ADMIN).json(&body));
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("secret");
    expected["lag"] = Value::Null;
    let without_lag = |mut answer: Value| {
        answer["lag"] = Value::Null;
        answer
    };
    assert_eq!(without_lag(change(json!({})).must(200)), expected);
    for body in
        [json!({"id": "x"}), json!({"status": "active"}), json!({"created_at": "x"}), json!({"urll": "x"})]
    {
        assert_eq!(change(body.clone()).pointers().len(), 1, "{body}");
    }
    let changed = change(json!({"description": "two", "timeout_ms": 1234})).must(200);
    assert_eq!((&changed["description"], &changed["timeout_ms"]), (&json!("two"), &json!(1234)));
    assert_eq!((&changed["url"], &changed["events"]), (&made["url"], &made["events"]));
    assert_eq!(made["events"], json!(["*"]));
}

#[test]
fn a_url_that_is_not_public_is_refused_unless_allowed() {
    let settings = Settings::new().with("delivery.allow_http", "false").with("delivery.allow_networks", "[]");
    let server = settings.start();
    let urls = [
        "http://example.com/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://user:pass@example.com/",
        "https://example.com/#x",
        "https://example.com:80/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "ftp://example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://１２７.0.0.1/",
        "https://127%2e0.0.1/",
        "nonsense",
        "",
    ];
    for url in urls {
        let answer = server.post("/api/v1/destinations", &json!({"url": url, "verification": "none"}));
        assert_eq!(answer.pointers(), ["/url"], "{url}");
        assert!(answer.json()["errors"][0]["code"].is_string(), "{url}: {}", answer.text());
    }
}

#[test]
fn what_the_operator_declares_is_a_destination_that_the_api_cannot_change() {
    let receiver = crate::support::Receiver::willing();
    let declared = format!(
        "\n[[events.webhooks]]\nurl = \"{}\"\nevents = [\"pipeline.completed\"]\nsecret = \"declared-secret-0123\"\nretry = true\n",
        receiver.url()
    );
    let mut server = Settings::new().and(&declared).start();
    let list = || server.send(&Request::get("/api/v1/destinations").key(ADMIN)).must(200)["data"].clone();
    let listed = list();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    server.publish(&json!({"type": "pipeline.completed", "data": {}}));
    server.publish(&json!({"type": "other", "data": {}}));
    assert_eq!(receiver.wait_for(1)[0].header("X-Campanile-Event"), "pipeline.completed");
    let path = format!("/api/v1/destinations/{}", listed[0]["id"].as_str().unwrap());
    let refused = server.send(&Request::new("DELETE", &path).key(ADMIN));
    assert!(matches!(refused.status, 403 | 409 | 422), "{refused:?}");
    server.restart();
    let again = server.send(&Request::get("/api/v1/destinations").key(ADMIN)).must(200)["data"].clone();
    assert_eq!(again[0]["id"], listed[0]["id"], "it is reconciled, not made anew");
    server.publish(&json!({"type": "pipeline.completed", "data": {}}));
    receiver.wait_for(2);
}
