//! Between actors and machines: what an attempt's answer means, how it is recorded, what a destination's settings
//! are to its machine.

use crate::clock;
use crate::config::DeliveryConfig;
use crate::delivery::destination::{BreakerSettings, Outcome, Settings};
use crate::log::{EventLog, LogError, Query};
use crate::model::{
    AttemptRecord, Destination, DestinationId, EventNote, Ordering, RequestNote, RetryPolicy, Sequence,
    StoredEvent, Verdict,
};
use crate::webhook::{Answer, retry_after};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub(super) async fn fetch(log: &dyn EventLog, query: Query) -> Result<Arc<StoredEvent>, Outcome> {
    match log.read(query).await {
        Ok(page) => page.events.into_iter().next().ok_or(Outcome::Trimmed),
        Err(LogError::Trimmed { .. }) => Err(Outcome::Trimmed),
        Err(LogError::Corrupt { .. }) => Err(Outcome::Unreadable),
        Err(_) => Err(Outcome::Interrupted),
    }
}

pub(super) fn outcome_of(answer: &Answer) -> Outcome {
    match &answer.result {
        Ok(response) => match response.status {
            200..=299 => Outcome::Success,
            410 => Outcome::Gone,
            429 | 503 => {
                Outcome::Failure { retry_after_ms: retry_after::millis(&response.headers, clock::now()) }
            }
            _ => Outcome::Failure { retry_after_ms: None },
        },
        Err(_) => Outcome::Failure { retry_after_ms: None },
    }
}

pub(super) fn attempt_record(
    (destination, sequence, event): (DestinationId, Sequence, Option<EventNote>),
    attempt: u32,
    request: RequestNote,
    verdict: Verdict,
    answer: Answer,
) -> AttemptRecord {
    let error = answer.failure();
    let (status, response_headers, response_body) = match answer.result {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            (Some(response.status), response.headers, body)
        }
        Err(_) => (None, Vec::new(), String::new()),
    };
    let (at, latency_ms) = (answer.at, answer.latency_ms);
    AttemptRecord {
        destination,
        sequence,
        event,
        attempt,
        at,
        latency_ms,
        request,
        status,
        error,
        verdict,
        response_headers,
        response_body,
    }
}

pub(super) fn settings_of(destination: &Destination, config: &DeliveryConfig) -> Settings {
    let RetryPolicy { enabled, schedule_s } = &destination.retry;
    Settings {
        max_in_flight: destination.max_in_flight as usize,
        max_retrying: config.max_retrying,
        schedule_ms: if *enabled { schedule_s.iter().map(|wait| wait * 1000).collect() } else { Vec::new() },
        rate_limit_per_s: destination.rate_limit_per_s,
        ordering: destination.ordering,
        deactivate_after_ms: config.deactivate_after.as_millis() as u64,
        breaker: BreakerSettings {
            after_ms: config.breaker_after.as_millis() as u64,
            pause_ms: config.breaker_pause.as_millis() as u64,
            pause_max_ms: config.breaker_pause_max.as_millis() as u64,
        },
    }
}

/// Events of the same key are delivered in order.
pub(super) fn key_of(event: &StoredEvent, ordering: Ordering) -> u64 {
    let mut hasher = DefaultHasher::new();
    match ordering {
        Ordering::None | Ordering::Strict => return 0,
        Ordering::Pipeline => event.pipeline().hash(&mut hasher),
        Ordering::RunId => event.run_id().hash(&mut hasher),
    }
    hasher.finish()
}
