//! Asking the log: queries and pages.

use crate::model::{DestinationId, EventFilter, Sequence, StoredEvent, TenantId};
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
