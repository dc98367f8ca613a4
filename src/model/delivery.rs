//! What became of an event at a consumer: attempts, verdicts, places.

use super::{DestinationId, Sequence, UnixMillis};
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

/// One attempt of one delivery, as the delivery log keeps it. Secrets are redacted before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Where it was sent.
    pub destination: DestinationId,
    /// The event's place.
    pub sequence: Sequence,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub at: UnixMillis,
    /// How long it took.
    pub latency_ms: u32,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// Why there was none, or why it counts as a failure.
    pub error: Option<String>,
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// The answer's headers, the first 64.
    pub response_headers: Vec<(String, String)>,
    /// The first 4 KiB of the answer's body, lossily read as UTF-8.
    pub response_body: String,
}

/// A delivery that waits for its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryState {
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next one is due.
    pub due: UnixMillis,
}

/// A consumer's progress as the log keeps it; a consumer is rebuilt from this and nothing else.
///
/// Every matching event up to `place` has its outcome in the log: delivered, dead, or waiting in `retries`.
/// Of those after `place`, the ones in `settled` have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsumerState {
    /// Up to here everything has an outcome.
    pub place: Sequence,
    /// Outcomes recorded out of order, all after `place`; at most `max_in_flight`.
    pub settled: BTreeSet<Sequence>,
    /// Deliveries that wait for another attempt, anywhere in the log.
    pub retries: BTreeMap<Sequence, RetryState>,
}

impl ConsumerState {
    /// Nothing heard yet, everything after `place` is wanted.
    pub fn starting_after(place: Sequence) -> Self {
        Self { place, ..Self::default() }
    }

    /// Takes in the outcome of an attempt and the place that follows from it. `place` never moves back.
    pub fn apply(&mut self, sequence: Sequence, attempts: u32, verdict: Verdict, place: Sequence) {
        match verdict {
            Verdict::Retry { at } => {
                self.retries.insert(sequence, RetryState { attempts, due: at });
            }
            Verdict::Delivered | Verdict::Dead | Verdict::Expired | Verdict::Cancelled => {
                self.retries.remove(&sequence);
            }
        }
        if sequence > self.place {
            self.settled.insert(sequence);
        }
        self.move_to(place);
    }

    /// Moves the place forward, over events that do not match or have their outcome.
    pub fn move_to(&mut self, place: Sequence) {
        if place > self.place {
            self.place = place;
            self.settled = self.settled.split_off(&place.next());
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
}
