//! The machine of one verification: when a new destination's endpoint is asked for its consent, and what counts as it.
//!
//! ```text
//!  due ──ask──▶ asking ──passed──▶ consented ──kept──▶ (gone: the destination is active)
//!   ▲             │                    │ not kept: again after a second
//!   └──back-off───┴──schedule used up──▶ given up: until somebody asks again
//! ```
//!
//! What must hold: the endpoint is asked once at a time, never early, and at most once more than the schedule has
//! waits; after it has consented it is asked no more.

use crate::delivery::backoff::jittered;
use crate::model::json::{JsonKind, JsonReader};
use crate::model::{UnixMillis, Verification};

/// The wait before a consent that could not be kept is tried to be kept again.
const KEEP_AGAIN_MS: u64 = 1000;

/// An answer to a challenge nests no deeper.
const ANSWER_DEPTH: usize = 16;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The endpoint answered, or did not.
    Answered {
        /// Whether that is its consent.
        consented: bool,
        /// Randomness for the jitter, in 0..1.
        jitter: f64,
    },
    /// The consent could not be made durable.
    NotKept,
    /// Time passed. Too early is harmless.
    ClockReached,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the endpoint; answered by `Answered`.
    Ask {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// Make its consent durable; answered by `NotKept` when that fails.
    Keep,
    /// Send `ClockReached` at this time.
    WakeAt(UnixMillis),
    /// Nothing more is tried.
    GiveUp,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Due(UnixMillis),
    Asking,
    /// It has consented; `Some`: not kept yet, to be tried again then.
    Consented(Option<UnixMillis>),
    GivenUp,
}

/// The state of one destination's verification.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationMachine {
    /// Waits before each further attempt.
    schedule_ms: Vec<u64>,
    attempts: u32,
    stage: Stage,
}

impl VerificationMachine {
    /// Begins: the first attempt is due at once.
    pub fn new(schedule_ms: Vec<u64>) -> Self {
        Self { schedule_ms, attempts: 0, stage: Stage::Due(UnixMillis(0)) }
    }

    /// Takes an input in and says what is to be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis, actions: &mut Vec<Action>) {
        match (input, self.stage) {
            (Input::Answered { consented: true, .. }, Stage::Asking) => {
                self.stage = Stage::Consented(None);
                actions.push(Action::Keep);
            }
            (Input::Answered { jitter, .. }, Stage::Asking) => self.failed(jitter, now, actions),
            (Input::NotKept, Stage::Consented(None)) => {
                self.stage = Stage::Consented(Some(now.plus(KEEP_AGAIN_MS)));
            }
            _ => {}
        }
        match self.stage {
            Stage::Due(due) if due <= now => {
                self.attempts += 1;
                self.stage = Stage::Asking;
                actions.push(Action::Ask { attempt: self.attempts });
            }
            Stage::Consented(Some(due)) if due <= now => {
                self.stage = Stage::Consented(None);
                actions.push(Action::Keep);
            }
            Stage::Due(due) | Stage::Consented(Some(due)) => actions.push(Action::WakeAt(due)),
            Stage::Asking | Stage::Consented(None) | Stage::GivenUp => {}
        }
        debug_assert!(self.attempts as usize <= self.schedule_ms.len() + 1);
    }

    fn failed(&mut self, jitter: f64, now: UnixMillis, actions: &mut Vec<Action>) {
        self.stage = match self.schedule_ms.get(self.attempts as usize - 1) {
            Some(wait) => Stage::Due(now.plus(jittered(*wait, jitter))),
            None => {
                actions.push(Action::GiveUp);
                Stage::GivenUp
            }
        };
    }
}

/// Whether an answer with this status and body is the consent that was asked for: any 2xx to a ping; to a challenge a
/// 2xx whose body is the challenge, as text, as a JSON string, or as member `challenge` of a JSON object.
pub fn is_consent(how: Verification, challenge: &str, status: u16, body: &[u8]) -> bool {
    let is_success = (200..300).contains(&status);
    match how {
        Verification::None => true,
        Verification::Ping => is_success,
        Verification::Challenge => is_success && (is_text(body, challenge) || has_member(body, challenge)),
    }
}

fn is_text(body: &[u8], challenge: &str) -> bool {
    let body = body.trim_ascii();
    let unquoted = body.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    unquoted.unwrap_or(body) == challenge.as_bytes()
}

fn has_member(body: &[u8], challenge: &str) -> bool {
    let found = || -> Option<bool> {
        let mut reader = JsonReader::new(body).ok()?;
        if reader.kind().ok()? != JsonKind::Object {
            return None;
        }
        reader.enter_object().ok()?;
        let (mut first, mut found) = (true, false);
        while let Some(name) = reader.next_key(first).ok()? {
            first = false;
            if name == "challenge" && reader.kind().ok()? == JsonKind::String {
                found = reader.string().ok()? == challenge;
            } else {
                reader.value(ANSWER_DEPTH).ok()?;
            }
        }
        reader.finish().ok()?;
        Some(found)
    };
    found().unwrap_or(false)
}

#[cfg(test)]
mod tests;
