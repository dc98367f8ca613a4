//! Subscribing functions to event types.

use super::super::Broker;
use super::FunctionError;
use crate::broker::destinations::new_destination_id;
use crate::clock;
use crate::model::{
    EventMode, FunctionChange, OnError, PayloadFilter, SLOTS, Subscription, TenantId, Timestamp,
};
use std::sync::Arc;

/// What a subscription may say besides its pair.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscribeOptions {
    /// Stages run in order, from 0 to 9.
    pub stage: u8,
    /// What a failure means for a PRE event.
    pub on_error: OnError,
    /// Which events of the type the function runs on.
    pub filter: Option<PayloadFilter>,
}

impl Broker {
    /// Refuses a type that functions cannot subscribe to.
    pub fn check_event_type(&self, tenant: TenantId, event: &str) -> Result<EventMode, FunctionError> {
        let known = self.function_event_types(tenant);
        let found = known.iter().find(|(name, _)| name == event).map(|(_, mode)| *mode);
        found.ok_or_else(|| FunctionError::InvalidEventType {
            given: event.to_owned(),
            known: known.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// Subscribes a function to an event type, from the next event on.
    pub async fn subscribe_function(
        &self,
        tenant: TenantId,
        event: &str,
        function: u64,
        options: SubscribeOptions,
    ) -> Result<Arc<Subscription>, FunctionError> {
        let mode = self.check_event_type(tenant, event)?;
        let _one_at_a_time = self.0.life.managing().await;
        let book = self.function_book();
        if !book.functions.contains_key(&(tenant, function)) {
            return Err(FunctionError::FunctionDoesNotExist(function));
        }
        if book.subscriptions_of(tenant).any(|one| one.function == function && one.event == event) {
            return Err(FunctionError::AlreadySubscribed { function, event: event.to_owned() });
        }
        let most = self.config().functions.max_subscriptions.min(usize::from(SLOTS));
        let too_many = FunctionError::TooMany { what: "subscriptions", most };
        if book.subscriptions_of(tenant).count() >= most {
            return Err(too_many);
        }
        let now = clock::now();
        let subscription = Subscription {
            tenant,
            id: book.next_numbers(tenant).subscription,
            slot: book.free_slot(tenant).ok_or(too_many)?,
            consumer: new_destination_id(now),
            event: event.to_owned(),
            mode,
            function,
            stage: options.stage,
            on_error: options.on_error,
            filter: options.filter,
            start_after: self.log().bounds().borrow().head,
            created_at: Timestamp::from(now),
            updated_at: Timestamp::from(now),
        };
        self.change_functions(vec![FunctionChange::PutSubscription(subscription.clone())]).await?;
        Ok(Arc::new(subscription))
    }

    /// Ends a subscription; what waits for it no longer runs.
    pub async fn unsubscribe_function(
        &self,
        tenant: TenantId,
        event: &str,
        function: u64,
    ) -> Result<(), FunctionError> {
        self.check_event_type(tenant, event)?;
        let _one_at_a_time = self.0.life.managing().await;
        let book = self.function_book();
        let found = book.subscriptions_of(tenant).find(|one| one.function == function && one.event == event);
        let not_subscribed = || FunctionError::NotSubscribed { function, event: event.to_owned() };
        let found = found.ok_or_else(not_subscribed)?;
        let change = FunctionChange::RemoveSubscription(tenant, found.id, found.consumer);
        self.change_functions(vec![change]).await
    }
}
