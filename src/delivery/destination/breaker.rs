//! The circuit breaker: an endpoint that only fails is probed instead of hammered.
//!
//! ```text
//!  closed ──long nothing but failures, of many events──▶ open ──pause over──▶ probing ──success──▶ closed
//!                                                         ▲                      │
//!                                                         └──failure: longer─────┘
//! ```
//!
//! What must hold: it opens for the endpoint, not for an event: only after failures of different events over a while,
//! without a success. While it is open at most one attempt is begun at a time, and what waits loses no attempt.
//! A success closes it, of whichever attempt.

use crate::delivery::backoff::{RETRY_AFTER_MAX_MS, jittered};
use crate::model::{Health, Heard, Sequence, UnixMillis};
use std::collections::BTreeSet;

/// Failures before it may open, and of how many different events.
const ENOUGH_FAILURES: u32 = 20;
const ENOUGH_EVENTS: usize = 10;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// After so long with nothing but failures.
    pub after_ms: u64,
    /// The first pause; each one that follows is twice as long.
    pub pause_ms: u64,
    /// No pause is longer.
    pub pause_max_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Until then nothing is sent, then one attempt.
    Open(UnixMillis),
    Probing(Sequence),
}

/// The breaker of one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// As it is heard, a little before it is durable.
    health: Health,
    /// Different events that failed since the last success, as many as matter.
    events: BTreeSet<Sequence>,
    /// Pauses in a row.
    pauses: u32,
}

impl Breaker {
    /// Goes on from what is known of the endpoint: one that only failed is probed first.
    pub(super) fn new(settings: BreakerSettings, health: Health) -> Self {
        let mut breaker = Self { settings, state: State::Closed, health, events: BTreeSet::new(), pauses: 0 };
        if breaker.has_failed_for_long() {
            breaker.state = State::Open(UnixMillis(0));
        }
        breaker
    }

    /// Whether an attempt may be begun.
    pub(super) fn permits(&self, now: UnixMillis) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(until) => until <= now,
            State::Probing(_) => false,
        }
    }

    /// Until when no attempt may be begun, as far as that is known.
    pub(super) fn pauses_until(&self) -> UnixMillis {
        match self.state {
            State::Open(until) => until,
            State::Closed | State::Probing(_) => UnixMillis(0),
        }
    }

    /// An attempt is begun.
    pub(super) fn sent(&mut self, sequence: Sequence) {
        if matches!(self.state, State::Open(_)) {
            self.state = State::Probing(sequence);
        }
    }

    /// An attempt ended.
    pub(super) fn hear(
        &mut self,
        sequence: Sequence,
        heard: Heard,
        retry_after_ms: Option<u64>,
        jitter: f64,
        now: UnixMillis,
    ) {
        let was_probe = self.state == State::Probing(sequence);
        self.health.hear(heard);
        match heard {
            Heard::Success => {
                (self.state, self.pauses) = (State::Closed, 0);
                self.events.clear();
            }
            // The probe never reached the endpoint: the next one may.
            Heard::Nothing if was_probe => self.state = State::Open(now),
            Heard::Nothing => {}
            Heard::Failure(_) => {
                if self.events.len() < ENOUGH_EVENTS {
                    self.events.insert(sequence);
                }
                let opens = self.events.len() >= ENOUGH_EVENTS && self.has_failed_for_long();
                if was_probe || (self.state == State::Closed && opens) {
                    let pause = self.next_pause(jitter);
                    let asked = retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS);
                    self.state = State::Open(now.plus(pause.max(asked)));
                }
            }
        }
    }

    /// Somebody wants to know now: the pause is over.
    pub(super) fn probe_at_once(&mut self) {
        if let State::Open(until) = &mut self.state {
            *until = UnixMillis(0);
        }
    }

    fn has_failed_for_long(&self) -> bool {
        let for_long = self.health.failed_for_ms() >= self.settings.after_ms;
        for_long && self.health.failures() >= ENOUGH_FAILURES
    }

    fn next_pause(&mut self, jitter: f64) -> u64 {
        let BreakerSettings { pause_ms, pause_max_ms, .. } = self.settings;
        let doubled = pause_ms.saturating_mul(1 << self.pauses.min(32));
        self.pauses = self.pauses.saturating_add(1);
        jittered(doubled.min(pause_max_ms), jitter)
    }
}

#[cfg(test)]
mod tests;
