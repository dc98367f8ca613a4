//! Black-box tests: the real binary as a process, driven through its sockets, held to its documented contract.
//!
//! Nothing in here knows how the program is built. Each test starts a server of its own.

// Real processes run in real time.
#![allow(clippy::disallowed_methods)]
// Whatever goes wrong in a helper is a failed test.
#![allow(clippy::unwrap_used)]
// Requests and configs are small texts, put together for reading and not for speed.
#![allow(clippy::format_push_string, clippy::format_collect)]

mod support;

mod access;
mod batches;
mod bodies;
mod catalogs;
mod closing;
mod cloudevents;
mod config_errors;
mod console;
mod crash;
mod crash_points;
mod cursors;
mod deliveries;
mod delivery_log;
mod destinations;
mod disk_faults;
mod durability;
mod edges;
mod egress;
mod faults;
mod filters;
mod functions;
mod health;
mod hostile;
mod idempotency;
mod independent_client;
mod lifecycle;
mod lifecycle_crashes;
mod metrics;
mod order;
mod publishing;
mod reading;
mod replays;
mod secrets;
mod signatures;
mod storage_full;
mod stream_gaps;
mod streaming;
mod tenants;
mod trials;
mod write_only;
