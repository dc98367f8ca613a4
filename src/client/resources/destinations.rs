//! Destinations, what became of events there, and sending them again.

use super::super::call::{Call, segment};
use super::super::connection::Client;
use super::super::error::Error;
use super::super::models::{Delivery, Destination, Replay, Stats, Trial};
use super::super::pages::Pages;
use serde::Serialize;
use serde_json::{Value, json};

const DESTINATIONS: &str = "/api/v1/destinations";

/// `client.destinations()`: webhooks.
///
/// ```no_run
/// # async fn run(client: campanile::client::Client) -> Result<(), campanile::client::Error> {
/// use serde_json::json;
///
/// let made = client.destinations().create(&json!({"url": "https://example.com/hooks", "events": ["pipeline.*"]})).await?;
/// let secret = made.secret.expect("a secret is shown once");
/// println!("{} signs with {}", made.id, secret.as_str());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Destinations<'a>(pub(in super::super) &'a Client);

fn path(id: &str, rest: &str) -> String {
    format!("{DESTINATIONS}/{}{rest}", segment(id))
}

impl Destinations<'_> {
    /// Creates one from at least its `url`. Its secret is in this answer and no other.
    pub async fn create(&self, draft: &impl Serialize) -> Result<Destination, Error> {
        self.0.fetch(Call::post(DESTINATIONS).json(draft)).await
    }

    /// All of them.
    pub fn iterate(&self) -> Pages<Destination> {
        self.0.pages(Call::get(DESTINATIONS))
    }

    /// One.
    pub async fn get(&self, id: &str) -> Result<Destination, Error> {
        self.0.fetch(Call::get(path(id, ""))).await
    }

    /// Changes the members that are given; it counts from the next attempt on.
    pub async fn update(&self, id: &str, change: &impl Serialize) -> Result<Destination, Error> {
        self.0.fetch(Call::patch(path(id, "")).json(change)).await
    }

    /// Removes one.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.0.call(Call::delete(path(id, ""))).await.map(drop)
    }

    /// Asks its endpoint for its consent again; `attempt` says what came of it.
    pub async fn verify(&self, id: &str) -> Result<Destination, Error> {
        self.0.fetch(Call::post(path(id, "/verify"))).await
    }

    /// Switches it on. What happened while it was off is sent, or skipped.
    pub async fn activate(&self, id: &str, skip_backlog: bool) -> Result<Destination, Error> {
        let backlog = if skip_backlog { "skip" } else { "send" };
        self.0.fetch(Call::post(path(id, "/activate")).json(&json!({"backlog": backlog}))).await
    }

    /// Switches it off; it keeps its place.
    pub async fn deactivate(&self, id: &str) -> Result<Destination, Error> {
        self.0.fetch(Call::post(path(id, "/deactivate"))).await
    }

    /// Makes a new secret, in this answer and no other; for so many seconds the earlier ones sign too.
    pub async fn rotate_secret(&self, id: &str, overlap_s: u64) -> Result<Destination, Error> {
        self.0.fetch(Call::post(path(id, "/rotate-secret")).json(&json!({"overlap_s": overlap_s}))).await
    }

    /// Sends one signed sample now, of a type if one is named, and says what the endpoint answered.
    pub async fn test(&self, id: &str, event_type: Option<&str>) -> Result<Trial, Error> {
        let body = event_type.map_or(json!({}), |event_type| json!({"type": event_type}));
        self.0.fetch(Call::post(path(id, "/test")).json(&body)).await
    }

    /// The same for a `url` that is not saved yet; with `type`, `format` and `headers` if wanted.
    pub async fn test_url(&self, draft: &impl Serialize) -> Result<Trial, Error> {
        self.0.fetch(Call::post(format!("{DESTINATIONS}/test")).json(draft)).await
    }

    /// Its deliveries, the newest event first.
    pub fn deliveries(&self, id: &str, query: &DeliveryQuery) -> Pages<Delivery> {
        self.0.pages(query.on(Call::get(path(id, "/deliveries"))))
    }

    /// Its figures.
    pub async fn stats(&self, id: &str) -> Result<Stats, Error> {
        self.0.fetch(Call::get(path(id, "/stats"))).await
    }

    /// Sends stored events again, as a job that survives restarts: `since`, `until`, `types`, `only`, `rate_per_s`.
    pub async fn replay(&self, id: &str, draft: &impl Serialize) -> Result<Replay, Error> {
        self.0.fetch(Call::post(path(id, "/replay")).json(draft)).await
    }

    /// How many deliveries a replay would put back.
    pub async fn count_replay(&self, id: &str, draft: &impl Serialize) -> Result<u64, Error> {
        let mut body =
            serde_json::to_value(draft).map_err(|error| Error::Configuration(error.to_string()))?;
        if let Some(members) = body.as_object_mut() {
            members.insert("dry_run".to_owned(), true.into());
        }
        let counted: Value = self.0.fetch(Call::post(path(id, "/replay")).json(&body)).await?;
        Ok(counted["total"].as_u64().unwrap_or_default())
    }
}

/// Which deliveries of a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct DeliveryQuery {
    status: Vec<String>,
    types: Vec<String>,
    since: Option<String>,
    until: Option<String>,
}

impl DeliveryQuery {
    /// All of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only with this status, such as `dead`, or one asked for before.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status.push(status.into());
        self
    }

    /// Only events of this type, such as `pipeline.*`, or one asked for before.
    pub fn of_type(mut self, pattern: impl Into<String>) -> Self {
        self.types.push(pattern.into());
        self
    }

    /// Only events of this time or later.
    pub fn since(self, time: impl Into<String>) -> Self {
        Self { since: Some(time.into()), ..self }
    }

    /// Only events before this time.
    pub fn until(self, time: impl Into<String>) -> Self {
        Self { until: Some(time.into()), ..self }
    }

    fn on(&self, call: Call) -> Call {
        let joined = |all: &[String]| (!all.is_empty()).then(|| all.join(","));
        call.query_if("status", joined(&self.status))
            .query_if("type", joined(&self.types))
            .query_if("since", self.since.as_ref())
            .query_if("until", self.until.as_ref())
    }
}

/// `client.deliveries()`: one event at one destination.
#[derive(Debug, Clone, Copy)]
pub struct Deliveries<'a>(pub(in super::super) &'a Client);

impl Deliveries<'_> {
    /// One, with every attempt.
    pub async fn get(&self, id: &str) -> Result<Delivery, Error> {
        self.0.fetch(Call::get(format!("/api/v1/deliveries/{}", segment(id)))).await
    }

    /// What became of an event everywhere, with every attempt.
    pub fn of_event(&self, event_id: &str) -> Pages<Delivery> {
        self.0.pages(Call::get(format!("/api/v1/events/{}/deliveries", segment(event_id))))
    }

    /// Sends it again now.
    pub async fn resend(&self, id: &str) -> Result<Delivery, Error> {
        self.0.fetch(Call::post(format!("/api/v1/deliveries/{}/resend", segment(id)))).await
    }
}

/// `client.replays()`: jobs that send stored events again; [`Destinations::replay`] begins one.
#[derive(Debug, Clone, Copy)]
pub struct Replays<'a>(pub(in super::super) &'a Client);

impl Replays<'_> {
    /// All of them, or those of a destination; the newest first.
    pub fn iterate(&self, destination_id: Option<&str>) -> Pages<Replay> {
        self.0.pages(Call::get("/api/v1/replays").query_if("destination_id", destination_id))
    }

    /// How far one is.
    pub async fn get(&self, id: &str) -> Result<Replay, Error> {
        self.0.fetch(Call::get(format!("/api/v1/replays/{}", segment(id)))).await
    }

    /// Stops one.
    pub async fn stop(&self, id: &str) -> Result<(), Error> {
        self.0.call(Call::delete(format!("/api/v1/replays/{}", segment(id)))).await.map(drop)
    }
}
