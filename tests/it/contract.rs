//! Publishing, polling, keys: every rule a caller sees.

use crate::harness::{ADMIN, Broker, OPERATOR, OTHER, PUBLISHER, READER};
use serde_json::json;

const EVENTS: &str = "/api/v1/events";

#[test]
fn an_event_comes_back_byte_for_byte() {
    let broker = Broker::start("");
    let data = r#"{ "b" : 1.10, "a":12345678901234567890123 , "e":1e400,"z":-0, "s":"\u0000\ud83d\ude00" }"#;
    let body = format!(
        r#"{{"type":"pipeline.completed","timestamp":"2026-02-15T08:00:04.7+02:00","pipeline":"user-analytics","run_id":"run_001","id":"evt_abc123","data":{data}}}"#
    );
    let answer = broker.publish(&body);
    assert_eq!(answer.status, 201);
    assert!(answer.text().contains(data), "{}", answer.text());
    let head =
        r#"{"sequence":1,"id":"evt_abc123","type":"pipeline.completed","timestamp":"2026-02-15T06:00:04.7Z""#;
    assert!(answer.text().starts_with(head), "{}", answer.text());
    let one = broker.get(READER, "/api/v1/events/evt_abc123");
    assert_eq!(one.text(), answer.text());
    assert!(broker.get(READER, EVENTS).text().contains(data));
}

#[test]
fn who_may_do_what() {
    let broker = Broker::start("");
    let event = r#"{"type":"a","data":{}}"#;
    for headers in [
        vec![],
        vec![("Authorization", "Basic abc")],
        vec![("Authorization", "Bearer ")],
        vec![("Authorization", "Bearer wrong")],
        vec![("Authorization", "Bearer reader-key-of-the-tests"), ("Authorization", "Bearer x")],
    ] {
        let answer = broker.request("GET", EVENTS, &headers, b"");
        assert!(answer.header("www-authenticate").is_some());
        answer.problem(401);
    }
    let long = format!("Bearer {}", "x".repeat(10_000));
    broker.request("GET", EVENTS, &[("Authorization", &long)], b"").problem(401);
    broker.post(READER, EVENTS, event).problem(403);
    broker.get(PUBLISHER, EVENTS).problem(403);
    broker.post(OPERATOR, EVENTS, event).problem(403);
    broker.get(READER, "/api/v1/keys").problem(403);
    broker.get(ADMIN, "/api/v1/tenants").problem(403);
    broker.get(OPERATOR, "/api/v1/tenants").expect(200);
    broker.post(ADMIN, EVENTS, event).expect(201);
    let id = broker.get(READER, EVENTS).json()["data"][0]["id"].as_str().unwrap().to_owned();
    broker.get(OTHER, &format!("{EVENTS}/{id}")).problem(404);
    assert_eq!(broker.get(OTHER, EVENTS).json()["data"], json!([]));
    broker.get(READER, "/metrics").problem(403);
    assert!(broker.get(OPERATOR, "/metrics").text().contains("campanile_log_head_sequence 1"));
    for open in ["/healthz", "/livez", "/readyz"] {
        broker.request("GET", open, &[], b"").expect(200);
    }
}

#[test]
fn a_repeated_id_changes_nothing_and_another_content_conflicts() {
    let mut broker = Broker::start("");
    let first = broker.publish(r#"{"type":"a","id":"x","data":{"n":1}}"#);
    assert_eq!(first.status, 201);
    for _ in 0..2 {
        let again = broker.publish(r#"{"id":"x","type":"a","data":{"n":1}}"#);
        assert_eq!((again.status, again.text()), (200, first.text()));
        broker.publish(r#"{"type":"a","id":"x","data":{"n":2}}"#).problem(409);
        broker.kill();
        broker.run();
    }
    assert_eq!(broker.get(READER, EVENTS).json()["head_cursor"], "1");
}

#[test]
fn an_idempotency_key_repeats_the_answer() {
    let mut broker = Broker::start("");
    let send = |broker: &Broker, key: &str, body: &str| {
        let headers = [
            ("Authorization", "Bearer publisher-key-of-the-tests"),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", key),
        ];
        broker.request("POST", EVENTS, &headers, body.as_bytes())
    };
    let body = r#"{"type":"a","data":{}}"#;
    let first = send(&broker, "k1", body);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let again = send(&broker, "\"k1\"", body);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.body, first.body);
    send(&broker, "k1", r#"{"type":"b","data":{}}"#).problem(422);
    broker.kill();
    broker.run();
    assert_eq!(send(&broker, "k1", body).body, first.body);
    for bad in ["", &"x".repeat(256), "é", "a b"] {
        send(&broker, bad, body).problem(400);
    }
}

#[test]
fn bad_bodies_get_a_clear_answer_and_leave_nothing() {
    let broker = Broker::start("");
    for body in [
        "",
        "  ",
        "{",
        r#"{"a":"#,
        "nul",
        "[1,]",
        "{a:1}",
        "{'a':1}",
        "/*x*/{}",
        "NaN",
        "\u{feff}{}",
        "{} x",
        "{}{}",
        "{\"type\":\"a\",\"data\":{\"x\":01}}",
    ] {
        let problem = broker.publish(body).problem(400);
        assert_eq!(problem["type"], "malformed_json", "{body}");
        assert!(problem["offset"].is_u64());
    }
    for (body, pointer) in [
        (r#"{"type":"a","data":{"x":1,"\u0078":2}}"#, "/data/x"),
        (r#"{"type":"a","type":"b","data":{}}"#, "/type"),
        (r#"{"type":"a","data":{"x":"\ud800"}}"#, "/data/x"),
        (r#"{"type":"a b","data":{}}"#, "/type"),
        (r#"{"type":"","data":{}}"#, "/type"),
        (r#"{"type":"stream.x","data":{}}"#, "/type"),
        (r#"{"type":"event_destination.activated","data":{}}"#, "/type"),
        (r#"{"type":"a\u0000","data":{}}"#, "/type"),
        (r#"{"type":"a"}"#, "/data"),
        (r#"{"type":"a","data":[]}"#, "/data"),
        (r#"{"type":"a","data":{},"tpye":1}"#, "/tpye"),
        (r#"{"type":"a","data":{},"id":"a.b"}"#, "/id"),
        (r#"{"type":"a","data":{},"id":""}"#, "/id"),
        (r#"{"type":"a","data":{},"timestamp":"yesterday"}"#, "/timestamp"),
        (r#"{"type":"a","data":{},"pipeline":7}"#, "/pipeline"),
    ] {
        let problem = broker.publish(body).problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let long = format!(r#"{{"type":"{}","data":{{}}}}"#, "a".repeat(129));
    broker.publish(&long).problem(422);
    assert_eq!(broker.get(READER, EVENTS).json()["head_cursor"], "0");
}

#[test]
fn depth_and_size_have_their_limits() {
    let broker = Broker::start("");
    let nested = |depth: usize| {
        let data = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        broker.publish(&format!(r#"{{"type":"a","data":{data}}}"#))
    };
    nested(64).expect(201);
    nested(65).problem(422);
    nested(10_000).problem(422);
    broker.publish(&"[".repeat(500_000)).problem(400);
    let of_size = |size: usize| {
        let empty = r#"{"type":"a","data":{"pad":""}}"#.len();
        broker.publish(&format!(r#"{{"type":"a","data":{{"pad":"{}"}}}}"#, "x".repeat(size - empty)))
    };
    of_size(1 << 20).expect(201);
    of_size((1 << 20) + 1).problem(413);
    let bearer = format!("Bearer {PUBLISHER}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ];
    broker.request("POST", EVENTS, &headers, b"x").problem(415);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain")];
    broker.request("POST", EVENTS, &headers, b"{}").problem(415);
}

#[test]
fn batches_are_all_or_nothing() {
    let broker = Broker::start("");
    let batch = "/api/v1/events/batch";
    let good: Vec<String> = (0..1000).map(|n| format!(r#"{{"type":"a","data":{{"n":{n}}}}}"#)).collect();
    let answer = broker.post(PUBLISHER, batch, &format!(r#"{{"events":[{}]}}"#, good.join(","))).expect(201);
    assert_eq!(answer["events"].as_array().unwrap().len(), 1000);
    assert_eq!(answer["events"][999]["sequence"], 1000);
    let mut bad = good.clone();
    bad[499] = r#"{"tpye":"a","type":"a","data":{}}"#.to_owned();
    let problem = broker.post(PUBLISHER, batch, &format!(r#"{{"events":[{}]}}"#, bad.join(","))).problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/events/499/tpye");
    for empty in [r#"{"events":[]}"#, "{}", r#"{"events":{}}"#, r#"{"events":[],"x":1}"#, "[]"] {
        broker.post(PUBLISHER, batch, empty).problem(422);
    }
    broker.post(PUBLISHER, batch, &format!(r#"{{"events":[{},{}]}}"#, good.join(","), good[0])).problem(422);
    let bearer = format!("Bearer {PUBLISHER}");
    let lines = [("Authorization", bearer.as_str()), ("Content-Type", "application/x-ndjson")];
    broker.request("POST", batch, &lines, good[..3].join("\n").as_bytes()).expect(201);
    assert_eq!(broker.get(READER, EVENTS).json()["head_cursor"], "1003");
}

#[test]
fn cloudevents_come_in_three_modes_and_go_out() {
    let broker = Broker::start("");
    let bearer = format!("Bearer {PUBLISHER}");
    let auth = ("Authorization", bearer.as_str());
    let one = r#"{"specversion":"1.0","id":"a/1","source":"/s","type":"pipeline.completed","subject":"x","data":{"n":1}}"#;
    let answer = broker.request(
        "POST",
        EVENTS,
        &[auth, ("Content-Type", "application/cloudevents+json")],
        one.as_bytes(),
    );
    let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("evt_"));
    let batch = format!("[{}]", one.replace("a/1", "b"));
    let kind = ("Content-Type", "application/cloudevents-batch+json");
    broker.request("POST", "/api/v1/events/batch", &[auth, kind], batch.as_bytes()).expect(201);
    let binary = [
        auth,
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "c"),
        ("ce-source", "/s%20x"),
        ("ce-type", "t"),
    ];
    broker.request("POST", EVENTS, &binary, br#"{"n":3}"#).expect(201);
    let reader = format!("Bearer {READER}");
    let accept = [("Authorization", reader.as_str()), ("Accept", "application/cloudevents-batch+json")];
    let out = broker.request("GET", EVENTS, &accept, b"");
    assert_eq!(out.header("content-type"), Some("application/cloudevents-batch+json"));
    let out = out.expect(200);
    assert_eq!((&out[0]["source"], &out[0]["subject"]), (&json!("/s"), &json!("x")));
    assert_eq!((&out[2]["source"], &out[2]["data"]), (&json!("/s x"), &json!({"n":3})));
    let accept = [("Authorization", reader.as_str()), ("Accept", "application/x-ndjson")];
    assert_eq!(broker.request("GET", EVENTS, &accept, b"").text().lines().count(), 3);
}

#[test]
fn polls_filter_page_and_see_every_event_once() {
    let broker = Broker::start("");
    for n in 0..30 {
        let event_type = ["pipeline.started", "pipeline.stage.load", "connector.health.changed"][n % 3];
        let body = format!(
            r#"{{"type":"{event_type}","pipeline":"p{}","run_id":"r{n}","timestamp":"2026-01-01T00:00:{n:02}Z","data":{{}}}}"#,
            n % 2
        );
        broker.publish(&body).expect(201);
    }
    let count = |query: &str| {
        broker.get(READER, &format!("{EVENTS}?{query}")).expect(200)["data"].as_array().unwrap().len()
    };
    assert_eq!(count("type=pipeline.*"), 20);
    assert_eq!(count("type=pipeline.stage.*"), 10);
    assert_eq!(count("type=pipeline.started,connector.health.changed"), 20);
    assert_eq!(count("type=pipeline.started&type=connector.health.changed"), 20);
    assert_eq!(count("type=*"), 30);
    assert_eq!(count("pipeline=p0"), 15);
    assert_eq!(count("run_id=r7&pipeline=p1"), 1);
    assert_eq!(count("since=2026-01-01T00:00:10Z&until=2026-01-01T00:00:20Z"), 10);
    assert_eq!(count("since=2026-01-01T00:00:20Z&until=2026-01-01T00:00:10Z"), 0);
    let mut cursor = String::new();
    let mut heard = Vec::new();
    loop {
        let page = broker.get(READER, &format!("{EVENTS}?type=pipeline.*&limit=7{cursor}")).expect(200);
        heard
            .extend(page["data"].as_array().unwrap().iter().map(|event| event["sequence"].as_u64().unwrap()));
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(heard, (1..=30).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    assert_eq!(cursor, "&cursor=30", "it moves on over what does not match");
    let late = r#"{"type":"pipeline.late","timestamp":"2020-01-01T00:00:00Z","data":{}}"#;
    broker.publish(late).expect(201);
    let page = broker.get(READER, &format!("{EVENTS}?type=pipeline.*{cursor}")).expect(200);
    assert_eq!(page["data"][0]["type"], "pipeline.late", "an old timestamp is not missed");
    let newest = broker.get(READER, &format!("{EVENTS}?order=desc&limit=2")).expect(200);
    assert_eq!((&newest["data"][0]["sequence"], &newest["data"][1]["sequence"]), (&json!(31), &json!(30)));
    for bad in [
        "limit=0",
        "limit=1001",
        "x=1",
        "order=up",
        "since=yesterday",
        "cursor=x",
        "cursor=99",
        "wait_ms=30001",
        "type=a*",
    ] {
        broker.get(READER, &format!("{EVENTS}?{bad}")).problem(400);
    }
}

#[test]
fn an_unchanged_page_is_not_sent_again_and_a_long_poll_wakes() {
    let broker = Broker::start("");
    broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    let reader = format!("Bearer {READER}");
    let first = broker.get(READER, EVENTS);
    let tag = first.header("etag").unwrap();
    assert!(first.header("link").unwrap().contains("cursor=1"));
    let headers = [("Authorization", reader.as_str()), ("If-None-Match", tag)];
    let again = broker.request("GET", EVENTS, &headers, b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| broker.get(READER, &format!("{EVENTS}?cursor=1&type=b&wait_ms=30000")));
        broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
        broker.publish(r#"{"type":"b","data":{}}"#).expect(201);
        assert_eq!(waiting.join().unwrap().expect(200)["data"][0]["sequence"], 3);
    });
    let empty = broker.get(READER, &format!("{EVENTS}?cursor=3&wait_ms=50")).expect(200);
    assert_eq!((&empty["data"], &empty["next_cursor"]), (&json!([]), &json!("3")));
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let broker = Broker::start("");
    for path in [
        "/nothing",
        "/api/v1/events//",
        "/api/v1/../keys",
        "/api/v1/%2e%2e/keys",
        "/api/v1/events%2f..%2fkeys",
        "//",
    ] {
        broker.get(ADMIN, path).problem(404);
    }
    let answer = broker.send("PUT", ADMIN, EVENTS, "{}");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    answer.problem(405);
    broker.send("FOO", ADMIN, "/api/v1/keys", "").problem(405);
    let sane = [("X-Request-Id", "my-id.1")];
    assert_eq!(broker.request("GET", "/healthz", &sane, b"").header("x-request-id"), Some("my-id.1"));
    for bad in ["x".repeat(300), "a b".to_owned(), "\u{1b}[31m".to_owned()] {
        let answer = broker.request("GET", "/healthz", &[("X-Request-Id", &bad)], b"");
        assert_ne!(answer.header("x-request-id"), Some(bad.as_str()));
    }
    let closed = Broker::start("[server]\npublish_api = false\n");
    closed.publish(r#"{"type":"a","data":{}}"#).problem(405);
    closed.post(PUBLISHER, "/api/v1/events/batch", "{}").problem(405);
}

#[test]
fn keys_and_tenants_are_made_shown_once_and_removed() {
    let mut broker = Broker::start("");
    let made = broker.post(ADMIN, "/api/v1/keys", r#"{"name":"ci","scopes":["events:publish"]}"#).expect(201);
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("cmp_") && key.len() == 47);
    broker.kill();
    broker.run();
    broker.post(&key, EVENTS, r#"{"type":"a","data":{}}"#).expect(201);
    let list = broker.get(ADMIN, "/api/v1/keys").text();
    assert!(list.contains("\"ci\"") && !list.contains(&key));
    broker.send("DELETE", OTHER, &format!("/api/v1/keys/{}", made["id"].as_str().unwrap()), "").problem(404);
    broker.send("DELETE", ADMIN, &format!("/api/v1/keys/{}", made["id"].as_str().unwrap()), "").expect(204);
    broker.post(&key, EVENTS, r#"{"type":"a","data":{}}"#).problem(401);
    broker.post(ADMIN, "/api/v1/keys", r#"{"name":"x","scopes":["operator"]}"#).problem(422);
    let expired = r#"{"name":"x","scopes":["events:read"],"expires_at":"2020-01-01T00:00:00Z"}"#;
    let expired = broker.post(ADMIN, "/api/v1/keys", expired).expect(201);
    broker.get(expired["key"].as_str().unwrap(), EVENTS).problem(401);
    let tenant = broker.post(OPERATOR, "/api/v1/tenants", r#"{"name":"third"}"#).expect(201);
    broker.get(tenant["admin_key"].as_str().unwrap(), EVENTS).expect(200);
    broker.post(OPERATOR, "/api/v1/tenants", r#"{"name":"third"}"#).problem(422);
}
