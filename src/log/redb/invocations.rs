//! Rows of invocations: what became of functions' runs, and of the runs of PRE events.
//!
//! An invocation's rows stand in the files that were written when they happened: a retry may be in a later one than
//! its event. A file that was left behind after a failed write may have a row of an attempt that was recorded again, or made
//! again: the one in the newer file counts.

use super::fault::ReadFault;
use super::schema::{INVOCATIONS, from_checked_json, to_checked_json};
use super::shared::Shared;
use crate::log::{Change, InvocationQuery, InvocationRows, LogError};
use crate::model::{ClosedGate, GateChange, InvocationId, InvocationRecord, Sequence, TenantId};
use redb::{ReadOnlyTable, ReadTransaction, TableError};
use std::collections::BTreeMap;

type Key = (u32, u64, u16, u32);

/// A row to write.
pub(super) type Row = (Key, Vec<u8>);

/// The slot of the row that says how a PRE event's run ended.
const GATE_SLOT: u16 = u16::MAX;

/// A read looks at so many invocations of a file at most.
const SCANNED: usize = 4096;

/// The name that rows are checked with.
const NAME: &str = "invocation";

/// The rows that a change adds; what stands in them is taken out of what is journaled.
pub(super) fn rows_of(change: &mut Change) -> Vec<Row> {
    match change {
        Change::Invoked { record, .. } => vec![row_of(record)],
        Change::Gate(change) => match &mut **change {
            GateChange::Open(gate) => gate.opened().iter().map(row_of).collect(),
            GateChange::Close(closed) => {
                let mut rows: Vec<Row> = closed.records.drain(..).map(|record| row_of(&record)).collect();
                let key = (closed.tenant.0, closed.sequence.0, GATE_SLOT, 0);
                rows.push((key, to_checked_json(NAME, &*closed)));
                // The journal only needs to know that it ended.
                closed.params = None;
                closed.conflicts.clear();
                closed.broken.clear();
                rows
            }
        },
        _ => Vec::new(),
    }
}

fn row_of(record: &InvocationRecord) -> Row {
    let key = (record.tenant.0, record.sequence.0, record.slot, record.attempt);
    (key, to_checked_json(NAME, record))
}

/// The table; `None` in files that are older than it.
fn table_of(transaction: &ReadTransaction) -> Result<Option<ReadOnlyTable<Key, &'static [u8]>>, ReadFault> {
    match transaction.open_table(INVOCATIONS) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Everything between two keys, from the files that may have it, oldest file first.
fn between(shared: &Shared, low: Key, high: Key) -> Result<Vec<(Key, Vec<u8>)>, LogError> {
    let mut rows = Vec::new();
    for segment in shared.segments.load().iter() {
        // A row is never older than its event.
        if segment.last_sequence() < low.1 && segment.summary().is_some() {
            continue;
        }
        let read = segment.read(&*shared.disk, |transaction| {
            let Some(table) = table_of(transaction)? else { return Ok(Vec::new()) };
            let mut found = Vec::new();
            for row in table.range(low..=high)?.take(SCANNED) {
                let (key, value) = row?;
                found.push((key.value(), value.value().to_vec()));
            }
            Ok(found)
        });
        rows.extend(shared.unless_damaged(read)?.unwrap_or_default());
    }
    Ok(rows)
}

/// How a PRE event's run ended.
pub(super) fn closed_gate(
    shared: &Shared,
    tenant: TenantId,
    sequence: Sequence,
) -> Result<Option<ClosedGate>, LogError> {
    let rows = between(shared, (tenant.0, sequence.0, 0, 0), (tenant.0, sequence.0, u16::MAX, u32::MAX))?;
    let mut closed = None;
    let mut records: BTreeMap<u16, InvocationRecord> = BTreeMap::new();
    for ((_, _, slot, _), row) in rows {
        if slot == GATE_SLOT {
            closed = from_checked_json::<ClosedGate>(NAME, &row).or(closed);
        } else if let Some(record) = from_checked_json::<InvocationRecord>(NAME, &row) {
            // Rows come in the order of attempts: the last one counts.
            records.insert(slot, record);
        }
    }
    Ok(closed.map(|mut closed| {
        closed.records = records.into_values().collect();
        closed.records.sort_by_key(|record| (record.task.stage, record.task.subscription));
        closed
    }))
}

/// Everything kept of one invocation.
pub(super) fn one(
    shared: &Shared,
    tenant: TenantId,
    id: InvocationId,
) -> Result<Vec<InvocationRecord>, LogError> {
    let (sequence, slot) = (id.sequence.0, id.slot);
    let rows = between(shared, (tenant.0, sequence, slot, 0), (tenant.0, sequence, slot, u32::MAX))?;
    let mut records: Vec<InvocationRecord> =
        rows.iter().filter_map(|(_, row)| from_checked_json(NAME, row)).collect();
    records.reverse();
    records.sort_by_key(|record| record.attempt);
    records.dedup_by_key(|record| record.attempt);
    Ok(records)
}

/// A page of invocations, newest first.
pub(super) fn list(shared: &Shared, query: &InvocationQuery) -> Result<InvocationRows, LogError> {
    let mut newest: BTreeMap<InvocationId, InvocationRecord> = BTreeMap::new();
    // Every invocation from here on is in `newest`: a file of which not everything was looked at sets it.
    let mut floor: Option<InvocationId> = None;
    for segment in shared.segments.load().iter().rev() {
        let low = query.sequence.map_or(0, |sequence| sequence.0);
        if segment.last_sequence() < low && segment.summary().is_some() {
            continue;
        }
        let read = segment.read(&*shared.disk, |transaction| {
            Ok(match table_of(transaction)? {
                Some(table) => scan(&table, query, floor)?,
                None => (Vec::new(), None),
            })
        });
        let (rows, cut) = shared.unless_damaged(read)?.unwrap_or_default();
        for record in rows {
            let known = newest.entry(record.id()).or_insert_with(|| record.clone());
            // Of the same attempt an older file only has what a failed write left.
            if record.attempt > known.attempt {
                *known = record;
            }
        }
        floor = floor.max(cut);
        if newest.len() > SCANNED {
            floor = floor.max(newest.keys().rev().nth(SCANNED - 1).copied());
        }
        if let Some(floor) = floor {
            newest = newest.split_off(&floor);
        }
    }
    Ok(page_of(newest, floor, query))
}

/// Puts a page together from the last record of each invocation.
pub(in crate::log) fn page_of(
    newest: BTreeMap<InvocationId, InvocationRecord>,
    floor: Option<InvocationId>,
    query: &InvocationQuery,
) -> InvocationRows {
    let is_wanted = |record: &InvocationRecord| {
        query.status.is_none_or(|status| record.status == status)
            && query.function.is_none_or(|function| record.task.function == function)
    };
    let mut page = InvocationRows { rows: Vec::new(), more_below: floor };
    for (id, record) in newest.into_iter().rev() {
        if floor.is_some_and(|floor| id < floor) {
            break;
        }
        if !is_wanted(&record) {
            continue;
        }
        if page.rows.len() == query.limit {
            page.more_below = page.rows.last().map(InvocationRecord::id);
            return page;
        }
        page.rows.push(record);
    }
    page
}

/// The newest records of a file below the query's place, and down to where it was looked at.
fn scan(
    table: &ReadOnlyTable<Key, &'static [u8]>,
    query: &InvocationQuery,
    floor: Option<InvocationId>,
) -> Result<(Vec<InvocationRecord>, Option<InvocationId>), ReadFault> {
    let tenant = query.tenant.0;
    let low = (tenant, query.sequence.map_or(0, |sequence| sequence.0), 0, 0);
    let low = floor.map_or(low, |floor| low.max((tenant, floor.sequence.0, floor.slot, 0)));
    let high = match query.below {
        Some(below) => (tenant, below.sequence.0, below.slot, 0),
        None => (tenant, u64::MAX, u16::MAX, u32::MAX),
    };
    let highest = query.sequence.map_or(u64::MAX, |sequence| sequence.0);
    let high = high.min((tenant, highest, u16::MAX, u32::MAX));
    if low >= high {
        return Ok((Vec::new(), None));
    }
    let mut records: Vec<InvocationRecord> = Vec::new();
    for row in table.range(low..high)?.rev() {
        let (key, value) = row?;
        let (_, sequence, slot, _) = key.value();
        let id = InvocationId { sequence: Sequence(sequence), slot };
        if slot == GATE_SLOT || records.last().is_some_and(|last| last.id() == id) {
            continue;
        }
        if records.len() == SCANNED {
            // This one was not looked at any more.
            let floor = records.last().map(InvocationRecord::id);
            return Ok((records, floor));
        }
        records.extend(from_checked_json::<InvocationRecord>(NAME, value.value()));
    }
    Ok((records, None))
}
