//! Which event goes next: lanes of first attempts and retries, the window, the rate, the order.

use super::turns::Turns;
use super::{Action, DestinationMachine, MOST_SETTLED, Slot};
use crate::model::{Ordering, Sequence, UnixMillis};
use std::collections::{BTreeMap, HashSet};

/// So many events that their order holds back are read: those of other keys behind them are looked for so far.
pub(super) const MOST_HELD: usize = 1024;

impl DestinationMachine {
    /// The keys of another order. What is not among them waits for everything before it until its key is learned.
    pub(super) fn rekey(&mut self, keys: &BTreeMap<Sequence, u64>) {
        for (sequence, key) in &mut self.waiting {
            *key = keys.get(sequence).copied();
        }
        for (sequence, slot) in &mut self.slots {
            slot.key = keys.get(sequence).copied();
        }
        for (sequence, (_, key)) in &mut self.retries {
            *key = keys.get(sequence).copied();
        }
    }

    /// Keys that were unknown.
    pub(super) fn learn(&mut self, keys: &BTreeMap<Sequence, u64>) {
        let learned = |sequence: &Sequence, key: &mut Option<u64>| {
            *key = key.or_else(|| keys.get(sequence).copied());
        };
        self.waiting.iter_mut().for_each(|(sequence, key)| learned(sequence, key));
        self.slots.iter_mut().for_each(|(sequence, slot)| learned(sequence, &mut slot.key));
        for sequence in keys.keys() {
            if let Some((_, key)) = self.retries.get_mut(sequence) {
                learned(sequence, key);
            }
        }
    }

    /// Some events whose key is unknown, where keys matter: others wait for them that need not.
    pub fn of_unknown_key(&self, most: usize) -> Vec<Sequence> {
        if matches!(self.settings.ordering, Ordering::None | Ordering::Strict) {
            return Vec::new();
        }
        let waiting = self.waiting.iter().map(|(sequence, key)| (*sequence, *key));
        let slots = self.slots.iter().map(|(sequence, slot)| (*sequence, slot.key));
        let retries = self.retries.iter().map(|(sequence, (_, key))| (*sequence, *key));
        let unknown = waiting.chain(slots).chain(retries).filter(|(_, key)| key.is_none());
        unknown.map(|(sequence, _)| sequence).take(most).collect()
    }

    pub(super) fn has_work(&self, now: UnixMillis) -> bool {
        !self.waiting.is_empty() || self.by_due.first().is_some_and(|(due, _)| *due <= now)
    }

    /// Whether an attempt may be begun, if there is something to attempt.
    fn may_send(&self, now: UnixMillis) -> bool {
        let is_full = self.slots.len() >= self.settings.max_in_flight;
        !self.is_ending && !is_full && now >= self.pace.next() && self.breaker.permits(now)
    }

    /// `turns` are made when they are needed.
    pub(super) fn send_one(
        &mut self,
        now: UnixMillis,
        turns: &mut Option<Turns>,
        actions: &mut Vec<Action>,
    ) -> bool {
        if !self.may_send(now) {
            return false;
        }
        let turns = turns.get_or_insert_with(|| self.turns());
        let retry = self.due_retry(now, turns);
        let first = self.next_first(turns);
        // With a single slot the lanes take turns.
        let prefers_first = first.is_some() && (self.last_was_retry || retry.is_none());
        let (sequence, slot) = match (retry, first) {
            (_, Some((sequence, key))) if prefers_first => {
                self.take_from_waiting(sequence);
                turns.put(sequence, key, None);
                (sequence, Slot::of(1, key, false, None))
            }
            (Some(sequence), _) => {
                let Some((retry, key)) = self.retries.remove(&sequence) else { return false };
                self.by_due.remove(&(retry.due, sequence));
                (sequence, Slot::of(retry.attempts + 1, key, true, retry.requeued))
            }
            _ => return false,
        };
        turns.is_under_way = true;
        self.last_was_retry = slot.is_retry;
        self.breaker.sent(sequence);
        if let Some(rate) = self.settings.rate_limit_per_s {
            self.pace.sent(now, rate);
        }
        let replay = slot.requeued.and_then(|requeued| requeued.replay);
        actions.push(Action::Send { sequence, attempt: slot.attempt, replay });
        self.slots.insert(sequence, slot);
        debug_assert!(self.slots.len() <= self.settings.max_in_flight);
        true
    }

    /// Almost always it is the first that waits.
    fn take_from_waiting(&mut self, sequence: Sequence) {
        if self.waiting.front().is_some_and(|(first, _)| *first == sequence) {
            self.waiting.pop_front();
        } else {
            self.waiting.retain(|(waiting, _)| *waiting != sequence);
        }
    }

    /// The retry that is due and whose lane has room.
    fn due_retry(&self, now: UnixMillis, turns: &Turns) -> Option<Sequence> {
        if self.by_due.first().is_none_or(|(due, _)| *due > now) {
            return None;
        }
        let lane = (self.settings.max_in_flight / 2).max(1);
        if self.slots.values().filter(|slot| slot.is_retry).count() >= lane {
            return None;
        }
        let mut due = self.by_due.iter().take_while(|(due, _)| *due <= now).map(|(_, sequence)| *sequence);
        if self.settings.ordering == Ordering::None {
            return due.next();
        }
        // Of those in order the oldest goes first, whatever is due.
        let is_free = |sequence: &Sequence| {
            let (retry, key) = &self.retries[sequence];
            turns.permit(*sequence, *key, retry.requeued)
        };
        due.filter(is_free).min()
    }

    /// The waiting event that may be sent first.
    fn next_first(&self, turns: &Turns) -> Option<(Sequence, Option<u64>)> {
        if self.retries.len() >= self.settings.max_retrying {
            return None;
        }
        if self.settings.ordering == Ordering::None {
            return self.waiting.front().copied();
        }
        let mut before = HashSet::new();
        for (sequence, key) in self.waiting.iter().copied() {
            let is_next = if key.is_some() { before.insert(key) } else { before.is_empty() };
            if is_next && turns.permit(sequence, key, None) {
                return Some((sequence, key));
            }
            // One of unknown key goes before all that follow it, and after all that it follows.
            key?;
        }
        None
    }

    fn turns(&self) -> Turns {
        let mut turns = Turns::of(self.settings.ordering, !self.slots.is_empty());
        if self.settings.ordering != Ordering::None {
            let slots = self.slots.iter().map(|(sequence, slot)| (*sequence, slot.key, slot.requeued));
            let retries =
                self.retries.iter().map(|(sequence, (retry, key))| (*sequence, *key, retry.requeued));
            slots.chain(retries).for_each(|(sequence, key, requeued)| turns.put(sequence, key, requeued));
        }
        turns
    }

    pub(super) fn read_on(&mut self, now: UnixMillis, turns: Option<Turns>, actions: &mut Vec<Action>) {
        if self.reading || self.read_to >= self.head {
            return;
        }
        // What is held back lies before what was settled before the start: it has to be read first.
        let is_near = self.passed.len() < MOST_SETTLED || !self.settled.is_empty();
        let has_room = self.waiting.len() <= self.settings.max_in_flight || self.is_held_up(now, turns);
        if has_room && is_near {
            self.reading = true;
            let ahead = self.settings.max_in_flight * 2;
            actions.push(Action::Read { after: self.read_to, limit: ahead.clamp(16, 1024) });
        }
    }

    /// Whether everything that waits has to wait for something else, and what comes behind it need not.
    fn is_held_up(&self, now: UnixMillis, turns: Option<Turns>) -> bool {
        let has_keys = matches!(self.settings.ordering, Ordering::Pipeline | Ordering::RunId);
        let may_look = has_keys && self.waiting.len() < MOST_HELD && self.may_send(now);
        let may_begin = self.retries.len() < self.settings.max_retrying;
        may_look && may_begin && self.next_first(&turns.unwrap_or_else(|| self.turns())).is_none()
    }
}
