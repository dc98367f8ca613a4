//! One attempt of one delivery, as the delivery log keeps it.

use super::{
    DestinationId, EventId, EventType, ReplayId, Sequence, StoredEvent, Timestamp, UnixMillis, Verdict,
};
use serde::{Deserialize, Serialize};

/// One attempt of one delivery. Secrets are redacted before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Where it was sent.
    pub destination: DestinationId,
    /// The event's place.
    pub sequence: Sequence,
    /// What the event was; `None` when it could not be read any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventNote>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub at: UnixMillis,
    /// How long it took.
    pub latency_ms: u32,
    /// What was sent besides the event.
    #[serde(default, skip_serializing_if = "RequestNote::is_plain")]
    pub request: RequestNote,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// Why there was none, or why it counts as a failure.
    pub error: Option<String>,
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// The answer's headers, the first 64.
    pub response_headers: Vec<(String, String)>,
    /// The first 4 KiB of the answer's body, lossily read as UTF-8.
    pub response_body: String,
}

/// What the delivery log keeps of an event: the log of attempts may outlive it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventNote {
    /// Its id.
    pub id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When it happened.
    pub timestamp: Timestamp,
}

impl EventNote {
    /// What is kept of an event.
    pub fn of(event: &StoredEvent) -> Self {
        Self { id: event.id().clone(), event_type: event.event_type().clone(), timestamp: event.timestamp() }
    }
}

/// What cannot be told from the event about the headers of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestNote {
    /// The body was a `CloudEvent`.
    #[serde(default)]
    pub is_cloudevent: bool,
    /// How many secrets signed it.
    #[serde(default)]
    pub signatures: u8,
    /// The header of the body-only signature, when it was not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_header: Option<String>,
    /// The user's own headers; values that may be secret are redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The replay it belonged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayId>,
}

impl RequestNote {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
