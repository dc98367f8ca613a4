//! Events in the broker's own form: one object, `{"events": [...]}`, or one object a line.

use super::{DATA_DEPTH, MAX_BATCH, Names, Texts, Violations, check_count, draft_of, string_member};
use crate::http::problem::Problem;
use crate::model::json::{JsonKind, JsonReader, Malformed};
use crate::model::{EventDraft, Violation};
use bytes::Bytes;

const NAMES: Names = Names { timestamp: "timestamp", run_id: "run_id" };
const KNOWN: &str = "id, type, timestamp, pipeline, run_id, data";

/// Reads a body that is one event.
pub(crate) fn read_single(body: &Bytes) -> Result<EventDraft, Problem> {
    let mut reader = JsonReader::new(body)?;
    let mut violations = Violations::default();
    let draft = read_event(&mut reader, body, &mut violations)?;
    reader.finish()?;
    match violations.into_result(draft)? {
        Some(draft) => Ok(draft),
        None => Err(Problem::invalid(Vec::new())),
    }
}

/// Reads a body that is `{"events": [...]}`.
pub(crate) fn read_batch(body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    let mut reader = JsonReader::new(body)?;
    let mut violations = Violations::in_elements("/events");
    let mut drafts = None;
    if reader.kind()? == JsonKind::Object {
        reader.enter_object()?;
        let mut first = true;
        while let Some(name) = reader.next_key(first)? {
            first = false;
            if name != "events" {
                reader.value(DATA_DEPTH)?;
                violations.unknown(&name, "events");
            } else if drafts.is_some() {
                reader.value(DATA_DEPTH)?;
                violations.twice("events");
            } else {
                drafts = Some(read_elements(&mut reader, body, &mut violations)?);
            }
        }
    } else {
        reader.value(DATA_DEPTH)?;
        violations.add(Violation::new("", r#"must be an object {"events": [...]}"#));
    }
    reader.finish()?;
    if drafts.is_none() && violations.count() == 0 {
        violations.at("events", "is required");
    }
    violations.into_result(drafts.unwrap_or_default())
}

fn read_elements(
    reader: &mut JsonReader<'_>,
    body: &Bytes,
    violations: &mut Violations,
) -> Result<Vec<EventDraft>, Malformed> {
    let mut drafts = Vec::new();
    if reader.kind()? != JsonKind::Array {
        reader.value(DATA_DEPTH)?;
        violations.at("events", "must be an array");
        return Ok(drafts);
    }
    reader.enter_array()?;
    let mut count = 0;
    while reader.next_element(count == 0)? {
        if count < MAX_BATCH {
            violations.element = Some(count);
            drafts.extend(read_event(reader, body, violations)?);
        } else {
            reader.value(DATA_DEPTH)?;
        }
        count += 1;
    }
    check_count(count, "/events", violations);
    Ok(drafts)
}

/// Reads a body with one event a line; lines of white space alone are passed over. Offsets are those of the
/// whole body, and events count from zero in pointers, as if they stood in an array.
pub(crate) fn read_lines(body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    let mut violations = Violations::in_elements("/events");
    let mut drafts = Vec::new();
    let mut count = 0;
    let mut start = 0;
    while start < body.len() {
        let end = memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |at| start + at);
        let line = body.slice(start..end);
        let here = |malformed: Malformed| Malformed { offset: malformed.offset + start, ..malformed };
        if !line.trim_ascii().is_empty() {
            if count < MAX_BATCH {
                violations.element = Some(count);
                let mut reader = JsonReader::new(&line).map_err(here)?;
                let draft = read_event(&mut reader, &line, &mut violations).map_err(here)?;
                reader.finish().map_err(here)?;
                drafts.extend(draft);
            }
            count += 1;
        }
        start = end + 1;
    }
    if count == 0 {
        return Err(Malformed { offset: body.len(), expected: "at least one line with an event" }.into());
    }
    check_count(count, "", &mut violations);
    violations.into_result(drafts)
}

/// Reads one event. `None` when it breaks a rule, which is then among the violations.
fn read_event(
    reader: &mut JsonReader<'_>,
    body: &Bytes,
    violations: &mut Violations,
) -> Result<Option<EventDraft>, Malformed> {
    let before = violations.count();
    if reader.kind()? != JsonKind::Object {
        reader.value(DATA_DEPTH)?;
        reader.take_broken(0);
        violations.add(Violation::new("", "an event must be a JSON object"));
        return Ok(None);
    }
    let start = reader.offset();
    let mut texts = Texts::default();
    let mut data = None;
    let mut seen = 0_u8;
    let mut first = true;
    reader.enter_object()?;
    while let Some(name) = reader.next_key(first)? {
        first = false;
        let bit = match &*name {
            "id" => 1,
            "type" => 2,
            "timestamp" => 4,
            "pipeline" => 8,
            "run_id" => 16,
            "data" => 32,
            unknown => {
                reader.value(DATA_DEPTH)?;
                violations.unknown(unknown, KNOWN);
                0
            }
        };
        if seen & bit != 0 {
            violations.twice(&name);
        }
        seen |= bit;
        match bit {
            1 => texts.id = string_member(reader, &name, violations)?,
            2 => texts.event_type = string_member(reader, &name, violations)?,
            4 => texts.timestamp = string_member(reader, &name, violations)?,
            8 => texts.pipeline = string_member(reader, &name, violations)?,
            16 => texts.run_id = string_member(reader, &name, violations)?,
            32 => data = read_data(reader, body, violations)?,
            _ => {}
        }
        if let Some(broken) = reader.take_broken(start) {
            violations.add(broken);
        }
    }
    for (bit, name) in [(2, "type"), (32, "data")] {
        if seen & bit == 0 {
            violations.at(name, "is required");
        }
    }
    let draft = draft_of(&texts, &NAMES, data, violations);
    Ok(draft.filter(|_| violations.count() == before))
}

/// Reads `data`: any JSON object, kept as it is written.
pub(super) fn read_data(
    reader: &mut JsonReader<'_>,
    body: &Bytes,
    violations: &mut Violations,
) -> Result<Option<Bytes>, Malformed> {
    let is_object = reader.kind()? == JsonKind::Object;
    let span = reader.value(DATA_DEPTH)?;
    if !is_object {
        violations.at("data", "must be a JSON object");
        return Ok(None);
    }
    Ok(Some(body.slice(span)))
}
