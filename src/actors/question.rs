//! Asking an endpoint for its consent: an event that stands in no log, sent like any delivery.

use crate::clock;
use crate::delivery::verification::is_consent;
use crate::model::{Destination, EventType, StoredEvent, Verification};
use crate::webhook::delivery::Recipient;
use crate::webhook::unlogged::unlogged;
use crate::webhook::{Answer, Outgoing};
use bytes::Bytes;

/// The type of the event that asks.
const VERIFICATION_TYPE: &str = "event_destination.verification";

/// One destination's verification: what is sent, the same at every attempt, and how its answer is judged.
#[derive(Debug, Clone)]
pub struct Question {
    event: StoredEvent,
    challenge: String,
    how: Verification,
}

impl Question {
    /// A new question with a challenge of 128 random bits; `None` when the destination need not consent.
    pub fn new(destination: &Destination) -> Option<Self> {
        if destination.verification == Verification::None {
            return None;
        }
        let challenge = format!("{:032x}", u128::from_le_bytes(clock::random()));
        let data = Bytes::from(format!(r#"{{"challenge":"{challenge}"}}"#));
        let event = unlogged(destination.tenant, EventType::parse(VERIFICATION_TYPE).ok()?, data);
        let how = destination.verification;
        Some(Self { event, challenge, how })
    }

    /// The request of one attempt.
    pub fn request(&self, recipient: &Recipient, attempt: u32) -> Outgoing {
        recipient.request(&self.event, attempt, None, clock::now())
    }

    /// Whether an answer is the consent.
    pub fn is_answered_by(&self, answer: &Answer) -> bool {
        let consents = |status, body: &[u8]| is_consent(self.how, &self.challenge, status, body);
        answer.result.as_ref().is_ok_and(|response| consents(response.status, &response.body))
    }
}
