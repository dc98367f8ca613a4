//! Asking the log: queries and pages.

use super::EventLog;
use crate::model::{
    AttemptRecord, DestinationId, EventFilter, InvocationId, InvocationRecord, InvocationStatus, Sequence,
    StoredEvent, TenantId, Verdict,
};
use std::fmt;
use std::sync::Arc;

/// Which way a page goes through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// One bounded read.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Whose events.
    pub tenant: TenantId,
    /// Which of them.
    pub filter: EventFilter,
    /// Ascending: only events after this place. Descending: only events before it (`Sequence(u64::MAX)` for
    /// all).
    pub from: Sequence,
    /// Nothing beyond this place is looked at: the head when the request came. Ignored when descending.
    pub up_to: Sequence,
    /// The direction.
    pub order: Order,
    /// At most this many events.
    pub limit: usize,
    /// Stop after about this many bytes of events; at least one event is given.
    pub max_bytes: usize,
}

/// What a page may spend on looking at payloads, in units of about a nanosecond: a filter that matches nothing over
/// millions of events gives an empty page that ends further on, not one that takes seconds.
pub(crate) const PAGE_WORK: u64 = 32 << 20;

/// The same for a page from memory: those are read on threads that others wait for.
pub(crate) const MEMORY_WORK: u64 = 2 << 20;

/// What fetching an event to look at its payload costs besides.
const FETCH: u64 = 1024;

/// The work of one page.
#[derive(Debug)]
pub(crate) struct Work {
    spent: u64,
    limit: u64,
}

impl Work {
    pub(crate) fn up_to(limit: u64) -> Self {
        Self { spent: 0, limit }
    }

    /// Whether the page must end before the next event is looked at.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent >= self.limit
    }

    /// Whether an event is wanted. One event is always looked at, whatever it costs.
    pub(crate) fn matches(&mut self, filter: &EventFilter, event: &StoredEvent) -> bool {
        if filter.payload.is_some() {
            self.spent += FETCH;
        }
        filter.matches_counting(event, &mut self.spent)
    }
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The events, in the asked order.
    pub events: Vec<Arc<StoredEvent>>,
    /// Every matching event between `from` and here is in this page; the place to go on from. It moves on
    /// over events that do not match.
    pub scanned_to: Sequence,
    /// Whether there may be more between `scanned_to` and the end of the asked range.
    pub has_more: bool,
}

/// Which attempts are wanted: those of one destination, of one event or of every event it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptQuery {
    /// The destination.
    pub destination: DestinationId,
    /// One event's deliveries only.
    pub sequence: Option<Sequence>,
    /// At most this many records.
    pub limit: usize,
}

/// Which deliveries are wanted, by place and by what their last attempt meant (a retry's time is not told).
pub type WantedDelivery = Arc<dyn Fn(Sequence, Verdict) -> bool + Send + Sync>;

/// One bounded read of a destination's delivery log, newest event first.
#[derive(Clone)]
pub struct DeliveryQuery {
    /// The destination.
    pub destination: DestinationId,
    /// Only events before this place.
    pub below: Sequence,
    /// Asked of every delivery before anything of it is fetched.
    pub wanted: WantedDelivery,
    /// By type and time of the event.
    pub filter: EventFilter,
    /// At most this many.
    pub limit: usize,
}

impl fmt::Debug for DeliveryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, below, filter, limit, .. } = self;
        let mut shown = f.debug_struct("DeliveryQuery");
        shown.field("destination", destination).field("below", below).field("filter", filter);
        shown.field("limit", limit).finish_non_exhaustive()
    }
}

/// What a read of the delivery log found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeliveryRows {
    /// The last attempt of each delivery, newest event first. Its number is how many were made.
    pub last_attempts: Vec<AttemptRecord>,
    /// Every wanted delivery from here up to `below` is in these rows; the place to go on below.
    pub scanned_to: Sequence,
    /// Whether there may be more below.
    pub has_more: bool,
}

/// One bounded read of a tenant's invocations, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvocationQuery {
    /// Whose.
    pub tenant: TenantId,
    /// Only those before this one; `None` for all.
    pub below: Option<InvocationId>,
    /// Those of one function.
    pub function: Option<u64>,
    /// Those of one event.
    pub sequence: Option<Sequence>,
    /// Those that are this far.
    pub status: Option<InvocationStatus>,
    /// At most this many.
    pub limit: usize,
}

/// What a read of invocations found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InvocationRows {
    /// The last record of each, newest first. Its attempt is how many were made.
    pub rows: Vec<InvocationRecord>,
    /// When there may be more: every wanted one down to this is in these rows.
    pub more_below: Option<InvocationId>,
}

/// Which deliveries' last attempts are wanted, in log order: those of events after `after`, up to `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAttemptsQuery {
    /// The destination.
    pub destination: DestinationId,
    /// Only events after this place.
    pub after: Sequence,
    /// Only events up to this place.
    pub up_to: Sequence,
    /// At most this many.
    pub limit: usize,
}

/// The last attempt of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAttempt {
    /// The event's place.
    pub sequence: Sequence,
    /// Attempts made.
    pub attempts: u32,
    /// What the last one meant; a retry's time is not told.
    pub verdict: Verdict,
}

/// Last attempts in log order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastAttempts {
    /// One for each event that had an attempt.
    pub rows: Vec<LastAttempt>,
    /// Every event up to here has been looked at.
    pub scanned_to: Sequence,
}

impl LastAttempts {
    /// At most `limit` of these rows, which are all there are up to `scanned_to`.
    pub(super) fn cut(mut rows: Vec<LastAttempt>, limit: usize, scanned_to: Sequence) -> Self {
        if rows.len() <= limit {
            return Self { rows, scanned_to };
        }
        rows.truncate(limit);
        let scanned_to = rows.last().map_or(scanned_to, |last| last.sequence);
        Self { rows, scanned_to }
    }
}

/// The newest events of all tenants in memory after a place and up to `head`, about `limit` of them, and how far they reach:
/// to the head, or to the last one when there are more. `None` when what comes after the place is not in memory.
pub(crate) fn recent_up_to(
    log: &dyn EventLog,
    after: Sequence,
    head: Sequence,
    limit: usize,
) -> Option<(Vec<Arc<StoredEvent>>, Sequence)> {
    let mut events = log.recent(after, limit)?;
    events.truncate(events.partition_point(|event| event.sequence() <= head));
    let last = events.last().filter(|_| events.len() == limit);
    let to = last.map_or(head, |event| event.sequence());
    Some((events, to))
}
