//! A disk that fails under a running server: what is acknowledged stays, what is not is said, service comes back.

use crate::support::meddler::Meddler;
use crate::support::{Delivery, PUBLISHER, Receiver, Request, Response, Server, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

fn draft(n: usize) -> Request {
    let request = Request::post("/api/v1/events").key(PUBLISHER);
    request.json(&json!({"type": "traced", "id": format!("traced-{n}"), "data": {"n": n}}))
}

/// Publishes with an id of its own until that is answered with anything but 503, and gives the refusals' kinds.
fn publish_until_answered(server: &Server, n: usize) -> (Response, Vec<String>) {
    let mut refusals = Vec::new();
    let answer = eventually("an answer that is no refusal", || {
        let answer = server.send(&draft(n));
        if answer.status != 503 {
            return Some(answer);
        }
        assert!(answer.header("Retry-After").is_some(), "{answer:?}");
        refusals.push(answer.problem(503)["type"].as_str().unwrap().to_owned());
        None
    });
    (answer, refusals)
}

/// What must hold after a fault of the disk: service again by itself, everything acknowledged there once.
fn recovers_from(calls: &str, fault: &str) -> Vec<String> {
    let mut server = Server::start();
    server.send(&draft(0)).must(201);
    let meddler = Meddler::attach(&server, calls, fault);
    let first = server.send(&draft(1));
    assert!(matches!(first.status, 201 | 503), "{first:?}");
    let mut refusals = Vec::new();
    if first.status == 503 {
        refusals.push(first.problem(503)["type"].as_str().unwrap().to_owned());
    }
    drop(meddler);
    eventually("reads", || {
        let answer = server.get("/api/v1/events/traced-0");
        (answer.status == 200).then_some(())
    });
    for n in 1..4 {
        let (answer, more) = publish_until_answered(&server, n);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        refusals.extend(more);
    }
    for _ in 0..2 {
        let ids: Vec<String> = server.list("")["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["traced-0", "traced-1", "traced-2", "traced-3"]);
        server.crash();
    }
    refusals
}

#[test]
fn a_sync_that_fails_once_is_told_as_unknown_and_the_repeat_stores_one_event() {
    let refusals = recovers_from("fsync,fdatasync", "error=EIO:when=1");
    assert!(refusals.iter().any(|kind| kind.contains("commit_unknown")), "{refusals:?}");
}

#[test]
fn a_disk_that_fails_for_a_while_is_survived() {
    let refusals = recovers_from("fsync,fdatasync", "error=EIO");
    assert!(!refusals.is_empty(), "nothing is acknowledged without a sync");
}

#[test]
fn a_write_that_finds_no_space_is_survived() {
    let refusals = recovers_from("pwrite64,ftruncate,fallocate", "error=ENOSPC");
    assert!(!refusals.is_empty());
}

#[test]
fn a_log_that_takes_no_outcome_has_nothing_sent_over_and_over() {
    let server = Server::start();
    let (receiver, is_asked, answers) = Receiver::holding(200);
    let mut destination = receiver.destination();
    destination["max_in_flight"] = json!(2);
    server.post("/api/v1/destinations", &destination).must(201);
    for n in 0..5 {
        server.send(&draft(n)).must(201);
    }
    (0..2).for_each(|_| is_asked.recv().unwrap());
    let meddler = Meddler::attach(&server, "fsync,fdatasync", "error=EIO");
    answers.store(true, Ordering::SeqCst);
    let waits = || server.output().matches("waits for the log to take outcomes").count();
    eventually("three refusals", || (waits() >= 3).then_some(()));
    assert_eq!(is_asked.try_iter().count(), 0, "the window is sent, and nothing more");
    drop(meddler);
    publish_until_answered(&server, 5);
    let again = eventually("all six", || {
        let heard: Vec<u64> = receiver.deliveries().iter().map(Delivery::sequence).collect();
        let different: BTreeSet<u64> = heard.iter().copied().collect();
        (different.len() == 6).then_some(heard.len() - different.len())
    });
    assert!(again <= 2, "the window once more at most: {again}");
}
