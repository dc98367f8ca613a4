//! Finding single things: an event by its place or id, a key's use.

use super::columns::id_hash;
use super::fault::ReadFault;
use super::schema::{IDS, KEYS};
use super::segment::Segment;
use super::shared::Shared;
use super::tables::Tables;
use crate::log::LogError;
use crate::model::{EventId, Sequence, StoredEvent, TenantId};
use std::sync::Arc;

/// One event by its place.
pub(super) fn get(shared: &Shared, sequence: Sequence) -> Result<Option<Arc<StoredEvent>>, LogError> {
    if let Some(event) = shared.tail.get(sequence) {
        return Ok(Some(event));
    }
    let bounds = *shared.bounds.borrow();
    let segments = shared.segments.load();
    let holds = |segment: &&Arc<Segment>| {
        (segment.about.first_sequence..=segment.last_sequence()).contains(&sequence.0)
    };
    let Some(segment) = segments.iter().rev().find(holds).filter(|_| sequence >= bounds.oldest) else {
        return Ok(None);
    };
    let event = segment.read(&*shared.disk, |transaction| Tables::open(transaction)?.event(sequence.0));
    if matches!(event, Err(ReadFault::Trimmed)) {
        return Ok(None);
    }
    let event = event.map_err(|fault| of_event(fault, sequence));
    if matches!(event, Err(LogError::Corrupt { .. })) {
        shared.count_corrupt();
    }
    event.map(|event| Some(Arc::new(event)))
}

/// Reads a place of the files, not of the memory.
pub(super) fn check(shared: &Shared, sequence: Sequence) -> Result<(), LogError> {
    let segments = shared.segments.load();
    let holds = |segment: &&Arc<Segment>| {
        (segment.about.first_sequence..=segment.last_sequence()).contains(&sequence.0)
    };
    // Places between segments were never events.
    let Some(segment) = segments.iter().find(holds) else { return Ok(()) };
    let read = segment.read(&*shared.disk, |transaction| Tables::open(transaction)?.event(sequence.0));
    match read {
        Ok(_) | Err(ReadFault::Trimmed) => Ok(()),
        Err(fault) => Err(of_event(fault, sequence)),
    }
}

/// Damage met on the way to an event makes that event unreadable.
fn of_event(fault: ReadFault, sequence: Sequence) -> LogError {
    match fault {
        ReadFault::Corrupt(_) | ReadFault::Damaged(_) => LogError::corrupt(sequence),
        fault @ (ReadFault::Store(_) | ReadFault::Trimmed) => fault.into(),
    }
}

/// The newest event of a tenant with an id.
pub(super) fn find(
    shared: &Shared,
    tenant: TenantId,
    id: &EventId,
) -> Result<Option<Arc<StoredEvent>>, LogError> {
    let given = find_given(shared, tenant, id)?;
    if given.is_some() {
        return Ok(given);
    }
    let Some(hint) = id.sequence_hint() else {
        return Ok(None);
    };
    let event = get(shared, hint)?;
    Ok(event.filter(|event| event.tenant() == tenant && event.id() == id))
}

fn find_given(shared: &Shared, tenant: TenantId, id: &EventId) -> Result<Option<Arc<StoredEvent>>, LogError> {
    let hash = id_hash(tenant, id.as_str());
    let oldest = shared.bounds.borrow().oldest.0;
    for segment in shared.segments.load().iter().rev() {
        if segment.last_sequence() < oldest {
            break;
        }
        if segment.summary().is_some_and(|summary| !summary.ids.may_hold(hash)) {
            continue;
        }
        let last = segment.last_sequence();
        let found = segment.read(&*shared.disk, |transaction| {
            let ids = transaction.open_table(IDS)?;
            for row in ids.range((hash, oldest)..=(hash, last))?.rev() {
                let sequence = row?.0.value().1;
                let event = Tables::open(transaction)?.event(sequence)?;
                if event.tenant() == tenant && event.id() == id {
                    return Ok(Some(event));
                }
            }
            Ok(None)
        });
        if let Some(event) = shared.unless_damaged(found)?.flatten() {
            return Ok(Some(Arc::new(event)));
        }
    }
    Ok(None)
}

/// What is stored of an idempotency key, newest first.
pub(super) fn key_row(shared: &Shared, hash: u64) -> Result<Option<Vec<u8>>, LogError> {
    let oldest = shared.bounds.borrow().oldest.0;
    for segment in shared.segments.load().iter().rev() {
        let gone = segment.last_sequence() < oldest && segment.summary().is_some();
        if gone || segment.summary().is_some_and(|summary| !summary.ids.may_hold(hash)) {
            continue;
        }
        let row = segment.read(&*shared.disk, |transaction| {
            Ok(transaction.open_table(KEYS)?.get(hash)?.map(|row| row.value().to_vec()))
        });
        let row = shared.unless_damaged(row)?.flatten();
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}
