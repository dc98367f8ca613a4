//! The scrubber: reads every stored event once in a while, slowly, so that damage is known before somebody asks.

use super::lookup;
use super::shared::Shared;
use crate::log::LogError;
use crate::model::Sequence;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How many events are read at a time.
const BITE: u64 = 64;

/// No pause is longer, so that a closed log is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread; it ends by itself when the log is closed. `every` is how long one pass takes.
pub(super) fn start(shared: &Arc<Shared>, every: Duration) -> io::Result<()> {
    if every.is_zero() {
        return Ok(());
    }
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new()
        .name("log-scrubber".to_owned())
        .spawn(move || scrub(&shared, every))
        .map(|_| ())
}

fn scrub(shared: &Weak<Shared>, every: Duration) {
    let mut position = Sequence::ZERO;
    let mut waited = Duration::ZERO;
    while let Some(shared) = shared.upgrade() {
        if matches!(shared.trouble(), Some(LogError::Closed)) {
            return;
        }
        let pause = pause_after_bite(&shared, every);
        if waited >= pause {
            waited = Duration::ZERO;
            position = bite(&shared, position);
        }
        drop(shared);
        std::thread::sleep(pause.min(LONGEST_PAUSE));
        waited += pause.min(LONGEST_PAUSE);
    }
}

/// The pace at which a pass takes as long as it may.
fn pause_after_bite(shared: &Shared, every: Duration) -> Duration {
    let bites =
        shared.stretches().into_iter().map(|stretch| (stretch.end() + 1 - stretch.start()).div_ceil(BITE));
    let bites = bites.sum::<u64>().max(1);
    every / u32::try_from(bites).unwrap_or(u32::MAX)
}

fn bite(shared: &Shared, position: Sequence) -> Sequence {
    let kept = shared.stretches();
    let next = kept.iter().find(|stretch| *stretch.end() >= position.0);
    let Some(stretch) = next.or(kept.first()) else { return Sequence::ZERO };
    let begin = if next.is_some() { position.0.max(*stretch.start()) } else { *stretch.start() };
    let end = (begin + BITE).min(stretch.end() + 1);
    for sequence in (begin..end).map(Sequence) {
        match lookup::check(shared, sequence) {
            Ok(()) => {}
            Err(LogError::Corrupt { sequence, .. }) => {
                shared.count_corrupt();
                tracing::error!(%sequence, "the scrubber found a corrupt event");
            }
            Err(error) => tracing::warn!(%sequence, %error, "the scrubber could not read an event"),
        }
    }
    Sequence(end)
}
