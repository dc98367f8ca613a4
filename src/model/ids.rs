//! Identifiers: their alphabets, how new ones are made from given time and randomness, what they tell.

use super::Sequence;
use serde::{Deserialize, Serialize};
use std::fmt;
use ulid::Ulid;

/// A tenant's number: part of every key in the log and of every filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub u32);

/// The text is no identifier of the kind it was given as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub &'static str);

/// An event's id: `[A-Za-z0-9_-]{1,64}`. No dot, because it is signed as `id.timestamp.body`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct EventId(Box<str>);

const EVENT_PREFIX: &str = "evt_";

impl EventId {
    /// Takes an id as a publisher gives it.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=64).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId("an event id is 1 to 64 of A-Z, a-z, 0-9, _ and -"))
        }
    }

    /// Makes the id of an event that came without one: `evt_` and a ULID whose random part starts with the
    /// event's place, so that the event is found by its id without an index.
    pub fn generated(time_ms: u64, sequence: Sequence, salt: u16) -> Self {
        let random = (u128::from(sequence.0) << 16) | u128::from(salt);
        let ulid = Ulid::from_parts(time_ms, random);
        Self(format!("{EVENT_PREFIX}{ulid}").into())
    }

    /// Where an event of this id would be if [`EventId::generated`] made it. A publisher may give an id that
    /// merely looks so: compare the id of what is found there.
    pub fn sequence_hint(&self) -> Option<Sequence> {
        let ulid = Ulid::from_string(self.0.strip_prefix(EVENT_PREFIX)?).ok()?;
        Some(Sequence((ulid.random() >> 16) as u64))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! prefixed_ulid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u128);

        impl $name {
            /// Makes a new id of a time in milliseconds and 80 random bits.
            pub fn from_parts(time_ms: u64, random: u128) -> Self {
                Self(Ulid::from_parts(time_ms, random).0)
            }

            /// Reads the id as it is written in the API.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let ulid = text.strip_prefix($prefix).and_then(|rest| Ulid::from_string(rest).ok());
                let id = ulid.map(|ulid| Self(ulid.0)).ok_or(InvalidId($message))?;
                // One spelling an id: the decoder also takes lower case and look-alike letters.
                if id.to_string() == text { Ok(id) } else { Err(InvalidId($message)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), Ulid(self.0))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

prefixed_ulid!(
    /// A destination's id, `dst_` and a ULID. Also names the consumer whose place the log keeps.
    DestinationId,
    "dst_",
    "a destination id is dst_ and 26 characters"
);
prefixed_ulid!(
    /// An API key's id, `key_` and a ULID: never the key itself.
    KeyId,
    "key_",
    "a key id is key_ and 26 characters"
);
prefixed_ulid!(
    /// The id of a replay of a destination's events, `rpl_` and a ULID.
    ReplayId,
    "rpl_",
    "a replay id is rpl_ and 26 characters"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_event_id_tells_its_place() {
        let id = EventId::generated(1_771_135_204_700, Sequence(u64::MAX - 5), 77);
        assert_eq!(id.as_str().len(), 30);
        assert_eq!(EventId::parse(id.as_str()).unwrap().sequence_hint(), Some(Sequence(u64::MAX - 5)));
    }

    #[test]
    fn event_ids_keep_to_their_alphabet() {
        assert!(EventId::parse("evt_abc-123").is_ok());
        for bad in ["", "a.b", "a b", "a\r", "é", &"x".repeat(65), "../x", "%0d%0a", "a;b"] {
            assert!(EventId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_destination_id_has_one_spelling() {
        let id = DestinationId::from_parts(1_771_135_204_700, u128::from(u64::MAX));
        assert_eq!(DestinationId::parse(&id.to_string()).unwrap(), id);
        assert!(DestinationId::parse(&id.to_string().to_lowercase()).is_err());
        assert!(DestinationId::parse("key_00000000010000000000000002").is_err());
    }
}
