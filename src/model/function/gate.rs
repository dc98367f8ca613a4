//! A PRE event's run: which functions it asks, and what came of it.

use super::{InvocationRecord, OnError};
use crate::model::{EventId, Sequence, TenantId, UnixMillis};
use serde::{Deserialize, Serialize};

/// One function that a PRE event asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The subscription's slot.
    pub slot: u16,
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
    /// Milliseconds that the call may take.
    pub timeout_ms: u64,
}

/// The run of a PRE event that is under way. Its place is known once its event has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Whose it is.
    pub tenant: TenantId,
    /// The event's place; given by the log.
    pub sequence: Sequence,
    /// The event's id; given by the log.
    pub event_id: Option<EventId>,
    /// The event's type.
    pub event_type: String,
    /// When the event was committed; given by the log.
    pub opened_at: UnixMillis,
    /// Whom it asks, in the order of their subscriptions within each stage.
    pub tasks: Vec<Task>,
}

/// How a PRE event's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// All agreed.
    Passed,
    /// One failed.
    Failed,
    /// The publisher went away, or the broker ended.
    Cancelled,
}

/// A member that one function's patch had set and another's overwrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Where, as a JSON Pointer into the params.
    pub pointer: String,
    /// Whose value is gone.
    pub overwritten: u64,
    /// Whose value is there.
    pub kept: u64,
}

/// What came of a PRE event's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedGate {
    /// Whose it is.
    pub tenant: TenantId,
    /// The event's place.
    pub sequence: Sequence,
    /// How it ended.
    pub outcome: GateOutcome,
    /// The params as the functions left them, as JSON; `None` when no function changed them.
    pub params: Option<String>,
    /// What was overwritten.
    pub conflicts: Vec<Conflict>,
    /// Rules that the changed params break.
    #[serde(default)]
    pub broken: Vec<(String, String)>,
    /// What became of every task, in order. Kept in rows of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<InvocationRecord>,
}

/// A change of the runs that are under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateChange {
    /// The first event of the commit, if it is a new one, is a PRE event that begins its run.
    Open(Gate),
    /// A run ended.
    Close(ClosedGate),
}
