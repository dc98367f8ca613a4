//! The bodies of webhooks: one event in each format. `data` is in all of them byte for byte as it was published.

use crate::model::cloudevent::push_cloudevent;
use crate::model::{BodyFormat, StoredEvent, json, push_json_string};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// What the run of an event type has come to.
const RUN_STATUS: [(&str, &str); 11] = [
    ("pipeline_run_started", "RUNNING"),
    ("pipeline_run_completed", "COMPLETED"),
    ("pipeline_run_completed_with_errors", "COMPLETED_WITH_ERRORS"),
    ("pipeline_run_internal_error", "INTERNAL_ERROR"),
    ("pipeline_run_error", "ERROR"),
    ("pipeline_run_remote_error", "REMOTE_ERROR"),
    ("pipeline_run_killed", "KILLED"),
    ("pipeline_run_killed_for_system_upgrade", "KILLED_FOR_SYSTEM_UPGRADE"),
    ("pipeline_run_timeout", "TIMEOUT"),
    ("pipeline_run_rate_limited", "RATE_LIMITED"),
    ("pipeline_run_no_streams", "NO_STREAMS"),
];

/// The run of any other end says itself what it came to.
const OTHER_END: &str = "pipeline_run_failed";

/// Events about a connection have no run.
const OF_CONNECTIONS: &str = "connection_";

/// Members of `data` that an audit record shows beside it.
const AUDITED: [&str; 5] = ["platformId", "projectId", "userId", "userEmail", "ip"];

/// The body of an event.
pub fn body(event: &StoredEvent, format: BodyFormat) -> Bytes {
    let mut out = Vec::with_capacity(event.envelope().len() + 128);
    match format {
        // The log's own bytes.
        BodyFormat::Envelope => return event.envelope(),
        BodyFormat::Cloudevents => push_cloudevent(event, &mut out),
        BodyFormat::Resource => push_resource(event, &mut out),
        BodyFormat::Run => push_run(event, &mut out),
        BodyFormat::Audit => push_audit(event, &mut out),
    }
    out.into()
}

/// What a body of the format is.
pub fn media_type(format: BodyFormat) -> &'static str {
    match format {
        BodyFormat::Cloudevents => "application/cloudevents+json",
        _ => "application/json",
    }
}

fn push_resource(event: &StoredEvent, out: &mut Vec<u8>) {
    // Ids, types and times have nothing in them to escape.
    let (id, kind) = (event.id(), event.event_type());
    out.extend_from_slice(format!(r#"{{"id":"{id}","object":"event","type":"{kind}","data":"#).as_bytes());
    out.extend_from_slice(&event.data());
    let at = event.timestamp();
    out.extend_from_slice(format!(r#","created_at":"{at}","request_id":null}}"#).as_bytes());
}

fn push_run(event: &StoredEvent, out: &mut Vec<u8>) {
    let (id, kind, at) = (event.id(), event.event_type(), event.timestamp());
    let data = event.data();
    out.extend_from_slice(format!(r#"{{"id":"{id}","event":"{kind}""#).as_bytes());
    if kind.as_str().starts_with(OF_CONNECTIONS) {
        out.extend_from_slice(format!(r#","timestamp":"{at}","connection":"#).as_bytes());
    } else {
        out.extend_from_slice(br#","status":"#);
        push_status(kind.as_str(), &data, out);
        out.extend_from_slice(format!(r#","timestamp":"{at}""#).as_bytes());
        for (name, value) in [("pipeline", event.pipeline()), ("run_id", event.run_id())] {
            if let Some(value) = value {
                out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
                push_json_string(out, value);
            }
        }
        out.extend_from_slice(br#","data":"#);
    }
    out.extend_from_slice(&data);
    out.push(b'}');
}

/// The status that the type means; that of the data where the type leaves it open.
fn push_status(event_type: &str, data: &[u8], out: &mut Vec<u8>) {
    if let Some((_, status)) = RUN_STATUS.iter().find(|(known, _)| *known == event_type) {
        return push_json_string(out, status);
    }
    let of_data = members(data).into_iter().find(|(name, _)| name == "status").map(|(_, span)| &data[span]);
    match of_data.filter(|value| value.starts_with(b"\"")) {
        Some(status) => out.extend_from_slice(status),
        None if event_type == OTHER_END => out.extend_from_slice(br#""FAILED""#),
        None => out.extend_from_slice(b"null"),
    }
}

fn push_audit(event: &StoredEvent, out: &mut Vec<u8>) {
    let (id, kind, at) = (event.id(), event.event_type(), event.timestamp());
    let data = event.data();
    out.extend_from_slice(format!(r#"{{"id":"{id}","created":"{at}","updated":"{at}""#).as_bytes());
    let found = members(&data);
    for wanted in AUDITED {
        if let Some((_, span)) = found.iter().find(|(name, _)| name == wanted) {
            out.extend_from_slice(format!(r#","{wanted}":"#).as_bytes());
            out.extend_from_slice(&data[span.clone()]);
        }
    }
    out.extend_from_slice(format!(r#","action":"{kind}","data":"#).as_bytes());
    out.extend_from_slice(&data);
    out.push(b'}');
}

fn members(data: &[u8]) -> Vec<(Cow<'_, str>, Range<usize>)> {
    json::members(data, 0..data.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EncodeAs, EventDraft, EventId, EventType, Sequence, TenantId, Timestamp, UnixMillis};

    fn shown(format: BodyFormat, event_type: &str, run: Option<(&str, &str)>, data: &'static str) -> String {
        let draft = EventDraft {
            id: None,
            event_type: EventType::parse(event_type).unwrap(),
            timestamp: None,
            pipeline: run.map(|(pipeline, _)| pipeline.into()),
            run_id: run.map(|(_, run_id)| run_id.into()),
            data: Bytes::from_static(data.as_bytes()),
            extensions: None,
        };
        let place = EncodeAs {
            sequence: Sequence(7),
            tenant: TenantId(1),
            id: EventId::parse("evt_1").unwrap(),
            timestamp: Timestamp::parse("2026-02-15T06:00:04.7Z").unwrap(),
            stored_at: UnixMillis(0),
        };
        String::from_utf8(body(&StoredEvent::encode(draft, place), format).to_vec()).unwrap()
    }

    #[test]
    fn each_format_is_what_it_says_byte_for_byte() {
        let run = Some(("a \"b\"", "run_1"));
        for (format, event_type, run, data, expected) in [
            (
                BodyFormat::Envelope,
                "pipeline.failed",
                run,
                r#"{"error": 1.10}"#,
                r#"{"id":"evt_1","type":"pipeline.failed","timestamp":"2026-02-15T06:00:04.7Z","pipeline":"a \"b\"","run_id":"run_1","data":{"error": 1.10}}"#,
            ),
            (
                BodyFormat::Resource,
                "task_run.failed",
                None,
                r#"{"id": "trun_1"}"#,
                r#"{"id":"evt_1","object":"event","type":"task_run.failed","data":{"id": "trun_1"},"created_at":"2026-02-15T06:00:04.7Z","request_id":null}"#,
            ),
            (
                BodyFormat::Run,
                "pipeline_run_completed_with_errors",
                run,
                r#"{"rows": 1.10}"#,
                r#"{"id":"evt_1","event":"pipeline_run_completed_with_errors","status":"COMPLETED_WITH_ERRORS","timestamp":"2026-02-15T06:00:04.7Z","pipeline":"a \"b\"","run_id":"run_1","data":{"rows": 1.10}}"#,
            ),
            (
                BodyFormat::Run,
                "connection_added",
                run,
                r#"{"name": "Orders"}"#,
                r#"{"id":"evt_1","event":"connection_added","timestamp":"2026-02-15T06:00:04.7Z","connection":{"name": "Orders"}}"#,
            ),
            (
                BodyFormat::Audit,
                "flow.run.finished",
                None,
                r#"{"ip":"::1","flow":{"userId":"no"},"platformId":"p"}"#,
                r#"{"id":"evt_1","created":"2026-02-15T06:00:04.7Z","updated":"2026-02-15T06:00:04.7Z","platformId":"p","ip":"::1","action":"flow.run.finished","data":{"ip":"::1","flow":{"userId":"no"},"platformId":"p"}}"#,
            ),
        ] {
            assert_eq!(shown(format, event_type, run, data), expected);
        }
    }

    #[test]
    fn a_run_says_what_it_came_to_where_its_type_does_not() {
        for (event_type, data, expected) in [
            ("pipeline_run_failed", r#"{"status":"EXPLODED"}"#, r#""status":"EXPLODED","#),
            ("pipeline_run_failed", "{}", r#""status":"FAILED","#),
            ("pipeline_run_killed", r#"{"status":"OTHER"}"#, r#""status":"KILLED","#),
            ("pipeline.completed", r#"{"a":1,"status" : "suc\"cess"}"#, r#""status":"suc\"cess","#),
            ("pipeline.completed", r#"{"status":5}"#, r#""status":null,"#),
        ] {
            let body = shown(BodyFormat::Run, event_type, None, data);
            assert!(body.contains(expected), "{body}");
        }
    }
}
