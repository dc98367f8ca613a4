//! A client of the API: publishes, lists, follows the stream over restarts of the broker, and manages what there is.
//!
//! It is the whole crate with `default-features = false, features = ["client"]`; nothing of the server comes with it. It
//! runs on tokio. A [`Client`] is cheap to clone and may be shared between threads.
//!
//! ```no_run
//! use campanile::client::{Client, Draft, Query};
//!
//! # async fn run() -> Result<(), campanile::client::Error> {
//! let client = Client::new("https://events.example.com", "cmp_...")?;
//! let stored = client.events().publish(&Draft::new("pipeline.completed", &[("rows", 892)])).await?;
//! println!("{} has place {:?}", stored.id, stored.sequence);
//!
//! let mut stream = client.events().stream(&Query::new().of_type("pipeline.*"));
//! while let Some(event) = stream.next().await {
//!     let event = event?;
//!     println!("{} {}", event.event_type, event.data);
//! }
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! [`Error::Refused`] carries the broker's problem document: what is wrong, where in the body, and the request's id.
//!
//! ```no_run
//! # use campanile::client::{Client, Draft, Error};
//! # async fn run(client: Client) {
//! match client.events().publish(&Draft::new("no type at all", &())).await {
//!     Err(Error::Refused(problem)) => {
//!         for rule in &problem.violations {
//!             eprintln!("{}: {}", rule.pointer, rule.detail);
//!         }
//!     }
//!     other => drop(other),
//! }
//! # }
//! ```
//!
//! # Retries
//!
//! What does no more when it is done twice is tried again, with growing waits and never before the broker's `Retry-After`:
//! reading, changing, and publishing, which names each request so that the broker does it once. What makes something new
//! is tried again only when the broker says that it did nothing (429, 503).

mod call;
mod connection;
mod dial;
mod error;
mod events;
pub(crate) mod exchange;
mod models;
mod pages;
mod resources;
mod resume;
mod retry;
pub mod sse;
mod stream;
pub mod webhooks;

pub use call::{Call, segment};
pub use connection::{Answer, Client, ClientBuilder};
pub use error::{Error, Problem, Violation};
pub use events::{Draft, Events, Outcome, Query, Ticket};
pub use models::*;
pub use pages::{Page, Pages};
pub use resources::{
    Apps, Deliveries, DeliveryQuery, Destinations, EventTypes, Functions, InvocationQuery, Keys, Replays,
};
pub use stream::{EventStream, Gap, Heard};
