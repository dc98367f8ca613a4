//! `GET /metrics`: Prometheus text 0.0.4, or OpenMetrics when asked for.

use super::App;
use super::auth::Caller;
use super::problem::Problem;
use crate::model::Scope;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Answers by class, counted without a lock on the way of every request.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// One for each of 1xx to 5xx.
    answers: [AtomicU64; 5],
    durations: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations = Histogram::new(exponential_buckets(0.000_25, 4.0, 8));
        Self { answers: Default::default(), durations }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByClass {
    class: &'static str,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Metrics {
    pub(super) fn count(&self, pattern: Option<&str>, status: u16, took: Duration) {
        if let Some(answers) = self.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
        // A stream's duration says nothing about the broker.
        if pattern.is_some_and(|pattern| !pattern.ends_with("/stream")) {
            self.durations.observe(took.as_secs_f64());
        }
    }

    fn registry(&self, app: &App) -> Registry {
        let mut registry = Registry::with_prefix("campanile");
        let answers = Family::<ByClass, Counter>::default();
        for (class, count) in CLASSES.into_iter().zip(&self.answers) {
            answers.get_or_create(&ByClass { class }).inc_by(count.load(Ordering::Relaxed));
        }
        registry.register("http_answers", "Answers by status class", answers);
        registry.register(
            "http_duration_seconds",
            "Time to answer, streams left out",
            self.durations.clone(),
        );
        let log = app.broker.log();
        let (bounds, stats) = (*log.bounds().borrow(), log.stats());
        let commits = Counter::<u64>::default();
        commits.inc_by(stats.commits);
        registry.register("log_commits", "Commits since the start", commits);
        let corrupt = Counter::<u64>::default();
        corrupt.inc_by(stats.corrupt);
        registry.register("log_corrupt_rows", "Rows that did not match their checksum", corrupt);
        let writable = i64::from(log.health().is_ok());
        for (name, help, value) in [
            ("log_head_sequence", "The newest event", bounds.head.0 as i64),
            ("log_oldest_sequence", "The oldest event kept", bounds.oldest.0 as i64),
            ("log_events", "Events kept", stats.events as i64),
            ("log_bytes", "Bytes of the log on disk", stats.bytes as i64),
            ("log_segments", "Files of events", stats.segments as i64),
            ("log_free_bytes", "Bytes free on the volume", stats.free_bytes as i64),
            ("log_writable", "Whether commits are possible", writable),
            ("streams", "Open event streams", app.streams.load(Ordering::Relaxed) as i64),
            ("waiting_polls", "Long polls that wait", app.waiting_polls.load(Ordering::Relaxed) as i64),
            ("destinations", "Destinations", log.management().destinations.len() as i64),
        ] {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
        registry
    }
}

/// `GET /metrics`.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if !app.broker.config().server.metrics_public {
        Caller::of(&request, &app, Scope::Operator)?;
    }
    let mut text = String::new();
    if encode(&mut text, &app.metrics.registry(&app)).is_err() {
        return Err(Problem::unavailable("overloaded", "the metrics could not be written", 1));
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if accept.contains("application/openmetrics-text") {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        return Ok(HttpResponse::Ok().content_type(kind).body(text));
    }
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(as_prometheus(&text)))
}

/// The older format names a counter in its comments as in its samples, and has no end mark and no units.
fn as_prometheus(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some("TYPE"), Some(name), Some("counter")) => {
                out.push_str("# TYPE ");
                out.push_str(name);
                out.push_str("_total counter");
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_alike_in_the_older_format() {
        let text = "# HELP a_b Help.\n# TYPE a_b counter\na_b_total 1\n# TYPE c gauge\nc 2\n# EOF\n";
        let shown = as_prometheus(text);
        assert_eq!(shown, "# HELP a_b Help.\n# TYPE a_b_total counter\na_b_total 1\n# TYPE c gauge\nc 2\n");
    }
}
