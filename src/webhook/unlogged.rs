//! Events that stand in no log and are sent all the same: what asks for consent, and samples for a test.

use crate::clock;
use crate::model::{EncodeAs, EventDraft, EventId, EventType, Sequence, StoredEvent, TenantId, Timestamp};
use bytes::Bytes;

/// What a sample says besides its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The pipeline it belongs to.
    pub pipeline: Option<Box<str>>,
    /// The run it belongs to.
    pub run_id: Option<Box<str>>,
    /// A JSON object.
    pub data: Bytes,
}

/// An event of now, with an id of its own and the place 0. `data` is a JSON object.
pub fn unlogged(tenant: TenantId, event_type: EventType, data: Bytes) -> StoredEvent {
    unlogged_run(tenant, event_type, Sample { pipeline: None, run_id: None, data })
}

/// The same of a pipeline and a run.
pub fn unlogged_run(tenant: TenantId, event_type: EventType, sample: Sample) -> StoredEvent {
    let Sample { pipeline, run_id, data } = sample;
    let now = clock::now();
    let unique = Sequence(u64::from_le_bytes(clock::random()));
    let draft =
        EventDraft { id: None, event_type, timestamp: None, pipeline, run_id, data, extensions: None };
    let place = EncodeAs {
        sequence: Sequence::ZERO,
        tenant,
        id: EventId::generated(now.0.unsigned_abs(), unique, 0),
        timestamp: Timestamp::from(now),
        stored_at: now,
    };
    StoredEvent::encode(draft, place)
}
