//! An event with its place: what the log keeps and everybody hears, encoded once and shared.

use super::cloudevent;
use super::{EventDraft, EventId, EventType, Sequence, TenantId, Timestamp, UnixMillis, push_json_string};
use bytes::Bytes;
use std::ops::Range;

/// A durable event. Its envelope (the webhook body and the poll's element) and its SSE frame are encoded
/// when it is built and shared from then on: cloning any of the `Bytes` copies nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    sequence: Sequence,
    tenant: TenantId,
    id: EventId,
    event_type: EventType,
    timestamp: Timestamp,
    pipeline: Option<Box<str>>,
    run_id: Option<Box<str>>,
    stored_at: UnixMillis,
    extensions: Option<Bytes>,
    frame: Bytes,
    envelope: Bytes,
    data: Range<usize>,
}

/// What the log adds to a draft when it gives it a place.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodeAs {
    /// The place.
    pub sequence: Sequence,
    /// Whose it is.
    pub tenant: TenantId,
    /// The draft's id, or the one made for it.
    pub id: EventId,
    /// The draft's time, or that of the commit.
    pub timestamp: Timestamp,
    /// When it was committed.
    pub stored_at: UnixMillis,
}

impl StoredEvent {
    /// Gives a draft its place and encodes it.
    pub fn encode(draft: EventDraft, place: EncodeAs) -> Self {
        let EventDraft { event_type, pipeline, run_id, data, extensions, .. } = draft;
        let EncodeAs { sequence, tenant, id, timestamp, stored_at } = place;
        let mut out = Vec::with_capacity(data.len() + 320);
        out.extend_from_slice(format!("id: {sequence}\nevent: {event_type}\ndata: ").as_bytes());
        let start = out.len();
        out.extend_from_slice(
            format!(r#"{{"id":"{id}","type":"{event_type}","timestamp":"{timestamp}""#).as_bytes(),
        );
        for (name, value) in [(r#","pipeline":"#, &pipeline), (r#","run_id":"#, &run_id)] {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                push_json_string(&mut out, value);
            }
        }
        out.extend_from_slice(br#","data":"#);
        let data_start = out.len() - start;
        out.extend_from_slice(&data);
        let data_range = data_start..data_start + data.len();
        out.push(b'}');
        let end = out.len();
        out.extend_from_slice(b"\n\n");
        let whole = Bytes::from(out);
        let envelope = whole.slice(start..end);
        let frame = if memchr::memchr2(b'\n', b'\r', &data).is_some() {
            frame_of_lines(&whole[..start], &envelope)
        } else {
            whole
        };
        Self {
            sequence,
            tenant,
            id,
            event_type,
            timestamp,
            pipeline,
            run_id,
            stored_at,
            extensions,
            frame,
            envelope,
            data: data_range,
        }
    }

    /// Its place in the log.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Its id.
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// Its type.
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// When it happened, as the publisher says.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The pipeline it belongs to.
    pub fn pipeline(&self) -> Option<&str> {
        self.pipeline.as_deref()
    }

    /// The run it belongs to.
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// When it was committed.
    pub fn stored_at(&self) -> UnixMillis {
        self.stored_at
    }

    /// Its further CloudEvents attributes, a JSON object.
    pub fn extensions(&self) -> Option<&Bytes> {
        self.extensions.as_ref()
    }

    /// `data` as published, byte for byte.
    pub fn data(&self) -> Bytes {
        self.envelope.slice(self.data.clone())
    }

    /// The event as JSON: `{"id","type","timestamp","pipeline"?,"run_id"?,"data"}`. The body of a webhook.
    pub fn envelope(&self) -> Bytes {
        self.envelope.clone()
    }

    /// The event as one block of an event stream, blank line included.
    pub fn sse_frame(&self) -> Bytes {
        self.frame.clone()
    }

    /// Appends the envelope with its `sequence`, as the API shows events.
    pub fn push_with_sequence(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!(r#"{{"sequence":{},"#, self.sequence).as_bytes());
        out.extend_from_slice(&self.envelope[1..]);
    }

    /// About how many bytes it holds in memory.
    pub fn memory_bytes(&self) -> usize {
        let shared = if self.frame.len() > self.envelope.len() + 1024 { 2 } else { 1 };
        size_of::<Self>() + self.frame.len() * shared + self.extensions.as_ref().map_or(0, Bytes::len) + 64
    }

    /// Whether `draft` asks for this very event again: everything it gives is the same.
    pub fn is_same_as(&self, draft: &EventDraft) -> bool {
        self.event_type == draft.event_type
            && self.pipeline == draft.pipeline
            && self.run_id == draft.run_id
            && draft.timestamp.is_none_or(|time| time == self.timestamp)
            && self.has_extensions(draft.extensions.as_deref())
            && self.envelope[self.data.clone()] == draft.data[..]
    }

    /// Whether these are its extensions; also as they come back to where they were read, with its place beside them.
    fn has_extensions(&self, given: Option<&[u8]>) -> bool {
        let own = self.extensions.as_deref();
        let place = format!(r#","{}":"{}""#, cloudevent::GIVEN_SEQUENCE, self.sequence);
        let without_place = |given: &[u8]| {
            // A quote inside of a value is escaped: this is a member.
            let at = memchr::memmem::find(given, place.as_bytes())?;
            Some([&given[..at], &given[at + place.len()..]].concat())
        };
        own == given || given.and_then(without_place).is_some_and(|given| own == Some(&given[..]))
    }
}

/// A frame whose JSON spans lines: each gets its own `data:`.
fn frame_of_lines(head: &[u8], envelope: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(head.len() + envelope.len() + 64);
    out.extend_from_slice(head);
    push_data_lines(envelope, &mut out);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// Appends JSON after a `data: `: each further line gets its own. CR, LF and CRLF all end one (they can only be
/// white space between tokens, so the parsed value is unchanged).
pub fn push_data_lines(json: &[u8], out: &mut Vec<u8>) {
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                out.extend_from_slice(b"\ndata: ");
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(data: &str, pipeline: Option<&str>) -> StoredEvent {
        let draft = EventDraft {
            id: None,
            event_type: EventType::parse("pipeline.completed").unwrap(),
            timestamp: None,
            pipeline: pipeline.map(Into::into),
            run_id: Some("run_001".into()),
            data: Bytes::from(data.to_owned()),
            extensions: None,
        };
        let place = EncodeAs {
            sequence: Sequence(4711),
            tenant: TenantId(1),
            id: EventId::parse("evt_abc123").unwrap(),
            timestamp: Timestamp::parse("2026-02-15T06:00:04.7Z").unwrap(),
            stored_at: UnixMillis(0),
        };
        StoredEvent::encode(draft, place)
    }

    #[test]
    fn the_envelope_is_the_seed_s_event_and_keeps_data_byte_for_byte() {
        let event = stored(r#"{"rows": 1.10, "b":1e400}"#, Some("user-analytics"));
        assert_eq!(
            event.envelope(),
            r#"{"id":"evt_abc123","type":"pipeline.completed","timestamp":"2026-02-15T06:00:04.7Z","pipeline":"user-analytics","run_id":"run_001","data":{"rows": 1.10, "b":1e400}}"#
        );
        assert_eq!(event.data(), r#"{"rows": 1.10, "b":1e400}"#);
        let frame = String::from_utf8(event.sse_frame().to_vec()).unwrap();
        assert!(frame.starts_with("id: 4711\nevent: pipeline.completed\ndata: {\"id\":"));
        assert!(frame.ends_with("}}\n\n"));
        let mut out = Vec::new();
        event.push_with_sequence(&mut out);
        assert!(out.starts_with(br#"{"sequence":4711,"id":"evt_abc123""#));
    }

    #[test]
    fn every_kind_of_line_break_in_data_starts_a_data_line() {
        let frame = stored("{\"a\":1,\r\n\"b\":2,\r\"c\":3,\n\n\"d\":4}", None).sse_frame();
        let text = std::str::from_utf8(&frame).unwrap();
        assert!(text.contains("data: {\"id\""));
        assert!(text.ends_with("1,\ndata: \"b\":2,\ndata: \"c\":3,\ndata: \ndata: \"d\":4}}\n\n"));
        assert!(!text.contains('\r'));
    }

    #[test]
    fn envelope_and_frame_share_one_buffer_in_the_common_case() {
        let event = stored("{}", None);
        let (frame, envelope) = (event.sse_frame(), event.envelope());
        let inside = frame.as_ptr_range();
        assert!(inside.contains(&envelope.as_ptr()));
    }
}
