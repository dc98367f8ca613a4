//! What became of an event: its deliveries with their attempts, put together from the log.

use super::Broker;
use crate::log::{AttemptQuery, Change, Commit, LogError};
use crate::model::{
    AttemptRecord, ConsumerState, Destination, DestinationStatus, Requeue, StoredEvent, TenantId, UnixMillis,
    Verdict,
};
use std::sync::Arc;

/// More attempts of one delivery than any schedule makes.
const MOST_ATTEMPTS: usize = 1000;

/// One event at one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The event.
    pub event: Arc<StoredEvent>,
    /// The destination.
    pub destination: Arc<Destination>,
    /// `pending`, `retrying`, `delivered`, `dead`, `expired` or `cancelled`.
    pub status: &'static str,
    /// When it is tried again.
    pub next_attempt_at: Option<UnixMillis>,
    /// Every attempt so far, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Delivery {
    /// The delivery's id, the same for every attempt.
    pub fn id(&self) -> String {
        crate::webhook::headers::delivery_id(self.destination.id, self.event.sequence())
    }
}

impl Broker {
    /// Puts deliveries that have an outcome back, to be sent again with a fresh run of the retry schedule. Once this is
    /// answered they are sent whatever happens; a destination that is off sends them when it is on again.
    pub async fn requeue(&self, requeue: Requeue) -> Result<(), LogError> {
        let waiting = self.log().consumer(requeue.destination).map_or(0, |consumer| consumer.retries.len());
        if waiting + requeue.deliveries.len() > self.config().delivery.max_retrying {
            return Err(LogError::Overloaded);
        }
        let changes = vec![Change::Requeue(Box::new(requeue.clone()))];
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        self.0.actors.requeued(requeue);
        Ok(())
    }

    /// An event's deliveries to the tenant's destinations that want it or were sent it.
    pub async fn deliveries_of(
        &self,
        tenant: TenantId,
        event: &Arc<StoredEvent>,
    ) -> Result<Vec<Delivery>, LogError> {
        let mut deliveries = Vec::new();
        for destination in self.destinations(tenant) {
            let sequence = Some(event.sequence());
            let query = AttemptQuery { destination: destination.id, sequence, limit: MOST_ATTEMPTS };
            let attempts = self.log().attempts(query).await?;
            let Some(consumer) = self.log().consumer(destination.id) else { continue };
            let wanted =
                event.sequence() > destination.start_after && destination.event_filter().matches(event);
            if attempts.is_empty() && (!wanted || consumer.place >= event.sequence()) {
                continue;
            }
            let (status, next_attempt_at) = status_of(event, &destination, &consumer, &attempts);
            let event = Arc::clone(event);
            deliveries.push(Delivery { event, destination, status, next_attempt_at, attempts });
        }
        Ok(deliveries)
    }
}

fn status_of(
    event: &StoredEvent,
    destination: &Destination,
    consumer: &ConsumerState,
    attempts: &[AttemptRecord],
) -> (&'static str, Option<UnixMillis>) {
    if let Some(retry) = consumer.retries.get(&event.sequence()) {
        let due = (destination.status == DestinationStatus::Active).then_some(retry.due);
        return ("retrying", due);
    }
    let status = match attempts.last().map(|attempt| attempt.verdict) {
        None => "pending",
        Some(Verdict::Delivered) => "delivered",
        // It waits for no attempt any more: it was given up with the backlog.
        Some(Verdict::Retry { .. }) => "cancelled",
        Some(Verdict::Dead) => "dead",
        Some(Verdict::Expired) => "expired",
        Some(Verdict::Cancelled) => "cancelled",
    };
    (status, None)
}
