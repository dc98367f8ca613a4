//! Trying an endpoint out: one signed sample, sent now, and what came of it. Before a destination is made or after.
//!
//! What must hold: a trial changes nothing, whatever the endpoint answers; it is guarded like every attempt; a tenant
//! has only so many under way.

use super::draft::{Draft, Purpose};
use super::{ManageError, blank, new_destination_id, open_secrets, update};
use crate::broker::Broker;
use crate::clock;
use crate::log::LogError;
use crate::model::{
    Destination, DestinationId, EventType, Sequence, StoredEvent, TenantId, TypePattern, Violation,
};
use crate::webhook::delivery::Recipient;
use crate::webhook::signature::LiveSecret;
use crate::webhook::unlogged::{Sample, unlogged, unlogged_run};
use crate::webhook::{Answer, Outgoing, names};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The type of a sample when a destination names none of its own.
const SAMPLE_TYPE: &str = "event_destination.test";

/// What a trial of a URL may say; all of it also belongs to the creation of a destination, but `type`.
const MEMBERS: &[&str] = &["url", "type", "format", "headers", "secret", "signature_header", "timeout_ms"];

/// What was sent, and what came of it.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The sample.
    pub event: StoredEvent,
    /// The request as it was made. Its headers may hold the user's secrets.
    pub sent: Outgoing,
    /// The answer, or why there was none.
    pub answer: Answer,
}

impl Broker {
    /// Sends a destination one signed sample of the type that the body names, whatever its status.
    pub async fn try_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
        mut body: Map<String, Value>,
    ) -> Result<Trial, ManageError> {
        let destination = self.destination(tenant, id)?;
        let mut violations = Vec::new();
        let event_type = read_type(&mut body, &mut violations);
        refuse_strangers(&body, &[], &mut violations);
        if !violations.is_empty() {
            return Err(ManageError::Invalid(violations));
        }
        let event_type = event_type.unwrap_or_else(|| first_type(&destination));
        let recipient = self.recipient(&destination, &open_secrets(self.secrets(), &destination));
        self.try_recipient(tenant, &recipient, event_type).await
    }

    /// The same for a URL that no destination has yet.
    pub async fn try_url(
        &self,
        tenant: TenantId,
        mut body: Map<String, Value>,
    ) -> Result<Trial, ManageError> {
        let config = &self.config().delivery;
        let mut violations = Vec::new();
        let event_type = read_type(&mut body, &mut violations);
        refuse_strangers(&body, MEMBERS, &mut violations);
        body.retain(|name, _| MEMBERS.contains(&name.as_str()));
        let draft = Draft::read(body, Purpose::Create, config);
        let draft = match draft {
            Ok(draft) if violations.is_empty() => draft,
            Ok(_) => return Err(ManageError::Invalid(violations)),
            Err(more) => {
                violations.extend(more);
                return Err(ManageError::Invalid(violations));
            }
        };
        let now = clock::now();
        let mut destination = blank(new_destination_id(now), tenant, Sequence::ZERO, now, config);
        let secret = draft.secret.clone().flatten().map(|text| LiveSecret::new(text, None));
        update(&mut destination, draft)?;
        let recipient = self.recipient(&destination, secret.as_slice());
        self.try_recipient(tenant, &recipient, event_type.unwrap_or_else(|| first_type(&destination))).await
    }

    async fn try_recipient(
        &self,
        tenant: TenantId,
        recipient: &Recipient,
        event_type: EventType,
    ) -> Result<Trial, ManageError> {
        let event = self.sample_or(tenant, event_type);
        let mut sent = recipient.request(&event, 1, None, clock::now());
        sent.headers.push((names::TEST.clone(), names::value("true")));
        let answer = self.ask(tenant, sent.clone()).await?;
        Ok(Trial { event, sent, answer })
    }

    /// The type's own sample, as if it happened now; the plainest event where there is none.
    fn sample_or(&self, tenant: TenantId, event_type: EventType) -> StoredEvent {
        let known = self.event_type(tenant, event_type.as_str());
        let Some(sample) = known.as_ref().and_then(|known| known.sample.as_ref()) else {
            return unlogged(tenant, event_type, Bytes::from_static(br#"{"test":true}"#));
        };
        let sample = Sample {
            pipeline: sample.pipeline.as_deref().map(Into::into),
            run_id: sample.run_id.as_deref().map(Into::into),
            data: Bytes::from(sample.data.clone()),
        };
        unlogged_run(tenant, event_type, sample)
    }

    /// Makes one request for a caller who waits for it.
    pub(super) async fn ask(&self, tenant: TenantId, request: Outgoing) -> Result<Answer, ManageError> {
        let _under_way = self.0.asking.begin(tenant, self.config().delivery.max_tests)?;
        let answer = self.0.actors.post(request).await;
        answer.ok_or(ManageError::Log(LogError::Closed))
    }
}

fn read_type(body: &mut Map<String, Value>, violations: &mut Vec<Violation>) -> Option<EventType> {
    let value = body.remove("type")?;
    let parsed = value.as_str().ok_or("a string").and_then(EventType::parse);
    let checked = parsed.and_then(|event_type| event_type.check_publishable().map(|()| event_type));
    checked.map_err(|detail| violations.push(Violation::new("/type", detail))).ok()
}

fn refuse_strangers(body: &Map<String, Value>, known: &[&str], violations: &mut Vec<Violation>) {
    let strangers = body.keys().filter(|name| !known.contains(&name.as_str()));
    violations.extend(
        strangers
            .map(|name| Violation::new(format!("/{}", Violation::escape(name)), "there is no such member")),
    );
}

/// The first type that a destination names exactly.
fn first_type(destination: &Destination) -> EventType {
    let exact = destination.events.iter().find_map(|pattern| match pattern {
        TypePattern::Exact(event_type) => EventType::parse(event_type).ok(),
        _ => None,
    });
    exact.unwrap_or_else(|| EventType::parse(SAMPLE_TYPE).expect("the broker's own types are types"))
}

/// How many requests each tenant waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asking(Arc<Mutex<BTreeMap<TenantId, usize>>>);

/// Counts a request for as long as it lives.
struct UnderWay {
    asking: Asking,
    tenant: TenantId,
}

impl Asking {
    fn begin(&self, tenant: TenantId, most: usize) -> Result<UnderWay, ManageError> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(tenant).or_default();
        if *count >= most {
            return Err(ManageError::TooManyTests(most));
        }
        *count += 1;
        Ok(UnderWay { asking: self.clone(), tenant })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.asking.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.tenant);
            }
        }
    }
}
