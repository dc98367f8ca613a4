//! When the functions of an event type run: what the type's definition says.

use super::super::Broker;
use crate::model::{EventMode, TenantId};

/// Types that functions can subscribe to without any catalog, in the order in which they are listed.
const BUILT_IN: &[(&str, EventMode)] =
    &[("PRE_USER_CREATE", EventMode::Pre), ("POST_USER_CREATE", EventMode::Post)];

impl Broker {
    /// The event types that functions can subscribe to, with when they run, in the order of the list.
    pub fn function_event_types(&self, tenant: TenantId) -> Vec<(String, EventMode)> {
        let built_in = BUILT_IN.iter().map(|(name, _)| ((*name).to_owned(), self.event_mode(tenant, name)));
        let known = self.event_types(tenant);
        let known = known.values().map(|one| (one.name.as_str().to_owned(), one.mode));
        let known = known.filter(|(name, _)| BUILT_IN.iter().all(|(built_in, _)| name != built_in));
        built_in.chain(known).filter(|(_, mode)| *mode != EventMode::Notify).collect()
    }

    /// When the functions of a type run.
    pub fn event_mode(&self, tenant: TenantId, event_type: &str) -> EventMode {
        let known = self.event_type(tenant, event_type);
        known.map_or_else(|| self.shipped_mode(event_type), |known| known.mode)
    }

    /// When the functions of a type run where the tenant has not defined it.
    pub(in crate::broker) fn shipped_mode(&self, event_type: &str) -> EventMode {
        if let Some(shipped) = self.0.shipped_types.get(event_type) {
            return shipped.mode;
        }
        let known = BUILT_IN.iter().find(|(name, _)| *name == event_type);
        known.map_or(EventMode::Notify, |(_, mode)| *mode)
    }
}
