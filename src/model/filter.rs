//! Which events a consumer wants.

use super::{EventNote, PayloadFilter, StoredEvent, Timestamp, event::is_type_byte};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One wanted type: exact, a `*` segment suffix (`pipeline.*`), or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TypePattern {
    /// Every type.
    Any,
    /// Types that start with this text, which ends in a dot.
    Prefix(Box<str>),
    /// This type.
    Exact(Box<str>),
}

impl TypePattern {
    /// Reads a pattern; the message says what one looks like.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const MESSAGE: &str = "a type filter is an event type, a prefix such as pipeline.*, or *";
        if text == "*" {
            return Ok(Self::Any);
        }
        let (stem, is_prefix) = match text.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        let starts_well = stem.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let fits = starts_well && stem.len() <= 128 && stem.bytes().all(is_type_byte);
        match (fits, is_prefix) {
            (true, true) if stem.ends_with('.') => Ok(Self::Prefix(stem.into())),
            (true, false) => Ok(Self::Exact(stem.into())),
            _ => Err(MESSAGE),
        }
    }

    /// Whether `event_type` is wanted.
    pub fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Prefix(prefix) => event_type.len() > prefix.len() && event_type.starts_with(&**prefix),
            Self::Exact(exact) => **exact == *event_type,
        }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Exact(exact) => f.write_str(exact),
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        pattern.to_string()
    }
}

/// Which events of a tenant are wanted. The default wants all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EventFilter {
    /// Any of these; empty means every type.
    pub types: Vec<TypePattern>,
    /// Exactly this pipeline.
    pub pipeline: Option<Box<str>>,
    /// Exactly this run.
    pub run_id: Option<Box<str>>,
    /// From this time on, by the event's own timestamp.
    pub since: Option<Timestamp>,
    /// Before this time, by the event's own timestamp.
    pub until: Option<Timestamp>,
    /// What the event holds besides; asked last.
    pub payload: Option<PayloadFilter>,
}

impl EventFilter {
    /// A filter by type alone.
    pub fn of_types(types: Vec<TypePattern>) -> Self {
        Self { types, ..Self::default() }
    }

    /// Whether a type is wanted.
    pub fn matches_type(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Whether the event of a delivery is wanted, by its type and time.
    pub fn matches_note(&self, note: &EventNote) -> bool {
        self.matches_type(note.event_type.as_str())
            && self.since.is_none_or(|since| note.timestamp >= since)
            && self.until.is_none_or(|until| note.timestamp < until)
    }

    /// Whether an event is wanted. The tenant is not the filter's business: every read names it.
    pub fn matches(&self, event: &StoredEvent) -> bool {
        self.matches_counting(event, &mut 0)
    }

    /// The same, adding what looking at its payload cost to `work`, in units of about a nanosecond.
    pub fn matches_counting(&self, event: &StoredEvent, work: &mut u64) -> bool {
        self.matches_head(event) && self.payload.as_ref().is_none_or(|payload| payload.matches(event, work))
    }

    /// Whether all but the payload is as wanted.
    fn matches_head(&self, event: &StoredEvent) -> bool {
        self.matches_type(event.event_type().as_str())
            && self.pipeline.as_deref().is_none_or(|wanted| event.pipeline() == Some(wanted))
            && self.run_id.as_deref().is_none_or(|wanted| event.run_id() == Some(wanted))
            && self.since.is_none_or(|since| event.timestamp() >= since)
            && self.until.is_none_or(|until| event.timestamp() < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_exact_a_segment_suffix_or_everything() {
        let matches =
            |pattern: &str, event_type: &str| TypePattern::parse(pattern).unwrap().matches(event_type);
        assert!(matches("*", "anything"));
        assert!(matches("pipeline.*", "pipeline.stage.load"));
        assert!(matches("pipeline.stage.*", "pipeline.stage.load"));
        assert!(!matches("pipeline.stage.*", "pipeline.started"));
        assert!(!matches("pipeline.*", "pipeline."));
        assert!(!matches("pipeline.*", "pipelines.x"));
        assert!(matches("pipeline.started", "pipeline.started"));
        assert!(!matches("pipeline.started", "pipeline.started.x"));
        for bad in ["", "a*", "*.a", "a.*.b", "**", ".*", "a b", "é", "-x"] {
            assert!(TypePattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_reads_back_as_written() {
        for text in ["*", "pipeline.*", "pipeline.started"] {
            assert_eq!(TypePattern::parse(text).unwrap().to_string(), text);
        }
    }
}
