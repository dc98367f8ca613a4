//! When does what happen: pure machines and the blocks they write.
//!
//! A machine is plain data (`Debug + Clone + PartialEq`). It has one door, `handle(&mut self, input, now, &mut
//! actions)`: inputs are facts in the past tense, actions are orders. It reads no clock, rolls no dice and does
//! no I/O, so there is no `Result`: a failure is an input. A clock input that comes too early is harmless, so
//! timers need no cancelling. What must hold is asserted after every input.
//!
//! Imports the model only.

pub mod backoff;
pub mod destination;
pub mod gate;
pub mod lifecycle;
pub mod replay;
pub mod router;
pub mod stream;
pub mod verification;
