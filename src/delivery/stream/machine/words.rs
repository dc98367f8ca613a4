//! The words of the machine: its settings, what happens to it, what it orders.

use super::{Moment, Pace};
use crate::delivery::stream::Gap;
use crate::delivery::stream::blocks::Block;
use crate::model::Sequence;

/// The bounds of a stream, from the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A checkpoint is written after this long without bytes.
    pub keep_alive_ms: u64,
    /// Bytes that may wait for the socket before the stream is served from the log, in pages of
    /// [`Settings::page_bytes`]. One event more, if it is larger.
    pub client_buffer: usize,
    /// A socket that takes nothing for this long is gone.
    pub stall_ms: u64,
}

impl Settings {
    /// A page is read when no more bytes than this wait for the socket.
    pub(super) fn low_water(self) -> usize {
        self.client_buffer / 4
    }

    /// How many bytes a page or an offer should have at most, so that no more than the buffer is in memory.
    pub fn page_bytes(self) -> usize {
        self.client_buffer - self.low_water()
    }
}

/// How a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// It has everything up to here.
    pub place: Sequence,
    /// What must be told first.
    pub gap: Option<Gap>,
    /// The oldest event kept.
    pub oldest: Sequence,
    /// The newest event: what comes after it will be offered.
    pub head: Sequence,
    /// A finite replay ends here.
    pub ends_at: Option<Sequence>,
    /// How fast stored events are written.
    pub pace: Pace,
    /// Whether a gap ends it.
    pub fails_on_gap: bool,
    /// When its key expires.
    pub key_ends_at: Option<Moment>,
}

/// Matching events that are joined: everything matching between `from` and `to`, the first of them at `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// After this place.
    pub from: Sequence,
    /// The first event in it; after `to` when nothing matched.
    pub first: Sequence,
    /// Up to this place.
    pub to: Sequence,
    /// How long it is.
    pub bytes: usize,
}

/// What happened. Bytes that an input speaks of come beside it; [`Action::Queue`] and [`Action::Hold`] are about
/// them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// The hub has joined the events after the last it offered.
    Offered(Offer),
    /// The log's newest event is this one, and what is before it is not offered.
    HeadMoved(Sequence),
    /// A page was read.
    PageRead {
        /// Everything matching up to here is in it.
        scanned_to: Sequence,
        /// How long its events are.
        bytes: usize,
        /// When the only event of a paced page happened, in milliseconds.
        happened: Option<i64>,
    },
    /// A page could not be read.
    ReadFailed(Failure),
    /// The socket took bytes; this many are left.
    Taken {
        /// Queued and not taken.
        left: usize,
    },
    /// Time passed. Too early is harmless.
    ClockReached,
    /// The broker stops.
    Draining,
    /// The key expires at another time now.
    KeyExpires(Option<Moment>),
    /// The key is not good any more.
    KeyEnded,
}

/// Why a page could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Retention removed everything before `oldest`, `missed` events of it after the place.
    Trimmed {
        /// The oldest event kept.
        oldest: Sequence,
        /// How many are missing.
        missed: u64,
    },
    /// This event cannot be read; those after it can.
    Corrupt(Sequence),
    /// It may go better later.
    Passing,
    /// The log is closed.
    Closed,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read matching events; answered by `PageRead` or `ReadFailed`.
    Read {
        /// After this place.
        after: Sequence,
        /// Up to this place.
        up_to: Sequence,
        /// One event only, with its time.
        one: bool,
    },
    /// Queue the bytes that came with the input.
    Queue,
    /// Keep the bytes that came with the input until `Release`.
    Hold,
    /// Queue the bytes that are held.
    Release,
    /// Queue a block.
    Write(Block),
    /// Say `ClockReached` at this moment or earlier.
    WakeAt(Moment),
    /// The stream ends after what is queued.
    End,
    /// The stream ends now; what is queued is forgotten.
    Cut,
}
