//! The messages that cross between actors: small, and harmless when they come twice.

use super::streams::StreamId;
use crate::delivery::destination::Outcome;
use crate::log::LogError;
use crate::model::{
    Destination, DestinationId, Notice, ReplayId, RequestNote, Requeue, Sequence, StoredEvent,
};
use crate::webhook::{Answer, Outgoing};
use actix::{Message, Recipient};
use std::sync::Arc;

/// The log has matching events up to here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct HeadMoved(pub(super) Sequence);

/// The log committed something.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Committed;

/// Destinations changed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ManagementChanged;

/// This is what the destination is now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Reconfigured(pub(super) Arc<Destination>);

/// Deliveries of a destination were put back, durably.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Requeued(pub(super) Requeue);

/// A replay was stopped, durably: what it put back and was not sent is given up.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ReplayStopped {
    pub(super) destination: DestinationId,
    pub(super) replay: ReplayId,
}

/// The actor of a replay ended; a later generation may already run.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ReplayActorEnded {
    pub(super) id: ReplayId,
    pub(super) generation: u64,
}

/// An attempt ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Answered {
    pub(super) sequence: Sequence,
    /// By which of the URLs that the destination has had.
    pub(super) url: u32,
    /// The event, when it could be read.
    pub(super) event: Option<Arc<StoredEvent>>,
    /// What was sent besides the event.
    pub(super) request: RequestNote,
    /// Or why none was made.
    pub(super) answer: Result<Answer, Outcome>,
}

/// Outcomes wait to be made durable.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct FlushOutcomes;

/// Outcomes are durable, or it is not known whether they are.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Recorded {
    pub(super) sequences: Vec<Sequence>,
    pub(super) error: Option<LogError>,
    /// It was asked to be switched off and is not.
    pub(super) stays_on: bool,
}

/// What is told of a destination's health by now; `None` when it could not be told.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Told(pub(super) Option<Notice>);

/// The overlap of a secret may be over. Too early is harmless.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct SecretsExpire;

/// Make one request outside of any delivery.
#[derive(Debug, Message)]
#[rtype(result = "Option<Answer>")]
pub(super) struct Post(pub(super) Outgoing);

/// An endpoint answered its verification, or did not.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Replied {
    pub(super) consented: bool,
}

/// A consent is durable, or could not be made so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Kept {
    pub(super) error: Option<LogError>,
}

/// Time passed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ClockReached;

/// An actor ended; a later generation may already run.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ChildStopped {
    pub(super) id: DestinationId,
    pub(super) generation: u64,
}

/// Make no new attempts; end when nothing is under way.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Drain;

/// End now.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct StopNow;

/// How many destinations still have something under way.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub(super) struct StillRunning;

/// The actor of an event stream runs.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StreamStarted {
    pub(super) id: StreamId,
    pub(super) actor: Recipient<Drain>,
}

/// The actor of an event stream ended.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct StreamStopped {
    pub(super) id: StreamId,
    /// Its stream was not over.
    pub(super) died: bool,
}

/// End all event streams, also those that are about to start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct DrainStreams;
