//! Any text is a filter or is refused, and a filter ends on any event within its budget.
#![no_main]

use bytes::Bytes;
use campanile::model::{
    EncodeAs, EventDraft, EventId, EventType, PayloadFilter, Sequence, StoredEvent, TenantId, Timestamp,
    UnixMillis, json,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let Ok(filter) = PayloadFilter::parse(input.0) else { return };
    // Only what was scanned is ever stored.
    let is_object = input.1.starts_with('{') && matches!(json::scan(input.1.as_bytes(), 64), Ok(None));
    let data = if is_object { input.1 } else { r#"{"rows":1,"tags":["a",null]}"# };
    let draft = EventDraft {
        id: None,
        event_type: EventType::parse("pipeline.completed").expect("it is one"),
        timestamp: None,
        pipeline: Some("p".into()),
        run_id: None,
        data: Bytes::from(data.to_owned()),
        extensions: None,
    };
    let place = EncodeAs {
        sequence: Sequence(1),
        tenant: TenantId(1),
        id: EventId::parse("evt_a").expect("it is one"),
        timestamp: Timestamp::from(UnixMillis(0)),
        stored_at: UnixMillis(0),
    };
    let mut work = 0;
    filter.matches(&StoredEvent::encode(draft, place), &mut work);
});
