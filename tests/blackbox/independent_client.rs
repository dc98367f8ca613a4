//! A client written by nobody of this project: Python and nothing but its standard library.

use crate::support::{READER, Server};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const CLIENT: &str = include_str!("client.py");

#[test]
fn a_python_client_follows_the_stream_through_a_crash_and_misses_nothing() {
    let mut server = Server::start();
    let mut published = server.publish_many("a.b", 40);
    let url = format!("http://{}/api/v1/events/stream", server.address());
    let mut python = Command::new("python3")
        .args(["-u", "-c", CLIENT, &url, READER, "200"])
        // Nothing here is for a proxy of the machine.
        .env("no_proxy", "127.0.0.1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut lines = BufReader::new(python.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    let mut take = |count: usize, seen: &mut Vec<u64>| {
        for _ in 0..count {
            let line = lines.next().expect("the client goes on").unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(event["type"], "a.b");
            seen.push(event["sequence"].as_u64().unwrap());
        }
    };
    take(40, &mut seen);
    published.extend(server.publish_many("a.b", 40));
    take(20, &mut seen);
    server.crash();
    published.extend(server.publish_many("a.b", 40));
    take(60, &mut seen);
    server.restart();
    published.extend(server.publish_many("a.b", 80));
    take(80, &mut seen);
    assert!(python.wait().unwrap().success());
    assert_eq!(seen, published);
}
