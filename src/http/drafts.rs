//! Reading events as publishers write them: which members there are, what each must be, where it is not.

use super::problem::Problem;
use crate::model::json::{self, elements, members};
use crate::model::{EventDraft, EventId, EventType, Timestamp, Violation};
use bytes::Bytes;
use std::ops::Range;

/// Levels that `data` may have, itself counted.
const DATA_DEPTH: usize = 64;

/// The most events of one request.
pub(crate) const MOST_EVENTS: usize = 1000;

/// Violations beyond this many are not listed.
const MOST_VIOLATIONS: usize = 100;

/// One event: `{"type","data","id"?,"timestamp"?,"pipeline"?,"run_id"?}`.
pub(crate) fn single(body: &Bytes) -> Result<EventDraft, Problem> {
    super::body::check_json(body, DATA_DEPTH + 1)?;
    draft(body, 0..body.len()).map_err(Problem::invalid)
}

/// `{"events": [...]}`.
pub(crate) fn batch(body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    super::body::check_json(body, DATA_DEPTH + 3)?;
    let mut violations = Vec::new();
    let mut events = None;
    let Some(found) = members(body, 0..body.len()) else {
        return Err(Problem::invalid(vec![Violation::new("", "an object with the member events")]));
    };
    for (name, span) in found {
        if name == "events" {
            events = elements(body, span);
        } else {
            violations.push(unknown(&name));
        }
    }
    let Some(events) = events.filter(|events| (1..=MOST_EVENTS).contains(&events.len())) else {
        violations.push(Violation::new("/events", "a list of 1 to 1000 events"));
        return Err(Problem::invalid(violations));
    };
    let drafts = events.into_iter().enumerate().map(|(index, span)| (format!("/events/{index}"), span));
    collect(body, drafts, violations)
}

/// One event a line; empty lines are skipped.
pub(crate) fn lines(body: &Bytes) -> Result<Vec<EventDraft>, Problem> {
    let mut spans = Vec::new();
    let mut problems = Vec::new();
    let mut start = 0;
    for line in body.split(|byte| *byte == b'\n') {
        let end = start + line.len();
        if !line.trim_ascii().is_empty() {
            let scanned = json::scan(line, DATA_DEPTH + 1)
                .map_err(|malformed| json::Malformed { offset: start + malformed.offset, ..malformed })?;
            let prefix = format!("/events/{}", spans.len());
            problems.extend(scanned.into_iter().map(|violation| violation.under(&prefix)));
            spans.push(start..end);
        }
        start = end + 1;
    }
    if !(1..=MOST_EVENTS).contains(&spans.len()) {
        problems.push(Violation::new("/events", "1 to 1000 lines, an event each"));
    }
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let drafts = spans.into_iter().enumerate().map(|(index, span)| (format!("/events/{index}"), span));
    collect(body, drafts, Vec::new())
}

fn collect(
    body: &Bytes,
    events: impl Iterator<Item = (String, Range<usize>)>,
    mut violations: Vec<Violation>,
) -> Result<Vec<EventDraft>, Problem> {
    let mut drafts = Vec::new();
    for (prefix, span) in events {
        match draft(body, span) {
            Ok(draft) => drafts.push(draft),
            Err(found) => violations.extend(found.into_iter().map(|violation| violation.under(&prefix))),
        }
        if violations.len() >= MOST_VIOLATIONS {
            break;
        }
    }
    if violations.is_empty() { Ok(drafts) } else { Err(Problem::invalid(violations)) }
}

fn unknown(name: &str) -> Violation {
    Violation::new(format!("/{}", Violation::escape(name)), "there is no such member")
        .with_code("unknown_member")
}

/// Reads the event at `span` of a text that has been checked.
fn draft(body: &Bytes, span: Range<usize>) -> Result<EventDraft, Vec<Violation>> {
    let Some(found) = members(body, span) else {
        return Err(vec![Violation::new("", "an event is an object")]);
    };
    let mut reader = Reader { body, violations: Vec::new() };
    let (mut event_type, mut data, mut id, mut timestamp, mut pipeline, mut run_id) =
        (None, None, None, None, None, None);
    let (mut has_type, mut has_data) = (false, false);
    for (name, span) in found {
        match &*name {
            "type" => {
                has_type = true;
                event_type = reader.text("/type", span, publishable);
            }
            "data" => {
                has_data = true;
                data = reader.object(span);
            }
            "id" => {
                id = reader.text("/id", span, |text| EventId::parse(text).map_err(|error| error.to_string()));
            }
            "timestamp" => {
                let parse = |text: &str| Timestamp::parse(text).map_err(|error| error.to_string());
                timestamp = reader.text("/timestamp", span, parse);
            }
            "pipeline" => pipeline = reader.text("/pipeline", span, label),
            "run_id" => run_id = reader.text("/run_id", span, label),
            other => reader.violations.push(unknown(other)),
        }
    }
    if !has_type {
        reader.violations.push(Violation::new("/type", "an event needs a type"));
    }
    if !has_data {
        reader.violations.push(Violation::new("/data", "an event needs data"));
    }
    match (event_type, data) {
        (Some(event_type), Some(data)) if reader.violations.is_empty() => {
            Ok(EventDraft { id, event_type, timestamp, pipeline, run_id, data, extensions: None })
        }
        _ => Err(reader.violations),
    }
}

struct Reader<'a> {
    body: &'a Bytes,
    violations: Vec<Violation>,
}

impl Reader<'_> {
    fn text<T>(
        &mut self,
        pointer: &str,
        span: Range<usize>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match json::text(self.body, span) {
            Some(text) => parse(&text),
            None => Err("a string".to_owned()),
        };
        parsed.map_err(|detail| self.violations.push(Violation::new(pointer, detail))).ok()
    }

    fn object(&mut self, span: Range<usize>) -> Option<Bytes> {
        if self.body[span.start] == b'{' {
            return Some(self.body.slice(span));
        }
        self.violations.push(Violation::new("/data", "data is a JSON object"));
        None
    }
}

/// A type that may be published from outside.
pub(crate) fn publishable(text: &str) -> Result<EventType, String> {
    let event_type = EventType::parse(text)?;
    event_type.check_publishable()?;
    Ok(event_type)
}

/// A pipeline or run.
pub(crate) fn label(text: &str) -> Result<Box<str>, String> {
    if (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.into())
    } else {
        Err("1 to 256 characters, none of them a control character".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(problem: Problem) -> String {
        problem.to_string()
    }

    #[test]
    fn an_event_keeps_the_bytes_of_its_data() {
        let body = Bytes::from_static(br#" {"data": { "b":1.10, "a":1e400 } ,"type":"pipeline.completed","id":"x","pipeline":"p\u00e9"} "#);
        let draft = single(&body).unwrap();
        assert_eq!(draft.data, r#"{ "b":1.10, "a":1e400 }"#);
        assert_eq!(draft.pipeline.as_deref(), Some("pé"));
        assert_eq!(draft.id.unwrap().as_str(), "x");
    }

    #[test]
    fn everything_wrong_with_an_event_is_named() {
        let body = Bytes::from_static(
            br#"{"tpye":1,"type":"a b","data":[],"id":"a.b","timestamp":"x","run_id":""}"#,
        );
        assert!(pointers(single(&body).unwrap_err()).contains("6 rules"));
        assert!(pointers(single(&Bytes::from_static(b"{}")).unwrap_err()).contains("2 rules"));
        let reserved = Bytes::from_static(br#"{"type":"stream.x","data":{}}"#);
        assert!(pointers(single(&reserved).unwrap_err()).contains("/type"));
    }

    #[test]
    fn a_batch_names_the_event_and_depth_counts_from_data() {
        let body =
            Bytes::from_static(br#"{"events":[{"type":"a","data":{}},{"type":"a","data":{},"x~/y":1}]}"#);
        assert!(pointers(batch(&body).unwrap_err()).contains("/events/1/x~0~1y"));
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let event = |depth| Bytes::from(format!(r#"{{"type":"a","data":{}}}"#, nested(depth)));
        assert!(single(&event(64)).is_ok());
        assert!(single(&event(65)).is_err());
        let events =
            |depth| Bytes::from(format!(r#"{{"events":[{{"type":"a","data":{}}}]}}"#, nested(depth)));
        assert!(batch(&events(64)).is_ok());
        assert!(batch(&events(65)).is_err());
    }

    #[test]
    fn lines_are_events_and_a_malformed_one_is_placed_in_the_body() {
        let body = Bytes::from_static(b"{\"type\":\"a\",\"data\":{}}\r\n\n{\"type\":\"b\",\"data\":{}}\n");
        assert_eq!(lines(&body).unwrap().len(), 2);
        let broken = Bytes::from_static(b"{\"type\":\"a\",\"data\":{}}\n{");
        assert!(pointers(lines(&broken).unwrap_err()).contains("byte 24"));
    }
}
