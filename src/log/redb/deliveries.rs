//! The delivery log: the attempts of destinations, each in the segment that was written when it ended.
//!
//! A row begins with a byte that tells what the attempt meant, so that a list by status fetches only what it shows.
//! The attempts of an event are never in an older segment than the event.

use super::attempt_row::decode;
use super::fault::ReadFault;
use super::journal::verdict_of;
use super::schema::ATTEMPTS;
use super::segment::Segment;
use super::shared::Shared;
use crate::log::{
    AttemptQuery, DeliveryQuery, DeliveryRows, LastAttempt, LastAttempts, LastAttemptsQuery, LogError,
};
use crate::model::{AttemptRecord, EventFilter, Sequence, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One page looks at no more attempts than this in a segment, and fetches no more records than that.
const MOST_ROWS: usize = 50_000;
const MOST_RECORDS: usize = 5_000;

/// More attempts of one delivery than any schedule makes.
const MOST_ATTEMPTS: usize = 1000;

/// Attempts of a destination, oldest first.
pub(super) fn attempts(shared: &Shared, query: &AttemptQuery) -> Result<Vec<AttemptRecord>, LogError> {
    let (low, high) = query.sequence.map_or((0, u64::MAX), |sequence| (sequence.0, sequence.0));
    let range = (query.destination.0, low, 0)..=(query.destination.0, high, u32::MAX);
    // Of the same attempt an older file only has what a failed write left.
    let mut attempts: BTreeMap<(u64, u32), AttemptRecord> = BTreeMap::new();
    for segment in shared.segments.load().iter() {
        // An attempt is never older than its event.
        if segment.last_sequence() < low && segment.summary().is_some() {
            continue;
        }
        let read = segment.read(&*shared.disk, |transaction| {
            for row in transaction.open_table(ATTEMPTS)?.range(range.clone())? {
                if attempts.len() >= query.limit {
                    break;
                }
                let (key, value) = row?;
                let record = decode(key.value(), value.value());
                attempts.extend(record.map(|record| ((record.sequence.0, record.attempt), record)));
            }
            Ok(())
        });
        shared.unless_damaged(read)?;
    }
    Ok(attempts.into_values().collect())
}

/// The last attempt of a delivery: where it is, and what it meant.
#[derive(Debug, Clone)]
struct Last {
    attempt: u32,
    verdict: Verdict,
    segment: Arc<Segment>,
}

/// Deliveries that had an attempt, newest event first.
pub(super) fn deliveries(shared: &Shared, query: &DeliveryQuery) -> Result<DeliveryRows, LogError> {
    let (known, floor) = newest_attempts(shared, query)?;
    let mut rows =
        DeliveryRows { scanned_to: Sequence(floor), has_more: floor > 0, ..DeliveryRows::default() };
    let mut fetched = 0;
    for (sequence, last) in known.iter().rev() {
        if rows.last_attempts.len() >= query.limit || fetched >= MOST_RECORDS {
            rows.scanned_to = Sequence(*sequence).next();
            rows.has_more = true;
            break;
        }
        if (query.wanted)(Sequence(*sequence), last.verdict) {
            fetched += 1;
            let record = record(shared, query, *sequence, last)?;
            rows.last_attempts.extend(record.filter(|record| is_wanted(&query.filter, record)));
        }
    }
    Ok(rows)
}

fn is_wanted(filter: &EventFilter, record: &AttemptRecord) -> bool {
    let is_open = *filter == EventFilter::default();
    is_open || record.event.as_ref().is_some_and(|note| filter.matches_note(note))
}

/// The last attempt of every delivery from the given floor up to the query's end.
fn newest_attempts(shared: &Shared, query: &DeliveryQuery) -> Result<(BTreeMap<u64, Last>, u64), LogError> {
    let mut known: BTreeMap<u64, Last> = BTreeMap::new();
    let mut floor = 0;
    for segment in shared.segments.load().iter().rev() {
        if segment.summary().is_some() && segment.last_sequence() < floor {
            break;
        }
        let read = segment.read(&*shared.disk, |transaction| {
            let from = (query.destination.0, floor, 0);
            let table = transaction.open_table(ATTEMPTS)?;
            let range = table.range(from..(query.destination.0, query.below.0, 0))?;
            let mut rows = Vec::new();
            for row in range.rev() {
                let (key, value) = row?;
                let (_, sequence, attempt) = key.value();
                if rows.len() >= MOST_ROWS {
                    return Ok((rows, Some(sequence)));
                }
                let kind = value.value().first().copied().unwrap_or(u8::MAX);
                let verdict = verdict_of(kind, 0);
                rows.extend(verdict.map(|verdict| (sequence, attempt, verdict)));
            }
            Ok::<_, ReadFault>((rows, None))
        });
        let (rows, stopped_at) = shared.unless_damaged(read)?.unwrap_or_default();
        // Of the delivery it stopped at some attempts may be missing.
        let above = stopped_at.map_or(0, |sequence| sequence + 1);
        floor = floor.max(above.min(query.below.0.saturating_sub(1)));
        for (sequence, attempt, verdict) in rows {
            let last = Last { attempt, verdict, segment: Arc::clone(segment) };
            let kept = known.entry(sequence).or_insert_with(|| last.clone());
            if attempt > kept.attempt {
                *kept = last;
            }
        }
    }
    let known = known.split_off(&floor);
    Ok((known, floor))
}

/// The whole record of a last attempt. An event that could not be read any more is named by an earlier one.
fn record(
    shared: &Shared,
    query: &DeliveryQuery,
    sequence: u64,
    last: &Last,
) -> Result<Option<AttemptRecord>, LogError> {
    let key = (query.destination.0, sequence, last.attempt);
    let record = last.segment.read(&*shared.disk, |transaction| {
        let row = transaction.open_table(ATTEMPTS)?.get(key)?;
        Ok(row.and_then(|row| decode(key, row.value())))
    });
    let Some(mut record) = shared.unless_damaged(record)?.flatten() else { return Ok(None) };
    if record.event.is_none() {
        let (destination, sequence) = (query.destination, Some(Sequence(sequence)));
        let earlier = attempts(shared, &AttemptQuery { destination, sequence, limit: MOST_ATTEMPTS })?;
        record.event = earlier.into_iter().find_map(|one| one.event);
    }
    Ok(Some(record))
}

/// The last attempts of deliveries, in log order.
pub(super) fn last_attempts(shared: &Shared, query: &LastAttemptsQuery) -> Result<LastAttempts, LogError> {
    let mut known: BTreeMap<u64, LastAttempt> = BTreeMap::new();
    let mut up_to = query.up_to.0;
    for segment in shared.segments.load().iter() {
        if segment.last_sequence() <= query.after.0 && segment.summary().is_some() {
            continue;
        }
        let read = segment.read(&*shared.disk, |transaction| {
            let table = transaction.open_table(ATTEMPTS)?;
            let destination = query.destination.0;
            let from = (destination, query.after.0.saturating_add(1), 0);
            let mut rows = Vec::new();
            for row in table.range(from..=(destination, up_to, u32::MAX))? {
                let (key, value) = row?;
                let (_, sequence, attempts) = key.value();
                if rows.len() >= MOST_ROWS {
                    // Of the delivery it stopped at some attempts may be missing.
                    return Ok((rows, sequence.saturating_sub(1)));
                }
                let kind = value.value().first().copied().unwrap_or(u8::MAX);
                let sequence = Sequence(sequence);
                rows.extend(verdict_of(kind, 0).map(|verdict| LastAttempt { sequence, attempts, verdict }));
            }
            Ok::<_, ReadFault>((rows, u64::MAX))
        });
        let (rows, complete_to) = shared.unless_damaged(read)?.unwrap_or((Vec::new(), u64::MAX));
        up_to = up_to.min(complete_to).max(query.after.0);
        for row in rows {
            let kept = known.entry(row.sequence.0).or_insert(row);
            // A write that failed may have left the same attempt in an older file.
            if row.attempts >= kept.attempts {
                *kept = row;
            }
        }
    }
    let _incomplete = known.split_off(&up_to.saturating_add(1));
    Ok(LastAttempts::cut(known.into_values().collect(), query.limit, Sequence(up_to)))
}
