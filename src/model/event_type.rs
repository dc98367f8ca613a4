//! What is known of an event type: what it means, when its functions run, what its data must be.

use super::{BodyFormat, DataSchema, EventId, EventMode, EventType, Timestamp, push_json_string};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Event types by name.
pub type EventTypes = BTreeMap<EventType, Arc<EventTypeDefinition>>;

/// An event type, shipped in a catalog or a tenant's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTypeDefinition {
    /// Its name.
    pub name: EventType,
    /// When it is published, for people.
    pub description: String,
    /// When its functions run.
    pub mode: EventMode,
    /// The catalog it came with; `None` for a tenant's own.
    pub catalog: Option<String>,
    /// What `data` must be; `None` takes any object.
    pub schema: Option<DataSchema>,
    /// An event as it might be; `None` when none was given and none could be made.
    pub sample: Option<SampleEvent>,
    /// Not to be used by new publishers.
    pub deprecated: bool,
    /// The body that webhooks of this type have where a destination names none.
    pub format: Option<BodyFormat>,
}

/// An example of an event: what a publisher would give, with an id and a time where the example has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleEvent {
    /// An id.
    pub id: Option<EventId>,
    /// When it happened.
    pub timestamp: Option<Timestamp>,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// The run it belongs to.
    pub run_id: Option<String>,
    /// Its data: the text of a JSON object that the schema takes.
    pub data: String,
}

impl SampleEvent {
    /// A sample that has data only.
    pub fn of_data(data: impl Into<String>) -> Self {
        Self { id: None, timestamp: None, pipeline: None, run_id: None, data: data.into() }
    }
}

impl EventTypeDefinition {
    /// The sample as an event: JSON in the shape that events have everywhere. `at` is its time where it has none.
    pub fn sample_event(&self, at: Timestamp) -> Option<Vec<u8>> {
        let sample = self.sample.as_ref()?;
        let mut out = Vec::with_capacity(sample.data.len() + 160);
        let timestamp = sample.timestamp.unwrap_or(at).to_string();
        let members = [
            (r#"{"id":"#, Some(sample.id.as_ref().map_or("evt_sample", EventId::as_str))),
            (r#","type":"#, Some(self.name.as_str())),
            (r#","timestamp":"#, Some(&*timestamp)),
            (r#","pipeline":"#, sample.pipeline.as_deref()),
            (r#","run_id":"#, sample.run_id.as_deref()),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                push_json_string(&mut out, value);
            }
        }
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(sample.data.as_bytes());
        out.push(b'}');
        Some(out)
    }
}
