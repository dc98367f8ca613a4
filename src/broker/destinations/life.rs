//! Changes of destinations, made durable together with the events that tell of them, one at a time.
//!
//! What must hold: whoever changes a destination holds `managing`, callers as well as actors; a change, the outcomes
//! that led to it and the event about it are one commit.

use super::lag::lag_of;
use super::shown::{shown, without_secret_headers};
use crate::actors::Keeper;
use crate::broker::event_types::Formats;
use crate::clock;
use crate::delivery::lifecycle::{Changed, Request, Told, change};
use crate::log::{Change, Commit, EventLog, Later, LogError};
use crate::model::{
    ConsumerState, Destination, DestinationId, DestinationStatus, EventDraft, EventType, Notice, Replay,
    Requeue, Sequence, Timestamp,
};
use bytes::Bytes;
use futures_util::FutureExt;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// The only hand that changes destinations.
#[derive(Clone)]
pub(crate) struct Life {
    log: Arc<dyn EventLog>,
    formats: Formats,
    managing: Arc<Mutex<()>>,
}

impl Life {
    pub(in crate::broker) fn new(log: Arc<dyn EventLog>, formats: Formats) -> Self {
        Self { log, formats, managing: Arc::default() }
    }

    /// Held while what the log keeps of destinations, keys and tenants is read and then changed.
    pub(crate) async fn managing(&self) -> MutexGuard<'_, ()> {
        self.managing.lock().await
    }

    /// Makes a change durable, with the event that tells of it. The caller holds `managing`.
    pub(super) async fn put(
        &self,
        before: &Destination,
        changed: Changed,
        skip_to: Option<Sequence>,
        outcomes: Vec<Change>,
    ) -> Result<Arc<Destination>, LogError> {
        let Changed { destination, told } = changed;
        let id = destination.id;
        let mut changes = outcomes;
        let is_resumed =
            destination.status == DestinationStatus::Active && before.status != destination.status;
        let is_moved = destination.url != before.url;
        if is_resumed || is_moved {
            changes.push(Change::Resume { destination: id, skip_to });
        }
        changes.push(Change::PutDestination(Box::new(destination.clone())));
        let mut commit = Commit { changes, ..Commit::default() };
        let name = told.map(|told| match told {
            Told::Activated => "event_destination.activated",
            Told::Deactivated => "event_destination.deactivated",
        });
        if let Some(name) = name {
            let mut consumer = self.log.consumer(id).unwrap_or_default();
            commit.changes.iter().for_each(|change| foresee(&mut consumer, change));
            commit.tenant = Some(destination.tenant);
            commit.events = vec![self.event(name, &destination, &consumer).await?];
        }
        self.log.commit(commit).await?;
        Ok(Arc::new(destination))
    }

    async fn event(
        &self,
        name: &str,
        about: &Destination,
        consumer: &ConsumerState,
    ) -> Result<EventDraft, LogError> {
        let format = self.formats.of_all(about.tenant);
        let lag = lag_of(&*self.log, about, consumer).await?;
        // Whoever reads events reads this, endpoints of others among them.
        let data = shown(&without_secret_headers(about), format, lag, consumer.health);
        Ok(EventDraft {
            id: None,
            event_type: EventType::parse(name).expect("the broker's own types are types"),
            timestamp: None,
            pipeline: None,
            run_id: None,
            data: Bytes::from(data.to_string()),
            extensions: None,
        })
    }

    async fn change(
        self,
        id: DestinationId,
        request: Request,
        outcomes: Vec<Change>,
    ) -> Result<bool, LogError> {
        let _one_at_a_time = self.managing().await;
        let current = self.log.management().destinations.get(&id).cloned();
        let changed = match &current {
            // What actors ask for is never refused, only void.
            Some(current) => change(current, request, Timestamp::from(clock::now())).ok().flatten(),
            None => None,
        };
        let (Some(current), Some(changed)) = (current, changed) else {
            return self.keep(outcomes).await;
        };
        match self.put(&current, changed, None, outcomes.clone()).await {
            Ok(_) => Ok(true),
            // There is no room for the event, but for what settles something there is: the next answer asks again.
            Err(LogError::StorageFull) if !outcomes.is_empty() => self.keep(outcomes).await,
            Err(error) => Err(error),
        }
    }

    /// Makes outcomes durable without a change.
    async fn keep(&self, outcomes: Vec<Change>) -> Result<bool, LogError> {
        if !outcomes.is_empty() {
            self.log.commit(Commit { changes: outcomes, ..Commit::default() }).await?;
        }
        Ok(false)
    }

    async fn keep_replay(self, replay: Replay, requeue: Option<Requeue>) -> Result<bool, LogError> {
        let _one_at_a_time = self.managing().await;
        let management = self.log.management();
        let kept = management.replays.get(&replay.id);
        if kept.is_none_or(|kept| !replay.follows(kept, requeue.as_ref())) {
            return Ok(false);
        }
        let requeue = requeue.map(|requeue| Change::Requeue(Box::new(requeue)));
        let changes = requeue.into_iter().chain([Change::PutReplay(Box::new(replay))]).collect();
        self.log.commit(Commit { changes, ..Commit::default() }).await?;
        Ok(true)
    }

    async fn tell(self, id: DestinationId, notice: Notice) -> Result<Notice, LogError> {
        let _one_at_a_time = self.managing().await;
        let destination = self.log.management().destinations.get(&id).cloned();
        let (Some(destination), Some(consumer)) = (destination, self.log.consumer(id)) else {
            return Ok(Notice::None);
        };
        let name = match (consumer.health.notice, notice) {
            (Notice::None, Notice::Failing) if consumer.health.failing.is_some() => {
                "event_destination.failing"
            }
            (Notice::RecoveryDue, Notice::None) => "event_destination.recovered",
            (kept, _) => return Ok(kept),
        };
        let events = vec![self.event(name, &destination, &consumer).await?];
        let changes = vec![Change::Notice { destination: id, notice }];
        let tenant = Some(destination.tenant);
        self.log.commit(Commit { tenant, events, changes, ..Commit::default() }).await?;
        Ok(notice)
    }
}

/// What a consumer will be once a change of the same commit is durable.
fn foresee(consumer: &mut ConsumerState, change: &Change) {
    match change {
        Change::Outcome { attempt, place, heard } => {
            consumer.apply(attempt.sequence, attempt.attempt, attempt.verdict, *place);
            consumer.health.hear(*heard);
        }
        Change::Resume { skip_to, .. } => consumer.resume(*skip_to),
        _ => {}
    }
}

impl Keeper for Life {
    fn change(&self, id: DestinationId, request: Request, outcomes: Vec<Change>) -> Later<bool> {
        Self::change(self.clone(), id, request, outcomes).boxed()
    }

    fn keep_replay(&self, replay: Replay, requeue: Option<Requeue>) -> Later<bool> {
        Self::keep_replay(self.clone(), replay, requeue).boxed()
    }

    fn tell(&self, id: DestinationId, notice: Notice) -> Later<Notice> {
        Self::tell(self.clone(), id, notice).boxed()
    }
}
