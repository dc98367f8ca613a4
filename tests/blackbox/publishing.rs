//! Publishing one event: what is kept, what is refused, and with which words.

use crate::support::{ADMIN, READER, Request, Server, Settings, number};
use serde_json::json;

/// A member `data` that breaks when it passes through a JSON library: order, precision, spaces, escapes.
const AWKWARD_DATA: &str =
    r#"{ "z":1.10, "a" :12345678901234567890123,"b":1e400, "c":-0, "d":"\u0000\u00e9/\/","e":{},"m":[ ] }"#;

fn publish_text(server: &Server, body: &str) -> crate::support::Response {
    server.send(&Request::post("/api/v1/events").key(ADMIN).body("application/json", body))
}

#[test]
fn data_comes_back_byte_for_byte_in_every_way_out() {
    let server = Server::start();
    let answer = publish_text(&server, &format!(r#"{{"type":"a.b","id":"odd","data":{AWKWARD_DATA}}}"#));
    assert_eq!(answer.status, 201);
    assert!(answer.text().contains(AWKWARD_DATA), "{}", answer.text());
    for path in ["/api/v1/events/odd", "/api/v1/events"] {
        let text = server.get(path).text();
        assert!(text.contains(AWKWARD_DATA), "{path}: {text}");
    }
    let message = server.stream_from("", Some("0")).message();
    assert!(message.data.contains(AWKWARD_DATA), "{}", message.data);
}

#[test]
fn line_breaks_inside_data_are_kept_and_never_break_a_stream() {
    let server = Server::start();
    let data = "{\n\t\"a\":\r\n1,\r\"b\" : 2\n}";
    publish_text(&server, &format!(r#"{{"type":"a.b","data":{data}}}"#)).must(201);
    assert!(server.get("/api/v1/events").text().contains(data));
    let message = server.stream_from("", Some("0")).message();
    assert_eq!(message.json()["data"], json!({"a": 1, "b": 2}));
}

#[test]
fn an_event_is_answered_whole_and_optional_members_are_absent_when_not_given() {
    let server = Server::start();
    let plain = server.publish(&json!({"type": "pipeline.completed", "data": {"status": "success"}}));
    assert!(plain["id"].as_str().unwrap().starts_with("evt_"), "{plain}");
    assert!(plain["timestamp"].as_str().unwrap().ends_with('Z'), "{plain}");
    let members: Vec<&String> = plain.as_object().unwrap().keys().collect();
    assert_eq!(members, ["data", "id", "sequence", "timestamp", "type"]);
    let draft = json!({"id": "my-own_ID1", "type": "pipeline.completed", "timestamp": "2026-02-15T08:00:04.7+02:00",
        "pipeline": "user-analytics", "run_id": "run_001", "data": {"status": "success"}});
    let full = server.publish(&draft);
    assert_eq!(full["id"], "my-own_ID1");
    assert_eq!(full["timestamp"], "2026-02-15T06:00:04.7Z");
    assert_eq!((&full["pipeline"], &full["run_id"]), (&draft["pipeline"], &draft["run_id"]));
    assert!(number(&full["sequence"]) > number(&plain["sequence"]));
    let read = server.get("/api/v1/events/my-own_ID1").must(200);
    assert_eq!(read, full);
}

#[test]
fn malformed_json_is_400() {
    let server = Server::start();
    let bodies = [
        "",
        "   ",
        "{",
        r#"{"type":"#,
        "nul",
        "[1,]",
        "{a:1}",
        "{'a':1}",
        "/*x*/{}",
        "NaN",
        "+1",
        "01",
        "0x1",
        "{} x",
        "{}{}",
        "\u{feff}{\"type\":\"a\",\"data\":{}}",
        "{\"type\":\"a\nb\",\"data\":{}}",
        r#"{"type":"a","data":{"n":01}}"#,
        r#"{"type":"a","data":{"n":.5}}"#,
        r#"{"type":"a","data":{"n":"\x"}}"#,
    ];
    for body in bodies {
        publish_text(&server, body).problem(400);
    }
    for body in [
        b"{\"type\":\"a\",\"data\":{\"n\":\"\xff\"}}".as_slice(),
        b"{\"type\":\"a\",\"data\":{\"n\":\"\xc0\xaf\"}}",
    ] {
        server.send(&Request::post("/api/v1/events").key(ADMIN).body("application/json", body)).problem(400);
    }
    assert_eq!(server.head(), 0);
}

#[test]
fn a_broken_rule_is_422_with_a_pointer_to_the_member() {
    let server = Server::start();
    let table = [
        (r#"{"type":"a","data":{},"tpye":1}"#, "/tpye"),
        (r#"{"type":"a","data":{},"a/b~c":1}"#, "/a~1b~0c"),
        (r#"{"type":"a","data":[]}"#, "/data"),
        (r#"{"type":"a","data":null}"#, "/data"),
        (r#"{"type":"a","data":"x"}"#, "/data"),
        (r#"{"type":7,"data":{}}"#, "/type"),
        (r#"{"type":"a\u0000","data":{}}"#, "/type"),
        (r#"{"type":"a","data":{},"id":7}"#, "/id"),
        (r#"{"type":"a","data":{},"id":"\u0000"}"#, "/id"),
        (r#"{"type":"a","data":{},"timestamp":"yesterday"}"#, "/timestamp"),
        (r#"{"type":"a","data":{},"timestamp":"2026-02-15T06:00:04"}"#, "/timestamp"),
        (r#"{"type":"a","data":{},"timestamp":1771135204}"#, "/timestamp"),
        (r#"{"type":"a","data":{},"pipeline":7}"#, "/pipeline"),
        (r#"{"type":"a","data":{},"run_id":[]}"#, "/run_id"),
    ];
    for (body, pointer) in table {
        assert_eq!(publish_text(&server, body).pointers(), [pointer], "{body}");
    }
    for body in ["{}", r#"{"type":"a"}"#, r#"{"data":{}}"#, "[]", "7", "null", r#""x""#] {
        assert!(!publish_text(&server, body).pointers().is_empty(), "{body}");
    }
    assert_eq!(server.head(), 0);
}

#[test]
fn duplicate_keys_are_refused_wherever_and_however_they_are_written() {
    let server = Server::start();
    let table = [
        (r#"{"type":"a","type":"b","data":{}}"#, "/type"),
        (r#"{"type":"a","data":{"a":1,"a":1}}"#, "/data/a"),
        (r#"{"type":"a","data":{"a":1,"\u0061":1}}"#, "/data/a"),
        (r#"{"type":"a","data":{"x":[{"b":1,"b":2}]}}"#, "/data/x/0/b"),
    ];
    for (body, pointer) in table {
        let answer = publish_text(&server, body);
        assert_eq!(answer.pointers(), [pointer], "{body}");
        assert_eq!(answer.json()["errors"][0]["code"], "duplicate_key", "{body}");
    }
    assert_eq!(server.head(), 0);
}

#[test]
fn lone_surrogates_are_refused_and_pairs_are_kept() {
    let server = Server::start();
    for text in [r"\ud800", r"\udc00", r"\ud800x", r"\udc00\ud800"] {
        let status = publish_text(&server, &format!(r#"{{"type":"a","data":{{"s":"{text}"}}}}"#)).status;
        assert!(matches!(status, 400 | 422), "{text} got {status}");
    }
    let kept = publish_text(&server, r#"{"type":"a","data":{"s":"\ud83d\ude00"}}"#);
    kept.must(201);
    assert!(kept.text().contains(r"\ud83d\ude00"));
}

#[test]
fn data_may_be_64_deep_and_not_65() {
    let server = Server::start();
    let nested = |depth: usize| {
        format!(r#"{{"type":"a","data":{}{}}}"#, r#"{"a":"#.repeat(depth - 1) + "{}", "}".repeat(depth - 1))
    };
    publish_text(&server, &nested(64)).must(201);
    publish_text(&server, &nested(65)).problem(422);
    publish_text(&server, &nested(10_000)).problem(422);
    let arrays = format!(r#"{{"type":"a","data":{{"a":{}{}}}}}"#, "[".repeat(64), "]".repeat(64));
    publish_text(&server, &arrays).problem(422);
    publish_text(&server, &"[".repeat(500_000)).problem(400);
    assert_eq!(server.head(), 1);
}

#[test]
fn types_keep_to_their_alphabet_and_reserved_ones_are_refused() {
    let server = Server::start();
    let long = "x".repeat(129);
    let refused = [
        "",
        &long,
        "a b",
        "é",
        "../x",
        "*",
        "a*",
        ".a",
        "-a",
        "_a",
        "a\n",
        "stream.gap",
        "stream.x",
        "open",
        "error",
        "event_destination.activated",
        "event_destination.x",
        "function.failed",
    ];
    for name in refused {
        let answer = server.post("/api/v1/events", &json!({"type": name, "data": {}}));
        assert_eq!(answer.pointers(), ["/type"], "{name:?}");
    }
    let longest = "x".repeat(128);
    for name in ["a", "0", "A.b-c_d", "message", "streams.x", "opened", &longest] {
        assert_eq!(server.publish(&json!({"type": name, "data": {}}))["type"], name);
    }
}

#[test]
fn ids_keep_to_their_alphabet() {
    let server = Server::start();
    let long = "x".repeat(65);
    for id in
        ["", &long, "a.b", "a b", "a\r\n", "%0d%0a", "😀", "'; drop table events", "../../etc/passwd", "a/b"]
    {
        let answer = server.post("/api/v1/events", &json!({"type": "a", "id": id, "data": {}}));
        assert_eq!(answer.pointers(), ["/id"], "{id:?}");
    }
    let longest = "x".repeat(64);
    server.publish(&json!({"type": "a", "id": longest, "data": {}}));
    assert_eq!(server.head(), 1);
}

#[test]
fn timestamps_from_1969_to_9999_are_kept_in_their_normal_form() {
    let server = Server::start();
    for (given, kept) in [
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
        ("2026-02-15t06:00:04.123456789z", "2026-02-15T06:00:04.123456789Z"),
        ("2026-02-15T06:00:04-00:30", "2026-02-15T06:30:04Z"),
    ] {
        let event = server.publish(&json!({"type": "a", "timestamp": given, "data": {}}));
        assert_eq!(event["timestamp"], kept);
    }
}

#[test]
fn unknown_types_are_refused_when_the_operator_says_so() {
    let server = Settings::new().with("events.unknown_types", r#""reject""#).start();
    let answer = server.post("/api/v1/events", &json!({"type": "never.heard", "data": {}}));
    assert_eq!(answer.pointers(), ["/type"]);
    assert_eq!(server.head(), 0);
}

#[test]
fn without_publish_api_nobody_publishes_over_http() {
    let server = Settings::new().with("server.publish_api", "false").start();
    for path in ["/api/v1/events", "/api/v1/events/batch"] {
        let answer = server.post(path, &json!({"type": "a", "data": {}}));
        assert!(matches!(answer.status, 404 | 405), "{path} got {}", answer.status);
    }
    assert_eq!(server.send(&Request::get("/api/v1/events").key(READER)).must(200)["data"], json!([]));
}
