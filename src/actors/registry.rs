//! The supervisor: knows how to build every destination's actor, starts it, wakes it when the log has something
//! for it, rebuilds it when it dies, stops it when it is removed.
//!
//! actix's own supervisor survives no panic and keeps the old struct: this one always builds a new actor from
//! the log. Each start has a generation, so that late news of an old one is ignored.

use super::destination::DestinationActor;
use super::messages::{
    ChildStopped, Committed, Drain, HeadMoved, ManagementChanged, Reconfigured, Requeued, StillRunning,
    StopNow,
};
use super::shard::Surroundings;
use crate::clock;
use crate::delivery::backoff;
use crate::delivery::router::Router;
use crate::model::{Destination, DestinationId, DestinationStatus, Sequence};
use actix::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A batch of more events than this wakes everybody instead of asking the router.
const ROUTED_EVENTS: usize = 4096;

/// A child that ran for this long starts again without a pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

pub(super) struct RegistryActor {
    around: Surroundings,
    shards: Vec<ArbiterHandle>,
    children: BTreeMap<DestinationId, Child>,
    router: Router,
    routed_to: Sequence,
    generations: u64,
    draining: bool,
}

struct Child {
    destination: Arc<Destination>,
    /// `None` while it waits to be started again.
    running: Option<Addr<DestinationActor>>,
    generation: u64,
    started: Instant,
    deaths: u32,
}

impl RegistryActor {
    pub(super) fn new(around: Surroundings, shards: Vec<ArbiterHandle>) -> Self {
        let routed_to = around.log.bounds().borrow().head;
        Self {
            around,
            shards,
            children: BTreeMap::new(),
            router: Router::default(),
            routed_to,
            generations: 0,
            draining: false,
        }
    }

    /// Starts what is new, tells what changed, stops what is gone.
    fn reconcile(&mut self, context: &mut Context<Self>) {
        let management = self.around.log.management();
        let is_wanted = |one: &Destination| one.status == DestinationStatus::Active;
        let stale: Vec<DestinationId> = self
            .children
            .keys()
            .filter(|id| !management.destinations.get(id).is_some_and(|one| is_wanted(one)))
            .copied()
            .collect();
        for id in stale {
            self.router.remove(id);
            if let Some(child) = self.children.remove(&id)
                && let Some(running) = child.running
            {
                running.do_send(StopNow);
            }
        }
        for one in management.destinations.values().filter(|one| is_wanted(one)) {
            let Some(child) = self.children.get_mut(&one.id) else {
                self.router.put(one.id, one.tenant, &one.events);
                self.start(Arc::clone(one), 0, context);
                continue;
            };
            if !Arc::ptr_eq(&child.destination, one) && child.destination != *one {
                child.destination = Arc::clone(one);
                self.router.put(one.id, one.tenant, &one.events);
                if let Some(running) = &child.running {
                    running.do_send(Reconfigured(Arc::clone(one)));
                }
            }
        }
    }

    fn start(&mut self, destination: Arc<Destination>, deaths: u32, context: &mut Context<Self>) {
        self.generations += 1;
        let (id, generation) = (destination.id, self.generations);
        let shard = &self.shards[(generation % self.shards.len() as u64) as usize];
        let (around, registry) = (self.around.clone(), context.address().recipient());
        let child = Arc::clone(&destination);
        let running = DestinationActor::start_in_arbiter(shard, move |_| {
            DestinationActor::new(around, child, generation, registry)
        });
        let started = clock::instant();
        self.children.insert(id, Child { destination, running: Some(running), generation, started, deaths });
    }

    fn child_stopped(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(&stopped.id) else { return };
        if child.generation != stopped.generation || self.draining {
            return;
        }
        child.running = None;
        child.deaths = if child.started.elapsed() >= HEALTHY_AFTER { 1 } else { child.deaths + 1 };
        let pause = backoff::restart(child.deaths);
        tracing::warn!(destination = %stopped.id, deaths = child.deaths, ?pause, "a destination's actor ended");
        context.run_later(pause, move |registry, context| registry.start_again(stopped, context));
    }

    fn start_again(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        let Some(child) = self.children.get(&stopped.id) else { return };
        if child.generation == stopped.generation && child.running.is_none() && !self.draining {
            let (destination, deaths) = (Arc::clone(&child.destination), child.deaths);
            self.start(destination, deaths, context);
        }
    }

    /// Wakes the destinations that the newest events concern.
    fn route(&mut self) {
        let head = self.around.log.bounds().borrow().head;
        if head <= self.routed_to || self.draining {
            return;
        }
        let batch = self.around.log.recent(self.routed_to, ROUTED_EVENTS);
        self.routed_to = head;
        let concerned = match batch {
            Some(events) if events.len() < ROUTED_EVENTS => self
                .router
                .concerned(events.iter().map(|event| (event.tenant(), event.event_type().as_str()))),
            _ => self.children.keys().copied().collect(),
        };
        for id in concerned {
            if let Some(Child { running: Some(running), .. }) = self.children.get(&id) {
                running.do_send(HeadMoved(head));
            }
        }
    }
}

impl Actor for RegistryActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.reconcile(context);
    }
}

impl Handler<ManagementChanged> for RegistryActor {
    type Result = ();
    fn handle(&mut self, _: ManagementChanged, context: &mut Context<Self>) {
        if !self.draining {
            self.reconcile(context);
        }
    }
}

impl Handler<Committed> for RegistryActor {
    type Result = ();
    fn handle(&mut self, _: Committed, _: &mut Context<Self>) {
        self.route();
    }
}

impl Handler<ChildStopped> for RegistryActor {
    type Result = ();
    fn handle(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        self.child_stopped(stopped, context);
    }
}

impl Handler<Requeued> for RegistryActor {
    type Result = ();
    fn handle(&mut self, requeued: Requeued, _: &mut Context<Self>) {
        // One that is not running finds them in the log when it starts.
        if let Some(Child { running: Some(running), .. }) = self.children.get(&requeued.0.destination) {
            running.do_send(requeued);
        }
    }
}

impl Handler<Drain> for RegistryActor {
    type Result = ();
    fn handle(&mut self, drain: Drain, _: &mut Context<Self>) {
        self.draining = true;
        self.children
            .values()
            .filter_map(|child| child.running.as_ref())
            .for_each(|child| child.do_send(drain));
    }
}

impl Handler<StillRunning> for RegistryActor {
    type Result = usize;
    fn handle(&mut self, _: StillRunning, _: &mut Context<Self>) -> usize {
        let running = self.children.values().filter_map(|child| child.running.as_ref());
        running.filter(|child| child.connected()).count()
    }
}
