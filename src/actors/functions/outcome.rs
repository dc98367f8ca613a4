//! What came of a call for a POST event, as the log keeps it.

use super::Work;
use super::callee::Ended;
use crate::log::{Change, EventLog};
use crate::model::{
    DestinationId, EventId, FailureKind, InvocationRecord, InvocationStatus, Sequence, StoredEvent,
    TaskContext, UnixMillis, Verdict,
};
use std::sync::Arc;

/// An outcome on its way into the log, with its event.
pub(super) type Unrecorded = (Sequence, Change);

pub(super) fn record_of(
    work: &Work,
    (sequence, event): (Sequence, Option<&Arc<StoredEvent>>),
    attempt: u32,
    verdict: Verdict,
    ended: Ended,
) -> InvocationRecord {
    let Work { subscription, function } = work;
    let unknown = || EventId::parse("unknown").expect("this is an id");
    let event_id = event.map_or_else(unknown, |event| event.id().clone());
    let stored_at = event.map_or(UnixMillis(0), |event| event.stored_at());
    let task = TaskContext::of(subscription, function, event_id, stored_at);
    let failure = ended.result.err();
    let is_timeout = failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Timeout);
    let status = match verdict {
        Verdict::Delivered => InvocationStatus::Success,
        Verdict::Retry { .. } if is_timeout => InvocationStatus::Timeout,
        Verdict::Retry { .. } => InvocationStatus::Error,
        Verdict::Dead => InvocationStatus::Dead,
        Verdict::Expired | Verdict::Cancelled => InvocationStatus::Cancelled,
    };
    InvocationRecord {
        tenant: subscription.tenant,
        sequence,
        slot: subscription.slot,
        attempt,
        task,
        status,
        at: ended.at,
        duration_ms: ended.duration_ms,
        kind: failure.as_ref().map(|failure| failure.kind),
        code: failure.as_ref().and_then(|failure| failure.code.clone()),
        message: failure.map(|failure| failure.message),
        patch: None,
        consumer: Some(subscription.consumer),
        verdict: Some(verdict),
    }
}

/// Parts outcomes that a failed commit was to keep: those that are kept all the same, and those that are not. What the log
/// knows by now tells: a commit that failed is taken in with all of it or not at all.
pub(super) fn part(
    log: &dyn EventLog,
    consumer: DestinationId,
    outcomes: Vec<Unrecorded>,
) -> (Vec<Unrecorded>, Vec<Unrecorded>) {
    let known = log.consumer(consumer).unwrap_or_default();
    outcomes.into_iter().partition(|(_, outcome)| match outcome {
        Change::Invoked { record, .. } => known.has_heard_of(record.sequence, record.attempt),
        _ => false,
    })
}
