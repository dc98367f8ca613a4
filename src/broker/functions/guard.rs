//! Operations of the program between a PRE and a POST event.
//!
//! What must hold: before an operation begins it is in the log that it may happen; that goes with the commit of its
//! POST event and with nothing else. So a crash in between leaves an open guard for the program to settle, and what
//! is not settled is neither told of as done nor forgotten.

use super::super::{Broker, Event, PublishError};
use super::{PreOptions, PreOutcome};
use crate::clock;
use crate::log::{Change, Commit, EventLog, LogError};
use crate::model::{EventDraft, EventMode, FunctionChange, Guard, GuardStage, TenantId, Violation};
use bytes::Bytes;
use serde::Serialize;
use std::sync::{Arc, PoisonError};
use ulid::Ulid;

/// Why a guarded operation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum GuardError<E> {
    /// A function stopped it, or the run was cancelled: the operation did not begin.
    #[error("stopped before it began: {}", .0.reason())]
    Stopped(Box<PreOutcome>),
    /// The PRE event was not published, or its outcome is not known: the operation did not begin.
    #[error("it did not begin: {0}")]
    NotBegun(PublishError),
    /// The operation itself failed.
    #[error("the operation failed: {0}")]
    Failed(E),
    /// The operation happened, and its POST event was not published: its guard is open.
    #[error("it happened, and the guard {id} stays open: {error}")]
    Untold {
        /// The guard.
        id: String,
        /// Why.
        error: PublishError,
    },
}

/// What a guarded operation is given.
#[derive(Debug, Clone)]
pub struct Guarded {
    id: String,
    params: Bytes,
}

impl Guarded {
    /// The guard's id. Kept with what the operation writes, it tells after a crash whether it happened.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The params as the functions left them: a JSON object.
    pub fn params(&self) -> &Bytes {
        &self.params
    }

    /// The params as a value of the program's own.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.params)
    }
}

impl Broker {
    /// Asks the functions of a PRE event, does the operation when all agree, and publishes what it gives as the data
    /// of a POST event.
    pub async fn guard<T, E, F>(
        &self,
        pre: &str,
        post: &str,
        params: &impl Serialize,
        operation: impl FnOnce(Guarded) -> F,
    ) -> Result<T, GuardError<E>>
    where
        T: Serialize,
        F: Future<Output = Result<T, E>>,
    {
        let id = format!(
            "grd_{}",
            Ulid::from_parts(clock::now().0.unsigned_abs(), u128::from_le_bytes(clock::random()))
        );
        let _running = RunningGuard::begin(self, id.clone());
        let guarded = self.ask_for(&id, pre, post, params).await?;
        let value = match operation(guarded).await {
            Ok(value) => value,
            Err(error) => {
                self.forget_guard(&id).await;
                return Err(GuardError::Failed(error));
            }
        };
        match self.confirm_guard(&id, &value).await {
            Ok(()) => Ok(value),
            Err(error) => Err(GuardError::Untold { id, error }),
        }
    }

    /// Runs the PRE event. When this is `Ok` it is durable that the operation may happen.
    async fn ask_for<E>(
        &self,
        id: &str,
        pre: &str,
        post: &str,
        params: &impl Serialize,
    ) -> Result<Guarded, GuardError<E>> {
        let tenant = self.default_tenant();
        let (most, abandoned) = (self.config().functions.max_gates, self.abandoned_guards());
        if self.function_book().guards.len() >= most.saturating_add(abandoned.len()) {
            return Err(GuardError::NotBegun(LogError::Overloaded.into()));
        }
        let draft = self.checked(Event::new(pre).id(id).data(params)).map_err(GuardError::NotBegun)?;
        let after = self.checked(Event::new(post)).map_err(GuardError::NotBegun)?;
        for (draft, wanted) in [(&draft, EventMode::Pre), (&after, EventMode::Post)] {
            self.check_mode(tenant, draft, wanted).map_err(GuardError::NotBegun)?;
        }
        let (pre, post) = (pre.to_owned(), post.to_owned());
        let (stage, opened_at) = (GuardStage::Asking, clock::now());
        let mut guard = Guard { tenant, id: id.to_owned(), pre, post, stage, opened_at };
        let mut changes = abandoned;
        changes.push(put(&guard));
        let publication = self
            .publish_gate(tenant, draft, PreOptions::default(), changes)
            .await
            .map_err(GuardError::NotBegun)?;
        let outcome = publication.wait().await;
        let outcome = match outcome {
            Ok(outcome) if outcome.passed() => outcome,
            Ok(outcome) => {
                self.forget_guard(id).await;
                return Err(GuardError::Stopped(Box::new(outcome)));
            }
            Err(error) => {
                self.forget_guard(id).await;
                return Err(GuardError::NotBegun(error));
            }
        };
        guard.stage = GuardStage::InDoubt;
        let begun = self.log().commit(Commit { changes: vec![put(&guard)], ..Commit::default() }).await;
        if let Err(error) = begun {
            self.forget_guard(id).await;
            return Err(GuardError::NotBegun(error.into()));
        }
        Ok(Guarded { id: id.to_owned(), params: outcome.params() })
    }

    /// The end of guards whose caller went away while the functions were asked: their operations never begin. The next
    /// guard takes it along, as nobody else is left to.
    fn abandoned_guards(&self) -> Vec<Change> {
        let running = self.0.program.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let book = self.function_book();
        let abandoned = book
            .guards
            .values()
            .filter(|guard| guard.stage == GuardStage::Asking && !running.contains(&guard.id));
        abandoned.map(|guard| removed(guard.tenant, &guard.id)).collect()
    }

    fn check_mode(
        &self,
        tenant: TenantId,
        draft: &EventDraft,
        wanted: EventMode,
    ) -> Result<(), PublishError> {
        if self.event_mode(tenant, draft.event_type.as_str()) == wanted {
            return Ok(());
        }
        let word = if wanted == EventMode::Pre { "PRE" } else { "POST" };
        let detail = format!("{} is no type of {word} events", draft.event_type);
        Err(PublishError::Invalid(Violation::new("/type", detail)))
    }

    /// Operations of which nobody knows whether they happened: they were under way when the broker ended, or their
    /// POST event could not be published. Each is settled by [`Broker::confirm_guard`] or [`Broker::discard_guard`].
    pub fn open_guards(&self) -> Vec<Arc<Guard>> {
        let tenant = self.default_tenant();
        let running = self.0.program.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let book = self.function_book();
        let open = book.guards.values().filter(|guard| {
            guard.tenant == tenant && guard.stage == GuardStage::InDoubt && !running.contains(&guard.id)
        });
        open.cloned().collect()
    }

    /// The operation happened: its POST event is published with this data, and the guard is gone. Confirming what is
    /// settled already changes nothing.
    pub async fn confirm_guard(&self, id: &str, data: &impl Serialize) -> Result<(), PublishError> {
        let tenant = self.default_tenant();
        let Some(guard) = self.function_book().guards.get(&(tenant, id.to_owned())).cloned() else {
            return Ok(());
        };
        let mut draft = self.checked(Event::new(&guard.post).id(format!("{id}_post")).data(data))?;
        self.admit(tenant, std::slice::from_mut(&mut draft))?;
        self.end_guard(tenant, id, vec![draft]).await
    }

    /// The operation did not happen: the guard is gone.
    pub async fn discard_guard(&self, id: &str) -> Result<(), PublishError> {
        self.end_guard(self.default_tenant(), id, Vec::new()).await
    }

    async fn end_guard(
        &self,
        tenant: TenantId,
        id: &str,
        events: Vec<EventDraft>,
    ) -> Result<(), PublishError> {
        let changes = vec![removed(tenant, id)];
        self.log().commit(Commit { tenant: Some(tenant), events, changes, key: None }).await?;
        Ok(())
    }

    /// The operation did not happen, and that is known: should the log not take it, the guard is seen as open.
    async fn forget_guard(&self, id: &str) {
        if let Err(error) = self.discard_guard(id).await {
            tracing::warn!(guard = id, %error, "a guard could not be ended");
        }
    }
}

fn put(guard: &Guard) -> Change {
    Change::Functions(Box::new(FunctionChange::PutGuard(guard.clone())))
}

fn removed(tenant: TenantId, id: &str) -> Change {
    Change::Functions(Box::new(FunctionChange::RemoveGuard(tenant, id.to_owned())))
}

/// Ends the guards whose operation had not begun when the last process ended.
pub(in crate::broker) async fn end_asking_guards(log: &dyn EventLog) -> Result<(), LogError> {
    let management = log.management();
    let asking = management.functions.guards.values().filter(|guard| guard.stage == GuardStage::Asking);
    let changes: Vec<Change> = asking.map(|guard| removed(guard.tenant, &guard.id)).collect();
    if !changes.is_empty() {
        log.commit(Commit { changes, ..Commit::default() }).await?;
    }
    Ok(())
}

/// Marks a guard as under way in this process for as long as it lives.
struct RunningGuard<'a> {
    broker: &'a Broker,
    id: String,
}

impl<'a> RunningGuard<'a> {
    fn begin(broker: &'a Broker, id: String) -> Self {
        let mut running = broker.0.program.guards.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(id.clone());
        Self { broker, id }
    }
}

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        let mut running = self.broker.0.program.guards.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.id);
    }
}
