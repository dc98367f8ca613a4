//! One function's run on one event: its ids, its states, the record of an attempt.

use super::{EventMode, Function, Gate, OnError, Subscription, Task};
use crate::model::{DestinationId, EventId, Sequence, TenantId, UnixMillis, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;
use ulid::Ulid;

/// A tenant has fewer subscriptions at a time than this.
pub const SLOTS: u16 = 1023;

/// The number of an invocation: its event's place and its subscription's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId {
    /// The event's place.
    pub sequence: Sequence,
    /// The subscription's slot.
    pub slot: u16,
}

impl InvocationId {
    /// As the API shows it.
    pub fn number(self) -> u64 {
        self.sequence.0.saturating_mul(u64::from(SLOTS) + 1).saturating_add(u64::from(self.slot))
    }

    /// Reads [`InvocationId::number`] back.
    pub fn of_number(number: u64) -> Self {
        let width = u64::from(SLOTS) + 1;
        Self { sequence: Sequence(number / width), slot: (number % width) as u16 }
    }

    /// Reads it as it is written in a path.
    pub fn parse(text: &str) -> Option<Self> {
        Sequence::parse(text).map(|number| Self::of_number(number.0))
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// The id of the task that runs a function on an event: the same for every attempt, and that of no other.
pub fn task_id(stored_at: UnixMillis, id: InvocationId) -> String {
    let random = (u128::from(id.sequence.0) << 16) | u128::from(id.slot);
    format!("tsk_{}", Ulid::from_parts(stored_at.0.unsigned_abs(), random))
}

/// How far an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvocationStatus {
    /// It has not begun.
    Pending,
    /// It is under way.
    Running,
    /// The function agreed.
    Success,
    /// It failed; for a POST event it may be tried again.
    Error,
    /// It took too long; for a POST event it may be tried again.
    Timeout,
    /// It was given up before it had an outcome.
    Cancelled,
    /// It failed and is not tried again by itself.
    Dead,
}

impl InvocationStatus {
    /// Every status with its name in the API.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Pending, "pending"),
        (Self::Running, "running"),
        (Self::Success, "success"),
        (Self::Error, "error"),
        (Self::Timeout, "timeout"),
        (Self::Cancelled, "cancelled"),
        (Self::Dead, "dead"),
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(status, _)| *status)
    }
}

/// Why an invocation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The function said no.
    Rejected,
    /// It failed: another status than 2xx, no connection, a panic.
    Error,
    /// It took too long.
    Timeout,
    /// Its address may not be called.
    AddressRefused,
    /// Its answer is none that a function gives.
    BadResponse,
    /// Its answer is larger than may be.
    TooLarge,
}

impl FailureKind {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::AddressRefused => "address_refused",
            Self::BadResponse => "bad_response",
            Self::TooLarge => "too_large",
        }
    }
}

/// What an invocation is about, in its own words: it outlives subscription and function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskContext {
    /// The event's id.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: String,
    /// When the event was committed.
    pub stored_at: UnixMillis,
    /// Before or after the operation.
    pub mode: EventMode,
    /// The subscription's number.
    pub subscription: u64,
    /// The function's number.
    pub function: u64,
    /// The function's name then.
    pub function_name: String,
    /// The function's slug then.
    pub function_slug: String,
    /// When in the order of stages.
    pub stage: u8,
    /// What a failure means.
    pub on_error: OnError,
}

impl TaskContext {
    /// That of a subscription's run on an event.
    pub fn of(one: &Subscription, function: &Function, event_id: EventId, stored_at: UnixMillis) -> Self {
        Self {
            event_id,
            event_type: one.event.clone(),
            stored_at,
            mode: one.mode,
            subscription: one.id,
            function: function.id,
            function_name: function.name.clone(),
            function_slug: function.slug.clone(),
            stage: one.stage,
            on_error: one.on_error,
        }
    }
}

/// What is kept of one attempt of an invocation; attempt 0 says only that it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvocationRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// The event's place.
    pub sequence: Sequence,
    /// The subscription's slot.
    pub slot: u16,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What it is about.
    pub task: TaskContext,
    /// What the attempt means for the invocation.
    pub status: InvocationStatus,
    /// When it began.
    pub at: UnixMillis,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it failed.
    pub kind: Option<FailureKind>,
    /// The function's own word for it.
    pub code: Option<String>,
    /// What happened, for a person.
    pub message: Option<String>,
    /// What the function changed, as JSON.
    pub patch: Option<String>,
    /// The consumer, of a POST event's.
    pub consumer: Option<DestinationId>,
    /// When it is tried again.
    pub verdict: Option<Verdict>,
}

impl InvocationRecord {
    /// Its id.
    pub fn id(&self) -> InvocationId {
        InvocationId { sequence: self.sequence, slot: self.slot }
    }

    /// The id of its task.
    pub fn task_id(&self) -> String {
        task_id(self.task.stored_at, self.id())
    }

    /// A task of a run that has not begun; `None` before the run has its event.
    pub fn opened(gate: &Gate, task: &Task) -> Option<Self> {
        Some(Self {
            tenant: gate.tenant,
            sequence: gate.sequence,
            slot: task.slot,
            attempt: 0,
            task: TaskContext {
                event_id: gate.event_id.clone()?,
                event_type: gate.event_type.clone(),
                stored_at: gate.opened_at,
                mode: EventMode::Pre,
                subscription: task.subscription,
                function: task.function,
                function_name: task.function_name.clone(),
                function_slug: task.function_slug.clone(),
                stage: task.stage,
                on_error: task.on_error,
            },
            status: InvocationStatus::Pending,
            at: gate.opened_at,
            duration_ms: 0,
            kind: None,
            code: None,
            message: None,
            patch: None,
            consumer: None,
            verdict: None,
        })
    }
}

impl Gate {
    /// The records of its tasks, as they are when it begins.
    pub fn opened(&self) -> Vec<InvocationRecord> {
        self.tasks.iter().filter_map(|task| InvocationRecord::opened(self, task)).collect()
    }

    /// How it ends when nobody is left to end it.
    pub fn cancelled(&self, why: &str) -> super::ClosedGate {
        let mut records = self.opened();
        for record in &mut records {
            record.attempt = 1;
            record.status = InvocationStatus::Cancelled;
            record.message = Some(why.to_owned());
        }
        super::ClosedGate {
            tenant: self.tenant,
            sequence: self.sequence,
            outcome: super::GateOutcome::Cancelled,
            params: None,
            conflicts: Vec::new(),
            broken: Vec::new(),
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_s_number_and_task_tell_it_from_every_other() {
        let id = InvocationId { sequence: Sequence(1 << 33), slot: 1022 };
        assert_eq!(InvocationId::of_number(id.number()), id);
        assert_eq!(InvocationId::parse(&id.to_string()), Some(id));
        assert!(id.number() < 1 << 53, "a double holds it");
        let other = InvocationId { slot: 1021, ..id };
        assert_ne!(task_id(UnixMillis(5), id), task_id(UnixMillis(5), other));
        assert_eq!(task_id(UnixMillis(5), id).len(), 30);
    }
}
