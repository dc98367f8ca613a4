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
#[path = "../conformance/mod.rs"]
mod conformance;
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

use conformance::Conformance;
use std::sync::LazyLock;

/// Every answer of these tests is held to the document.
fn conformance() -> &'static Conformance {
    static DOCUMENT: LazyLock<Conformance> = LazyLock::new(|| {
        let server = support::start();
        let head = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answers = support::answers_in(&server.raw(head));
        Conformance::new(answers[0].json())
    });
    &DOCUMENT
}
