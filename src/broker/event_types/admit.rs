//! What is checked of events before they are published: that their type is known where that is asked for, that their
//! data is what the type's schema says. What the schema marks `writeOnly` is taken out here, before the log sees it.
//!
//! A type without a schema costs one lookup.

use super::super::{Broker, PublishError};
use crate::model::{CheckBudget, DataSchema, EventDraft, EventMode, TenantId, Violation, WholeData};

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

/// What was found out about an event whose type has a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct Admitted {
    /// The schema that it satisfies.
    pub(in crate::broker) schema: DataSchema,
    /// Its data as published, when it held secrets.
    pub(in crate::broker) whole: Option<WholeData>,
}

impl Broker {
    /// Checks drafts against their types and takes the secrets out of them. Gives what was found out about those whose
    /// types have schemas, in their order.
    pub(in crate::broker) fn admit(
        &self,
        tenant: TenantId,
        drafts: &mut [EventDraft],
    ) -> Result<Vec<Admitted>, PublishError> {
        let management = self.log().management();
        let own = management.event_types.get(&tenant);
        let rejects_unknown = self.config().events.rejects_unknown();
        let mut budget = CheckBudget::default();
        let (mut refused, mut admitted) = (Vec::new(), Vec::new());
        for (index, draft) in drafts.iter_mut().enumerate() {
            let name = draft.event_type.as_str();
            let known = own.and_then(|own| own.get(name)).or_else(|| self.0.shipped_types.get(name));
            let broken = match known {
                Some(known) => {
                    let Some(schema) = &known.schema else { continue };
                    let broken = schema.check(&draft.data, &mut budget);
                    admitted.push(without_secrets(schema, draft));
                    broken.into_iter().map(|violation| violation.under("/data")).collect()
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
        if refused.is_empty() { Ok(admitted) } else { Err(PublishError::Refused(refused)) }
    }
}

fn without_secrets(schema: &DataSchema, draft: &mut EventDraft) -> Admitted {
    let kept = schema.without_secrets(&draft.data);
    let whole = kept.map(|kept| WholeData(std::mem::replace(&mut draft.data, kept)));
    Admitted { schema: schema.clone(), whole }
}

fn unknown(name: &str) -> Violation {
    let detail = format!("the event type {name} is in no catalog and none of the tenant's own");
    Violation::new("/type", detail).with_code("unknown_type")
}
