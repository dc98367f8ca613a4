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
//! - `client`: what every client needs: reading an event stream
//! - `console`: the web console's files, embedded
//! - `clock`: the only place that reads the time and rolls dice
//! - `model`: the words

pub mod actors;
pub mod broker;
pub mod catalog;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod console;
pub mod delivery;
pub mod http;
pub mod log;
pub mod model;
pub mod secrets;
pub mod telemetry;
pub mod webhook;

pub use broker::Broker;
pub use config::Config;

/// The program of the guide, compiled and run with the tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
pub struct EmbeddingGuide;
