//! How an event looks in a stream: one block, every line of its JSON a `data:` line.

use crate::model::cloudevent::push_cloudevent;
use crate::model::{StoredEvent, push_data_lines, push_json_string};

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
    use crate::model::{EncodeAs, EventDraft, EventId, EventType, Sequence, TenantId, Timestamp, UnixMillis};
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
