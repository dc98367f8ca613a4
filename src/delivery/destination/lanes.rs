//! Which event goes next: lanes of first attempts and retries, the window, the rate, the order.

use super::{Action, DestinationMachine, Slot};
use crate::model::{Ordering, Requeued, Sequence, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

impl DestinationMachine {
    /// The keys of another order. What is not among them was read long ago, and its key is unknown.
    pub(super) fn rekey(&mut self, keys: &BTreeMap<Sequence, u64>) {
        for (sequence, key) in &mut self.waiting {
            *key = keys.get(sequence).copied().unwrap_or_default();
        }
        for (sequence, slot) in &mut self.slots {
            slot.key = keys.get(sequence).copied();
        }
        for (sequence, (_, key)) in &mut self.retries {
            *key = keys.get(sequence).copied();
        }
    }

    pub(super) fn has_work(&self, now: UnixMillis) -> bool {
        !self.waiting.is_empty() || self.by_due.first().is_some_and(|(due, _)| *due <= now)
    }

    pub(super) fn send_one(&mut self, now: UnixMillis, actions: &mut Vec<Action>) -> bool {
        let is_full = self.slots.len() >= self.settings.max_in_flight;
        if self.is_ending || is_full || now < self.not_before || !self.breaker.permits(now) {
            return false;
        }
        let retry = self.due_retry(now);
        let first = self.next_first();
        // With a single slot the lanes take turns.
        let prefers_first = first.is_some() && (self.last_was_retry || retry.is_none());
        let (sequence, slot) = match (retry, first) {
            (_, Some((sequence, key))) if prefers_first => {
                self.take_from_waiting(sequence);
                (sequence, Slot::of(1, Some(key), false, None))
            }
            (Some(sequence), _) => {
                let Some((retry, key)) = self.retries.remove(&sequence) else { return false };
                self.by_due.remove(&(retry.due, sequence));
                (sequence, Slot::of(retry.attempts + 1, key, true, retry.requeued))
            }
            _ => return false,
        };
        self.last_was_retry = slot.is_retry;
        self.breaker.sent(sequence);
        if let Some(rate) = self.settings.rate_limit_per_s {
            self.not_before = now.plus(1000_u64.div_ceil(u64::from(rate.max(1))));
        }
        let replay = slot.requeued.and_then(|requeued| requeued.replay);
        actions.push(Action::Send { sequence, attempt: slot.attempt, replay });
        self.slots.insert(sequence, slot);
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
    fn due_retry(&self, now: UnixMillis) -> Option<Sequence> {
        if self.by_due.first().is_none_or(|(due, _)| *due > now) {
            return None;
        }
        let lane = (self.settings.max_in_flight / 2).max(1);
        if self.slots.values().filter(|slot| slot.is_retry).count() >= lane {
            return None;
        }
        let due = self.by_due.iter().take_while(|(due, _)| *due <= now).map(|(_, sequence)| *sequence);
        match self.settings.ordering {
            Ordering::None => due.into_iter().next(),
            // Of those in order the oldest goes first, whatever is due.
            _ => due.into_iter().filter(|sequence| self.is_free_again(*sequence)).min(),
        }
    }

    /// The waiting event that may be sent first.
    fn next_first(&self) -> Option<(Sequence, u64)> {
        if self.retries.len() >= self.settings.max_retrying {
            return None;
        }
        match self.settings.ordering {
            Ordering::None => self.waiting.front().copied(),
            _ => {
                let mut seen = BTreeSet::new();
                let mut first_of_key = self.waiting.iter().filter(|(_, key)| seen.insert(*key));
                first_of_key.find(|(sequence, key)| self.is_free(*sequence, Some(*key), false)).copied()
            }
        }
    }

    fn is_free_again(&self, sequence: Sequence) -> bool {
        let (retry, key) = &self.retries[&sequence];
        self.is_free(sequence, *key, has_had_turn(retry.requeued))
    }

    /// Whether nothing that must come before an event is unsettled. A retry of unknown key holds every key back.
    /// Events that were put back after their outcome have had their turn: they keep an order among themselves, and hold no
    /// other back.
    fn is_free(&self, sequence: Sequence, key: Option<u64>, had_turn: bool) -> bool {
        let holds = |other: Sequence, other_key: Option<u64>, other_requeued: Option<Requeued>| {
            let same = match (self.settings.ordering, key, other_key) {
                (Ordering::None, ..) => false,
                (Ordering::Strict, ..) | (_, None, _) | (_, _, None) => true,
                (_, Some(key), Some(other)) => key == other,
            };
            other < sequence && same && had_turn == has_had_turn(other_requeued)
        };
        let is_strict = self.settings.ordering == Ordering::Strict;
        let slots =
            self.slots.iter().any(|(other, slot)| is_strict || holds(*other, slot.key, slot.requeued));
        let mut retries = self.retries.iter();
        !slots && !retries.any(|(other, (retry, key))| holds(*other, *key, retry.requeued))
    }
}

fn has_had_turn(requeued: Option<Requeued>) -> bool {
    requeued.is_some_and(|requeued| !requeued.keeps_turn)
}
