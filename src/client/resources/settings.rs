//! What a tenant sets up once: its own event types, and keys.

use super::super::call::{Call, segment};
use super::super::connection::Client;
use super::super::error::Error;
use super::super::models::{Event, EventTypeInfo, Key};
use super::super::pages::Pages;
use serde::Serialize;

/// `client.event_types()`: the types that the broker knows.
#[derive(Debug, Clone, Copy)]
pub struct EventTypes<'a>(pub(in super::super) &'a Client);

impl EventTypes<'_> {
    /// All of them.
    pub fn iterate(&self) -> Pages<EventTypeInfo> {
        self.0.pages(Call::get("/api/v1/event-types"))
    }

    /// One.
    pub async fn get(&self, name: &str) -> Result<EventTypeInfo, Error> {
        self.0.fetch(Call::get(path(name))).await
    }

    /// Adds or replaces one of the tenant's own: `description`, `mode`, `schema` and the like.
    pub async fn put(&self, name: &str, definition: &impl Serialize) -> Result<EventTypeInfo, Error> {
        self.0.fetch(Call::put(path(name)).json(definition)).await
    }

    /// Removes one of the tenant's own.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.0.call(Call::delete(path(name))).await.map(drop)
    }

    /// A valid event of the type, made up.
    pub async fn sample(&self, name: &str) -> Result<Event, Error> {
        self.0.fetch(Call::get(format!("{}/sample", path(name)))).await
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/event-types/{}", segment(name))
}

/// `client.keys()`: who may do what.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a>(pub(in super::super) &'a Client);

impl Keys<'_> {
    /// Makes a key from its `name`, its `scopes` and, if wanted, when it `expires_at`. It is in this answer and no other.
    pub async fn create(&self, draft: &impl Serialize) -> Result<Key, Error> {
        self.0.fetch(Call::post("/api/v1/keys").json(draft)).await
    }

    /// All of them, without the keys themselves.
    pub fn iterate(&self) -> Pages<Key> {
        self.0.pages(Call::get("/api/v1/keys"))
    }

    /// Removes one: nothing is done with it from then on.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.0.call(Call::delete(format!("/api/v1/keys/{}", segment(id)))).await.map(drop)
    }
}
