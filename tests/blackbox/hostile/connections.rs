//! Connections that do not come about, break, or are used for more than one request.

use super::{Case, failed, late, run};
use crate::lifecycle::path_of;
use crate::support::{ADMIN, Peer, Request, Rogue, Server, eventually, free_port, text_of};
use serde_json::{Value, json};
use std::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A listener whose queue is full: who connects gets no answer, as from a host that drops what it is sent.
pub(super) struct Deaf {
    listener: TcpListener,
    _waiting: Vec<socket2::Socket>,
}

impl Deaf {
    pub(super) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
        socket.set_reuse_address(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(0).unwrap();
        let waiting = (0..4)
            .map(|_| {
                let one = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
                one.set_nonblocking(true).unwrap();
                one.connect(&address.into()).ok();
                one
            })
            .collect();
        Self { listener: socket.into(), _waiting: waiting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.listener.local_addr().unwrap())
    }
}

#[test]
fn connections_that_do_not_come_about_or_break() {
    let deaf = Deaf::new();
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    run(&[
        Case::nobody("refused", &nobody, failed("connection failed: ")),
        Case::nobody("no answer to a connection", &deaf.url(), late()),
        Case::new("accepts and is silent", Rogue::start(Peer::fall_silent), late()).hearing(0),
        Case::new("accepts and hangs up", Rogue::start(|_| Ok(())), failed("bad response: ")).hearing(0),
        // Whether it is a connection that came about depends on which is noticed first.
        Case::new("accepts and resets", Rogue::start(Peer::reset), failed("")).hearing(0),
        Case::new(
            "resets after the request",
            Rogue::start(|peer| peer.request().and_then(|_| peer.reset())),
            failed("bad response: "),
        ),
        Case::new(
            "hangs up after the request",
            Rogue::start(|peer| peer.request().map(drop)),
            failed("bad response: "),
        ),
    ]);
}

fn attempts(server: &Server, made: &Value) -> Vec<(u64, String)> {
    let path = format!("{}/deliveries?limit=1000", path_of(made));
    let page = server.send(&Request::get(&path).key(ADMIN)).must(200);
    let mut all: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (crate::support::number(&one["sequence"]), text_of(&one["status"])))
        .collect();
    all.sort();
    all
}

/// Publishes so many events one after the other, each when the last has its outcome.
fn one_by_one(server: &Server, made: &Value, count: usize) -> Vec<String> {
    for done in 1..=count {
        server.publish(&json!({"type": "a", "data": {"n": done}}));
        eventually("its outcome", || {
            let ended = |(_, status): &(u64, String)| status == "delivered" || status == "retrying";
            (attempts(server, made).iter().filter(|one| ended(one)).count() == done).then_some(())
        });
    }
    attempts(server, made).into_iter().map(|(_, status)| status).collect()
}

fn strictly_retried(rogue: &Rogue) -> Value {
    json!({"url": rogue.url(), "verification": "none", "timeout_ms": 100_000, "retry": {"schedule_s": [7200]}})
}

#[test]
fn a_kept_connection_that_the_endpoint_closed_is_replaced_within_the_attempt() {
    let server = Server::start();
    // Answers once on each connection and reads the next request before it goes.
    let rogue = Rogue::start(|peer| {
        peer.request()?;
        peer.say(OK)?;
        peer.request().map(drop)
    });
    let made = server.post("/api/v1/destinations", &strictly_retried(&rogue)).must(201);
    assert_eq!(one_by_one(&server, &made, 6), ["delivered"; 6]);
    let requests = rogue.requests();
    assert!(requests.iter().all(|one| one.attempt() == 1));
    for request in &requests {
        let same = requests.iter().filter(|one| one.event_id() == request.event_id()).count();
        assert!(same <= 2, "one safe repetition, not {same}");
    }
}

#[test]
fn a_new_connection_that_breaks_is_a_failed_attempt_and_not_two() {
    let server = Server::start();
    let rogue = Rogue::start(|peer| peer.request().and_then(|_| peer.reset()));
    let made = server.post("/api/v1/destinations", &strictly_retried(&rogue)).must(201);
    assert_eq!(one_by_one(&server, &made, 4), ["retrying"; 4]);
    assert_eq!(rogue.requests().len(), 4);
}

#[test]
fn an_answer_that_nobody_asked_for_answers_no_later_request() {
    let server = Server::start();
    // Each says no, and a moment later something that would be a yes to whoever asks next.
    for strange in [
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    ] {
        let rogue = Rogue::start(move |peer| {
            loop {
                peer.request()?;
                peer.say(strange)?;
            }
        });
        let made = server.post("/api/v1/destinations", &strictly_retried(&rogue)).must(201);
        assert_eq!(one_by_one(&server, &made, 8), ["retrying"; 8], "{strange:?}");
        let path = path_of(&made);
        server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
    }
}

#[test]
fn a_yes_after_a_continue_is_the_answer_to_its_own_request() {
    let server = Server::start();
    // The real answer comes late: taken for the next one's, every second event would be lost.
    let rogue = Rogue::start(|peer| {
        loop {
            let request = peer.request()?;
            peer.say("HTTP/1.1 103 Early Hints\r\n\r\n")?;
            std::thread::sleep(std::time::Duration::from_millis(20));
            let status = if request.json()["data"]["n"].as_u64().unwrap() % 2 == 0 { 200 } else { 500 };
            peer.say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))?;
        }
    });
    let made = server.post("/api/v1/destinations", &strictly_retried(&rogue)).must(201);
    let wanted = ["retrying", "delivered"].repeat(4);
    assert_eq!(one_by_one(&server, &made, 8), wanted);
}

#[test]
fn connections_are_kept_and_used_again() {
    let server = Server::start();
    let rogue = Rogue::start(|peer| {
        loop {
            peer.request()?;
            peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")?;
        }
    });
    let made = server.post("/api/v1/destinations", &strictly_retried(&rogue)).must(201);
    assert_eq!(one_by_one(&server, &made, 10), ["delivered"; 10]);
    assert!(rogue.connections() < 10, "{} connections", rogue.connections());
}
