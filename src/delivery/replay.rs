//! The machine of one replay: when it counts, when it puts deliveries back and how many, when it is done.
//!
//! ```text
//!  queued ──its turn──▶ counting ──all counted──▶ walking ──walked──▶ waiting ──no delivery waits──▶ done
//! ```
//!
//! What must hold: no more deliveries wait at once than its window has room for, so that live events and other failures
//! keep their turns; never more in a second than its rate; it only moves forward, so that nothing is put back twice; it is
//! done only when everything it put back has an outcome.

use crate::model::{Replay, ReplayStatus, ReplayTally, Sequence, Timestamp, UnixMillis};

#[cfg(test)]
mod tests;

/// How often it looks while deliveries it put back are on their way.
const LOOK_AGAIN_MS: u64 = 50;

/// How often it looks while it has nothing to do but wait.
const WAIT_MS: u64 = 500;

/// A bounded replay moves in bites of this part of a second.
const BITES_PER_S: u32 = 20;

/// What the machine is told when it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What became of what it put back.
    pub tally: ReplayTally,
    /// Whether its destination is active, and no earlier replay of it is still walking.
    pub has_turn: bool,
    /// How many of its deliveries may wait at once.
    pub window: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It was looked at how things are.
    Looked(Facts),
    /// A part of the log was counted.
    Counted {
        /// Deliveries that it will put back.
        found: u64,
        /// Up to here.
        scanned_to: Sequence,
    },
    /// Deliveries were put back, durably, with how far it went.
    PutBack {
        /// How many.
        count: u64,
        /// Up to here.
        scanned_to: Sequence,
    },
    /// How far it is is durable.
    Kept,
    /// What was ordered could not be done.
    Failed,
}

/// What is to be done. Each order is answered by one input.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Look how things are, not before this time.
    LookAt(UnixMillis),
    /// Count a page after this place.
    Count {
        /// Where.
        after: Sequence,
    },
    /// Find deliveries after this place, put back at most `limit` of them, and keep that everything up to where it got to
    /// was walked.
    PutBack {
        /// The replay as it is, but for `walked_to`.
        replay: Box<Replay>,
        /// At most this many.
        limit: u64,
    },
    /// Make this durable.
    Keep(Box<Replay>),
    /// Nothing is left to do.
    End,
}

/// The state of one replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayMachine {
    replay: Replay,
    counted: u64,
    counted_to: Sequence,
    /// By its rate nothing is put back earlier.
    not_before: UnixMillis,
}

impl ReplayMachine {
    /// Goes on from what the log keeps.
    pub fn new(replay: Replay) -> Self {
        let counted_to = replay.walked_to;
        Self { replay, counted: 0, counted_to, not_before: UnixMillis(0) }
    }

    /// Takes an input in and says what is to be done: exactly one thing.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Action {
        match input {
            Input::Looked(facts) => self.looked(facts, now),
            Input::Counted { found, scanned_to } => {
                self.counted += found;
                self.counted_to = self.counted_to.max(scanned_to);
                self.count_on()
            }
            Input::PutBack { count, scanned_to } => {
                self.replay.walked_to = self.replay.walked_to.max(scanned_to);
                if let Some(rate) = self.replay.rate_per_s {
                    let pause = (count * 1000).div_ceil(u64::from(rate.max(1)));
                    self.not_before = self.not_before.max(now).plus(pause);
                }
                Action::LookAt(now)
            }
            Input::Kept if self.replay.status.has_ended() => Action::End,
            Input::Kept => Action::LookAt(now),
            Input::Failed => {
                // What was to be kept of its end is found again.
                if self.replay.status == ReplayStatus::Done {
                    self.replay.status = ReplayStatus::Running;
                }
                Action::LookAt(now.plus(2 * WAIT_MS))
            }
        }
    }

    fn looked(&mut self, facts: Facts, now: UnixMillis) -> Action {
        if self.replay.status.has_ended() {
            return Action::End;
        }
        if !self.replay.is_walking() && self.replay.total.is_some() {
            return self.wait_for_outcomes(facts, now);
        }
        if !facts.has_turn {
            return Action::LookAt(now.plus(WAIT_MS));
        }
        if self.replay.total.is_none() {
            self.replay.status = ReplayStatus::Running;
            return self.count_on();
        }
        let room = facts.window.saturating_sub(facts.tally.waiting);
        let bite = self.replay.rate_per_s.map_or(u64::MAX, |rate| u64::from((rate / BITES_PER_S).max(1)));
        if now < self.not_before || room == 0 {
            return Action::LookAt(self.not_before.max(now.plus(LOOK_AGAIN_MS)));
        }
        Action::PutBack { replay: Box::new(self.replay.clone()), limit: room.min(bite) }
    }

    fn count_on(&mut self) -> Action {
        if self.counted_to < self.replay.up_to {
            return Action::Count { after: self.counted_to };
        }
        self.replay.total = Some(self.counted);
        Action::Keep(Box::new(self.replay.clone()))
    }

    fn wait_for_outcomes(&mut self, facts: Facts, now: UnixMillis) -> Action {
        if facts.tally.waiting > 0 {
            return Action::LookAt(now.plus(WAIT_MS.min(LOOK_AGAIN_MS * 2)));
        }
        self.replay.status = ReplayStatus::Done;
        // What had changed since it was counted is not counted any more.
        self.replay.total = Some(facts.tally.put_back());
        self.replay.ended_at = Some(Timestamp::from(now));
        Action::Keep(Box::new(self.replay.clone()))
    }
}
