//! The catalogs that ship with the program: event types with descriptions, schemas and samples.
//!
//! One JSON file each, compiled in. What must hold, and is tested: every file reads, every schema is within the
//! bounds, every sample is valid, no type is in two catalogs.

use crate::model::json::compact;
use crate::model::{
    BodyFormat, DataSchema, EventId, EventMode, EventType, EventTypeDefinition, EventTypes, SampleEvent,
    Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Every catalog by its name.
const FILES: [(&str, &str); 5] = [
    ("acme", include_str!("acme.json")),
    ("deck", include_str!("deck.json")),
    ("peliqan", include_str!("peliqan.json")),
    ("activepieces", include_str!("activepieces.json")),
    ("taruvi", include_str!("taruvi.json")),
];

/// The names of the catalogs, as `events.catalogs` takes them.
pub const NAMES: [&str; 5] = [FILES[0].0, FILES[1].0, FILES[2].0, FILES[3].0, FILES[4].0];

#[derive(Deserialize)]
struct File<'a> {
    catalog: &'a str,
    format: BodyFormat,
    #[serde(borrow)]
    types: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    name: EventType,
    description: String,
    #[serde(default)]
    mode: EventMode,
    #[serde(borrow)]
    schema: &'a RawValue,
    sample: Sample<'a>,
}

#[derive(Deserialize)]
struct Sample<'a> {
    id: Option<EventId>,
    timestamp: Option<String>,
    pipeline: Option<String>,
    run_id: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The types of some catalogs; names that are none are passed over. Schemas are compiled when they are first needed.
pub fn load<'n>(names: impl IntoIterator<Item = &'n str>) -> EventTypes {
    let mut types = EventTypes::new();
    for name in names {
        let file = FILES.iter().find(|(known, _)| *known == name);
        types.extend(file.map(|(_, text)| read(text)).unwrap_or_default());
    }
    types
}

/// Reads a file of this program: a test reads them all, so none fails.
fn read(text: &str) -> EventTypes {
    let Ok(file) = serde_json::from_str::<File<'_>>(text) else { return EventTypes::new() };
    let definition = |entry: Entry<'_>| {
        let definition = EventTypeDefinition {
            name: entry.name.clone(),
            description: entry.description,
            mode: entry.mode,
            catalog: Some(file.catalog.to_owned()),
            schema: Some(DataSchema::from(compacted(entry.schema))),
            sample: Some(SampleEvent {
                id: entry.sample.id,
                timestamp: entry.sample.timestamp.and_then(|text| Timestamp::parse(&text).ok()),
                pipeline: entry.sample.pipeline,
                run_id: entry.sample.run_id,
                data: compacted(entry.sample.data),
            }),
            deprecated: false,
            format: Some(file.format),
        };
        (entry.name, Arc::new(definition))
    };
    file.types.into_iter().map(definition).collect()
}

fn compacted(raw: &RawValue) -> String {
    String::from_utf8_lossy(&compact(raw.get().as_bytes())).into_owned()
}
