//! The attributes of a `CloudEvent`, however it came: what they must be, and the draft they make.
//!
//! `source`, `subject`, `dataschema` and extensions are kept beside the event as one JSON object, sorted by name
//! after `source`, so that the same event sent again is the same whatever the order of its attributes.

use super::{Names, Texts, Violations, draft_of};
use crate::model::cloudevent::GIVEN_SEQUENCE;
use crate::model::{EventDraft, EventId, Violation, push_json_string};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

const NAMES: Names = Names { timestamp: "time", run_id: "runid" };

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// A boolean or an integer, as written.
    Plain(String),
    /// `null`, which counts as absent, but for its name.
    Absent,
}

impl<'a> Value<'a> {
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Plain(_) | Self::Absent => None,
        }
    }
}

/// The attributes that were given, by name.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(BTreeMap<Cow<'a, str>, Value<'a>>);

impl<'a> Attributes<'a> {
    /// Takes one in.
    pub(super) fn put(&mut self, name: Cow<'a, str>, value: Value<'a>, violations: &mut Violations) {
        let is_name = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && name != "data"
        };
        if !is_name(&name) && value != Value::Absent {
            let cut: String = name.chars().take(super::MAX_NAME).collect();
            let why = "an attribute is named with 1 to 64 of a-z and 0-9, and not data";
            violations.at(&Violation::escape(&cut), why);
            return;
        }
        match self.0.entry(name) {
            Entry::Vacant(free) => {
                free.insert(value);
            }
            Entry::Occupied(taken) => violations.twice(taken.key()),
        }
    }

    /// Takes one in that was not given by its own name.
    pub(super) fn put_default(&mut self, name: &'static str, value: Value<'a>) {
        self.0.entry(Cow::Borrowed(name)).or_insert(value);
    }

    /// Takes out one that must be a text.
    fn text(&mut self, name: &str, violations: &mut Violations) -> Option<Cow<'a, str>> {
        let text = self.0.remove(name)?.into_text();
        if text.is_none() {
            violations.at(name, "must be a string");
        }
        text
    }

    fn required(&mut self, name: &str, violations: &mut Violations) -> Option<Cow<'a, str>> {
        if !self.0.contains_key(name) {
            violations.at(name, "is required");
        }
        let text = self.text(name, violations)?;
        if text.is_empty() {
            violations.at(name, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// Checks what need not be there and is kept as it is. The usual type of data goes without saying.
    fn check_optional(&mut self, violations: &mut Violations) {
        for name in ["subject", "dataschema"] {
            match self.0.get(name) {
                Some(Value::Text(text)) if text.is_empty() => violations.at(name, "must not be empty"),
                Some(Value::Plain(_)) => violations.at(name, "must be a string"),
                _ => {}
            }
        }
        let Some(kind) = self.text("datacontenttype", violations) else { return };
        if !is_json(&kind) {
            violations
                .at("datacontenttype", "only JSON data is taken: application/json or a type ending in +json");
        } else if !essence(&kind).eq_ignore_ascii_case("application/json") {
            self.0.insert(Cow::Borrowed("datacontenttype"), Value::Text(kind));
        }
    }

    /// What an event says of its `sequence` is its place where it comes from; here it gets another, which is told under
    /// that name. So the given one is kept beside it. One that is there already comes from further back, and stays.
    fn keep_sequence(&mut self) {
        if let Some(given) = self.0.remove("sequence") {
            self.0.entry(Cow::Borrowed(GIVEN_SEQUENCE)).or_insert(given);
        }
    }

    /// The draft that these attributes and `data` make.
    pub(super) fn into_draft(
        mut self,
        data: Option<Bytes>,
        violations: &mut Violations,
    ) -> Option<EventDraft> {
        let before = violations.count();
        self.0.retain(|_, value| *value != Value::Absent);
        self.keep_sequence();
        let version = self.required("specversion", violations);
        if version.is_some_and(|version| version != "1.0") {
            violations.at("specversion", "must be 1.0");
        }
        let (id, source) = (self.required("id", violations), self.required("source", violations));
        self.check_optional(violations);
        let texts = Texts {
            id: id.zip(source.as_deref()).map(|(id, source)| event_id(id, source)),
            event_type: self.required("type", violations),
            timestamp: self.text("time", violations),
            pipeline: self.text("pipeline", violations),
            run_id: self.text("runid", violations),
        };
        let mut draft = draft_of(&texts, &NAMES, data, violations)?;
        draft.extensions = Some(self.kept(source.as_deref().unwrap_or_default()));
        (violations.count() == before).then_some(draft)
    }

    /// What is left, as it is kept beside the event.
    fn kept(self, source: &str) -> Bytes {
        let mut out = br#"{"source":"#.to_vec();
        push_json_string(&mut out, source);
        for (name, value) in self.0 {
            out.push(b',');
            push_json_string(&mut out, &name);
            out.push(b':');
            match value {
                Value::Text(text) => push_json_string(&mut out, &text),
                Value::Plain(text) => out.extend_from_slice(text.as_bytes()),
                Value::Absent => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        out.into()
    }
}

/// Whether a media type is JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type).to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// The given id where it is one, else `evt_` and a hash of the two texts that make a `CloudEvent` unique.
fn event_id<'a>(id: Cow<'a, str>, source: &str) -> Cow<'a, str> {
    if EventId::parse(&id).is_ok() {
        return id;
    }
    // The length in between keeps "a" + "bc" apart from "ab" + "c".
    let digest = Sha256::new()
        .chain_update((source.len() as u64).to_le_bytes())
        .chain_update(source)
        .chain_update(&*id);
    let mut made = "evt_".to_owned();
    for byte in &digest.finalize()[..20] {
        made.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    Cow::Owned(made)
}
