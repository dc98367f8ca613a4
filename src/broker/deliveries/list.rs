//! A destination's deliveries, newest event first: those that had an attempt from the delivery log, the others from
//! the events that are still to be sent. Both are read in bounded pages; a page holds no more than both have seen.

use super::{is_to_be_sent, next_attempt_at};
use crate::broker::{Broker, ManageError};
use crate::log::{DeliveryQuery, LogError, Order, Query};
use crate::model::{
    AttemptRecord, ConsumerState, DeliveryStatus, Destination, DestinationId, EventFilter, EventNote,
    Sequence, TenantId, UnixMillis,
};
use crate::webhook::headers::delivery_id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A page of events is read up to about this many bytes.
const PAGE_BYTES: usize = 8 << 20;

/// Which deliveries are wanted.
#[derive(Debug, Clone)]
pub struct DeliveryAsk {
    /// Any of these; empty means all.
    pub statuses: Vec<DeliveryStatus>,
    /// By type and time of the event.
    pub filter: EventFilter,
    /// Only of events before this place.
    pub below: Sequence,
    /// At most this many.
    pub limit: usize,
}

/// One event at one destination, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliverySummary {
    /// The destination.
    pub destination: DestinationId,
    /// The event's place.
    pub sequence: Sequence,
    /// What the event is; `None` when it went before anything of it was kept here.
    pub event: Option<EventNote>,
    /// How far it is.
    pub status: DeliveryStatus,
    /// When it is tried again.
    pub next_attempt_at: Option<UnixMillis>,
    /// Attempts so far.
    pub attempts: u32,
    /// The last of them.
    pub last_attempt: Option<AttemptRecord>,
}

impl DeliverySummary {
    /// The delivery's id, the same for every attempt.
    pub fn id(&self) -> String {
        delivery_id(self.destination, self.sequence)
    }
}

/// One page of deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryPage {
    /// Newest event first.
    pub deliveries: Vec<DeliverySummary>,
    /// Where the next page begins: below this place; `None` when there is no more.
    pub next: Option<Sequence>,
}

impl Broker {
    /// One page of a destination's deliveries.
    pub async fn delivery_page(
        &self,
        tenant: TenantId,
        id: DestinationId,
        ask: DeliveryAsk,
    ) -> Result<DeliveryPage, ManageError> {
        let destination = self.destination(tenant, id)?;
        let consumer = Arc::new(self.log().consumer(id).ok_or(ManageError::NotFound)?);
        let mut reading = Reading {
            broker: self,
            destination,
            consumer,
            ask,
            found: BTreeMap::new(),
            floor: Sequence::ZERO,
        };
        reading.read_attempted().await?;
        if reading.wants(DeliveryStatus::Pending) {
            reading.read_waiting().await?;
            reading.read_put_back().await?;
        }
        Ok(reading.page())
    }
}

/// A page while it is read. Everything wanted from `floor` on has been found.
struct Reading<'b> {
    broker: &'b Broker,
    destination: Arc<Destination>,
    consumer: Arc<ConsumerState>,
    ask: DeliveryAsk,
    found: BTreeMap<Sequence, DeliverySummary>,
    floor: Sequence,
}

impl Reading<'_> {
    fn wants(&self, status: DeliveryStatus) -> bool {
        self.ask.statuses.is_empty() || self.ask.statuses.contains(&status)
    }

    /// Deliveries that had an attempt.
    async fn read_attempted(&mut self) -> Result<(), LogError> {
        let oldest = self.broker.log().bounds().borrow().oldest;
        let (consumer, statuses) = (Arc::clone(&self.consumer), self.ask.statuses.clone());
        let wanted = move |sequence, verdict| {
            statuses.is_empty() || statuses.contains(&consumer.status_of(sequence, Some(verdict), oldest))
        };
        let query = DeliveryQuery {
            destination: self.destination.id,
            below: self.ask.below,
            wanted: Arc::new(wanted),
            filter: self.ask.filter.clone(),
            limit: self.ask.limit + 1,
        };
        let rows = self.broker.log().deliveries(query).await?;
        if rows.has_more {
            self.floor = self.floor.max(rows.scanned_to);
        }
        for last in rows.last_attempts {
            let status = self.consumer.status_of(last.sequence, Some(last.verdict), oldest);
            self.keep(last.sequence, last.event.clone(), status, last.attempt, Some(last));
        }
        Ok(())
    }

    /// Events that will be sent for the first time.
    async fn read_waiting(&mut self) -> Result<(), LogError> {
        let EventFilter { since, until, .. } = self.ask.filter;
        let filter = EventFilter { since, until, ..self.destination.event_filter() };
        let query = Query {
            tenant: self.destination.tenant,
            filter,
            from: self.ask.below,
            up_to: Sequence(u64::MAX),
            order: Order::Descending,
            limit: self.ask.limit + 1,
            max_bytes: PAGE_BYTES,
        };
        let page = self.broker.log().read(query).await?;
        if page.has_more && page.scanned_to > self.consumer.place {
            self.floor = self.floor.max(page.scanned_to);
        }
        for event in page.events {
            let note = EventNote::of(&event);
            if is_to_be_sent(&self.destination, &self.consumer, &event) && self.ask.filter.matches_note(&note)
            {
                self.keep(event.sequence(), Some(note), DeliveryStatus::Pending, 0, None);
            }
        }
        Ok(())
    }

    /// Events that were put back and had no attempt before.
    async fn read_put_back(&mut self) -> Result<(), LogError> {
        let consumer = Arc::clone(&self.consumer);
        let untried = consumer.retries.range(..self.ask.below).rev().filter(|(_, retry)| retry.attempts == 0);
        for (count, (sequence, _)) in untried.enumerate() {
            if count > self.ask.limit || *sequence < self.floor {
                self.floor = self.floor.max(sequence.next());
                break;
            }
            let event = self.broker.event_at(self.destination.tenant, *sequence).await?;
            let note = event.map(|event| EventNote::of(&event));
            if note.as_ref().is_some_and(|note| self.ask.filter.matches_note(note)) {
                self.keep(*sequence, note, DeliveryStatus::Pending, 0, None);
            }
        }
        Ok(())
    }

    fn keep(
        &mut self,
        sequence: Sequence,
        event: Option<EventNote>,
        status: DeliveryStatus,
        attempts: u32,
        last_attempt: Option<AttemptRecord>,
    ) {
        let next_attempt_at = next_attempt_at(&self.destination, &self.consumer, sequence);
        let destination = self.destination.id;
        let summary =
            DeliverySummary { destination, sequence, event, status, next_attempt_at, attempts, last_attempt };
        // An attempt that ended meanwhile says more than that it was waited for.
        self.found.entry(sequence).or_insert(summary);
    }

    fn page(self) -> DeliveryPage {
        let Self { ask, mut found, floor, .. } = self;
        let found = found.split_off(&floor);
        let is_cut = found.len() > ask.limit;
        let deliveries: Vec<DeliverySummary> = found.into_values().rev().take(ask.limit).collect();
        let last = deliveries.last().filter(|_| is_cut).map(|last| last.sequence);
        DeliveryPage { deliveries, next: last.or((floor > Sequence::ZERO).then_some(floor)) }
    }
}
