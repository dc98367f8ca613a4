//! What both ends of a connection must agree on: how webhooks are signed, what `Retry-After` says, whom TLS trusts.
//!
//! Knows nothing of the server, so that a program with the client alone can verify what it is sent.

pub mod retry_after;
pub mod signature;
pub mod tls;
