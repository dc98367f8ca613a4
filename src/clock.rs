//! The only place that reads the time and rolls dice. Everything that decides is given both.
//!
//! What must hold: whoever waits for a time goes by [`steady`], which no setting of the wall clock moves: nothing is sent too early
//! because it was set forward, and nothing hangs because it was set back. What people read goes by [`now`].

use crate::time::UnixMillis;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds.
#[allow(clippy::disallowed_methods)]
pub fn now() -> UnixMillis {
    in_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

/// The wall clock as it would be had nobody set it since it was first asked for: it never goes back and never jumps.
/// Times that are kept go by it; after a start they are read by the wall clock of that start.
#[allow(clippy::disallowed_methods)]
pub fn steady() -> UnixMillis {
    static BEGIN: OnceLock<(Instant, Duration)> = OnceLock::new();
    let begin = || (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO));
    let (begin, since_epoch) = BEGIN.get_or_init(begin);
    in_millis(since_epoch.saturating_add(begin.elapsed()))
}

fn in_millis(since_epoch: Duration) -> UnixMillis {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_goes_on_and_never_back() {
        let mut last = steady();
        let begin = instant();
        while begin.elapsed() < Duration::from_millis(20) {
            let next = steady();
            assert!(next >= last, "{next:?} after {last:?}");
            last = next;
        }
        assert!(steady().since(last) < 1_000_000 && last.0 > 0);
    }
}
