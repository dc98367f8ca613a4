//! Publishing one event, a batch, lines.

use crate::support::*;

const EVENTS: &str = "/api/v1/events";
const BATCH: &str = "/api/v1/events/batch";

#[test]
fn a_published_event_is_answered_as_it_is_stored_byte_for_byte() {
    let server = start();
    let data = r#"{"n": 1.10,"big":12345678901234567890123, "e":1e400,"z":-0,"a":"\u0000\u00e9","x":9223372036854775808}"#;
    let body = format!(
        r#"{{"type":"pipeline.completed","pipeline":"user-analytics","run_id":"run_001","timestamp":"2026-02-15t08:00:04.70+02:00","data":{data}}}"#
    );
    let answer = server.publish(&body);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let location = answer.header("location").unwrap();
    let id = location.strip_prefix("/api/v1/events/").unwrap();
    assert!(id.starts_with("evt_"));
    let expected = format!(
        r#"{{"sequence":1,"id":"{id}","type":"pipeline.completed","timestamp":"2026-02-15T06:00:04.7Z","pipeline":"user-analytics","run_id":"run_001","data":{data}}}"#
    );
    assert_eq!(answer.text(), expected);
    assert_eq!(server.get(location, READER).text(), expected);
    let page = server.get(EVENTS, READER);
    assert!(page.text().contains(&expected));
}

#[test]
fn optional_members_are_absent_when_not_given() {
    let server = start();
    let event = server.publish_data("{}").json();
    let mut names: Vec<&String> = event.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["data", "id", "sequence", "timestamp", "type"]);
}

#[test]
fn the_same_id_with_the_same_content_is_200_and_with_other_content_409() {
    let server = start();
    let body = r#"{"id":"order-1","type":"order.placed","data":{"n":1}}"#;
    let first = server.publish(body);
    let again = server.publish(body);
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.text(), again.text());
    let other = server.publish(r#"{"id":"order-1","type":"order.placed","data":{"n":2}}"#);
    let problem = other.problem(409, "id_taken");
    assert_eq!(problem["errors"][0]["pointer"], "/id");
    assert_eq!(server.stored(), 1);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let server = start();
    let answer = server.post(
        BATCH,
        PUBLISHER,
        "application/json",
        r#"{"events":[{"id":"x1","type":"a","data":{}},{"type":"b","data":{"k":[1]}}]}"#,
    );
    assert_eq!(answer.status, 201);
    let rows = answer.json();
    assert_eq!(rows["events"][0], serde_json::json!({"id":"x1","sequence":1}));
    assert_eq!(rows["events"][1]["sequence"], 2);

    let mut events = vec![r#"{"type":"a","data":{}}"#; 1000];
    events[499] = r#"{"tpye":"a","data":{}}"#;
    let bad =
        server.post(BATCH, PUBLISHER, "application/json", format!(r#"{{"events":[{}]}}"#, events.join(",")));
    assert_eq!(bad.pointers(), ["/events/499/tpye", "/events/499/type"]);
    let taken = r#"{"events":[{"type":"a","data":{}},{"id":"x1","type":"other","data":{}}]}"#;
    let taken = server.post(BATCH, PUBLISHER, "application/json", taken);
    assert_eq!(taken.problem(409, "id_taken")["errors"][0]["pointer"], "/events/1/id");
    assert_eq!(server.stored(), 2, "nothing of what was refused is there");
}

#[test]
fn a_batch_has_1_to_1000_events() {
    let server = start();
    let batch = |count: usize| {
        let events = vec![r#"{"type":"a","data":{}}"#; count].join(",");
        server.post(BATCH, PUBLISHER, "application/json", format!(r#"{{"events":[{events}]}}"#))
    };
    assert_eq!(batch(0).pointers(), ["/events"]);
    assert_eq!(batch(1001).pointers(), ["/events"]);
    assert_eq!(batch(1000).status, 201);
    for (body, pointers) in [
        ("{}", &["/events"][..]),
        ("[]", &[""]),
        (r#"{"events":{}}"#, &["/events"]),
        (r#"{"events":[1]}"#, &["/events/0"]),
        (r#"{"events":[{"type":"a","data":{}}],"x":1}"#, &["/x"]),
        (r#"{"events":[{"type":"a","data":{}}],"events":[]}"#, &["/events"]),
        (r#"{"events":[{"type":"a","data":{"k":{"z":1,"z":2}}}]}"#, &["/events/0/data/k/z"]),
    ] {
        assert_eq!(server.post(BATCH, PUBLISHER, "application/json", body).pointers(), pointers, "{body}");
    }
}

#[test]
fn lines_are_a_batch_too() {
    let server = start();
    let lines = "{\"type\":\"a\",\"data\":{}}\r\n\n  \n{\"type\":\"b\",\"data\":{\"n\":1}}";
    let answer = server.post(BATCH, PUBLISHER, "application/x-ndjson", lines);
    assert_eq!((answer.status, answer.json()["events"].as_array().unwrap().len()), (201, 2));
    let broken =
        server.post(BATCH, PUBLISHER, "application/x-ndjson", "{\"type\":\"a\",\"data\":{}}\n{\"type\":");
    assert_eq!(broken.problem(400, "malformed_json")["offset"], 31);
    let typo = server.post(
        BATCH,
        PUBLISHER,
        "application/x-ndjson",
        "{\"type\":\"a\",\"data\":{}}\n{\"tpye\":1,\"data\":{}}",
    );
    assert_eq!(typo.pointers(), ["/events/1/tpye", "/events/1/type"]);
    server.post(BATCH, PUBLISHER, "application/x-ndjson", "\n \n").problem(400, "malformed_json");
    assert_eq!(server.stored(), 2);
}

#[test]
fn a_member_that_breaks_a_rule_is_named() {
    let server = start();
    let long_type = format!(r#"{{"type":"{}","data":{{}}}}"#, "t".repeat(129));
    let long_id = format!(r#"{{"id":"{}","type":"a","data":{{}}}}"#, "i".repeat(65));
    let long_label = format!(r#"{{"type":"a","pipeline":"{}","data":{{}}}}"#, "é".repeat(257));
    let mut table = vec![
        (long_type, "/type"),
        (long_id, "/id"),
        (long_label, "/pipeline"),
        (r#"{"data":{}}"#.into(), "/type"),
        (r#"{"type":"a"}"#.into(), "/data"),
        (r#"{"type":"a","data":[]}"#.into(), "/data"),
        (r#"{"type":"a","data":null}"#.into(), "/data"),
        (r#"{"type":7,"data":{}}"#.into(), "/type"),
        (r#"{"type":"a","data":{},"tpye":1}"#.into(), "/tpye"),
        (r#"{"type":"a","data":{},"a/b~":1}"#.into(), "/a~1b~0"),
        (r#"{"type":"a","type":"a","data":{}}"#.into(), "/type"),
        (r#"{"type":"a","data":{},"run_id":""}"#.into(), "/run_id"),
        (r#"{"type":"a","data":{},"run_id":null}"#.into(), "/run_id"),
        (r#"{"type":"a","data":{},"pipeline":"a\nb"}"#.into(), "/pipeline"),
        (r#"{"type":"a","data":{},"timestamp":"yesterday"}"#.into(), "/timestamp"),
        (r#"{"type":"a","data":{},"timestamp":"2026-02-15T06:00:04"}"#.into(), "/timestamp"),
        (r#"{"type":"a","data":{},"timestamp":1}"#.into(), "/timestamp"),
        ("[]".into(), ""),
        ("7".into(), ""),
    ];
    for kind in [
        "",
        "a b",
        "é",
        "../x",
        "*",
        "a*",
        ".a",
        "-a",
        "\\u0000",
        "open",
        "error",
        "stream.x",
        "event_destination.activated",
        "function.x",
    ] {
        table.push((format!(r#"{{"type":"{kind}","data":{{}}}}"#), "/type"));
    }
    for id in ["", "a.b", "a b", "a\\r\\nb", "%0d%0a", "😀", "\\u0000", "' OR 1=1", "../../etc/passwd"] {
        table.push((format!(r#"{{"id":"{id}","type":"a","data":{{}}}}"#), "/id"));
    }
    for (body, pointer) in table {
        assert_eq!(server.publish(&body).pointers(), [pointer], "{body}");
    }
    assert_eq!(server.stored(), 0);
}

#[test]
fn odd_times_are_stored_normalised() {
    let server = start();
    for (given, stored) in [
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
        ("9999-12-30T00:00:00Z", "9999-12-30T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2026-02-15t06:00:04z", "2026-02-15T06:00:04Z"),
    ] {
        let answer = server.publish(format!(r#"{{"type":"a","timestamp":"{given}","data":{{}}}}"#));
        assert_eq!((answer.status, answer.json()["timestamp"].as_str().unwrap()), (201, stored), "{given}");
    }
}

#[test]
fn a_body_that_is_not_plain_json_is_415() {
    let server = start();
    let body = br#"{"type":"a","data":{}}"#;
    for encoding in ["gzip", "br", "identity", "identity, gzip"] {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", encoding)];
        server.send("POST", EVENTS, PUBLISHER, &headers, body).problem(415, "unsupported_media_type");
    }
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "",
        "application/x-ndjson",
    ] {
        server.post(EVENTS, PUBLISHER, media_type, body).problem(415, "unsupported_media_type");
    }
    server.send("POST", EVENTS, PUBLISHER, &[], body).problem(415, "unsupported_media_type");
    for media_type in ["application/json; charset=UTF-8", "Application/JSON"] {
        assert_eq!(server.post(EVENTS, PUBLISHER, media_type, body).status, 201);
    }
}

#[test]
fn a_body_may_be_exactly_as_large_as_the_config_says() {
    let server = start();
    let frame = r#"{"type":"a","data":{"x":""}}"#.len();
    let body = |size: usize| format!(r#"{{"type":"a","data":{{"x":"{}"}}}}"#, "x".repeat(size - frame));
    assert_eq!(server.publish(body(1 << 20)).status, 201);
    server.publish(body((1 << 20) + 1)).problem(413, "payload_too_large");

    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PUBLISHER}\r\nContent-Type: application/json\r\n"
    );
    let early = server.first_answer(format!("{head}Content-Length: 99999999999\r\n\r\n").as_bytes());
    early.problem(413, "payload_too_large");
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..32 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&b" ".repeat(0x10000));
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    server.first_answer(&chunked).problem(413, "payload_too_large");
    assert_eq!(server.stored(), 1);
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let server = start_with(|config| config.server.body_timeout = std::time::Duration::from_millis(150));
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PUBLISHER}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    );
    server.first_answer(head.as_bytes()).problem(408, "timeout");
}

#[test]
fn a_server_that_does_not_offer_publishing_has_no_such_routes() {
    let server = start_with(|config| config.server.publish_api = false);
    for path in [EVENTS, BATCH] {
        let refused = server.post(path, PUBLISHER, "application/json", "{}");
        refused.problem(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
    assert_eq!(server.get(EVENTS, READER).status, 200);
}

#[test]
fn unknown_types_are_refused_where_the_config_says_so() {
    let server =
        start_with(|config| config.events.unknown_types = Some(campanile::config::UnknownTypes::Reject));
    let refused = server.publish_data("{}");
    assert_eq!(refused.problem(422, "unknown_type")["errors"][0]["pointer"], "/type");
}

#[test]
fn query_parameters_of_a_publish_are_refused() {
    let server = start();
    let answer =
        server.post("/api/v1/events?id=7", PUBLISHER, "application/json", r#"{"type":"a","data":{}}"#);
    answer.problem(400, "unknown_parameter");
}
