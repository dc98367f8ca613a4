//! Publishing from the program that embeds the broker.

use super::{Broker, Call, PublishError, setup::DEFAULT_TENANT};
use crate::model::json;
use crate::model::{EventDraft, EventId, EventType, StoredEvent, TenantId, Timestamp, Violation};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;

/// How deep `data` may nest, as over the API.
const MAX_DATA_DEPTH: usize = 64;

/// An event to publish, built member by member; what is wrong with it is said when it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    event_type: String,
    id: Option<String>,
    timestamp: Option<Timestamp>,
    pipeline: Option<String>,
    run_id: Option<String>,
    data: Result<Bytes, String>,
    cause: Option<String>,
}

impl Event {
    /// An event of a type, with empty data.
    pub fn new(event_type: impl Into<String>) -> Self {
        let data = Ok(Bytes::from_static(b"{}"));
        Self {
            event_type: event_type.into(),
            id: None,
            timestamp: None,
            pipeline: None,
            run_id: None,
            data,
            cause: None,
        }
    }

    /// What a function publishes because of its call belongs to the call's chain, which ends after sixteen.
    #[must_use]
    pub fn caused_by(mut self, call: &Call) -> Self {
        self.cause = Some(call.cause().to_owned());
        self
    }

    /// An id of the publisher's own: publishing it again changes nothing.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// When it happened; the time of the commit otherwise.
    #[must_use]
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The pipeline it belongs to.
    #[must_use]
    pub fn pipeline(mut self, pipeline: impl Into<String>) -> Self {
        self.pipeline = Some(pipeline.into());
        self
    }

    /// The run it belongs to.
    #[must_use]
    pub fn run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    /// Its data: anything that serialises to a JSON object.
    #[must_use]
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = serde_json::to_vec(data).map(Bytes::from).map_err(|error| error.to_string());
        self
    }

    /// The checked draft.
    pub fn into_draft(self) -> Result<EventDraft, Violation> {
        let event_type = EventType::parse(&self.event_type).map_err(|why| Violation::new("/type", why))?;
        event_type.check_publishable().map_err(|why| Violation::new("/type", why))?;
        let id = self.id.map(|id| EventId::parse(&id)).transpose();
        let data = self.data.map_err(|why| Violation::new("/data", why))?;
        if data.first() != Some(&b'{') {
            return Err(Violation::new("/data", "data is a JSON object"));
        }
        // What is serialised may hold text that was written elsewhere, and be as deep as it likes.
        match json::scan(&data, MAX_DATA_DEPTH) {
            Ok(None) => {}
            Ok(Some(broken)) => return Err(broken.under("/data")),
            Err(malformed) => return Err(Violation::new("/data", malformed.to_string())),
        }
        Ok(EventDraft {
            id: id.map_err(|why| Violation::new("/id", why.to_string()))?,
            event_type,
            timestamp: self.timestamp,
            pipeline: label("/pipeline", self.pipeline)?,
            run_id: label("/run_id", self.run_id)?,
            data,
            extensions: None,
        })
    }
}

fn label(pointer: &str, text: Option<String>) -> Result<Option<Box<str>>, Violation> {
    let fits =
        |text: &String| (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if text.as_ref().is_none_or(fits) {
        Ok(text.map(String::into_boxed_str))
    } else {
        Err(Violation::new(pointer, "1 to 256 characters, none of them a control character"))
    }
}

impl Broker {
    /// Publishes an event of the default tenant. When this answers `Ok` the event is fsynced.
    pub async fn publish(&self, event: Event) -> Result<Arc<StoredEvent>, PublishError> {
        let mut events = self.publish_all(vec![event]).await?;
        events.pop().ok_or(PublishError::Draining)
    }

    /// Publishes events of the default tenant, all or none.
    pub async fn publish_all(&self, events: Vec<Event>) -> Result<Vec<Arc<StoredEvent>>, PublishError> {
        let mut drafts = Vec::with_capacity(events.len());
        for event in events {
            drafts.push(self.checked(event)?);
        }
        Ok(self.commit_events(self.default_tenant(), drafts, None).await?.events)
    }

    /// The draft of an event, checked.
    pub(super) fn checked(&self, mut event: Event) -> Result<EventDraft, PublishError> {
        let cause = event.cause.take();
        let mut draft = event.into_draft().map_err(PublishError::Invalid)?;
        if draft.data.len() > self.config().server.max_body {
            return Err(PublishError::Invalid(Violation::new("/data", "larger than server.max_body")));
        }
        if let Some(cause) = cause.and_then(|token| self.read_cause(&token)) {
            cause.write(&mut draft).map_err(PublishError::Invalid)?;
        }
        Ok(draft)
    }

    /// The tenant that is always there.
    pub fn default_tenant(&self) -> TenantId {
        let management = self.log().management();
        management.tenant_named(DEFAULT_TENANT).map_or(TenantId(1), |tenant| tenant.number)
    }
}
