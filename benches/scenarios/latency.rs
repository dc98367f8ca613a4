//! From the start of a publish to the arrival of its event, on a broker that does nothing else.
//!
//! One process publishes and listens, so one clock measures. Publishes are 20 ms apart. The limit beside it is
//! the bare server's acknowledgement at the same pace: parse, commit, fsync, answer.

use crate::bare::BareServer;
use crate::broker::Broker;
use crate::http::{Connection, get, post};
use crate::load::Load;
use crate::report::{Goal, Report, Row, percentile};
use crate::{Effort, child, events};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PAUSE_MS: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Webhook,
    Stream,
}

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    address: SocketAddr,
    way: Way,
    events: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    arrival_p50_ms: f64,
    arrival_p99_ms: f64,
    acknowledged_p50_ms: f64,
    lost: u64,
}

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let (broker, bare) = (Broker::empty(), BareServer::start());
    let events = if effort.quick { 50 } else { 300 };
    let (mut webhook, mut stream, mut limit) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(3) {
        webhook.push(measure_way(&broker, Way::Webhook, events));
        stream.push(measure_way(&broker, Way::Stream, events));
        let paced =
            Load { requests: Some(events), pause_ms: PAUSE_MS, ..Load::single(bare.address, 1, 600.0) };
        limit.push(paced.run());
    }
    let bare_p50: Vec<f64> = limit.iter().map(|one| one.p50_ms).collect();
    let bare_p99: Vec<f64> = limit.iter().map(|one| one.p99_ms).collect();
    let mut rows = Vec::new();
    for (name, measured) in [("publish to webhook", &webhook), ("publish to stream", &stream)] {
        let of = |take: fn(&Measured) -> f64| measured.iter().map(take).collect::<Vec<f64>>();
        let acknowledged = crate::report::median(&of(|one| one.acknowledged_p50_ms));
        let lost: u64 = measured.iter().map(|one| one.lost).sum();
        let note = format!("limit: bare acknowledgement; ours p50 {acknowledged:.2} ms; lost {lost}");
        let p50 = Row::new(format!("{name}, p50"), "ms", &of(|one| one.arrival_p50_ms));
        rows.push(p50.against(&bare_p50).goal(Goal::Below(3.0)).note(note));
        let p99 = Row::new(format!("{name}, p99"), "ms", &of(|one| one.arrival_p99_ms));
        rows.push(p99.against(&bare_p99).goal(Goal::Below(15.0)));
    }
    report.table(&rows);
}

fn measure_way(broker: &Broker, way: Way, events: u64) -> Measured {
    let settings = serde_json::json!(Settings { address: broker.address, way, events });
    let mut process = child::Process::start("latency", &settings);
    let endpoint: SocketAddr = process.next();
    let made = (way == Way::Webhook).then(|| {
        let body = serde_json::json!({ "url": format!("http://{endpoint}/hook"), "verification": "none" });
        broker.call("POST", "/api/v1/destinations", &body.to_string())
    });
    process.go();
    let measured = process.next();
    if let Some(id) = made.as_ref().and_then(|made| made["id"].as_str()) {
        broker.call("DELETE", &format!("/api/v1/destinations/{id}"), "");
    }
    measured
}

/// The `latency` role.
pub(crate) fn measure(settings: &str) {
    let settings: Settings = child::settings(settings);
    child::block_on(async move {
        let endpoint = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        child::answer(&endpoint.local_addr().expect("a bound socket has an address"));
        child::wait_for_go();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        match settings.way {
            Way::Webhook => {
                tokio::task::spawn_local(accept(endpoint, arrivals));
            }
            Way::Stream => {
                let stream = open_stream(settings.address).await;
                tokio::task::spawn_local(listen(stream, arrivals, false));
            }
        }
        child::answer(&publish_and_wait(settings, arrived).await);
    });
}

async fn open_stream(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the broker accepts connections");
    let request = get("/api/v1/events/stream", "text/event-stream");
    stream.write_all(&request).await.expect("the broker reads");
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.expect("the broker answers");
    assert!(head[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head[..read]));
    stream
}

pub(crate) async fn accept(endpoint: TcpListener, arrivals: mpsc::UnboundedSender<u64>) {
    while let Ok((stream, _)) = endpoint.accept().await {
        tokio::task::spawn_local(listen(stream, arrivals.clone(), true));
    }
}

/// Tells the number of every event that arrives, before it is answered.
async fn listen(mut stream: TcpStream, arrivals: mpsc::UnboundedSender<u64>, answers: bool) {
    const MARK: &[u8] = br#""data":{"n":"#;
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        while let Some(at) = memmem::find(&buffer, MARK).map(|at| at + MARK.len()) {
            let Some(length) = buffer[at..].iter().position(|byte| !byte.is_ascii_digit()) else { break };
            let number =
                std::str::from_utf8(&buffer[at..at + length]).ok().and_then(|text| text.parse().ok());
            buffer.drain(..at + length);
            let _ = number.map(|number| arrivals.send(number));
            if answers {
                // The rest of the body is padding and is in the same packet: small bodies are not split.
                buffer.clear();
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = stream.write_all(answer).await;
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

async fn publish_and_wait(settings: Settings, mut arrived: mpsc::UnboundedReceiver<u64>) -> Measured {
    let mut publisher = Connection::open(settings.address).await.expect("the broker accepts connections");
    let (mut arrival_ms, mut acknowledged_ms, mut lost) = (Vec::new(), Vec::new(), 0);
    let warm_up = 10;
    for number in 0..settings.events + warm_up {
        let request = post("/api/v1/events", "application/json", events::draft(500, number).as_bytes());
        let begin = campanile::clock::instant();
        let acknowledged = async {
            let (status, _) = publisher.ask(&request).await.expect("the broker answers");
            assert_eq!(status, 201, "a publish was refused");
            begin.elapsed().as_secs_f64() * 1000.0
        };
        let arrival = async {
            while arrived.recv().await.is_some_and(|seen| seen != number) {}
            begin.elapsed().as_secs_f64() * 1000.0
        };
        let arrival = tokio::time::timeout(Duration::from_secs(5), arrival);
        let (acknowledged, arrival) = tokio::join!(acknowledged, arrival);
        match arrival {
            Ok(taken) if number >= warm_up => {
                arrival_ms.push(taken);
                acknowledged_ms.push(acknowledged);
            }
            Ok(_) => {}
            Err(_) => lost += 1,
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
    Measured {
        arrival_p50_ms: percentile(&mut arrival_ms, 50.0),
        arrival_p99_ms: percentile(&mut arrival_ms, 99.0),
        acknowledged_p50_ms: percentile(&mut acknowledged_ms, 50.0),
        lost,
    }
}
