//! Answering queries: from the tail in memory when it has everything, else from the segments by their columns.

use super::columns::{ColumnFilter, Columns, Entry};
use super::fault::ReadFault;
use super::row;
use super::schema::{COLUMNS, EVENTS};
use super::segment::Segment;
use super::shared::Shared;
use crate::log::{LogError, MEMORY_WORK, Order, PAGE_WORK, Page, Query, Work};
use crate::model::{Sequence, StoredEvent};
use redb::{ReadOnlyTable, ReadTransaction};
use std::sync::Arc;

/// One read looks at no more events than this; a rarer match takes another page.
const SCAN_LIMIT: u64 = 600_000;

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
    let work = Work::up_to(PAGE_WORK);
    let mut scan =
        Scan { query, low, high, page: Page::default(), bytes: 0, looked_at: 0, work, position: low };
    if query.order == Order::Descending {
        scan.position = high;
    }
    scan.run(shared)
}

fn behind(oldest: Sequence, from: Sequence) -> LogError {
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
            for row in tables.columns.range(row_start(&tables.columns, from)?..=to)? {
                let (first, row) = row?;
                let Some(columns) = Columns::read(first.value(), row.value()) else {
                    continue;
                };
                let begin = from.saturating_sub(columns.first);
                let end = columns.len().min(to + 1 - columns.first);
                let passes = |index: &u64| columns.entry(*index).is_some_and(|entry| filter.passes(&entry));
                for index in (begin..end).filter(passes) {
                    let looks = query.filter.payload.is_some() && !work.is_spent();
                    let wanted = !looks || tables.wants(columns.first + index, query, &mut work);
                    counted += u64::from(wanted);
                }
            }
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
    /// What was spent on payloads.
    work: Work,
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
                self.position = self.position.max(from);
            } else {
                self.position = self.position.min(to);
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
                    Err(fault) => return self.broken(shared, fault, segment, (from, to)),
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
    fn broken(
        mut self,
        shared: &Shared,
        fault: ReadFault,
        segment: &Segment,
        (from, to): (u64, u64),
    ) -> Result<Page, LogError> {
        if matches!(fault, ReadFault::Trimmed) {
            return self.trimmed(shared);
        }
        let (sequence, resume) = match (fault, self.query.order) {
            (ReadFault::Corrupt(sequence), _) => (sequence, sequence),
            (ReadFault::Damaged(_), Order::Ascending) if segment.is_lost() => (self.position, to),
            (ReadFault::Damaged(_), Order::Descending) if segment.is_lost() => (self.position, from),
            // Of a damaged file other places may still be readable.
            (ReadFault::Damaged(_), _) => (self.position, self.position),
            (fault, _) => return Err(fault.into()),
        };
        shared.count_corrupt();
        let at_once = match self.query.order {
            Order::Ascending => sequence == self.query.from.next().0.max(self.low),
            Order::Descending => sequence == self.high,
        };
        if at_once {
            return Err(LogError::Corrupt { sequence: Sequence(sequence), resume: Sequence(resume) });
        }
        self.position = sequence;
        Ok(self.full())
    }

    /// Retention went past the walk.
    fn trimmed(mut self, shared: &Shared) -> Result<Page, LogError> {
        let oldest = shared.bounds.borrow().oldest;
        match self.query.order {
            Order::Ascending if self.page.events.is_empty() => Err(behind(oldest, self.query.from)),
            // Asking again from there tells what is gone.
            Order::Ascending => Ok(self.full()),
            Order::Descending => {
                self.page.scanned_to = oldest;
                Ok(self.page)
            }
        }
    }

    fn ascend(&mut self, tables: &Tables, filter: &ColumnFilter, to: u64) -> Result<(), Stop> {
        for row in tables.columns.range(row_start(&tables.columns, self.position)?..=to)? {
            let (first, row) = row?;
            let (first, columns) = (first.value(), Columns::read(first.value(), row.value()));
            // Places that no readable columns tell of are looked at one by one.
            while self.position < first.min(to + 1) {
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
        if self.work.is_spent() {
            return Err(Stop::Full);
        }
        let event = tables.event(sequence)?;
        if event.tenant() != self.query.tenant || !self.work.matches(&self.query.filter, &event) {
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

/// The tables that events are read from.
pub(super) struct Tables {
    columns: ReadOnlyTable<u64, &'static [u8]>,
    events: ReadOnlyTable<u64, &'static [u8]>,
}

impl Tables {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, ReadFault> {
        Ok(Self { columns: transaction.open_table(COLUMNS)?, events: transaction.open_table(EVENTS)? })
    }

    /// Whether a query wants the event at a place. One that cannot be read is counted: its reader is told of it.
    fn wants(&self, sequence: u64, query: &Query, work: &mut Work) -> bool {
        self.event(sequence).map_or(true, |event| work.matches(&query.filter, &event))
    }

    pub(super) fn event(&self, sequence: u64) -> Result<StoredEvent, ReadFault> {
        let row = self.events.get(sequence)?.ok_or(ReadFault::Corrupt(sequence))?;
        row::decode(Sequence(sequence), row.value()).ok_or(ReadFault::Corrupt(sequence))
    }
}
