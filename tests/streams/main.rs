//! Event streams over real sockets, heard by a strict parser of its own: a server on a port of its own, over a log
//! in memory that the tests can trim.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::needless_raw_string_hashes,
    reason = "tests say what they need, and fail where it is not so"
)]

mod access;
mod endings;
mod formats;
mod gaps;
mod opening;
mod parser;
mod resume;
mod slow;
mod support;
