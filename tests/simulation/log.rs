//! A log in memory with a disk below it: what was written and not yet synced is lost in a crash, and nobody was told of it.
//! What it keeps of consumers and destinations is the real state, folded from the real changes.

use crate::functions::Ended;
use crate::world::Told;
use campanile::log::{Change, Management};
use campanile::model::{
    ConsumerState, DestinationId, EncodeAs, EventDraft, EventFilter, EventId, ReplayId, ReplayTally,
    Sequence, StoredEvent, TenantId, Timestamp, UnixMillis, Verdict,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) const TENANT: TenantId = TenantId(1);

/// What one caller wants durable together, and who is told of it.
pub(crate) struct Write {
    pub(crate) events: Vec<EventDraft>,
    pub(crate) changes: Vec<Change>,
    pub(crate) told: Told,
}

/// What is durable.
#[derive(Default)]
pub(crate) struct Log {
    events: BTreeMap<Sequence, Arc<StoredEvent>>,
    pub(crate) oldest: Sequence,
    pub(crate) head: Sequence,
    pub(crate) consumers: BTreeMap<DestinationId, ConsumerState>,
    pub(crate) management: Management,
    /// The delivery log: attempts made, and what the last one meant.
    last_attempts: BTreeMap<DestinationId, BTreeMap<Sequence, (u32, Verdict)>>,
    /// Every change there was, to be folded again.
    journal: Vec<Change>,
    pub(crate) queue: VecDeque<Write>,
    /// So many of the queue are being synced.
    pub(crate) syncing: usize,
}

/// What a page of the log has.
pub(crate) enum Page {
    Events(Vec<Arc<StoredEvent>>, Sequence),
    Trimmed(Sequence),
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { oldest: Sequence(1), ..Self::default() }
    }

    /// Makes a write durable and gives its events.
    pub(crate) fn apply(&mut self, write: &Write, at: UnixMillis) -> Vec<Arc<StoredEvent>> {
        let fresh: Vec<_> = write.events.iter().map(|draft| self.append(draft.clone(), at)).collect();
        for change in &write.changes {
            self.management.apply(change);
            fold(&mut self.consumers, change);
            if let Some(ended) = Ended::of(change) {
                let rows = self.last_attempts.entry(ended.id).or_default();
                rows.insert(ended.sequence, (ended.attempt, ended.verdict));
            }
            self.journal.push(change.clone());
        }
        fresh
    }

    fn append(&mut self, draft: EventDraft, at: UnixMillis) -> Arc<StoredEvent> {
        self.head = self.head.next();
        let id = EventId::generated(self.head.0, self.head, 0);
        let timestamp = Timestamp::from(at);
        let place = EncodeAs { sequence: self.head, tenant: TENANT, id, timestamp, stored_at: at };
        let event = Arc::new(StoredEvent::encode(draft, place));
        self.events.insert(self.head, Arc::clone(&event));
        event
    }

    /// Everything is lost but what is durable. What is kept is folded again from the changes, and must be the same.
    pub(crate) fn crash(&mut self) {
        self.queue.clear();
        self.syncing = 0;
        let mut again = BTreeMap::new();
        self.journal.iter().for_each(|change| fold(&mut again, change));
        assert_eq!(again, self.consumers, "the changes do not give what is kept");
    }

    pub(crate) fn trim(&mut self, oldest: Sequence) {
        self.oldest = self.oldest.max(oldest.min(self.head));
        self.events = self.events.split_off(&self.oldest);
    }

    pub(crate) fn event(&self, sequence: Sequence) -> Option<&Arc<StoredEvent>> {
        self.events.get(&sequence)
    }

    pub(crate) fn after(&self, place: Sequence) -> impl Iterator<Item = &Arc<StoredEvent>> {
        self.events.range(place.next()..).map(|(_, event)| event)
    }

    pub(crate) fn read(&self, filter: &EventFilter, after: Sequence, limit: usize) -> Page {
        if after.next() < self.oldest {
            return Page::Trimmed(self.oldest);
        }
        let mut events: Vec<_> =
            self.after(after).filter(|event| filter.matches(event)).take(limit).cloned().collect();
        events.sort_by_key(|event| event.sequence());
        let is_full = events.len() >= limit;
        let last = events.last().filter(|_| is_full).map_or(self.head, |event| event.sequence());
        Page::Events(events, last.max(after))
    }

    pub(crate) fn last_attempt(&self, id: DestinationId, sequence: Sequence) -> Option<(u32, Verdict)> {
        self.last_attempts.get(&id)?.get(&sequence).copied()
    }

    pub(crate) fn tally(&self, id: DestinationId, replay: ReplayId) -> ReplayTally {
        self.consumers.get(&id).and_then(|one| one.replays.get(&replay)).copied().unwrap_or_default()
    }
}

/// The fold of changes into what is kept of consumers.
pub(crate) fn fold(consumers: &mut BTreeMap<DestinationId, ConsumerState>, change: &Change) {
    let (id, act): (DestinationId, &dyn Fn(&mut ConsumerState)) = match change {
        Change::PutDestination(one) => {
            consumers.entry(one.id).or_insert_with(|| ConsumerState::starting_after(one.start_after));
            return;
        }
        Change::Outcome { attempt, place, heard } => (attempt.destination, &move |one| {
            one.apply(attempt.sequence, attempt.attempt, attempt.verdict, *place);
            one.health.hear(*heard);
        }),
        Change::Invoked { record, place, heard } => (record.consumer.unwrap(), &move |one| {
            one.apply(record.sequence, record.attempt, record.verdict.unwrap(), *place);
            one.health.hear(*heard);
        }),
        Change::Requeue(requeue) => (requeue.destination, &move |one| one.requeue(requeue)),
        Change::MovePlace { destination, place } => (*destination, &move |one| one.move_to(*place)),
        Change::Resume { destination, skip_to } => (*destination, &move |one| one.resume(*skip_to)),
        Change::Notice { destination, notice } => (*destination, &move |one| one.health.notice = *notice),
        Change::StopReplay { destination, replay } => (*destination, &move |one| one.stop_replay(*replay)),
        _ => return,
    };
    if let Some(consumer) = consumers.get_mut(&id) {
        act(consumer);
    }
}
