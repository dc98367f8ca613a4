//! How an endpoint has been doing, folded from the outcomes of attempts.
//!
//! What must hold: the same outcomes give the same health, as they happen and when the log is replayed. A success ends
//! a time of failure; whether its end has still to be told is kept, so that it is told once and not lost.

use super::UnixMillis;
use serde::{Deserialize, Serialize};

/// What an outcome says about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// Nothing: no attempt reached for it.
    Nothing,
    /// It took a delivery.
    Success,
    /// It failed, or was not to be reached, at this time.
    Failure(UnixMillis),
}

/// An endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Its failures since the last success, when there are any.
    pub failing: Option<Failing>,
    /// What was told of it.
    pub notice: Notice,
}

/// Failures without a success between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// When the first attempt failed.
    pub since: UnixMillis,
    /// When the last one did.
    pub last: UnixMillis,
    /// How many did.
    pub attempts: u32,
}

/// What was told of an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Nothing that is not over.
    #[default]
    None,
    /// That it is failing.
    Failing,
    /// That it is failing; it has recovered, which is still to be told.
    RecoveryDue,
}

impl Health {
    /// Takes an outcome in.
    pub fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Success => {
                self.failing = None;
                if self.notice == Notice::Failing {
                    self.notice = Notice::RecoveryDue;
                }
            }
            Heard::Failure(at) => {
                let known = self.failing.unwrap_or(Failing { since: at, last: at, attempts: 0 });
                let attempts = known.attempts.saturating_add(1);
                self.failing = Some(Failing { since: known.since, last: known.last.max(at), attempts });
            }
        }
    }

    /// For how many milliseconds nothing but failures was heard: from the first to the last of them.
    pub fn failed_for_ms(&self) -> u64 {
        self.failing.map_or(0, |failing| failing.last.since(failing.since))
    }

    /// How many attempts failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failing.map_or(0, |failing| failing.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_ends_a_time_of_failure_and_its_end_is_told_once() {
        let mut health = Health::default();
        for at in [100, 300, 200] {
            health.hear(Heard::Failure(UnixMillis(at)));
        }
        let failing = Failing { since: UnixMillis(100), last: UnixMillis(300), attempts: 3 };
        assert_eq!((health.failing, health.failed_for_ms(), health.failures()), (Some(failing), 200, 3));
        health.hear(Heard::Nothing);
        assert_eq!(health.failing, Some(failing));
        health.hear(Heard::Success);
        assert_eq!(health, Health::default());
        health.notice = Notice::Failing;
        health.hear(Heard::Failure(UnixMillis(400)));
        assert_eq!(health.notice, Notice::Failing);
        health.hear(Heard::Success);
        health.hear(Heard::Failure(UnixMillis(500)));
        assert_eq!((health.notice, health.failures()), (Notice::RecoveryDue, 1));
    }
}
