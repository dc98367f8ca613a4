//! One subscription to a PRE event type: makes its calls, so many at once, the others wait in order.

use super::callee::Callee;
use super::messages::{Ask, Reworked, Withdraw};
use super::{FunctionSurroundings, Work};
use crate::actors::messages::{ChildStopped, Drain, StopNow};
use crate::model::Sequence;
use actix::prelude::*;
use actix_rt::task::JoinHandle;
use std::collections::{HashMap, VecDeque};

pub(super) struct SubscriptionActor {
    around: FunctionSurroundings,
    work: Work,
    callee: Callee,
    generation: u64,
    registry: Recipient<ChildStopped>,
    /// Calls under way, by run: a run asks a subscription once.
    running: HashMap<Sequence, JoinHandle<()>>,
    waiting: VecDeque<Ask>,
    /// The subscription ended: what was asked before is answered.
    is_leaving: bool,
}

impl SubscriptionActor {
    pub(super) fn new(
        around: FunctionSurroundings,
        work: Work,
        generation: u64,
        registry: Recipient<ChildStopped>,
    ) -> Self {
        let callee = Callee::new(&around, &work);
        let (running, waiting) = (HashMap::new(), VecDeque::new());
        Self { around, work, callee, generation, registry, running, waiting, is_leaving: false }
    }

    fn call_next(&mut self, context: &mut Context<Self>) {
        while self.running.len() < self.around.config.max_in_flight as usize {
            let Some(Ask { asker, call }) = self.waiting.pop_front() else { return };
            let (gate, callee, actor) = (asker.gate, self.callee.clone(), context.address());
            let task = actix_rt::spawn(async move {
                asker.answer(callee.call(call).await);
                actor.do_send(Withdraw { gate });
            });
            self.running.insert(gate, task);
        }
    }

    /// Runs that began before the subscription ended count on it.
    fn leave_when_idle(&self, context: &mut Context<Self>) {
        if self.is_leaving && self.running.is_empty() && self.waiting.is_empty() {
            context.stop();
        }
    }
}

impl Actor for SubscriptionActor {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Context<Self>) {
        // This also runs while a panic unwinds: it only tells, and must not fail. What waits is told by its asker.
        self.running.values().for_each(JoinHandle::abort);
        let id = self.work.subscription.consumer;
        let _ = self.registry.try_send(ChildStopped { id, generation: self.generation });
    }
}

impl Handler<Ask> for SubscriptionActor {
    type Result = ();
    fn handle(&mut self, ask: Ask, context: &mut Context<Self>) {
        self.waiting.push_back(ask);
        self.call_next(context);
    }
}

impl Handler<Withdraw> for SubscriptionActor {
    type Result = ();
    fn handle(&mut self, withdrawn: Withdraw, context: &mut Context<Self>) {
        self.waiting.retain(|ask| ask.asker.gate != withdrawn.gate);
        if let Some(task) = self.running.remove(&withdrawn.gate) {
            task.abort();
        }
        self.call_next(context);
        self.leave_when_idle(context);
    }
}

impl Handler<Reworked> for SubscriptionActor {
    type Result = ();
    fn handle(&mut self, changed: Reworked, _: &mut Context<Self>) {
        self.work = changed.0;
        self.callee = Callee::new(&self.around, &self.work);
    }
}

impl Handler<Drain> for SubscriptionActor {
    type Result = ();
    fn handle(&mut self, _: Drain, context: &mut Context<Self>) {
        context.stop();
    }
}

impl Handler<StopNow> for SubscriptionActor {
    type Result = ();
    fn handle(&mut self, _: StopNow, context: &mut Context<Self>) {
        self.is_leaving = true;
        self.leave_when_idle(context);
    }
}
