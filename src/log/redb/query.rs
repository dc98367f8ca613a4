//! Answering queries: from the tail in memory when it has everything, else from the segments by what they index.

use super::columns::ColumnFilter;
use super::fault::ReadFault;
use super::scan::Scan;
use super::segment::Segment;
use super::shared::Shared;
use super::tables::Tables;
use crate::log::{LogError, MEMORY_WORK, Order, PAGE_WORK, Page, Query, Work};
use crate::model::Sequence;

/// How many events of the tail are looked at on the caller's thread.
const TAIL_SCAN_LIMIT: usize = 4096;

/// A page from memory; `None` when the segments have to be read.
pub(super) fn from_tail(shared: &Shared, query: &Query) -> Option<Page> {
    if query.order == Order::Descending {
        return None;
    }
    // Looked at first: an event that is committed after the next line is not in this page.
    let head = shared.bounds.borrow().head;
    let events = shared.tail.after(query.from, TAIL_SCAN_LIMIT)?;
    let mut page = Page { scanned_to: query.from, ..Page::default() };
    let (mut bytes, mut work) = (0, Work::up_to(MEMORY_WORK));
    let scanned = events.len();
    for event in events {
        if event.sequence() > query.up_to {
            page.scanned_to = query.up_to.max(query.from);
            return Some(page);
        }
        if work.is_spent() {
            page.has_more = true;
            return Some(page);
        }
        let matches = event.tenant() == query.tenant && work.matches(&query.filter, &event);
        if matches {
            if page.events.len() >= query.limit || (bytes >= query.max_bytes && !page.events.is_empty()) {
                page.has_more = true;
                return Some(page);
            }
            bytes += event.envelope().len();
        }
        page.scanned_to = event.sequence();
        if matches {
            page.events.push(event);
        }
    }
    let end = query.up_to.min(head).max(query.from);
    if scanned < TAIL_SCAN_LIMIT {
        page.scanned_to = page.scanned_to.max(end);
    }
    page.has_more = page.scanned_to < end;
    Some(page)
}

/// A page from the segments.
pub(super) fn read(shared: &Shared, query: &Query) -> Result<Page, LogError> {
    let bounds = *shared.bounds.borrow();
    if query.order == Order::Ascending && query.from.next() < bounds.oldest {
        return Err(behind(bounds.oldest, query.from));
    }
    let (low, high) = match query.order {
        Order::Ascending => (query.from.next().0, query.up_to.min(bounds.head).0),
        Order::Descending => (bounds.oldest.0, query.from.previous().min(bounds.head).0),
    };
    Scan::new(query, low, high).run(shared)
}

pub(super) fn behind(oldest: Sequence, from: Sequence) -> LogError {
    LogError::Trimmed { oldest, missed: oldest.0.saturating_sub(from.0 + 1) }
}

/// Counts matches by the columns, and by payload as long as that is not too much work.
pub(super) fn count(shared: &Shared, query: &Query) -> Result<u64, LogError> {
    let bounds = *shared.bounds.borrow();
    let low = query.from.next().max(bounds.oldest).0;
    let high = query.up_to.min(bounds.head).0;
    let (mut counted, mut work) = (0, Work::up_to(PAGE_WORK));
    for segment in shared.segments.load().iter() {
        let (from, to) = (low.max(segment.about.first_sequence), high.min(segment.last_sequence()));
        let filter = ColumnFilter::new(query.tenant, &query.filter, &segment.names());
        if from > to || counted >= query.limit as u64 || has_nothing_for(segment, &filter) {
            continue;
        }
        let in_segment = segment.read(&*shared.disk, |transaction| {
            let tables = Tables::open(transaction)?;
            let mut counted = 0;
            tables.each_passing(from..=to, &filter, |sequence| {
                let looks = query.filter.payload.is_some() && !work.is_spent();
                counted += u64::from(!looks || wants(&tables, sequence, query, &mut work));
            })?;
            Ok(counted)
        });
        if matches!(in_segment, Err(ReadFault::Trimmed)) {
            continue;
        }
        // What cannot be read is counted: its reader is told of it.
        counted += shared.unless_damaged(in_segment)?.unwrap_or(to + 1 - from);
    }
    Ok(counted.min(query.limit as u64))
}

/// Whether a query wants the event at a place. One that cannot be read is counted: its reader is told of it.
fn wants(tables: &Tables, sequence: u64, query: &Query, work: &mut Work) -> bool {
    tables.event(sequence).map_or(true, |event| work.matches(&query.filter, &event))
}

pub(super) fn has_nothing_for(segment: &Segment, filter: &ColumnFilter) -> bool {
    let Some(summary) = segment.summary() else {
        return false;
    };
    filter.wants_no_type_of(summary.sealed.names)
        || !filter.overlaps(summary.sealed.earliest, summary.sealed.latest)
        || filter.labels().any(|label| !summary.labels.may_hold(label))
}
