//! What is kept: the port to the durable log, and what every log promises.
//!
//! Everything durable goes through one door, [`EventLog::commit`]: events, delivery outcomes, places and
//! management changes share transactions. What must hold, for every implementation:
//!
//! 1. `commit` answers `Ok` only when all of it is durable; before that nobody sees any of it.
//! 2. Sequences strictly increase in commit order and are never reused. A commit is atomic.
//! 3. A read that was answered up to `scanned_to` has seen every matching event up to there, in order.
//! 4. After an error nothing acknowledged is lost. [`LogError::CommitUnknown`] may or may not be there.
//! 5. What is read is what was written, or [`LogError::Corrupt`] names the event that is not.

mod memory;
mod read;
mod redb;
mod tail;
mod write;

pub use memory::MemoryLog;
pub use read::{
    AttemptQuery, DeliveryQuery, DeliveryRows, InvocationQuery, InvocationRows, LastAttempt, LastAttempts,
    LastAttemptsQuery, Order, Page, Query, WantedDelivery,
};
pub(crate) use read::{MEMORY_WORK, PAGE_WORK, Work, recent_up_to};
pub use redb::{OpenError, RedbLog, tools, transfer};
pub use tail::Tail;
pub use write::{Change, Commit, CommitKey, Committed, Management};

use crate::model::{
    ClosedGate, ConsumerState, DestinationId, EventId, Gate, InvocationId, InvocationRecord, ReplayId,
    ReplayTally, Sequence, StoredEvent, TenantId,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;

/// An answer that arrives later, on any runtime.
pub type Later<T> = BoxFuture<'static, Result<T, LogError>>;

/// The durable log. Cheap to share: implementations are used as `Arc<dyn EventLog>` from every thread.
pub trait EventLog: Send + Sync + 'static {
    /// Makes a commit durable. Refused at once with [`LogError::Overloaded`] when the queue is full.
    fn commit(&self, commit: Commit) -> Later<Committed>;

    /// Reads matching events after a place, a bounded page at a time.
    fn read(&self, query: Query) -> Later<Page>;

    /// Counts matching events, like [`EventLog::read`] but without fetching them; `query.limit` bounds the count.
    /// Payloads are looked at only up to a bound of work: behind it every event that matches otherwise is counted.
    fn count(&self, query: Query) -> Later<u64>;

    /// Finds the newest event of a tenant by its id.
    fn find(&self, tenant: TenantId, id: EventId) -> Later<Option<Arc<StoredEvent>>>;

    /// Delivery attempts, oldest first.
    fn attempts(&self, query: AttemptQuery) -> Later<Vec<crate::model::AttemptRecord>>;

    /// Deliveries that had an attempt, newest event first, a bounded page at a time.
    fn deliveries(&self, query: DeliveryQuery) -> Later<DeliveryRows>;

    /// What the last attempts of a destination's deliveries meant, in log order, a bounded page at a time.
    fn last_attempts(&self, query: LastAttemptsQuery) -> Later<LastAttempts>;

    /// The newest events, all tenants, in memory: those after `after`, at most `limit`. `None` when `after`
    /// is older than what is in memory, so that the caller must [`EventLog::read`].
    fn recent(&self, after: Sequence, limit: usize) -> Option<Vec<Arc<StoredEvent>>>;

    /// What is kept right now. The receiver changes whenever the head or the oldest kept event moves.
    fn bounds(&self) -> watch::Receiver<Bounds>;

    /// Tenants, keys and destinations as they stand.
    fn management(&self) -> Arc<Management>;

    /// Changes whenever [`EventLog::management`] does.
    fn management_changed(&self) -> watch::Receiver<u64>;

    /// A consumer's progress; `None` when there is no such destination.
    fn consumer(&self, id: DestinationId) -> Option<ConsumerState>;

    /// The runs of PRE events that are under way, and those that were when the log was last closed.
    fn gates(&self) -> Vec<Gate>;

    /// How the run of a PRE event ended, with every task's record; `None` while it is under way.
    fn closed_gate(&self, tenant: TenantId, sequence: Sequence) -> Later<Option<ClosedGate>>;

    /// Invocations that had an attempt or were begun, newest first, a bounded page at a time.
    fn invocations(&self, query: InvocationQuery) -> Later<InvocationRows>;

    /// Everything that is kept of one invocation, oldest attempt first.
    fn invocation(&self, tenant: TenantId, id: InvocationId) -> Later<Vec<InvocationRecord>>;

    /// What became of the deliveries that a replay has put back so far.
    fn replay_tally(&self, id: DestinationId, replay: ReplayId) -> ReplayTally;

    /// Whether commits are possible, for readiness: the error that the next one would get.
    fn health(&self) -> Result<(), LogError>;

    /// Sizes for `db stats` and metrics.
    fn stats(&self) -> LogStats;

    /// Stops taking commits, writes what is queued, closes cleanly. Later calls get [`LogError::Closed`].
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// What the log keeps: events `oldest..=head`. An empty log has `oldest == head.next()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest event kept.
    pub oldest: Sequence,
    /// The newest durable event; zero before the first.
    pub head: Sequence,
}

/// Sizes and counts of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LogStats {
    /// Events kept.
    pub events: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Files of events.
    pub segments: u64,
    /// Commits since it was opened.
    pub commits: u64,
    /// Bytes free on the volume; zero when unknown.
    pub free_bytes: u64,
    /// Corrupt rows that the scrubber or a reader has met since it was opened.
    pub corrupt: u64,
}

/// Why the log could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The volume is (almost) full: nothing was written. Goes away by itself when there is space.
    #[error("the volume of the log is almost full: nothing was written; free some space")]
    StorageFull,
    /// The write failed in a way that leaves open whether it is there: repeat with the same id.
    #[error("the commit may or may not be durable, repeat it with the same id: {detail}")]
    CommitUnknown {
        /// What failed.
        detail: String,
    },
    /// What is stored is not what was written. The rest stays readable.
    #[error("the stored event {sequence} is corrupt{}; the others can still be read", beyond(*sequence, *resume))]
    Corrupt {
        /// Which; the first one met when it is one of many.
        sequence: Sequence,
        /// Where reading goes on, in its direction: the last of them.
        resume: Sequence,
    },
    /// More is queued than can be held.
    #[error("too many commits are waiting")]
    Overloaded,
    /// The place is older than what is kept.
    #[error("events up to {} are gone by retention, {missed} of them after the given place", oldest.previous())]
    Trimmed {
        /// The oldest event kept.
        oldest: Sequence,
        /// How many events after the asked place are gone.
        missed: u64,
    },
    /// An event of the commit has the id of another event with other content.
    #[error("the id of event {index} belongs to another event: {id}")]
    IdTaken {
        /// Which event of the commit.
        index: usize,
        /// The id.
        id: EventId,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The log is closed or closing.
    #[error("the log is closing")]
    Closed,
    /// Reading failed.
    #[error("reading the log failed: {0}")]
    Read(String),
}

impl LogError {
    /// One event is not what was written.
    pub(crate) fn corrupt(sequence: Sequence) -> Self {
        Self::Corrupt { sequence, resume: sequence }
    }
}

fn beyond(sequence: Sequence, resume: Sequence) -> String {
    if sequence == resume { String::new() } else { format!(", as all up to {resume}") }
}
