//! How far destinations are behind.

use crate::clock;
use crate::log::{Bounds, EventLog, LogError, Order, Query};
use crate::model::{ConsumerState, Destination, EventFilter, Sequence, TenantId};

/// How far a lag is counted.
const COUNT_LIMIT: usize = 100_000;

/// How far a destination is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Lag {
    /// Matching events without an outcome, counted up to 100,000, and deliveries that wait for a retry.
    pub events: u64,
    /// Age of the oldest of them in seconds.
    pub seconds: u64,
}

/// How far a destination whose consumer is there is behind the head.
pub(super) async fn lag_of(
    log: &dyn EventLog,
    destination: &Destination,
    consumer: &ConsumerState,
) -> Result<Lag, LogError> {
    let Bounds { oldest, head } = *log.bounds().borrow();
    let retrying = consumer.retries.keys().next().copied();
    let place = consumer.place.max(oldest.previous());
    let mut events = consumer.retries.len() as u64;
    let mut first = retrying;
    if place < head {
        let mut query = Query {
            tenant: destination.tenant,
            filter: destination.event_filter(),
            from: place,
            up_to: head,
            order: Order::Ascending,
            limit: COUNT_LIMIT,
            max_bytes: usize::MAX,
        };
        let matching = log.count(query.clone()).await?;
        let waiting = matching.saturating_sub(consumer.settled.len() as u64);
        events += waiting;
        if first.is_none() && waiting > 0 {
            query.limit = 1;
            first = first_of(log, query).await?;
        }
    }
    let seconds = match first {
        Some(sequence) => age_of(log, destination.tenant, sequence).await?,
        None => 0,
    };
    Ok(Lag { events, seconds })
}

/// The first event of a query. One that cannot be read is the first all the same, and what retention took meanwhile waits
/// no more: neither keeps a destination from being shown.
async fn first_of(log: &dyn EventLog, query: Query) -> Result<Option<Sequence>, LogError> {
    match log.read(query).await {
        Ok(page) => Ok(page.events.first().map(|event| event.sequence())),
        Err(LogError::Corrupt { sequence, .. }) => Ok(Some(sequence)),
        Err(LogError::Trimmed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn age_of(log: &dyn EventLog, tenant: TenantId, sequence: Sequence) -> Result<u64, LogError> {
    let query = Query {
        tenant,
        filter: EventFilter::default(),
        from: sequence.previous(),
        up_to: sequence,
        order: Order::Ascending,
        limit: 1,
        max_bytes: usize::MAX,
    };
    let page = match log.read(query).await {
        Ok(page) => page,
        Err(LogError::Trimmed { .. } | LogError::Corrupt { .. }) => return Ok(0),
        Err(error) => return Err(error),
    };
    Ok(page.events.first().map_or(0, |event| clock::now().since(event.stored_at()) / 1000))
}
