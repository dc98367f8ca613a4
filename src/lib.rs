//! Campanile: an event broker in one process.
//!
//! # Layout
//!
//! Imports only run down this list.
//!
//! - `cli`: one file a command
//! - `http`: what a caller can do: routes, auth, problem documents
//! - `broker`: the embeddable facade and the wiring
//! - `actors`: what runs: registry, destinations, streams
//! - `delivery`: when does what happen: pure machines
//! - `webhook`: what is sent
//! - `log`: what is kept
//! - `secrets`: the master key and what is derived from it
//! - `config`, `clock`: settings, time and dice
//! - `model`: the words

pub mod actors;
pub mod broker;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod http;
pub mod log;
pub mod model;
pub mod secrets;
pub mod telemetry;
pub mod webhook;

pub use broker::Broker;
pub use config::Config;
