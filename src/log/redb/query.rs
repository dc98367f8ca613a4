//! Answering queries: from the tail in memory when it has everything, else from the segments by their columns.

use super::columns::{ColumnFilter, Columns, Entry, id_hash};
use super::row;
use super::schema::{ATTEMPTS, COLUMNS, EVENTS, IDS, KEYS};
use super::segment::{ReadFault, Segment};
use super::shared::Shared;
use crate::log::{AttemptQuery, LogError, Order, Page, Query};
use crate::model::{AttemptRecord, EventId, Sequence, StoredEvent, TenantId};
use redb::{ReadOnlyTable, ReadTransaction};
use std::sync::Arc;

/// One read looks at no more events than this; a rarer match takes another page.
const SCAN_LIMIT: u64 = 1_000_000;

/// How many events of the tail are looked at on the caller's thread.
const TAIL_SCAN_LIMIT: usize = 4096;

/// A page from memory; `None` when the segments have to be read.
pub(super) fn from_tail(shared: &Shared, query: &Query) -> Option<Page> {
    if query.order == Order::Descending {
        return None;
    }
    let events = shared.tail.after(query.from, TAIL_SCAN_LIMIT)?;
    let mut page = Page { scanned_to: query.from, ..Page::default() };
    let mut bytes = 0;
    let scanned = events.len();
    for event in events {
        if event.sequence() > query.up_to {
            page.scanned_to = query.up_to.max(query.from);
            return Some(page);
        }
        let matches = event.tenant() == query.tenant && query.filter.matches(&event);
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
    let head = shared.bounds.borrow().head;
    let end = query.up_to.min(head).max(query.from);
    if scanned < TAIL_SCAN_LIMIT {
        page.scanned_to = end;
    }
    page.has_more = page.scanned_to < end;
    Some(page)
}

/// A page from the segments.
pub(super) fn read(shared: &Shared, query: &Query) -> Result<Page, LogError> {
    let bounds = *shared.bounds.borrow();
    if query.order == Order::Ascending && query.from.next() < bounds.oldest {
        let missed = bounds.oldest.0 - query.from.0 - 1;
        return Err(LogError::Trimmed { oldest: bounds.oldest, missed });
    }
    let (low, high) = match query.order {
        Order::Ascending => (query.from.next().0, query.up_to.min(bounds.head).0),
        Order::Descending => (bounds.oldest.0, query.from.previous().min(bounds.head).0),
    };
    let mut scan = Scan { query, low, high, page: Page::default(), bytes: 0, looked_at: 0, position: low };
    if query.order == Order::Descending {
        scan.position = high;
    }
    scan.run(shared)
}

/// Counts matches by the columns alone.
pub(super) fn count(shared: &Shared, query: &Query) -> Result<u64, LogError> {
    let bounds = *shared.bounds.borrow();
    let low = query.from.next().max(bounds.oldest).0;
    let high = query.up_to.min(bounds.head).0;
    let mut counted = 0;
    for segment in shared.segments.load().iter() {
        let (from, to) = (low.max(segment.about.first_sequence), high.min(segment.last_sequence()));
        let filter = ColumnFilter::new(query.tenant, &query.filter, &segment.names());
        if from > to || counted >= query.limit as u64 || has_nothing_for(segment, &filter) {
            continue;
        }
        counted += segment.read(&*shared.disk, |transaction| {
            let columns = transaction.open_table(COLUMNS)?;
            let mut counted = 0;
            for row in columns.range(row_start(&columns, from)?..=to)? {
                let (first, row) = row?;
                let Some(columns) = Columns::read(first.value(), row.value()) else {
                    continue;
                };
                let begin = from.saturating_sub(columns.first);
                let end = columns.len().min(to + 1 - columns.first);
                let entries = (begin..end).filter_map(|index| columns.entry(index));
                counted += entries.filter(|entry| filter.passes(entry)).count() as u64;
            }
            Ok(counted)
        })?;
    }
    Ok(counted.min(query.limit as u64))
}

fn has_nothing_for(segment: &Segment, filter: &ColumnFilter) -> bool {
    let Some(summary) = segment.summary() else {
        return false;
    };
    filter.wants_no_type()
        || !filter.overlaps(summary.sealed.earliest, summary.sealed.latest)
        || filter.labels().any(|label| !summary.labels.may_hold(label))
}

/// The key of the columns row that holds `sequence`, or of the first one after it.
fn row_start(columns: &ReadOnlyTable<u64, &'static [u8]>, sequence: u64) -> Result<u64, ReadFault> {
    Ok(columns.range(..=sequence)?.next_back().transpose()?.map_or(sequence, |(first, _)| first.value()))
}

/// A walk through the segments towards a full page.
struct Scan<'a> {
    query: &'a Query,
    low: u64,
    high: u64,
    page: Page,
    bytes: usize,
    looked_at: u64,
    /// The next place to look at.
    position: u64,
}

/// Why a walk ends inside a segment.
enum Stop {
    /// The page is full, or enough was looked at.
    Full,
    Fault(ReadFault),
}

impl From<ReadFault> for Stop {
    fn from(fault: ReadFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<redb::StorageError> for Stop {
    fn from(error: redb::StorageError) -> Self {
        Self::Fault(error.into())
    }
}

impl Scan<'_> {
    fn run(mut self, shared: &Shared) -> Result<Page, LogError> {
        let ascending = self.query.order == Order::Ascending;
        let segments = shared.segments.load();
        let in_order: Vec<&Arc<Segment>> =
            if ascending { segments.iter().collect() } else { segments.iter().rev().collect() };
        for segment in in_order {
            let from = self.low.max(segment.about.first_sequence);
            let to = self.high.min(segment.last_sequence());
            if from > to {
                continue;
            }
            if ascending {
                self.position = self.position.max(from)
            } else {
                self.position = self.position.min(to)
            }
            let filter = ColumnFilter::new(self.query.tenant, &self.query.filter, &segment.names());
            if !has_nothing_for(segment, &filter) {
                let walked = segment.read(&*shared.disk, |transaction| {
                    let tables = Tables::open(transaction)?;
                    let walked = if ascending {
                        self.ascend(&tables, &filter, to)
                    } else {
                        self.descend(&tables, &filter, from)
                    };
                    match walked {
                        Ok(()) => Ok(false),
                        Err(Stop::Full) => Ok(true),
                        Err(Stop::Fault(fault)) => Err(fault),
                    }
                });
                match walked {
                    Ok(false) => {}
                    Ok(true) => return Ok(self.full()),
                    Err(error) => return self.broken(shared, error),
                }
            }
            self.position = if ascending { to + 1 } else { from - 1 };
        }
        self.page.scanned_to = match self.query.order {
            Order::Ascending => Sequence(self.high).max(self.query.from),
            Order::Descending => Sequence(self.low),
        };
        Ok(self.page)
    }

    /// A page that ends before the end of the range.
    fn full(mut self) -> Page {
        self.page.has_more = true;
        self.page.scanned_to = match self.query.order {
            Order::Ascending => Sequence(self.position - 1),
            Order::Descending => Sequence(self.position + 1),
        };
        self.page
    }

    /// What was found before a corrupt event is given first; asking again from there names it.
    fn broken(mut self, shared: &Shared, error: LogError) -> Result<Page, LogError> {
        let LogError::Corrupt { sequence } = error else {
            return Err(error);
        };
        shared.count_corrupt();
        let at_once = match self.query.order {
            Order::Ascending => sequence == self.query.from.next(),
            Order::Descending => sequence.0 == self.high,
        };
        if at_once {
            return Err(error);
        }
        self.position = sequence.0;
        Ok(self.full())
    }

    fn ascend(&mut self, tables: &Tables, filter: &ColumnFilter, to: u64) -> Result<(), Stop> {
        for row in tables.columns.range(row_start(&tables.columns, self.position)?..=to)? {
            let (first, row) = row?;
            let (first, columns) = (first.value(), Columns::read(first.value(), row.value()));
            // Places that no readable columns tell of are looked at one by one.
            while self.position < first {
                self.visit(tables, self.position)?;
                self.position += 1;
            }
            let Some(columns) = columns else { continue };
            let end = (first + columns.len() - 1).min(to);
            self.looked_at += (end + 1).saturating_sub(self.position);
            while self.position <= end {
                let entry = columns.entry(self.position - first);
                if entry.is_none_or(|entry: Entry| filter.passes(&entry)) {
                    self.visit(tables, self.position)?;
                }
                self.position += 1;
            }
            if self.looked_at >= SCAN_LIMIT {
                return Err(Stop::Full);
            }
        }
        while self.position <= to {
            self.visit(tables, self.position)?;
            self.position += 1;
        }
        Ok(())
    }

    fn descend(&mut self, tables: &Tables, filter: &ColumnFilter, from: u64) -> Result<(), Stop> {
        for row in tables.columns.range(..=self.position)?.rev() {
            let (first, row) = row?;
            let first = first.value();
            let Some(columns) = Columns::read(first, row.value()) else {
                continue;
            };
            let end = first + columns.len() - 1;
            while self.position > end && self.position >= from {
                self.visit(tables, self.position)?;
                self.position -= 1;
            }
            let begin = first.max(from);
            self.looked_at += (self.position + 1).saturating_sub(begin);
            while self.position >= begin {
                let entry = columns.entry(self.position - first);
                if entry.is_none_or(|entry: Entry| filter.passes(&entry)) {
                    self.visit(tables, self.position)?;
                }
                self.position -= 1;
            }
            if self.position < from {
                return Ok(());
            }
            if self.looked_at >= SCAN_LIMIT {
                return Err(Stop::Full);
            }
        }
        while self.position >= from {
            self.visit(tables, self.position)?;
            self.position -= 1;
        }
        Ok(())
    }

    /// Fetches the event at a place and takes it if it is wanted.
    fn visit(&mut self, tables: &Tables, sequence: u64) -> Result<(), Stop> {
        let event = tables.event(sequence)?;
        if event.tenant() != self.query.tenant || !self.query.filter.matches(&event) {
            return Ok(());
        }
        let full = self.page.events.len() >= self.query.limit
            || (self.bytes >= self.query.max_bytes && !self.page.events.is_empty());
        if full {
            return Err(Stop::Full);
        }
        self.bytes += event.envelope().len();
        self.page.events.push(Arc::new(event));
        Ok(())
    }
}

struct Tables {
    columns: ReadOnlyTable<u64, &'static [u8]>,
    events: ReadOnlyTable<u64, &'static [u8]>,
}

impl Tables {
    fn open(transaction: &ReadTransaction) -> Result<Self, ReadFault> {
        Ok(Self { columns: transaction.open_table(COLUMNS)?, events: transaction.open_table(EVENTS)? })
    }

    fn event(&self, sequence: u64) -> Result<StoredEvent, ReadFault> {
        let row = self.events.get(sequence)?.ok_or(ReadFault::Corrupt(sequence))?;
        row::decode(Sequence(sequence), row.value()).ok_or(ReadFault::Corrupt(sequence))
    }
}

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
    segment.read(&*shared.disk, |transaction| Tables::open(transaction)?.event(sequence.0).map(|_| ()))
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
        })?;
        if let Some(event) = found {
            return Ok(Some(Arc::new(event)));
        }
    }
    Ok(None)
}

/// Attempts of a destination, oldest first.
pub(super) fn attempts(shared: &Shared, query: &AttemptQuery) -> Result<Vec<AttemptRecord>, LogError> {
    let (low, high) = query.sequence.map_or((0, u64::MAX), |sequence| (sequence.0, sequence.0));
    let range = (query.destination.0, low, 0)..=(query.destination.0, high, u32::MAX);
    let mut attempts = Vec::new();
    for segment in shared.segments.load().iter() {
        // An attempt is never older than its event.
        if segment.last_sequence() < low && segment.summary().is_some() {
            continue;
        }
        segment.read(&*shared.disk, |transaction| {
            for row in transaction.open_table(ATTEMPTS)?.range(range.clone())? {
                if attempts.len() >= query.limit {
                    break;
                }
                attempts.extend(serde_json::from_slice::<AttemptRecord>(row?.1.value()).ok());
            }
            Ok(())
        })?;
    }
    Ok(attempts)
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
        })?;
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}
