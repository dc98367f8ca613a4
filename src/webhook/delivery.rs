//! Putting a delivery together: which headers and which body an event goes out with.

use super::Outgoing;
use super::bodies::{body, media_type};
use super::headers::{SIGNATURE, USER_AGENT, delivery_id_prefix, redacted};
use super::names::{self, Name, value};
use super::signature::{LiveSecret, Signer};
use super::target::Endpoint;
use crate::model::{BodyFormat, Destination, ReplayId, RequestNote, StoredEvent, TenantId, UnixMillis};
use awc::http::header::HeaderValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Gives the format that events of a type have where a destination names none.
pub type FormatOf = Arc<dyn Fn(TenantId, &str) -> BodyFormat + Send + Sync>;

/// A destination ready to be sent to: what does not change from delivery to delivery.
#[derive(Clone)]
pub struct Recipient {
    to: Arc<Endpoint>,
    timeout: Duration,
    /// `None`: that of the event's type.
    format: Option<BodyFormat>,
    format_of: FormatOf,
    signature_header: Name,
    /// Headers that the user adds.
    custom: Vec<(Name, HeaderValue)>,
    note: RequestNote,
    signers: Vec<(LiveSecret, Signer)>,
    /// What the ids of its deliveries begin with.
    id_prefix: String,
}

impl Recipient {
    /// From a destination and its secrets in the clear, the current one first. One that has secrets of which none could be
    /// opened is asked nothing.
    pub fn new(destination: &Destination, secrets: &[LiveSecret], format_of: FormatOf) -> Self {
        let is_sealed = secrets.is_empty() && !destination.secrets.is_empty();
        let endpoint = if is_sealed { Endpoint::sealed } else { Endpoint::of };
        Self {
            to: Arc::new(endpoint(&destination.url)),
            timeout: Duration::from_millis(destination.timeout_ms),
            format: destination.format,
            format_of,
            // Every name was looked at when it was accepted.
            signature_header: Name::parse(&destination.signature_header)
                .unwrap_or_else(|_| names::SIGNATURE.clone()),
            custom: ready(&destination.headers),
            note: note_of(destination),
            signers: secrets.iter().map(|secret| (secret.clone(), Signer::new(secret.text()))).collect(),
            id_prefix: delivery_id_prefix(destination.id),
        }
    }

    /// What the delivery log keeps of a request of this time besides its event. Whether it is a `CloudEvent` depends on
    /// that: [`Recipient::sends_cloudevent`].
    pub fn note(&self, replay: Option<ReplayId>, now: UnixMillis) -> RequestNote {
        let signatures = self.live_signers(now).count().min(usize::from(u8::MAX)) as u8;
        RequestNote { signatures, replay, ..self.note.clone() }
    }

    /// Those that sign now, the current one first.
    fn live_signers(&self, now: UnixMillis) -> impl Iterator<Item = &Signer> {
        self.signers.iter().filter(move |(secret, _)| secret.is_live(now)).map(|(_, signer)| signer)
    }

    /// The request of one attempt, of a replay when it belongs to one.
    pub fn request(
        &self,
        event: &StoredEvent,
        attempt: u32,
        replay: Option<ReplayId>,
        now: UnixMillis,
    ) -> Outgoing {
        let format = self.format_of(event);
        let body = body(event, format);
        let seconds = now.0.div_euclid(1000);
        let mut headers = Vec::with_capacity(self.custom.len() + 10);
        headers.push((names::USER_AGENT.clone(), HeaderValue::from_static(USER_AGENT)));
        headers.push((names::CONTENT_TYPE.clone(), HeaderValue::from_static(media_type(format))));
        headers.extend_from_slice(&self.custom);
        let mut push = |name: &Name, text: String| headers.push((name.clone(), value(text)));
        push(&names::WEBHOOK_ID, event.id().as_str().to_owned());
        push(&names::WEBHOOK_TIMESTAMP, seconds.to_string());
        push(&names::EVENT, event.event_type().as_str().to_owned());
        let sequence = event.sequence().to_string();
        push(&names::DELIVERY, [self.id_prefix.as_str(), &sequence].concat());
        push(&names::ATTEMPT, attempt.to_string());
        push(&names::SEQUENCE, sequence);
        if let Some(replay) = replay {
            push(&names::REPLAY, replay.to_string());
        }
        if let Some(current) = self.live_signers(now).next() {
            let sign = |signer: &Signer| signer.standard(event.id().as_str(), seconds, &body);
            push(&names::WEBHOOK_SIGNATURE, self.live_signers(now).map(sign).collect::<Vec<_>>().join(" "));
            push(&self.signature_header, current.body_only(&body));
        }
        Outgoing { to: Arc::clone(&self.to), headers, body, timeout: self.timeout }
    }

    fn format_of(&self, event: &StoredEvent) -> BodyFormat {
        self.format.unwrap_or_else(|| (self.format_of)(event.tenant(), event.event_type().as_str()))
    }

    /// Whether an event goes out as a `CloudEvent`.
    pub fn sends_cloudevent(&self, event: &StoredEvent) -> bool {
        self.format_of(event) == BodyFormat::Cloudevents
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("deliveries", &self.id_prefix)
            .field("url", &self.to.url())
            .finish_non_exhaustive()
    }
}

fn ready(custom: &BTreeMap<String, String>) -> Vec<(Name, HeaderValue)> {
    let usable = |(name, text): (&String, &String)| Some((Name::parse(name).ok()?, value(text)));
    custom.iter().filter_map(usable).collect()
}

fn note_of(destination: &Destination) -> RequestNote {
    let is_usual = destination.signature_header.eq_ignore_ascii_case(SIGNATURE);
    let custom = destination.headers.iter();
    RequestNote {
        is_cloudevent: false,
        signatures: 0,
        signature_header: (!is_usual).then(|| destination.signature_header.clone()),
        headers: custom.map(|(name, value)| (name.clone(), redacted(name, value).to_owned())).collect(),
        replay: None,
    }
}
