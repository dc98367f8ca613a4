//! Hearing a broker from outside: what every client needs that no HTTP library has.

pub mod sse;
