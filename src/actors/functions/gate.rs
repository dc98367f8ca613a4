//! Runs one PRE event: feeds its machine, asks the subscriptions' actors, and makes the outcome durable before anybody
//! hears of it.

use super::callee::{Call, Callee, Ended, timed_out};
use super::messages::{Ask, Asked, Asker, CancelGate, GateKept, GateStopped, Withdraw};
use super::subscription::SubscriptionActor;
use super::{FunctionSurroundings, GateOrder};
use crate::actors::messages::ClockReached;
use crate::clock;
use crate::delivery::gate::{Action, Failure, GateMachine, Input, Member, MemberState, Reply};
use crate::log::{Change, Commit};
use crate::model::{
    CheckBudget, ClosedGate, EncodeAs, EventDraft, FailureKind, GateChange, GateOutcome, InvocationId,
    InvocationRecord, InvocationStatus, Patch, StoredEvent, UnixMillis, WholeData, apply_patches, task_id,
};
use actix::prelude::*;
use actix_rt::task::JoinHandle;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How long after a failure an outcome is tried to be kept again.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct GateActor {
    around: FunctionSurroundings,
    order: GateOrder,
    /// The actor of each task's subscription; `None` when there is none at the moment.
    subscriptions: Vec<Option<Addr<SubscriptionActor>>>,
    registry: Recipient<GateStopped>,
    machine: GateMachine,
    /// When each was asked, and what for an answer it had.
    asked: Vec<Option<(UnixMillis, Duration)>>,
    ended: Vec<Option<Ended>>,
    /// Calls as they were asked for, until they are made without a subscription's actor.
    calls: Vec<Option<Call>>,
    /// Calls that no subscription's actor makes.
    own_calls: Vec<(usize, JoinHandle<()>)>,
    closed: Option<Arc<ClosedGate>>,
    is_kept: bool,
}

impl GateActor {
    pub(super) fn new(
        around: FunctionSurroundings,
        order: GateOrder,
        subscriptions: Vec<Option<Addr<SubscriptionActor>>>,
        registry: Recipient<GateStopped>,
    ) -> Self {
        let member = |task: &crate::model::Task| Member {
            stage: task.stage,
            on_error: task.on_error,
            timeout_ms: task.timeout_ms,
        };
        let machine = GateMachine::new(order.gate.tasks.iter().map(member), order.deadline);
        let count = order.gate.tasks.len();
        let (asked, ended) = (vec![None; count], vec![None; count]);
        let (calls, own_calls) = (vec![None; count], Vec::new());
        Self {
            around,
            order,
            subscriptions,
            registry,
            machine,
            asked,
            ended,
            calls,
            own_calls,
            closed: None,
            is_kept: false,
        }
    }

    /// Feeds the machine one input, then performs everything it asks for.
    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        let mut actions = Vec::new();
        self.machine.handle(input, clock::steady(), &mut actions);
        let calls = actions.iter().any(|action| matches!(action, Action::Call { .. }));
        let event = if calls { self.event_by_now() } else { Arc::clone(&self.order.event) };
        for action in actions {
            match action {
                Action::Call { member, left_ms } => self.call(member, left_ms, &event, context),
                Action::Withdraw { member } => self.withdraw(member),
                Action::WakeAt(at) => {
                    let wait = Duration::from_millis(at.since(clock::steady()).max(1));
                    context.notify_later(ClockReached, wait);
                }
                Action::End(outcome) => self.close(outcome, context),
            }
        }
    }

    fn call(&mut self, member: usize, left_ms: u64, event: &Arc<StoredEvent>, context: &mut Context<Self>) {
        let (gate, task) = (&self.order.gate, &self.order.gate.tasks[member]);
        let left = Duration::from_millis(left_ms);
        if let Some(seat) = self.around.gates.get(gate.tenant, gate.sequence) {
            seat.reach(task.stage);
        }
        let id = InvocationId { sequence: gate.sequence, slot: task.slot };
        let task = task_id(gate.opened_at, id);
        let call = Call::new(Arc::clone(event), task, 1, left, self.around.host.cause_of(event));
        self.asked[member] = Some((clock::now(), left));
        self.calls[member] = Some(call.clone());
        match &self.subscriptions[member] {
            // What cannot be sent is dropped, and its asker says so.
            Some(actor) => {
                let asker = Asker::new(gate.sequence, member, context.address().recipient());
                actor.do_send(Ask { asker, call });
            }
            None => self.call_without_subscription(member, context),
        }
    }

    /// The subscription ended meanwhile, or its actor died: it was there when the event was published.
    fn call_without_subscription(&mut self, member: usize, context: &mut Context<Self>) {
        let (Some((at, left)), Some(call)) = (self.asked[member], self.calls[member].take()) else { return };
        let is_running = matches!(self.machine.state(member), Some(MemberState::Running { .. }));
        let left = left.saturating_sub(Duration::from_millis(clock::now().since(at)));
        if !is_running || left.is_zero() {
            return;
        }
        let callee = Callee::new(&self.around, &self.order.works[member]);
        let actor = context.address();
        let task = actix_rt::spawn(async move {
            let ended = Some(callee.call(call.with_left(left)).await);
            actor.do_send(Asked { member, ended });
        });
        self.own_calls.push((member, task));
    }

    fn withdraw(&self, member: usize) {
        self.own_calls.iter().filter(|(own, _)| *own == member).for_each(|(_, task)| task.abort());
        if let Some(actor) = &self.subscriptions[member] {
            actor.do_send(Withdraw { gate: self.order.gate.sequence });
        }
    }

    fn patches(&self) -> Vec<Patch> {
        let answers = self.order.gate.tasks.iter().zip(&self.ended).enumerate();
        let agreed = answers.filter(|(member, _)| self.machine.state(*member) == Some(MemberState::Agreed));
        let patches =
            agreed.filter_map(|(_, (task, ended))| match ended.as_ref().map(|ended| &ended.result) {
                Some(Ok(Reply::Patch(json))) => Some(Patch { function: task.function, json: json.clone() }),
                _ => None,
            });
        patches.collect()
    }

    /// The event with what the stages so far made of its params.
    fn event_by_now(&self) -> Arc<StoredEvent> {
        let patches = self.patches();
        match (patches.is_empty(), &self.order.whole) {
            (true, None) => Arc::clone(&self.order.event),
            (true, Some(whole)) => Arc::new(with_params(&self.order.event, whole.0.clone())),
            (false, _) => {
                let (params, _) = apply_patches(&self.params(), &patches);
                Arc::new(with_params(&self.order.event, params.into()))
            }
        }
    }

    /// The params as they were published, secrets included.
    fn params(&self) -> Bytes {
        self.order.whole.as_ref().map_or_else(|| self.order.event.data(), |whole| whole.0.clone())
    }

    /// What the log may keep of params.
    fn storable(&self, params: Bytes) -> Bytes {
        let kept = self.order.schema.as_ref().and_then(|schema| schema.without_secrets(&params));
        kept.unwrap_or(params)
    }

    /// Remembers the params for who waits where the log cannot keep all of them; gives what it can.
    fn without_secrets(&self, params: Bytes) -> Option<String> {
        let kept = self.storable(params.clone());
        if kept != params
            && let Some(seat) = self.around.gates.get(self.order.gate.tenant, self.order.gate.sequence)
        {
            seat.remember(WholeData(params));
        }
        (kept != self.order.event.data()).then(|| String::from_utf8(kept.into()).ok()).flatten()
    }

    /// The rules that changed params break.
    fn broken(&self, params: &[u8]) -> Vec<(String, String)> {
        let Some(schema) = &self.order.schema else { return Vec::new() };
        let broken = schema.check(params, &mut CheckBudget::default());
        broken.into_iter().map(|one| (one.pointer, one.detail)).collect()
    }

    fn close(&mut self, outcome: GateOutcome, context: &mut Context<Self>) {
        let gate = &self.order.gate;
        let patches = self.patches();
        let (mut params, mut conflicts, mut broken) = (self.params(), Vec::new(), Vec::new());
        if !patches.is_empty() {
            let (merged, overwritten) = apply_patches(&params, &patches);
            (params, conflicts) = (Bytes::from(merged), overwritten);
            if outcome == GateOutcome::Passed {
                broken = self.broken(&params);
            }
        }
        let params = self.without_secrets(params);
        let outcome = if broken.is_empty() { outcome } else { GateOutcome::Failed };
        let records = (0..gate.tasks.len()).filter_map(|member| self.record(member)).collect();
        let (tenant, sequence) = (gate.tenant, gate.sequence);
        let closed = ClosedGate { tenant, sequence, outcome, params, conflicts, broken, records };
        self.closed = Some(Arc::new(closed.clone()));
        self.keep(closed, context);
    }

    fn record(&self, member: usize) -> Option<InvocationRecord> {
        let mut record = InvocationRecord::opened(&self.order.gate, self.order.gate.tasks.get(member)?)?;
        let state = self.machine.state(member)?;
        // A call that was given up may have told so after the run had ended.
        let has_answered = matches!(state, MemberState::Agreed | MemberState::Failed);
        let ended = self.ended[member].as_ref().filter(|_| has_answered);
        if let Some((at, _)) = self.asked[member] {
            (record.attempt, record.at) = (1, at);
            record.duration_ms = ended.map_or_else(|| clock::now().since(at), |ended| ended.duration_ms);
        }
        let failure = match (state, ended.map(|ended| &ended.result)) {
            (MemberState::Agreed, Some(Ok(reply))) => {
                record.status = InvocationStatus::Success;
                if let Reply::Patch(json) = reply {
                    record.patch = String::from_utf8(self.storable(json.clone().into()).into()).ok();
                }
                return Some(record);
            }
            (MemberState::TimedOut, _) => {
                timed_out(self.asked[member].map_or(Duration::ZERO, |(_, left)| left))
            }
            (MemberState::Failed, Some(Err(failure))) => failure.clone(),
            (MemberState::Failed, _) => Failure::new(FailureKind::Error, "no answer"),
            _ => {
                record.status = InvocationStatus::Cancelled;
                return Some(record);
            }
        };
        let is_timeout = failure.kind == FailureKind::Timeout;
        record.status = if is_timeout { InvocationStatus::Timeout } else { InvocationStatus::Error };
        record.kind = Some(failure.kind);
        record.code = failure.code;
        record.message = Some(failure.message);
        Some(record)
    }

    fn keep(&self, closed: ClosedGate, context: &mut Context<Self>) {
        let changes = vec![Change::Gate(Box::new(GateChange::Close(closed)))];
        let commit = self.around.base.log.commit(Commit { changes, ..Commit::default() });
        let actor = context.address();
        actix_rt::spawn(async move { actor.do_send(GateKept(commit.await.err())) });
    }

    fn kept(&mut self, kept: GateKept, context: &mut Context<Self>) {
        let (tenant, sequence) = (self.order.gate.tenant, self.order.gate.sequence);
        let Some(closed) = self.closed.clone() else { return };
        match kept.0 {
            None => {
                self.is_kept = true;
                self.around.gates.tell(tenant, sequence, Ok(closed));
                self.around.gates.end(tenant, sequence);
                context.stop();
            }
            Some(error) => {
                tracing::warn!(%sequence, %error, "the outcome of a PRE event could not be kept");
                self.around.gates.tell(tenant, sequence, Err(error));
                // Whoever waited was told that it is not known: nobody will hear that it passed.
                let cancelled = self.order.gate.cancelled("its outcome could not be kept");
                self.closed = Some(Arc::new(cancelled.clone()));
                context.run_later(KEEP_AGAIN, move |actor, context| actor.keep(cancelled, context));
            }
        }
    }
}

fn with_params(event: &StoredEvent, params: Bytes) -> StoredEvent {
    let draft = EventDraft {
        id: None,
        event_type: event.event_type().clone(),
        timestamp: None,
        pipeline: event.pipeline().map(Into::into),
        run_id: event.run_id().map(Into::into),
        data: params,
        extensions: event.extensions().cloned(),
    };
    let place = EncodeAs {
        sequence: event.sequence(),
        tenant: event.tenant(),
        id: event.id().clone(),
        timestamp: event.timestamp(),
        stored_at: event.stored_at(),
    };
    StoredEvent::encode(draft, place)
}

impl Actor for GateActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.step(Input::Began, context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        // This also runs while a panic unwinds: it only tells, and must not fail.
        self.own_calls.iter().for_each(|(_, task)| task.abort());
        let (sequence, is_open) = (self.order.gate.sequence, !self.is_kept);
        let _ = self.registry.try_send(GateStopped { sequence, is_open });
    }
}

impl Handler<Asked> for GateActor {
    type Result = ();
    fn handle(&mut self, asked: Asked, context: &mut Context<Self>) {
        let Some(ended) = asked.ended else { return self.call_without_subscription(asked.member, context) };
        let agreed = ended.result.is_ok();
        if self.ended[asked.member].is_none() {
            self.ended[asked.member] = Some(ended);
        }
        self.step(Input::Answered { member: asked.member, agreed }, context);
    }
}

impl Handler<ClockReached> for GateActor {
    type Result = ();
    fn handle(&mut self, _: ClockReached, context: &mut Context<Self>) {
        self.step(Input::ClockReached, context);
    }
}

impl Handler<CancelGate> for GateActor {
    type Result = ();
    fn handle(&mut self, _: CancelGate, context: &mut Context<Self>) {
        self.step(Input::Cancelled, context);
    }
}

impl Handler<GateKept> for GateActor {
    type Result = ();
    fn handle(&mut self, kept: GateKept, context: &mut Context<Self>) {
        self.kept(kept, context);
    }
}
