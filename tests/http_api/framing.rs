//! Requests that are not well framed: one answer or none, never a second request.

use crate::support::*;

/// Sends bytes that hide a second publish and checks that at most `allowed` requests were handled.
#[track_caller]
fn at_most(server: &Running, allowed: usize, bytes: &[u8]) {
    let before = server.stored();
    let answers = answers_in(&server.raw(bytes));
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    assert!(answers.len() <= allowed, "{} answers to {shown:?}", answers.len());
    assert!(server.stored() <= before + allowed as u64, "smuggled by {shown:?}");
    for answer in &answers {
        assert!(answer.status < 500, "{} to {shown:?}", answer.status);
    }
}

fn head(extra: &str) -> String {
    format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PUBLISHER}\r\nContent-Type: application/json\r\n{extra}\r\n"
    )
}

const BODY: &str = r#"{"type":"a.b","data":{}}"#;

fn hidden() -> String {
    format!("{}{BODY}", head(&format!("Content-Length: {}\r\n", BODY.len())))
}

#[test]
fn a_request_with_two_ideas_of_its_length_is_refused() {
    let server = start();
    let inner = hidden();
    let chunk = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunk.len()),
        format!("Content-Length: {}\r\nContent-Length: 5\r\n", BODY.len()),
        format!("Content-Length: +{}\r\n", BODY.len()),
        format!("Content-Length: {0}, {0}\r\n", BODY.len()),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 0x10\r\n".to_owned(),
        "Content-Length: 18446744073709551617\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding: \x0bchunked\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "X: y\r\n folded: z\r\n".to_owned(),
    ] {
        // Whatever the server makes of the frame, the request inside the body must not be handled.
        at_most(&server, 1, format!("{}{chunk}{inner}", head(&framing)).as_bytes());
    }
    let first_version = format!("{}{chunk}{inner}", head("Transfer-Encoding: chunked\r\n"))
        .replacen("HTTP/1.1", "HTTP/1.0", 1);
    at_most(&server, 1, first_version.as_bytes());
}

#[test]
fn chunks_that_are_no_chunks_end_the_connection() {
    let server = start();
    let inner = hidden();
    for size in ["0x5", "-1", "5;ext=\n", "fffffffffffffffff", "10000000000000005", "", "g", " 5"] {
        let bytes = format!("{}{size}\r\nhello\r\n0\r\n\r\n{inner}", head("Transfer-Encoding: chunked\r\n"));
        at_most(&server, 1, bytes.as_bytes());
    }
    let trailers = format!(
        "{}{:x}\r\n{BODY}\r\n0\r\nContent-Length: 99\r\n\r\n",
        head("Transfer-Encoding: chunked\r\nConnection: close\r\n"),
        BODY.len()
    );
    at_most(&server, 1, trailers.as_bytes());
}

#[test]
fn what_follows_a_body_is_not_taken_for_part_of_it() {
    let server = start();
    // Ten bytes are announced and twenty sent: the rest is no request.
    let short = format!("{}{BODY}", head("Content-Length: 10\r\n"));
    let answers = answers_in(&server.raw(short.as_bytes()));
    assert!(answers.iter().all(|answer| answer.status == 400), "{answers:?}");
    // A body on a GET is passed over; the request after it is its own.
    let with_body = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        hidden().len(),
        hidden()
    );
    at_most(&server, 2, with_body.as_bytes());
    assert_eq!(server.stored(), 0);
}

#[test]
fn heads_that_are_too_much_are_refused_and_the_server_lives_on() {
    let server = start();
    let many: String = (0..97).map(|n| format!("X-H{n}: v\r\n")).collect();
    let bytes = [
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n").into_bytes(),
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(133_120)).into_bytes(),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(65_536)).into_bytes(),
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\nHost x\n\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0".to_vec(),
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n".to_vec(),
    ];
    for request in bytes {
        let answers = answers_in(&server.raw(&request));
        assert!(
            answers.len() <= 1 && answers.iter().all(|answer| (400..500).contains(&answer.status)),
            "{answers:?}"
        );
    }
    let escapes =
        answers_in(&server.raw(b"GET /api/v1/events/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert!(escapes.iter().all(|answer| (400..500).contains(&answer.status)));
    assert_eq!(server.get("/healthz", "").status, 200);
}

#[test]
fn a_request_has_exactly_one_host() {
    let server = start();
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let bytes = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answers = answers_in(&server.raw(bytes.as_bytes()));
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [400], "{hosts:?}");
    }
    let absolute = answers_in(
        &server.raw(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    );
    assert_eq!(absolute.len(), 1);
    let old = answers_in(&server.raw(b"GET /healthz HTTP/1.0\r\n\r\n"));
    assert_eq!(old[0].status, 200);
}

#[test]
fn pipelined_requests_are_answered_one_by_one_in_order() {
    let server = start();
    let mut all = String::new();
    for n in 0..20 {
        let close = if n == 19 { "Connection: close\r\n" } else { "" };
        all.push_str(&format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: r{n}\r\n{close}\r\n"));
    }
    let answers = answers_in(&server.raw(all.as_bytes()));
    let ids: Vec<&str> = answers.iter().map(|answer| answer.header("x-request-id").unwrap()).collect();
    assert_eq!(ids, (0..20).map(|n| format!("r{n}")).collect::<Vec<_>>());
}
