//! What is sent: signing, bodies, the address guard and the client that posts.
//!
//! Owns the bytes of a delivery and the socket they leave by. Decides nothing about when or whether: that is
//! `delivery`. Nothing here follows a redirect, reads a proxy from the environment or dials an address that
//! the guard has not seen.

pub mod address;
pub mod bodies;
pub mod call;
pub mod client;
pub mod delivery;
mod dial;
pub mod headers;
mod heads;
pub mod names;
mod proxy;
mod resolve;
pub mod target;
pub mod unlogged;
mod wire;

pub use crate::protocol::{retry_after, signature, tls};

use crate::model::UnixMillis;
use awc::http::header::HeaderValue;
use bytes::Bytes;
use names::Name;
use std::sync::Arc;
use std::time::Duration;
use target::Endpoint;

/// One request to make.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where to.
    pub to: Arc<Endpoint>,
    /// Every header but `Host` and `Content-Length`.
    pub headers: Vec<(Name, HeaderValue)>,
    /// The body, shared with the log's memory.
    pub body: Bytes,
    /// From dialling to the last byte of the answer.
    pub timeout: Duration,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When it was begun.
    pub at: UnixMillis,
    /// How long it took.
    pub latency_ms: u32,
    /// The answer, or why there was none.
    pub result: Result<Response, SendError>,
}

impl Answer {
    /// Why it counts as a failure; `None` when it is a success.
    pub fn failure(&self) -> Option<String> {
        match &self.result {
            Ok(response) => match response.status {
                200..=299 => None,
                300..=399 => Some("redirects are not followed".to_owned()),
                status => Some(format!("the endpoint answered {status}")),
            },
            Err(error) => Some(error.to_string()),
        }
    }
}

/// An endpoint's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status code.
    pub status: u16,
    /// Its first 64 headers.
    pub headers: Vec<(String, String)>,
    /// The first 4 KiB of its body.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The guard refused the address.
    #[error("address refused: {0}")]
    AddressRefused(String),
    /// The name has no address.
    #[error("name not resolved: {0}")]
    Resolve(String),
    /// No connection.
    #[error("connection failed: {0}")]
    Connect(String),
    /// TLS failed; never tried again without verification.
    #[error("tls failed: {0}")]
    Tls(String),
    /// The time was over.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// No connection in the time for one.
    #[error("connection failed: none within {0} ms")]
    ConnectTimeout(u64),
    /// The egress proxy cannot be reached or does not pass it on.
    #[error("proxy failed: {0}")]
    Proxy(String),
    /// It is to be signed, and its secret cannot be opened: nothing is sent unsigned.
    #[error(
        "its secret cannot be opened with this master key: put the earlier one back, or rotate the secret"
    )]
    Sealed,
    /// The connection broke or what came was no HTTP.
    #[error("bad response: {0}")]
    BadResponse(String),
}
