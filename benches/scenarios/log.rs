//! A log of five million events: pages from random places, opening after a kill, memory.
//!
//! The filled folder stays under the build products for the next run.

use crate::broker::Broker;
use crate::load::{Fill, Load};
use crate::query::{Answered, Queries};
use crate::report::{Goal, Report, Row, target_folder};
use crate::{Effort, child, events};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a filled folder holds, written beside it once it is whole.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Filled {
    events: u64,
    base_ms: i64,
    events_per_s: f64,
}

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let empty = Broker::empty();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let mut rows =
        vec![Row::new("memory, empty and idle", "MiB", &[empty.resident_mib()]).goal(Goal::Below(30.0))];
    drop(empty);

    let events = if effort.quick { 500_000 } else { 5_000_000 };
    let folder = target_folder().join("bench-data").join(format!("log-{events}"));
    let filled = filled(&folder, events);
    rows.push(Row::new("the fill, batches of 1,000", "events/s", &[filled.events_per_s]));
    rows.push(open_after_kill(effort, &folder));

    let broker = Broker::start(&folder);
    let opened = broker.resident_mib();
    for (name, filter) in filters() {
        rows.push(pages(effort, &broker, filled, name, filter));
    }
    let row = Row::new(
        format!("memory after all reads, {} events", filled.events),
        "MiB",
        &[broker.resident_mib()],
    );
    rows.push(row.goal(Goal::Below(200.0)).note(format!("after opening {opened:.0}")));
    broker.stop();
    report.table(&rows);
}

fn filled(folder: &PathBuf, events: u64) -> Filled {
    let note = folder.join("filled.json");
    if let Some(filled) =
        std::fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Filled>(&bytes).ok())
    {
        return filled;
    }
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).expect("the target folder can be written");
    let base_ms = campanile::clock::now().0 - events as i64 * 100;
    let broker = Broker::start(folder);
    let fill = Fill { address: broker.address, events, base_ms };
    let events_per_s = child::Process::ask("fill", &serde_json::json!(fill));
    broker.stop();
    let filled = Filled { events, base_ms, events_per_s };
    std::fs::write(note, serde_json::json!(filled).to_string()).expect("the target folder can be written");
    filled
}

/// Kills it in the middle of publishes, and takes the time until it is ready again.
fn open_after_kill(effort: Effort, folder: &PathBuf) -> Row {
    let mut taken = Vec::new();
    for _ in 0..effort.rounds {
        let broker = Broker::start(folder);
        let load = Load { batch: 10, ..Load::single(broker.address, 4, 0.5) };
        load.run();
        let mut running =
            child::Process::start("publish", &serde_json::json!(Load { seconds: 30.0, ..load }));
        std::thread::sleep(std::time::Duration::from_millis(200));
        broker.kill();
        running.end();
        let broker = Broker::start(folder);
        taken.push(broker.ready_after.as_secs_f64());
        broker.stop();
    }
    Row::new("open after kill -9 until /readyz is 200", "s", &taken).goal(Goal::Below(1.0))
}

type Filter = fn(u64, Filled) -> String;

/// What follows `limit=100&` for a random event number.
fn filters() -> [(&'static str, Filter); 10] {
    [
        ("no filter", |at, _| format!("cursor={at}")),
        ("type, 30 % match", |at, _| format!("cursor={at}&type=pipeline.completed")),
        ("type, 0.1 % match", |at, _| format!("cursor={at}&type=pipeline.failed")),
        ("type, 0.01 % match", |at, _| format!("cursor={at}&type=audit.key.removed")),
        ("wildcard, 60 % match", |at, _| format!("cursor={at}&type=pipeline.stage.*")),
        ("wildcard, 0.01 % match", |at, _| format!("cursor={at}&type=audit.*")),
        ("pipeline, 1 % match", |at, _| format!("cursor={at}&pipeline=pipeline-{}", at % 97)),
        ("run_id, 50 events, from the start", |at, _| format!("run_id=run_{}", at / 50)),
        ("one hour by time", |at, filled| {
            let since = events::time_of(at, filled.base_ms);
            let until = events::time_of(at + 36_000, filled.base_ms);
            format!("since={since}&until={until}")
        }),
        ("newest first, 0.1 % match", |at, _| format!("cursor={at}&order=desc&type=pipeline.failed")),
    ]
}

fn pages(effort: Effort, broker: &Broker, filled: Filled, name: &str, filter: Filter) -> Row {
    let count = if effort.quick { 100 } else { 500 };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let paths = (0..count).map(|_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        format!("/api/v1/events?limit=100&{}", filter(random % filled.events, filled))
    });
    let queries = Queries { address: broker.address, paths: paths.collect() };
    let answered: Answered = child::Process::ask("query", &serde_json::json!(queries));
    let note = format!(
        "p50 {:.2}, worst {:.1} ms; {:.0} events a page, more after {:.0} %",
        answered.p50_ms,
        answered.worst_ms,
        answered.events,
        answered.has_more * 100.0
    );
    Row::new(format!("page of 100, {name}, p99"), "ms", &[answered.p99_ms]).goal(Goal::Below(10.0)).note(note)
}
