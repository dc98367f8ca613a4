//! The program as its users meet it: the real binary, real sockets, kill -9.

#![allow(
    unreachable_pub,
    clippy::assigning_clones,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::format_push_string
)]

mod client_commands;
mod client_library;
mod client_tls;
mod command_line;
mod contract;
mod crash;
mod destinations;
mod endpoint;
mod harness;
#[path = "../ports/mod.rs"]
mod ports;
mod start;
mod streams;
mod trigger;
