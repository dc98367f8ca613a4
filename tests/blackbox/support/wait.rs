//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long anything may take that happens at all: only who waits in vain waits for so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `found` gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, found)
}

/// The same with another patience.
#[track_caller]
pub(crate) fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut found: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A moment in the future, as a clock on the wall shows it.
pub(crate) struct Moment {
    pub(crate) text: String,
    at: Instant,
}

impl Moment {
    /// Seconds since that moment; negative before it.
    pub(crate) fn since(&self) -> f64 {
        let now = Instant::now();
        now.checked_duration_since(self.at)
            .map_or_else(|| -(self.at - now).as_secs_f64(), |past| past.as_secs_f64())
    }
}

/// The moment in so many seconds.
pub(crate) fn in_seconds(seconds: u64) -> Moment {
    let text = (jiff::Timestamp::now() + Duration::from_secs(seconds)).to_string();
    Moment { text, at: Instant::now() + Duration::from_secs(seconds) }
}
