//! The program as its users meet it: the real binary, real sockets, kill -9.

#![allow(clippy::unwrap_used)]

mod contract;
mod crash;
mod destinations;
mod endpoint;
mod harness;
mod start;
mod streams;
