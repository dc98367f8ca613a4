//! What became of an event at a consumer: attempts, verdicts, places.

use super::{DestinationId, Health, ReplayId, ReplayTally, Sequence, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an attempt means for its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The endpoint took it.
    Delivered,
    /// It is tried again at this time.
    Retry {
        /// When.
        at: UnixMillis,
    },
    /// No attempt is left: listed until retention, resendable.
    Dead,
    /// The event went by retention before it could be delivered.
    Expired,
    /// Given up because the destination was deleted or told to skip.
    Cancelled,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// No attempt was made yet.
    Pending,
    /// An attempt failed, another one will be made.
    Retrying,
    /// The endpoint took it.
    Delivered,
    /// No attempt is left; it can be sent again.
    Dead,
    /// Its event went by retention.
    Expired,
    /// Given up because the destination was told to skip it.
    Cancelled,
}

impl DeliveryStatus {
    /// Every status with its name in the API.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Pending, "pending"),
        (Self::Retrying, "retrying"),
        (Self::Delivered, "delivered"),
        (Self::Dead, "dead"),
        (Self::Expired, "expired"),
        (Self::Cancelled, "cancelled"),
    ];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(status, _)| *status)
    }
}

/// A delivery that waits for its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryState {
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next one is due.
    pub due: UnixMillis,
    /// Set when it was put back to be sent again.
    pub requeued: Option<Requeued>,
}

impl RetryState {
    /// A delivery whose attempts so far failed.
    pub fn failed(attempts: u32, due: UnixMillis) -> Self {
        Self { attempts, due, requeued: None }
    }

    /// One that had its outcome after so many attempts, and is sent again from `due` on.
    pub fn after_outcome(attempts: u32, due: UnixMillis, replay: Option<ReplayId>) -> Self {
        let requeued = Some(Requeued { after: attempts, replay, keeps_turn: false });
        Self { attempts, due, requeued }
    }

    /// Whether a replay put it back.
    pub fn is_of(&self, replay: ReplayId) -> bool {
        self.requeued.is_some_and(|requeued| requeued.replay == Some(replay))
    }

    /// Put back to be sent from `due` on. Its turn it keeps, if it still has it.
    #[must_use]
    pub fn put_back(&self, due: UnixMillis, replay: Option<ReplayId>) -> Self {
        let keeps_turn = self.requeued.is_none_or(|requeued| requeued.keeps_turn);
        let requeued = Some(Requeued { after: self.attempts, replay, keeps_turn });
        Self { attempts: self.attempts, due, requeued }
    }

    /// Attempts that count on the retry schedule: those since it was last put back.
    pub fn on_schedule(&self, attempts: u32) -> u32 {
        attempts.saturating_sub(self.requeued.map_or(0, |requeued| requeued.after))
    }
}

/// Why a delivery is sent again although it had its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeued {
    /// Attempts made before; its run of the retry schedule begins after them.
    pub after: u32,
    /// The replay it belongs to; `None` when it was sent again by itself.
    pub replay: Option<ReplayId>,
    /// It was still being retried: what comes after it in an order goes on waiting for it.
    pub keeps_turn: bool,
}

/// Deliveries that are put back: sent again from `due` on, with a fresh run of the retry schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeue {
    /// To where.
    pub destination: DestinationId,
    /// The events, each with the attempts already made for it.
    pub deliveries: Vec<(Sequence, u32)>,
    /// When the first of their attempts may be made.
    pub due: UnixMillis,
    /// The replay they belong to.
    pub replay: Option<ReplayId>,
}

/// A consumer's progress as the log keeps it; a consumer is rebuilt from this and nothing else.
///
/// Every matching event up to `place` has its outcome in the log: delivered, dead, or waiting in `retries`.
/// Of those after `place`, the ones in `settled` have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsumerState {
    /// Up to here everything has an outcome.
    pub place: Sequence,
    /// Outcomes recorded out of order, all after `place`: no more than are in flight, or a few thousand while an
    /// order holds an earlier event back.
    pub settled: BTreeSet<Sequence>,
    /// Deliveries that wait for another attempt, anywhere in the log.
    pub retries: BTreeMap<Sequence, RetryState>,
    /// How its endpoint has been doing.
    pub health: Health,
    /// What became of what replays put back.
    pub replays: BTreeMap<ReplayId, ReplayTally>,
}

impl ConsumerState {
    /// Nothing heard yet, everything after `place` is wanted.
    pub fn starting_after(place: Sequence) -> Self {
        Self { place, ..Self::default() }
    }

    /// Takes in the outcome of an attempt and the place that follows from it. `place` never moves back.
    /// An attempt that was under way when its event was given up brings it not back. Gives whether the retry that waits
    /// for this event has changed.
    pub fn apply(&mut self, sequence: Sequence, attempts: u32, verdict: Verdict, place: Sequence) -> bool {
        let is_over = self.has_outcome(sequence) && !self.retries.contains_key(&sequence);
        let waits_otherwise = match verdict {
            Verdict::Retry { .. } if is_over => false,
            Verdict::Retry { at } => {
                let requeued = self.retries.get(&sequence).and_then(|known| known.requeued);
                self.retries.insert(sequence, RetryState { attempts, due: at, requeued });
                true
            }
            Verdict::Delivered | Verdict::Dead | Verdict::Expired | Verdict::Cancelled => {
                let known = self.retries.remove(&sequence);
                self.tally(known, verdict == Verdict::Delivered);
                known.is_some()
            }
        };
        if sequence > self.place {
            self.settled.insert(sequence);
        }
        self.move_to(place);
        waits_otherwise
    }

    fn has_outcome(&self, sequence: Sequence) -> bool {
        sequence <= self.place || self.settled.contains(&sequence)
    }

    /// Whether it has taken in how an attempt ended.
    pub fn has_heard_of(&self, sequence: Sequence, attempt: u32) -> bool {
        let waiting = self.retries.get(&sequence);
        self.has_outcome(sequence) && waiting.is_none_or(|waiting| waiting.attempts >= attempt)
    }

    /// How far a delivery is whose last attempt meant `last`; the log keeps events from `oldest` on.
    pub fn status_of(&self, sequence: Sequence, last: Option<Verdict>, oldest: Sequence) -> DeliveryStatus {
        if let Some(waiting) = self.retries.get(&sequence) {
            return match waiting.attempts {
                _ if sequence < oldest => DeliveryStatus::Expired,
                0 => DeliveryStatus::Pending,
                _ => DeliveryStatus::Retrying,
            };
        }
        match last {
            None if sequence > self.place => DeliveryStatus::Pending,
            None | Some(Verdict::Retry { .. } | Verdict::Cancelled) => DeliveryStatus::Cancelled,
            Some(Verdict::Delivered) => DeliveryStatus::Delivered,
            Some(Verdict::Dead) => DeliveryStatus::Dead,
            Some(Verdict::Expired) => DeliveryStatus::Expired,
        }
    }

    /// Puts deliveries back. An event that has no outcome yet is left alone: it is still to be sent.
    pub fn requeue(&mut self, requeue: &Requeue) {
        let Requeue { due, replay, .. } = *requeue;
        for (sequence, attempts) in requeue.deliveries.iter().copied() {
            let waiting = self.retries.get(&sequence);
            if waiting.is_some() || self.has_outcome(sequence) {
                let again = match waiting {
                    Some(waiting) => waiting.put_back(due, replay),
                    None => RetryState::after_outcome(attempts, due, replay),
                };
                let known = self.retries.insert(sequence, again);
                // An earlier replay is not what sends it any more.
                self.tally(known, false);
                if let Some(replay) = replay {
                    self.replays.entry(replay).or_default().waiting += 1;
                }
            }
        }
    }

    /// Counts what became of a delivery for the replay that put it back.
    fn tally(&mut self, known: Option<RetryState>, is_delivered: bool) {
        let replay = known.and_then(|known| known.requeued).and_then(|requeued| requeued.replay);
        let Some(tally) = replay.and_then(|replay| self.replays.get_mut(&replay)) else { return };
        tally.waiting = tally.waiting.saturating_sub(1);
        if is_delivered {
            tally.delivered += 1;
        } else {
            tally.failed += 1;
        }
    }

    /// Gives up what a replay put back and was not sent.
    pub fn stop_replay(&mut self, replay: ReplayId) {
        self.retries.retain(|_, retry| !retry.is_of(replay));
        if let Some(tally) = self.replays.get_mut(&replay) {
            tally.waiting = 0;
        }
    }

    /// Begins anew when its destination is switched on: earlier failures are forgotten, and of what waits nothing is
    /// left when it is told to skip to a place.
    pub fn resume(&mut self, skip_to: Option<Sequence>) {
        self.health = Health::default();
        if let Some(place) = skip_to {
            for (_, retry) in std::mem::take(&mut self.retries) {
                self.tally(Some(retry), false);
            }
            self.move_to(place);
        }
    }

    /// Moves the place forward, over events that do not match or have their outcome.
    pub fn move_to(&mut self, place: Sequence) {
        if place > self.place {
            self.place = place;
            while self.settled.first().is_some_and(|first| *first <= place) {
                self.settled.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_out_of_order_is_kept_until_the_place_passes_it() {
        let mut state = ConsumerState::starting_after(Sequence(10));
        state.apply(Sequence(12), 1, Verdict::Delivered, Sequence(10));
        assert_eq!(state.settled, BTreeSet::from([Sequence(12)]));
        state.apply(Sequence(11), 1, Verdict::Retry { at: UnixMillis(5) }, Sequence(12));
        assert_eq!(state.place, Sequence(12));
        assert!(state.settled.is_empty());
        assert_eq!(state.retries.len(), 1);
        state.apply(Sequence(11), 2, Verdict::Delivered, Sequence(9));
        assert_eq!((state.place, state.retries.len()), (Sequence(12), 0));
    }

    #[test]
    fn it_knows_the_attempts_that_it_was_told_of() {
        let mut state = ConsumerState::starting_after(Sequence(10));
        let heard = |state: &ConsumerState| [1, 2].map(|attempt| state.has_heard_of(Sequence(12), attempt));
        assert_eq!(heard(&state), [false, false]);
        state.apply(Sequence(12), 1, Verdict::Retry { at: UnixMillis(5) }, Sequence(10));
        assert_eq!(heard(&state), [true, false]);
        state.move_to(Sequence(20));
        assert_eq!(heard(&state), [true, false]);
        state.apply(Sequence(12), 2, Verdict::Delivered, Sequence(20));
        assert_eq!(heard(&state), [true, true]);
    }

    #[test]
    fn what_is_put_back_has_an_outcome_and_keeps_its_replay_until_it_has_another() {
        let mut state = ConsumerState::starting_after(Sequence(10));
        let replay = Some(ReplayId(7));
        let deliveries = vec![(Sequence(9), 3), (Sequence(11), 0)];
        state.requeue(&Requeue { destination: DestinationId(1), deliveries, due: UnixMillis(5), replay });
        let requeued = Some(Requeued { after: 3, replay, keeps_turn: false });
        let waiting = RetryState { attempts: 3, due: UnixMillis(5), requeued };
        assert_eq!(state.retries, BTreeMap::from([(Sequence(9), waiting)]));
        state.apply(Sequence(9), 4, Verdict::Retry { at: UnixMillis(8) }, Sequence(10));
        assert_eq!(state.retries[&Sequence(9)].requeued, requeued);
        assert_eq!(state.retries[&Sequence(9)].on_schedule(4), 1);
        assert_eq!(state.replays[&ReplayId(7)], ReplayTally { waiting: 1, ..ReplayTally::default() });
        state.apply(Sequence(9), 5, Verdict::Delivered, Sequence(10));
        assert_eq!((state.retries.len(), state.place), (0, Sequence(10)));
        assert_eq!(state.replays[&ReplayId(7)], ReplayTally { delivered: 1, ..ReplayTally::default() });
    }

    #[test]
    fn an_attempt_under_way_brings_nothing_back_that_was_given_up() {
        let retry = Verdict::Retry { at: UnixMillis(9) };
        let mut state = ConsumerState::starting_after(Sequence(10));
        let (replay, due) = (Some(ReplayId(7)), UnixMillis(5));
        let deliveries = vec![(Sequence(9), 1)];
        state.requeue(&Requeue { destination: DestinationId(1), deliveries, due, replay });
        state.stop_replay(ReplayId(7));
        state.apply(Sequence(9), 2, retry, Sequence(10));
        assert!(state.retries.is_empty(), "its replay was stopped");
        state.apply(Sequence(11), 1, retry, Sequence(11));
        state.resume(Some(Sequence(20)));
        state.apply(Sequence(11), 2, retry, Sequence(11));
        state.apply(Sequence(12), 1, retry, Sequence(12));
        assert!(state.retries.is_empty(), "it was skipped");
        state.apply(Sequence(21), 1, retry, Sequence(21));
        state.apply(Sequence(21), 2, retry, Sequence(21));
        assert_eq!(state.retries[&Sequence(21)].attempts, 2);
    }

    #[test]
    fn a_replay_that_is_stopped_leaves_what_others_put_back() {
        let mut state = ConsumerState::starting_after(Sequence(10));
        let put_back = |replay, sequence| Requeue {
            destination: DestinationId(1),
            deliveries: vec![(Sequence(sequence), 1)],
            due: UnixMillis(5),
            replay: Some(ReplayId(replay)),
        };
        state.requeue(&put_back(7, 1));
        state.requeue(&put_back(7, 2));
        state.requeue(&put_back(8, 2));
        state.stop_replay(ReplayId(7));
        assert_eq!(state.retries.keys().collect::<Vec<_>>(), [&Sequence(2)]);
        assert_eq!(state.replays[&ReplayId(7)], ReplayTally { failed: 1, ..ReplayTally::default() });
        assert_eq!(state.replays[&ReplayId(8)], ReplayTally { waiting: 1, ..ReplayTally::default() });
    }
}
