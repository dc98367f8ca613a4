//! How a destination does: counts, success rate, latencies, lag.

use super::DeliverySummary;
use crate::broker::{Broker, DeliveryAsk, Lag, ManageError};
use crate::model::{DeliveryStatus, DestinationId, EventFilter, Sequence, TenantId, Timestamp};
use serde::Serialize;

/// The newest deliveries that figures are taken from.
const WINDOW: usize = 2000;

/// How a destination does. Everything but `pending`, `retrying` and the lag is of the newest deliveries, which survive
/// a restart with the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DestinationStats {
    /// Deliveries by status.
    pub counts: Counts,
    /// Attempts made for them.
    pub attempts: u64,
    /// Delivered of those that came to an end; `None` when none did.
    pub success_rate: Option<f64>,
    /// How long endpoints took to answer, in milliseconds; `None` when none did.
    pub latency_ms: Option<Latency>,
    /// How far it is behind.
    pub lag: Lag,
    /// How many deliveries the figures are of, at most 2,000.
    pub deliveries: usize,
    /// When the first of their last attempts began.
    pub since: Option<Timestamp>,
}

/// Deliveries by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Without an attempt, all of them.
    pub pending: u64,
    /// Waiting for another attempt, all of them.
    pub retrying: u64,
    /// Taken by the endpoint.
    pub delivered: u64,
    /// Out of attempts.
    pub dead: u64,
    /// Gone by retention.
    pub expired: u64,
    /// Skipped.
    pub cancelled: u64,
}

/// Milliseconds to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: u32,
    /// 95 of 100 took no longer.
    pub p95: u32,
    /// 99 of 100 took no longer.
    pub p99: u32,
}

impl Broker {
    /// How a destination does.
    pub async fn destination_stats(
        &self,
        tenant: TenantId,
        id: DestinationId,
    ) -> Result<DestinationStats, ManageError> {
        let destination = self.destination(tenant, id)?;
        let lag = self.lag(&destination).await?;
        let retrying = self.log().consumer(id).map_or(0, |consumer| consumer.retries.len() as u64);
        let settled = DeliveryStatus::ALL.map(|(status, _)| status);
        let statuses = settled.into_iter().filter(|status| *status != DeliveryStatus::Pending).collect();
        let (filter, below) = (EventFilter::default(), Sequence(u64::MAX));
        let ask = DeliveryAsk { statuses, filter, below, limit: WINDOW };
        let page = self.delivery_page(tenant, id, ask).await?;
        let mut stats = of_window(&page.deliveries);
        stats.lag = lag;
        stats.counts.retrying = retrying;
        stats.counts.pending = lag.events.saturating_sub(retrying);
        Ok(stats)
    }
}

fn of_window(deliveries: &[DeliverySummary]) -> DestinationStats {
    let count = |wanted| deliveries.iter().filter(|one| one.status == wanted).count() as u64;
    let counts = Counts {
        pending: 0,
        retrying: count(DeliveryStatus::Retrying),
        delivered: count(DeliveryStatus::Delivered),
        dead: count(DeliveryStatus::Dead),
        expired: count(DeliveryStatus::Expired),
        cancelled: count(DeliveryStatus::Cancelled),
    };
    let ended = counts.delivered + counts.dead;
    let last = deliveries.iter().filter_map(|one| one.last_attempt.as_ref());
    let answered = last.clone().filter(|attempt| attempt.status.is_some());
    let mut taken: Vec<u32> = answered.map(|attempt| attempt.latency_ms).collect();
    taken.sort_unstable();
    DestinationStats {
        counts,
        attempts: deliveries.iter().map(|one| u64::from(one.attempts)).sum(),
        success_rate: (ended > 0).then(|| counts.delivered as f64 / ended as f64),
        latency_ms: latency(&taken),
        lag: Lag::default(),
        deliveries: deliveries.len(),
        since: last.map(|attempt| attempt.at).min().map(Timestamp::from),
    }
}

/// The nearest-rank percentiles of sorted values.
fn latency(sorted: &[u32]) -> Option<Latency> {
    let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Latency { p50: rank(50)?, p95: rank(95)?, p99: rank(99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(latency(&hundred), Some(Latency { p50: 50, p95: 95, p99: 99 }));
        assert_eq!(latency(&[7]), Some(Latency { p50: 7, p95: 7, p99: 7 }));
        assert_eq!(latency(&[]), None);
    }
}
