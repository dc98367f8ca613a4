//! The words of the project: plain values that every other part speaks in.
//!
//! Owns what an event, a filter, a destination, a key and a delivery *are*, and the rules a single value
//! must satisfy by itself. Knows no clock, no disk, no socket and no other module of the crate.

mod attempt;
pub mod cloudevent;
mod delivery;
mod destination;
mod event;
mod event_type;
mod expression;
mod filter;
mod function;
mod health;
mod ids;
pub mod json;
mod json_text;
mod key;
mod replay;
mod schema;
mod sequence;
mod stored;
mod violation;

pub use crate::time::{InvalidTimestamp, Timestamp, UnixMillis};
pub use attempt::{AttemptRecord, EventNote, RequestNote};
pub use delivery::{ConsumerState, DeliveryStatus, Requeue, Requeued, RetryState, Verdict};
pub use destination::{
    BodyFormat, Deactivation, DeactivationReason, Destination, DestinationStatus, Ordering, RetryPolicy,
    SealedSecret, Verification,
};
pub use event::{EventDraft, EventType, WholeData};
pub use event_type::{EventTypeDefinition, EventTypes, SampleEvent};
pub use expression::{ExpressionError, MAX_EXPRESSION_BYTES, PayloadFilter};
pub use filter::{EventFilter, TypePattern};
pub use function::{
    App, ClosedGate, Conflict, EventMode, FailureKind, Function, FunctionBook, FunctionChange, Gate,
    GateChange, GateOutcome, Guard, GuardStage, InvocationId, InvocationRecord, InvocationStatus, Numbers,
    OnError, Patch, SLOTS, Subscription, Target, Task, TaskContext, apply_patches, merge_patch, task_id,
};
pub use health::{Failing, Health, Heard, Notice};
pub use ids::{DestinationId, EventId, InvalidId, KeyId, ReplayId, TenantId};
pub use json_text::push_json_string;
pub use key::{Key, KeyHash, Scope, Scopes, Tenant};
pub use replay::{Replay, ReplayOnly, ReplayStatus, ReplayTally};
pub use schema::{CheckBudget, DataSchema, MAX_SCHEMA_BYTES, MAX_VIOLATIONS};
pub use sequence::Sequence;
pub use stored::{EncodeAs, StoredEvent, push_data_lines};
pub use violation::Violation;
