//! Lists of functions' runs, newest first: those that the log keeps, and those on POST events that have had no attempt, from the
//! events and how far their subscriptions are. Both are read in bounded pages; a page holds no more than both have seen.

use super::super::Broker;
use super::FunctionError;
use super::invocations::{Invocation, Posts};
use crate::log::{InvocationQuery, LogError, Order, PAGE_WORK, Query};
use crate::model::{
    EventFilter, EventId, InvocationId, InvocationStatus, Sequence, StoredEvent, TenantId, TypePattern,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A page of events is read up to about this many bytes.
const PAGE_BYTES: usize = 8 << 20;

/// Which invocations are wanted, newest first.
#[derive(Debug, Clone, Default)]
pub struct InvocationAsk {
    /// Those of one function.
    pub function: Option<u64>,
    /// Those of one event.
    pub event: Option<EventId>,
    /// Those that are this far.
    pub status: Option<InvocationStatus>,
    /// Only those before this one.
    pub below: Option<InvocationId>,
    /// At most this many.
    pub limit: usize,
}

/// One page of invocations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InvocationPage {
    /// Newest first.
    pub invocations: Vec<Invocation>,
    /// Where the next page begins: below this one; `None` when there is no more.
    pub next: Option<InvocationId>,
}

impl Broker {
    /// One page of a tenant's invocations.
    pub async fn invocation_page(
        &self,
        tenant: TenantId,
        ask: InvocationAsk,
    ) -> Result<InvocationPage, FunctionError> {
        let event = match ask.event.clone() {
            Some(id) => match self.log().find(tenant, id).await? {
                Some(event) => Some(event),
                None => return Ok(InvocationPage::default()),
            },
            None => None,
        };
        let mut reading = Reading::begin(self, tenant, ask, event);
        reading.read_kept().await?;
        reading.read_queued().await?;
        reading.read_called_again().await?;
        Ok(reading.page())
    }
}

/// A page while it is read. Everything wanted from `floor` on has been found.
struct Reading<'b> {
    broker: &'b Broker,
    tenant: TenantId,
    ask: InvocationAsk,
    event: Option<Arc<StoredEvent>>,
    /// The subscriptions whose runs may wait, as far as they were before anything was read: a run that begins meanwhile
    /// is found in one place or the other.
    posts: Posts,
    found: BTreeMap<InvocationId, Invocation>,
    floor: Option<InvocationId>,
}

impl<'b> Reading<'b> {
    fn begin(
        broker: &'b Broker,
        tenant: TenantId,
        ask: InvocationAsk,
        event: Option<Arc<StoredEvent>>,
    ) -> Self {
        let may_wait =
            matches!(ask.status, None | Some(InvocationStatus::Pending | InvocationStatus::Running));
        let event_type = event.as_ref().map(|event| event.event_type().as_str());
        let posts = broker.post_consumers(tenant, |one| {
            may_wait
                && ask.function.is_none_or(|function| one.function == function)
                && event_type.is_none_or(|event_type| one.event == event_type)
        });
        Self { broker, tenant, ask, event, posts, found: BTreeMap::new(), floor: None }
    }

    /// What the log keeps: runs that had an attempt, and those of PRE events.
    async fn read_kept(&mut self) -> Result<(), LogError> {
        // What is stored does not tell these two apart: whether it has begun, its run knows.
        let status = self.ask.status.map(|status| match status {
            InvocationStatus::Running => InvocationStatus::Pending,
            other => other,
        });
        let query = InvocationQuery {
            tenant: self.tenant,
            below: self.ask.below,
            function: self.ask.function,
            sequence: self.event.as_ref().map(|event| event.sequence()),
            status,
            limit: self.ask.limit,
        };
        let rows = self.broker.log().invocations(query).await?;
        self.raise(rows.more_below);
        for last in rows.rows {
            self.keep(self.broker.invocation_of(last, Vec::new()));
        }
        Ok(())
    }

    /// Runs that have had no attempt.
    async fn read_queued(&mut self) -> Result<(), LogError> {
        if let Some(event) = self.event.clone() {
            self.keep_queued(&event, &mut 0);
            return Ok(());
        }
        let from = self.ask.below.map_or(Sequence(u64::MAX), |below| match below.slot {
            0 => below.sequence,
            _ => below.sequence.next(),
        });
        let head = self.broker.log().bounds().borrow().head;
        // Up to here nothing waits.
        let lowest = self.posts.iter().map(|(_, kept)| kept.place).min();
        let Some(lowest) = lowest.filter(|lowest| lowest.next() < from && *lowest < head) else {
            return Ok(());
        };
        let types: BTreeSet<&str> = self.posts.iter().map(|(one, _)| one.event.as_str()).collect();
        let types = types.into_iter().filter_map(|name| TypePattern::parse(name).ok()).collect();
        let query = Query {
            tenant: self.tenant,
            filter: EventFilter::of_types(types),
            from,
            up_to: Sequence(u64::MAX),
            order: Order::Descending,
            limit: self.ask.limit + 1,
            max_bytes: PAGE_BYTES,
        };
        let page = match self.broker.log().read(query).await {
            Ok(page) => page,
            // Of an event that cannot be read nobody knows what waits for it.
            Err(LogError::Corrupt { resume, .. }) => {
                self.raise(Some(InvocationId { sequence: resume, slot: 0 }));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if page.has_more && page.scanned_to > lowest {
            self.raise(Some(InvocationId { sequence: page.scanned_to, slot: 0 }));
        }
        let mut work = 0;
        for event in page.events.iter().take_while(|event| event.sequence() > lowest) {
            self.keep_queued(event, &mut work);
            if work > PAGE_WORK {
                self.raise(Some(InvocationId { sequence: event.sequence(), slot: 0 }));
                break;
            }
        }
        Ok(())
    }

    fn keep_queued(&mut self, event: &StoredEvent, work: &mut u64) {
        for record in self.broker.queued(event, &self.posts, work) {
            self.keep(self.broker.invocation_of(record, Vec::new()));
        }
    }

    /// Runs that had an attempt, which a list by status finds under how that ended, and that are called again, or were
    /// put back by hand.
    async fn read_called_again(&mut self) -> Result<(), FunctionError> {
        let is_wanted = |consumer, sequence, is_put_back| match self.ask.status {
            Some(InvocationStatus::Running) => self.broker.0.gates.is_called(consumer, sequence),
            Some(InvocationStatus::Pending) => is_put_back,
            _ => false,
        };
        let mut ids: BTreeSet<InvocationId> = BTreeSet::new();
        for (one, kept) in &self.posts {
            let retries = kept.retries.iter().map(|(sequence, retry)| (*sequence, retry));
            let wanted = retries.filter(|(sequence, retry)| {
                is_wanted(one.consumer, *sequence, retry.on_schedule(retry.attempts) == 0)
            });
            ids.extend(wanted.map(|(sequence, _)| InvocationId { sequence, slot: one.slot }));
        }
        let on_event = self.event.as_ref().map(|event| event.sequence());
        ids.retain(|id| {
            self.ask.below.is_none_or(|below| *id < below)
                && on_event.is_none_or(|sequence| id.sequence == sequence)
        });
        let wanted: Vec<InvocationId> = ids.iter().rev().take(self.ask.limit + 1).copied().collect();
        if wanted.len() < ids.len() {
            self.raise(wanted.last().copied());
        }
        for id in wanted {
            match self.broker.invocation(self.tenant, id).await {
                Ok(one) => self.keep(Invocation { attempts: Vec::new(), ..one }),
                Err(FunctionError::NoInvocation) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn raise(&mut self, floor: Option<InvocationId>) {
        self.floor = self.floor.max(floor);
    }

    fn keep(&mut self, one: Invocation) {
        let id = one.last.id();
        if self.ask.below.is_none_or(|below| id < below) {
            // An attempt that ended meanwhile says more than that it was waited for.
            self.found.entry(id).or_insert(one);
        }
    }

    fn page(self) -> InvocationPage {
        let Self { ask, mut found, floor, .. } = self;
        if let Some(floor) = floor {
            found = found.split_off(&floor);
        }
        let wanted = |one: &Invocation| {
            ask.function.is_none_or(|function| one.last.task.function == function)
                && ask.status.is_none_or(|status| one.status == status)
        };
        let mut invocations: Vec<Invocation> = found.into_values().rev().filter(wanted).collect();
        let is_cut = invocations.len() > ask.limit;
        invocations.truncate(ask.limit);
        let last = invocations.last().filter(|_| is_cut).map(|last| last.last.id());
        InvocationPage { invocations, next: last.or(floor) }
    }
}
