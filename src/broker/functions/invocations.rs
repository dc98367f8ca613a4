//! What became of functions' runs: one with every attempt, trying again by hand.
//!
//! A POST event's run is kept from its first attempt on; until then it follows from its subscription's place.

use super::super::Broker;
use super::FunctionError;
use crate::clock;
use crate::log::{Change, LogError};
use crate::model::{
    ConsumerState, EventFilter, EventMode, InvocationId, InvocationRecord, InvocationStatus, Requeue,
    StoredEvent, Subscription, TaskContext, TenantId, UnixMillis, Verdict,
};
use std::sync::Arc;

/// Subscriptions to POST event types, each with its progress.
pub(super) type Posts = Vec<(Arc<Subscription>, ConsumerState)>;

/// One run of a function on an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// What is known of it last.
    pub last: InvocationRecord,
    /// How far it is.
    pub status: InvocationStatus,
    /// When it is tried again.
    pub next_attempt_at: Option<UnixMillis>,
    /// Every attempt, oldest first; empty in lists.
    pub attempts: Vec<InvocationRecord>,
}

impl Broker {
    /// One invocation of a tenant with every attempt.
    pub async fn invocation(&self, tenant: TenantId, id: InvocationId) -> Result<Invocation, FunctionError> {
        let mut records = self.log().invocation(tenant, id).await?;
        if let Some(last) = records.last().cloned() {
            records.retain(|record| record.attempt > 0);
            return Ok(self.invocation_of(last, records));
        }
        let event = self.event_at(tenant, id.sequence).await?.ok_or(FunctionError::NoInvocation)?;
        let posts = self.post_consumers(tenant, |one| one.slot == id.slot);
        let queued = self.queued(&event, &posts, &mut 0).pop();
        queued.map(|last| self.invocation_of(last, Vec::new())).ok_or(FunctionError::NoInvocation)
    }

    /// Runs a POST event's function once more, with a fresh run of its schedule. Once this is answered it runs,
    /// whatever happens.
    pub async fn retry_invocation(
        &self,
        tenant: TenantId,
        id: InvocationId,
    ) -> Result<Invocation, FunctionError> {
        let known = self.invocation(tenant, id).await?;
        let refuse = |why: &'static str| Err(FunctionError::NotRetryable(why));
        if known.last.task.mode == EventMode::Pre {
            return refuse("the publisher of a PRE event has its answer: it is never run again");
        }
        let Some(consumer) = known.last.consumer.filter(|one| self.log().consumer(*one).is_some()) else {
            return if known.attempts.is_empty() { Ok(known) } else { refuse("its subscription is gone") };
        };
        if matches!(known.status, InvocationStatus::Pending | InvocationStatus::Running) {
            return Ok(known);
        }
        if self.event_at(tenant, id.sequence).await?.is_none() {
            return refuse("its event went by retention");
        }
        let waiting = self.log().consumer(consumer).map_or(0, |consumer| consumer.retries.len());
        if waiting >= self.config().delivery.max_retrying {
            return Err(LogError::Overloaded.into());
        }
        let deliveries = vec![(id.sequence, known.last.attempt)];
        let requeue = Requeue { destination: consumer, deliveries, due: clock::steady(), replay: None };
        let changes = vec![Change::Requeue(Box::new(requeue.clone()))];
        self.commit_and_tell(changes, move |actors| actors.functions_requeued(requeue)).await?;
        self.invocation(tenant, id).await
    }

    pub(super) fn invocation_of(
        &self,
        last: InvocationRecord,
        attempts: Vec<InvocationRecord>,
    ) -> Invocation {
        let (status, next_attempt_at) = match (last.task.mode, last.consumer) {
            (EventMode::Pre, _) => (self.pre_status(&last), None),
            (_, Some(consumer)) => {
                let kept = self.log().consumer(consumer);
                let waiting = kept.as_ref().and_then(|kept| kept.retries.get(&last.sequence).copied());
                match (kept, waiting) {
                    _ if self.0.gates.is_called(consumer, last.sequence) => (InvocationStatus::Running, None),
                    // Put back by hand: a fresh run that has not begun.
                    (_, Some(waiting)) if waiting.on_schedule(waiting.attempts) == 0 => {
                        (InvocationStatus::Pending, Some(waiting.due))
                    }
                    (_, Some(waiting)) => (last.status, Some(waiting.due)),
                    // Nobody is left to try again.
                    (None, _) if matches!(last.verdict, Some(Verdict::Retry { .. })) => {
                        (InvocationStatus::Cancelled, None)
                    }
                    _ => (last.status, None),
                }
            }
            (_, None) => (last.status, None),
        };
        Invocation { last, status, next_attempt_at, attempts }
    }

    fn pre_status(&self, last: &InvocationRecord) -> InvocationStatus {
        let seat = self.0.gates.get(last.tenant, last.sequence);
        let has_begun = seat.is_some_and(|seat| seat.has_reached(last.task.stage));
        if last.status == InvocationStatus::Pending && has_begun {
            InvocationStatus::Running
        } else {
            last.status
        }
    }

    /// The POST subscriptions that are wanted, with how far each is.
    pub(super) fn post_consumers(&self, tenant: TenantId, wanted: impl Fn(&Subscription) -> bool) -> Posts {
        let book = self.function_book();
        let posts = book.subscriptions_of(tenant).filter(|one| one.mode == EventMode::Post && wanted(one));
        posts.filter_map(|one| Some((Arc::clone(one), self.log().consumer(one.consumer)?))).collect()
    }

    /// What an event waits for at subscriptions without having had an attempt. What looking at its payload cost is
    /// added to `work`.
    pub(super) fn queued(&self, event: &StoredEvent, at: &Posts, work: &mut u64) -> Vec<InvocationRecord> {
        let book = self.function_book();
        let waiting = at.iter().filter(|(one, kept)| is_to_be_called(one, kept, event, work));
        let queued = waiting.filter_map(|(one, _)| {
            let function = book.functions.get(&(one.tenant, one.function))?;
            Some(InvocationRecord {
                tenant: one.tenant,
                sequence: event.sequence(),
                slot: one.slot,
                attempt: 0,
                task: TaskContext::of(one, function, event.id().clone(), event.stored_at()),
                status: InvocationStatus::Pending,
                at: event.stored_at(),
                duration_ms: 0,
                kind: None,
                code: None,
                message: None,
                patch: None,
                consumer: Some(one.consumer),
                verdict: None,
            })
        });
        queued.collect()
    }
}

fn is_to_be_called(one: &Subscription, kept: &ConsumerState, event: &StoredEvent, work: &mut u64) -> bool {
    let sequence = event.sequence();
    let filter = EventFilter { payload: one.filter.clone(), ..EventFilter::default() };
    kept.place < sequence
        && !kept.settled.contains(&sequence)
        && one.event == event.event_type().as_str()
        && filter.matches_counting(event, work)
}
