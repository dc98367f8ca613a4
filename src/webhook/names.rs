//! Headers of a request, ready for the HTTP library: nothing of them is read again for each delivery.

use awc::http::header::{HeaderName, HeaderValue, InvalidHeaderName};
use std::borrow::Cow;

/// The name of a header: as people write it, and as the HTTP library wants it.
#[derive(Debug, Clone)]
pub struct Name {
    shown: Cow<'static, str>,
    name: HeaderName,
}

impl Name {
    /// One of ours; `lower` is the same in small letters.
    const fn fixed(shown: &'static str, lower: &'static str) -> Self {
        Self { shown: Cow::Borrowed(shown), name: HeaderName::from_static(lower) }
    }

    /// As a user writes it.
    pub fn parse(shown: &str) -> Result<Self, InvalidHeaderName> {
        let name = HeaderName::from_bytes(shown.as_bytes())?;
        Ok(Self { shown: Cow::Owned(shown.to_owned()), name })
    }

    /// As people write it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// As the HTTP library wants it.
    pub(super) fn into_name(self) -> HeaderName {
        self.name
    }
}

pub(super) static USER_AGENT: Name = Name::fixed("User-Agent", "user-agent");
pub(super) static CONTENT_TYPE: Name = Name::fixed("Content-Type", "content-type");
pub(super) static WEBHOOK_ID: Name = Name::fixed("webhook-id", "webhook-id");
pub(super) static WEBHOOK_TIMESTAMP: Name = Name::fixed("webhook-timestamp", "webhook-timestamp");
pub(super) static WEBHOOK_SIGNATURE: Name = Name::fixed("webhook-signature", "webhook-signature");
pub(super) static EVENT: Name = Name::fixed("X-Campanile-Event", "x-campanile-event");
pub(super) static DELIVERY: Name = Name::fixed("X-Campanile-Delivery", "x-campanile-delivery");
pub(super) static ATTEMPT: Name = Name::fixed("X-Campanile-Attempt", "x-campanile-attempt");
pub(super) static SEQUENCE: Name = Name::fixed("X-Campanile-Sequence", "x-campanile-sequence");
pub(super) static REPLAY: Name = Name::fixed("X-Campanile-Replay", "x-campanile-replay");
pub(super) static SIGNATURE: Name = Name::fixed("X-Campanile-Signature", "x-campanile-signature");
pub(super) static DEADLINE: Name = Name::fixed("X-Campanile-Deadline", "x-campanile-deadline");
pub(super) static CAUSE: Name = Name::fixed("Campanile-Cause", "campanile-cause");

/// Tells a receiver that no such event happened: the request only tries its endpoint.
pub static TEST: Name = Name::fixed("X-Campanile-Test", "x-campanile-test");

/// A header's value. Ours are visible ASCII, and so are a user's once they were accepted.
pub fn value(text: impl Into<String>) -> HeaderValue {
    HeaderValue::try_from(text.into()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::headers::check_custom;
    use std::collections::BTreeMap;

    #[test]
    fn every_header_that_is_accepted_can_be_sent_as_it_is() {
        let name: String =
            (0x21..0x7f_u8).map(char::from).filter(|one| !"\"(),/:;<=>?@[\\]{}".contains(*one)).collect();
        let text: String = (0x20..0x7f_u8).map(char::from).collect();
        assert!(check_custom(&BTreeMap::from([(name.clone(), text.clone())])).is_empty());
        assert_eq!(Name::parse(&name).unwrap().shown(), name);
        assert_eq!(value(text.as_str()).as_bytes(), text.as_bytes());
    }

    #[test]
    fn ours_are_shown_as_they_are_sent() {
        for name in [&USER_AGENT, &WEBHOOK_ID, &EVENT, &DEADLINE, &CAUSE, &TEST] {
            assert_eq!(name.shown().to_ascii_lowercase(), name.name.as_str());
        }
    }
}
