//! Runs one replay: feeds its machine and performs what it orders. Started by the registry, which it tells when it ends.
//! Everything it does is durable before the next step, so that a new actor goes on where this one was.

mod search;

pub(crate) use search::{Found, find};

use super::messages::{ReplayActorEnded, Requeued, StopNow};
use super::shard::Surroundings;
use crate::clock;
use crate::delivery::replay::{Action, Facts, Input, ReplayMachine};
use crate::log::LogError;
use crate::model::{DestinationStatus, Replay, ReplayId, Requeue, UnixMillis};
use actix::prelude::*;
use std::time::Duration;

/// How many of a replay's deliveries wait at once: enough for the destination's window to be full between two looks.
const WINDOW_MIN: u64 = 32;
const WINDOW_MAX: u64 = 512;

pub(super) struct ReplayActor {
    around: Surroundings,
    replay: Replay,
    generation: u64,
    ended: Recipient<ReplayActorEnded>,
    requeued: Recipient<Requeued>,
}

impl ReplayActor {
    pub(super) fn new(
        around: Surroundings,
        replay: Replay,
        generation: u64,
        ended: Recipient<ReplayActorEnded>,
        requeued: Recipient<Requeued>,
    ) -> Self {
        Self { around, replay, generation, ended, requeued }
    }
}

impl Actor for ReplayActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let (id, replay, around) = (self.replay.id, self.replay.clone(), self.around.clone());
        let run = Run { around, id, requeued: self.requeued.clone() };
        let run = run.go(replay).into_actor(self);
        context.spawn(run.map(|(), _, context| context.stop()));
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        // This also runs while a panic unwinds: it only tells, and must not fail.
        let _ = self.ended.try_send(ReplayActorEnded { id: self.replay.id, generation: self.generation });
    }
}

impl Handler<StopNow> for ReplayActor {
    type Result = ();
    fn handle(&mut self, _: StopNow, context: &mut Context<Self>) {
        context.stop();
    }
}

/// What a replay needs while it runs.
struct Run {
    around: Surroundings,
    id: ReplayId,
    requeued: Recipient<Requeued>,
}

impl Run {
    async fn go(self, replay: Replay) {
        let mut machine = ReplayMachine::new(replay);
        let mut action = Action::LookAt(UnixMillis(0));
        loop {
            let input = match self.perform(action).await {
                Ok(Some(input)) => input,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(replay = %self.id, %error, "a replay could not go on: it tries again");
                    Input::Failed
                }
            };
            action = machine.handle(input, clock::steady());
        }
    }

    /// `None` when the replay is over, or was ended by somebody else.
    async fn perform(&self, action: Action) -> Result<Option<Input>, LogError> {
        match action {
            Action::LookAt(at) => {
                let wait = at.since(clock::steady());
                if wait > 0 {
                    actix_rt::time::sleep(Duration::from_millis(wait)).await;
                }
                Ok(self.facts().map(Input::Looked))
            }
            Action::Count { after } => {
                let Some(replay) = self.current() else { return Ok(None) };
                let found = find(&self.around.log, &replay, after, usize::MAX).await?;
                let count = found.deliveries.len() as u64;
                Ok(Some(Input::Counted { found: count, scanned_to: found.scanned_to }))
            }
            Action::PutBack { replay, limit } => self.put_back(*replay, limit as usize).await,
            Action::Keep(replay) => {
                let is_kept = self.around.keeper.keep_replay(*replay, None).await?;
                Ok(is_kept.then_some(Input::Kept))
            }
            Action::End => Ok(None),
        }
    }

    async fn put_back(&self, mut replay: Replay, limit: usize) -> Result<Option<Input>, LogError> {
        let Found { deliveries, scanned_to } =
            find(&self.around.log, &replay, replay.walked_to, limit).await?;
        replay.walked_to = scanned_to;
        let count = deliveries.len() as u64;
        let (destination, due) = (replay.destination, clock::steady());
        let requeue = Requeue { destination, deliveries, due, replay: Some(replay.id) };
        let requeue = (count > 0).then_some(requeue);
        if !self.around.keeper.keep_replay(replay, requeue.clone()).await? {
            return Ok(None);
        }
        if let Some(requeue) = requeue {
            self.requeued.do_send(Requeued(requeue));
        }
        Ok(Some(Input::PutBack { count, scanned_to }))
    }

    fn current(&self) -> Option<Replay> {
        self.around.log.management().replays.get(&self.id).map(|replay| (**replay).clone())
    }

    /// `None` when the replay is gone or has ended.
    fn facts(&self) -> Option<Facts> {
        let management = self.around.log.management();
        let replay = management.replays.get(&self.id).filter(|replay| !replay.status.has_ended())?;
        let destination = management.destinations.get(&replay.destination)?;
        let same = |other: &Replay| other.destination == replay.destination && other.is_walking();
        let is_first = !management.replays.range(..self.id).any(|(_, other)| same(other));
        let is_active = destination.status == DestinationStatus::Active;
        let window = (2 * u64::from(destination.max_in_flight)).clamp(WINDOW_MIN, WINDOW_MAX);
        let tally = self.around.log.replay_tally(replay.destination, self.id);
        Some(Facts { tally, has_turn: is_active && is_first, window })
    }
}
