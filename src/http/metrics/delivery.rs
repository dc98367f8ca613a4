//! Deliveries by destination: attempts, how far behind, how often an actor had to be built again.

use super::{Exposition, Kind};
use crate::actors::{LATENCY_BOUNDS_MS, Meters};
use crate::broker::{Broker, Lag};
use crate::model::DestinationId;

/// How far each destination is behind, in the order of their ids.
pub(super) type Lags = Vec<(DestinationId, String, Lag)>;

/// Asks the log; one that cannot be read has no lag to show, which the log's own metrics tell.
pub(super) async fn lags(broker: &Broker) -> Lags {
    let management = broker.log().management();
    let mut lags = Vec::with_capacity(management.destinations.len());
    for one in management.destinations.values() {
        let tenant = management.tenants.get(&one.tenant).map(|tenant| tenant.name.clone());
        if let Ok(lag) = broker.lag(one).await {
            lags.push((one.id, tenant.unwrap_or_default(), lag));
        }
    }
    lags
}

pub(super) fn render(meters: &Meters, lags: &Lags, out: &mut Exposition) {
    let help =
        "Matching events without an outcome and deliveries that wait for a retry, counted up to 100,000.";
    out.family("campanile_destination_lag_events", Kind::Gauge, help);
    for (id, tenant, lag) in lags {
        out.sample("", &[("destination", &id.to_string()), ("tenant", tenant)], lag.events);
    }
    out.family("campanile_destination_lag_seconds", Kind::Gauge, "Age of the oldest of them.");
    for (id, tenant, lag) in lags {
        out.sample("", &[("destination", &id.to_string()), ("tenant", tenant)], lag.seconds);
    }
    let all = meters.all();
    let help = "Attempts by what they meant for their delivery.";
    out.family("campanile_delivery_attempts", Kind::Counter, help);
    for (id, meter) in &all {
        for (outcome, count) in meter.attempts().into_iter().filter(|(_, count)| *count > 0) {
            out.sample("_total", &[("destination", &id.to_string()), ("outcome", outcome)], count);
        }
    }
    let help = "How often a destination's actor was built again after it had died.";
    out.family("campanile_destination_restarts", Kind::Counter, help);
    for (id, meter) in &all {
        out.sample("_total", &[("destination", &id.to_string())], meter.restarts());
    }
    let help = "Actors of event streams that died before their streams were over.";
    out.family("campanile_stream_deaths", Kind::Counter, help);
    out.sample("_total", &[], meters.stream_deaths());
    latencies(meters, out);
}

fn latencies(meters: &Meters, out: &mut Exposition) {
    let help = "Time from the begin of an attempt to its answer, of all destinations.";
    out.family("campanile_delivery_attempt_duration_seconds", Kind::Histogram, help);
    let (counts, millis) = meters.latencies();
    let mut below = 0;
    for (bound, count) in LATENCY_BOUNDS_MS.iter().zip(counts) {
        below += count;
        let bound = f64::from(*bound) / 1000.0;
        out.sample("_bucket", &[("le", &format!("{bound:?}"))], below);
    }
    let total: u64 = counts.iter().sum();
    out.sample("_bucket", &[("le", "+Inf")], total);
    out.sample("_sum", &[], millis as f64 / 1000.0);
    out.sample("_count", &[], total);
}
