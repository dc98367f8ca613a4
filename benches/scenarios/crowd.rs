//! A thousand destinations, some dead and some hanging: how soon the healthy ones hear, and how soon a change counts.
//!
//! Events come at 200 a second, each wanted by 20 destinations. Ten destinations are nobody's address and ten never
//! answer; meanwhile destinations are made and changed. One process publishes and receives, so one clock measures.

use crate::broker::{Broker, free_address};
use crate::http::{Connection, post};
use crate::latency::accept;
use crate::receiver::Receiver;
use crate::report::{Goal, Report, Row, percentile};
use crate::{Effort, child};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const GROUPS: u64 = 50;
const MEMBERS: u64 = 20;
const EVENTS_PER_S: u64 = 200;
const PUBLISHERS: u64 = 8;

/// Groups below this have a dead member, those from here up to twice this a hanging one.
const TROUBLED: u64 = 10;

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    broker: SocketAddr,
    events: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Endpoints {
    healthy: SocketAddr,
    hanging: SocketAddr,
}

#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    p50_ms: f64,
    p99_ms: f64,
    worst_ms: f64,
    missing: u64,
}

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let broker = Broker::empty();
    let seconds = if effort.quick { 10 } else { 40 };
    let settings = Settings { broker: broker.address, events: seconds * EVENTS_PER_S };
    let mut crowd = child::Process::start("crowd", &serde_json::json!(settings));
    let endpoints: Endpoints = crowd.next();
    let dead = free_address();
    for number in 0..GROUPS * MEMBERS {
        let (group, member) = (number / MEMBERS, number % MEMBERS);
        let url = match (group, member) {
            (0..TROUBLED, 0) => format!("http://{dead}/{number}"),
            (TROUBLED..20, 0) => format!("http://{}/{number}", endpoints.hanging),
            _ => format!("http://{}/{number}", endpoints.healthy),
        };
        make(&broker, &url, &format!("group.{group}"));
    }
    crowd.go();
    let mut changes = Changes::of(&broker);
    for _ in 0..seconds {
        changes.change_and_make(&broker);
        std::thread::sleep(Duration::from_millis(300));
    }
    let measured: Measured = crowd.next();
    let case = format!("{} destinations, 10 dead, 10 hanging: publish to the healthy", GROUPS * MEMBERS);
    let note = format!(
        "p50 {:.1}, worst {:.0} ms; missing {}",
        measured.p50_ms, measured.worst_ms, measured.missing
    );
    let healthy =
        Row::new(format!("{case}, p99"), "ms", &[measured.p99_ms]).goal(Goal::Below(100.0)).note(note);
    let memory = Row::new("memory meanwhile", "MiB", &[broker.resident_mib()]);
    let worst = |taken: &[f64]| taken.iter().copied().fold(0.0, f64::max);
    let note = "from the call to the arrival of an event published after it, the slowest of all";
    let row = |name: &str, taken: &[f64]| {
        let note = format!("{note} {}", taken.len());
        Row::new(name, "ms", &[worst(taken)]).goal(Goal::Below(100.0)).note(note)
    };
    let made = row("a destination made under this load hears", &changes.made_ms);
    let changed = row("a destination changed under this load hears", &changes.changed_ms);
    report.table(&[healthy, made, changed, memory]);
}

fn make(broker: &Broker, url: &str, event_type: &str) -> String {
    let body = serde_json::json!({ "url": url, "events": [event_type], "verification": "none" });
    let made = broker.call("POST", "/api/v1/destinations", &body.to_string());
    made["id"].as_str().expect("a destination has an id").to_owned()
}

/// Destinations that come and change while everything runs.
struct Changes {
    receiver: Receiver,
    changed: String,
    heard: u64,
    number: u64,
    made_ms: Vec<f64>,
    changed_ms: Vec<f64>,
}

impl Changes {
    fn of(broker: &Broker) -> Self {
        let receiver = Receiver::start();
        let changed = make(broker, &format!("http://{}/changed", receiver.address), "probe.none");
        Self { receiver, changed, heard: 0, number: 0, made_ms: Vec::new(), changed_ms: Vec::new() }
    }

    fn change_and_make(&mut self, broker: &Broker) {
        self.number += 1;
        let begin = campanile::clock::instant();
        let wanted = format!("probe.changed.{}", self.number);
        let body = serde_json::json!({ "events": [wanted] }).to_string();
        broker.call("PATCH", &format!("/api/v1/destinations/{}", self.changed), &body);
        let taken = self.publish_and_hear(broker, &wanted, begin);
        self.changed_ms.push(taken);
        let begin = campanile::clock::instant();
        let wanted = format!("probe.made.{}", self.number);
        let made = make(broker, &format!("http://{}/made", self.receiver.address), &wanted);
        let taken = self.publish_and_hear(broker, &wanted, begin);
        self.made_ms.push(taken);
        broker.call("DELETE", &format!("/api/v1/destinations/{made}"), "");
    }

    fn publish_and_hear(&mut self, broker: &Broker, event_type: &str, begin: Instant) -> f64 {
        broker.call(
            "POST",
            "/api/v1/events",
            &serde_json::json!({ "type": event_type, "data": {} }).to_string(),
        );
        self.heard += 1;
        while self.receiver.count().posts < self.heard {
            assert!(begin.elapsed() < Duration::from_secs(10), "{event_type} was not heard");
            std::thread::sleep(Duration::from_millis(1));
        }
        begin.elapsed().as_secs_f64() * 1000.0
    }
}

/// The events on their way: when each was published, and how many arrivals are still awaited.
type UnderWay = Rc<RefCell<HashMap<u64, (Instant, u64)>>>;

/// The `crowd` role.
pub(crate) fn measure(settings: &str) {
    let settings: Settings = child::settings(settings);
    child::block_on(async move {
        let healthy = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let hanging = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound socket has an address");
        child::answer(&Endpoints { healthy: address(&healthy), hanging: address(&hanging) });
        child::wait_for_go();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        tokio::task::spawn_local(accept(healthy, arrivals));
        tokio::task::spawn_local(hang(hanging));
        let under_way = UnderWay::default();
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                tokio::task::spawn_local(publish(
                    publisher,
                    settings.broker,
                    settings.events,
                    under_way.clone(),
                ))
            })
            .collect();
        let measuring = tokio::task::spawn_local(receive(arrived, under_way, settings.events));
        for publisher in publishers {
            publisher.await.expect("a publisher does not panic");
        }
        child::answer(&measuring.await.expect("measuring does not panic"));
    });
}

/// Takes connections and requests, and never answers.
async fn hang(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}

async fn publish(publisher: u64, broker: SocketAddr, events: u64, under_way: UnderWay) {
    let pause = Duration::from_millis(1000 * PUBLISHERS / EVENTS_PER_S);
    let mut connection = Connection::open(broker).await.expect("the broker accepts connections");
    let mut ticks = tokio::time::interval(pause);
    tokio::time::sleep(pause * publisher as u32 / PUBLISHERS as u32).await;
    for number in (publisher..events).step_by(PUBLISHERS as usize) {
        ticks.tick().await;
        let group = number % GROUPS;
        let awaited = MEMBERS - u64::from(group < 2 * TROUBLED);
        under_way.borrow_mut().insert(number, (campanile::clock::instant(), awaited));
        let body =
            format!(r#"{{"type":"group.{group}","data":{{"n":{number},"note":"{}"}}}}"#, "x".repeat(300));
        let request = post("/api/v1/events", "application/json", body.as_bytes());
        let (status, _) = connection.ask(&request).await.expect("the broker answers");
        assert_eq!(status, 201, "a publish was refused");
    }
}

async fn receive(mut arrived: mpsc::UnboundedReceiver<u64>, under_way: UnderWay, events: u64) -> Measured {
    let mut taken_ms = Vec::new();
    let mut whole = 0;
    while whole < events {
        let Ok(Some(number)) = tokio::time::timeout(Duration::from_secs(30), arrived.recv()).await else {
            break;
        };
        let mut under_way = under_way.borrow_mut();
        let Some((published, awaited)) = under_way.get_mut(&number) else { continue };
        taken_ms.push(published.elapsed().as_secs_f64() * 1000.0);
        *awaited -= 1;
        if *awaited == 0 {
            under_way.remove(&number);
            whole += 1;
        }
    }
    let missing = under_way.borrow().values().map(|(_, awaited)| awaited).sum();
    Measured {
        p50_ms: percentile(&mut taken_ms, 50.0),
        p99_ms: percentile(&mut taken_ms, 99.0),
        worst_ms: percentile(&mut taken_ms, 100.0),
        missing,
    }
}
