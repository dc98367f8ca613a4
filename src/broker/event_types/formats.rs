//! Which body webhooks have where their destination names none: that of the event's type.

use crate::log::EventLog;
use crate::model::{BodyFormat, EventTypeDefinition, EventTypes, TenantId};
use std::sync::Arc;

/// Knows the event types of every tenant. Cheap to clone.
#[derive(Clone)]
pub(in crate::broker) struct Formats {
    log: Arc<dyn EventLog>,
    shipped: Arc<EventTypes>,
}

impl Formats {
    pub(in crate::broker) fn new(log: Arc<dyn EventLog>, shipped: Arc<EventTypes>) -> Self {
        Self { log, shipped }
    }

    /// The format of events of a type.
    pub(in crate::broker) fn of(&self, tenant: TenantId, event_type: &str) -> BodyFormat {
        let management = self.log.management();
        let own = management.event_types.get(&tenant).and_then(|own| own.get(event_type));
        let known = own.or_else(|| self.shipped.get(event_type));
        known.and_then(|known| known.format).unwrap_or(BodyFormat::Envelope)
    }

    /// The format of every event of a tenant; `None` when types differ in it.
    pub(in crate::broker) fn of_all(&self, tenant: TenantId) -> Option<BodyFormat> {
        let management = self.log.management();
        let own = management.event_types.get(&tenant);
        let mut known = self.shipped.values().chain(own.iter().flat_map(|own| own.values()));
        let is_plain =
            |one: &Arc<EventTypeDefinition>| one.format.is_none_or(|format| format == BodyFormat::Envelope);
        known.all(is_plain).then_some(BodyFormat::Envelope)
    }
}
