//! Event types: those of the catalogs that the config loads, and those of a tenant's own, which come first.
//!
//! What must hold: a type that functions are subscribed to keeps the mode they were subscribed in.

mod admit;
mod draft;
mod formats;

pub use admit::Refusal;
pub(super) use formats::Formats;

use super::Broker;
use crate::log::{Change, Commit, LogError};
use crate::model::{EventMode, EventType, EventTypeDefinition, EventTypes, TenantId, Violation};
use std::sync::Arc;

/// Why event types were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventTypeError {
    /// The tenant knows no such type.
    #[error("there is no such event type")]
    NotFound,
    /// It cannot be removed: it comes with a catalog.
    #[error("the event type comes with the catalog {catalog}, which the config loads")]
    Shipped {
        /// Which catalog.
        catalog: String,
    },
    /// Functions are subscribed to it, and run when it says now.
    #[error("{0} functions are subscribed to this type and count on when they run: unsubscribe them first")]
    InUse(usize),
    /// What was asked for breaks rules.
    #[error("the request is invalid")]
    Invalid(Vec<Violation>),
    /// A bound of the config is reached.
    #[error("the tenant has {0} event types of its own, which is as many as it may have")]
    TooMany(usize),
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// An event type as it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutEventType {
    /// The type.
    pub definition: Arc<EventTypeDefinition>,
    /// The tenant had none of its own under this name.
    pub is_new: bool,
}

impl Broker {
    /// Every event type that a tenant knows, by name.
    pub fn event_types(&self, tenant: TenantId) -> EventTypes {
        let mut types = (*self.0.shipped_types).clone();
        if let Some(own) = self.log().management().event_types.get(&tenant) {
            types.extend(own.iter().map(|(name, one)| (name.clone(), Arc::clone(one))));
        }
        types
    }

    /// What a tenant knows of an event type: its own definition, or that of a catalog.
    pub fn event_type(&self, tenant: TenantId, name: &str) -> Option<Arc<EventTypeDefinition>> {
        let management = self.log().management();
        let own = management.event_types.get(&tenant).and_then(|own| own.get(name));
        own.or_else(|| self.0.shipped_types.get(name)).cloned()
    }

    /// Adds or replaces an event type of a tenant's own, from a request body that was scanned.
    pub async fn put_event_type(
        &self,
        tenant: TenantId,
        name: &str,
        body: &[u8],
    ) -> Result<PutEventType, EventTypeError> {
        let name = EventType::parse(name).and_then(|name| name.check_publishable().map(|()| name));
        let name = name.map_err(|why| EventTypeError::Invalid(vec![Violation::new("", why)]))?;
        let definition = draft::read(name, body).map_err(EventTypeError::Invalid)?;
        let _one_at_a_time = self.0.life.managing().await;
        let management = self.log().management();
        let own = management.event_types.get(&tenant);
        let known = own.and_then(|own| own.get(&definition.name));
        let is_new = known.is_none();
        if let Some(known) = known.filter(|known| ***known == definition) {
            return Ok(PutEventType { definition: Arc::clone(known), is_new });
        }
        let most = self.config().events.max_types;
        if is_new && own.map_or(0, |own| own.len()) >= most {
            return Err(EventTypeError::TooMany(most));
        }
        self.check_subscribed(tenant, definition.name.as_str(), definition.mode)?;
        self.change_type(Change::PutEventType(tenant, Box::new(definition.clone()))).await?;
        Ok(PutEventType { definition: Arc::new(definition), is_new })
    }

    /// Removes an event type of a tenant's own; one of a catalog under the same name is back with it.
    pub async fn remove_event_type(&self, tenant: TenantId, name: &str) -> Result<(), EventTypeError> {
        let _one_at_a_time = self.0.life.managing().await;
        let found = self.event_type(tenant, name).ok_or(EventTypeError::NotFound)?;
        if let Some(catalog) = &found.catalog {
            return Err(EventTypeError::Shipped { catalog: catalog.clone() });
        }
        self.check_subscribed(tenant, name, self.shipped_mode(name))?;
        self.change_type(Change::RemoveEventType(tenant, found.name.clone())).await
    }

    /// Refuses another mode than the one that subscriptions to a type were made in.
    fn check_subscribed(&self, tenant: TenantId, name: &str, mode: EventMode) -> Result<(), EventTypeError> {
        let book = self.function_book();
        let of_type = book.subscriptions_of(tenant).filter(|one| one.event == name && one.mode != mode);
        match of_type.count() {
            0 => Ok(()),
            count => Err(EventTypeError::InUse(count)),
        }
    }

    async fn change_type(&self, change: Change) -> Result<(), EventTypeError> {
        self.log().commit(Commit { changes: vec![change], ..Commit::default() }).await?;
        Ok(())
    }
}
