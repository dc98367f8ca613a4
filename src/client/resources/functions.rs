//! Apps, functions, what they run on, and their runs.

use super::super::call::{Call, segment};
use super::super::connection::Client;
use super::super::error::Error;
use super::super::models::{App, Function, Invocation};
use super::super::pages::Pages;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `client.apps()`: what functions belong to.
#[derive(Debug, Clone, Copy)]
pub struct Apps<'a>(pub(in super::super) &'a Client);

impl Apps<'_> {
    /// Creates one from at least its `name`.
    pub async fn create(&self, draft: &impl Serialize) -> Result<App, Error> {
        self.0.fetch(Call::post("/api/v1/apps").json(draft)).await
    }

    /// All of them.
    pub fn iterate(&self) -> Pages<App> {
        self.0.pages(Call::get("/api/v1/apps"))
    }

    /// One.
    pub async fn get(&self, slug: &str) -> Result<App, Error> {
        self.0.fetch(Call::get(app(slug))).await
    }

    /// Changes the members that are given.
    pub async fn update(&self, slug: &str, change: &impl Serialize) -> Result<App, Error> {
        self.0.fetch(Call::patch(app(slug)).json(change)).await
    }

    /// Removes one.
    pub async fn delete(&self, slug: &str) -> Result<(), Error> {
        self.0.call(Call::delete(app(slug))).await.map(drop)
    }
}

fn app(slug: &str) -> String {
    format!("/api/v1/apps/{}", segment(slug))
}

/// `client.functions()`: what runs on PRE and POST events.
#[derive(Debug, Clone, Copy)]
pub struct Functions<'a>(pub(in super::super) &'a Client);

/// The envelope of the calls on functions' events.
#[derive(Deserialize)]
struct Enveloped {
    data: Value,
}

impl Functions<'_> {
    /// Creates one from at least its `name` and `url`. Its secret is in this answer and no other.
    pub async fn create(&self, draft: &impl Serialize) -> Result<Function, Error> {
        self.0.fetch(Call::post("/api/v1/functions").json(draft)).await
    }

    /// All of them, or those of an app.
    pub fn iterate(&self, app_slug: Option<&str>) -> Pages<Function> {
        self.0.pages(Call::get("/api/v1/functions").query_if("app", app_slug))
    }

    /// One.
    pub async fn get(&self, id: u64) -> Result<Function, Error> {
        self.0.fetch(Call::get(format!("/api/v1/functions/{id}"))).await
    }

    /// Changes the members that are given.
    pub async fn update(&self, id: u64, change: &impl Serialize) -> Result<Function, Error> {
        self.0.fetch(Call::patch(format!("/api/v1/functions/{id}")).json(change)).await
    }

    /// Removes one, and its subscriptions.
    pub async fn delete(&self, id: u64) -> Result<(), Error> {
        self.0.call(Call::delete(format!("/api/v1/functions/{id}"))).await.map(drop)
    }

    /// The events that functions can subscribe to.
    pub async fn events(&self) -> Result<Vec<String>, Error> {
        let answer: Enveloped = self.0.fetch(Call::get("/api/cloud/events/")).await?;
        let names = answer.data["events"].as_array().into_iter().flatten();
        Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Subscribes a function to an event: `function_id`, and `stage`, `on_error`, `filter` if wanted.
    pub async fn subscribe(&self, event: &str, draft: &impl Serialize) -> Result<Value, Error> {
        let path = format!("/api/cloud/events/{}/subscribe/", segment(event));
        let answer: Enveloped = self.0.fetch(Call::post(path).json(draft)).await?;
        Ok(answer.data)
    }

    /// Ends a function's subscription to an event.
    pub async fn unsubscribe(&self, event: &str, function_id: u64) -> Result<(), Error> {
        let path = format!("/api/cloud/events/{}/unsubscribe/", segment(event));
        self.0.call(Call::post(path).json(&json!({"function_id": function_id}))).await.map(drop)
    }

    /// Runs of functions, the newest first.
    pub fn invocations(&self, query: &InvocationQuery) -> Pages<Invocation> {
        let call = Call::get("/api/v1/invocations").query_if("function_id", query.function_id);
        self.0.pages(
            call.query_if("event_id", query.event_id.as_ref()).query_if("status", query.status.as_ref()),
        )
    }

    /// One run, with every attempt.
    pub async fn invocation(&self, id: u64) -> Result<Invocation, Error> {
        self.0.fetch(Call::get(format!("/api/v1/invocations/{id}"))).await
    }

    /// Runs a POST event's function once more.
    pub async fn retry(&self, invocation_id: u64) -> Result<Invocation, Error> {
        self.0.fetch(Call::post(format!("/api/v1/invocations/{invocation_id}/retry"))).await
    }
}

/// Which runs of functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvocationQuery {
    /// Only of this function.
    pub function_id: Option<u64>,
    /// Only on this event.
    pub event_id: Option<String>,
    /// Only with this status, such as `dead`.
    pub status: Option<String>,
}
