//! What the log in memory keeps of functions' runs.

use crate::log::{Change, InvocationQuery, InvocationRows};
use crate::model::{
    ClosedGate, Gate, GateChange, InvocationId, InvocationRecord, InvocationStatus, Sequence, TenantId,
};
use std::collections::BTreeMap;

/// Runs of PRE events under way and ended, and the attempts of every invocation.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) gates: BTreeMap<Sequence, Gate>,
    closed: BTreeMap<(TenantId, Sequence), ClosedGate>,
    records: BTreeMap<(TenantId, InvocationId, u32), InvocationRecord>,
}

impl Runs {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Invoked { record, .. } => self.put((**record).clone()),
            Change::Gate(change) => match &**change {
                GateChange::Open(gate) => {
                    self.gates.insert(gate.sequence, gate.clone());
                    gate.opened().into_iter().for_each(|record| self.put(record));
                }
                GateChange::Close(closed) => {
                    self.gates.remove(&closed.sequence);
                    closed.records.iter().for_each(|record| self.put(record.clone()));
                    self.closed.insert((closed.tenant, closed.sequence), closed.clone());
                }
            },
            _ => {}
        }
    }

    fn put(&mut self, record: InvocationRecord) {
        self.records.insert((record.tenant, record.id(), record.attempt), record);
    }

    pub(super) fn closed(&self, tenant: TenantId, sequence: Sequence) -> Option<ClosedGate> {
        self.closed.get(&(tenant, sequence)).cloned()
    }

    pub(super) fn one(&self, tenant: TenantId, id: InvocationId) -> Vec<InvocationRecord> {
        let all = self.records.range((tenant, id, 0)..=(tenant, id, u32::MAX));
        all.map(|(_, record)| record.clone()).collect()
    }

    pub(super) fn list(&self, query: &InvocationQuery) -> InvocationRows {
        let mut newest: BTreeMap<InvocationId, &InvocationRecord> = BTreeMap::new();
        for ((tenant, id, _), record) in &self.records {
            if *tenant == query.tenant && query.below.is_none_or(|below| *id < below) {
                newest.insert(*id, record);
            }
        }
        let is = |status: InvocationStatus| query.status.is_none_or(|wanted| wanted == status);
        let wanted = newest.into_values().rev().filter(|record| {
            is(record.status)
                && query.sequence.is_none_or(|sequence| record.sequence == sequence)
                && query.function.is_none_or(|function| record.task.function == function)
        });
        let mut rows: Vec<InvocationRecord> = wanted.take(query.limit + 1).cloned().collect();
        let has_more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let more_below = rows.last().filter(|_| has_more).map(InvocationRecord::id);
        InvocationRows { rows, more_below }
    }
}
