//! Publishing PRE events: whom they ask, waiting for the outcome, joining a run that is under way.
//!
//! What must hold: a run is opened in the commit of its event and closed in another before anybody hears of its
//! outcome; a publisher that goes away ends its run; a run that is found open on start ends as cancelled.

use super::super::{Broker, PublishError};
use crate::actors::{Actors, GatePublication, Seat, Work};
use crate::clock;
use crate::log::{Change, Commit, CommitKey, EventLog, LogError};
use crate::model::{
    ClosedGate, EncodeAs, EventDraft, EventId, EventMode, FailureKind, Function, FunctionBook, Gate,
    GateChange, GateOutcome, InvocationId, InvocationRecord, InvocationStatus, OnError, Sequence,
    StoredEvent, Subscription, Task, TenantId, Timestamp, UnixMillis, WholeData, task_id,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How a PRE event is published.
#[derive(Debug, Clone, Default)]
pub struct PreOptions {
    /// The request's idempotency key.
    pub key: Option<CommitKey>,
    /// The whole run is over by then.
    pub deadline: Option<Duration>,
    /// The run goes on when nobody waits for it.
    pub detached: bool,
}

/// One function that an event was handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedTask {
    /// The function.
    pub function_id: u64,
    /// Its name.
    pub function_name: String,
    /// The task, the same on every attempt.
    pub task_id: String,
    /// The invocation's number.
    pub invocation_id: u64,
}

/// A PRE event that is durable, and its run.
#[derive(Debug)]
pub struct Publication {
    event: Arc<StoredEvent>,
    /// Whether this publish stored it.
    pub(crate) is_fresh: bool,
    /// Whether the request's key was known.
    pub(crate) is_replayed: bool,
    tasks: Vec<PublishedTask>,
    run: Run,
    /// The params with their secrets, when this publish stored them and nobody changed them.
    whole: Option<WholeData>,
    actors: Actors,
}

#[derive(Debug)]
enum Run {
    UnderWay(Arc<Seat>),
    Over(Arc<ClosedGate>),
}

/// What came of a PRE event.
#[derive(Debug, Clone, PartialEq)]
pub struct PreOutcome {
    /// The event.
    pub event: Arc<StoredEvent>,
    /// Whom it asked.
    pub tasks: Vec<PublishedTask>,
    /// How it ended, with every record.
    pub closed: Arc<ClosedGate>,
    /// The params with their secrets, when there are some and this process has seen the run.
    whole: Option<WholeData>,
}

impl PreOutcome {
    /// Whether all agreed.
    pub fn passed(&self) -> bool {
        self.closed.outcome == GateOutcome::Passed
    }

    /// The records of the functions that made it fail.
    pub fn failures(&self) -> impl Iterator<Item = &InvocationRecord> {
        self.closed.records.iter().filter(|record| {
            record.task.on_error == OnError::Fail
                && matches!(record.status, InvocationStatus::Error | InvocationStatus::Timeout)
        })
    }

    /// The params as the functions left them, with their secrets as far as they are known.
    pub fn params(&self) -> Bytes {
        self.whole.as_ref().map_or_else(|| self.kept_params(), |whole| whole.0.clone())
    }

    /// The same as the log keeps them: without what the type's schema marks `writeOnly`.
    pub fn kept_params(&self) -> Bytes {
        match &self.closed.params {
            Some(params) => Bytes::from(params.clone()),
            None => self.event.data(),
        }
    }

    /// What made it fail, in one line.
    pub fn reason(&self) -> String {
        let told = |record: &InvocationRecord| {
            let message = record.message.as_deref().unwrap_or_default();
            let kind = record.kind.map_or("error", FailureKind::name);
            format!("{} ({kind}): {message}", record.task.function_name)
        };
        let failures: Vec<String> = self.failures().map(told).collect();
        match (failures.is_empty(), self.closed.broken.first()) {
            (false, _) => failures.join("; "),
            (true, Some((pointer, detail))) => format!("the changed params at {pointer}: {detail}"),
            (true, None) => "cancelled".to_owned(),
        }
    }
}

impl Publication {
    /// The event.
    pub fn event(&self) -> &Arc<StoredEvent> {
        &self.event
    }

    /// Whom it asks.
    pub fn tasks(&self) -> &[PublishedTask] {
        &self.tasks
    }

    /// Waits until all have answered. Dropping the wait ends the run as cancelled, unless somebody else waits too.
    pub async fn wait(self) -> Result<PreOutcome, PublishError> {
        let (closed, whole) = match self.run {
            Run::Over(closed) => (closed, self.whole),
            Run::UnderWay(seat) => {
                let running = Arc::clone(&seat);
                let mut result = seat.enter();
                let _waiting = Waiting { seat, actors: self.actors.clone(), sequence: self.event.sequence() };
                let known = result.wait_for(Option::is_some).await;
                let known = known.ok().and_then(|known| known.clone());
                (known.unwrap_or(Err(LogError::Closed))?, running.whole())
            }
        };
        Ok(PreOutcome { event: self.event, tasks: self.tasks, closed, whole })
    }
}

/// Somebody who waits; the last one that goes away ends the run.
struct Waiting {
    seat: Arc<Seat>,
    actors: Actors,
    sequence: Sequence,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.seat.leave() {
            self.actors.cancel_gate(self.sequence);
        }
    }
}

impl Broker {
    /// Publishes an event; a PRE event asks its functions. Dropping the publication leaves the run as it is.
    pub async fn publish_pre(
        &self,
        tenant: TenantId,
        draft: EventDraft,
        options: PreOptions,
    ) -> Result<Publication, PublishError> {
        self.publish_gate(tenant, draft, options, Vec::new()).await
    }

    /// The same with more that becomes durable with it.
    pub(super) async fn publish_gate(
        &self,
        tenant: TenantId,
        mut draft: EventDraft,
        options: PreOptions,
        mut changes: Vec<Change>,
    ) -> Result<Publication, PublishError> {
        if *self.0.draining.borrow() {
            return Err(PublishError::Draining);
        }
        if self.0.gates.len() >= self.config().functions.max_gates {
            return Err(LogError::Overloaded.into());
        }
        let admitted = self.admit(tenant, std::slice::from_mut(&mut draft))?.pop();
        let (schema, whole) = admitted.map_or((None, None), |known| (Some(known.schema), known.whole));
        let alone = whole.clone();
        let deadline = options.deadline.map(|left| clock::steady().plus(left.as_millis() as u64));
        let plan = plan(&self.function_book(), tenant, &draft);
        let (tasks, works): (Vec<Task>, Vec<Work>) = plan.into_iter().unzip();
        let gate = Gate {
            tenant,
            sequence: Sequence::ZERO,
            event_id: None,
            event_type: draft.event_type.as_str().to_owned(),
            opened_at: UnixMillis(0),
            tasks,
        };
        if !gate.tasks.is_empty() {
            changes.push(Change::Gate(Box::new(GateChange::Open(gate.clone()))));
        }
        let commit = Commit { tenant: Some(tenant), events: vec![draft], key: options.key, changes };
        let (begun, committed) = tokio::sync::oneshot::channel();
        let detached = options.detached;
        self.0.actors.publish_gate(GatePublication {
            commit,
            gate,
            works,
            deadline,
            schema,
            whole,
            detached,
            begun,
        });
        let mut begun = committed.await.unwrap_or(Err(LogError::Closed))?;
        begun.heard();
        let (Some(event), Some(is_fresh)) =
            (begun.committed.events.into_iter().next(), begun.committed.fresh.first().copied())
        else {
            return Err(LogError::Closed.into());
        };
        let is_replayed = begun.committed.replayed;
        let run = match (begun.seat, is_fresh && !is_replayed) {
            (Some(seat), _) => Run::UnderWay(seat),
            (None, true) => Run::Over(Arc::new(nobody_asked(&event))),
            (None, false) => self.known_run(&event).await?,
        };
        let tasks = match &run {
            Run::Over(closed) => closed.records.iter().map(task_of_record).collect(),
            Run::UnderWay(seat) => tasks_of(seat.gate()),
        };
        if let (Run::UnderWay(seat), true) = (&run, options.detached) {
            seat.detach();
        }
        let whole = alone.filter(|_| is_fresh && !is_replayed);
        Ok(Publication { event, is_fresh, is_replayed, tasks, run, whole, actors: self.0.actors.clone() })
    }

    /// The run of an event that was published before: joined when it is under way.
    async fn known_run(&self, event: &StoredEvent) -> Result<Run, PublishError> {
        let (tenant, sequence) = (event.tenant(), event.sequence());
        let mut changed = self.0.gates.changed();
        loop {
            changed.borrow_and_update();
            let is_open = self.log().gates().iter().any(|gate| gate.sequence == sequence);
            if let Some(seat) = self.0.gates.get(tenant, sequence) {
                return Ok(Run::UnderWay(seat));
            }
            if !is_open {
                let closed = self.log().closed_gate(tenant, sequence).await?;
                return Ok(Run::Over(Arc::new(closed.unwrap_or_else(|| nobody_asked(event)))));
            }
            // It is durable and about to begin.
            if changed.changed().await.is_err() {
                return Err(PublishError::Draining);
            }
        }
    }
}

/// Ends the runs that the last process left open: nobody knows any more what they would have come to.
pub(in crate::broker) async fn close_open_gates(log: &dyn EventLog) -> Result<(), LogError> {
    let close = |gate: Gate| gate.cancelled("the broker ended while the event's functions ran");
    let changes: Vec<Change> =
        log.gates().into_iter().map(|gate| Change::Gate(Box::new(GateChange::Close(close(gate))))).collect();
    if !changes.is_empty() {
        tracing::warn!(runs = changes.len(), "PRE events that were under way end as cancelled");
        log.commit(Commit { changes, ..Commit::default() }).await?;
    }
    Ok(())
}

/// The functions that an event asks, in order, as they stand now.
fn plan(book: &FunctionBook, tenant: TenantId, draft: &EventDraft) -> Vec<(Task, Work)> {
    let event = std::cell::OnceCell::new();
    let wants = |one: &Subscription| {
        let Some(filter) = &one.filter else { return true };
        // One that this version does not understand does not let anything pass unasked.
        filter.broken().is_some() || filter.matches(event.get_or_init(|| preview(tenant, draft)), &mut 0)
    };
    let of_type = book
        .subscriptions_of(tenant)
        .filter(|one| one.mode == EventMode::Pre && one.event == draft.event_type.as_str());
    let mut plan: Vec<(Task, Work)> = of_type
        .filter(|one| wants(one))
        .filter_map(|one| {
            let function: &Arc<Function> = book.functions.get(&(tenant, one.function))?;
            let task = Task {
                slot: one.slot,
                subscription: one.id,
                function: function.id,
                function_name: function.name.clone(),
                function_slug: function.slug.clone(),
                stage: one.stage,
                on_error: one.on_error,
                timeout_ms: function.timeout_ms,
            };
            Some((task, Work { subscription: Arc::clone(one), function: Arc::clone(function) }))
        })
        .collect();
    plan.sort_by_key(|(task, _)| (task.stage, task.subscription));
    plan
}

/// What a filter sees of an event that has no place yet.
fn preview(tenant: TenantId, draft: &EventDraft) -> StoredEvent {
    let now = clock::now();
    let id = draft.id.clone().unwrap_or_else(|| EventId::generated(now.0.unsigned_abs(), Sequence::ZERO, 0));
    let timestamp = draft.timestamp.unwrap_or_else(|| Timestamp::from(now));
    let place = EncodeAs { sequence: Sequence::ZERO, tenant, id, timestamp, stored_at: now };
    StoredEvent::encode(draft.clone(), place)
}

/// The outcome of an event that asks nobody.
fn nobody_asked(event: &StoredEvent) -> ClosedGate {
    ClosedGate {
        tenant: event.tenant(),
        sequence: event.sequence(),
        outcome: GateOutcome::Passed,
        params: None,
        conflicts: Vec::new(),
        broken: Vec::new(),
        records: Vec::new(),
    }
}

/// Whom a run asks.
fn tasks_of(gate: &Gate) -> Vec<PublishedTask> {
    let told = |task: &Task| {
        let id = InvocationId { sequence: gate.sequence, slot: task.slot };
        PublishedTask {
            function_id: task.function,
            function_name: task.function_name.clone(),
            task_id: task_id(gate.opened_at, id),
            invocation_id: id.number(),
        }
    };
    gate.tasks.iter().map(told).collect()
}

fn task_of_record(record: &InvocationRecord) -> PublishedTask {
    PublishedTask {
        function_id: record.task.function,
        function_name: record.task.function_name.clone(),
        task_id: record.task_id(),
        invocation_id: record.id().number(),
    }
}
