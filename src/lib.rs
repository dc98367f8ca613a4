//! Campanile: an event broker in one process.
//!
//! Events are published once into a durable log and heard by signed webhook, Server-Sent Events and polling, all
//! from the same place in the log.
//!
//! ```no_run
//! use campanile::broker::{Event, From};
//! use campanile::{Broker, Config};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Broker::open(Config::default())?;
//! let stored = broker.publish(Event::new("pipeline.completed").data(&[("rows", 892)])).await;
//! let events = broker.subscribe(Default::default(), From::Oldest);
//! # drop((stored, events)); Ok(()) }
//! ```
//!
//! A program that talks to a broker elsewhere needs [`client`] alone: `default-features = false, features =
//! ["client"]` has nothing of the server in it.
//!
//! # Layout
//!
//! Imports only run down this list; `tests/architecture.rs` holds it.
//!
//! - `cli`: one file a command
//! - `http`: what a caller can do: routes, auth, problem documents, event streams
//! - `telemetry`: what the program says about itself
//! - `broker`: the embeddable facade and the wiring
//! - `actors`: what runs: the registry and the destinations
//! - `delivery`: when does what happen: pure machines
//! - `webhook`: what is sent: signatures, headers, the address guard, the client
//! - `log`: what is kept: the port, the log on redb, the log in memory for tests
//! - `secrets`: the master key and what is derived from it
//! - `config`: settings
//! - `catalog`: the event types that ship with the program
//! - `client`: the API's client: calls, retries, event streams that resume
//! - `protocol`: what both ends agree on: signatures, `Retry-After`, whom TLS trusts
//! - `console`: the web console's files, embedded
//! - `clock`: the only place that reads the time and rolls dice
//! - `model`: the words
//! - `time`: points in time

#[cfg(feature = "server")]
pub mod actors;
#[cfg(feature = "server")]
pub mod broker;
#[cfg(feature = "server")]
pub mod catalog;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod console;
#[cfg(feature = "server")]
pub mod delivery;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod model;
pub mod protocol;
#[cfg(feature = "server")]
pub mod secrets;
#[cfg(feature = "server")]
pub mod telemetry;
pub mod time;
#[cfg(feature = "server")]
pub mod webhook;

#[cfg(feature = "server")]
pub use broker::Broker;
#[cfg(feature = "server")]
pub use config::Config;

/// The program of the guide, compiled and run with the tests of the documentation.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../docs/embedding.md")]
pub struct EmbeddingGuide;

/// The programs of the client's guide.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../docs/rust-client.md")]
pub struct ClientGuide;
