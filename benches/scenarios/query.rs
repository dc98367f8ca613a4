//! Reads of the large log: one connection, one page at a time, from random places.

use crate::child;
use crate::http::{Connection, get};
use crate::report::percentile;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Pages that are asked for one after the other.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Queries {
    pub(crate) address: SocketAddr,
    pub(crate) paths: Vec<String>,
}

/// How long they took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) worst_ms: f64,
    /// Events on a page, on average.
    pub(crate) events: f64,
    /// Pages that said there is more, of all.
    pub(crate) has_more: f64,
}

/// The `query` role.
pub(crate) fn measure(settings: &str) {
    let queries: Queries = child::settings(settings);
    child::answer(&child::block_on(ask_all(queries)));
}

async fn ask_all(queries: Queries) -> Answered {
    let mut connection = Connection::open(queries.address).await.expect("the broker accepts connections");
    let (mut taken_ms, mut events, mut has_more) = (Vec::new(), 0, 0);
    for path in &queries.paths {
        let request = get(path, "application/json");
        let begin = campanile::clock::instant();
        let (status, body) = connection.ask(&request).await.expect("the broker answers");
        taken_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        let body = connection.bytes(body);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
        let page: serde_json::Value = serde_json::from_slice(body).expect("pages are JSON");
        events += page["data"].as_array().map_or(0, Vec::len);
        has_more += usize::from(page["has_more"] == true);
    }
    let pages = queries.paths.len() as f64;
    Answered {
        p50_ms: percentile(&mut taken_ms, 50.0),
        p99_ms: percentile(&mut taken_ms, 99.0),
        worst_ms: percentile(&mut taken_ms, 100.0),
        events: events as f64 / pages,
        has_more: has_more as f64 / pages,
    }
}
