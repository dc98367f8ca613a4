//! Bodies and requests at the edges of what HTTP allows: sizes, encodings, media types, methods, paths.

use crate::support::{ADMIN, Connection, READER, Request, Server, Settings};
use serde_json::json;

const MIB: usize = 1024 * 1024;

/// A draft of exactly `size` bytes.
fn draft_of(size: usize) -> String {
    let frame = r#"{"type":"a.b","data":{"s":""}}"#;
    format!(r#"{{"type":"a.b","data":{{"s":"{}"}}}}"#, "x".repeat(size - frame.len()))
}

fn head(more: &str) -> String {
    format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n{more}\r\n"
    )
}

/// The status of what answers these bytes; `None` when the connection is only closed.
fn status_of(server: &Server, bytes: &[u8]) -> Option<u16> {
    let mut connection = Connection::open(server.address()).unwrap();
    // The server may answer and close before everything is written.
    connection.write(bytes).ok();
    connection.answer(false).ok().map(|answer| answer.status)
}

#[test]
fn a_body_of_1_mib_is_taken_and_one_byte_more_is_413() {
    let server = Server::start();
    let send = |size| {
        server.send(&Request::post("/api/v1/events").key(ADMIN).body("application/json", draft_of(size)))
    };
    assert_eq!(send(MIB).must(201)["data"]["s"].as_str().unwrap().len(), MIB - 30);
    send(MIB + 1).problem(413);
    assert_eq!(server.head(), 1);
}

#[test]
fn the_largest_body_is_a_setting() {
    let server = Settings::new().with("server.max_body", r#""2KiB""#).start();
    let send = |size| {
        server.send(&Request::post("/api/v1/events").key(ADMIN).body("application/json", draft_of(size)))
    };
    send(2048).must(201);
    send(2049).problem(413);
}

#[test]
fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let server = Server::start();
    assert_eq!(status_of(&server, head("Content-Length: 99999999999\r\n").as_bytes()), Some(413));
}

#[test]
fn a_chunked_body_is_read_and_held_to_the_same_limit() {
    let server = Server::start();
    let body = r#"{"type":"a.b","data":{}}"#;
    let (left, right) = body.split_at(7);
    let chunks = format!("{:x}\r\n{left}\r\n{:x}\r\n{right}\r\n0\r\n\r\n", left.len(), right.len());
    assert_eq!(status_of(&server, (head("Transfer-Encoding: chunked\r\n") + &chunks).as_bytes()), Some(201));
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = head("Transfer-Encoding: chunked\r\n") + &piece.repeat(32);
    let status = status_of(&server, endless.as_bytes());
    assert!(matches!(status, Some(413) | None), "{status:?}");
    assert_eq!(server.head(), 1);
}

#[test]
fn what_follows_a_body_is_no_part_of_it() {
    let server = Server::start();
    let body = r#"{"type":"a.b","data":{}}"#;
    let request = head(&format!("Content-Length: {}\r\n", body.len())) + body;
    let mut connection = Connection::open(server.address()).unwrap();
    connection.write((request.clone() + &request).as_bytes()).unwrap();
    connection.answer(false).unwrap().must(201);
    connection.answer(false).unwrap().must(201);
    assert_eq!(server.head(), 2);
}

#[test]
fn smuggled_requests_are_never_handled() {
    let server = Server::start();
    let inner = head("Content-Length: 24\r\n") + r#"{"type":"a.b","data":{}}"#;
    let attacks = [
        head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + &inner,
        head(&format!("Content-Length: 2\r\nContent-Length: {}\r\n", inner.len() + 2)) + "{}" + &inner,
        head("Content-Length: +2\r\n") + "{}" + &inner,
        head("Content-Length: 2,2\r\n") + "{}" + &inner,
        head("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + &inner,
        head("Transfer-Encoding: \x0bchunked\r\n") + "0\r\n\r\n" + &inner,
        head("Transfer-Encoding: chunked\r\n") + "0x0\r\n\r\n" + &inner,
        head("Transfer-Encoding: chunked\r\n") + "-1\r\n\r\n" + &inner,
        head("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n" + &inner,
    ];
    for attack in attacks {
        let mut connection = Connection::open(server.address()).unwrap();
        connection.write(attack.as_bytes()).ok();
        let first = connection.answer(false).ok().map(|answer| answer.status);
        assert!(first.is_none_or(|status| (400..500).contains(&status)), "{first:?} to {attack:?}");
    }
    assert_eq!(server.head(), 0);
}

#[test]
fn an_encoded_body_is_415_and_nothing_is_inflated() {
    let server = Server::start();
    for encoding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
        let request = Request::post("/api/v1/events").key(ADMIN).header("Content-Encoding", encoding);
        server.send(&request.json(&json!({"type": "a", "data": {}}))).problem(415);
    }
    assert_eq!(server.head(), 0);
}

#[test]
fn a_body_of_another_media_type_is_415() {
    let server = Server::start();
    for media_type in
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data"]
    {
        let request =
            Request::post("/api/v1/events").key(ADMIN).body(media_type, r#"{"type":"a","data":{}}"#);
        server.send(&request).problem(415);
    }
    let with_charset = Request::post("/api/v1/events").key(ADMIN);
    let with_charset = with_charset.body("application/json; charset=utf-8", r#"{"type":"a","data":{}}"#);
    server.send(&with_charset).must(201);
    assert_eq!(server.head(), 1);
}

#[test]
fn unknown_paths_are_404_and_paths_are_not_repaired() {
    let server = Server::start();
    for path in [
        "/api/v1/evens",
        "/api/v2/events",
        "/api/v1/events/",
        "//api/v1/events",
        "/api/v1//events",
        "/api/v1/x/../events",
        "/api/v1/events/%2e%2e/events",
        "/api/v1/events%2f..%2fkeys",
    ] {
        server.send(&Request::get(path).key(ADMIN)).problem(404);
    }
}

#[test]
fn a_known_path_with_the_wrong_method_is_405_and_says_which_are_right() {
    let server = Server::start();
    for (method, path, allowed) in [
        ("PUT", "/api/v1/events", "GET"),
        ("DELETE", "/api/v1/events", "POST"),
        ("FOO", "/api/v1/events", "GET"),
        ("POST", "/api/v1/events/stream", "GET"),
        ("GET", "/api/v1/stream-tickets", "POST"),
        ("DELETE", "/api/v1/destinations", "POST"),
    ] {
        let answer = server.send(&Request::new(method, path).key(ADMIN));
        answer.problem(405);
        let allow = answer.header("Allow").unwrap_or_default();
        assert!(allow.split(", ").any(|one| one == allowed), "{method} {path}: Allow is {allow:?}");
    }
}

#[test]
fn every_answer_names_its_request_and_a_sane_name_of_the_callers_is_kept() {
    let server = Server::start();
    let with_id = |id: &str| {
        let answer = server.send(&Request::get("/api/v1/events").key(READER).header("X-Request-Id", id));
        answer.header("X-Request-Id").expect("an id").to_owned()
    };
    assert_eq!(with_id("my-request-1"), "my-request-1");
    for bad in ["x".repeat(300), "a b\tc\"".to_owned(), "a;b<script>".to_owned()] {
        let given = with_id(&bad);
        assert!(given != bad && !given.is_empty(), "{given:?}");
    }
    let escape = Request::get("/api/v1/events").key(READER).header("X-Request-Id", "a\x1b[31mb");
    assert_eq!(server.send(&escape).status, 400);
    assert!(!server.output().contains("\x1b[31mb"));
    for path in ["/healthz", "/readyz", "/nowhere", "/openapi.json"] {
        assert!(server.send(&Request::get(path)).header("X-Request-Id").is_some(), "{path}");
    }
}

#[test]
fn bytes_that_are_no_request_harm_nobody() {
    let server = Server::start();
    let many_headers: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = "x".repeat(200 * 1024);
    let auth = format!("Authorization: Bearer {READER}\r\n");
    let attacks: Vec<Vec<u8>> = vec![
        format!("GET /api/v1/events HTTP/1.1\r\nHost: t\r\n{auth}{many_headers}\r\n").into_bytes(),
        format!("GET /api/v1/events HTTP/1.1\r\nHost: t\r\nX-Long: {long}\r\n\r\n").into_bytes(),
        format!("GET /api/v1/events?type={long} HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
        format!("GET /api/v1/events/\0 HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
        format!("GET /api/v1/events?type=%zz HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
        format!("GET /api/v1/events/%zz HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
        format!("GET /api/v1/events?type=%ff HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
        format!("GET /api/v1/events HTTP/1.1\r\nHost: t\r\n{auth} folded: 1\r\n\r\n").into_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        format!("CONNECT example.com:443 HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
        format!("TRACE / HTTP/1.1\r\nHost: t\r\n{auth}\r\n").into_bytes(),
    ];
    for attack in attacks {
        let mut connection = Connection::open(server.address()).unwrap();
        connection.write(&attack).ok();
        connection.finish_writing();
        let status = connection.answer(false).ok().map(|answer| answer.status);
        let start = String::from_utf8_lossy(&attack[..attack.len().min(80)]).into_owned();
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?} to {start:?}");
    }
    assert_eq!(server.head(), 0);
}
