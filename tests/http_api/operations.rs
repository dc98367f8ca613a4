//! Paths, methods, health, metrics.

use crate::support::*;
use campanile::broker::Broker;
use campanile::config::Config;
use campanile::http::serve;
use campanile::log::{EventLog, MemoryLog};
use futures_executor::block_on;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

#[test]
fn an_unknown_path_is_404_and_nothing_is_normalised() {
    let server = start();
    for path in [
        "/nowhere",
        "/api/v1",
        "/api/v1/",
        "/api/v1/events/",
        "//api/v1/events",
        "/api/v1//events",
        "/api/v1/../v1/events",
        "/api/v1/%2e%2e/keys",
        "/api/v1/events%2f..%2fkeys",
        "/api/v1/events/../keys",
        "/API/v1/events",
        "/api/v2/events",
    ] {
        server.get(path, ADMIN).problem(404, "not_found");
    }
}

#[test]
fn a_known_path_with_another_method_is_405_with_allow() {
    let server = start();
    for (method, path, allow) in [
        ("PUT", "/api/v1/events", "GET, HEAD, POST"),
        ("DELETE", "/api/v1/events/x", "GET, HEAD"),
        ("FOO", "/api/v1/events", "GET, HEAD, POST"),
        ("TRACE", "/", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PATCH", "/api/v1/keys", "GET, HEAD, POST"),
        ("GET", "/api/v1/keys/x", "DELETE"),
    ] {
        let answer = server.send(method, path, ADMIN, &[], b"");
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let connect =
        server.raw(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n");
    assert!(matches!(answers_in(&connect)[0].status, 400 | 405));
}

#[test]
fn health_needs_no_key_and_readiness_ends_when_the_log_takes_no_commits() {
    let server = start();
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(server.get(path, "").status, 200, "{path}");
        assert!(server.get(&format!("{path}?verbose"), "").json()["checks"].is_array());
        server.get(&format!("{path}?x=1"), "").problem(400, "unknown_parameter");
    }
    futures_executor::block_on(server.log.close());
    let unready = server.get("/readyz", "");
    unready.problem(503, "draining");
    assert!(unready.header("retry-after").is_some());
    assert_eq!(server.get("/livez", "").status, 200);
}

#[test]
fn a_broker_that_delivers_no_more_says_that_it_has_to_be_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    folder.path().clone_into(&mut config.storage.path);
    let broker = Broker::with_log(config, Arc::new(MemoryLog::default())).unwrap();
    assert!(broker.is_delivering());
    block_on(broker.drain());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, until_ended) = tokio::sync::oneshot::channel::<()>();
    let served = broker.clone();
    let serving = std::thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            let (server, handle) = serve(served, listener).unwrap();
            let server = actix_rt::spawn(server);
            drop(until_ended.await);
            handle.stop(false).await;
            server.await.unwrap().unwrap();
        });
    });
    let alive = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // The thread of the actors ends a moment later.
    let answer = std::iter::repeat_with(alive).find(|answer| !answer.starts_with("HTTP/1.1 200")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""type":"stopped""#), "{answer}");
    drop(ended);
    serving.join().unwrap();
}

#[test]
fn metrics_are_for_operators_unless_public() {
    let server = start();
    server.get("/metrics", "").problem(401, "unauthorized");
    server.get("/metrics", ADMIN).problem(403, "forbidden");
    server.publish_many(3);
    let page = server.get("/metrics", OPERATOR);
    assert!(page.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        "campanile_log_head_sequence 3",
        "campanile_log_oldest_sequence 1",
        "campanile_log_events 3",
        "# TYPE campanile_log_commits_total counter",
        "campanile_http_requests_total{route=\"/api/v1/events\",status=\"2xx\"} 3",
        "campanile_http_request_duration_seconds_count{route=\"/api/v1/events\"} 3",
        "campanile_http_request_duration_seconds_bucket{route=\"/api/v1/events\",le=\"+Inf\"} 3",
        "campanile_build_info{version=\"0.1.0\"} 1",
        "campanile_waiting_polls 0",
    ] {
        assert!(page.text().lines().any(|known| known == line), "{line}\nin\n{}", page.text());
    }
    let open = server.send(
        "GET",
        "/metrics",
        OPERATOR,
        &[("Accept", "application/openmetrics-text; version=1.0.0")],
        b"",
    );
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n"));
    assert!(open.text().contains("# TYPE campanile_log_commits counter\n"));
    let public = start_with(|config| config.server.metrics_public = true);
    assert_eq!(public.get("/metrics", "").status, 200);
}

#[test]
fn while_draining_publishing_is_503_with_its_reason() {
    let server = start();
    let mut kept = server.connect();
    let body = r#"{"type":"a","data":{}}"#;
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PUBLISHER}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    std::io::Write::write_all(&mut kept, head.as_bytes()).unwrap();
    // Asked for the body, so that the request is under way when the broker begins to drain.
    let mut go_on = [0; 25];
    std::io::Read::read_exact(&mut kept, &mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    futures_executor::block_on(server.broker.shutdown());
    std::io::Write::write_all(&mut kept, body.as_bytes()).unwrap();
    let answer = &answers_in(&read_all(&mut kept))[0];
    answer.problem(503, "draining");
    assert!(answer.header("retry-after").is_some());
}
