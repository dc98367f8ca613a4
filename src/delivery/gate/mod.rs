//! The machine of one PRE event's run: which functions are asked when, and what their answers mean together.
//!
//! ```text
//!             stage begins            answer
//!  waiting ────────────────▶ running ────────▶ agreed | failed
//!     │                         │ time-out, deadline ────────▶ timed out
//!     └─────────────────────────┴ another one failed, gone ──▶ cancelled
//! ```
//!
//! What must hold:
//! - It passes only when every function that must agree has agreed, in time. Ended once, it stays so.
//! - A stage begins when every function of the stages before it has its outcome.
//! - Nothing is running when it has ended.

mod reply;
#[cfg(test)]
mod tests;

pub use reply::{Failure, Reply, read_reply};

use crate::model::{GateOutcome, OnError, UnixMillis};

/// One function to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Stages run in order.
    pub stage: u8,
    /// What its failure means.
    pub on_error: OnError,
    /// Milliseconds that it may take.
    pub timeout_ms: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The event is durable: the run begins.
    Began,
    /// A function answered, or cannot any more.
    Answered {
        /// Which, by its index.
        member: usize,
        /// Whether it agreed.
        agreed: bool,
    },
    /// Time passed. Too early is harmless.
    ClockReached,
    /// The publisher is gone, or the broker is ending.
    Cancelled,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ask a function; answered by `Answered`.
    Call {
        /// Which.
        member: usize,
        /// Milliseconds that are left for it.
        left_ms: u64,
    },
    /// Its answer is no longer wanted.
    Withdraw {
        /// Which.
        member: usize,
    },
    /// Send `ClockReached` at this time.
    WakeAt(UnixMillis),
    /// The run is over.
    End(GateOutcome),
}

/// How far a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Its stage has not begun.
    Waiting,
    /// It was asked.
    Running {
        /// It has until then.
        until: UnixMillis,
    },
    /// It agreed.
    Agreed,
    /// It did not.
    Failed,
    /// It took too long.
    TimedOut,
    /// It was given up.
    Cancelled,
}

/// The run of a PRE event.
#[derive(Debug, Clone, PartialEq)]
pub struct GateMachine {
    members: Vec<(Member, MemberState)>,
    /// All of it is over by then.
    deadline: Option<UnixMillis>,
    outcome: Option<GateOutcome>,
}

impl GateMachine {
    /// A run that has not begun.
    pub fn new(members: impl IntoIterator<Item = Member>, deadline: Option<UnixMillis>) -> Self {
        let members = members.into_iter().map(|member| (member, MemberState::Waiting)).collect();
        Self { members, deadline, outcome: None }
    }

    /// How it ended.
    pub fn outcome(&self) -> Option<GateOutcome> {
        self.outcome
    }

    /// How far a function is.
    pub fn state(&self, member: usize) -> Option<MemberState> {
        self.members.get(member).map(|(_, state)| *state)
    }

    /// Takes an input in and says what is to be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis, actions: &mut Vec<Action>) {
        if self.outcome.is_some() {
            return;
        }
        // What comes after its time is too late, however late the clock is told of.
        self.expire(now, actions);
        match input {
            Input::Began | Input::ClockReached => {}
            Input::Answered { member, agreed } => self.answered(member, agreed),
            Input::Cancelled => return self.end(GateOutcome::Cancelled, actions),
        }
        self.step(now, actions);
        debug_assert!(self.outcome != Some(GateOutcome::Passed) || self.all_agreed());
    }

    fn answered(&mut self, member: usize, agreed: bool) {
        if let Some((_, state @ MemberState::Running { .. })) = self.members.get_mut(member) {
            *state = if agreed { MemberState::Agreed } else { MemberState::Failed };
        }
    }

    fn expire(&mut self, now: UnixMillis, actions: &mut Vec<Action>) {
        for (index, (_, state)) in self.members.iter_mut().enumerate() {
            if matches!(state, MemberState::Running { until } if *until <= now) {
                *state = MemberState::TimedOut;
                actions.push(Action::Withdraw { member: index });
            }
        }
    }

    fn step(&mut self, now: UnixMillis, actions: &mut Vec<Action>) {
        let must_agree = |member: &Member| member.on_error == OnError::Fail;
        let has_failed = self.members.iter().any(|(member, state)| {
            must_agree(member) && matches!(state, MemberState::Failed | MemberState::TimedOut)
        });
        let is_over = self.deadline.is_some_and(|deadline| deadline <= now);
        let waits =
            |(member, state): &(Member, MemberState)| must_agree(member) && *state == MemberState::Waiting;
        if has_failed || (is_over && self.members.iter().any(waits)) {
            return self.end(GateOutcome::Failed, actions);
        }
        let is_running = |state: &MemberState| matches!(state, MemberState::Running { .. });
        let is_idle = !self.members.iter().any(|(_, state)| is_running(state));
        if is_idle && (is_over || !self.begin_stage(now, actions)) {
            return self.end(GateOutcome::Passed, actions);
        }
        let ends = self.members.iter().filter_map(|(_, state)| match state {
            MemberState::Running { until } => Some(*until),
            _ => None,
        });
        if let Some(at) = ends.min() {
            actions.push(Action::WakeAt(at));
        }
    }

    /// Asks the functions of the first stage that waits; false when none does.
    fn begin_stage(&mut self, now: UnixMillis, actions: &mut Vec<Action>) -> bool {
        let waiting = self.members.iter().filter(|(_, state)| *state == MemberState::Waiting);
        let Some(stage) = waiting.map(|(member, _)| member.stage).min() else { return false };
        let left = self.deadline.map_or(u64::MAX, |deadline| deadline.since(now));
        for (index, (member, state)) in self.members.iter_mut().enumerate() {
            if *state == MemberState::Waiting && member.stage == stage {
                let left_ms = member.timeout_ms.min(left);
                *state = MemberState::Running { until: now.plus(left_ms) };
                actions.push(Action::Call { member: index, left_ms });
            }
        }
        true
    }

    fn end(&mut self, outcome: GateOutcome, actions: &mut Vec<Action>) {
        for (index, (_, state)) in self.members.iter_mut().enumerate() {
            match state {
                MemberState::Running { .. } => {
                    actions.push(Action::Withdraw { member: index });
                    *state = MemberState::Cancelled;
                }
                MemberState::Waiting => *state = MemberState::Cancelled,
                _ => {}
            }
        }
        self.outcome = Some(outcome);
        actions.push(Action::End(outcome));
    }

    fn all_agreed(&self) -> bool {
        let counts = self.members.iter().filter(|(member, _)| member.on_error == OnError::Fail);
        counts.into_iter().all(|(_, state)| *state == MemberState::Agreed)
    }
}
