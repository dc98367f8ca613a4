//! Reading CloudEvents 1.0 (structured, batch and binary mode over HTTP).
//!
//! `type` and `time` are the event's; `id` too where its alphabet allows, else it becomes `evt_` and a hash of
//! `source` and `id`. The extension attributes `pipeline` and `runid` fill those members. `data` must be a JSON
//! object (absent: `{}`); `data_base64` is refused. Every other attribute is kept and comes back in this format.

use super::drafts::{MOST_EVENTS, label, publishable};
use super::problem::Problem;
use crate::model::json::{elements, members, text};
use crate::model::{EventDraft, EventId, Timestamp, Violation, push_json_string};
use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::ops::Range;

/// An attribute: its name, and its value as JSON.
type Attribute<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// Structured mode: one event.
pub(crate) fn structured(body: &Bytes) -> Result<EventDraft, Problem> {
    super::body::check_json(body, 65)?;
    from_object(body, 0..body.len()).map_err(Problem::invalid)
}

/// Batch mode: a list of events.
pub(crate) fn batch(body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    super::body::check_json(body, 66)?;
    let events = elements(body, 0..body.len()).filter(|events| (1..=MOST_EVENTS).contains(&events.len()));
    let Some(events) = events else {
        return Err(Problem::invalid(vec![Violation::new("", "a list of 1 to 1000 CloudEvents")]));
    };
    let mut violations = Vec::new();
    let mut drafts = Vec::with_capacity(events.len());
    for (index, span) in events.into_iter().enumerate() {
        match from_object(body, span) {
            Ok(draft) => drafts.push(draft),
            Err(found) => {
                violations.extend(found.into_iter().map(|violation| violation.under(&format!("/{index}"))));
            }
        }
    }
    if violations.is_empty() { Ok(drafts) } else { Err(Problem::invalid(violations)) }
}

/// Whether a request is a `CloudEvent` in binary mode.
pub(crate) fn is_binary(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("ce-"))
}

/// Binary mode: attributes in `ce-*` headers, the body is the data.
pub(crate) fn binary(headers: &HeaderMap, body: &Bytes) -> Result<EventDraft, Problem> {
    if !body.is_empty() {
        super::body::check_json(body, 64)?;
    }
    let mut attributes: Vec<Attribute<'_>> = Vec::new();
    let mut violations = Vec::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let value = value.to_str().ok().and_then(percent_decoded);
        match value {
            Some(value) if attributes.iter().all(|(known, _)| known != name) => {
                let mut json = Vec::new();
                push_json_string(&mut json, &value);
                attributes.push((Cow::Borrowed(name), Cow::Owned(json)));
            }
            Some(_) => violations.push(Violation::new(format!("/{name}"), "the header stands twice")),
            None => violations.push(Violation::new(format!("/{name}"), "not percent-encoded UTF-8")),
        }
    }
    let data = if body.is_empty() { Bytes::from_static(b"{}") } else { trimmed(body) };
    from_attributes(attributes, data, violations).map_err(Problem::invalid)
}

fn trimmed(body: &Bytes) -> Bytes {
    let inner = body.trim_ascii();
    let start = inner.as_ptr() as usize - body.as_ptr() as usize;
    body.slice(start..start + inner.len())
}

/// `%XX` of UTF-8; `None` for a broken escape.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits)
                .ok()
                .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn from_object(body: &Bytes, span: Range<usize>) -> Result<EventDraft, Vec<Violation>> {
    let Some(found) = members(body, span) else {
        return Err(vec![Violation::new("", "a CloudEvent is an object")]);
    };
    let mut data = Bytes::from_static(b"{}");
    let mut attributes = Vec::with_capacity(found.len());
    let mut violations = Vec::new();
    for (name, span) in found {
        match &*name {
            "data" => data = body.slice(span),
            "data_base64" => violations.push(Violation::new("/data_base64", "binary data is not accepted")),
            _ => attributes.push((name, Cow::Borrowed(&body[span]))),
        }
    }
    from_attributes(attributes, data, violations)
}

fn from_attributes(
    attributes: Vec<Attribute<'_>>,
    data: Bytes,
    violations: Vec<Violation>,
) -> Result<EventDraft, Vec<Violation>> {
    let mut reader = Reader { violations, kept: Vec::new() };
    let mut draft = Found::default();
    for (name, value) in attributes {
        reader.attribute(&name, &value, &mut draft);
    }
    if data.first() != Some(&b'{') {
        reader.violations.push(Violation::new("/data", "data is a JSON object"));
    }
    for (name, found) in [
        ("specversion", draft.specversion),
        ("id", draft.id.is_some()),
        ("source", draft.source.is_some()),
        ("type", draft.event_type.is_some()),
    ] {
        let named = reader.violations.iter().any(|violation| violation.pointer[1..] == *name);
        if !found && !named {
            reader.violations.push(Violation::new(format!("/{name}"), "a CloudEvent needs it"));
        }
    }
    let (Some(event_type), Some(id), Some(source)) = (draft.event_type, draft.id, draft.source) else {
        return Err(reader.violations);
    };
    if !reader.violations.is_empty() {
        return Err(reader.violations);
    }
    Ok(EventDraft {
        id: Some(event_id(&source, &id)),
        event_type,
        timestamp: draft.timestamp,
        pipeline: draft.pipeline,
        run_id: draft.run_id,
        data,
        extensions: Some(object_of(&reader.kept)),
    })
}

#[derive(Default)]
struct Found {
    specversion: bool,
    id: Option<String>,
    source: Option<String>,
    event_type: Option<crate::model::EventType>,
    timestamp: Option<Timestamp>,
    pipeline: Option<Box<str>>,
    run_id: Option<Box<str>>,
}

struct Reader {
    violations: Vec<Violation>,
    /// Attributes that come back as they are.
    kept: Vec<(String, Vec<u8>)>,
}

impl Reader {
    fn attribute(&mut self, name: &str, value: &[u8], found: &mut Found) {
        let string = text(value, 0..value.len());
        let mut keep = false;
        let read: Result<(), String> = match (name, string) {
            ("specversion", Some(version)) => {
                found.specversion = version == "1.0";
                if found.specversion { Ok(()) } else { Err("only CloudEvents 1.0".to_owned()) }
            }
            ("id", Some(id)) if !id.is_empty() && !id.chars().any(char::is_control) => {
                found.id = Some(id.into_owned());
                Ok(())
            }
            ("source", Some(source)) if !source.is_empty() => {
                keep = true;
                found.source = Some(source.into_owned());
                Ok(())
            }
            ("type", Some(text)) => publishable(&text).map(|event_type| found.event_type = Some(event_type)),
            ("time", Some(text)) => {
                let time = Timestamp::parse(&text).map_err(|error| error.to_string());
                time.map(|time| found.timestamp = Some(time))
            }
            ("pipeline", Some(text)) => label(&text).map(|label| found.pipeline = Some(label)),
            ("runid", Some(text)) => label(&text).map(|label| found.run_id = Some(label)),
            // Ours when the event comes back: its place in this log.
            ("sequence", _) => Ok(()),
            ("datacontenttype", Some(kind)) => {
                let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                let is_json = kind == "application/json" || kind.ends_with("+json");
                if is_json { Ok(()) } else { Err("only JSON data is accepted".to_owned()) }
            }
            (
                "specversion" | "id" | "source" | "type" | "time" | "pipeline" | "runid" | "datacontenttype",
                None,
            ) => Err("a string".to_owned()),
            ("id" | "source", Some(_)) => Err("a string that is not empty".to_owned()),
            (name, string) => {
                let is_name = !name.is_empty() && name.len() <= 64;
                let is_name = is_name && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                let is_scalar = string.is_some() || !matches!(value.first(), Some(b'{' | b'['));
                keep = is_name && is_scalar && value != b"null";
                match (is_name, is_scalar) {
                    (false, _) => Err("attribute names are lower-case letters and digits".to_owned()),
                    (_, false) => Err("an attribute is a string, a number or a boolean".to_owned()),
                    _ => Ok(()),
                }
            }
        };
        if let Err(detail) = read {
            self.violations.push(Violation::new(format!("/{}", Violation::escape(name)), detail));
        } else if keep {
            self.kept.push((name.to_owned(), value.to_vec()));
        }
    }
}

fn event_id(source: &str, id: &str) -> EventId {
    if let Ok(id) = EventId::parse(id) {
        return id;
    }
    let digest = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let hex: String = digest[..16].iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect();
    EventId::parse(&format!("evt_{hex}")).expect("hexadecimal digits are in the alphabet")
}

fn hex_digit(nibble: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(nibble)])
}

fn object_of(kept: &[(String, Vec<u8>)]) -> Bytes {
    let mut out = vec![b'{'];
    for (name, value) in kept {
        if out.len() > 1 {
            out.push(b',');
        }
        push_json_string(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structured_event_maps_to_our_members_and_keeps_the_rest() {
        let body = Bytes::from_static(br#"{"specversion":"1.0","id":"a/b c","source":"/x","type":"pipeline.completed","time":"2026-01-01T00:00:00Z","subject":"s","pipeline":"p","runid":"r","traceparent":"00","data":{"n":1.10}}"#);
        let draft = structured(&body).unwrap();
        assert!(draft.id.as_ref().unwrap().as_str().starts_with("evt_"));
        assert_eq!((draft.pipeline.as_deref(), draft.run_id.as_deref()), (Some("p"), Some("r")));
        assert_eq!(draft.extensions.unwrap(), r#"{"source":"/x","subject":"s","traceparent":"00"}"#);
        assert_eq!(draft.data, r#"{"n":1.10}"#);
    }

    #[test]
    fn what_is_no_cloudevent_is_refused_by_member() {
        for (body, pointer) in [
            (r#"{"id":"a","source":"/x","type":"t"}"#, "/specversion"),
            (r#"{"specversion":"2.0","id":"a","source":"/x","type":"t"}"#, "/specversion"),
            (r#"{"specversion":"1.0","id":"","source":"/x","type":"t"}"#, "/id"),
            (
                r#"{"specversion":"1.0","id":"a","source":"/x","type":"t","data_base64":"AA=="}"#,
                "/data_base64",
            ),
            (r#"{"specversion":"1.0","id":"a","source":"/x","type":"t","Ext":"x"}"#, "/Ext"),
            (r#"{"specversion":"1.0","id":"a","source":"/x","type":"t","data":[1]}"#, "/data"),
        ] {
            let problem = structured(&Bytes::from(body)).unwrap_err().to_string();
            assert!(problem.contains(pointer), "{body}: {problem}");
        }
    }

    #[test]
    fn a_broken_escape_in_a_header_is_no_text() {
        assert_eq!(percent_decoded("a%20b%C3%A9"), Some("a bé".to_owned()));
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }
}
