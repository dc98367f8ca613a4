//! A log in memory, for tests: keeps every promise but durability.

mod runs;

use super::{
    AttemptQuery, Bounds, Commit, Committed, DeliveryQuery, DeliveryRows, EventLog, InvocationQuery,
    InvocationRows, LastAttempt, LastAttempts, LastAttemptsQuery, Later, LogError, LogStats, MEMORY_WORK,
    Management, Order, Page, Query, Work, write::Change,
};
use crate::model::{
    AttemptRecord, ClosedGate, ConsumerState, DestinationId, EncodeAs, EventFilter, EventId, EventMode,
    FunctionChange, Gate, InvocationId, InvocationRecord, ReplayId, ReplayTally, Sequence, StoredEvent,
    TenantId, Timestamp,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use runs::Runs;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A log that lives as long as the process.
#[derive(Debug)]
pub struct MemoryLog {
    state: Mutex<State>,
    bounds: watch::Sender<Bounds>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    events: BTreeMap<Sequence, Arc<StoredEvent>>,
    oldest: Sequence,
    keys: HashMap<(Option<TenantId>, String), ([u8; 32], Committed)>,
    attempts: Vec<AttemptRecord>,
    consumers: BTreeMap<DestinationId, ConsumerState>,
    runs: Runs,
    management: Management,
    commits: u64,
    closed: bool,
}

impl Default for MemoryLog {
    fn default() -> Self {
        let bounds = Bounds { oldest: Sequence(1), head: Sequence::ZERO };
        let state = State { oldest: Sequence(1), ..State::default() };
        Self { state: Mutex::new(state), bounds: watch::Sender::new(bounds), version: watch::Sender::new(0) }
    }
}

impl MemoryLog {
    /// Trims everything before `oldest`, as retention would.
    pub fn trim(&self, oldest: Sequence) {
        let mut state = self.lock();
        state.events = state.events.split_off(&oldest);
        state.oldest = oldest;
        self.bounds.send_modify(|bounds| bounds.oldest = oldest);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_now(&self, commit: Commit) -> Result<Committed, LogError> {
        let mut state = self.lock();
        if state.closed {
            return Err(LogError::Closed);
        }
        let key = commit.key.map(|key| ((commit.tenant, key.name), key.content));
        if let Some((name, content)) = &key
            && let Some((known, first)) = state.keys.get(name)
        {
            let replay = Committed { replayed: true, ..first.clone() };
            return if known == content { Ok(replay) } else { Err(LogError::KeyReused) };
        }
        let committed = state.append(commit.tenant, commit.events)?;
        for mut change in commit.changes {
            if change.takes_place(&committed) {
                state.apply(&change);
            }
        }
        state.commits += 1;
        if let Some((name, content)) = key {
            state.keys.insert(name, (content, committed.clone()));
        }
        let head = state.events.keys().next_back().copied();
        let version = state.management.version;
        drop(state);
        if let Some(head) = head {
            self.bounds.send_modify(|bounds| bounds.head = bounds.head.max(head));
        }
        self.version.send_if_modified(|known| std::mem::replace(known, version) != version);
        Ok(committed)
    }

    fn read_now(&self, query: &Query) -> Result<Page, LogError> {
        let state = self.lock();
        let head = state.events.keys().next_back().copied().unwrap_or(state.oldest.previous());
        if query.order == Order::Ascending && query.from.next() < state.oldest {
            let missed = state.oldest.0 - query.from.0 - 1;
            return Err(LogError::Trimmed { oldest: state.oldest, missed });
        }
        let ascending = query.order == Order::Ascending;
        let end = if ascending { query.up_to.min(head) } else { state.oldest };
        let mut page = Page { scanned_to: end, ..Page::default() };
        let (mut bytes, mut work, mut seen) = (0, Work::up_to(MEMORY_WORK), query.from);
        let in_range: Box<dyn Iterator<Item = &Arc<StoredEvent>>> = if ascending {
            Box::new(state.events.range(query.from.next()..).map(|(_, event)| event))
        } else {
            Box::new(state.events.range(..query.from).rev().map(|(_, event)| event))
        };
        for event in in_range {
            if ascending && event.sequence() > end {
                break;
            }
            if work.is_spent() {
                (page.has_more, page.scanned_to) = (true, seen);
                return Ok(page);
            }
            if event.tenant() != query.tenant || !work.matches(&query.filter, event) {
                seen = event.sequence();
                continue;
            }
            if page.events.len() >= query.limit || (bytes >= query.max_bytes && !page.events.is_empty()) {
                (page.has_more, page.scanned_to) = (true, seen);
                return Ok(page);
            }
            seen = event.sequence();
            bytes += event.envelope().len();
            page.events.push(Arc::clone(event));
        }
        if ascending {
            page.scanned_to = page.scanned_to.max(query.from);
        }
        Ok(page)
    }
}

impl State {
    fn append(
        &mut self,
        tenant: Option<TenantId>,
        drafts: Vec<crate::model::EventDraft>,
    ) -> Result<Committed, LogError> {
        let tenant = tenant.unwrap_or(TenantId(0));
        let mut committed = Committed::default();
        let mut next = self.events.keys().next_back().copied().unwrap_or(self.oldest.previous());
        let stored_at = crate::clock::now();
        for (index, draft) in drafts.into_iter().enumerate() {
            if let Some(id) = &draft.id {
                let known = self.newest(tenant, id).or_else(|| {
                    committed.events.iter().find(|event: &&Arc<StoredEvent>| event.id() == id).cloned()
                });
                if let Some(known) = known {
                    if !known.is_same_as(&draft) {
                        return Err(LogError::IdTaken { index, id: id.clone() });
                    }
                    committed.events.push(known);
                    committed.fresh.push(false);
                    continue;
                }
            }
            next = next.next();
            let id =
                draft.id.clone().unwrap_or_else(|| EventId::generated(stored_at.0.unsigned_abs(), next, 0));
            let timestamp = draft.timestamp.unwrap_or_else(|| Timestamp::from(stored_at));
            let place = EncodeAs { sequence: next, tenant, id, timestamp, stored_at };
            committed.events.push(Arc::new(StoredEvent::encode(draft, place)));
            committed.fresh.push(true);
        }
        for (event, _) in committed.events.iter().zip(&committed.fresh).filter(|(_, fresh)| **fresh) {
            self.events.insert(event.sequence(), Arc::clone(event));
        }
        Ok(committed)
    }

    fn newest(&self, tenant: TenantId, id: &EventId) -> Option<Arc<StoredEvent>> {
        self.events.values().rev().find(|event| event.tenant() == tenant && event.id() == id).cloned()
    }

    fn deliveries(&self, query: &DeliveryQuery) -> DeliveryRows {
        let mut last: BTreeMap<Sequence, &AttemptRecord> = BTreeMap::new();
        let of_destination = self.attempts.iter().filter(|one| one.destination == query.destination);
        for one in of_destination.filter(|one| one.sequence < query.below) {
            let known = last.entry(one.sequence).or_insert(one);
            if one.attempt >= known.attempt {
                *known = one;
            }
        }
        let wanted = last.into_values().rev().filter(|one| (query.wanted)(one.sequence, one.verdict));
        let noted =
            |one: &&AttemptRecord| one.event.as_ref().is_some_and(|note| query.filter.matches_note(note));
        let all_events = query.filter == EventFilter::default();
        let mut rows: Vec<AttemptRecord> =
            wanted.filter(|one| all_events || noted(one)).take(query.limit + 1).cloned().collect();
        let has_more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let scanned_to = rows.last().filter(|_| has_more).map_or(Sequence::ZERO, |one| one.sequence);
        DeliveryRows { last_attempts: rows, scanned_to, has_more }
    }

    fn last_attempts(&self, query: &LastAttemptsQuery) -> LastAttempts {
        let mut last: BTreeMap<Sequence, LastAttempt> = BTreeMap::new();
        let range = query.after.next()..=query.up_to;
        let of_destination = self.attempts.iter().filter(|one| one.destination == query.destination);
        for one in of_destination.filter(|one| range.contains(&one.sequence)) {
            let row = LastAttempt { sequence: one.sequence, attempts: one.attempt, verdict: one.verdict };
            let known = last.entry(one.sequence).or_insert(row);
            if one.attempt >= known.attempts {
                *known = row;
            }
        }
        LastAttempts::cut(last.into_values().collect(), query.limit, query.up_to)
    }

    fn apply(&mut self, change: &Change) {
        self.management.apply(change);
        self.runs.apply(change);
        match change {
            Change::PutDestination(destination) => {
                let start = ConsumerState::starting_after(destination.start_after);
                self.consumers.entry(destination.id).or_insert(start);
            }
            Change::RemoveDestination(id) => {
                self.consumers.remove(id);
            }
            Change::Outcome { attempt, place, heard } => {
                if let Some(consumer) = self.consumers.get_mut(&attempt.destination) {
                    consumer.apply(attempt.sequence, attempt.attempt, attempt.verdict, *place);
                    consumer.health.hear(*heard);
                    self.attempts.push((**attempt).clone());
                }
            }
            Change::Requeue(requeue) => {
                if let Some(consumer) = self.consumers.get_mut(&requeue.destination) {
                    consumer.requeue(requeue);
                }
            }
            Change::MovePlace { destination, place } => {
                if let Some(consumer) = self.consumers.get_mut(destination) {
                    consumer.move_to(*place);
                }
            }
            Change::Invoked { record, place, heard } => {
                let consumer = record.consumer.and_then(|id| self.consumers.get_mut(&id));
                if let (Some(consumer), Some(verdict)) = (consumer, record.verdict) {
                    consumer.apply(record.sequence, record.attempt, verdict, *place);
                    consumer.health.hear(*heard);
                }
            }
            Change::Functions(change) => match &**change {
                FunctionChange::PutSubscription(one) if one.mode == EventMode::Post => {
                    let start = ConsumerState::starting_after(one.start_after);
                    self.consumers.entry(one.consumer).or_insert(start);
                }
                FunctionChange::RemoveSubscription(_, _, consumer) => {
                    self.consumers.remove(consumer);
                }
                _ => {}
            },
            change => self.apply_to_one(change),
        }
    }

    /// Changes of one consumer that is there already.
    fn apply_to_one(&mut self, change: &Change) {
        match change {
            Change::Resume { destination, skip_to } => {
                if let Some(consumer) = self.consumers.get_mut(destination) {
                    consumer.resume(*skip_to);
                }
            }
            Change::Notice { destination, notice } => {
                if let Some(consumer) = self.consumers.get_mut(destination) {
                    consumer.health.notice = *notice;
                }
            }
            Change::StopReplay { destination, replay } => {
                if let Some(consumer) = self.consumers.get_mut(destination) {
                    consumer.stop_replay(*replay);
                }
            }
            Change::RemoveReplay { destination, replay } => {
                if let Some(consumer) = self.consumers.get_mut(destination) {
                    consumer.replays.remove(replay);
                }
            }
            _ => {}
        }
    }
}

impl EventLog for MemoryLog {
    fn commit(&self, commit: Commit) -> Later<Committed> {
        ready(self.commit_now(commit)).boxed()
    }

    fn read(&self, query: Query) -> Later<Page> {
        ready(self.read_now(&query)).boxed()
    }

    fn count(&self, query: Query) -> Later<u64> {
        ready(self.read_now(&query).map(|page| page.events.len() as u64)).boxed()
    }

    fn find(&self, tenant: TenantId, id: EventId) -> Later<Option<Arc<StoredEvent>>> {
        ready(Ok(self.lock().newest(tenant, &id))).boxed()
    }

    fn attempts(&self, query: AttemptQuery) -> Later<Vec<AttemptRecord>> {
        let state = self.lock();
        let wanted = state.attempts.iter().filter(|attempt| {
            attempt.destination == query.destination
                && query.sequence.is_none_or(|seq| seq == attempt.sequence)
        });
        ready(Ok(wanted.take(query.limit).cloned().collect())).boxed()
    }

    fn deliveries(&self, query: DeliveryQuery) -> Later<DeliveryRows> {
        ready(Ok(self.lock().deliveries(&query))).boxed()
    }

    fn last_attempts(&self, query: LastAttemptsQuery) -> Later<LastAttempts> {
        ready(Ok(self.lock().last_attempts(&query))).boxed()
    }

    fn recent(&self, after: Sequence, limit: usize) -> Option<Vec<Arc<StoredEvent>>> {
        let state = self.lock();
        let complete = after.next() >= state.oldest;
        complete.then(|| {
            state.events.range(after.next()..).take(limit).map(|(_, event)| Arc::clone(event)).collect()
        })
    }

    fn bounds(&self) -> watch::Receiver<Bounds> {
        self.bounds.subscribe()
    }

    fn management(&self) -> Arc<Management> {
        Arc::new(self.lock().management.clone())
    }

    fn management_changed(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn replay_tally(&self, id: DestinationId, replay: ReplayId) -> ReplayTally {
        let state = self.lock();
        state.consumers.get(&id).and_then(|one| one.replays.get(&replay)).copied().unwrap_or_default()
    }

    fn consumer(&self, id: DestinationId) -> Option<ConsumerState> {
        self.lock().consumers.get(&id).cloned()
    }

    fn gates(&self) -> Vec<Gate> {
        self.lock().runs.gates.values().cloned().collect()
    }

    fn closed_gate(&self, tenant: TenantId, sequence: Sequence) -> Later<Option<ClosedGate>> {
        ready(Ok(self.lock().runs.closed(tenant, sequence))).boxed()
    }

    fn invocations(&self, query: InvocationQuery) -> Later<InvocationRows> {
        ready(Ok(self.lock().runs.list(&query))).boxed()
    }

    fn invocation(&self, tenant: TenantId, id: InvocationId) -> Later<Vec<InvocationRecord>> {
        ready(Ok(self.lock().runs.one(tenant, id))).boxed()
    }

    fn health(&self) -> Result<(), LogError> {
        if self.lock().closed { Err(LogError::Closed) } else { Ok(()) }
    }

    fn stats(&self) -> LogStats {
        let state = self.lock();
        LogStats { events: state.events.len() as u64, commits: state.commits, ..LogStats::default() }
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.lock().closed = true;
        ready(()).boxed()
    }
}
