//! A log as text and back: one JSON object a line, for looking at, for keeping, and for moving to another version.
//!
//! What must hold: a log that was exported and imported has the same events at the same places, byte for byte, and the
//! same management and progress of consumers. Not carried over are the delivery log, the list of invocations and
//! idempotency keys. The last line says that the export is whole; without it nothing is imported.

mod adopt;
mod export;
mod import;
#[cfg(test)]
mod tests;

pub use export::export;
pub use import::import;

use super::disk::OpenError;
use crate::log::Change;
use crate::model::{
    ConsumerState, DestinationId, EventId, EventType, Gate, Sequence, StoredEvent, TenantId, Timestamp,
    UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use std::path::PathBuf;

/// The version of the text.
const VERSION: u32 = 1;

/// The file that marks a folder whose import has not ended.
pub(super) const IMPORTING: &str = "importing";

/// Why a log could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The text could not be read or written.
    #[error("the export could not be read or written: {0}")]
    Text(#[from] io::Error),
    /// The folder to import into has a log already.
    #[error("{0} holds a log already: import into an empty folder")]
    NotEmpty(PathBuf),
    /// A line is not what an export has there.
    #[error("line {line} is not a line of an export: {detail}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// The text ends before the export does.
    #[error("the export is cut off after line {0}: it has no end line")]
    CutOff(u64),
    /// The log could not be read or written.
    #[error("the log could not be read or written: {0}")]
    Store(String),
}

/// What was carried over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transferred {
    /// Events.
    pub events: u64,
    /// Events that are not what was written, and so were left out.
    pub corrupt: Vec<Sequence>,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first one.
    Export(Header),
    /// What makes tenants, keys, destinations, replays and functions; in this order.
    Change(Box<Change>),
    Event(Box<EventLine>),
    /// How far a consumer is.
    Consumer(DestinationId, Box<ConsumerState>),
    /// A PRE event's run that is under way.
    Gate(Box<Gate>),
    /// The last one.
    End(Transferred),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    oldest_sequence: Sequence,
    head_sequence: Sequence,
}

/// A stored event. What it has as JSON stands in the line as it is, or as text when it spans lines.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine {
    sequence: Sequence,
    tenant: TenantId,
    stored_at: UnixMillis,
    id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipeline: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extensions: Option<Verbatim>,
    data: Verbatim,
}

/// JSON that is kept byte for byte.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verbatim {
    Json(Box<RawValue>),
    Text(String),
}

impl Verbatim {
    fn of(json: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(json).map_err(|error| error.to_string())?.to_owned();
        // What surrounds a value is not part of a raw one.
        if text.contains(['\n', '\r']) || text.trim() != text {
            return Ok(Self::Text(text));
        }
        RawValue::from_string(text).map(Self::Json).map_err(|error| error.to_string())
    }

    fn into_bytes(self) -> Result<bytes::Bytes, serde_json::Error> {
        match self {
            Self::Json(raw) => Ok(String::from(Box::<str>::from(raw)).into()),
            Self::Text(text) => serde_json::from_str::<&RawValue>(&text).map(drop).map(|()| text.into()),
        }
    }
}

impl EventLine {
    fn of(event: &StoredEvent) -> Result<Self, String> {
        Ok(Self {
            sequence: event.sequence(),
            tenant: event.tenant(),
            stored_at: event.stored_at(),
            id: event.id().clone(),
            event_type: event.event_type().clone(),
            timestamp: event.timestamp(),
            pipeline: event.pipeline().map(Into::into),
            run_id: event.run_id().map(Into::into),
            extensions: event.extensions().map(|json| Verbatim::of(json)).transpose()?,
            data: Verbatim::of(&event.data())?,
        })
    }
}
