//! Requests by route: how many, with what status, how long they took.

use super::{Exposition, Kind};
use actix_web::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds, with how they are written in seconds.
const BUCKETS: [(u64, &str); 11] = [
    (500, "0.0005"),
    (1000, "0.001"),
    (2500, "0.0025"),
    (5000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (2_500_000, "2.5"),
    (10_000_000, "10.0"),
    (60_000_000, "60.0"),
];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route.
#[derive(Debug)]
pub(in crate::http) struct RouteMetrics {
    path: &'static str,
    by_class: [AtomicU64; 5],
    /// Requests by the first bucket they fit in; the last is for those that fit in none.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl RouteMetrics {
    pub(super) fn new(path: &'static str) -> Self {
        Self { path, by_class: Default::default(), buckets: Default::default(), micros: AtomicU64::new(0) }
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// Counts a request that was answered.
    pub(in crate::http) fn observe(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[class].fetch_add(1, Ordering::Relaxed);
        let micros = took.as_micros() as u64;
        let bucket = BUCKETS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

pub(super) fn render(routes: &[Arc<RouteMetrics>], out: &mut Exposition) {
    out.family("campanile_http_requests", Kind::Counter, "Requests answered, by route and class of status.");
    for route in routes {
        for (class, count) in CLASSES.iter().zip(&route.by_class) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                out.sample("_total", &[("route", route.path), ("status", class)], count);
            }
        }
    }
    let help = "Time from a request's head to its answer's head, by route.";
    out.family("campanile_http_request_duration_seconds", Kind::Histogram, help);
    for route in routes {
        let counts = route.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
        let total: u64 = counts.iter().sum();
        if total == 0 {
            continue;
        }
        let mut below = 0;
        for ((_, bound), count) in BUCKETS.iter().zip(counts) {
            below += count;
            out.sample("_bucket", &[("route", route.path), ("le", bound)], below);
        }
        out.sample("_bucket", &[("route", route.path), ("le", "+Inf")], total);
        let seconds = route.micros.load(Ordering::Relaxed) as f64 / 1e6;
        out.sample("_sum", &[("route", route.path)], seconds);
        out.sample("_count", &[("route", route.path)], total);
    }
}
