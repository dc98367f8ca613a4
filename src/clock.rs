//! The only place that reads the time and rolls dice. Everything that decides is given both.

use crate::model::UnixMillis;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds.
#[allow(clippy::disallowed_methods)]
pub fn now() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The monotonic clock, for measuring how long something took.
#[allow(clippy::disallowed_methods)]
pub fn instant() -> Instant {
    Instant::now()
}

/// Random bits from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bits = [0; N];
    getrandom::fill(&mut bits).expect("the operating system gives randomness");
    bits
}

/// A random number below one, for jitter.
pub fn random_unit() -> f64 {
    (u64::from_le_bytes(random()) >> 11) as f64 / (1_u64 << 53) as f64
}
