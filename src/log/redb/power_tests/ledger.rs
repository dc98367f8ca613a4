//! What a log must have: every commit that was acknowledged, folded in order. What else was asked for is there whole or
//! not at all, and not before it is certain.

use super::super::control::{Dirty, Kept, snapshot};
use super::super::journal::Entry;
use super::super::shared::apply_to_kept;
use super::super::simulated_disk::Dice;
use super::super::*;
use super::TENANT;
use super::plan::{SLOT, SUBSCRIPTION};
use crate::log::{Change, CommitKey, Order};
use crate::model::{EventDraft, EventFilter, GateChange, KeyId};
use futures_executor::block_on;
use std::collections::{BTreeMap, BTreeSet};

/// A commit with the number of the key that it puts: where the key is, the commit is.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) number: u64,
    pub(super) commit: Commit,
}

type Events = BTreeMap<u64, Arc<StoredEvent>>;
type Rows<T> = BTreeMap<(DestinationId, u64, u32), T>;

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) numbers: u64,
    pub(super) events: Events,
    pub(super) drafts: Vec<EventDraft>,
    pub(super) kept: Kept,
    pub(super) attempts: Rows<AttemptRecord>,
    pub(super) invocations: BTreeMap<(u64, u16, u32), InvocationRecord>,
    pub(super) closed: BTreeMap<u64, ClosedGate>,
    pub(super) keys: Vec<(CommitKey, Vec<Arc<StoredEvent>>)>,
    /// What commits that were not answered yet are about: nobody says two things of a delivery at a time.
    pub(super) busy: BTreeSet<(DestinationId, Sequence)>,
    management: Management,
    /// Events that a consumer was moved over.
    skipped: BTreeSet<(DestinationId, u64)>,
    /// Commits that may be there.
    unknown: Vec<(u64, Planned)>,
    /// Rows of commits that are not there; a file that was left behind may have them.
    stray_attempts: BTreeSet<(DestinationId, u64, u32)>,
    stray_invocations: BTreeSet<(u64, u16)>,
    stray_ends: BTreeSet<u64>,
    asked: u64,
    newest: u64,
}

impl Ledger {
    /// Takes an answer in.
    pub(super) fn hear(
        &mut self,
        planned: Planned,
        answer: Result<Committed, LogError>,
    ) -> Result<(), String> {
        self.asked += 1;
        match answer {
            Ok(committed) if committed.replayed => Err(format!("{} was there already", planned.number)),
            Ok(committed) => {
                self.newest = self.asked;
                // It may be that it was asked for before.
                self.unknown.retain(|(_, one)| one.number != planned.number);
                self.take(&planned.commit, &committed.events, Some(&committed.fresh))
            }
            Err(_) => {
                // Of those that failed together and were repeated in vain either all are there, or the repeated: in this order.
                match self.unknown.iter_mut().find(|(_, one)| one.number == planned.number) {
                    Some((asked, _)) => *asked = self.asked,
                    None => self.unknown.push((self.asked, planned)),
                }
                Ok(())
            }
        }
    }

    /// Folds a commit that is there.
    pub(super) fn take(
        &mut self,
        commit: &Commit,
        events: &[Arc<StoredEvent>],
        told: Option<&[bool]>,
    ) -> Result<(), String> {
        let mut fresh = Vec::new();
        for event in events {
            let known = self.events.insert(event.sequence().0, Arc::clone(event));
            if known.as_ref().is_some_and(|known| known != event) {
                return Err(format!("the place {} was given twice", event.sequence()));
            }
            fresh.push(known.is_none());
        }
        if told.is_some_and(|told| told != fresh) {
            return Err(format!("it says {told:?} of what is new, and {fresh:?} is"));
        }
        let new = commit.events.iter().zip(&fresh).filter(|(draft, fresh)| draft.id.is_some() && **fresh);
        self.drafts.extend(new.map(|(draft, _)| draft.clone()));
        self.keys.extend(commit.key.iter().map(|key| (key.clone(), events.to_vec())));
        let committed = Committed { events: events.to_vec(), fresh, replayed: false };
        for mut change in commit.changes.iter().cloned() {
            if change.takes_place(&committed) {
                self.fold(change);
            }
        }
        Ok(())
    }

    fn fold(&mut self, change: Change) {
        match &change {
            Change::Outcome { attempt, .. } => {
                let key = (attempt.destination, attempt.sequence.0, attempt.attempt);
                self.attempts.insert(key, (**attempt).clone());
            }
            Change::Invoked { record, .. } => self.record(record),
            Change::Gate(gate) => match &**gate {
                GateChange::Open(gate) => gate.opened().iter().for_each(|record| self.record(record)),
                GateChange::Close(closed) => {
                    closed.records.iter().for_each(|record| self.record(record));
                    self.closed.insert(closed.sequence.0, closed.clone());
                    self.stray_ends.remove(&closed.sequence.0);
                }
            },
            Change::PutDestination(one) if !self.kept.consumers.contains_key(&one.id) => {
                let before = self.events.range(..=one.start_after.0);
                self.skipped.extend(before.map(|(sequence, _)| (one.id, *sequence)));
            }
            Change::MovePlace { destination, place } => self.skip(*destination, *place),
            Change::Resume { destination, skip_to: Some(place) } => self.skip(*destination, *place),
            _ => {}
        }
        self.management.apply(&change);
        apply_to_kept(&Entry::of(change), &mut self.kept, &mut Dirty::default());
    }

    fn record(&mut self, record: &InvocationRecord) {
        let (sequence, slot) = (record.sequence.0, record.slot);
        self.invocations.insert((sequence, slot, record.attempt), record.clone());
        // Of the same attempt the newer file counts.
        self.stray_invocations.remove(&(sequence, slot));
    }

    fn skip(&mut self, consumer: DestinationId, place: Sequence) {
        let Some(state) = self.kept.consumers.get(&consumer) else { return };
        let passed = state.place.0 + 1..place.0.max(state.place.0) + 1;
        self.skipped.extend(self.events.range(passed).map(|(sequence, _)| (consumer, *sequence)));
    }

    /// Finds out which of the commits that may be there are. Gives those that a publisher would repeat, and whether they
    /// are there.
    fn resolve(&mut self, log: &RedbLog, found: &Events) -> Result<Vec<(Planned, bool)>, String> {
        let mut resolved = Vec::new();
        for (asked, planned) in std::mem::take(&mut self.unknown) {
            let of_draft = |draft: &EventDraft| found.values().find(|event| event.data() == draft.data);
            let events: Vec<_> = planned.commit.events.iter().filter_map(of_draft).cloned().collect();
            let is_new = |event: &Arc<StoredEvent>| !self.events.contains_key(&event.sequence().0);
            let is_marked = log.management().keys.contains_key(&KeyId(u128::from(planned.number)));
            let is_there = is_marked || events.iter().any(is_new);
            if is_there {
                if asked < self.newest {
                    return Err(format!(
                        "{} is there, and another was acknowledged after it",
                        planned.number
                    ));
                }
                if events.len() < planned.commit.events.len() {
                    return Err(format!("{} is there in parts", planned.number));
                }
                self.take(&planned.commit, &events, None)?;
            } else {
                self.expect_strays(&planned.commit);
            }
            resolved.extend(planned.commit.key.is_some().then_some((planned, is_there)));
        }
        Ok(resolved)
    }

    fn expect_strays(&mut self, commit: &Commit) {
        for change in &commit.changes {
            match change {
                Change::Outcome { attempt: one, .. } => {
                    self.stray_attempts.insert((one.destination, one.sequence.0, one.attempt));
                }
                Change::Invoked { record, .. } => {
                    self.stray_invocations.insert((record.sequence.0, record.slot));
                }
                Change::Gate(change) => {
                    if let GateChange::Close(closed) = &**change {
                        self.stray_ends.insert(closed.sequence.0);
                        let records = closed.records.iter();
                        self.stray_invocations.extend(records.map(|one| (one.sequence.0, one.slot)));
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a log that was just opened has everything, and of what is uncertain each commit whole or not at all.
    pub(super) fn check_opened(&mut self, log: &RedbLog, dice: &mut Dice) -> Result<(), String> {
        let found = everything(log)?;
        let resolved = self.resolve(log, &found)?;
        self.check(log)?;
        for (key, events) in picked(&self.keys, dice, 2) {
            let repeat = |content| {
                let key = CommitKey { content, ..key.clone() };
                block_on(log.commit(Commit { tenant: Some(TENANT), key: Some(key), ..Commit::default() }))
            };
            let answer = repeat(key.content).map_err(|error| error.to_string())?;
            if !answer.replayed || answer.events != *events {
                return Err(format!("the key {} was forgotten: {answer:?}", key.name));
            }
            if repeat([0xff; 32]) != Err(LogError::KeyReused) {
                return Err(format!("the key {} is good for anything", key.name));
            }
        }
        for (_, event) in picked(&self.events.iter().collect::<Vec<_>>(), dice, 2) {
            let known = block_on(log.find(TENANT, event.id().clone())).map_err(|error| error.to_string())?;
            if known.as_ref() != Some(*event) {
                return Err(format!("{} is not found by its id", event.id()));
            }
        }
        for (planned, is_there) in resolved {
            let answer = block_on(log.commit(planned.commit.clone())).map_err(|error| error.to_string())?;
            if answer.replayed != is_there {
                return Err(format!("{} is repeated, and was there: {is_there}", planned.number));
            }
            if !is_there {
                self.take(&planned.commit, &answer.events, Some(&answer.fresh))?;
            }
        }
        Ok(())
    }

    /// Whether exactly what was acknowledged is there.
    pub(super) fn check(&self, log: &RedbLog) -> Result<(), String> {
        let found = everything(log)?;
        let lost = self.events.iter().find(|(sequence, event)| found.get(sequence) != Some(event));
        if let Some((sequence, _)) = lost {
            return Err(format!("{sequence} was acknowledged and is not there"));
        }
        if let Some(sequence) = found.keys().find(|sequence| !self.events.contains_key(sequence)) {
            return Err(format!("{sequence} is there and was not acknowledged"));
        }
        if snapshot(&log.management()) != snapshot(&self.management) {
            return Err("management is another".to_owned());
        }
        let kept = log.shared.kept.lock().unwrap().clone();
        if kept != self.kept {
            return Err(format!("kept is {kept:?}\nand not {:?}", self.kept));
        }
        let attempts = self.check_attempts(log)?;
        self.check_places(log, &attempts)?;
        self.check_invocations(log)
    }

    fn check_attempts(&self, log: &RedbLog) -> Result<Rows<AttemptRecord>, String> {
        let mut found = BTreeMap::new();
        let known = self.attempts.keys().chain(&self.stray_attempts).map(|(destination, _, _)| *destination);
        for destination in known.collect::<BTreeSet<_>>() {
            let query = AttemptQuery { destination, sequence: None, limit: usize::MAX };
            let rows = block_on(log.attempts(query)).map_err(|error| error.to_string())?;
            found.extend(rows.into_iter().map(|row| ((destination, row.sequence.0, row.attempt), row)));
        }
        let lost = self.attempts.iter().find(|(key, attempt)| found.get(key) != Some(attempt));
        let is_stray = |key| self.attempts.contains_key(key) || self.stray_attempts.contains(key);
        let unknown = || self.unknown.iter().flat_map(|(_, one)| &one.commit.changes);
        let is_unknown = |key: &(DestinationId, u64, u32)| {
            unknown().any(|change| {
                matches!(change, Change::Outcome { attempt: one, .. }
                if (one.destination, one.sequence.0, one.attempt) == *key)
            })
        };
        let extra = found.keys().find(|key| !is_stray(key) && !is_unknown(key));
        match (lost, extra) {
            (None, None) => Ok(found),
            (Some((key, _)), _) => Err(format!("the attempt {key:?} was acknowledged and is not there")),
            (None, Some(key)) => Err(format!("the attempt {key:?} is there and nobody made it")),
        }
    }

    /// What a consumer has passed has an outcome, or was passed on purpose.
    fn check_places(&self, log: &RedbLog, attempts: &Rows<AttemptRecord>) -> Result<(), String> {
        for consumer in self.kept.consumers.keys().copied() {
            let Some(state) = log.consumer(consumer) else { continue };
            let settled = state.settled.iter().chain(state.retries.keys()).map(|sequence| sequence.0);
            let passed = self.events.range(..=state.place.0).map(|(sequence, _)| *sequence);
            for sequence in passed.chain(settled) {
                let key = (consumer, sequence, 1);
                let has_outcome = match consumer {
                    SUBSCRIPTION => self.invocations.contains_key(&(sequence, SLOT, 1)),
                    _ => attempts.contains_key(&key),
                };
                if !has_outcome && !self.skipped.contains(&(consumer, sequence)) {
                    return Err(format!("{consumer} is ahead: {sequence} has no outcome"));
                }
            }
        }
        Ok(())
    }

    fn check_invocations(&self, log: &RedbLog) -> Result<(), String> {
        let query = InvocationQuery {
            tenant: TENANT,
            below: None,
            function: None,
            sequence: None,
            status: None,
            limit: usize::MAX,
        };
        let rows = block_on(log.invocations(query)).map_err(|error| error.to_string())?.rows;
        let found: BTreeMap<_, _> =
            rows.into_iter().map(|record| ((record.sequence.0, record.slot), record)).collect();
        let wanted: BTreeMap<_, _> = self
            .invocations
            .iter()
            .map(|((sequence, slot, _), record)| ((*sequence, *slot), record))
            .collect();
        let is_certain = |id: &(u64, u16)| {
            let is_of = |one: &InvocationRecord| (one.sequence.0, one.slot) == *id;
            let concerns = |change: &Change| match change {
                Change::Invoked { record, .. } => is_of(record),
                Change::Gate(gate) => {
                    matches!(&**gate, GateChange::Close(closed) if closed.records.iter().any(is_of))
                }
                _ => false,
            };
            let is_unknown = self.unknown.iter().flat_map(|(_, one)| &one.commit.changes).any(concerns);
            !self.stray_invocations.contains(id) && !is_unknown
        };
        for (id, record) in wanted.iter().filter(|(id, _)| is_certain(id)) {
            if found.get(id) != Some(record) {
                return Err(format!("the invocation {id:?} is {:?} and not {record:?}", found.get(id)));
            }
        }
        for gate in
            self.closed.values().rev().take(3).filter(|one| !self.stray_ends.contains(&one.sequence.0))
        {
            let known =
                block_on(log.closed_gate(TENANT, gate.sequence)).map_err(|error| error.to_string())?;
            // The subscription hears of every event here, of PRE events too.
            let known = known.map(|mut known| {
                known.records.retain(|record| record.slot != SLOT);
                known
            });
            if known.as_ref() != Some(gate) {
                return Err(format!("the run {} ended as {known:?} and not as {gate:?}", gate.sequence));
            }
        }
        Ok(())
    }
}

/// Some of many.
fn picked<'a, T>(all: &'a [T], dice: &mut Dice, most: usize) -> Vec<&'a T> {
    let count = if all.is_empty() { 0 } else { most };
    (0..count).map(|_| &all[dice.below(all.len() as u64) as usize]).collect()
}

/// Every event, in order and once.
fn everything(log: &RedbLog) -> Result<Events, String> {
    let mut found = BTreeMap::new();
    let mut from = Sequence::ZERO;
    loop {
        let query = Query {
            tenant: TENANT,
            filter: EventFilter::default(),
            from,
            up_to: Sequence(u64::MAX),
            order: Order::Ascending,
            limit: 200,
            max_bytes: usize::MAX,
        };
        let page = block_on(log.read(query)).map_err(|error| error.to_string())?;
        for event in &page.events {
            if found.keys().next_back().is_some_and(|last| *last >= event.sequence().0) {
                return Err(format!("{} is there twice or out of order", event.sequence()));
            }
            found.insert(event.sequence().0, Arc::clone(event));
        }
        from = page.scanned_to;
        if !page.has_more {
            return Ok(found);
        }
    }
}
