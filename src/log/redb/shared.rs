//! What the writer, the readers and the handle of the log share.

use super::control::{Dirty, Kept};
use super::disk::Disk;
use super::journal::Entry;
use super::segment::Segment;
use crate::log::{Bounds, Change, LogError, Management, Tail};
use crate::model::{ConsumerState, EventMode, FunctionChange, GateChange, Sequence};
use arc_swap::ArcSwap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The state of the open log. Only the writer changes it, and only with what is durable.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    /// Oldest first; the last one is written.
    pub(super) segments: ArcSwap<Vec<Arc<Segment>>>,
    pub(super) tail: Tail,
    pub(super) bounds: watch::Sender<Bounds>,
    pub(super) management: ArcSwap<Management>,
    pub(super) management_version: watch::Sender<u64>,
    pub(super) kept: Mutex<Kept>,
    /// Why commits are refused at the moment.
    pub(super) trouble: Mutex<Option<LogError>>,
    pub(super) commits: AtomicU64,
    pub(super) corrupt: AtomicU64,
}

impl Shared {
    pub(super) fn trouble(&self) -> Option<LogError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<LogError>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn count_corrupt(&self) {
        self.corrupt.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn push_segment(&self, segment: Arc<Segment>) {
        let mut segments = (**self.segments.load()).clone();
        segments.push(segment);
        self.segments.store(Arc::new(segments));
    }

    /// Where events are kept, file by file. What lies between was never an event.
    pub(super) fn stretches(&self) -> Vec<RangeInclusive<u64>> {
        let bounds = *self.bounds.borrow();
        let segments = self.segments.load();
        let kept = segments.iter().map(|segment| {
            segment.about.first_sequence.max(bounds.oldest.0)..=segment.last_sequence().min(bounds.head.0)
        });
        kept.filter(|stretch| !stretch.is_empty()).collect()
    }

    /// Takes durable journal entries in. Gives the new oldest kept event when retention moved it.
    pub(super) fn apply(&self, entries: &[Entry], dirty: &mut Dirty) -> Option<Sequence> {
        if entries.is_empty() {
            return None;
        }
        let mut oldest = None;
        let mut management = None;
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in entries {
                apply_to_kept(entry, &mut kept, dirty);
                match entry {
                    Entry::Management(change) => {
                        let management = management.get_or_insert_with(|| (**self.management.load()).clone());
                        dirty.management |= management.apply(change);
                    }
                    Entry::Oldest(sequence) => {
                        oldest = Some(*sequence);
                        dirty.oldest = true;
                    }
                    Entry::Outcome { .. } | Entry::Requeue(_) | Entry::MovePlace { .. } | Entry::Gate(_) => {}
                }
            }
        }
        if let Some(management) = management {
            let version = management.version;
            self.management.store(Arc::new(management));
            self.management_version.send_replace(version);
        }
        oldest
    }
}

/// The fold of journal entries into what is kept of consumers: the same when they happen and on replay.
pub(super) fn apply_to_kept(entry: &Entry, kept: &mut Kept, dirty: &mut Dirty) {
    match entry {
        Entry::Outcome { destination, sequence, attempts, verdict, place, heard } => {
            if let Some(consumer) = kept.consumers.get_mut(destination) {
                if consumer.apply(*sequence, *attempts, *verdict, *place) {
                    dirty.retries.insert((*destination, *sequence));
                }
                consumer.health.hear(*heard);
                dirty.consumers.insert(*destination);
            }
        }
        Entry::Requeue(requeue) => {
            if let Some(consumer) = kept.consumers.get_mut(&requeue.destination) {
                consumer.requeue(requeue);
                dirty.consumers.insert(requeue.destination);
                let sequences = requeue.deliveries.iter().map(|(sequence, _)| *sequence);
                dirty.retries.extend(sequences.map(|sequence| (requeue.destination, sequence)));
            }
        }
        Entry::MovePlace { destination, place } => {
            if let Some(consumer) = kept.consumers.get_mut(destination) {
                consumer.move_to(*place);
                dirty.consumers.insert(*destination);
            }
        }
        Entry::Management(change) => manage_kept(change, kept, dirty),
        Entry::Gate(change) => apply_gate(change, kept, dirty),
        Entry::Oldest(_) => {}
    }
}

/// The part of the fold that is about destinations themselves.
fn manage_kept(change: &Change, kept: &mut Kept, dirty: &mut Dirty) {
    match change {
        Change::PutDestination(one) => {
            let start = ConsumerState::starting_after(one.start_after);
            kept.consumers.entry(one.id).or_insert(start);
            dirty.consumers.insert(one.id);
        }
        Change::RemoveDestination(id) => {
            kept.consumers.remove(id);
            dirty.consumers.insert(*id);
        }
        Change::Functions(change) => apply_functions(change, kept, dirty),
        Change::Resume { destination, skip_to } => {
            if let Some(consumer) = kept.consumers.get_mut(destination) {
                let waiting = consumer.retries.keys().map(|sequence| (*destination, *sequence));
                dirty.retries.extend(waiting);
                dirty.consumers.insert(*destination);
                consumer.resume(*skip_to);
            }
        }
        Change::Notice { destination, notice } => {
            if let Some(consumer) = kept.consumers.get_mut(destination) {
                consumer.health.notice = *notice;
                dirty.consumers.insert(*destination);
            }
        }
        Change::StopReplay { destination, replay } => {
            if let Some(consumer) = kept.consumers.get_mut(destination) {
                let of_replay = consumer.retries.iter().filter(|(_, retry)| retry.is_of(*replay));
                dirty.retries.extend(of_replay.map(|(sequence, _)| (*destination, *sequence)));
                dirty.consumers.insert(*destination);
                consumer.stop_replay(*replay);
            }
        }
        Change::RemoveReplay { destination, replay } => {
            if let Some(consumer) = kept.consumers.get_mut(destination) {
                consumer.replays.remove(replay);
                dirty.consumers.insert(*destination);
            }
        }
        _ => {}
    }
}

fn apply_functions(change: &FunctionChange, kept: &mut Kept, dirty: &mut Dirty) {
    match change {
        FunctionChange::PutSubscription(one) if one.mode == EventMode::Post => {
            let start = ConsumerState::starting_after(one.start_after);
            kept.consumers.entry(one.consumer).or_insert(start);
            dirty.consumers.insert(one.consumer);
        }
        FunctionChange::RemoveSubscription(_, _, consumer) => {
            kept.consumers.remove(consumer);
            dirty.consumers.insert(*consumer);
        }
        _ => {}
    }
}

fn apply_gate(change: &GateChange, kept: &mut Kept, dirty: &mut Dirty) {
    dirty.gates = true;
    match change {
        GateChange::Open(gate) => drop(kept.gates.insert(gate.sequence, gate.clone())),
        GateChange::Close(closed) => drop(kept.gates.remove(&closed.sequence)),
    }
}
