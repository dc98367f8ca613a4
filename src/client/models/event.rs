//! Events, their types, and the keys that may publish and hear them.

use super::{Secret, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An event. `data` is byte for byte as it was published.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Its id: the same wherever it is heard.
    pub id: String,
    /// Its type, such as `pipeline.completed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened.
    pub timestamp: Time,
    /// The pipeline it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// The run it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Its place in the log, where the source of the event tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What it says: a JSON object.
    pub data: Box<RawValue>,
}

impl Event {
    /// What it says, as a type of the caller's.
    pub fn data<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.data.get())
    }
}

/// Where one event of a batch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Its place in the log.
    pub sequence: u64,
}

model! {
    /// A type of events.
    EventTypeInfo {
        /// Its name.
        name: String,
        /// What it is for.
        description: String,
        /// `notify`, `pre` or `post`.
        mode: String,
        /// The catalog it comes from.
        catalog: Option<String>,
        /// A JSON Schema that `data` satisfies.
        schema: Option<Value>,
        /// An example of `data`.
        sample: Option<Value>,
        /// How webhooks write it unless a destination says otherwise.
        format: Option<String>,
        /// Whether it should not be used any more.
        deprecated: bool,
    }
}

model! {
    /// A key.
    Key {
        /// Its id.
        id: String,
        /// What it is for.
        name: String,
        /// What it may do.
        scopes: Vec<String>,
        /// How it ends.
        hint: Option<String>,
        /// Whether it is declared in the broker's config.
        declared: bool,
        /// When it was made.
        created_at: Time,
        /// From when on it is refused.
        expires_at: Option<Time>,
        /// The key itself: on creation only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Secret>,
    }
}
