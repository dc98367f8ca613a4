//! CloudEvents 1.0: how an event looks as one, in structured mode.
//!
//! Attributes that came in and are no member of ours are kept in the event's `extensions`. `pipeline` and
//! `run_id` become the extension attributes `pipeline` and `runid` (names have no underscore there).

use super::{StoredEvent, push_json_string};

/// The source of events that were not published as CloudEvents.
const DEFAULT_SOURCE: &str = "/campanile";

/// Where the `sequence` that an event came with is kept.
pub const GIVEN_SEQUENCE: &str = "sourcesequence";

/// Appends the event as a `CloudEvent` in the JSON format.
pub fn push_cloudevent(event: &StoredEvent, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"specversion":"1.0","id":"#);
    push_json_string(out, event.id().as_str());
    out.extend_from_slice(br#","type":"#);
    push_json_string(out, event.event_type().as_str());
    out.extend_from_slice(br#","time":"#);
    push_json_string(out, &event.timestamp().to_string());
    let extensions = event.extensions().map_or(&b"{}"[..], |extensions| &extensions[..]);
    let has = |name: &str| memchr::memmem::find(extensions, format!("\"{name}\":").as_bytes()).is_some();
    if !has("source") {
        out.extend_from_slice(br#","source":"#);
        push_json_string(out, DEFAULT_SOURCE);
    }
    for (name, value) in [("pipeline", event.pipeline()), ("runid", event.run_id())] {
        if let Some(value) = value.filter(|_| !has(name)) {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            push_json_string(out, value);
        }
    }
    if extensions.len() > 2 {
        out.push(b',');
        out.extend_from_slice(&extensions[1..extensions.len() - 1]);
    }
    if !has("datacontenttype") {
        out.extend_from_slice(br#","datacontenttype":"application/json""#);
    }
    out.extend_from_slice(format!(r#","sequence":"{}","data":"#, event.sequence()).as_bytes());
    out.extend_from_slice(&event.data());
    out.push(b'}');
}
