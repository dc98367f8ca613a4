//! What an event stream says besides events, and where it begins.
//!
//! A stream is a cursor over the log: everything matching up to its place has been written, nothing after it.

use crate::model::cloudevent::push_cloudevent;
use crate::model::{Sequence, StoredEvent, push_data_lines, push_json_string};

/// The shape of a stream's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StreamFormat {
    /// The event as the API shows it.
    #[default]
    Envelope,
    /// `pipeline`, `run_id`, `timestamp` and the members of `data` in one object. A member of `data` with one of
    /// those names wins, so that no name stands twice.
    Flat,
    /// CloudEvents, structured.
    CloudEvents,
}

/// Where a client asks to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the next event.
    Live,
    /// After this place.
    After(Sequence),
    /// After an event that is not kept (any more).
    Unknown,
}

/// Why events are missing from a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Retention removed this many events after the client's place.
    Trimmed {
        /// How many.
        missed: u64,
    },
    /// The client's place is not known.
    Unknown,
    /// The client's place is beyond the newest event.
    Ahead,
}

/// Where a stream begins to read, and the gap it must tell first.
pub fn start(begin: Begin, oldest: Sequence, head: Sequence) -> (Sequence, Option<Gap>) {
    match begin {
        Begin::Live => (head, None),
        Begin::After(place) if place > head => (head, Some(Gap::Ahead)),
        Begin::After(place) if place.next() < oldest => {
            (oldest.previous(), Some(Gap::Trimmed { missed: oldest.0 - place.0 - 1 }))
        }
        Begin::After(place) => (place, None),
        Begin::Unknown => (oldest.previous(), Some(Gap::Unknown)),
    }
}

/// The first bytes of every stream, so that headers and proxies are flushed at once.
pub const OPENING: &[u8] = b"retry: 2000\n: campanile\n\n";

/// The block that tells a gap. Its id is the place the stream goes on from.
pub fn gap_block(gap: Gap, place: Sequence, oldest: Sequence) -> Vec<u8> {
    let (reason, missed) = match gap {
        Gap::Trimmed { missed } => ("trimmed", missed.to_string()),
        Gap::Unknown => ("unknown", "null".to_owned()),
        Gap::Ahead => ("ahead", "null".to_owned()),
    };
    let data = format!(r#"{{"reason":"{reason}","missed":{missed},"oldest":"{oldest}"}}"#);
    format!("id: {place}\nevent: stream.gap\ndata: {data}\n\n").into_bytes()
}

/// The block that names a place without an event: no event is dispatched, but a client resumes from there.
pub fn checkpoint_block(place: Sequence) -> Vec<u8> {
    format!("id: {place}\n\n").into_bytes()
}

/// The end of a stream because the broker stops; `unit` in 0..1 spreads the clients that come back.
pub fn closing_block(unit: f64) -> Vec<u8> {
    format!("retry: {}\nevent: stream.closing\ndata: {{}}\n\n", jittered_retry_ms(unit)).into_bytes()
}

/// What a client gets that cannot be served now but should come back.
pub fn busy_block(unit: f64) -> Vec<u8> {
    format!("retry: {}\n\n", jittered_retry_ms(unit)).into_bytes()
}

/// One to five seconds.
fn jittered_retry_ms(unit: f64) -> u64 {
    1000 + (unit.clamp(0.0, 1.0) * 4000.0) as u64
}

/// The end of a finite replay.
pub fn end_block(place: Sequence) -> Vec<u8> {
    format!("id: {place}\nevent: stream.end\ndata: {{}}\n\n").into_bytes()
}

/// Appends an event in a format.
pub fn push_event(event: &StoredEvent, format: StreamFormat, out: &mut Vec<u8>) {
    let mut json = Vec::new();
    match format {
        StreamFormat::Envelope => return out.extend_from_slice(&event.sse_frame()),
        StreamFormat::Flat => push_flat(event, &mut json),
        StreamFormat::CloudEvents => push_cloudevent(event, &mut json),
    }
    out.extend_from_slice(
        format!("id: {}\nevent: {}\ndata: ", event.sequence(), event.event_type()).as_bytes(),
    );
    push_data_lines(&json, out);
    out.extend_from_slice(b"\n\n");
}

fn push_flat(event: &StoredEvent, out: &mut Vec<u8>) {
    let data = event.data();
    let members = crate::model::json::members(&data, 0..data.len()).unwrap_or_default();
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    out.push(b'{');
    let timestamp = event.timestamp().to_string();
    let own = [("pipeline", event.pipeline()), ("run_id", event.run_id()), ("timestamp", Some(&*timestamp))];
    for (name, value) in own {
        if let Some(value) = value.filter(|_| !has(name)) {
            push_comma(out);
            push_json_string(out, name);
            out.push(b':');
            push_json_string(out, value);
        }
    }
    for (name, span) in &members {
        push_comma(out);
        push_json_string(out, name);
        out.push(b':');
        out.extend_from_slice(&data[span.clone()]);
    }
    out.push(b'}');
}

fn push_comma(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EncodeAs, EventDraft, EventId, EventType, TenantId, Timestamp, UnixMillis};
    use bytes::Bytes;

    fn event(data: &'static str) -> StoredEvent {
        let draft = EventDraft {
            id: None,
            event_type: EventType::parse("pipeline.stage.extract").unwrap(),
            timestamp: None,
            pipeline: Some("user-analytics".into()),
            run_id: None,
            data: Bytes::from_static(data.as_bytes()),
            extensions: None,
        };
        let place = EncodeAs {
            sequence: Sequence(7),
            tenant: TenantId(1),
            id: EventId::parse("x").unwrap(),
            timestamp: Timestamp::parse("2026-02-15T12:00:00Z").unwrap(),
            stored_at: UnixMillis(0),
        };
        StoredEvent::encode(draft, place)
    }

    #[test]
    fn a_stream_begins_where_the_client_left_or_says_what_is_missing() {
        let (oldest, head) = (Sequence(5), Sequence(9));
        let at = |place| Begin::After(Sequence(place));
        assert_eq!(start(Begin::Live, oldest, head), (head, None));
        assert_eq!(start(at(7), oldest, head), (Sequence(7), None));
        assert_eq!(start(at(4), oldest, head), (Sequence(4), None));
        assert_eq!(start(at(3), oldest, head), (Sequence(4), Some(Gap::Trimmed { missed: 1 })));
        assert_eq!(start(at(9), oldest, head), (head, None));
        assert_eq!(start(at(10), oldest, head), (head, Some(Gap::Ahead)));
        assert_eq!(start(Begin::Unknown, oldest, head), (Sequence(4), Some(Gap::Unknown)));
    }

    #[test]
    fn the_flat_format_is_one_object_and_data_wins() {
        let mut out = Vec::new();
        push_event(&event(r#"{"rows":1300,"timestamp":"mine"}"#), StreamFormat::Flat, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "id: 7\nevent: pipeline.stage.extract\ndata: {\"pipeline\":\"user-analytics\",\"rows\":1300,\"timestamp\":\"mine\"}\n\n"
        );
    }

    #[test]
    fn every_format_splits_lines_and_is_json() {
        for format in [StreamFormat::Envelope, StreamFormat::Flat, StreamFormat::CloudEvents] {
            let mut out = Vec::new();
            push_event(&event("{\"a\":\r\n1}"), format, &mut out);
            let text = String::from_utf8(out).unwrap();
            let data: String = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok(), "{text}");
            assert!(!text.contains('\r'));
        }
    }
}
