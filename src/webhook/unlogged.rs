//! Events that stand in no log and are sent all the same: what asks for consent, and samples for a test.

use crate::clock;
use crate::model::{EncodeAs, EventDraft, EventId, EventType, Sequence, StoredEvent, TenantId, Timestamp};
use bytes::Bytes;

/// An event of now, with an id of its own and the place 0. `data` is a JSON object.
pub fn unlogged(tenant: TenantId, event_type: EventType, data: Bytes) -> StoredEvent {
    let now = clock::now();
    let unique = Sequence(u64::from_le_bytes(clock::random()));
    let draft = EventDraft {
        id: None,
        event_type,
        timestamp: None,
        pipeline: None,
        run_id: None,
        data,
        extensions: None,
    };
    let place = EncodeAs {
        sequence: Sequence::ZERO,
        tenant,
        id: EventId::generated(now.0.unsigned_abs(), unique, 0),
        timestamp: Timestamp::from(now),
        stored_at: now,
    };
    StoredEvent::encode(draft, place)
}
