//! The supervisor: knows how to build every destination's actor, starts it, wakes it when the log has something
//! for it, rebuilds it when it dies, stops it when it is removed.
//!
//! actix's own supervisor survives no panic and keeps the old struct: this one always builds a new actor from
//! the log. Each start has a generation, so that late news of an old one is ignored.

use super::child::{Child, Job, Running};
use super::destination::DestinationActor;
use super::messages::{
    ChildStopped, Committed, Drain, DrainStreams, HeadMoved, ManagementChanged, Post, Reconfigured,
    ReplayActorEnded, ReplayStopped, Requeued, StillRunning, StreamStarted, StreamStopped,
};
use super::replays::{Ears, Replays};
use super::shard::Surroundings;
use super::streams::Streams;
use super::verification::VerificationActor;
use crate::clock;
use crate::delivery::backoff;
use crate::delivery::router::Router;
use crate::log::{Change, Commit};
use crate::model::{Destination, DestinationId, Sequence};
use crate::webhook::Answer;
use actix::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A batch of more events than this wakes everybody instead of asking the router.
const ROUTED_EVENTS: usize = 4096;

/// A child that ran for this long starts again without a pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// How long after a refusal the log is asked again.
const ASK_LOG_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct RegistryActor {
    around: Surroundings,
    shards: Vec<ArbiterHandle>,
    children: BTreeMap<DestinationId, Child>,
    replays: Replays,
    streams: Streams,
    router: Router,
    routed_to: Sequence,
    /// The version of what the log manages that the children were last brought in line with.
    reconciled: u64,
    generations: u64,
    draining: bool,
}

impl RegistryActor {
    pub(super) fn new(around: Surroundings, shards: Vec<ArbiterHandle>) -> Self {
        let routed_to = around.log.bounds().borrow().head;
        Self {
            around,
            shards,
            children: BTreeMap::new(),
            replays: Replays::default(),
            streams: Streams::default(),
            router: Router::default(),
            routed_to,
            reconciled: 0,
            generations: 0,
            draining: false,
        }
    }

    /// Starts what is new, tells what changed, ends what is off, stops what is gone.
    fn reconcile(&mut self, context: &mut Context<Self>) {
        let management = self.around.log.management();
        self.reconciled = management.version;
        let is_gone = |id: &&DestinationId| !management.destinations.contains_key(id);
        let gone: Vec<DestinationId> = self.children.keys().filter(is_gone).copied().collect();
        for id in gone {
            self.router.remove(id);
            self.around.meters.remove(id);
            if let Some(Child { running: Some(running), .. }) = self.children.remove(&id) {
                running.stop();
            }
        }
        for one in management.destinations.values() {
            match self.children.get_mut(&one.id) {
                None => self.start(one, 0, context),
                Some(child) if Arc::ptr_eq(&child.destination, one) || child.destination == *one => {}
                Some(_) => self.adjust(one),
            }
        }
        self.replays.reconcile(&management, &self.around, &self.shards, &ears(context));
    }

    /// Starts a replay's actor again, unless the replay has ended meanwhile.
    fn replay_again(&mut self, ended: ReplayActorEnded, context: &mut Context<Self>) {
        let management = self.around.log.management();
        let replay = management.replays.get(&ended.id).filter(|replay| !replay.status.has_ended());
        if let (Some(replay), Some(deaths), false) = (replay, self.replays.deaths_of(ended), self.draining) {
            self.replays.start(replay, deaths, &self.around, &self.shards, &ears(context));
        }
    }

    /// Brings a child in line with what its destination has become.
    fn adjust(&mut self, one: &Arc<Destination>) {
        let Some(child) = self.children.get_mut(&one.id) else { return };
        child.destination = Arc::clone(one);
        let job = Job::of(one, &self.around);
        match job {
            Some(Job::Deliver) => self.router.put(one.id, one.tenant, &one.events),
            _ => self.router.remove(one.id),
        }
        match &child.running {
            None if job.is_none() => drop(self.children.remove(&one.id)),
            // It is started as what it has become, after its pause or its end.
            None => {}
            Some(_) if child.ending => {}
            Some(Running::Delivering(actor)) if job == Some(Job::Deliver) => {
                actor.do_send(Reconfigured(Arc::clone(one)));
            }
            Some(running) => {
                child.ending = true;
                running.end();
            }
        }
    }

    fn start(&mut self, destination: &Arc<Destination>, deaths: u32, context: &mut Context<Self>) {
        let Some(job) = Job::of(destination, &self.around) else { return };
        self.generations += 1;
        let (id, generation) = (destination.id, self.generations);
        let shard = &self.shards[(generation % self.shards.len() as u64) as usize];
        let (around, registry) = (self.around.clone(), context.address().recipient());
        let child = Arc::clone(destination);
        let running = match job {
            Job::Deliver => {
                self.router.put(id, destination.tenant, &destination.events);
                Running::Delivering(DestinationActor::start_in_arbiter(shard, move |_| {
                    DestinationActor::new(around, child, generation, registry)
                }))
            }
            Job::Verify => Running::Verifying(VerificationActor::start_in_arbiter(shard, move |_| {
                VerificationActor::new(around, child, generation, registry)
            })),
        };
        let (destination, running, started) = (Arc::clone(destination), Some(running), clock::instant());
        let child = Child { destination, running, ending: false, generation, started, deaths };
        self.children.insert(id, child);
    }

    fn child_stopped(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(&stopped.id) else { return };
        if child.generation != stopped.generation || self.draining {
            return;
        }
        if child.ending {
            let destination = Arc::clone(&child.destination);
            self.children.remove(&stopped.id);
            return self.start(&destination, 0, context);
        }
        child.running = None;
        child.deaths = if child.started.elapsed() >= HEALTHY_AFTER { 1 } else { child.deaths + 1 };
        let pause = backoff::restart(child.deaths);
        self.around.meters.of(stopped.id).restarted();
        tracing::warn!(destination = %stopped.id, deaths = child.deaths, ?pause, "a destination's actor ended");
        context.run_later(pause, move |registry, context| registry.start_again(stopped, context));
    }

    /// Whether a child has ended and nothing else was done about it since.
    fn is_waiting(&self, stopped: ChildStopped) -> bool {
        let child = self.children.get(&stopped.id);
        let is_same = |child: &Child| child.generation == stopped.generation && child.running.is_none();
        !self.draining && child.is_some_and(is_same)
    }

    /// Starts a child that has ended, once the log takes outcomes: as long as it does not, whatever is sent would be sent
    /// again and again.
    fn start_again(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        if !self.is_waiting(stopped) {
            return;
        }
        let (destination, kept) = (stopped.id, self.around.log.consumer(stopped.id).unwrap_or_default());
        let changes = vec![Change::MovePlace { destination, place: kept.place }];
        let commit = self.around.log.commit(Commit { changes, ..Commit::default() });
        context.spawn(commit.into_actor(self).map(move |committed, registry, context| match committed {
            Ok(_) => registry.start_now(stopped, context),
            Err(error) => {
                tracing::warn!(%destination, %error, "a destination waits for the log to take outcomes");
                context.run_later(ASK_LOG_AGAIN, move |registry, context| {
                    registry.start_again(stopped, context);
                });
            }
        }));
    }

    fn start_now(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        if self.is_waiting(stopped)
            && let Some(child) = self.children.get(&stopped.id)
        {
            let (destination, deaths) = (Arc::clone(&child.destination), child.deaths);
            self.start(&destination, deaths, context);
        }
    }

    /// Wakes the destinations that the newest events concern.
    fn route(&mut self, context: &mut Context<Self>) {
        let head = self.around.log.bounds().borrow().head;
        if head <= self.routed_to || self.draining {
            return;
        }
        // After the head was taken: a destination that wants an event since a change before it is woken by it.
        if self.around.log.management().version != self.reconciled {
            self.reconcile(context);
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
            if let Some(actor) = self.children.get(&id).and_then(Child::delivering) {
                actor.do_send(HeadMoved(head));
            }
        }
    }
}

fn ears(context: &Context<RegistryActor>) -> Ears {
    Ears { ended: context.address().recipient(), requeued: context.address().recipient() }
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
    fn handle(&mut self, _: Committed, context: &mut Context<Self>) {
        self.route(context);
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
        // What a replay put back that was stopped meanwhile was given up.
        let management = self.around.log.management();
        let is_over = |id| management.replays.get(&id).is_none_or(|replay| replay.status.has_ended());
        if requeued.0.replay.is_some_and(is_over) {
            return;
        }
        // One that is not running finds them in the log when it starts.
        if let Some(actor) = self.children.get(&requeued.0.destination).and_then(Child::delivering) {
            actor.do_send(requeued);
        }
    }
}

impl Handler<ReplayStopped> for RegistryActor {
    type Result = ();
    fn handle(&mut self, stopped: ReplayStopped, _: &mut Context<Self>) {
        if let Some(actor) = self.children.get(&stopped.destination).and_then(Child::delivering) {
            actor.do_send(stopped);
        }
    }
}

impl Handler<ReplayActorEnded> for RegistryActor {
    type Result = ();
    fn handle(&mut self, ended: ReplayActorEnded, context: &mut Context<Self>) {
        let management = self.around.log.management();
        let has_ended = management.replays.get(&ended.id).is_none_or(|replay| replay.status.has_ended());
        if let Some(pause) = self.replays.ended(ended, has_ended) {
            context.run_later(pause, move |registry, context| registry.replay_again(ended, context));
        }
    }
}

impl Handler<StreamStarted> for RegistryActor {
    type Result = ();
    fn handle(&mut self, started: StreamStarted, _: &mut Context<Self>) {
        self.streams.started(started);
    }
}

impl Handler<StreamStopped> for RegistryActor {
    type Result = ();
    fn handle(&mut self, stopped: StreamStopped, _: &mut Context<Self>) {
        self.streams.stopped(stopped, &self.around.meters);
    }
}

impl Handler<DrainStreams> for RegistryActor {
    type Result = ();
    fn handle(&mut self, _: DrainStreams, _: &mut Context<Self>) {
        self.streams.drain();
    }
}

impl Handler<Post> for RegistryActor {
    type Result = ResponseFuture<Option<Answer>>;
    fn handle(&mut self, post: Post, _: &mut Context<Self>) -> Self::Result {
        self.generations += 1;
        let shard = &self.shards[(self.generations % self.shards.len() as u64) as usize];
        let (around, (answered, answer)) = (self.around.clone(), oneshot::channel());
        shard.spawn_fn(move || {
            let client = around.client();
            actix_rt::spawn(async move {
                // Whoever asked may be gone.
                let _ = answered.send(client.send(post.0).await);
            });
        });
        Box::pin(async move { answer.await.ok() })
    }
}

impl Handler<Drain> for RegistryActor {
    type Result = ();
    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.draining = true;
        self.replays.stop();
        self.children.values().filter_map(|child| child.running.as_ref()).for_each(Running::end);
    }
}

impl Handler<StillRunning> for RegistryActor {
    type Result = usize;
    fn handle(&mut self, _: StillRunning, _: &mut Context<Self>) -> usize {
        let running = self.children.values().filter_map(|child| child.running.as_ref());
        running.filter(|child| child.is_running()).count()
    }
}
