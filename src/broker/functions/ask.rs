//! What the embedding program does with PRE events and its functions.

use super::super::{Broker, Event, PublishError};
use super::{FunctionError, PreOptions, Publication, SubscribeOptions};
use crate::clock;
use crate::log::Committed;
use crate::model::{
    EventDraft, EventMode, Function, FunctionChange, Subscription, TenantId, Timestamp, Violation,
};
use std::sync::Arc;

impl Broker {
    /// Publishes a PRE event of the default tenant and asks its functions; `ask_functions(event).await?.wait()`
    /// tells what came of it.
    pub async fn ask_functions(&self, event: Event) -> Result<Publication, PublishError> {
        self.ask_functions_with(event, PreOptions::default()).await
    }

    /// The same with a deadline over all, a key, or nobody who waits.
    pub async fn ask_functions_with(
        &self,
        event: Event,
        options: PreOptions,
    ) -> Result<Publication, PublishError> {
        let draft = self.checked(event)?;
        let tenant = self.default_tenant();
        if !self.is_pre(tenant, &draft) {
            let detail = format!("{} is no PRE event: it has no functions to wait for", draft.event_type);
            let broken = Violation::new("/type", detail).with_code("not_a_pre_event");
            return Err(PublishError::Invalid(broken));
        }
        self.publish_pre(tenant, draft, options).await
    }

    /// Has a function of the default tenant run on the events of a type, from the next event on. One that does
    /// already goes on as the options say now.
    pub async fn attach(
        &self,
        event_type: &str,
        function: &Function,
        options: SubscribeOptions,
    ) -> Result<Arc<Subscription>, FunctionError> {
        let tenant = self.default_tenant();
        match self.subscribe_function(tenant, event_type, function.id, options.clone()).await {
            Err(FunctionError::AlreadySubscribed { .. }) => {
                self.change_subscription(tenant, event_type, function.id, options).await
            }
            other => other,
        }
    }

    async fn change_subscription(
        &self,
        tenant: TenantId,
        event_type: &str,
        function: u64,
        options: SubscribeOptions,
    ) -> Result<Arc<Subscription>, FunctionError> {
        let _one_at_a_time = self.0.life.managing().await;
        let book = self.function_book();
        let mut own = book.subscriptions_of(tenant);
        let found = own.find(|one| one.function == function && one.event == event_type);
        let gone = || FunctionError::NotSubscribed { function, event: event_type.to_owned() };
        let found = found.ok_or_else(gone)?;
        let SubscribeOptions { stage, on_error, filter } = options;
        let mut changed = Subscription { stage, on_error, filter, ..(**found).clone() };
        if changed == **found {
            return Ok(Arc::clone(found));
        }
        changed.updated_at = Timestamp::from(clock::now());
        self.change_functions(vec![FunctionChange::PutSubscription(changed.clone())]).await?;
        Ok(Arc::new(changed))
    }

    pub(in crate::broker) fn is_pre(&self, tenant: TenantId, draft: &EventDraft) -> bool {
        self.event_mode(tenant, draft.event_type.as_str()) == EventMode::Pre
    }

    /// Publishes a PRE event for whose outcome nobody waits.
    pub(in crate::broker) async fn publish_unwaited(
        &self,
        tenant: TenantId,
        draft: EventDraft,
        options: PreOptions,
    ) -> Result<Committed, PublishError> {
        let publication = self.publish_pre(tenant, draft, PreOptions { detached: true, ..options }).await?;
        let (fresh, replayed) = (vec![publication.is_fresh], publication.is_replayed);
        Ok(Committed { events: vec![Arc::clone(publication.event())], fresh, replayed })
    }
}

/// A PRE event asks before something happens: it is not published among what has happened.
pub(in crate::broker) fn pre_in_batch(draft: &EventDraft, index: usize) -> Violation {
    let detail = format!("{} is a PRE event: it is published alone", draft.event_type);
    Violation::new(format!("/events/{index}/type"), detail).with_code("pre_in_batch")
}
