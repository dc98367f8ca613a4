//! Durable publishes in batches, next to the bare server.

use crate::Effort;
use crate::bare::BareServer;
use crate::broker::Broker;
use crate::load::Load;
use crate::publish::{middle, rates};
use crate::report::{Goal, Report, Row};

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let (broker, bare) = (Broker::empty(), BareServer::start());
    let mut rows = Vec::new();
    for (batch, connections, lines) in
        [(100, 4, false), (100, 16, false), (1000, 4, false), (1000, 16, false), (1000, 4, true)]
    {
        let load =
            |address| Load { batch, lines, ..Load::single(address, connections, effort.seconds.min(2.5)) };
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds.min(3) {
            ours.push(load(broker.address).run());
            limit.push(load(bare.address).run());
        }
        let kind = if lines { "lines" } else { "JSON" };
        let case = format!("{batch} events a request, {connections} connections, {kind}");
        let note = format!("p99 ms {:.1}", middle(&ours, |one| one.p99_ms));
        let row = Row::new(case, "events/s", &rates(&ours)).against(&rates(&limit));
        rows.push(row.goal(Goal::AtLeast(80_000.0)).note(note));
    }
    report.table(&rows);
}
