//! How long to wait: before a delivery's next attempt, and before a child is started again.

use std::time::Duration;

/// No `Retry-After` is honoured for longer.
pub const RETRY_AFTER_MAX_MS: u64 = 3_600_000;

/// A wait with jitter: never shorter, up to a tenth longer. `unit` is in 0..1.
pub fn jittered(millis: u64, unit: f64) -> u64 {
    millis.saturating_add((millis as f64 * 0.1 * unit.clamp(0.0, 1.0)) as u64)
}

/// The wait before the next attempt after `attempts` failed ones; `None` when the schedule has no more.
pub fn next_attempt_ms(
    schedule_ms: &[u64],
    attempts: u32,
    retry_after_ms: Option<u64>,
    unit: f64,
) -> Option<u64> {
    let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let scheduled = jittered(*schedule_ms.get(index)?, unit);
    Some(scheduled.max(retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS)))
}

/// The wait before a child that died `deaths` times in a row is started again: 100 ms, doubled up to 30 s.
pub fn restart(deaths: u32) -> Duration {
    Duration::from_millis(100 << deaths.saturating_sub(1).min(20)).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_followed_never_early_and_ends() {
        let schedule = [5000, 300_000];
        assert_eq!(next_attempt_ms(&schedule, 1, None, 0.0), Some(5000));
        assert_eq!(next_attempt_ms(&schedule, 1, None, 1.0), Some(5500));
        assert_eq!(next_attempt_ms(&schedule, 2, None, 0.0), Some(300_000));
        assert_eq!(next_attempt_ms(&schedule, 3, None, 0.0), None);
        assert_eq!(next_attempt_ms(&schedule, 1, Some(60_000), 0.0), Some(60_000));
        assert_eq!(next_attempt_ms(&schedule, 1, Some(u64::MAX), 0.0), Some(RETRY_AFTER_MAX_MS));
        assert_eq!(next_attempt_ms(&[], 1, None, 0.0), None);
    }

    #[test]
    fn restarts_slow_down_to_a_bound() {
        assert_eq!(restart(1), Duration::from_millis(100));
        assert_eq!(restart(2), Duration::from_millis(200));
        assert_eq!(restart(u32::MAX), Duration::from_secs(30));
    }
}
