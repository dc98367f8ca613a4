//! What `/metrics` shows.
//!
//! Counting on the way of a request takes no lock: each route holds its own counters. Everything else is read
//! when somebody asks.

mod delivery;
mod exposition;
mod routes;

use delivery::Lags;
use exposition::{Exposition, Format, Kind};
pub(super) use routes::RouteMetrics;

use super::App;
use super::auth::Caller;
use super::problem::Problem;
use crate::model::Scope;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// All metrics of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    routes: Mutex<Vec<Arc<RouteMetrics>>>,
}

impl Metrics {
    /// The counters of a route: the same ones for every worker thread.
    pub(in crate::http) fn route(&self, path: &'static str) -> Arc<RouteMetrics> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.iter().find(|route| route.path() == path) {
            return Arc::clone(known);
        }
        let route = Arc::new(RouteMetrics::new(path));
        routes.push(Arc::clone(&route));
        route
    }

    /// Everything as text.
    fn render(&self, app: &App, lags: &Lags, format: Format) -> Vec<u8> {
        let mut out = Exposition::new(format);
        out.family("campanile_build", Kind::Info, "Which build is running.");
        out.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        render_state(app, &mut out);
        delivery::render(app.broker.meters(), lags, &mut out);
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        routes::render(&routes, &mut out);
        out.finish()
    }
}

/// `GET /metrics`
pub(crate) async fn show(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    if !app.broker.config().server.metrics_public {
        Caller::of(&request, &app, Scope::Operator)?;
    }
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::by_accept(accept);
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static(format.content_type())));
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    let lags = delivery::lags(&app.broker).await;
    Ok(answer.body(app.metrics.render(&app, &lags, format)))
}

fn render_state(app: &App, out: &mut Exposition) {
    let log = app.broker.log();
    let bounds = *log.bounds().borrow();
    let stats = log.stats();
    let gauges = [
        ("campanile_log_head_sequence", "The place of the newest event.", bounds.head.0),
        ("campanile_log_oldest_sequence", "The place of the oldest event kept.", bounds.oldest.0),
        ("campanile_log_events", "Events kept.", stats.events),
        ("campanile_log_bytes", "Bytes of the log on disk.", stats.bytes),
        ("campanile_log_free_bytes", "Bytes free on the volume of the log.", stats.free_bytes),
        ("campanile_log_segments", "Files of events.", stats.segments),
        ("campanile_streams", "Open event streams.", app.streams.load(Ordering::Relaxed) as u64),
        ("campanile_waiting_polls", "Long polls under way.", app.waiting.taken() as u64),
        ("campanile_log_writable", "Whether the log takes commits.", u64::from(log.health().is_ok())),
        (
            "campanile_destinations",
            "Destinations of all tenants.",
            log.management().destinations.len() as u64,
        ),
    ];
    for (name, help, value) in gauges.into_iter().chain(bounds_of(app)) {
        out.family(name, Kind::Gauge, help);
        out.sample("", &[], value);
    }
    let counters = [
        ("campanile_log_commits", "Commits since the log was opened.", stats.commits),
        ("campanile_log_corrupt_rows", "Corrupt rows met since the log was opened.", stats.corrupt),
    ];
    for (name, help, value) in counters {
        out.family(name, Kind::Counter, help);
        out.sample("_total", &[], value);
    }
}

/// How much is kept and since when this server runs, in whole seconds.
fn bounds_of(app: &App) -> [(&'static str, &'static str, u64); 3] {
    let storage = &app.broker.config().storage;
    [
        ("campanile_log_retention_bytes", "Bytes that the log may have on disk.", storage.max_bytes),
        ("campanile_log_retention_seconds", "How long events are kept.", storage.max_age.as_secs()),
        (
            "process_start_time_seconds",
            "When the server began, since the epoch.",
            app.started.0.max(0) as u64 / 1000,
        ),
    ]
}
