//! Finds the deliveries that a replay puts back, a bounded page of the log at a time. Only reads.

use crate::log::{EventLog, LastAttempt, LastAttemptsQuery, LogError, Order, Query};
use crate::model::{
    ConsumerState, Destination, EventFilter, Replay, ReplayOnly, Sequence, StoredEvent, Verdict,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A page looks at so many events, or attempts, and at about so many bytes.
const PAGE_EVENTS: usize = 500;
const PAGE_BYTES: usize = 4 << 20;

/// What a page of the log has for a replay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// The events, each with the attempts made for it, in log order.
    pub(crate) deliveries: Vec<(Sequence, u32)>,
    /// Everything up to here has been looked at.
    pub(crate) scanned_to: Sequence,
}

/// Looks for deliveries after a place, at most `limit`.
pub(crate) async fn find(
    log: &Arc<dyn EventLog>,
    replay: &Replay,
    after: Sequence,
    limit: usize,
) -> Result<Found, LogError> {
    let destination = log.management().destinations.get(&replay.destination).cloned();
    let (Some(destination), Some(consumer)) = (destination, log.consumer(replay.destination)) else {
        // It was removed meanwhile, and its replays with it.
        return Ok(Found { deliveries: Vec::new(), scanned_to: replay.up_to });
    };
    let oldest = log.bounds().borrow().oldest;
    let after = after.max(oldest.previous());
    if after >= replay.up_to {
        return Ok(Found { deliveries: Vec::new(), scanned_to: replay.up_to });
    }
    let search = Search { log, replay, destination: &destination, consumer: &consumer, limit };
    let found = match replay.only {
        ReplayOnly::Failed => search.attempted(after).await,
        ReplayOnly::Missing | ReplayOnly::All => search.matching(after).await,
    };
    match found {
        Err(LogError::Trimmed { oldest, .. }) => Ok(up_to(oldest.previous().min(replay.up_to))),
        // What cannot be read cannot be sent.
        Err(LogError::Corrupt { resume, .. }) => Ok(up_to(resume)),
        found => found,
    }
}

fn up_to(scanned_to: Sequence) -> Found {
    Found { deliveries: Vec::new(), scanned_to }
}

struct Search<'s> {
    log: &'s Arc<dyn EventLog>,
    replay: &'s Replay,
    destination: &'s Destination,
    consumer: &'s ConsumerState,
    limit: usize,
}

impl Search<'_> {
    /// Among the deliveries that had an attempt.
    async fn attempted(&self, after: Sequence) -> Result<Found, LogError> {
        let last = self.last_attempts(after, self.replay.up_to).await?;
        let mut found = Found { deliveries: Vec::new(), scanned_to: last.1 };
        for row in last.0 {
            if !self.takes(row.sequence, Some(row.verdict)) || !self.is_in_range(row.sequence).await? {
                continue;
            }
            found.deliveries.push((row.sequence, row.attempts));
            if found.deliveries.len() >= self.limit {
                found.scanned_to = row.sequence;
                break;
            }
        }
        Ok(found)
    }

    /// Among the events that match the destination.
    async fn matching(&self, after: Sequence) -> Result<Found, LogError> {
        let page = self.log.read(self.query(after, self.replay.up_to)).await?;
        let last = self.all_last_attempts(after, page.scanned_to).await?;
        let mut found = Found { deliveries: Vec::new(), scanned_to: page.scanned_to };
        let filter = self.destination.event_filter();
        for event in page.events.iter().filter(|event| filter.matches(event)) {
            let sequence = event.sequence();
            let row = last.get(&sequence);
            if self.takes(sequence, row.map(|row| row.verdict)) {
                found.deliveries.push((sequence, row.map_or(0, |row| row.attempts)));
            }
            if found.deliveries.len() >= self.limit {
                found.scanned_to = sequence;
                break;
            }
        }
        Ok(found)
    }

    fn takes(&self, sequence: Sequence, last: Option<Verdict>) -> bool {
        self.replay.only.takes(self.consumer, sequence, last)
    }

    /// Whether an event is still there and what the replay asks for.
    async fn is_in_range(&self, sequence: Sequence) -> Result<bool, LogError> {
        match self.log.read(Query { limit: 1, ..self.query(sequence.previous(), sequence) }).await {
            Ok(page) => Ok(page.events.iter().any(|event: &Arc<StoredEvent>| event.sequence() == sequence)),
            Err(LogError::Trimmed { .. } | LogError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn query(&self, from: Sequence, up_to: Sequence) -> Query {
        let Replay { since, until, .. } = *self.replay;
        let types = self.replay.types.clone();
        let filter = EventFilter { since, until, ..EventFilter::of_types(types) };
        let (tenant, order) = (self.replay.tenant, Order::Ascending);
        Query { tenant, filter, from, up_to, order, limit: PAGE_EVENTS, max_bytes: PAGE_BYTES }
    }

    async fn last_attempts(
        &self,
        after: Sequence,
        up_to: Sequence,
    ) -> Result<(Vec<LastAttempt>, Sequence), LogError> {
        let destination = self.destination.id;
        let query = LastAttemptsQuery { destination, after, up_to, limit: PAGE_EVENTS };
        let page = self.log.last_attempts(query).await?;
        Ok((page.rows, page.scanned_to))
    }

    /// All of them in a range, which holds no more events than a page.
    async fn all_last_attempts(
        &self,
        mut after: Sequence,
        up_to: Sequence,
    ) -> Result<BTreeMap<Sequence, LastAttempt>, LogError> {
        let mut all = BTreeMap::new();
        while after < up_to {
            let (rows, scanned_to) = self.last_attempts(after, up_to).await?;
            all.extend(rows.into_iter().map(|row| (row.sequence, row)));
            after = scanned_to;
        }
        Ok(all)
    }
}
