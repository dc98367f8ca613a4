//! What is under way in this process: the runs of PRE events, who waits for them and what they are begun with; the calls
//! for POST events.

use super::Work;
use super::messages::CancelGate;
use crate::log::{Commit, Committed, LogError};
use crate::model::{
    ClosedGate, DataSchema, DestinationId, Gate, Sequence, StoredEvent, TenantId, UnixMillis, WholeData,
};
use actix::Recipient;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{oneshot, watch};

/// What came of a run, or why that is not known.
pub type GateResult = Result<Arc<ClosedGate>, LogError>;

/// What a run is begun with. It is durable already.
#[derive(Debug, Clone)]
pub(in crate::actors) struct GateOrder {
    /// The run.
    pub(in crate::actors) gate: Gate,
    /// Its event.
    pub(in crate::actors) event: Arc<StoredEvent>,
    /// The subscription of each task, as it stood when the event was published.
    pub(in crate::actors) works: Vec<Work>,
    /// All of it is over by then.
    pub(in crate::actors) deadline: Option<UnixMillis>,
    /// What the params must be, also when functions have changed them.
    pub(in crate::actors) schema: Option<DataSchema>,
    /// The params with their secrets, when the event has some.
    pub(in crate::actors) whole: Option<WholeData>,
}

/// A PRE event that is to be made durable and run.
#[derive(Debug)]
pub struct GatePublication {
    /// The event, and that its run begins.
    pub commit: Commit,
    /// The run, without its place.
    pub gate: Gate,
    /// The subscription of each task, as it stands now.
    pub works: Vec<Work>,
    /// All of it is over by then.
    pub deadline: Option<UnixMillis>,
    /// What the params must be, also when functions have changed them.
    pub schema: Option<DataSchema>,
    /// The params with their secrets, when the event has some: functions are given these.
    pub whole: Option<WholeData>,
    /// It goes on when nobody waits.
    pub detached: bool,
    /// Who hears that it has begun; when that is nobody, a run that is not detached ends at once.
    pub begun: oneshot::Sender<Result<Begun, LogError>>,
}

/// A PRE event is durable.
#[derive(Debug)]
pub struct Begun {
    /// The event.
    pub committed: Committed,
    /// Its run, if this publish began one.
    pub seat: Option<Arc<Seat>>,
    /// Held until the publisher has heard of the run; `None` when it goes on all the same.
    pub unheard: Option<Unheard>,
}

impl Begun {
    /// The publisher has heard of the run: from here on it ends when the last one who waits goes away.
    pub fn heard(&mut self) {
        if let Some(mut unheard) = self.unheard.take() {
            unheard.0 = None;
        }
    }
}

/// Ends a run when this is dropped: whoever published it went away before hearing that it began.
#[derive(Debug)]
pub struct Unheard(Option<(Recipient<CancelGate>, Sequence)>);

impl Unheard {
    pub(super) fn new(registry: Recipient<CancelGate>, sequence: Sequence) -> Self {
        Self(Some((registry, sequence)))
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some((registry, sequence)) = self.0.take() {
            registry.do_send(CancelGate(sequence));
        }
    }
}

/// A run that is under way.
#[derive(Debug)]
pub struct Seat {
    gate: Gate,
    result: watch::Sender<Option<GateResult>>,
    /// The params that came of it, when there are secrets in them.
    whole: OnceLock<WholeData>,
    waiting: AtomicUsize,
    /// It goes on when nobody waits.
    detached: AtomicBool,
    /// One more than the stage that began last.
    stages: AtomicU8,
}

impl Seat {
    fn new(gate: Gate) -> Self {
        let (waiting, detached) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (result, whole) = (watch::Sender::new(None), OnceLock::new());
        Self { gate, result, whole, waiting, detached, stages: AtomicU8::new(0) }
    }

    /// The run.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The params that came of it with their secrets, once its result is told; `None` when they have none.
    pub fn whole(&self) -> Option<WholeData> {
        self.whole.get().cloned()
    }

    /// Remembers the params that come of it, which the log does not keep.
    pub fn remember(&self, whole: WholeData) {
        let _ = self.whole.set(whole);
    }

    /// A stage begins.
    pub fn reach(&self, stage: u8) {
        self.stages.fetch_max(stage + 1, Ordering::Relaxed);
    }

    /// Whether a stage has begun.
    pub fn has_reached(&self, stage: u8) -> bool {
        self.stages.load(Ordering::Relaxed) > stage
    }

    /// Lets it go on when nobody waits.
    pub fn detach(&self) {
        self.detached.store(true, Ordering::Relaxed);
    }

    /// One more waits.
    pub fn enter(&self) -> watch::Receiver<Option<GateResult>> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.result.subscribe()
    }

    /// One less waits; true when that was the last and the run is to end.
    pub fn leave(&self) -> bool {
        let was_last = self.waiting.fetch_sub(1, Ordering::AcqRel) == 1;
        was_last && !self.detached.load(Ordering::Relaxed) && self.result.borrow().is_none()
    }
}

/// All runs that are under way.
#[derive(Debug, Clone, Default)]
pub struct RunningGates(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    seats: Mutex<HashMap<(TenantId, Sequence), Arc<Seat>>>,
    /// Calls for POST events that are under way, by consumer.
    calls: Mutex<HashSet<(DestinationId, Sequence)>>,
    changed: watch::Sender<u64>,
}

impl RunningGates {
    fn seats(&self) -> MutexGuard<'_, HashMap<(TenantId, Sequence), Arc<Seat>>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, HashSet<(DestinationId, Sequence)>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A POST event's function is called, or no longer.
    pub fn set_called(&self, consumer: DestinationId, sequence: Sequence, is_called: bool) {
        let mut calls = self.calls();
        if is_called {
            calls.insert((consumer, sequence));
        } else {
            calls.remove(&(consumer, sequence));
        }
    }

    /// Whether a POST event's function is being called.
    pub fn is_called(&self, consumer: DestinationId, sequence: Sequence) -> bool {
        self.calls().contains(&(consumer, sequence))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seats().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes whenever one begins or ends.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Adds one.
    pub fn begin(&self, gate: Gate) -> Arc<Seat> {
        let place = (gate.tenant, gate.sequence);
        let seat = Arc::new(Seat::new(gate));
        self.seats().insert(place, Arc::clone(&seat));
        self.0.changed.send_modify(|count| *count += 1);
        seat
    }

    /// One that is under way.
    pub fn get(&self, tenant: TenantId, sequence: Sequence) -> Option<Arc<Seat>> {
        self.seats().get(&(tenant, sequence)).cloned()
    }

    /// Tells those who wait what came of it.
    pub fn tell(&self, tenant: TenantId, sequence: Sequence, result: GateResult) {
        if let Some(seat) = self.get(tenant, sequence) {
            // The first word stands.
            seat.result.send_if_modified(|known| {
                let is_first = known.is_none();
                if is_first {
                    *known = Some(result);
                }
                is_first
            });
        }
    }

    /// Removes one that is over.
    pub fn end(&self, tenant: TenantId, sequence: Sequence) {
        self.seats().remove(&(tenant, sequence));
        self.0.changed.send_modify(|count| *count += 1);
    }
}
