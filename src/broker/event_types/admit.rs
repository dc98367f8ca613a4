//! What is checked of events before they are published: that their type is known where that is asked for, that their
//! data is what the type's schema says. What the schema marks `writeOnly` is taken out here, before the log sees it.
//!
//! A type without a schema costs one lookup.

use super::super::{Broker, PublishError};
use crate::model::{CheckBudget, EventDraft, EventMode, EventTypeDefinition, TenantId, Violation};
use bytes::Bytes;
use std::sync::Arc;

/// The most broken rules that one publish names.
const MAX_REFUSALS: usize = 100;

/// A rule that an event breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which event of the publish.
    pub index: usize,
    /// The rule; its pointer starts at the event.
    pub violation: Violation,
}

/// The data of an event with its secrets, for functions only.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::broker) struct Whole(pub(in crate::broker) Bytes);

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Whole(..)")
    }
}

impl Broker {
    /// Checks drafts against their types and takes the secrets out of them. Gives the data as it was of those that had
    /// any.
    pub(in crate::broker) fn admit(
        &self,
        tenant: TenantId,
        drafts: &mut [EventDraft],
    ) -> Result<Vec<(usize, Whole)>, PublishError> {
        let management = self.log().management();
        let own = management.event_types.get(&tenant);
        let rejects_unknown = self.config().events.rejects_unknown();
        let mut budget = CheckBudget::default();
        let (mut refused, mut with_secrets) = (Vec::new(), Vec::new());
        for (index, draft) in drafts.iter_mut().enumerate() {
            let name = draft.event_type.as_str();
            let known = own.and_then(|own| own.get(name)).or_else(|| self.0.shipped_types.get(name));
            let broken = match known {
                Some(known) => {
                    let (broken, whole) = check(known, draft, &mut budget);
                    with_secrets.extend(whole.map(|whole| (index, whole)));
                    broken
                }
                None if rejects_unknown && self.shipped_mode(name) == EventMode::Notify => {
                    vec![unknown(name)]
                }
                None => continue,
            };
            refused.extend(broken.into_iter().map(|violation| Refusal { index, violation }));
            if refused.len() >= MAX_REFUSALS {
                break;
            }
        }
        refused.truncate(MAX_REFUSALS);
        if refused.is_empty() { Ok(with_secrets) } else { Err(PublishError::Refused(refused)) }
    }
}

fn check(
    known: &Arc<EventTypeDefinition>,
    draft: &mut EventDraft,
    budget: &mut CheckBudget,
) -> (Vec<Violation>, Option<Whole>) {
    let Some(schema) = &known.schema else { return (Vec::new(), None) };
    let broken = schema.check(&draft.data, budget);
    let kept = schema.without_secrets(&draft.data);
    let whole = kept.map(|kept| Whole(std::mem::replace(&mut draft.data, kept)));
    (broken.into_iter().map(|violation| violation.under("/data")).collect(), whole)
}

fn unknown(name: &str) -> Violation {
    let detail = format!("the event type {name} is in no catalog and none of the tenant's own");
    Violation::new("/type", detail).with_code("unknown_type")
}
