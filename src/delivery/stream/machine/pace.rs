//! The pace of a replay: events are written as far apart as they happened, or that divided by a factor.

use super::Moment;
use crate::model::Sequence;

/// The longest a replay waits for one event.
const LONGEST_PAUSE_MS: u64 = 3600 * 1000;

/// How fast stored events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As fast as they are read.
    #[default]
    Max,
    /// This many times as fast as they happened.
    Times(u32),
}

/// A replay's clock, and the event that waits for its time.
///
/// Times are counted from an anchor, so that pauses do not add up to a drift. An event that happened before one
/// that was written waits for nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paced {
    pace: Pace,
    anchor: Option<(i64, Moment)>,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    due: Moment,
    to: Sequence,
    bytes: usize,
}

impl Paced {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, anchor: None, held: None }
    }

    /// Whether events are read one by one.
    pub(super) fn is_slow(&self) -> bool {
        self.pace != Pace::Max
    }

    /// Whether an event waits for its time.
    pub(super) fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    /// When the event that waits is due.
    pub(super) fn due(&self) -> Option<Moment> {
        self.held.map(|held| held.due)
    }

    /// Whether an event that was read has to wait for its time; it is held then.
    pub(super) fn must_wait(
        &mut self,
        to: Sequence,
        bytes: usize,
        happened: Option<i64>,
        now: Moment,
    ) -> bool {
        let (Pace::Times(factor), Some(happened)) = (self.pace, happened) else { return false };
        let Some((since, from)) = self.anchor else {
            self.anchor = Some((happened, now));
            return false;
        };
        let apart = u64::try_from(happened.saturating_sub(since)).unwrap_or(0) / u64::from(factor.max(1));
        let mut due = from.saturating_add(apart);
        if due > now + LONGEST_PAUSE_MS {
            due = now + LONGEST_PAUSE_MS;
            self.anchor = Some((happened, due));
        }
        if due <= now {
            return false;
        }
        self.held = Some(Held { due, to, bytes });
        true
    }

    /// The event that waited, when its time has come: up to where it goes, and its length.
    pub(super) fn release(&mut self, now: Moment) -> Option<(Sequence, usize)> {
        let held = self.held.take_if(|held| held.due <= now)?;
        Some((held.to, held.bytes))
    }
}
