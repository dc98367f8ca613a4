//! The registry's replays: which have an actor, and when one that died is started again.

use super::messages::{ReplayActorEnded, Requeued, StopNow};
use super::replay::ReplayActor;
use super::shard::Surroundings;
use crate::delivery::backoff;
use crate::log::Management;
use crate::model::{Replay, ReplayId};
use actix::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// Every replay that has not ended has one.
struct Child {
    /// `None` while it waits to be started again.
    actor: Option<Addr<ReplayActor>>,
    generation: u64,
    deaths: u32,
}

/// Where a replay's actor sends what it has to say: to the registry.
#[derive(Clone)]
pub(super) struct Ears {
    pub(super) ended: Recipient<ReplayActorEnded>,
    pub(super) requeued: Recipient<Requeued>,
}

/// The replays that are not at their end.
#[derive(Default)]
pub(super) struct Replays {
    children: BTreeMap<ReplayId, Child>,
    generations: u64,
}

impl Replays {
    /// Starts what is new, stops what has ended or is gone.
    pub(super) fn reconcile(
        &mut self,
        management: &Management,
        around: &Surroundings,
        shards: &[ArbiterHandle],
        ears: &Ears,
    ) {
        let runs = |id: &ReplayId| management.replays.get(id).is_some_and(|one| !one.status.has_ended());
        self.children.retain(|id, child| {
            let runs = runs(id);
            if let Some(actor) = child.actor.as_ref().filter(|_| !runs) {
                actor.do_send(StopNow);
            }
            runs
        });
        for replay in management.replays.values().filter(|one| !one.status.has_ended()) {
            if !self.children.contains_key(&replay.id) {
                self.start(replay, 0, around, shards, ears);
            }
        }
    }

    pub(super) fn start(
        &mut self,
        replay: &Replay,
        deaths: u32,
        around: &Surroundings,
        shards: &[ArbiterHandle],
        ears: &Ears,
    ) {
        self.generations += 1;
        let generation = self.generations;
        let shard = &shards[(generation % shards.len() as u64) as usize];
        let (around, id, replay, ears) = (around.clone(), replay.id, replay.clone(), ears.clone());
        let actor = ReplayActor::start_in_arbiter(shard, move |_| {
            ReplayActor::new(around, replay, generation, ears.ended, ears.requeued)
        });
        self.children.insert(id, Child { actor: Some(actor), generation, deaths });
    }

    /// Takes in that an actor ended. Gives how long to wait before it is started again, when it is to be.
    pub(super) fn ended(&mut self, ended: ReplayActorEnded, has_ended: bool) -> Option<Duration> {
        let child = self.children.get_mut(&ended.id).filter(|child| child.generation == ended.generation)?;
        if has_ended {
            self.children.remove(&ended.id);
            return None;
        }
        child.actor = None;
        child.deaths += 1;
        tracing::warn!(replay = %ended.id, deaths = child.deaths, "a replay's actor ended");
        Some(backoff::restart(child.deaths))
    }

    /// How often a replay died whose actor is still to be started again after that one.
    pub(super) fn deaths_of(&self, ended: ReplayActorEnded) -> Option<u32> {
        let child = self.children.get(&ended.id)?;
        (child.generation == ended.generation && child.actor.is_none()).then_some(child.deaths)
    }

    /// Stops them all; the log knows how far they are.
    pub(super) fn stop(&mut self) {
        for child in std::mem::take(&mut self.children).into_values() {
            child.actor.iter().for_each(|actor| actor.do_send(StopNow));
        }
    }
}
