//! Functions that run on events: apps, functions, and the subscriptions that tie a function to an event type.
//!
//! Ids are whole numbers, counted from 1 in each tenant and never given twice.

mod book;
mod gate;
mod guard;
mod invocation;
mod patch;

pub use book::{FunctionBook, FunctionChange, Numbers};
pub use gate::{ClosedGate, Conflict, Gate, GateChange, GateOutcome, Task};
pub use guard::{Guard, GuardStage};
pub use invocation::{
    FailureKind, InvocationId, InvocationRecord, InvocationStatus, SLOTS, TaskContext, task_id,
};
pub use patch::{Patch, apply_patches, merge_patch};

use super::{DestinationId, PayloadFilter, RetryPolicy, SealedSecret, Sequence, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// When the functions of an event type run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventMode {
    /// It is only told of: functions cannot subscribe.
    #[default]
    Notify,
    /// Before an operation: the publisher waits for all of its functions, and one that fails stops it.
    Pre,
    /// After an operation: its functions never touch the publisher.
    Post,
}

/// A group of functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its number.
    pub id: u64,
    /// Its name in paths: `[a-z0-9-]{1,64}`, unique in its tenant.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its number.
    pub id: u64,
    /// Its name for people.
    pub name: String,
    /// Its name in paths: `[a-z0-9-]{1,64}`, unique in its tenant.
    pub slug: String,
    /// The number of the app it belongs to.
    pub app: u64,
    /// Where it runs.
    pub target: Target,
    /// Signing secrets, encrypted, the current one first. Empty: unsigned.
    pub secrets: Vec<SealedSecret>,
    /// Milliseconds that a call may take.
    pub timeout_ms: u64,
    /// Whether and when calls for POST events are tried again.
    pub retry: RetryPolicy,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Function {
    /// What its secrets are sealed for.
    pub fn secret_owner(tenant: TenantId, id: u64) -> String {
        format!("fun_{}_{id}", tenant.0)
    }
}

/// Where a function runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// It is called over HTTP.
    Http {
        /// Where, checked when it was set and again at every dial.
        url: String,
    },
    /// The embedding program has it, registered under its slug.
    InProcess,
}

/// What a failing function means for a PRE event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The event fails.
    #[default]
    Fail,
    /// It is recorded, and the others decide.
    Ignore,
}

/// A function that runs on events of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its number.
    pub id: u64,
    /// A small number that no other live subscription of its tenant has; part of its invocations' ids.
    pub slot: u16,
    /// The consumer whose place the log keeps; also what its actor is known by.
    pub consumer: DestinationId,
    /// The event type.
    pub event: String,
    /// When the type's functions run.
    pub mode: EventMode,
    /// The function's number.
    pub function: u64,
    /// Stages run in order, from 0 to 9; members of one run at once.
    pub stage: u8,
    /// What a failure means.
    pub on_error: OnError,
    /// Which events of the type it runs on.
    pub filter: Option<PayloadFilter>,
    /// Its first event is the one after this place.
    pub start_after: Sequence,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
