//! Every command of the README's guide and of the guides in `docs`, and every example, run against the real program: a
//! file for each.

#![allow(unreachable_pub, clippy::unwrap_used)]

mod consumers;
mod destinations;
mod examples;
mod operators;
mod publishers;
mod readers;
mod readme;
mod support;
