//! The walk of a page through the segments: by the index of those that are full, else by their columns.

use super::columns::{ColumnFilter, Columns, Entry};
use super::fault::ReadFault;
use super::postings::{self, Listing, Wanted};
use super::query::{behind, has_nothing_for};
use super::segment::Segment;
use super::shared::Shared;
use super::tables::Tables;
use crate::log::{LogError, Order, PAGE_WORK, Page, Query, Work};
use crate::model::Sequence;
use std::sync::Arc;

/// One read looks at no more events than this; a rarer match takes another page.
const SCAN_LIMIT: u64 = 600_000;

/// So many places are listed at a time when it takes the events themselves to tell which are wanted.
const LISTED: usize = 512;

/// Works on the tables of a segment. Gives whether the page ends there.
fn in_tables(
    shared: &Shared,
    segment: &Segment,
    work: impl FnOnce(&Tables) -> Result<(), Stop>,
) -> Result<bool, ReadFault> {
    segment.read(&*shared.disk, |transaction| match work(&Tables::open(transaction)?) {
        Ok(()) => Ok(false),
        Err(Stop::Full) => Ok(true),
        Err(Stop::Fault(fault)) => Err(fault),
    })
}

/// A walk through the segments towards a full page.
pub(super) struct Scan<'a> {
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

impl<'a> Scan<'a> {
    /// From the one end of a range to the other, as the query's order wants.
    pub(super) fn new(query: &'a Query, low: u64, high: u64) -> Self {
        let position = if query.order == Order::Ascending { low } else { high };
        let (page, work) = (Page::default(), Work::up_to(PAGE_WORK));
        Self { query, low, high, page, bytes: 0, looked_at: 0, work, position }
    }

    pub(super) fn run(mut self, shared: &Shared) -> Result<Page, LogError> {
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
                match self.look_through(shared, segment, &filter, (from, to)) {
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

    /// Looks at what a segment has from the position on, by its index if it has one. Gives whether the page ends there.
    fn look_through(
        &mut self,
        shared: &Shared,
        segment: &Segment,
        filter: &ColumnFilter,
        (from, to): (u64, u64),
    ) -> Result<bool, ReadFault> {
        let summary = segment.summary();
        let indexed = summary.and_then(|one| filter.indexed(one.sealed.earliest, one.sealed.latest));
        if let Some(wanted) = indexed {
            while let Some(listing) = self.list(shared, segment, &wanted, (from, to)) {
                let visited = in_tables(shared, segment, |tables| self.visit_all(tables, &listing))?;
                if visited || self.looked_at >= SCAN_LIMIT || self.is_past((from, to)) {
                    return Ok(visited || self.looked_at >= SCAN_LIMIT);
                }
            }
        }
        in_tables(shared, segment, |tables| match self.query.order {
            Order::Ascending => self.ascend(tables, filter, to),
            Order::Descending => self.descend(tables, filter, from),
        })
    }

    /// What the index says that comes next. One that cannot be read is none: the columns say the same.
    fn list(
        &mut self,
        shared: &Shared,
        segment: &Segment,
        wanted: &Wanted,
        (from, to): (u64, u64),
    ) -> Option<Listing> {
        let (order, budget) = (self.query.order, SCAN_LIMIT.saturating_sub(self.looked_at));
        let places = match order {
            Order::Ascending => self.position..=to,
            Order::Descending => from..=self.position,
        };
        // One more than the page holds tells whether there is more.
        let limit = self.query.limit.saturating_sub(self.page.events.len()).saturating_add(1);
        // Of events that are told by their payload too, most may not be wanted.
        let limit = if self.query.filter.payload.is_some() { limit.max(LISTED) } else { limit };
        let listed = segment.read(&*shared.disk, |transaction| {
            postings::list(transaction, wanted, places, order, limit, budget)
        });
        let listing = listed.ok().flatten()?;
        self.looked_at += listing.looked_at;
        Some(listing)
    }

    fn visit_all(&mut self, tables: &Tables, listing: &Listing) -> Result<(), Stop> {
        for &place in &listing.places {
            self.position = place;
            self.visit(tables, place)?;
        }
        self.position = match self.query.order {
            Order::Ascending => listing.reached + 1,
            Order::Descending => listing.reached - 1,
        };
        Ok(())
    }

    fn is_past(&self, (from, to): (u64, u64)) -> bool {
        match self.query.order {
            Order::Ascending => self.position > to,
            Order::Descending => self.position < from,
        }
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
        for row in tables.columns.range(tables.row_start(self.position)?..=to)? {
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
