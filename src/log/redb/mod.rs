//! The durable log on redb.
//!
//! Events are in rolled segment files; one commit is one transaction of the newest of them, and holds what it
//! changes besides events as a journal entry. The control file is a checkpoint of those journals. So a commit
//! is atomic with one fsync, opening after a crash repairs one bounded file, and retention is removing files.

mod attempt_row;
mod bloom;
mod columns;
mod control;
mod deliveries;
mod disk;
mod fault;
mod group;
mod invocations;
mod journal;
mod lookup;
mod open;
mod postings;
mod query;
mod readers;
mod row;
mod scan;
mod schema;
mod scrubber;
mod segment;
mod shared;
mod summary;
mod tables;
pub mod tools;
mod transaction;
pub mod transfer;
mod upkeep;
mod writer;

#[cfg(test)]
mod border_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod delivery_log_tests;
#[cfg(test)]
mod invocation_tests;
#[cfg(test)]
mod payload_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod sealing_tests;
#[cfg(test)]
mod simulated_disk;
#[cfg(test)]
mod simulated_file;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod type_tests;

pub use disk::OpenError;

use super::{
    AttemptQuery, Bounds, Commit, Committed, DeliveryQuery, DeliveryRows, EventLog, InvocationQuery,
    InvocationRows, LastAttempts, LastAttemptsQuery, Later, LogError, LogStats, Management, Page, Query,
};
use crate::config::StorageConfig;
use crate::model::{
    AttemptRecord, ClosedGate, ConsumerState, DestinationId, EventId, Gate, InvocationId, InvocationRecord,
    ReplayId, ReplayTally, Sequence, StoredEvent, TenantId,
};
use disk::{Disk, Folder};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use group::Request;
use readers::Readers;
use shared::Shared;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use writer::{Limits, Order, Writer};

/// The file that marks a folder as a copy that no broker has run on yet.
const RESTORED: &str = "restored";

/// A segment holds no more events than this, whatever its size.
const SEGMENT_EVENTS: u64 = 1 << 20;

/// The smallest segment worth a file.
const SMALLEST_SEGMENT: u64 = 1 << 20;

/// The log in a folder.
#[derive(Debug)]
pub struct RedbLog {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl RedbLog {
    /// Opens the log in the config's folder, or begins one there. Blocks for as long as a crashed segment
    /// takes to repair.
    pub fn open(config: &StorageConfig, dedupe_window: Duration) -> Result<Arc<Self>, OpenError> {
        let folder = Folder::open(&config.path)?;
        if config.path.join(transfer::IMPORTING).exists() {
            return Err(OpenError::Importing(config.path.clone()));
        }
        let marker = config.path.join(RESTORED);
        let is_restored = marker.exists();
        let log = Self::open_on(Arc::new(folder), config, dedupe_window, is_restored, SEGMENT_EVENTS)?;
        if is_restored {
            let failed = |source| OpenError::Folder { path: config.path.clone(), source };
            std::fs::remove_file(marker).map_err(failed)?;
        }
        Ok(log)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        config: &StorageConfig,
        dedupe_window: Duration,
        is_restored: bool,
        segment_events: u64,
    ) -> Result<Arc<Self>, OpenError> {
        let opened = open::open(disk, config.cache_bytes, config.tail_bytes)?;
        let limits = limits_of(config, dedupe_window, segment_events);
        let shared = opened.shared;
        let mut writer = Writer::new(Arc::clone(&shared), opened.control, opened.dirty, limits);
        for segment in opened.unsealed {
            writer.seal_aside(segment);
        }
        if is_restored {
            writer.jump().map_err(|error| OpenError::File {
                file: "a new segment".to_owned(),
                detail: error.to_string(),
            })?;
        }
        let (orders, queue) = sync_channel(config.max_queued);
        let ending = Arc::clone(&shared);
        let write = move || {
            let closing = writer.run(&queue);
            ending.disk.release();
            if let Some(done) = closing {
                // Nobody may be waiting any more.
                let _ = done.send(());
            }
        };
        let spawned = std::thread::Builder::new().name("log-writer".to_owned()).spawn(write);
        let thread = spawned.map_err(|source| OpenError::Folder { path: config.path.clone(), source })?;
        let readers = Readers::start(&shared)
            .map_err(|source| OpenError::Folder { path: config.path.clone(), source })?;
        scrubber::start(&shared, config.scrub_every)
            .map_err(|source| OpenError::Folder { path: config.path.clone(), source })?;
        Ok(Arc::new(Self { shared, orders, readers, writer: Mutex::new(Some(thread)) }))
    }
}

fn limits_of(config: &StorageConfig, dedupe_window: Duration, segment_events: u64) -> Limits {
    Limits {
        segment_bytes: config.segment_bytes.min(config.max_bytes / 8).max(SMALLEST_SEGMENT),
        segment_events,
        cache_bytes: config.cache_bytes,
        max_age: config.max_age,
        max_bytes: config.max_bytes,
        min_free: config.min_free,
        dedupe_window,
    }
}

impl RedbLog {
    /// Reads one stored event and compares it with its checksum.
    pub fn check(&self, sequence: Sequence) -> Later<()> {
        self.readers.run(move |shared| lookup::check(shared, sequence))
    }
}

impl EventLog for RedbLog {
    fn commit(&self, commit: Commit) -> Later<Committed> {
        let (reply, answer) = oneshot::channel();
        match self.orders.try_send(Order::Commit(Request { commit, reply })) {
            Ok(()) => answer.map(|answer| answer.unwrap_or(Err(LogError::Closed))).boxed(),
            Err(TrySendError::Full(_)) => ready(Err(LogError::Overloaded)).boxed(),
            Err(TrySendError::Disconnected(_)) => ready(Err(LogError::Closed)).boxed(),
        }
    }

    fn read(&self, query: Query) -> Later<Page> {
        match query::from_tail(&self.shared, &query) {
            Some(page) => ready(Ok(page)).boxed(),
            None => self.readers.run(move |shared| query::read(shared, &query)),
        }
    }

    fn count(&self, query: Query) -> Later<u64> {
        self.readers.run(move |shared| query::count(shared, &query))
    }

    fn find(&self, tenant: TenantId, id: EventId) -> Later<Option<Arc<StoredEvent>>> {
        let in_memory = id.sequence_hint().and_then(|hint| self.shared.tail.get(hint));
        match in_memory.filter(|event| event.tenant() == tenant && *event.id() == id) {
            Some(event) => ready(Ok(Some(event))).boxed(),
            None => self.readers.run(move |shared| lookup::find(shared, tenant, &id)),
        }
    }

    fn attempts(&self, query: AttemptQuery) -> Later<Vec<AttemptRecord>> {
        self.readers.run(move |shared| deliveries::attempts(shared, &query))
    }

    fn deliveries(&self, query: DeliveryQuery) -> Later<DeliveryRows> {
        self.readers.run(move |shared| deliveries::deliveries(shared, &query))
    }

    fn last_attempts(&self, query: LastAttemptsQuery) -> Later<LastAttempts> {
        self.readers.run(move |shared| deliveries::last_attempts(shared, &query))
    }

    fn recent(&self, after: Sequence, limit: usize) -> Option<Vec<Arc<StoredEvent>>> {
        self.shared.tail.after(after, limit)
    }

    fn bounds(&self) -> watch::Receiver<Bounds> {
        self.shared.bounds.subscribe()
    }

    fn management(&self) -> Arc<Management> {
        self.shared.management.load_full()
    }

    fn management_changed(&self) -> watch::Receiver<u64> {
        self.shared.management_version.subscribe()
    }

    fn replay_tally(&self, id: DestinationId, replay: ReplayId) -> ReplayTally {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.consumers.get(&id).and_then(|one| one.replays.get(&replay)).copied().unwrap_or_default()
    }

    fn consumer(&self, id: DestinationId) -> Option<ConsumerState> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).consumers.get(&id).cloned()
    }

    fn gates(&self) -> Vec<Gate> {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.gates.values().cloned().collect()
    }

    fn closed_gate(&self, tenant: TenantId, sequence: Sequence) -> Later<Option<ClosedGate>> {
        self.readers.run(move |shared| invocations::closed_gate(shared, tenant, sequence))
    }

    fn invocations(&self, query: InvocationQuery) -> Later<InvocationRows> {
        self.readers.run(move |shared| invocations::list(shared, &query))
    }

    fn invocation(&self, tenant: TenantId, id: InvocationId) -> Later<Vec<InvocationRecord>> {
        self.readers.run(move |shared| invocations::one(shared, tenant, id))
    }

    fn health(&self) -> Result<(), LogError> {
        self.shared.trouble().map_or(Ok(()), Err)
    }

    fn stats(&self) -> LogStats {
        let segments = self.shared.segments.load();
        let stretches = self.shared.stretches();
        LogStats {
            events: stretches.iter().map(|stretch| stretch.end() + 1 - stretch.start()).sum(),
            bytes: segments.iter().map(|segment| self.shared.disk.size(&segment.file)).sum(),
            segments: segments.len() as u64,
            commits: self.shared.commits.load(Ordering::Relaxed),
            free_bytes: self.shared.disk.free().unwrap_or(0),
            corrupt: self.shared.corrupt.load(Ordering::Relaxed),
        }
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let (done, closed) = oneshot::channel();
        let orders = self.orders.clone();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else {
            return ready(()).boxed();
        };
        // The queue may be full: waiting for a place in it must not block the caller's runtime.
        let ask = move || {
            if orders.send(Order::Close(done)).is_ok() {
                // The thread ends right after it has answered.
                let _ = thread.join();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("log-closer".to_owned()).spawn(ask) {
            tracing::warn!(%error, "no thread to close the log");
        }
        closed.map(|_| ()).boxed()
    }
}
