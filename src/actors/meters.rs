//! What is counted of deliveries while the process runs, for metrics.
//!
//! What must hold: counting takes no lock; a destination's meter outlives its actors, and goes with the destination.

use crate::model::{DestinationId, Verdict};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Upper bounds of [`Meters::latencies`] in milliseconds.
pub const LATENCY_BOUNDS_MS: [u32; 10] = [1, 5, 10, 50, 100, 500, 1000, 5000, 15_000, 60_000];

/// The meters of all destinations.
#[derive(Debug, Default)]
pub struct Meters {
    destinations: Mutex<BTreeMap<DestinationId, Arc<Meter>>>,
    /// Attempts by the first bound they fit in; the last is for those that fit in none.
    buckets: [AtomicU64; LATENCY_BOUNDS_MS.len() + 1],
    millis: AtomicU64,
    stream_deaths: AtomicU64,
}

/// The meter of one destination.
#[derive(Debug, Default)]
pub struct Meter {
    delivered: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
    expired: AtomicU64,
    cancelled: AtomicU64,
    restarts: AtomicU64,
}

impl Meters {
    /// The meter of a destination.
    pub(super) fn of(&self, id: DestinationId) -> Arc<Meter> {
        let mut all = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(id).or_default())
    }

    /// Forgets a destination that is gone.
    pub(super) fn remove(&self, id: DestinationId) {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn took(&self, latency_ms: u32) {
        let bucket = LATENCY_BOUNDS_MS.iter().position(|bound| latency_ms <= *bound);
        self.buckets[bucket.unwrap_or(LATENCY_BOUNDS_MS.len())].fetch_add(1, Ordering::Relaxed);
        self.millis.fetch_add(u64::from(latency_ms), Ordering::Relaxed);
    }

    /// Attempts within each of [`LATENCY_BOUNDS_MS`] and not within the one before, those beyond all, and the
    /// milliseconds of all together.
    pub fn latencies(&self) -> ([u64; LATENCY_BOUNDS_MS.len() + 1], u64) {
        let counts = self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
        (counts, self.millis.load(Ordering::Relaxed))
    }

    pub(super) fn stream_died(&self) {
        self.stream_deaths.fetch_add(1, Ordering::Relaxed);
    }

    /// How many actors of event streams died before their streams were over.
    pub fn stream_deaths(&self) -> u64 {
        self.stream_deaths.load(Ordering::Relaxed)
    }

    /// The meters there are.
    pub fn all(&self) -> Vec<(DestinationId, Arc<Meter>)> {
        let all = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(id, meter)| (*id, Arc::clone(meter))).collect()
    }
}

impl Meter {
    pub(super) fn recorded(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Delivered => &self.delivered,
            Verdict::Retry { .. } => &self.retried,
            Verdict::Dead => &self.dead,
            Verdict::Expired => &self.expired,
            Verdict::Cancelled => &self.cancelled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts since the start of the process, by what they meant for their delivery.
    pub fn attempts(&self) -> [(&'static str, u64); 5] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("delivered", of(&self.delivered)),
            ("retry", of(&self.retried)),
            ("dead", of(&self.dead)),
            ("expired", of(&self.expired)),
            ("cancelled", of(&self.cancelled)),
        ]
    }

    /// How often its actor was built again after it had died.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixMillis;

    #[test]
    fn attempts_are_counted_by_verdict_and_by_latency() {
        let meters = Meters::default();
        let meter = meters.of(DestinationId(1));
        for (verdict, latency_ms) in
            [(Verdict::Delivered, 1), (Verdict::Retry { at: UnixMillis(5) }, 2), (Verdict::Dead, 60_001)]
        {
            meter.recorded(verdict);
            meters.took(latency_ms);
        }
        assert_eq!(
            meters.of(DestinationId(1)).attempts().map(|(_, count)| count),
            [1, 1, 1, 0, 0],
            "the same meter for the next actor"
        );
        let (buckets, millis) = meters.latencies();
        assert_eq!((buckets[0], buckets[1], buckets[10], millis), (1, 1, 1, 60_004));
        meters.remove(DestinationId(1));
        assert!(meters.all().is_empty());
    }
}
