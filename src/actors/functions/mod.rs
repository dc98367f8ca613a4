//! What runs for functions: one actor a subscription, one a PRE event under way, and who looks after them.
//!
//! ```text
//! FunctionRegistry                  starts, wakes, rebuilds and stops the others
//!   ├─ SubscriptionActor …          one a subscription to a PRE event type: its calls, its queue
//!   ├─ PostActor …                  one a subscription to a POST event type: a consumer of the log
//!   └─ GateActor …                  one a PRE event under way: runs its machine, keeps its outcome
//! ```
//!
//! A PRE event's run lives as long as its actor. When that dies, the registry ends the run as cancelled; what a crash
//! leaves open, the broker closes when it starts.

mod callee;
mod gate;
mod messages;
mod outcome;
mod post;
mod registry;
mod running;
mod subscription;

pub use callee::{Call, FunctionHost};
pub(super) use messages::{CancelGate, CancelGates, FunctionsRequeued, PublishGate};
pub(super) use registry::FunctionRegistry;
use running::GateOrder;
pub use running::{Begun, GatePublication, GateResult, RunningGates, Seat};

use super::shard::Surroundings;
use crate::config::FunctionsConfig;
use crate::model::{Function, Subscription};
use std::sync::Arc;

/// What every actor of functions needs, on any thread.
#[derive(Clone)]
pub(super) struct FunctionSurroundings {
    pub(super) base: Surroundings,
    pub(super) config: FunctionsConfig,
    pub(super) host: Arc<dyn FunctionHost>,
    pub(super) gates: RunningGates,
}

/// What the actors of functions are started with.
pub struct FunctionSetup {
    /// Bounds.
    pub config: FunctionsConfig,
    /// The program around.
    pub host: Arc<dyn FunctionHost>,
    /// Where runs that are under way are found.
    pub gates: RunningGates,
}

impl std::fmt::Debug for FunctionSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionSetup").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A subscription with its function.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The subscription.
    pub subscription: Arc<Subscription>,
    /// Its function.
    pub function: Arc<Function>,
}
