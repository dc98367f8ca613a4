//! Publishing events, listing them, following the stream.

use super::call::{Call, segment};
use super::connection::Client;
use super::error::Error;
use super::models::{Event, Stored, Time};
use super::pages::{Page, Pages};
use super::stream::EventStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

const EVENTS: &str = "/api/v1/events";

/// An event as it is published.
#[derive(Debug, Clone, Serialize)]
#[must_use]
pub struct Draft {
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    data: Data,
}

/// What an event says: kept as JSON, so that it is sent as it was given.
#[derive(Debug, Clone)]
enum Data {
    Json(Box<RawValue>),
    /// It cannot be said in JSON: told when it is published.
    Broken(String),
}

impl Serialize for Data {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Broken(why) => Err(serde::ser::Error::custom(why)),
        }
    }
}

impl Draft {
    /// An event of a type. What it says is anything that becomes a JSON object; pairs of names and values do too, and
    /// a `RawValue` is sent byte for byte.
    ///
    /// ```
    /// use campanile::client::Draft;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Loaded { rows: u64 }
    ///
    /// let draft = Draft::new("pipeline.completed", &Loaded { rows: 892 }).pipeline("user-analytics");
    /// let json = serde_json::to_string(&draft).unwrap();
    /// assert_eq!(json, r#"{"type":"pipeline.completed","pipeline":"user-analytics","data":{"rows":892}}"#);
    /// ```
    pub fn new(event_type: impl Into<String>, data: &(impl Serialize + ?Sized)) -> Self {
        let data = match to_raw_value(data) {
            Ok(json) => Data::Json(json),
            Err(error) => Data::Broken(error.to_string()),
        };
        Self { event_type: event_type.into(), id: None, timestamp: None, pipeline: None, run_id: None, data }
    }

    /// An id of the publisher's own: publishing it again changes nothing. One is made when there is none.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// When it happened, in RFC 3339; when it is published, unless said otherwise.
    pub fn timestamp(self, time: impl Into<Time>) -> Self {
        Self { timestamp: Some(time.into()), ..self }
    }

    /// The pipeline it belongs to.
    pub fn pipeline(self, pipeline: impl Into<String>) -> Self {
        Self { pipeline: Some(pipeline.into()), ..self }
    }

    /// The run it belongs to.
    pub fn run_id(self, run_id: impl Into<String>) -> Self {
        Self { run_id: Some(run_id.into()), ..self }
    }
}

/// Which events, and from where on. Without anything: all of them; a list begins with the oldest, a stream with what
/// comes from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Query {
    pub(super) types: Vec<String>,
    pub(super) pipeline: Option<String>,
    pub(super) run_id: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) since: Option<Time>,
    pub(super) until: Option<Time>,
    pub(super) after: Option<String>,
}

impl Query {
    /// All events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this type, such as `pipeline.completed`, or these, such as `pipeline.*`; those asked for before stay.
    pub fn of_type(mut self, pattern: impl Into<String>) -> Self {
        self.types.push(pattern.into());
        self
    }

    /// Only this pipeline.
    pub fn pipeline(self, pipeline: impl Into<String>) -> Self {
        Self { pipeline: Some(pipeline.into()), ..self }
    }

    /// Only this run.
    pub fn run_id(self, run_id: impl Into<String>) -> Self {
        Self { run_id: Some(run_id.into()), ..self }
    }

    /// Only events that an expression holds for, such as `data.rows > 1000`.
    pub fn filter(self, expression: impl Into<String>) -> Self {
        Self { filter: Some(expression.into()), ..self }
    }

    /// Only events of this time or later.
    pub fn since(self, time: impl Into<Time>) -> Self {
        Self { since: Some(time.into()), ..self }
    }

    /// Only events before this time. A stream ends there.
    pub fn until(self, time: impl Into<Time>) -> Self {
        Self { until: Some(time.into()), ..self }
    }

    /// Goes on after this place: a list's `next_cursor`, an event's sequence, or a stream's place.
    pub fn after(self, place: impl ToString) -> Self {
        Self { after: Some(place.to_string()), ..self }
    }

    /// The parameters that lists and streams have in common.
    pub(super) fn on(&self, call: Call) -> Call {
        let types = (!self.types.is_empty()).then(|| self.types.join(","));
        call.query_if("type", types)
            .query_if("pipeline", self.pipeline.as_ref())
            .query_if("run_id", self.run_id.as_ref())
            .query_if("filter", self.filter.as_ref())
            .query_if("until", self.until.as_ref())
    }

    fn list(&self) -> Call {
        self.on(Call::get(EVENTS))
            .query_if("since", self.since.as_ref())
            .query_if("cursor", self.after.as_ref())
    }
}

/// What the functions of a PRE event made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// `success`.
    pub status: String,
    /// In words.
    pub message: String,
    /// `event_id`, `task_ids`, `params` with every patch, `conflicts` and the like.
    pub data: Map<String, Value>,
}

impl Outcome {
    /// What the event says after every patch, as a type of the caller's.
    pub fn params<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_value(self.data.get("params").cloned().unwrap_or_default())
    }
}

/// A ticket that opens one stream, for programs that cannot send headers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Ticket {
    /// To give as the query parameter `ticket`.
    pub ticket: super::models::Secret,
    /// Until when.
    pub expires_at: Time,
}

/// `client.events()`.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a>(pub(super) &'a Client);

impl Events<'_> {
    /// Publishes an event and gives it as it is stored: it is durable then. The request has a name, so it is made again
    /// after a failure without publishing twice. For PRE events there is [`Events::publish_and_wait`].
    pub async fn publish(&self, draft: &Draft) -> Result<Event, Error> {
        self.0.fetch(Call::post(EVENTS).json(draft).named()).await
    }

    /// Publishes a PRE event and waits until all its functions have answered; they may take `deadline_ms` together. One
    /// that refuses is [`Error::Refused`], with `failures` in the problem's `data`.
    pub async fn publish_and_wait(&self, draft: &Draft, deadline_ms: Option<u64>) -> Result<Outcome, Error> {
        let call = Call::post(EVENTS).query("wait", true).query_if("deadline_ms", deadline_ms);
        // Without a deadline a function's own time-out ends it: 5 minutes unless said otherwise.
        let call = call.waiting_ms(deadline_ms.unwrap_or(300_000));
        self.0.fetch(call.json(draft).named()).await
    }

    /// Publishes up to 1,000 events: all of them or none.
    pub async fn publish_many(&self, drafts: &[Draft]) -> Result<Vec<Stored>, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            events: &'a [Draft],
        }
        #[derive(Deserialize)]
        struct Answered {
            events: Vec<Stored>,
        }
        let call = Call::post("/api/v1/events/batch").json(&Body { events: drafts });
        let answered: Answered = self.0.fetch(call.named()).await?;
        Ok(answered.events)
    }

    /// One event.
    pub async fn get(&self, id: &str) -> Result<Event, Error> {
        self.0.fetch(Call::get(format!("{EVENTS}/{}", segment(id)))).await
    }

    /// One page, in the order of the log. Whoever asks again after its `next_cursor` sees every event once.
    pub async fn list(&self, query: &Query, limit: u32) -> Result<Page<Event>, Error> {
        self.0.fetch(query.list().query("limit", limit)).await
    }

    /// The same; when there is nothing yet, the answer comes as soon as there is, or after `wait_ms` (at most 30,000).
    pub async fn wait(&self, query: &Query, limit: u32, wait_ms: u64) -> Result<Page<Event>, Error> {
        let call = query.list().query("limit", limit).query("wait_ms", wait_ms);
        self.0.fetch(call.waiting_ms(wait_ms)).await
    }

    /// Every stored event up to now, in the order of the log.
    pub fn iterate(&self, query: &Query) -> Pages<Event> {
        self.0.pages(query.list().query("limit", 1000))
    }

    /// Every event as it happens, over restarts of the broker, in order and each once.
    pub fn stream(&self, query: &Query) -> EventStream {
        EventStream::new(self.0.clone(), query.clone())
    }

    /// A ticket that opens one stream within a minute.
    pub async fn ticket(&self) -> Result<Ticket, Error> {
        self.0.fetch(Call::post("/api/v1/stream-tickets")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_sent_as_it_was_given() {
        let data =
            RawValue::from_string(r#"{"n": 1.10, "big":123456789012345678901234567890}"#.to_owned()).unwrap();
        let draft = Draft::new("a.b", &data).id("i").timestamp("2026-02-15T06:00:04.7Z").run_id("r");
        let expected = r#"{"type":"a.b","id":"i","timestamp":"2026-02-15T06:00:04.7Z","run_id":"r","data":{"n": 1.10, "big":123456789012345678901234567890}}"#;
        assert_eq!(serde_json::to_string(&draft).unwrap(), expected);
        let broken = Draft::new("a.b", &std::collections::HashMap::from([(vec![1], 1)]));
        assert!(serde_json::to_string(&broken).is_err());
    }

    #[test]
    fn a_query_says_what_was_asked_for() {
        assert_eq!(Query::new().list().target(), "/api/v1/events");
        let query = Query::new().of_type("a.*").of_type("b").since("2026-01-01T00:00:00Z").after(7);
        let expected = "/api/v1/events?type=a.*%2Cb&since=2026-01-01T00%3A00%3A00Z&cursor=7";
        assert_eq!(query.list().target(), expected);
    }
}
