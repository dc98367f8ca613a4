//! What publishes because of what: a token that a function is given and passes on, so that a circle of functions that
//! publish for each other ends.

use super::super::Broker;
use crate::model::{EventDraft, EventId, StoredEvent, Violation};
use crate::secrets::Secrets;
use bytes::Bytes;
use subtle::ConstantTimeEq;

/// A chain of causes is at most so long.
pub const LONGEST_CHAIN: u8 = 16;

/// The extension attribute of an event that holds how long the chain before it is, and the event that caused it.
const ATTRIBUTE: &str = "campanilecause";

/// Makes and reads the tokens.
#[derive(Debug, Clone)]
pub(in crate::broker) struct Causes(Secrets);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// How many events are in the chain before the one that is to be published.
    pub depth: u8,
    /// The event that caused it.
    pub event: EventId,
}

impl Causes {
    pub(in crate::broker) fn new(secrets: Secrets) -> Self {
        Self(secrets)
    }

    /// What functions of an event pass on.
    pub(in crate::broker) fn token_of(&self, event: &StoredEvent) -> String {
        let depth = depth_of(event).saturating_add(1);
        let text = format!("{depth}.{}", event.id());
        format!("{text}.{}", self.seal(&text))
    }

    fn seal(&self, text: &str) -> String {
        // No API key has a line break in it.
        let hash = self.0.hash_key(&format!("cause\n{text}"));
        let half = hash.0.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        format!("{half:032x}")
    }

    /// Reads a token; `None` when this broker did not make it.
    pub(in crate::broker) fn read(&self, token: &str) -> Option<Cause> {
        let (text, seal) = token.rsplit_once('.')?;
        if !bool::from(self.seal(text).as_bytes().ct_eq(seal.as_bytes())) {
            return None;
        }
        let (depth, event) = text.split_once('.')?;
        Some(Cause { depth: depth.parse().ok()?, event: EventId::parse(event).ok()? })
    }
}

/// How long the chain before an event is.
fn depth_of(event: &StoredEvent) -> u8 {
    let read = |attributes: &Bytes| -> Option<u8> {
        let attributes: serde_json::Value = serde_json::from_slice(attributes).ok()?;
        attributes.get(ATTRIBUTE)?.as_str()?.split('.').next()?.parse().ok()
    };
    event.extensions().and_then(read).unwrap_or(0)
}

impl Cause {
    /// Writes it into an event that is to be published; refused when the chain is too long.
    pub(crate) fn write(&self, draft: &mut EventDraft) -> Result<(), Violation> {
        if self.depth > LONGEST_CHAIN {
            let detail = format!("more than {LONGEST_CHAIN} events have caused each other");
            return Err(Violation::new("", detail).with_code("cycle"));
        }
        let given = draft.extensions.as_deref().unwrap_or(b"{}");
        let mut attributes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(given).unwrap_or_default();
        attributes.insert(ATTRIBUTE.to_owned(), format!("{}.{}", self.depth, self.event).into());
        draft.extensions = Some(Bytes::from(serde_json::Value::Object(attributes).to_string()));
        Ok(())
    }
}

impl Broker {
    /// Reads the token that a function was given; `None` when this broker did not make it.
    pub fn read_cause(&self, token: &str) -> Option<Cause> {
        self.0.program.causes.read(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EncodeAs, EventType, Sequence, TenantId, Timestamp, UnixMillis};

    fn stored(draft: EventDraft) -> StoredEvent {
        let place = EncodeAs {
            sequence: Sequence(1),
            tenant: TenantId(1),
            id: EventId::parse("evt_1").unwrap(),
            timestamp: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
            stored_at: UnixMillis(0),
        };
        StoredEvent::encode(draft, place)
    }

    fn draft() -> EventDraft {
        EventDraft {
            id: None,
            event_type: EventType::parse("a").unwrap(),
            timestamp: None,
            pipeline: None,
            run_id: None,
            data: Bytes::from_static(b"{}"),
            extensions: Some(Bytes::from_static(br#"{"source":"x"}"#)),
        }
    }

    #[test]
    fn a_chain_ends_after_sixteen_and_no_token_can_be_made_up() {
        let causes = Causes::new(Secrets::from_master(&[7; 32]));
        let mut event = stored(draft());
        for depth in 1..=LONGEST_CHAIN {
            let cause = causes.read(&causes.token_of(&event)).unwrap();
            assert_eq!((cause.depth, cause.event.as_str()), (depth, "evt_1"));
            let mut next = draft();
            cause.write(&mut next).unwrap();
            event = stored(next);
        }
        let cause = causes.read(&causes.token_of(&event)).unwrap();
        assert_eq!(cause.write(&mut draft()).unwrap_err().code, Some("cycle"));
        let token = causes.token_of(&stored(draft()));
        assert_eq!(causes.read(&token.replacen('1', "0", 1)), None);
        assert_eq!(Causes::new(Secrets::from_master(&[8; 32])).read(&token), None);
        for bad in ["", ".", "1", "1.evt_1", "1.evt_1.", "..."] {
            assert_eq!(causes.read(bad), None, "{bad:?}");
        }
    }
}
