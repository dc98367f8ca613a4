//! Putting the call of a function together: the event as it stands by then, signed like a delivery, with the task's
//! id in the place of the event's.

use super::Outgoing;
use super::headers::USER_AGENT;
use super::names::{self, Name, value};
use super::signature::Signer;
use super::target::Endpoint;
use crate::model::{StoredEvent, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// A function over HTTP, ready to be called.
#[derive(Debug, Clone)]
pub struct FunctionEndpoint {
    to: Arc<Endpoint>,
    signers: Vec<Signer>,
}

/// What one call is about besides its event.
#[derive(Debug, Clone, Copy)]
pub struct CallHead<'a> {
    /// The task, the same on every attempt.
    pub task_id: &'a str,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How much time is left for the answer.
    pub left: Duration,
    /// What the function passes on when it publishes.
    pub cause: &'a str,
}

impl FunctionEndpoint {
    /// From a URL and the live secrets in the clear, the current one first. One that is to be signed and has none is asked
    /// nothing.
    pub fn new(url: &str, secrets: &[String], is_signed: bool) -> Self {
        let signers = secrets.iter().map(|secret| Signer::new(secret)).collect();
        let endpoint = if is_signed && secrets.is_empty() { Endpoint::sealed } else { Endpoint::of };
        Self { to: Arc::new(endpoint(url)), signers }
    }

    /// The request of one attempt.
    pub fn request(&self, event: &StoredEvent, head: CallHead<'_>, now: UnixMillis) -> Outgoing {
        let body = event.envelope();
        let seconds = now.0.div_euclid(1000);
        let mut headers = Vec::with_capacity(12);
        let mut push = |name: &Name, text: String| headers.push((name.clone(), value(text)));
        push(&names::USER_AGENT, USER_AGENT.to_owned());
        push(&names::CONTENT_TYPE, "application/json".to_owned());
        push(&names::WEBHOOK_ID, head.task_id.to_owned());
        push(&names::WEBHOOK_TIMESTAMP, seconds.to_string());
        push(&names::EVENT, event.event_type().as_str().to_owned());
        push(&names::DELIVERY, head.task_id.to_owned());
        push(&names::ATTEMPT, head.attempt.to_string());
        push(&names::SEQUENCE, event.sequence().to_string());
        push(&names::DEADLINE, head.left.as_millis().to_string());
        push(&names::CAUSE, head.cause.to_owned());
        if let Some(current) = self.signers.first() {
            let sign = |signer: &Signer| signer.standard(head.task_id, seconds, &body);
            push(&names::WEBHOOK_SIGNATURE, self.signers.iter().map(sign).collect::<Vec<_>>().join(" "));
            push(&names::SIGNATURE, current.body_only(&body));
        }
        Outgoing { to: Arc::clone(&self.to), headers, body, timeout: head.left }
    }
}
