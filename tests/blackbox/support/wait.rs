//! Waiting for a condition, and ports that nobody else takes meanwhile.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Waits until `found` gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(20), what, found)
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

/// A port below those that the system gives to outgoing connections, so that it is still free when a killed
/// server comes back to it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 190).unwrap() * 64;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
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
