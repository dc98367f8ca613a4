//! Functions: PRE events with three of them, many PRE events that are held up at once, POST events per second.
//!
//! The broker is inside this process, as in a program that embeds it, so the functions are a call away.

use crate::Effort;
use crate::receiver::Receiver;
use crate::report::{Goal, Report, Row, median, percentile};
use campanile::Broker;
use campanile::broker::{Call, Event, PreOptions, SubscribeOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PRE: &str = "PRE_USER_CREATE";
const POST: &str = "POST_USER_CREATE";

/// PRE events that are held up at once.
const HELD_UP: usize = 1000;

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rows = runtime.block_on(async {
        let mut rows = three_in_process(effort).await;
        rows.extend(three_over_http(effort).await);
        rows.extend(held_up(effort).await);
        rows.push(post_events(effort).await);
        rows
    });
    report.table(&rows);
}

fn open() -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = campanile::Config::default();
    config.storage.path = folder.path().join("data");
    config.functions.max_in_flight = 2048;
    config.delivery.allow_http = true;
    config.delivery.allow_networks = vec!["127.0.0.0/8".parse().expect("a network")];
    (Broker::open(config).expect("the folder is new"), folder)
}

async fn attach<F, H>(broker: &Broker, event: &str, slug: &str, handler: H)
where
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let function = broker.function(slug, handler).await.expect("the slug is free");
    broker.attach(event, &function, SubscribeOptions::default()).await.expect("the type is known");
}

fn event(event_type: &str) -> Event {
    let data = serde_json::json!({"user_id": 1, "username": "john_doe", "email": "john@example.com"});
    Event::new(event_type).data(&data)
}

/// Milliseconds that one PRE event takes, published one after the other.
async fn one_by_one(broker: &Broker, seconds: f64) -> Vec<f64> {
    let (mut taken, end) = (Vec::new(), Instant::now() + Duration::from_secs_f64(seconds));
    while Instant::now() < end {
        let begun = Instant::now();
        let publication = broker.ask_functions(event(PRE)).await.expect("it is published");
        assert!(publication.wait().await.expect("it has an outcome").passed());
        taken.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    taken
}

/// Milliseconds that the publish of an ordinary event takes.
async fn plain(broker: &Broker, count: usize) -> Vec<f64> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        broker.publish(event("user.seen")).await.expect("it is published");
        taken.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    taken
}

async fn three_in_process(effort: Effort) -> Vec<Row> {
    let (broker, _folder) = open();
    for slug in ["first", "second", "third"] {
        attach(&broker, PRE, slug, async |_| ()).await;
    }
    let fsync = plain(&broker, 200).await;
    let mut taken = one_by_one(&broker, effort.seconds).await;
    broker.shutdown().await;
    let note = format!("two commits; a plain publish took {:.2}", median(&fsync));
    vec![
        Row::new("PRE, 3 functions in process, p50", "ms", &[percentile(&mut taken, 50.0)])
            .goal(Goal::Below(2.0))
            .note(note),
        Row::new("PRE, 3 functions in process, p99", "ms", &[percentile(&mut taken, 99.0)]),
    ]
}

async fn three_over_http(effort: Effort) -> Vec<Row> {
    let (broker, _folder) = open();
    let endpoint = Receiver::start();
    for name in ["first", "second", "third"] {
        let body = serde_json::json!({"name": name, "url": format!("http://{}/", endpoint.address)});
        let serde_json::Value::Object(body) = body else { unreachable!() };
        let made = broker.create_function(broker.default_tenant(), body).await.expect("the URL is good");
        let options = SubscribeOptions::default();
        broker.attach(PRE, &made.function, options).await.expect("the type is known");
    }
    let mut taken = one_by_one(&broker, effort.seconds).await;
    broker.shutdown().await;
    let row = Row::new(
        "PRE, 3 functions over HTTP that answer at once, p50",
        "ms",
        &[percentile(&mut taken, 50.0)],
    );
    vec![row.goal(Goal::Below(5.0))]
}

/// Many PRE events whose functions take long: what they cost, and what they cost the others.
async fn held_up(effort: Effort) -> Vec<Row> {
    let (broker, _folder) = open();
    let (release, held) = tokio::sync::watch::channel(false);
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    attach(&broker, PRE, "slow", move |_| {
        let (mut held, counted) = (held.clone(), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(held.wait_for(|is_over| *is_over).await);
        }
    })
    .await;
    let before = (resident_mib(), median(&plain(&broker, 300).await));
    let mut waiting = Vec::new();
    for _ in 0..HELD_UP {
        let broker = broker.clone();
        waiting.push(tokio::spawn(async move {
            let publication = broker.ask_functions_with(event(PRE), PreOptions::default()).await;
            publication.expect("it is published").wait().await.expect("it has an outcome").passed()
        }));
    }
    while begun.load(Ordering::Relaxed) < HELD_UP {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let during = (resident_mib(), median(&plain(&broker, 300).await));
    tokio::time::sleep(Duration::from_secs_f64(effort.seconds)).await;
    release.send_replace(true);
    for one in waiting {
        assert!(one.await.expect("no panic"));
    }
    broker.shutdown().await;
    vec![
        Row::new(format!("memory of {HELD_UP} PRE events that are held up"), "MiB", &[during.0 - before.0])
            .goal(Goal::Below(50.0)),
        Row::new("a plain publish meanwhile, p50", "ms", &[during.1])
            .note(format!("{:.2} without them", before.1)),
    ]
}

/// POST events from a log that is full of them to an empty one.
async fn post_events(effort: Effort) -> Row {
    let (broker, _folder) = open();
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    attach(&broker, POST, "count", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    })
    .await;
    let count = if effort.quick { 20_000 } else { 100_000 };
    let begun = Instant::now();
    for _ in 0..count / 1000 {
        let events = (0..1000).map(|_| event(POST)).collect();
        broker.publish_all(events).await.expect("they are published");
    }
    let published = begun.elapsed().as_secs_f64();
    while ran.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    broker.shutdown().await;
    Row::new("POST events that ran in process, with their publish", "events/s", &[rate])
        .goal(Goal::AtLeast(5000.0))
        .note(format!("{count} events, published in {published:.1} s"))
}

/// What this process has in memory.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
