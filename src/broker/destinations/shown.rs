//! How a destination looks to others: in the API's answers and as `data` of the events about it.

use super::Lag;
use crate::model::{BodyFormat, Destination, Health, Timestamp};
use crate::webhook::headers::redacted;
use serde_json::{Value, json};

/// A destination as the API shows it: everything but its secrets. `format` is that of all events where the destination
/// names none, `None` when it depends on their type.
pub(crate) fn shown(one: &Destination, format: Option<BodyFormat>, lag: Lag, health: Health) -> Value {
    let events: Vec<String> = if one.events.is_empty() {
        vec!["*".to_owned()]
    } else {
        one.events.iter().map(ToString::to_string).collect()
    };
    json!({
        "id": one.id,
        "url": one.url,
        "description": one.description,
        "events": events,
        "filter": one.filter,
        "format": one.format.or(format),
        "status": one.status,
        "deactivation": one.deactivation,
        "verification": one.verification,
        "headers": one.headers,
        "retry": one.retry,
        "timeout_ms": one.timeout_ms,
        "max_in_flight": one.max_in_flight,
        "rate_limit_per_s": one.rate_limit_per_s,
        "ordering": one.ordering,
        "signature_header": one.signature_header,
        "lag": lag,
        "failing_since": health.failing.map(|failing| Timestamp::from(failing.since)),
        "declared": one.declared,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    })
}

/// A destination with what may be secret among its headers redacted, as in the delivery log.
pub(crate) fn without_secret_headers(one: &Destination) -> Destination {
    let told = |(name, value): (&String, &String)| (name.clone(), redacted(name, value).to_owned());
    Destination { headers: one.headers.iter().map(told).collect(), ..one.clone() }
}
