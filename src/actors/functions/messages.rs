//! The messages between the actors of functions.

use super::callee::{Call, Ended};
use super::outcome::Unrecorded;
use super::{GatePublication, Work};
use crate::delivery::destination::Outcome;
use crate::log::{Committed, LogError};
use crate::model::{Requeue, Sequence, StoredEvent};
use actix::{Message, Recipient};
use std::sync::Arc;

/// Make a PRE event durable and begin its run.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct PublishGate(pub(in crate::actors) GatePublication);

/// A PRE event is durable, or could not be made so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Published {
    pub(super) publication: GatePublication,
    pub(super) result: Result<Committed, LogError>,
}

/// The publisher of a PRE event is gone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct CancelGate(pub(in crate::actors) Sequence);

/// The broker takes no more events: every run ends.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct CancelGates;

/// Invocations were put back, durably.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct FunctionsRequeued(pub(in crate::actors) Requeue);

/// This is what the subscription and its function are now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Reworked(pub(super) Work);

/// Call the function for a run.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ask {
    pub(super) asker: Asker,
    pub(super) call: Call,
}

/// A run no longer wants an answer.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Withdraw {
    pub(super) gate: Sequence,
}

/// A function answered a run.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Asked {
    pub(super) member: usize,
    /// `None` when whoever was to call it is gone.
    pub(super) ended: Option<Ended>,
}

/// Whom to answer. One that is dropped without an answer says that there will be none.
pub(super) struct Asker {
    pub(super) gate: Sequence,
    member: usize,
    answer_to: Option<Recipient<Asked>>,
}

impl Asker {
    pub(super) fn new(gate: Sequence, member: usize, answer_to: Recipient<Asked>) -> Self {
        Self { gate, member, answer_to: Some(answer_to) }
    }

    pub(super) fn answer(mut self, ended: Ended) {
        self.tell(Some(ended));
    }

    fn tell(&mut self, ended: Option<Ended>) {
        if let Some(answer_to) = self.answer_to.take() {
            answer_to.do_send(Asked { member: self.member, ended });
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.tell(None);
    }
}

/// A run's outcome is durable, or could not be made so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct GateKept(pub(super) Option<LogError>);

/// A run's actor ended.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct GateStopped {
    pub(super) sequence: Sequence,
    /// It ended before its outcome was durable.
    pub(super) is_open: bool,
}

/// A function answered a POST event, or why it was not asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Invoked {
    pub(super) sequence: Sequence,
    pub(super) event: Option<Arc<StoredEvent>>,
    pub(super) ended: Result<Ended, Outcome>,
}

/// Outcomes are durable, or it is not known whether they are.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Recorded {
    pub(super) outcomes: Vec<Unrecorded>,
    pub(super) error: Option<LogError>,
}
