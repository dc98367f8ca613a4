//! The machine of one destination: which event is sent when, what its answer means, where the place is.
//!
//! ```text
//!            read                  send                 answer               durable
//!  log ───────────▶ waiting ───────────────▶ sent ────────────▶ recording ───────────▶ (gone: place moves)
//!                                             ▲                     │
//!                                             └──── due ── retries ◀┘ failed, attempts left
//! ```
//!
//! What must hold:
//! - At most `max_in_flight` deliveries are sent and not durably recorded: a slot is freed only by `Recorded`.
//! - The place never passes an event whose outcome is not durable, and never moves back.
//! - Retries take at most half of the slots, so that old failures never starve new events; when as many as
//!   `max_retrying` wait, new events wait in the log.

use crate::delivery::backoff::next_attempt_ms;
use crate::model::{ConsumerState, Ordering, RetryState, Sequence, UnixMillis, Verdict};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[cfg(test)]
mod tests;

/// Places that the machine moves over without a matching event before it has that recorded.
const MOVE_PLACE_EVERY: u64 = 4096;

/// How a destination delivers.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Deliveries under way or unrecorded.
    pub max_in_flight: usize,
    /// Retries that may wait.
    pub max_retrying: usize,
    /// Waits before each further attempt; empty: one attempt only.
    pub schedule_ms: Vec<u64>,
    /// Attempts a second, if limited.
    pub rate_limit_per_s: Option<u32>,
    /// Which deliveries wait for which.
    pub ordering: Ordering,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The log's newest event is this one now.
    HeadMoved(Sequence),
    /// A read ended: matching events with their ordering key, and how far it looked.
    PageRead {
        /// In log order, all after the last read.
        events: Vec<(Sequence, u64)>,
        /// Everything matching up to here is in `events`.
        scanned_to: Sequence,
    },
    /// A read failed; it is tried again when the clock is reached.
    ReadFailed,
    /// Retention removed everything before this event.
    Trimmed(Sequence),
    /// An attempt ended.
    Answered {
        /// Of which event.
        sequence: Sequence,
        /// How.
        outcome: Outcome,
        /// Randomness for the jitter, in 0..1.
        jitter: f64,
    },
    /// An outcome is durable.
    Recorded(Sequence),
    /// Time passed. Too early is harmless.
    ClockReached,
    /// The destination was changed.
    Reconfigured(Settings),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// 2xx.
    Success,
    /// Anything else that may go better later.
    Failure {
        /// What the endpoint asked to wait.
        retry_after_ms: Option<u64>,
    },
    /// 410.
    Gone,
    /// The stored event cannot be read: no attempt can ever go better.
    Unreadable,
    /// The stored event is no longer kept.
    Trimmed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Read matching events after a place; answered by `PageRead`, `Trimmed` or `ReadFailed`.
    Read {
        /// After this place.
        after: Sequence,
        /// At most this many.
        limit: usize,
    },
    /// Make an attempt; answered by `Answered`.
    Send {
        /// Of this event.
        sequence: Sequence,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// Make an outcome durable; answered by `Recorded`.
    Record {
        /// Of this event.
        sequence: Sequence,
        /// Which attempt it was.
        attempt: u32,
        /// What it means.
        verdict: Verdict,
        /// The place that follows.
        place: Sequence,
    },
    /// Make a place durable that moved without outcomes.
    MovePlace(Sequence),
    /// Send `ClockReached` at this time.
    WakeAt(UnixMillis),
    /// The endpoint is gone for good.
    Deactivate,
}

/// A delivery that takes a slot.
#[derive(Debug, Clone, PartialEq)]
struct Slot {
    attempt: u32,
    key: Option<u64>,
    is_retry: bool,
    /// Answered, and on its way into the log as this.
    recording: Option<Verdict>,
}

/// The state of one destination's deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct DestinationMachine {
    settings: Settings,
    head: Sequence,
    /// Everything up to here has been read.
    read_to: Sequence,
    reading: bool,
    /// The durable place.
    place: Sequence,
    /// Settled before the start, after `place`: not to be sent again.
    settled: BTreeSet<Sequence>,
    /// Matching events in log order that have not been sent.
    waiting: VecDeque<(Sequence, u64)>,
    slots: BTreeMap<Sequence, Slot>,
    retries: BTreeMap<Sequence, (RetryState, Option<u64>)>,
    by_due: BTreeSet<(UnixMillis, Sequence)>,
    /// The next attempt may not be made earlier (rate limit).
    not_before: UnixMillis,
    last_was_retry: bool,
}

impl DestinationMachine {
    /// Goes on from what the log keeps.
    pub fn new(settings: Settings, kept: ConsumerState, head: Sequence) -> Self {
        let by_due = kept.retries.iter().map(|(sequence, retry)| (retry.due, *sequence)).collect();
        let retries = kept.retries.into_iter().map(|(sequence, retry)| (sequence, (retry, None))).collect();
        Self {
            settings,
            head,
            read_to: kept.place,
            reading: false,
            place: kept.place,
            settled: kept.settled,
            waiting: VecDeque::new(),
            slots: BTreeMap::new(),
            retries,
            by_due,
            not_before: UnixMillis(0),
            last_was_retry: false,
        }
    }

    /// Takes an input in and says what is to be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis, actions: &mut Vec<Action>) {
        match input {
            Input::HeadMoved(head) => self.head = self.head.max(head),
            Input::PageRead { events, scanned_to } => self.page_read(events, scanned_to),
            Input::ReadFailed => {
                self.reading = false;
                actions.push(Action::WakeAt(now.plus(1000)));
                return;
            }
            Input::Trimmed(oldest) => self.trimmed(oldest),
            Input::Answered { sequence, outcome, jitter } => {
                self.answered(sequence, outcome, jitter, now, actions);
            }
            Input::Recorded(sequence) => self.recorded(sequence),
            Input::ClockReached => {}
            Input::Reconfigured(settings) => self.settings = settings,
        }
        self.step(now, actions);
        debug_assert!(self.slots.len() <= self.settings.max_in_flight.max(self.slots_at_most()));
    }

    /// Deliveries that are sent and not durably recorded.
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// A smaller window does not take slots away from what is under way.
    fn slots_at_most(&self) -> usize {
        self.slots.len()
    }

    fn page_read(&mut self, events: Vec<(Sequence, u64)>, scanned_to: Sequence) {
        self.reading = false;
        for (sequence, key) in events {
            if sequence > self.read_to && !self.settled.contains(&sequence) {
                self.waiting.push_back((sequence, key));
            }
        }
        self.read_to = self.read_to.max(scanned_to);
        self.settled = self.settled.split_off(&self.read_to.next());
    }

    fn trimmed(&mut self, oldest: Sequence) {
        self.reading = false;
        self.read_to = self.read_to.max(oldest.previous());
        self.waiting.retain(|(sequence, _)| *sequence >= oldest);
    }

    fn answered(
        &mut self,
        sequence: Sequence,
        outcome: Outcome,
        jitter: f64,
        now: UnixMillis,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get_mut(&sequence).filter(|slot| slot.recording.is_none()) else {
            return;
        };
        let attempt = slot.attempt;
        let verdict = match outcome {
            Outcome::Success => Verdict::Delivered,
            Outcome::Gone | Outcome::Unreadable => Verdict::Dead,
            Outcome::Trimmed => Verdict::Expired,
            Outcome::Failure { retry_after_ms } => {
                let wait = next_attempt_ms(&self.settings.schedule_ms, attempt, retry_after_ms, jitter);
                wait.map_or(Verdict::Dead, |wait| Verdict::Retry { at: now.plus(wait) })
            }
        };
        slot.recording = Some(verdict);
        let place = self.place_without(sequence);
        actions.push(Action::Record { sequence, attempt, verdict, place });
        if outcome == Outcome::Gone {
            actions.push(Action::Deactivate);
        }
    }

    fn recorded(&mut self, sequence: Sequence) {
        let Some(slot) = self.slots.remove(&sequence) else { return };
        if let Some(Verdict::Retry { at }) = slot.recording {
            self.retries.insert(sequence, (RetryState { attempts: slot.attempt, due: at }, slot.key));
            self.by_due.insert((at, sequence));
        }
    }

    /// The place when this event's outcome becomes durable: only durable outcomes are passed. First attempts
    /// count, a retry's event has been passed already.
    fn place_without(&self, settled: Sequence) -> Sequence {
        let open = self.slots.iter().find(|(sequence, slot)| !slot.is_retry && **sequence != settled);
        let open = open.map(|(sequence, _)| *sequence);
        let waiting = self.waiting.front().map(|(sequence, _)| *sequence);
        let first = open.into_iter().chain(waiting).min();
        self.place.max(first.map_or(self.read_to, Sequence::previous))
    }

    fn step(&mut self, now: UnixMillis, actions: &mut Vec<Action>) {
        while self.send_one(now, actions) {}
        self.read_on(actions);
        let idle = self.slots.is_empty() && self.waiting.is_empty();
        if idle && self.read_to.0 - self.place.0.min(self.read_to.0) >= MOVE_PLACE_EVERY {
            self.place = self.read_to;
            actions.push(Action::MovePlace(self.place));
        }
        let due = self.by_due.first().map(|(due, _)| *due);
        let limited = (now < self.not_before && self.has_work(now)).then_some(self.not_before);
        if let Some(at) = due.into_iter().chain(limited).filter(|at| *at > now).min() {
            actions.push(Action::WakeAt(at));
        }
    }

    fn has_work(&self, now: UnixMillis) -> bool {
        !self.waiting.is_empty() || self.by_due.first().is_some_and(|(due, _)| *due <= now)
    }

    fn send_one(&mut self, now: UnixMillis, actions: &mut Vec<Action>) -> bool {
        if self.slots.len() >= self.settings.max_in_flight || now < self.not_before {
            return false;
        }
        let retry = self.due_retry(now);
        let first = self.next_first();
        // With a single slot the lanes take turns.
        let prefers_first = first.is_some() && (self.last_was_retry || retry.is_none());
        let (sequence, slot) = match (retry, first) {
            (_, Some((sequence, key))) if prefers_first => {
                self.waiting.retain(|(waiting, _)| *waiting != sequence);
                (sequence, Slot { attempt: 1, key: Some(key), is_retry: false, recording: None })
            }
            (Some(sequence), _) => {
                let Some((retry, key)) = self.retries.remove(&sequence) else { return false };
                self.by_due.remove(&(retry.due, sequence));
                (sequence, Slot { attempt: retry.attempts + 1, key, is_retry: true, recording: None })
            }
            _ => return false,
        };
        self.last_was_retry = slot.is_retry;
        if let Some(rate) = self.settings.rate_limit_per_s {
            self.not_before = now.plus(1000_u64.div_ceil(u64::from(rate.max(1))));
        }
        actions.push(Action::Send { sequence, attempt: slot.attempt });
        self.slots.insert(sequence, slot);
        true
    }

    /// The retry that is due and whose lane has room.
    fn due_retry(&self, now: UnixMillis) -> Option<Sequence> {
        let lane = (self.settings.max_in_flight / 2).max(1);
        if self.slots.values().filter(|slot| slot.is_retry).count() >= lane {
            return None;
        }
        let due = self.by_due.iter().take_while(|(due, _)| *due <= now).map(|(_, sequence)| *sequence);
        match self.settings.ordering {
            Ordering::None => due.into_iter().next(),
            // Of those in order the oldest goes first, whatever is due.
            _ => due.into_iter().filter(|sequence| self.is_free(*sequence, self.retries[sequence].1)).min(),
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
                first_of_key.find(|(sequence, key)| self.is_free(*sequence, Some(*key))).copied()
            }
        }
    }

    /// Whether nothing that must come before an event is unsettled. A retry of unknown key holds every key back.
    fn is_free(&self, sequence: Sequence, key: Option<u64>) -> bool {
        let holds = |other: Sequence, other_key: Option<u64>| {
            let same = match (self.settings.ordering, key, other_key) {
                (Ordering::None, ..) => false,
                (Ordering::Strict, ..) | (_, None, _) | (_, _, None) => true,
                (_, Some(key), Some(other)) => key == other,
            };
            other < sequence && same
        };
        let slots = self.slots.iter().any(|(other, slot)| {
            let strict = self.settings.ordering == Ordering::Strict;
            strict || holds(*other, slot.key)
        });
        !slots && !self.retries.iter().any(|(other, (_, other_key))| holds(*other, *other_key))
    }

    fn read_on(&mut self, actions: &mut Vec<Action>) {
        let ahead = self.settings.max_in_flight * 2;
        if !self.reading && self.read_to < self.head && self.waiting.len() <= self.settings.max_in_flight {
            self.reading = true;
            actions.push(Action::Read { after: self.read_to, limit: ahead.clamp(16, 1024) });
        }
    }
}
