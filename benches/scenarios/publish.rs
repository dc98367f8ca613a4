//! Durable publishes of single events over HTTP, next to the bare server.

use crate::Effort;
use crate::bare::BareServer;
use crate::broker::{Broker, cpu_seconds};
use crate::load::{Load, Published};
use crate::probe::Fsync;
use crate::report::{Goal, Report, Row};

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let (broker, bare) = (Broker::empty(), BareServer::start());
    let mut rows = Vec::new();
    for connections in [256, 64] {
        let load = |address| Load::single(address, connections, effort.seconds);
        load(broker.address).run();
        load(bare.address).run();
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        let before = (broker.cpu_seconds(), cpu_seconds(bare.id()));
        for _ in 0..effort.rounds {
            ours.push(load(broker.address).run());
            limit.push(load(bare.address).run());
        }
        let used = (broker.cpu_seconds() - before.0, cpu_seconds(bare.id()) - before.1);
        let total = |all: &[Published]| all.iter().map(|one| one.events_per_s * effort.seconds).sum::<f64>();
        let note = format!(
            "CPU µs/event {:.1} against {:.1}; p50 / p99 ms {:.1} / {:.1} against {:.1} / {:.1}",
            used.0 * 1e6 / total(&ours),
            used.1 * 1e6 / total(&limit),
            middle(&ours, |one| one.p50_ms),
            middle(&ours, |one| one.p99_ms),
            middle(&limit, |one| one.p50_ms),
            middle(&limit, |one| one.p99_ms),
        );
        let row = Row::new(format!("{connections} connections"), "events/s", &rates(&ours));
        rows.push(row.against(&rates(&limit)).goal(Goal::Ratio(0.6)).note(note));
    }
    rows.extend(one_connection(effort, &broker, &bare));
    report.table(&rows);
}

fn one_connection(effort: Effort, broker: &Broker, bare: &BareServer) -> [Row; 2] {
    let load = |address| Load::single(address, 1, effort.seconds.min(2.0));
    let (mut ours, mut limit, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(load(broker.address).run());
        limit.push(load(bare.address).run());
        disk.push(Fsync::ask());
    }
    let p50 = |all: &[Published]| all.iter().map(|one| one.p50_ms).collect::<Vec<_>>();
    let disk: Vec<f64> = disk.iter().map(|one| one.p50_ms).collect();
    let row = Row::new("1 connection, p50", "ms", &p50(&ours));
    [
        row.against(&disk).goal(Goal::Above(1.0)).note("limit: the bare append + fsync"),
        Row::new("1 connection", "events/s", &rates(&ours)).against(&rates(&limit)),
    ]
}

/// The rates of rounds.
pub(crate) fn rates(all: &[Published]) -> Vec<f64> {
    assert!(all.iter().all(|one| one.refused == 0), "publishes were refused");
    all.iter().map(|one| one.events_per_s).collect()
}

/// The median of something over the rounds.
pub(crate) fn middle(all: &[Published], of: impl Fn(&Published) -> f64) -> f64 {
    crate::report::median(&all.iter().map(of).collect::<Vec<_>>())
}
