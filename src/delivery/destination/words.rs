//! What the machine of a destination is told, and what it orders.

use super::breaker::BreakerSettings;
use crate::model::{Heard, Notice, Ordering, ReplayId, Requeue, Sequence, UnixMillis, Verdict};
use std::collections::BTreeMap;

/// How a destination delivers.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Deliveries under way or unrecorded.
    pub max_in_flight: usize,
    /// Retries that may wait.
    pub max_retrying: usize,
    /// Waits before each further attempt; empty: one attempt only.
    pub schedule_ms: Vec<u64>,
    /// Attempts a second, if limited.
    pub rate_limit_per_s: Option<u32>,
    /// Which deliveries wait for which.
    pub ordering: Ordering,
    /// After so long with nothing but failures it is switched off; after half of it there is a warning.
    pub deactivate_after_ms: u64,
    /// When an endpoint that only fails is probed instead.
    pub breaker: BreakerSettings,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The log's newest event is this one now.
    HeadMoved(Sequence),
    /// A read ended: matching events with their ordering key, and how far it looked.
    PageRead {
        /// In log order, all after the last read.
        events: Vec<(Sequence, u64)>,
        /// Everything matching up to here is in `events`.
        scanned_to: Sequence,
    },
    /// A read failed; it is tried again when the clock is reached.
    ReadFailed,
    /// Retention removed everything before this event.
    Trimmed(Sequence),
    /// An attempt ended.
    Answered {
        /// Of which event.
        sequence: Sequence,
        /// How.
        outcome: Outcome,
        /// Randomness for the jitter, in 0..1.
        jitter: f64,
    },
    /// An outcome is durable.
    Recorded(Sequence),
    /// Deliveries were put back to be sent again, durably.
    Requeued(Requeue),
    /// A replay was stopped, durably: what it put back and was not sent is given up.
    ReplayStopped(ReplayId),
    /// Time passed. Too early is harmless.
    ClockReached,
    /// The destination will be changed to another order: what is held goes by these keys from then on.
    Rekeyed(BTreeMap<Sequence, u64>),
    /// Keys of events whose key was unknown.
    Keyed(BTreeMap<Sequence, u64>),
    /// The destination was changed.
    Reconfigured(Settings),
    /// Its endpoint is another one from now on.
    Moved,
    /// It is not switched off after all.
    StaysOn,
    /// What the log knows to be told of its health by now; `None` when it could not be told.
    Told(Option<Notice>),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// 2xx.
    Success,
    /// Anything else that may go better later.
    Failure {
        /// What the endpoint asked to wait.
        retry_after_ms: Option<u64>,
    },
    /// The attempt broke off in the broker: it says nothing about the endpoint.
    Interrupted,
    /// 410.
    Gone,
    /// The stored event cannot be read: no attempt can ever go better.
    Unreadable,
    /// The stored event is no longer kept.
    Trimmed,
}

impl Outcome {
    /// What it means when the destination has another URL by now: that one may take it, and nothing is said against it.
    #[must_use]
    pub fn of_an_earlier_url(self) -> Self {
        match self {
            Self::Failure { .. } | Self::Gone => Self::Interrupted,
            Self::Success | Self::Interrupted | Self::Unreadable | Self::Trimmed => self,
        }
    }
}

/// Why a destination ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The endpoint said that it is gone.
    Gone,
    /// Every attempt failed for too long.
    Failures,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Read matching events after a place; answered by `PageRead`, `Trimmed` or `ReadFailed`.
    Read {
        /// After this place.
        after: Sequence,
        /// At most this many.
        limit: usize,
    },
    /// Make an attempt; answered by `Answered`.
    Send {
        /// Of this event.
        sequence: Sequence,
        /// Which attempt, from 1.
        attempt: u32,
        /// The replay it belongs to.
        replay: Option<ReplayId>,
    },
    /// Make an outcome durable; answered by `Recorded`.
    Record {
        /// Of this event.
        sequence: Sequence,
        /// Which attempt it was.
        attempt: u32,
        /// What it means.
        verdict: Verdict,
        /// The place that follows.
        place: Sequence,
        /// What it says about the endpoint.
        heard: Heard,
    },
    /// Make a place durable that moved without outcomes.
    MovePlace(Sequence),
    /// Send `ClockReached` at this time.
    WakeAt(UnixMillis),
    /// Nothing more is to be sent: switch the destination off; answered by `StaysOn` when it is not.
    Deactivate(Ending),
    /// Tell of its health; answered by `Told`.
    Tell(Notice),
}
