//! Deliveries: one event at one destination, put together from the log.

mod list;
mod stats;
#[cfg(test)]
mod tests;

pub use list::{DeliveryAsk, DeliveryPage, DeliverySummary};
pub use stats::{Counts, DestinationStats, Latency};

use super::{Broker, ManageError};
use crate::clock;
use crate::log::{AttemptQuery, Change, LogError, Order, Query};
use crate::model::{
    AttemptRecord, ConsumerState, DeliveryStatus, Destination, DestinationStatus, EventFilter, EventNote,
    Requeue, Sequence, StoredEvent, TenantId, UnixMillis,
};
use crate::webhook::headers::{delivery_id, parse_delivery_id};
use std::sync::Arc;

/// More attempts of one delivery than any schedule makes.
const MOST_ATTEMPTS: usize = 1000;

/// One event at one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The event's place.
    pub sequence: Sequence,
    /// What the event is; `None` when it went before anything of it was kept here.
    pub event: Option<EventNote>,
    /// The destination.
    pub destination: Arc<Destination>,
    /// How far it is.
    pub status: DeliveryStatus,
    /// When it is tried again.
    pub next_attempt_at: Option<UnixMillis>,
    /// Every attempt so far, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Delivery {
    /// The delivery's id, the same for every attempt.
    pub fn id(&self) -> String {
        delivery_id(self.destination.id, self.sequence)
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
        self.commit_and_tell(changes, move |actors| actors.requeued(requeue)).await
    }

    /// An event's deliveries to the tenant's destinations that want it or were sent it.
    pub async fn deliveries_of(
        &self,
        tenant: TenantId,
        event: &StoredEvent,
    ) -> Result<Vec<Delivery>, LogError> {
        let mut deliveries = Vec::new();
        for destination in self.destinations(tenant) {
            let found = self.put_together(destination, event.sequence(), Some(event)).await?;
            deliveries.extend(found);
        }
        Ok(deliveries)
    }

    /// One delivery of a tenant with every attempt.
    pub async fn delivery(&self, tenant: TenantId, id: &str) -> Result<Delivery, ManageError> {
        let (destination, sequence) = parse_delivery_id(id).ok_or(ManageError::NoDelivery)?;
        let destination = self.destination(tenant, destination).map_err(|_| ManageError::NoDelivery)?;
        let event = self.event_at(tenant, sequence).await?;
        let delivery = self.put_together(destination, sequence, event.as_deref()).await?;
        delivery.ok_or(ManageError::NoDelivery)
    }

    /// Sends a delivery again now, whatever became of it. One that was not tried yet is left as it is.
    pub async fn resend(&self, tenant: TenantId, id: &str) -> Result<Delivery, ManageError> {
        let delivery = self.delivery(tenant, id).await?;
        if self.event_at(tenant, delivery.sequence).await?.is_none() {
            return Err(ManageError::Expired);
        }
        let attempts = delivery.attempts.last().map_or(0, |last| last.attempt);
        if delivery.status == DeliveryStatus::Pending {
            return Ok(delivery);
        }
        let deliveries = vec![(delivery.sequence, attempts)];
        let due = clock::steady();
        let destination = delivery.destination.id;
        self.requeue(Requeue { destination, deliveries, due, replay: None }).await?;
        self.delivery(tenant, id).await
    }

    async fn put_together(
        &self,
        destination: Arc<Destination>,
        sequence: Sequence,
        event: Option<&StoredEvent>,
    ) -> Result<Option<Delivery>, LogError> {
        let query =
            AttemptQuery { destination: destination.id, sequence: Some(sequence), limit: MOST_ATTEMPTS };
        let attempts = self.log().attempts(query).await?;
        let Some(consumer) = self.log().consumer(destination.id) else { return Ok(None) };
        let is_waiting = consumer.retries.contains_key(&sequence)
            || event.is_some_and(|event| is_to_be_sent(&destination, &consumer, event));
        if attempts.is_empty() && !is_waiting {
            return Ok(None);
        }
        let oldest = self.log().bounds().borrow().oldest;
        let status = consumer.status_of(sequence, attempts.last().map(|last| last.verdict), oldest);
        let next_attempt_at = next_attempt_at(&destination, &consumer, sequence);
        let kept = attempts.iter().find_map(|attempt| attempt.event.clone());
        let event = event.map(EventNote::of).or(kept);
        Ok(Some(Delivery { sequence, event, destination, status, next_attempt_at, attempts }))
    }

    /// A tenant's event at a place, if it is still there.
    pub(in crate::broker) async fn event_at(
        &self,
        tenant: TenantId,
        sequence: Sequence,
    ) -> Result<Option<Arc<StoredEvent>>, LogError> {
        let query = Query {
            tenant,
            filter: EventFilter::default(),
            from: sequence.previous(),
            up_to: sequence,
            order: Order::Ascending,
            limit: 1,
            max_bytes: usize::MAX,
        };
        match self.log().read(query).await {
            Ok(page) => Ok(page.events.into_iter().next()),
            Err(LogError::Trimmed { .. } | LogError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether an event will be sent for the first time.
fn is_to_be_sent(destination: &Destination, consumer: &ConsumerState, event: &StoredEvent) -> bool {
    let sequence = event.sequence();
    sequence > consumer.place
        && !consumer.settled.contains(&sequence)
        && destination.event_filter().matches(event)
}

fn next_attempt_at(
    destination: &Destination,
    consumer: &ConsumerState,
    sequence: Sequence,
) -> Option<UnixMillis> {
    let retry = consumer.retries.get(&sequence)?;
    (destination.status == DestinationStatus::Active).then_some(retry.due)
}
