//! Putting the call of a function together: the event as it stands by then, signed like a delivery, with the task's
//! id in the place of the event's.

use super::Outgoing;
use super::headers::USER_AGENT;
use super::signature::Signer;
use crate::model::{StoredEvent, UnixMillis};
use std::time::Duration;

/// The header that says how many milliseconds are left for an answer.
pub const DEADLINE: &str = "X-Campanile-Deadline";

/// The header that a function passes on when it publishes.
pub const CAUSE: &str = "Campanile-Cause";

/// A function over HTTP, ready to be called.
#[derive(Debug, Clone)]
pub struct FunctionEndpoint {
    url: String,
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
    /// From a URL and the live secrets in the clear, the current one first.
    pub fn new(url: &str, secrets: &[String]) -> Self {
        Self { url: url.to_owned(), signers: secrets.iter().map(|secret| Signer::new(secret)).collect() }
    }

    /// The request of one attempt.
    pub fn request(&self, event: &StoredEvent, head: CallHead<'_>, now: UnixMillis) -> Outgoing {
        let body = event.envelope();
        let seconds = now.0.div_euclid(1000);
        let mut headers = Vec::with_capacity(12);
        let mut push = |name: &str, value: String| headers.push((name.to_owned(), value));
        push("User-Agent", USER_AGENT.to_owned());
        push("Content-Type", "application/json".to_owned());
        push("webhook-id", head.task_id.to_owned());
        push("webhook-timestamp", seconds.to_string());
        push("X-Campanile-Event", event.event_type().as_str().to_owned());
        push("X-Campanile-Delivery", head.task_id.to_owned());
        push("X-Campanile-Attempt", head.attempt.to_string());
        push("X-Campanile-Sequence", event.sequence().to_string());
        push(DEADLINE, head.left.as_millis().to_string());
        push(CAUSE, head.cause.to_owned());
        if let Some(current) = self.signers.first() {
            let sign = |signer: &Signer| signer.standard(head.task_id, seconds, &body);
            push("webhook-signature", self.signers.iter().map(sign).collect::<Vec<_>>().join(" "));
            push("X-Campanile-Signature", current.body_only(&body));
        }
        Outgoing { url: self.url.clone(), headers, body, timeout: head.left }
    }
}
