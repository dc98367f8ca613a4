//! Replays: a destination is sent a range of stored events again, as a durable job.

use super::{
    ConsumerState, DeliveryStatus, DestinationId, ReplayId, Requeue, Sequence, TenantId, Timestamp,
    TypePattern, Verdict,
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

    /// Whether this is what comes after `kept`, with what is put back on the way. It is not when another hand took the step
    /// first, as one that died may have: taken again, it would put back twice.
    pub fn follows(&self, kept: &Self, requeue: Option<&Requeue>) -> bool {
        let first = requeue.and_then(|requeue| requeue.deliveries.first());
        let is_new = first.is_none_or(|(sequence, _)| *sequence > kept.walked_to);
        is_new && self.walked_to >= kept.walked_to && !kept.status.has_ended()
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

    #[test]
    fn a_step_that_was_taken_is_not_taken_again() {
        let kept = Replay {
            id: ReplayId(1),
            tenant: TenantId(1),
            destination: DestinationId(1),
            since: None,
            until: None,
            types: Vec::new(),
            only: ReplayOnly::All,
            rate_per_s: None,
            up_to: Sequence(9),
            status: ReplayStatus::Running,
            total: Some(9),
            walked_to: Sequence(5),
            created_at: Timestamp::from(UnixMillis(0)),
            ended_at: None,
        };
        let walked_to = |place| Replay { walked_to: Sequence(place), ..kept.clone() };
        let put_back = |place| Requeue {
            destination: DestinationId(1),
            deliveries: vec![(Sequence(place), 1)],
            due: UnixMillis(0),
            replay: Some(ReplayId(1)),
        };
        assert!(walked_to(6).follows(&kept, Some(&put_back(6))) && walked_to(5).follows(&kept, None));
        assert!(!walked_to(5).follows(&kept, Some(&put_back(5))), "put back already");
        assert!(!walked_to(7).follows(&kept, Some(&put_back(4))), "put back already");
        assert!(!walked_to(4).follows(&kept, None), "it only goes forward");
        let stopped = Replay { status: ReplayStatus::Stopped, ..kept.clone() };
        assert!(!walked_to(6).follows(&stopped, None));
    }
}
