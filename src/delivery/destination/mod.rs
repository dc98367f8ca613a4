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

use crate::delivery::backoff::{RETRY_AFTER_MAX_MS, jittered, next_attempt_ms};
use crate::model::{
    ConsumerState, Health, Heard, ReplayId, Requeue, Requeued, RetryState, Sequence, UnixMillis, Verdict,
};
use breaker::Breaker;
use pace::Pace;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod breaker;
#[cfg(test)]
mod edge_tests;
mod health;
mod lanes;
#[cfg(test)]
mod order_tests;
mod pace;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
mod turns;
mod words;

pub use breaker::BreakerSettings;
pub use words::{Action, Ending, Input, Outcome, Settings};

/// Places that the machine moves over without a matching event before it has that recorded.
const MOVE_PLACE_EVERY: u64 = 4096;

/// So many outcomes may be kept out of order: while an order holds an early event back, others go past it so far.
const MOST_SETTLED: usize = 4096;

/// A delivery that takes a slot.
#[derive(Debug, Clone, PartialEq)]
struct Slot {
    attempt: u32,
    key: Option<u64>,
    is_retry: bool,
    /// Answered, and on its way into the log as this.
    recording: Option<(Verdict, Heard)>,
    /// How it was put back, when it was.
    requeued: Option<Requeued>,
    /// Its replay was stopped: a failure is its end.
    is_last: bool,
    /// Put back while its outcome was on its way into the log: what waits once that is durable.
    again: Option<RetryState>,
}

impl Slot {
    fn of(attempt: u32, key: Option<u64>, is_retry: bool, requeued: Option<Requeued>) -> Self {
        Self { attempt, key, is_retry, recording: None, requeued, is_last: false, again: None }
    }

    /// It is put back. A first attempt under way is left; another one counts as the first of the new run.
    fn put_back(&mut self, due: UnixMillis, replay: Option<ReplayId>) {
        let as_failed =
            |attempts| RetryState { attempts, due, requeued: self.requeued }.put_back(due, replay);
        match self.recording {
            Some((Verdict::Retry { .. }, _)) => self.again = Some(as_failed(self.attempt)),
            Some(_) => self.again = Some(RetryState::after_outcome(self.attempt, due, replay)),
            None if self.is_retry => {
                self.requeued = as_failed(self.attempt - 1).requeued;
                self.is_last = false;
            }
            None => {}
        }
    }
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
    /// Settled after the place, whenever that was.
    passed: BTreeSet<Sequence>,
    /// Matching events in log order that have not been sent.
    waiting: VecDeque<(Sequence, Option<u64>)>,
    slots: BTreeMap<Sequence, Slot>,
    retries: BTreeMap<Sequence, (RetryState, Option<u64>)>,
    by_due: BTreeSet<(UnixMillis, Sequence)>,
    /// When the limit of attempts a second permits the next one.
    pace: Pace,
    last_was_retry: bool,
    /// When it was first told the time.
    since: Option<UnixMillis>,
    /// It asked to be switched off: nothing more is sent.
    is_ending: bool,
    /// As the log knows it.
    health: Health,
    /// From when on it may ask what its health asks for; `None` while an answer is awaited.
    may_ask: Option<UnixMillis>,
    breaker: Breaker,
}

impl DestinationMachine {
    /// Goes on from what the log keeps.
    pub fn new(settings: Settings, kept: ConsumerState, head: Sequence) -> Self {
        let breaker = Breaker::new(settings.breaker, kept.health);
        let by_due = kept.retries.iter().map(|(sequence, retry)| (retry.due, *sequence)).collect();
        let retries = kept.retries.into_iter().map(|(sequence, retry)| (sequence, (retry, None))).collect();
        Self {
            settings,
            head,
            read_to: kept.place,
            reading: false,
            place: kept.place,
            passed: kept.settled.clone(),
            settled: kept.settled,
            waiting: VecDeque::new(),
            slots: BTreeMap::new(),
            retries,
            by_due,
            pace: Pace::default(),
            last_was_retry: false,
            since: None,
            is_ending: false,
            health: kept.health,
            may_ask: Some(UnixMillis(0)),
            breaker,
        }
    }

    /// Takes an input in and says what is to be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis, actions: &mut Vec<Action>) {
        if self.since.is_none() {
            self.since = Some(now);
            self.shorten_waits(now);
        }
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
            Input::Requeued(requeue) => {
                self.requeue(&requeue);
                self.breaker.probe_at_once();
            }
            Input::ReplayStopped(replay) => self.stop_replay(replay),
            Input::ClockReached => {}
            // What follows says by which of them it goes on.
            Input::Rekeyed(keys) => return self.rekey(&keys),
            Input::Keyed(keys) => self.learn(&keys),
            Input::Reconfigured(settings) => {
                self.settings = settings;
                self.move_place(actions);
                // What was changed may be what was wrong.
                self.breaker.probe_at_once();
            }
            Input::Moved => self.forget_health(),
            Input::StaysOn => self.stays_on(now),
            Input::Told(notice) => self.told(notice, now),
        }
        self.step(now, actions);
    }

    /// Deliveries that are sent and not durably recorded.
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Whether an event that was read is to be sent; others were settled before the start.
    pub fn wants(&self, sequence: Sequence) -> bool {
        sequence > self.read_to && !self.settled.contains(&sequence)
    }

    fn page_read(&mut self, events: Vec<(Sequence, u64)>, scanned_to: Sequence) {
        self.reading = false;
        for (sequence, key) in events {
            if self.wants(sequence) {
                self.waiting.push_back((sequence, Some(key)));
            }
        }
        self.read_to = self.read_to.max(scanned_to);
        self.settled = self.settled.split_off(&self.read_to.next());
        self.forget_passed();
    }

    fn trimmed(&mut self, oldest: Sequence) {
        self.reading = false;
        self.read_to = self.read_to.max(oldest.previous());
        self.waiting.retain(|(sequence, _)| *sequence >= oldest);
        self.forget_passed();
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
        let on_schedule = attempt - slot.requeued.map_or(0, |requeued| requeued.after).min(attempt);
        let retry_after_ms = match outcome {
            Outcome::Failure { retry_after_ms } => retry_after_ms,
            _ => None,
        };
        let verdict = match outcome {
            Outcome::Success => Verdict::Delivered,
            Outcome::Gone | Outcome::Unreadable => Verdict::Dead,
            Outcome::Trimmed => Verdict::Expired,
            Outcome::Failure { .. } | Outcome::Interrupted if slot.is_last => Verdict::Cancelled,
            Outcome::Failure { .. } | Outcome::Interrupted => {
                let wait = next_attempt_ms(&self.settings.schedule_ms, on_schedule, retry_after_ms, jitter);
                wait.map_or(Verdict::Dead, |wait| Verdict::Retry { at: now.plus(wait) })
            }
        };
        let heard = match outcome {
            Outcome::Success => Heard::Success,
            Outcome::Failure { .. } | Outcome::Gone => Heard::Failure(now),
            Outcome::Interrupted | Outcome::Unreadable | Outcome::Trimmed => Heard::Nothing,
        };
        slot.recording = Some((verdict, heard));
        self.breaker.hear(sequence, heard, retry_after_ms, jitter, now);
        let place = self.place_without(sequence);
        actions.push(Action::Record { sequence, attempt, verdict, place, heard });
        if outcome == Outcome::Gone {
            self.is_ending = true;
            actions.push(Action::Deactivate(Ending::Gone));
        }
    }

    fn recorded(&mut self, sequence: Sequence) {
        let Some(slot) = self.slots.remove(&sequence) else { return };
        if !slot.is_retry {
            self.passed.insert(sequence);
            self.forget_passed();
        }
        if let Some((_, heard)) = slot.recording {
            self.health.hear(heard);
        }
        let failed = match slot.recording {
            // What its replay's end came too late for is given up all the same, as it is in the log.
            Some((Verdict::Retry { at }, _)) if !slot.is_last => {
                Some(RetryState { attempts: slot.attempt, due: at, requeued: slot.requeued })
            }
            _ => None,
        };
        if let Some(retry) = slot.again.or(failed) {
            self.wait_for(sequence, retry, slot.key);
        }
    }

    /// What the place has reached by now is kept out of order no more.
    fn forget_passed(&mut self) {
        let place = self.place_without(Sequence::ZERO);
        while self.passed.first().is_some_and(|first| *first <= place) {
            self.passed.pop_first();
        }
    }

    fn wait_for(&mut self, sequence: Sequence, retry: RetryState, key: Option<u64>) {
        if let Some((known, _)) = self.retries.insert(sequence, (retry, key)) {
            self.by_due.remove(&(known.due, sequence));
        }
        self.by_due.insert((retry.due, sequence));
    }

    /// What was kept by a clock that has been set back since waits no longer than any wait there is.
    fn shorten_waits(&mut self, now: UnixMillis) {
        let longest = self.settings.schedule_ms.iter().copied().max().unwrap_or(0);
        let latest = now.plus(jittered(longest, 1.0).max(RETRY_AFTER_MAX_MS));
        while let Some((due, sequence)) = self.by_due.last().copied().filter(|(due, _)| *due > latest) {
            self.by_due.remove(&(due, sequence));
            self.by_due.insert((latest, sequence));
            if let Some((retry, _)) = self.retries.get_mut(&sequence) {
                retry.due = latest;
            }
        }
    }

    /// Takes in what was put back. An event that is still to be sent for the first time is left.
    fn requeue(&mut self, requeue: &Requeue) {
        let Requeue { due, replay, .. } = *requeue;
        for (sequence, attempts) in requeue.deliveries.iter().copied() {
            if let Some(slot) = self.slots.get_mut(&sequence) {
                slot.put_back(due, replay);
            } else if let Some((waiting, key)) = self.retries.get(&sequence).copied() {
                self.wait_for(sequence, waiting.put_back(due, replay), key);
            } else if !self.is_to_be_sent(sequence) {
                self.wait_for(sequence, RetryState::after_outcome(attempts, due, replay), None);
            }
        }
    }

    /// Gives up what a replay put back. What is under way keeps its outcome, and is not tried again.
    fn stop_replay(&mut self, replay: ReplayId) {
        let by_due = &mut self.by_due;
        self.retries.retain(|sequence, (retry, _)| {
            let stays = !retry.is_of(replay);
            if !stays {
                by_due.remove(&(retry.due, *sequence));
            }
            stays
        });
        for slot in self.slots.values_mut() {
            slot.again = slot.again.filter(|again| !again.is_of(replay));
            slot.is_last |= slot.requeued.is_some_and(|requeued| requeued.replay == Some(replay));
        }
    }

    /// What was looked at with the filter of before is not looked at again with another one.
    fn move_place(&mut self, actions: &mut Vec<Action>) {
        let place = self.place_without(Sequence::ZERO);
        if place > self.place {
            self.place = place;
            actions.push(Action::MovePlace(place));
        }
    }

    /// Whether an event will be sent for the first time.
    fn is_to_be_sent(&self, sequence: Sequence) -> bool {
        self.wants(sequence) || self.waiting.iter().any(|(waiting, _)| *waiting == sequence)
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
        self.judge_health(now, actions);
        let mut turns = None;
        while self.send_one(now, &mut turns, actions) {}
        self.read_on(now, turns, actions);
        let idle = self.slots.is_empty() && self.waiting.is_empty();
        if idle && self.read_to.0 - self.place.0.min(self.read_to.0) >= MOVE_PLACE_EVERY {
            self.place = self.read_to;
            actions.push(Action::MovePlace(self.place));
        }
        // One that is due and has to wait for another is sent when that has ended: the other must be woken for.
        let due = self.by_due.range((now.plus(1), Sequence::ZERO)..).next().map(|(due, _)| *due);
        let paused_until = self.pace.next().max(self.breaker.pauses_until());
        let limited = (now < paused_until && self.has_work(now)).then_some(paused_until);
        if let Some(at) = due.into_iter().chain(limited).filter(|at| *at > now).min() {
            actions.push(Action::WakeAt(at));
        }
    }
}
