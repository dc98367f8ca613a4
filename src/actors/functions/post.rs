//! One subscription to a POST event type: a consumer of the log with the machine of a destination. Its place, its
//! retries and its dead are in the log, so nothing of it is lost, and nothing of it touches a publisher.

use super::callee::{Call, Callee, Ended};
use super::messages::{FunctionsRequeued, Invoked, Recorded, Reworked};
use super::outcome::{Unrecorded, part, record_of};
use super::{FunctionSurroundings, Work};
use crate::actors::attempt::fetch;
use crate::actors::messages::{ChildStopped, ClockReached, Drain, FlushOutcomes, HeadMoved, StopNow};
use crate::clock;
use crate::config::DeliveryConfig;
use crate::delivery::destination::{Action, BreakerSettings, DestinationMachine, Input, Outcome, Settings};
use crate::delivery::gate::Failure;
use crate::log::{Change, Commit, LogError, Order, Page, Query};
use crate::model::{
    ConsumerState, EventFilter, FailureKind, Heard, InvocationId, Ordering, Sequence, StoredEvent,
    TypePattern, UnixMillis, Verdict, task_id,
};
use actix::prelude::*;
use actix_rt::task::JoinHandle;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// A page read ahead holds about this many bytes at most.
const PAGE_BYTES: usize = 1 << 20;

/// How long after a failure outcomes are tried to be recorded again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct PostActor {
    around: FunctionSurroundings,
    work: Work,
    callee: Callee,
    generation: u64,
    registry: Recipient<ChildStopped>,
    machine: DestinationMachine,
    /// Events that wait or are under way.
    events: HashMap<Sequence, Arc<StoredEvent>>,
    /// Calls that were answered and are not recorded.
    answers: HashMap<Sequence, Ended>,
    calls: HashMap<Sequence, JoinHandle<()>>,
    /// Outcomes that go into the log together.
    outcomes: Vec<Unrecorded>,
    wake: Option<(UnixMillis, SpawnHandle)>,
    draining: bool,
}

impl PostActor {
    pub(super) fn new(
        around: FunctionSurroundings,
        work: Work,
        generation: u64,
        registry: Recipient<ChildStopped>,
    ) -> Self {
        let kept = around.base.log.consumer(work.subscription.consumer);
        let kept = kept.unwrap_or_else(|| ConsumerState::starting_after(work.subscription.start_after));
        let head = around.base.log.bounds().borrow().head;
        Self {
            machine: DestinationMachine::new(settings_of(&around, &work), kept, head),
            callee: Callee::new(&around, &work),
            around,
            work,
            generation,
            registry,
            events: HashMap::new(),
            answers: HashMap::new(),
            calls: HashMap::new(),
            outcomes: Vec::new(),
            wake: None,
            draining: false,
        }
    }

    /// Feeds the machine one input, then performs everything it asks for.
    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        let mut actions = Vec::new();
        self.machine.handle(input, clock::steady(), &mut actions);
        for action in actions {
            self.perform(action, context);
        }
        if self.draining && self.machine.in_flight() == 0 {
            context.stop();
        }
    }

    fn perform(&mut self, action: Action, context: &mut Context<Self>) {
        match action {
            Action::Read { after, limit } => self.read(after, limit, context),
            Action::Send { sequence, attempt, .. } => self.call(sequence, attempt, context),
            Action::Record { sequence, attempt, verdict, place, heard } => {
                self.record((sequence, attempt), verdict, place, heard, context);
            }
            Action::MovePlace(place) => {
                let destination = self.work.subscription.consumer;
                let changes = vec![Change::MovePlace { destination, place }];
                let commit = self.around.base.log.commit(Commit { changes, ..Commit::default() });
                // Lost, it is only told again later.
                context.spawn(async move { drop(commit.await) }.into_actor(self));
            }
            Action::WakeAt(at) => self.wake_at(at, context),
            // A function is not switched off, and nobody is told how it does.
            Action::Deactivate(_) => self.step(Input::StaysOn, context),
            Action::Tell(notice) => self.step(Input::Told(Some(notice)), context),
        }
    }

    fn read(&mut self, after: Sequence, limit: usize, context: &mut Context<Self>) {
        let subscription = &self.work.subscription;
        let types = TypePattern::parse(&subscription.event).into_iter().collect();
        let filter = EventFilter { payload: subscription.filter.clone(), ..EventFilter::of_types(types) };
        let read = self.around.base.log.read(self.query(filter, after, limit)).into_actor(self);
        context.spawn(read.map(|page, actor, context| {
            let input = actor.page_input(page);
            actor.step(input, context);
        }));
    }

    fn query(&self, filter: EventFilter, from: Sequence, limit: usize) -> Query {
        let up_to = self.around.base.log.bounds().borrow().head;
        let (tenant, order) = (self.work.subscription.tenant, Order::Ascending);
        Query { tenant, filter, from, up_to, order, limit, max_bytes: PAGE_BYTES }
    }

    fn page_input(&mut self, page: Result<Page, LogError>) -> Input {
        match page {
            Ok(page) => {
                let events = page.events.iter().map(|event| (event.sequence(), 0)).collect();
                let wanted = page.events.into_iter().map(|event| (event.sequence(), event));
                self.events.extend(wanted.filter(|(sequence, _)| self.machine.wants(*sequence)));
                Input::PageRead { events, scanned_to: page.scanned_to }
            }
            Err(LogError::Trimmed { oldest, .. }) => {
                self.events.retain(|sequence, _| *sequence >= oldest || self.calls.contains_key(sequence));
                Input::Trimmed(oldest)
            }
            // The event that cannot be read is offered all the same: its call ends as unreadable.
            Err(LogError::Corrupt { sequence, resume }) => {
                Input::PageRead { events: vec![(sequence, 0)], scanned_to: resume }
            }
            Err(error) => {
                tracing::warn!(subscription = self.work.subscription.id, %error, "events could not be read");
                Input::ReadFailed
            }
        }
    }

    fn call(&mut self, sequence: Sequence, attempt: u32, context: &mut Context<Self>) {
        let known = self.events.get(&sequence).cloned();
        let query = Query { up_to: sequence, ..self.query(EventFilter::default(), sequence.previous(), 1) };
        let (log, host) = (Arc::clone(&self.around.base.log), Arc::clone(&self.around.host));
        let (callee, slot) = (self.callee.clone(), self.work.subscription.slot);
        let left = Duration::from_millis(self.work.function.timeout_ms);
        let made = async move {
            let event = match known {
                Some(event) => event,
                None => match fetch(&*log, query).await {
                    Ok(event) => event,
                    Err(outcome) => return (None, Err(outcome)),
                },
            };
            let task = task_id(event.stored_at(), InvocationId { sequence, slot });
            let call = Call::new(Arc::clone(&event), task, attempt, left, host.cause_of(&event));
            (Some(event), Ok(callee.call(call).await))
        };
        let actor = context.address();
        let task = actix_rt::spawn(async move {
            // Whatever happens in a call, its slot is given back.
            let made = AssertUnwindSafe(made).catch_unwind().await;
            let (event, ended) = made.unwrap_or((None, Err(Outcome::Interrupted)));
            actor.do_send(Invoked { sequence, event, ended });
        });
        self.around.gates.set_called(self.work.subscription.consumer, sequence, true);
        self.calls.insert(sequence, task);
    }

    fn answered(&mut self, invoked: Invoked, context: &mut Context<Self>) {
        let Invoked { sequence, event, ended } = invoked;
        self.calls.remove(&sequence);
        if let Some(event) = event {
            self.events.insert(sequence, event);
        }
        let outcome = match &ended {
            Err(outcome) => *outcome,
            Ok(ended) => match &ended.result {
                Ok(_) => Outcome::Success,
                Err(failure) if failure.is_final => Outcome::Unreadable,
                Err(_) => Outcome::Failure { retry_after_ms: None },
            },
        };
        let ended = ended.unwrap_or_else(|outcome| {
            let message = match outcome {
                Outcome::Trimmed => "the event went by retention",
                Outcome::Interrupted => "the call broke off in the broker",
                _ => "the stored event cannot be read",
            };
            let result = Err(Failure::new(FailureKind::Error, message));
            Ended { at: clock::now(), duration_ms: 0, result }
        });
        self.answers.insert(sequence, ended);
        self.around.gates.set_called(self.work.subscription.consumer, sequence, false);
        let jitter = if outcome == Outcome::Success { 0.0 } else { clock::random_unit() };
        self.step(Input::Answered { sequence, outcome, jitter }, context);
    }

    fn record(
        &mut self,
        (sequence, attempt): (Sequence, u32),
        verdict: Verdict,
        place: Sequence,
        heard: Heard,
        context: &mut Context<Self>,
    ) {
        let Some(ended) = self.answers.remove(&sequence) else { return };
        let event = self.events.get(&sequence);
        let record = Box::new(record_of(&self.work, (sequence, event), attempt, verdict, ended));
        if self.outcomes.is_empty() {
            // Behind the answers that wait in the mailbox already: they go into the same commit.
            context.notify(FlushOutcomes);
        }
        self.outcomes.push((sequence, Change::Invoked { record, place, heard }));
    }

    fn flush(&mut self, context: &mut Context<Self>) {
        let outcomes = std::mem::take(&mut self.outcomes);
        let changes = outcomes.iter().map(|(_, change)| change.clone()).collect();
        let commit = self.around.base.log.commit(Commit { changes, ..Commit::default() });
        let actor = context.address();
        actix_rt::spawn(async move {
            let error = commit.await.err();
            actor.do_send(Recorded { outcomes, error });
        });
    }

    /// What a function did is not done again because the log did not take it: that is tried again.
    fn recorded(&mut self, Recorded { outcomes, error }: Recorded, context: &mut Context<Self>) {
        let (kept, lost) = match error {
            None => (outcomes, Vec::new()),
            // Nothing more is kept by this process.
            Some(LogError::Closed) => return context.stop(),
            Some(error) => {
                let subscription = self.work.subscription.id;
                tracing::warn!(subscription, %error, "outcomes could not be recorded; tried again");
                part(&*self.around.base.log, self.work.subscription.consumer, outcomes)
            }
        };
        if !lost.is_empty() {
            if self.outcomes.is_empty() {
                context.notify_later(FlushOutcomes, RECORD_AGAIN);
            }
            self.outcomes.splice(0..0, lost);
        }
        for (sequence, _) in kept {
            self.events.remove(&sequence);
            self.step(Input::Recorded(sequence), context);
        }
    }

    fn wake_at(&mut self, at: UnixMillis, context: &mut Context<Self>) {
        if let Some((known, handle)) = self.wake.take() {
            if known <= at && known > clock::steady() {
                self.wake = Some((known, handle));
                return;
            }
            context.cancel_future(handle);
        }
        let wait = Duration::from_millis(at.since(clock::steady()).max(1));
        self.wake = Some((at, context.notify_later(ClockReached, wait)));
    }
}

fn settings_of(around: &FunctionSurroundings, work: &Work) -> Settings {
    let retry = &work.function.retry;
    let DeliveryConfig { breaker_after, breaker_pause, breaker_pause_max, max_retrying, .. } =
        around.base.config;
    Settings {
        max_in_flight: around.config.max_in_flight as usize,
        max_retrying,
        schedule_ms: retry.schedule_s.iter().filter(|_| retry.enabled).map(|wait| wait * 1000).collect(),
        rate_limit_per_s: None,
        ordering: Ordering::None,
        deactivate_after_ms: u64::MAX,
        breaker: BreakerSettings {
            after_ms: breaker_after.as_millis() as u64,
            pause_ms: breaker_pause.as_millis() as u64,
            pause_max_ms: breaker_pause_max.as_millis() as u64,
        },
    }
}

impl Actor for PostActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.step(Input::ClockReached, context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        // This also runs while a panic unwinds: it only tells, and must not fail.
        let id = self.work.subscription.consumer;
        for (sequence, call) in &self.calls {
            call.abort();
            self.around.gates.set_called(id, *sequence, false);
        }
        let _ = self.registry.try_send(ChildStopped { id, generation: self.generation });
    }
}

impl Handler<HeadMoved> for PostActor {
    type Result = ();
    fn handle(&mut self, moved: HeadMoved, context: &mut Context<Self>) {
        if !self.draining {
            self.step(Input::HeadMoved(moved.0), context);
        }
    }
}

impl Handler<Invoked> for PostActor {
    type Result = ();
    fn handle(&mut self, invoked: Invoked, context: &mut Context<Self>) {
        self.answered(invoked, context);
    }
}

impl Handler<FlushOutcomes> for PostActor {
    type Result = ();
    fn handle(&mut self, _: FlushOutcomes, context: &mut Context<Self>) {
        self.flush(context);
    }
}

impl Handler<Recorded> for PostActor {
    type Result = ();
    fn handle(&mut self, recorded: Recorded, context: &mut Context<Self>) {
        self.recorded(recorded, context);
    }
}

impl Handler<ClockReached> for PostActor {
    type Result = ();
    fn handle(&mut self, _: ClockReached, context: &mut Context<Self>) {
        self.wake = None;
        self.step(Input::ClockReached, context);
    }
}

impl Handler<Reworked> for PostActor {
    type Result = ();
    fn handle(&mut self, changed: Reworked, context: &mut Context<Self>) {
        self.work = changed.0;
        self.callee = Callee::new(&self.around, &self.work);
        self.step(Input::Reconfigured(settings_of(&self.around, &self.work)), context);
    }
}

impl Handler<FunctionsRequeued> for PostActor {
    type Result = ();
    fn handle(&mut self, requeued: FunctionsRequeued, context: &mut Context<Self>) {
        if !self.draining {
            self.step(Input::Requeued(requeued.0), context);
        }
    }
}

impl Handler<Drain> for PostActor {
    type Result = ();
    fn handle(&mut self, _: Drain, context: &mut Context<Self>) {
        self.draining = true;
        let window = Settings { max_in_flight: 0, ..settings_of(&self.around, &self.work) };
        self.step(Input::Reconfigured(window), context);
    }
}

impl Handler<StopNow> for PostActor {
    type Result = ();
    fn handle(&mut self, _: StopNow, context: &mut Context<Self>) {
        context.stop();
    }
}
