//! Looks after the actors of functions: starts one for each subscription, wakes it when the log has something for it,
//! rebuilds it when it dies; begins the runs of PRE events, and ends those whose actor died.

use super::gate::GateActor;
use super::messages::{
    CancelGate, CancelGates, FunctionsRequeued, GateStopped, PublishGate, Published, Reworked,
};
use super::post::PostActor;
use super::running::Unheard;
use super::subscription::SubscriptionActor;
use super::{Begun, FunctionSurroundings, GateOrder, GatePublication, Work};
use crate::actors::messages::{
    ChildStopped, Committed, Drain, HeadMoved, ManagementChanged, StillRunning, StopNow,
};
use crate::clock;
use crate::delivery::backoff;
use crate::delivery::router::Router;
use crate::log::{Change, Commit};
use crate::model::{DestinationId, EventMode, Gate, GateChange, Sequence, TypePattern};
use actix::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A batch of more events than this wakes everybody instead of asking the router.
const ROUTED_EVENTS: usize = 4096;

/// A child that ran for this long starts again without a pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// How long after a failure a run without an actor is tried to be ended again.
const END_AGAIN: Duration = Duration::from_secs(1);

enum Running {
    Pre(Addr<SubscriptionActor>),
    Post(Addr<PostActor>),
}

impl Running {
    fn is_running(&self) -> bool {
        match self {
            Self::Pre(actor) => actor.connected(),
            Self::Post(actor) => actor.connected(),
        }
    }

    fn tell<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        SubscriptionActor: Handler<M>,
        PostActor: Handler<M>,
    {
        match self {
            Self::Pre(actor) => actor.do_send(message),
            Self::Post(actor) => actor.do_send(message),
        }
    }
}

struct Child {
    work: Work,
    running: Option<Running>,
    generation: u64,
    started: Instant,
    deaths: u32,
}

pub(in crate::actors) struct FunctionRegistry {
    around: FunctionSurroundings,
    shards: Vec<ArbiterHandle>,
    children: BTreeMap<DestinationId, Child>,
    gates: HashMap<Sequence, (Addr<GateActor>, Gate)>,
    router: Router,
    routed_to: Sequence,
    /// The version of what the log manages that the children were last brought in line with.
    reconciled: Option<u64>,
    generations: u64,
    /// No run goes on.
    gates_end: bool,
    draining: bool,
}

impl FunctionRegistry {
    pub(in crate::actors) fn new(around: FunctionSurroundings, shards: Vec<ArbiterHandle>) -> Self {
        let routed_to = around.base.log.bounds().borrow().head;
        Self {
            around,
            shards,
            children: BTreeMap::new(),
            gates: HashMap::new(),
            router: Router::default(),
            routed_to,
            reconciled: None,
            generations: 0,
            gates_end: false,
            draining: false,
        }
    }

    /// Starts what is new, tells what changed, stops what is gone.
    fn reconcile(&mut self, context: &mut Context<Self>) {
        let management = self.around.base.log.management();
        if self.reconciled.replace(management.version) == Some(management.version) || self.draining {
            return;
        }
        let book = &management.functions;
        let mut wanted: BTreeMap<DestinationId, Work> = BTreeMap::new();
        for subscription in book.subscriptions.values() {
            let function = book.functions.get(&(subscription.tenant, subscription.function));
            // A filter that this version does not understand: it keeps its place until it is given another.
            let is_broken = subscription.filter.as_ref().is_some_and(|filter| filter.broken().is_some());
            let Some(function) = function.filter(|_| !is_broken) else { continue };
            let work = Work { subscription: Arc::clone(subscription), function: Arc::clone(function) };
            wanted.insert(subscription.consumer, work);
        }
        let gone: Vec<DestinationId> =
            self.children.keys().filter(|id| !wanted.contains_key(id)).copied().collect();
        for id in gone {
            self.router.remove(id);
            if let Some(Child { running: Some(running), .. }) = self.children.remove(&id) {
                running.tell(StopNow);
            }
        }
        for (id, work) in wanted {
            match self.children.get_mut(&id) {
                None => self.start(id, work, 0, context),
                Some(child) if child.work == work => {}
                Some(child) => {
                    child.work = work.clone();
                    if let Some(running) = &child.running {
                        running.tell(Reworked(work));
                    }
                }
            }
        }
    }

    fn start(&mut self, id: DestinationId, work: Work, deaths: u32, context: &mut Context<Self>) {
        self.generations += 1;
        let generation = self.generations;
        let shard = &self.shards[(generation % self.shards.len() as u64) as usize];
        let (around, registry, job) = (self.around.clone(), context.address().recipient(), work.clone());
        let running = if work.subscription.mode == EventMode::Post {
            let types: Vec<TypePattern> = TypePattern::parse(&work.subscription.event).into_iter().collect();
            self.router.put(id, work.subscription.tenant, &types);
            let made = move |_: &mut _| PostActor::new(around, job, generation, registry);
            Running::Post(PostActor::start_in_arbiter(shard, made))
        } else {
            let made = move |_: &mut _| SubscriptionActor::new(around, job, generation, registry);
            Running::Pre(SubscriptionActor::start_in_arbiter(shard, made))
        };
        let child = Child { work, running: Some(running), generation, started: clock::instant(), deaths };
        self.children.insert(id, child);
    }

    fn child_stopped(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(&stopped.id) else { return };
        if child.generation != stopped.generation || self.draining {
            return;
        }
        child.running = None;
        child.deaths = if child.started.elapsed() >= HEALTHY_AFTER { 1 } else { child.deaths + 1 };
        let pause = backoff::restart(child.deaths);
        let subscription = child.work.subscription.id;
        tracing::warn!(subscription, deaths = child.deaths, ?pause, "a subscription's actor ended");
        context.run_later(pause, move |registry, context| registry.start_again(stopped, context));
    }

    fn start_again(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        let Some(child) = self.children.get(&stopped.id) else { return };
        if child.generation == stopped.generation && child.running.is_none() && !self.draining {
            let (work, deaths) = (child.work.clone(), child.deaths);
            self.start(stopped.id, work, deaths, context);
        }
    }

    /// Wakes the subscriptions that the newest events concern.
    fn route(&mut self, context: &mut Context<Self>) {
        let head = self.around.base.log.bounds().borrow().head;
        if head <= self.routed_to || self.draining {
            return;
        }
        // After the head was taken: a subscription that wants an event since a change before it is woken by it.
        self.reconcile(context);
        let batch = self.around.base.log.recent(self.routed_to, ROUTED_EVENTS);
        self.routed_to = head;
        let concerned = match batch {
            Some(events) if events.len() < ROUTED_EVENTS => self
                .router
                .concerned(events.iter().map(|event| (event.tenant(), event.event_type().as_str()))),
            _ => self.children.keys().copied().collect(),
        };
        for id in concerned {
            if let Some(Running::Post(actor)) =
                self.children.get(&id).and_then(|child| child.running.as_ref())
            {
                actor.do_send(HeadMoved(head));
            }
        }
    }

    /// The event is durable: its run begins, unless it was published before.
    fn published(&mut self, published: Published, context: &mut Context<Self>) {
        let Published { publication, result } = published;
        let GatePublication { mut gate, works, deadline, schema, whole, detached, begun, .. } = publication;
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => return drop(begun.send(Err(error))),
        };
        let event = committed.events.first().filter(|_| committed.fresh == [true] && !committed.replayed);
        let Some(event) = event.cloned().filter(|_| !gate.tasks.is_empty()) else {
            return drop(begun.send(Ok(Begun { committed, seat: None, unheard: None })));
        };
        gate.sequence = event.sequence();
        gate.event_id = Some(event.id().clone());
        gate.opened_at = event.stored_at();
        let seat = self.around.gates.begin(gate.clone());
        let sequence = gate.sequence;
        self.run(GateOrder { gate, event, works, deadline, schema, whole }, context);
        let unheard = (!detached).then(|| Unheard::new(context.address().recipient(), sequence));
        // Not heard, also when it is not taken out any more, it ends the run.
        drop(begun.send(Ok(Begun { committed, seat: Some(seat), unheard })));
    }

    fn run(&mut self, order: GateOrder, context: &mut Context<Self>) {
        self.reconcile(context);
        let subscription_of =
            |work: &Work| match self.children.get(&work.subscription.consumer)?.running.as_ref()? {
                Running::Pre(actor) => Some(actor.clone()),
                Running::Post(_) => None,
            };
        let subscriptions = order.works.iter().map(subscription_of).collect();
        self.generations += 1;
        let shard = &self.shards[(self.generations % self.shards.len() as u64) as usize];
        let (around, registry) = (self.around.clone(), context.address().recipient());
        let gate = order.gate.clone();
        let actor = GateActor::start_in_arbiter(shard, move |_| {
            GateActor::new(around, order, subscriptions, registry)
        });
        if self.gates_end {
            actor.do_send(CancelGate(gate.sequence));
        }
        self.gates.insert(gate.sequence, (actor, gate));
    }

    /// Those that are under way, and those that are about to begin.
    fn cancel_gates(&mut self) {
        self.gates_end = true;
        self.gates.iter().for_each(|(sequence, (actor, _))| actor.do_send(CancelGate(*sequence)));
    }

    fn gate_stopped(&mut self, stopped: GateStopped, context: &mut Context<Self>) {
        let Some((_, gate)) = self.gates.remove(&stopped.sequence) else { return };
        if stopped.is_open {
            tracing::warn!(sequence = %stopped.sequence, "a PRE event's actor ended before the event had its outcome");
            self.end_gate(gate, context);
        }
    }

    /// Ends a run that nobody runs any more.
    fn end_gate(&self, gate: Gate, context: &mut Context<Self>) {
        let closed = gate.cancelled("its run broke off in the broker");
        let changes = vec![Change::Gate(Box::new(GateChange::Close(closed.clone())))];
        let commit = self.around.base.log.commit(Commit { changes, ..Commit::default() }).into_actor(self);
        context.spawn(commit.map(move |kept, registry, context| {
            let (tenant, sequence) = (gate.tenant, gate.sequence);
            match kept {
                Ok(_) => {
                    registry.around.gates.tell(tenant, sequence, Ok(Arc::new(closed)));
                    registry.around.gates.end(tenant, sequence);
                }
                Err(error) => {
                    registry.around.gates.tell(tenant, sequence, Err(error));
                    context.run_later(END_AGAIN, move |registry, context| registry.end_gate(gate, context));
                }
            }
        }));
    }
}

impl Actor for FunctionRegistry {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.reconcile(context);
    }
}

impl Handler<ManagementChanged> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, _: ManagementChanged, context: &mut Context<Self>) {
        self.reconcile(context);
    }
}

impl Handler<Committed> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, _: Committed, context: &mut Context<Self>) {
        self.route(context);
    }
}

impl Handler<ChildStopped> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, stopped: ChildStopped, context: &mut Context<Self>) {
        self.child_stopped(stopped, context);
    }
}

impl Handler<GateStopped> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, stopped: GateStopped, context: &mut Context<Self>) {
        self.gate_stopped(stopped, context);
    }
}

impl Handler<PublishGate> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, publish: PublishGate, context: &mut Context<Self>) {
        let mut publication = publish.0;
        let commit = self.around.base.log.commit(std::mem::take(&mut publication.commit));
        let actor = context.address();
        actix_rt::spawn(async move {
            let result = commit.await;
            actor.do_send(Published { publication, result });
        });
    }
}

impl Handler<Published> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, published: Published, context: &mut Context<Self>) {
        self.published(published, context);
    }
}

impl Handler<CancelGate> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, cancel: CancelGate, _: &mut Context<Self>) {
        if let Some((actor, _)) = self.gates.get(&cancel.0) {
            actor.do_send(cancel);
        }
    }
}

impl Handler<CancelGates> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, _: CancelGates, _: &mut Context<Self>) {
        self.cancel_gates();
    }
}

impl Handler<FunctionsRequeued> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, requeued: FunctionsRequeued, _: &mut Context<Self>) {
        // One that is not running finds them in the log when it starts.
        let child = self.children.get(&requeued.0.destination);
        if let Some(Running::Post(actor)) = child.and_then(|child| child.running.as_ref()) {
            actor.do_send(requeued);
        }
    }
}

impl Handler<Drain> for FunctionRegistry {
    type Result = ();
    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.draining = true;
        self.cancel_gates();
        let running = self.children.values().filter_map(|child| child.running.as_ref());
        // Runs end at once, and with them the calls that they made.
        running.for_each(|running| running.tell(Drain));
    }
}

impl Handler<StillRunning> for FunctionRegistry {
    type Result = usize;
    fn handle(&mut self, _: StillRunning, _: &mut Context<Self>) -> usize {
        let running = self.children.values().filter_map(|child| child.running.as_ref());
        running.filter(|child| child.is_running()).count() + self.gates.len()
    }
}
