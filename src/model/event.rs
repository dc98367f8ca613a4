//! What a publisher hands over: an event before it has a place.

use super::{EventId, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;

/// An event's type, 1 to 128 of `[A-Za-z0-9._-]` starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(Box<str>);

impl EventType {
    /// Takes a type as written; the message says what a type looks like.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !starts_well || text.len() > 128 || !text.bytes().all(is_type_byte) {
            return Err(
                "an event type is 1 to 128 of A-Z, a-z, 0-9, ., _ and -, starting with a letter or digit",
            );
        }
        Ok(Self(text.into()))
    }

    /// Refuses the types that streams use for themselves and those only the broker publishes.
    pub fn check_publishable(&self) -> Result<(), &'static str> {
        let text = &*self.0;
        if text == "open" || text == "error" || text.starts_with("stream.") {
            return Err("open, error and stream.* are reserved for event streams");
        }
        if text.starts_with("event_destination.") || text.starts_with("function.") {
            return Err("event_destination.* and function.* are published by the broker only");
        }
        Ok(())
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventType {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0.into()
    }
}

/// A type is found by its text.
impl Borrow<str> for EventType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Whether `byte` may stand in an event type.
pub(super) fn is_type_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Data with what its schema marks `writeOnly`: for functions only, never kept, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct WholeData(pub Bytes);

impl fmt::Debug for WholeData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WholeData(..)")
    }
}

/// An event as published, every member already checked.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDraft {
    /// Given by the publisher, which makes the publish idempotent; otherwise made when it gets its place.
    pub id: Option<EventId>,
    /// Its type.
    pub event_type: EventType,
    /// When it happened; the time of the commit when not given.
    pub timestamp: Option<Timestamp>,
    /// The pipeline it belongs to, 1 to 256 characters.
    pub pipeline: Option<Box<str>>,
    /// The run it belongs to, 1 to 256 characters.
    pub run_id: Option<Box<str>>,
    /// A JSON object, kept byte for byte. Whoever builds a draft has scanned it.
    pub data: Bytes,
    /// Further CloudEvents attributes (`source`, `subject`, extensions) as a JSON object.
    pub extensions: Option<Bytes>,
}
