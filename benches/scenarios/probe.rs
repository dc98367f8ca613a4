//! What the disk does by itself: an append of one event and its sync.

use crate::child;
use crate::report::{percentile, target_folder};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// How long one append and sync takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Fsync {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Fsync {
    /// Measures it in a process of its own.
    pub(crate) fn ask() -> Self {
        child::Process::ask("fsync", &serde_json::json!(null))
    }
}

/// The `fsync` role: a second of 500-byte appends, each synced.
pub(crate) fn fsync(_settings: &str) {
    let mut file = tempfile::tempfile_in(target_folder()).expect("a file can be made");
    let begin = campanile::clock::instant();
    let mut taken_ms = Vec::new();
    while begin.elapsed().as_secs_f64() < 1.0 {
        let started = campanile::clock::instant();
        file.write_all(&[b'x'; 500]).expect("the disk takes a write");
        file.sync_data().expect("the disk takes a sync");
        taken_ms.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    child::answer(&Fsync {
        p50_ms: percentile(&mut taken_ms, 50.0),
        p99_ms: percentile(&mut taken_ms, 99.0),
    });
}
