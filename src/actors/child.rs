//! A child of the registry: a destination with the actor that works for it at the moment.

use super::destination::DestinationActor;
use super::messages::{Drain, StopNow};
use super::shard::Surroundings;
use super::verification::VerificationActor;
use crate::model::{Destination, DestinationStatus};
use actix::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// What is to be done for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    Deliver,
    Verify,
}

impl Job {
    /// What its status asks for; `None` when nothing. One that could only be sent something unsigned keeps its place.
    pub(super) fn of(destination: &Destination, around: &Surroundings) -> Option<Self> {
        match destination.status {
            _ if !around.can_sign(destination) => None,
            DestinationStatus::Active => destination.has_working_filter().then_some(Self::Deliver),
            DestinationStatus::Pending => Some(Self::Verify),
            DestinationStatus::Deactivated => None,
        }
    }
}

/// A running actor.
pub(super) enum Running {
    Delivering(Addr<DestinationActor>),
    Verifying(Addr<VerificationActor>),
}

impl Running {
    pub(super) fn is_running(&self) -> bool {
        match self {
            Self::Delivering(actor) => actor.connected(),
            Self::Verifying(actor) => actor.connected(),
        }
    }

    /// Ends when what is under way has its outcome.
    pub(super) fn end(&self) {
        match self {
            Self::Delivering(actor) => actor.do_send(Drain),
            Self::Verifying(actor) => actor.do_send(StopNow),
        }
    }

    /// Ends now.
    pub(super) fn stop(&self) {
        match self {
            Self::Delivering(actor) => actor.do_send(StopNow),
            Self::Verifying(actor) => actor.do_send(StopNow),
        }
    }
}

pub(super) struct Child {
    pub(super) destination: Arc<Destination>,
    /// `None` while it waits to be started again.
    pub(super) running: Option<Running>,
    /// It was told to end: what is wanted by then is started afterwards.
    pub(super) ending: bool,
    pub(super) generation: u64,
    pub(super) started: Instant,
    pub(super) deaths: u32,
}

impl Child {
    /// The actor that delivers, when one does.
    pub(super) fn delivering(&self) -> Option<&Addr<DestinationActor>> {
        match &self.running {
            Some(Running::Delivering(actor)) => Some(actor),
            _ => None,
        }
    }
}
