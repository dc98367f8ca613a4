//! Putting a delivery together: which headers and which body an event goes out with.

use super::Outgoing;
use super::headers::{SIGNATURE, USER_AGENT, delivery_id, redacted};
use super::signature::{LiveSecret, Signer};
use crate::model::cloudevent::push_cloudevent;
use crate::model::{BodyFormat, Destination, ReplayId, RequestNote, StoredEvent, UnixMillis};
use bytes::Bytes;
use std::time::Duration;

/// A destination ready to be sent to: what does not change from delivery to delivery.
#[derive(Debug, Clone)]
pub struct Recipient {
    url: String,
    timeout: Duration,
    format: BodyFormat,
    signature_header: String,
    fixed: Vec<(String, String)>,
    note: RequestNote,
    signers: Vec<(LiveSecret, Signer)>,
    id: crate::model::DestinationId,
}

impl Recipient {
    /// From a destination and its secrets in the clear, the current one first.
    pub fn new(destination: &Destination, secrets: &[LiveSecret]) -> Self {
        let format = destination.format.unwrap_or(BodyFormat::Envelope);
        let content_type = match format {
            BodyFormat::Cloudevents => "application/cloudevents+json",
            _ => "application/json",
        };
        let mut fixed = vec![
            ("User-Agent".to_owned(), USER_AGENT.to_owned()),
            ("Content-Type".to_owned(), content_type.to_owned()),
        ];
        fixed.extend(destination.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self {
            url: destination.url.clone(),
            timeout: Duration::from_millis(destination.timeout_ms),
            format,
            signature_header: destination.signature_header.clone(),
            fixed,
            note: note_of(destination),
            signers: secrets.iter().map(|secret| (secret.clone(), Signer::new(secret.text()))).collect(),
            id: destination.id,
        }
    }

    /// What the delivery log keeps of a request of this time besides its event.
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
        let body = self.body(event);
        let seconds = now.0.div_euclid(1000);
        let mut headers = Vec::with_capacity(self.fixed.len() + 8);
        headers.extend_from_slice(&self.fixed);
        let mut push = |name: &str, value: String| headers.push((name.to_owned(), value));
        push("webhook-id", event.id().as_str().to_owned());
        push("webhook-timestamp", seconds.to_string());
        push("X-Campanile-Event", event.event_type().as_str().to_owned());
        push("X-Campanile-Delivery", delivery_id(self.id, event.sequence()));
        push("X-Campanile-Attempt", attempt.to_string());
        push("X-Campanile-Sequence", event.sequence().to_string());
        if let Some(replay) = replay {
            push("X-Campanile-Replay", replay.to_string());
        }
        if let Some(current) = self.live_signers(now).next() {
            let sign = |signer: &Signer| signer.standard(event.id().as_str(), seconds, &body);
            push("webhook-signature", self.live_signers(now).map(sign).collect::<Vec<_>>().join(" "));
            push(&self.signature_header, current.body_only(&body));
        }
        Outgoing { url: self.url.clone(), headers, body, timeout: self.timeout }
    }

    /// The envelope is the log's own bytes; other formats are built.
    fn body(&self, event: &StoredEvent) -> Bytes {
        let mut out = Vec::new();
        match self.format {
            BodyFormat::Cloudevents => push_cloudevent(event, &mut out),
            BodyFormat::Resource => {
                let head = format!(
                    r#"{{"id":"{}","object":"event","type":"{}","data":"#,
                    event.id(),
                    event.event_type()
                );
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(&event.data());
                let tail = format!(r#","created_at":"{}","request_id":null}}"#, event.timestamp());
                out.extend_from_slice(tail.as_bytes());
            }
            BodyFormat::Envelope | BodyFormat::Run | BodyFormat::Audit => return event.envelope(),
        }
        out.into()
    }
}

fn note_of(destination: &Destination) -> RequestNote {
    let is_usual = destination.signature_header.eq_ignore_ascii_case(SIGNATURE);
    let custom = destination.headers.iter();
    RequestNote {
        is_cloudevent: destination.format == Some(BodyFormat::Cloudevents),
        signatures: 0,
        signature_header: (!is_usual).then(|| destination.signature_header.clone()),
        headers: custom.map(|(name, value)| (name.clone(), redacted(name, value).to_owned())).collect(),
        replay: None,
    }
}
