//! When the functions of an event type run.

use super::super::Broker;
use crate::model::{EventMode, TenantId};

/// Types that functions can always subscribe to, in the order in which they are listed.
const BUILT_IN: &[(&str, EventMode)] =
    &[("PRE_USER_CREATE", EventMode::Pre), ("POST_USER_CREATE", EventMode::Post)];

impl Broker {
    /// The event types that functions can subscribe to, with when they run, in the order of the list.
    pub fn function_event_types(&self, _tenant: TenantId) -> Vec<(String, EventMode)> {
        BUILT_IN.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect()
    }

    /// When the functions of a type run.
    pub fn event_mode(&self, _tenant: TenantId, event_type: &str) -> EventMode {
        let known = BUILT_IN.iter().find(|(name, _)| *name == event_type);
        known.map_or(EventMode::Notify, |(_, mode)| *mode)
    }
}
