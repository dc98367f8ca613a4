//! The HTTP API as a client sees it: a real server on a port of its own, over a log in memory.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::needless_raw_string_hashes,
    reason = "tests say what they need, and fail where it is not so"
)]

mod auth;
mod bad_json;
mod cloudevents;
mod event_types;
mod framing;
mod functions;
mod idempotency;
mod keys;
mod openapi;
mod operations;
mod poll;
mod publish;
mod support;
