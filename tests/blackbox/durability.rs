//! Acknowledged means synced: seen from outside, in the order of the system calls.

use crate::support::meddler::Meddler;
use crate::support::{Connection, Item, Next, PUBLISHER, Request, Response, Server, Settings, eventually};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn draft(n: usize) -> Request {
    let request = Request::post("/api/v1/events").key(PUBLISHER);
    request.json(&json!({"type": "traced", "id": format!("traced-{n}"), "data": {"n": n}}))
}

/// One system call: the lines of the trace on which it begins and ends.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    begins: usize,
    ends: usize,
}

/// Reads a trace of several threads, in which a call that waits is split in two lines.
fn calls_of(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: Vec<(String, Call)> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let name = resumed.split(' ').next().unwrap_or_default();
            let found = unfinished.iter().position(|(of, call)| of == thread && call.name == name);
            if let Some(found) = found {
                let (_, mut call) = unfinished.swap_remove(found);
                call.ends = number;
                call.text.push_str(resumed);
                calls.push(call);
            }
        } else if let Some((name, _)) = rest.split_once('(') {
            let call = Call { name: name.to_owned(), text: rest.to_owned(), begins: number, ends: number };
            if rest.ends_with("<unfinished ...>") {
                unfinished.push((thread.to_owned(), call));
            } else {
                calls.push(call);
            }
        }
    }
    calls
}

fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync") && call.text.trim_end().ends_with("= 0")
}

#[test]
fn no_201_is_written_before_a_sync_that_began_after_its_request_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let trace_text = trace.to_string_lossy().into_owned();
    let calls = "trace=fsync,fdatasync,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg";
    let wrapper = ["strace", "-D", "-f", "-s", "400", "-e", calls, "-e", "signal=none", "-o", &trace_text];
    let mut server = Settings::new().under(&wrapper).start();
    for n in 0..30 {
        server.send(&draft(n)).must(201);
    }
    server.terminate();
    server.exit();
    let trace = wait_for_whole_trace(&trace);
    let calls = calls_of(&trace);
    for n in 0..30 {
        let marker = format!("traced-{n}\\\"");
        let read = calls
            .iter()
            .find(|call| call.text.contains("POST /api/v1/events") && call.text.contains(&marker));
        let read = read.unwrap_or_else(|| panic!("request {n} is not in the trace"));
        let answer = calls.iter().find(|call| {
            call.begins > read.ends && call.text.contains("HTTP/1.1 201") && call.text.contains(&marker)
        });
        let answer = answer.unwrap_or_else(|| panic!("answer {n} is not in the trace"));
        let synced =
            calls.iter().any(|call| is_sync(call) && call.begins > read.ends && call.ends < answer.begins);
        let between: Vec<&str> = trace.lines().skip(read.ends).take(answer.begins + 1 - read.ends).collect();
        assert!(synced, "answer {n} was written before a sync:\n{}", between.join("\n"));
    }
}

fn wait_for_whole_trace(path: &Path) -> String {
    eventually("the end of the trace", || {
        let trace = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
        trace.lines().last()?.contains("+++ exited").then_some(trace)
    })
}

#[test]
fn nobody_sees_an_event_while_its_sync_is_under_way() {
    let mut server = Server::start();
    server.publish_many("before", 1);
    let mut stream = server.stream("");
    let delay = Duration::from_secs(3);
    let slow = Meddler::slow_syncs(&server, delay);
    let started = Instant::now();
    let mut publisher = Connection::open(server.address()).unwrap();
    let publish =
        std::thread::spawn(move || publisher.exchange(&draft(1)).map(|answer: Response| answer.status));
    let mut heard = None;
    loop {
        let head = server.head();
        let by_id = server.get("/api/v1/events/traced-1").status;
        if let Next::Item(Item::Message(message)) = stream.next(Duration::from_millis(50)) {
            heard = Some(message);
        }
        // What was seen later than this may well be there.
        if started.elapsed() >= delay {
            break;
        }
        assert_eq!(head, 1, "a poller sees it");
        assert_eq!(by_id, 404, "a reader sees it by its id");
        assert_eq!(heard, None, "a stream has it");
    }
    assert_eq!(publish.join().unwrap().unwrap(), 201);
    drop(slow);
    assert_eq!(heard.unwrap_or_else(|| stream.message()).json()["id"], "traced-1");
    server.crash();
    server.get("/api/v1/events/traced-1").must(200);
}

#[test]
fn a_key_whose_first_request_is_still_running_is_409() {
    let server = Server::start();
    server.publish_many("before", 1);
    let slow = Meddler::slow_syncs(&server, Duration::from_secs(5));
    let request = draft(1).header("Idempotency-Key", "running");
    let mut publisher = Connection::open(server.address()).unwrap();
    let other = request.clone();
    let publish = std::thread::spawn(move || publisher.exchange(&other).unwrap());
    let answers = [server.send(&request), publish.join().unwrap()];
    drop(slow);
    for answer in &answers {
        if answer.status == 409 {
            answer.problem(409);
        }
    }
    let mut statuses = answers.map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "whichever came first runs, the other is told so");
    let again = server.send(&request);
    again.must(201);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(server.head(), 2);
}

#[test]
fn publishers_share_syncs_and_a_slow_disk_slows_them_only_by_its_own_time() {
    let server = Server::start();
    server.publish_many("before", 1);
    let _slow = Meddler::slow_syncs(&server, Duration::from_secs(1));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..50 {
            let server = &server;
            scope.spawn(move || server.send(&draft(n)).must(201));
        }
    });
    // One by one they would need fifty seconds.
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    assert_eq!(server.head(), 51);
}
