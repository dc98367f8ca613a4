//! Hearing events in the program that embeds the broker: the same cursor as over the wire.

use super::Broker;
use crate::log::{EventLog, LogError, Order, Query};
use crate::model::{EventFilter, Sequence, StoredEvent, TenantId};
use futures_util::stream::{Stream, unfold};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

const PAGE_EVENTS: usize = 256;
const PAGE_BYTES: usize = 1 << 20;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the next event.
    Now,
    /// With the oldest kept.
    Oldest,
    /// With the one after this place.
    After(Sequence),
}

/// Events as an async stream that never ends by itself before the broker shuts down.
///
/// `Err(LogError::Trimmed)` says that retention overtook it; it goes on from the oldest kept.
pub struct Events(Pin<Box<dyn Stream<Item = Result<Arc<StoredEvent>, LogError>> + Send>>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events(..)")
    }
}

impl Stream for Events {
    type Item = Result<Arc<StoredEvent>, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl Broker {
    /// Follows the default tenant's events from a place on, through stored events to live ones.
    pub fn subscribe(&self, filter: EventFilter, from: From) -> Events {
        let bounds = *self.log().bounds().borrow();
        let place = match from {
            From::Now => bounds.head,
            From::Oldest => bounds.oldest.previous(),
            From::After(place) => place,
        };
        let cursor = Cursor {
            log: Arc::clone(self.log()),
            tenant: self.default_tenant(),
            filter,
            place,
            page: VecDeque::new(),
            draining: self.draining(),
        };
        Events(Box::pin(unfold(cursor, Cursor::next)))
    }
}

struct Cursor {
    log: Arc<dyn EventLog>,
    tenant: TenantId,
    filter: EventFilter,
    place: Sequence,
    page: VecDeque<Arc<StoredEvent>>,
    draining: tokio::sync::watch::Receiver<bool>,
}

impl Cursor {
    async fn next(mut self) -> Option<(Result<Arc<StoredEvent>, LogError>, Self)> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Some((Ok(event), self));
            }
            let mut bounds = self.log.bounds();
            let head = bounds.borrow_and_update().head;
            if self.place >= head {
                tokio::select! {
                    moved = bounds.changed() => moved.ok()?,
                    stopped = self.draining.wait_for(|draining| *draining) => { stopped.ok()?; return None }
                }
                continue;
            }
            match self.log.read(self.query(head)).await {
                Ok(page) => {
                    self.place = page.scanned_to;
                    self.page = page.events.into();
                }
                Err(LogError::Closed) => return None,
                Err(error) => {
                    match error {
                        LogError::Trimmed { oldest, .. } => self.place = oldest.previous(),
                        LogError::Corrupt { resume, .. } => self.place = resume,
                        _ => {}
                    }
                    return Some((Err(error), self));
                }
            }
        }
    }

    fn query(&self, head: Sequence) -> Query {
        Query {
            tenant: self.tenant,
            filter: self.filter.clone(),
            from: self.place,
            up_to: head,
            order: Order::Ascending,
            limit: PAGE_EVENTS,
            max_bytes: PAGE_BYTES,
        }
    }
}
