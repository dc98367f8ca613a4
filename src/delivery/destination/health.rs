//! What follows from an endpoint's health: a warning, its end, the news that it has recovered.

use super::breaker::Breaker;
use super::{Action, DestinationMachine, Ending};
use crate::model::{Failing, Health, Notice, Timestamp, UnixMillis};

/// Fewer failed attempts than this say too little to switch a destination off.
pub(super) const ENOUGH_FAILURES: u32 = 20;

/// The wait before it asks again to be switched off.
const END_AGAIN_MS: u64 = 1000;

/// The wait before news that could not be told is tried to be told again.
const TELL_AGAIN_MS: u64 = 30_000;

impl DestinationMachine {
    /// What somebody who reads of its end should know.
    pub fn failure_report(&self) -> String {
        let Some(Failing { since, attempts, .. }) = self.health.failing else { return String::new() };
        format!("all {attempts} attempts since {} failed", Timestamp::from(since))
    }

    /// Says what its health asks for, once.
    pub(super) fn judge_health(&mut self, now: UnixMillis, actions: &mut Vec<Action>) {
        if self.is_ending || self.may_ask.is_none_or(|earliest| now < earliest) {
            return;
        }
        let (failed_for, limit) = (self.health.failed_for_ms(), self.settings.deactivate_after_ms);
        if failed_for >= limit && self.health.failures() >= ENOUGH_FAILURES {
            self.is_ending = true;
            actions.push(Action::Deactivate(Ending::Failures));
            return;
        }
        let news = match self.health.notice {
            Notice::None if self.health.failing.is_some() && failed_for >= limit / 2 => Notice::Failing,
            Notice::RecoveryDue => Notice::None,
            _ => return,
        };
        self.may_ask = None;
        actions.push(Action::Tell(news));
    }

    /// It was not switched off.
    pub(super) fn stays_on(&mut self, now: UnixMillis) {
        self.is_ending = false;
        self.may_ask = Some(now.plus(END_AGAIN_MS));
    }

    /// What was heard was heard of another endpoint.
    pub(super) fn forget_health(&mut self) {
        self.health = Health::default();
        self.breaker = Breaker::new(self.settings.breaker, self.health);
    }

    /// News is told, as the log says, or could not be.
    pub(super) fn told(&mut self, notice: Option<Notice>, now: UnixMillis) {
        if let Some(notice) = notice {
            self.health.notice = notice;
            self.may_ask = Some(now);
        } else {
            self.may_ask = Some(now.plus(TELL_AGAIN_MS));
        }
    }
}

#[cfg(test)]
mod tests;
