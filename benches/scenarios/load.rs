//! Publishers: one thread, many kept connections, each with one request under way at a time.

use crate::http::{Connection, post};
use crate::report::percentile;
use crate::{child, events};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What is published, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Events a request; zero sends single events.
    pub(crate) batch: usize,
    pub(crate) event_bytes: usize,
    /// Batches as `application/x-ndjson`.
    pub(crate) lines: bool,
    pub(crate) seconds: f64,
    /// Stop after so many requests in all.
    pub(crate) requests: Option<u64>,
    /// Milliseconds between an answer and the next request.
    pub(crate) pause_ms: u64,
}

impl Load {
    /// Single events as fast as they are acknowledged.
    pub(crate) fn single(address: SocketAddr, connections: usize, seconds: f64) -> Self {
        let (batch, event_bytes) = (0, 500);
        Self { address, connections, batch, event_bytes, lines: false, seconds, requests: None, pause_ms: 0 }
    }

    /// Runs it in a process of its own.
    pub(crate) fn run(&self) -> Published {
        child::Process::ask("publish", &serde_json::json!(self))
    }

    fn request(&self) -> Vec<u8> {
        match (self.batch, self.lines) {
            (0, _) => {
                post("/api/v1/events", "application/json", events::draft(self.event_bytes, 1).as_bytes())
            }
            (batch, true) => {
                let body = events::lines(batch, self.event_bytes);
                post("/api/v1/events/batch", "application/x-ndjson", body.as_bytes())
            }
            (batch, false) => {
                let body = events::batch(batch, self.event_bytes);
                post("/api/v1/events/batch", "application/json", body.as_bytes())
            }
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) events_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Requests that were not answered 201.
    pub(crate) refused: u64,
}

#[derive(Debug)]
struct Tally {
    latencies_ms: Vec<f64>,
    refused: u64,
    first_refusal: Option<String>,
    left: u64,
}

/// The `publish` role.
pub(crate) fn publish(settings: &str) {
    let load: Load = child::settings(settings);
    child::answer(&child::block_on(publish_all(load)));
}

async fn publish_all(load: Load) -> Published {
    let request: Rc<[u8]> = load.request().into();
    let tally = Rc::new(RefCell::new(Tally {
        latencies_ms: Vec::new(),
        refused: 0,
        first_refusal: None,
        left: load.requests.unwrap_or(u64::MAX),
    }));
    let mut opened = Vec::new();
    for _ in 0..load.connections {
        opened.push(Connection::open(load.address).await.expect("the server accepts connections"));
    }
    let begin = campanile::clock::instant();
    let end = begin + Duration::from_secs_f64(load.seconds);
    let publishers: Vec<_> = opened
        .into_iter()
        .map(|connection| {
            let (request, tally, pause) = (request.clone(), tally.clone(), load.pause_ms);
            tokio::task::spawn_local(publish_on(connection, request, tally, end, pause))
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("a publisher does not panic");
    }
    let seconds = begin.elapsed().as_secs_f64();
    let mut tally = tally.borrow_mut();
    if let Some(refusal) = &tally.first_refusal {
        eprintln!("{} refused, the first: {refusal}", tally.refused);
    }
    let accepted = tally.latencies_ms.len() as f64;
    Published {
        events_per_s: accepted * load.batch.max(1) as f64 / seconds,
        p50_ms: percentile(&mut tally.latencies_ms, 50.0),
        p99_ms: percentile(&mut tally.latencies_ms, 99.0),
        refused: tally.refused,
    }
}

async fn publish_on(
    mut connection: Connection,
    request: Rc<[u8]>,
    tally: Rc<RefCell<Tally>>,
    end: Instant,
    pause_ms: u64,
) {
    loop {
        let begin = campanile::clock::instant();
        if begin >= end || tally.borrow().left == 0 {
            return;
        }
        tally.borrow_mut().left -= 1;
        let (status, body) = match connection.ask(&request).await {
            Ok(answer) => answer,
            Err(error) => {
                let mut tally = tally.borrow_mut();
                tally.refused += 1;
                tally.first_refusal.get_or_insert_with(|| error.to_string());
                return;
            }
        };
        let mut tally = tally.borrow_mut();
        if status == 201 {
            tally.latencies_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        } else {
            tally.refused += 1;
            let text = String::from_utf8_lossy(connection.bytes(body));
            tally.first_refusal.get_or_insert_with(|| format!("{status} {text}"));
        }
        drop(tally);
        if pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

/// How the large log is filled.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fill {
    pub(crate) address: SocketAddr,
    pub(crate) events: u64,
    pub(crate) base_ms: i64,
}

/// The `fill` role: varied events in batches of 1,000, eight under way, answered by the rate.
pub(crate) fn fill(settings: &str) {
    let fill: Fill = child::settings(settings);
    let begin = campanile::clock::instant();
    child::block_on(async {
        let next = Rc::new(RefCell::new(0));
        let fillers: Vec<_> = (0..8)
            .map(|_| tokio::task::spawn_local(fill_on(fill.address, fill.events, fill.base_ms, next.clone())))
            .collect();
        for filler in fillers {
            filler.await.expect("a filler does not panic");
        }
    });
    child::answer(&(fill.events as f64 / begin.elapsed().as_secs_f64()));
}

async fn fill_on(address: SocketAddr, events: u64, base_ms: i64, next: Rc<RefCell<u64>>) {
    let mut connection = Connection::open(address).await.expect("the broker accepts connections");
    loop {
        let first = *next.borrow();
        let count = 1000.min(events - first);
        if count == 0 {
            return;
        }
        *next.borrow_mut() = first + count;
        let body = events::varied(first, count, base_ms);
        let request = post("/api/v1/events/batch", "application/json", body.as_bytes());
        loop {
            let (status, range) = connection.ask(&request).await.expect("the broker answers");
            match status {
                201 => break,
                503 => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => panic!("{status} {}", String::from_utf8_lossy(connection.bytes(range))),
            }
        }
    }
}
