//! `CloudEvents` 1.0 as publishers send them: structured, batched, or with the attributes in headers.
//!
//! Decided here: a body that is structured may not come with `ce-` headers (400); `data` must be a JSON object,
//! without data, which in binary mode is an empty body, it is `{}`; `data_base64` is refused (422); `null` attributes
//! count as absent.

use super::attributes::{Attributes, Value};
use super::native::read_data;
use super::{DATA_DEPTH, MAX_BATCH, Violations, check_count};
use crate::http::problem::Problem;
use crate::model::json::{JsonKind, JsonReader, Malformed};
use crate::model::{EventDraft, Violation};
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use std::borrow::Cow;

const NO_DATA: &[u8] = b"{}";

/// Reads a body of `application/cloudevents+json`.
pub(crate) fn read_structured(body: &Bytes) -> Result<EventDraft, Problem> {
    let mut reader = JsonReader::new(body)?;
    let mut violations = Violations::default();
    let draft = read_event(&mut reader, body, &mut violations)?;
    reader.finish()?;
    violations.into_result(draft)?.ok_or_else(|| Problem::invalid(Vec::new()))
}

/// Reads a body of `application/cloudevents-batch+json`.
pub(crate) fn read_structured_batch(body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    let mut reader = JsonReader::new(body)?;
    let mut violations = Violations::in_elements("");
    let mut drafts = Vec::new();
    if reader.kind()? != JsonKind::Array {
        reader.value(DATA_DEPTH)?;
        reader.finish()?;
        return Err(Violation::new("", "must be an array of CloudEvents").into());
    }
    reader.enter_array()?;
    let mut count = 0;
    while reader.next_element(count == 0)? {
        if count < MAX_BATCH {
            violations.element = Some(count);
            drafts.extend(read_event(&mut reader, body, &mut violations)?);
        } else {
            reader.value(DATA_DEPTH)?;
        }
        count += 1;
    }
    reader.finish()?;
    check_count(count, "", &mut violations);
    violations.into_result(drafts)
}

fn read_event(
    reader: &mut JsonReader<'_>,
    body: &Bytes,
    violations: &mut Violations,
) -> Result<Option<EventDraft>, Malformed> {
    if reader.kind()? != JsonKind::Object {
        reader.value(DATA_DEPTH)?;
        reader.take_broken(0);
        violations.add(Violation::new("", "a CloudEvent must be a JSON object"));
        return Ok(None);
    }
    let before = violations.count();
    let start = reader.offset();
    let mut attributes = Attributes::default();
    let mut data = None;
    let mut first = true;
    reader.enter_object()?;
    while let Some(name) = reader.next_key(first)? {
        first = false;
        match (&*name, reader.kind()?) {
            ("data", kind) => {
                if data.is_some() {
                    violations.twice("data");
                }
                data = Some(if kind == JsonKind::Null {
                    reader.value(0)?;
                    Some(Bytes::from_static(NO_DATA))
                } else {
                    read_data(reader, body, violations)?
                });
            }
            ("data_base64", _) => {
                reader.value(DATA_DEPTH)?;
                violations.at("data_base64", "only JSON data is taken: put it into data");
            }
            (_, JsonKind::String) => {
                let value = Value::Text(reader.string()?);
                attributes.put(name, value, violations);
            }
            (_, JsonKind::Null) => {
                reader.value(0)?;
                attributes.put(name, Value::Absent, violations);
            }
            (_, kind) => put_plain(reader, body, name, kind, &mut attributes, violations)?,
        }
        if let Some(broken) = reader.take_broken(start) {
            violations.add(broken);
        }
    }
    let data = data.unwrap_or_else(|| Some(Bytes::from_static(NO_DATA)));
    let draft = attributes.into_draft(data, violations);
    Ok(draft.filter(|_| violations.count() == before))
}

/// Takes in an attribute that is no string: a boolean or a 32-bit integer.
fn put_plain<'a>(
    reader: &mut JsonReader<'a>,
    body: &Bytes,
    name: Cow<'a, str>,
    kind: JsonKind,
    attributes: &mut Attributes<'a>,
    violations: &mut Violations,
) -> Result<(), Malformed> {
    let span = reader.value(DATA_DEPTH)?;
    let text = std::str::from_utf8(&body[span]).unwrap_or_default();
    if kind == JsonKind::Bool || text.parse::<i32>().is_ok() {
        attributes.put(name, Value::Plain(text.to_owned()), violations);
    } else {
        let cut: String = name.chars().take(super::MAX_NAME).collect();
        let why = "an attribute is a string, a boolean or a 32-bit integer";
        violations.at(&Violation::escape(&cut), why);
    }
    Ok(())
}

/// Reads an event whose attributes are in `ce-` headers and whose data is the body, of the type that the body has.
pub(crate) fn read_binary(headers: &HeaderMap, body: &Bytes) -> Result<EventDraft, Problem> {
    let mut violations = Violations::default();
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("ce-") {
            let text = header_text(value.as_bytes()).ok_or_else(|| {
                let detail = format!("the header ce-{name} is not percent-encoded UTF-8");
                Problem::malformed("malformed_attribute", detail)
            })?;
            attributes.put(Cow::Borrowed(name), Value::Text(Cow::Owned(text)), &mut violations);
        }
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let data = match kind {
        _ if body.is_empty() => Some(Bytes::from_static(NO_DATA)),
        None => return Err(Problem::unsupported_media_type("the data has no Content-Type")),
        Some(_) => read_binary_data(body, &mut violations)?,
    };
    if let Some(kind) = kind {
        attributes.put_default("datacontenttype", Value::Text(Cow::Borrowed(kind)));
    }
    let draft = attributes.into_draft(data, &mut violations);
    violations.into_result(draft)?.ok_or_else(|| Problem::invalid(Vec::new()))
}

fn read_binary_data(body: &Bytes, violations: &mut Violations) -> Result<Option<Bytes>, Malformed> {
    let mut reader = JsonReader::new(body)?;
    let data = read_data(&mut reader, body, violations)?;
    reader.finish()?;
    if let Some(broken) = reader.take_broken(0) {
        violations.add(broken.under("/data"));
    }
    Ok(data)
}

/// An attribute's value as the HTTP binding writes it (section 3.1.3.2): printable ASCII with `%XX` for the rest. It may
/// stand in quotes, where a backslash lets the next character stand for itself.
fn header_text(value: &[u8]) -> Option<String> {
    let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = quoted.unwrap_or(value).iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(*digit).to_digit(16));
                out.push((digit()? * 16 + digit()?) as u8);
            }
            b'\\' if quoted.is_some() => out.push(*bytes.next()?),
            0x20..=0x7e => out.push(*byte),
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}
