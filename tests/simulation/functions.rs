//! Subscriptions of functions to POST events: consumers with the machine of a destination, which are never switched off, and
//! whose functions may refuse an event for good. Outcomes of both kinds, as the log takes them.

use crate::log::TENANT;
use campanile::log::Change;
use campanile::model::{
    AttemptRecord, DestinationId, EventId, EventMode, Heard, InvocationRecord, InvocationStatus, OnError,
    RequestNote, Sequence, TaskContext, UnixMillis, Verdict,
};

/// Every fifth consumer is a function's.
pub(crate) fn is_function(id: DestinationId) -> bool {
    id.0.is_multiple_of(5)
}

/// An attempt whose outcome becomes durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) id: DestinationId,
    pub(crate) sequence: Sequence,
    pub(crate) attempt: u32,
    pub(crate) verdict: Verdict,
    pub(crate) at: UnixMillis,
}

impl Ended {
    /// What a change says of an attempt, if it does.
    pub(crate) fn of(change: &Change) -> Option<Self> {
        match change {
            Change::Outcome { attempt, .. } => {
                let AttemptRecord { destination, sequence, attempt, verdict, at, .. } = **attempt;
                Some(Self { id: destination, sequence, attempt, verdict, at })
            }
            Change::Invoked { record, .. } => {
                let InvocationRecord { sequence, attempt, at, .. } = **record;
                Some(Self { id: record.consumer?, sequence, attempt, verdict: record.verdict?, at })
            }
            _ => None,
        }
    }

    /// The change that makes it durable.
    pub(crate) fn change(self, place: Sequence, heard: Heard) -> Change {
        if is_function(self.id) {
            Change::Invoked { record: Box::new(self.invocation()), place, heard }
        } else {
            Change::Outcome { attempt: Box::new(self.delivery()), place, heard }
        }
    }

    fn delivery(self) -> AttemptRecord {
        AttemptRecord {
            destination: self.id,
            sequence: self.sequence,
            event: None,
            attempt: self.attempt,
            at: self.at,
            latency_ms: 0,
            request: RequestNote::default(),
            status: None,
            error: None,
            verdict: self.verdict,
            response_headers: Vec::new(),
            response_body: String::new(),
        }
    }

    fn invocation(self) -> InvocationRecord {
        let task = TaskContext {
            event_id: EventId::parse("unknown").unwrap(),
            event_type: String::new(),
            stored_at: self.at,
            mode: EventMode::Post,
            subscription: 1,
            function: 1,
            function_name: String::new(),
            function_slug: String::new(),
            stage: 0,
            on_error: OnError::Ignore,
        };
        InvocationRecord {
            tenant: TENANT,
            sequence: self.sequence,
            slot: 0,
            attempt: self.attempt,
            task,
            status: InvocationStatus::Error,
            at: self.at,
            duration_ms: 0,
            kind: None,
            code: None,
            message: None,
            patch: None,
            consumer: Some(self.id),
            verdict: Some(self.verdict),
        }
    }
}
