//! Reading what publishers send into checked drafts, without a tree in between: one event, a batch, lines.
//!
//! What must hold: `data` is never parsed, only scanned, and stays byte for byte; every broken rule is named with
//! a pointer, the first [`MAX_VIOLATIONS`] of them; one broken rule anywhere and nothing is published.

mod attributes;
mod cloudevents;
mod native;
#[cfg(test)]
mod tests;

pub(crate) use attributes::is_json;
pub(crate) use cloudevents::{read_binary, read_structured, read_structured_batch};
pub(crate) use native::{read_batch, read_lines, read_single};

use super::problem::Problem;
use crate::model::json::{JsonKind, JsonReader, Malformed};
use crate::model::{EventDraft, EventId, EventType, Timestamp, Violation};
use std::borrow::Cow;

/// Data nests at most so deep, the data object itself included.
const DATA_DEPTH: usize = 64;

/// The most events of one request.
const MAX_BATCH: usize = 1000;

/// An answer names no more broken rules than this.
const MAX_VIOLATIONS: usize = 100;

/// Names in pointers are cut to this many characters.
const MAX_NAME: usize = 128;

/// Broken rules as they are found, each with its pointer.
#[derive(Debug, Default)]
struct Violations {
    found: Vec<Violation>,
    /// The event being read within its request; `None` when the request is one event.
    element: Option<usize>,
    /// Where the elements are in the document.
    under: &'static str,
}

impl Violations {
    fn in_elements(under: &'static str) -> Self {
        Self { under, ..Self::default() }
    }

    /// Adds one about a member of the event being read.
    fn add(&mut self, violation: Violation) {
        if self.found.len() >= MAX_VIOLATIONS {
            return;
        }
        self.found.push(match self.element {
            Some(index) => violation.under(&format!("{}/{index}", self.under)),
            None => violation,
        });
    }

    fn at(&mut self, name: &str, detail: impl Into<String>) {
        self.add(Violation::new(format!("/{name}"), detail));
    }

    fn unknown(&mut self, name: &str, known: &str) {
        let cut: String = name.chars().take(MAX_NAME).collect();
        let violation = Violation::new(
            format!("/{}", Violation::escape(&cut)),
            format!("unknown member; known are {known}"),
        );
        self.add(violation.with_code("unknown_member"));
    }

    fn twice(&mut self, name: &str) {
        let cut: String = name.chars().take(MAX_NAME).collect();
        let violation =
            Violation::new(format!("/{}", Violation::escape(&cut)), "this member name is given twice");
        self.add(violation.with_code("duplicate_key"));
    }

    fn count(&self) -> usize {
        self.found.len()
    }

    fn into_result<T>(self, value: T) -> Result<T, Problem> {
        if self.found.is_empty() { Ok(value) } else { Err(Problem::invalid(self.found)) }
    }
}

/// Checks that there are 1 to 1000 events.
fn check_count(count: usize, pointer: &str, violations: &mut Violations) {
    violations.element = None;
    if count == 0 {
        violations.add(Violation::new(pointer, "must have at least one event"));
    }
    if count > MAX_BATCH {
        violations.add(Violation::new(pointer, format!("has {count} events, {MAX_BATCH} are allowed")));
    }
}

/// Reads a member that must be a string.
fn string_member<'a>(
    reader: &mut JsonReader<'a>,
    name: &str,
    violations: &mut Violations,
) -> Result<Option<Cow<'a, str>>, Malformed> {
    if reader.kind()? == JsonKind::String {
        return reader.string().map(Some);
    }
    reader.value(DATA_DEPTH)?;
    violations.at(name, "must be a string; leave the member out when there is none");
    Ok(None)
}

/// The members of an event that are texts, as they are given.
#[derive(Debug, Default)]
struct Texts<'a> {
    id: Option<Cow<'a, str>>,
    event_type: Option<Cow<'a, str>>,
    timestamp: Option<Cow<'a, str>>,
    pipeline: Option<Cow<'a, str>>,
    run_id: Option<Cow<'a, str>>,
}

/// What the members are called in the document, for pointers.
struct Names {
    timestamp: &'static str,
    run_id: &'static str,
}

/// Checks the texts and makes a draft of them. `None` when a rule is broken, which is then among the violations.
fn draft_of(
    texts: &Texts<'_>,
    names: &Names,
    data: Option<bytes::Bytes>,
    violations: &mut Violations,
) -> Option<EventDraft> {
    let event_type = texts.event_type.as_deref().and_then(|text| {
        let parsed = EventType::parse(text).and_then(|kind| kind.check_publishable().map(|()| kind));
        parsed.map_err(|why| violations.at("type", why)).ok()
    });
    let id = texts
        .id
        .as_deref()
        .and_then(|text| EventId::parse(text).map_err(|why| violations.at("id", why.to_string())).ok());
    let timestamp = texts.timestamp.as_deref().and_then(|text| {
        Timestamp::parse(text).map_err(|why| violations.at(names.timestamp, why.to_string())).ok()
    });
    let pipeline = label("pipeline", texts.pipeline.as_deref(), violations);
    let run_id = label(names.run_id, texts.run_id.as_deref(), violations);
    Some(EventDraft {
        id,
        event_type: event_type?,
        timestamp,
        pipeline,
        run_id,
        data: data?,
        extensions: None,
    })
}

fn label(name: &str, text: Option<&str>, violations: &mut Violations) -> Option<Box<str>> {
    let text = text?;
    let fits = !text.is_empty()
        && text.len() <= 4 * 256
        && text.chars().count() <= 256
        && !text.chars().any(char::is_control);
    if !fits {
        violations.at(name, "must have 1 to 256 characters, none of them a control character");
        return None;
    }
    Some(text.into())
}
