//! Replays: a destination is sent a range of stored events again, as a durable job.

use super::{
    ConsumerState, DeliveryStatus, DestinationId, ReplayId, Sequence, TenantId, Timestamp, TypePattern,
    Verdict,
};
use serde::{Deserialize, Serialize};

/// Which deliveries a replay puts back. What is still to be sent is never put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayOnly {
    /// Those that were given up after an attempt: dead, or cancelled while they were retried.
    #[default]
    Failed,
    /// Events that match the destination and were never tried: from before it was created, or skipped.
    Missing,
    /// Every event that matches the destination or was once tried, delivered or not.
    All,
}

impl ReplayOnly {
    /// Every choice with its name in the API.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Failed, "failed"), (Self::Missing, "missing"), (Self::All, "all")];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(only, _)| *only)
    }

    /// Whether an event is put back that the destination has up to here treated so; `last` is what its last attempt
    /// meant.
    pub fn takes(self, state: &ConsumerState, sequence: Sequence, last: Option<Verdict>) -> bool {
        // Retention is the business of whoever reads the event.
        let status = state.status_of(sequence, last, Sequence::ZERO);
        match status {
            DeliveryStatus::Pending | DeliveryStatus::Retrying | DeliveryStatus::Expired => false,
            DeliveryStatus::Delivered => self == Self::All,
            DeliveryStatus::Dead => self != Self::Missing,
            DeliveryStatus::Cancelled => self == Self::All || (self == Self::Failed) == last.is_some(),
        }
    }
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// Waits for its turn, or for its destination to be active.
    #[default]
    Queued,
    /// Puts deliveries back, or waits for their outcomes.
    Running,
    /// Everything that it put back has its outcome.
    Done,
    /// Ended by the user.
    Stopped,
}

impl ReplayStatus {
    /// Whether nothing more happens.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Stopped)
    }
}

/// A replay as it is kept. It has been over every event up to `walked_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id; ids tell the order of creation.
    pub id: ReplayId,
    /// Whose.
    pub tenant: TenantId,
    /// What is sent the events again.
    pub destination: DestinationId,
    /// Only events of this time or later.
    pub since: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
    /// Only events of these types; empty means all.
    pub types: Vec<TypePattern>,
    /// Which deliveries.
    pub only: ReplayOnly,
    /// At most this many are put back in a second; `None` means as fast as the destination takes them.
    pub rate_per_s: Option<u32>,
    /// Only events up to here: the head when it was made.
    pub up_to: Sequence,
    /// How far it is.
    pub status: ReplayStatus,
    /// How many deliveries it will put back; `None` until they are counted.
    pub total: Option<u64>,
    /// Up to here every event was looked at.
    pub walked_to: Sequence,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Replay {
    /// Whether it still looks for deliveries to put back.
    pub fn is_walking(&self) -> bool {
        !self.status.has_ended() && self.walked_to < self.up_to
    }
}

/// What became of the deliveries that a replay put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayTally {
    /// Waiting for an attempt, or under way.
    pub waiting: u64,
    /// Taken by the endpoint.
    pub delivered: u64,
    /// Given up again.
    pub failed: u64,
}

impl ReplayTally {
    /// How many were put back.
    pub fn put_back(&self) -> u64 {
        self.waiting + self.delivered + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RetryState, UnixMillis};

    #[test]
    fn what_is_still_to_be_sent_is_never_taken_and_every_choice_takes_its_own() {
        let mut state = ConsumerState::starting_after(Sequence(10));
        let retry = Verdict::Retry { at: UnixMillis(1) };
        state.retries.insert(Sequence(3), RetryState::failed(1, UnixMillis(1)));
        let cases = [
            (3, Some(retry), [false, false, false]),
            (11, None, [false, false, false]),
            (4, Some(Verdict::Expired), [false, false, false]),
            (4, Some(Verdict::Dead), [true, false, true]),
            (4, Some(retry), [true, false, true]),
            (4, Some(Verdict::Cancelled), [true, false, true]),
            (4, None, [false, true, true]),
            (4, Some(Verdict::Delivered), [false, false, true]),
        ];
        for (sequence, last, expected) in cases {
            let taken = ReplayOnly::ALL.map(|(only, _)| only.takes(&state, Sequence(sequence), last));
            assert_eq!(taken, expected, "{sequence} {last:?}");
        }
    }
}
