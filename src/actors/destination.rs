//! Runs one destination: feeds its machine and performs what it orders. Started by the registry, which it tells
//! when it ends.

use super::attempt::{attempt_record, fetch, key_of, outcome_of, settings_of};
use super::messages::{
    Answered, ChildStopped, ClockReached, Drain, FlushOutcomes, HeadMoved, Reconfigured, Recorded, StopNow,
};
use super::meters::Meter;
use super::shard::Surroundings;
use crate::clock;
use crate::delivery::destination::{Action, DestinationMachine, Input, Outcome, Settings};
use crate::log::{Change, Commit, LogError, Order, Page, Query};
use crate::model::{
    ConsumerState, Destination, EventFilter, EventNote, Heard, ReplayId, RequestNote, Sequence, StoredEvent,
    UnixMillis, Verdict,
};
use crate::webhook::client::WebhookClient;
use crate::webhook::delivery::Recipient;
use crate::webhook::{Answer, SendError};
use actix::prelude::*;
use actix_rt::task::JoinHandle;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

mod asking;
mod keys;

/// A page read ahead holds about this many bytes at most.
const PAGE_BYTES: usize = 1 << 20;

pub(super) struct DestinationActor {
    around: Surroundings,
    destination: Arc<Destination>,
    recipient: Rc<Recipient>,
    generation: u64,
    registry: actix::Recipient<ChildStopped>,
    client: WebhookClient,
    machine: DestinationMachine,
    meter: Arc<Meter>,
    /// Events that wait to be sent or are under way.
    events: HashMap<Sequence, Arc<StoredEvent>>,
    /// Attempts that were answered and are not recorded.
    answers: HashMap<Sequence, (RequestNote, Answer)>,
    /// Attempts under way, each a task of its own: an actor's own futures are all polled whenever one wakes.
    attempts: HashMap<Sequence, JoinHandle<()>>,
    /// Outcomes that go into the log together.
    outcomes: Vec<(Sequence, Change)>,
    /// Counts the URLs that the destination has had.
    url: u32,
    wake: Option<(UnixMillis, SpawnHandle)>,
    /// When the overlap of its secrets is over.
    secrets_end: Option<SpawnHandle>,
    actions: Vec<Action>,
    /// Keys of events are looked up.
    is_learning: bool,
    draining: bool,
}

impl DestinationActor {
    pub(super) fn new(
        around: Surroundings,
        destination: Arc<Destination>,
        generation: u64,
        registry: actix::Recipient<ChildStopped>,
    ) -> Self {
        let kept = around.log.consumer(destination.id);
        let kept = kept.unwrap_or_else(|| ConsumerState::starting_after(destination.start_after));
        let head = around.log.bounds().borrow().head;
        let settings = settings_of(&destination, &around.config);
        Self {
            client: around.client(),
            recipient: Rc::new(around.recipient(&destination)),
            machine: DestinationMachine::new(settings, kept, head),
            meter: around.meters.of(destination.id),
            around,
            destination,
            generation,
            registry,
            events: HashMap::new(),
            answers: HashMap::new(),
            attempts: HashMap::new(),
            outcomes: Vec::new(),
            url: 0,
            wake: None,
            secrets_end: None,
            actions: Vec::new(),
            is_learning: false,
            draining: false,
        }
    }

    /// Feeds the machine one input, then performs everything it asks for.
    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        let mut actions = std::mem::take(&mut self.actions);
        self.machine.handle(input, clock::steady(), &mut actions);
        for action in actions.drain(..) {
            self.perform(action, context);
        }
        self.actions = actions;
        if self.draining && self.machine.in_flight() == 0 {
            context.stop();
        }
    }

    fn perform(&mut self, action: Action, context: &mut Context<Self>) {
        match action {
            Action::Read { after, limit } => self.read(after, limit, context),
            Action::Send { sequence, attempt, replay } => self.send(sequence, attempt, replay, context),
            Action::Record { sequence, attempt, verdict, place, heard } => {
                self.record((sequence, attempt), verdict, place, heard, context);
            }
            Action::MovePlace(place) => {
                let destination = self.destination.id;
                let changes = vec![Change::MovePlace { destination, place }];
                let commit = self.around.log.commit(Commit { changes, ..Commit::default() });
                // Lost, it is only told again later.
                context.spawn(async move { drop(commit.await) }.into_actor(self));
            }
            Action::WakeAt(at) => self.wake_at(at, context),
            Action::Deactivate(why) => self.end(why, context),
            Action::Tell(notice) => self.tell(notice, context),
        }
    }

    fn read(&mut self, after: Sequence, limit: usize, context: &mut Context<Self>) {
        let mut query = self.query(EventFilter::default(), after, limit);
        // After the head was taken: an event behind a change is read with what the change says.
        let management = self.around.log.management();
        let current = management.destinations.get(&self.destination.id).unwrap_or(&self.destination);
        query.filter = current.event_filter();
        let read = self.around.log.read(query).into_actor(self);
        context.spawn(read.map(|page, actor, context| {
            let input = actor.page_input(page);
            actor.step(input, context);
        }));
    }

    fn query(&self, filter: EventFilter, from: Sequence, limit: usize) -> Query {
        let up_to = self.around.log.bounds().borrow().head;
        let (tenant, order) = (self.destination.tenant, Order::Ascending);
        Query { tenant, filter, from, up_to, order, limit, max_bytes: PAGE_BYTES }
    }

    fn page_input(&mut self, page: Result<Page, LogError>) -> Input {
        match page {
            Ok(page) => {
                let ordering = self.destination.ordering;
                let events =
                    page.events.iter().map(|event| (event.sequence(), key_of(event, ordering))).collect();
                let wanted = page.events.into_iter().map(|event| (event.sequence(), event));
                let wanted = wanted.filter(|(sequence, _)| self.machine.wants(*sequence));
                // What an order holds back beyond that is read again when it goes.
                let room = 16 + 4 * self.destination.max_in_flight as usize;
                self.events.extend(wanted.take(room.saturating_sub(self.events.len())));
                Input::PageRead { events, scanned_to: page.scanned_to }
            }
            Err(LogError::Trimmed { oldest, .. }) => {
                self.events.retain(|sequence, _| *sequence >= oldest || self.attempts.contains_key(sequence));
                Input::Trimmed(oldest)
            }
            // The event that cannot be read is offered all the same: its attempt ends as unreadable.
            Err(LogError::Corrupt { sequence, resume }) => {
                Input::PageRead { events: vec![(sequence, 0)], scanned_to: resume }
            }
            Err(error) => {
                tracing::warn!(destination = %self.destination.id, %error, "events could not be read");
                Input::ReadFailed
            }
        }
    }

    fn send(
        &mut self,
        sequence: Sequence,
        attempt: u32,
        replay: Option<ReplayId>,
        context: &mut Context<Self>,
    ) {
        let known = self.events.get(&sequence).cloned();
        let query = self.query(EventFilter::default(), sequence.previous(), 1);
        let (log, client, recipient) =
            (Arc::clone(&self.around.log), self.client.clone(), self.recipient.clone());
        let query = Query { up_to: sequence, ..query };
        let mut request = recipient.note(replay, clock::now());
        let plain = request.clone();
        // In a box: it is large, and would be moved again and again.
        let attempt_made = Box::pin(async move {
            let event = match known {
                Some(event) => event,
                None => match fetch(&*log, query).await {
                    Ok(event) => event,
                    Err(outcome) => return (None, request, Err(outcome)),
                },
            };
            let outgoing = recipient.request(&event, attempt, replay, clock::now());
            request.is_cloudevent = recipient.sends_cloudevent(&event);
            (Some(event), request, Ok(client.send(outgoing).await))
        });
        let (actor, url) = (context.address(), self.url);
        let attempt = actix_rt::spawn(async move {
            // Whatever happens in an attempt, its slot is given back.
            let made = AssertUnwindSafe(attempt_made).catch_unwind().await;
            let (event, request, answer) = made.unwrap_or((None, plain, Err(Outcome::Interrupted)));
            actor.do_send(Answered { sequence, url, event, request, answer });
        });
        self.attempts.insert(sequence, attempt);
    }

    fn answered(&mut self, answered: Answered, context: &mut Context<Self>) {
        let Answered { sequence, url, event, request, answer } = answered;
        if let Some(event) = event {
            self.events.insert(sequence, event);
        }
        self.attempts.remove(&sequence);
        let outcome = match &answer {
            Ok(answer) if url != self.url => outcome_of(answer).of_an_earlier_url(),
            Ok(answer) => outcome_of(answer),
            Err(outcome) => *outcome,
        };
        let answer = answer.unwrap_or_else(|outcome| Answer {
            at: clock::now(),
            latency_ms: 0,
            result: Err(SendError::BadResponse(match outcome {
                Outcome::Trimmed => "the event went by retention".to_owned(),
                Outcome::Interrupted => "the attempt broke off in the broker".to_owned(),
                _ => "the stored event cannot be read".to_owned(),
            })),
        });
        self.answers.insert(sequence, (request, answer));
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
        let Some((request, answer)) = self.answers.remove(&sequence) else { return };
        let event = self.events.get(&sequence).map(|event| EventNote::of(event));
        let delivery = (self.destination.id, sequence, event);
        self.meter.recorded(verdict);
        self.around.meters.took(answer.latency_ms);
        let attempt = Box::new(attempt_record(delivery, attempt, request, verdict, answer));
        if self.outcomes.is_empty() {
            // Behind the answers that wait in the mailbox already: they go into the same commit.
            context.notify(FlushOutcomes);
        }
        self.outcomes.push((sequence, Change::Outcome { attempt, place, heard }));
    }

    /// Makes the gathered outcomes durable in one commit.
    fn flush(&mut self, context: &mut Context<Self>) {
        if self.outcomes.is_empty() {
            return;
        }
        let (sequences, changes) = self.outcomes.drain(..).unzip();
        let commit = self.around.log.commit(Commit { changes, ..Commit::default() });
        let actor = context.address();
        actix_rt::spawn(async move {
            let error = commit.await.err();
            actor.do_send(Recorded { sequences, error, stays_on: false });
        });
    }

    fn recorded(&mut self, recorded: Recorded, context: &mut Context<Self>) {
        if let Some(error) = recorded.error {
            // Whether it is there nobody knows: a new actor asks the log.
            tracing::warn!(destination = %self.destination.id, %error, "outcomes could not be recorded");
            return context.stop();
        }
        for sequence in recorded.sequences {
            self.events.remove(&sequence);
            self.step(Input::Recorded(sequence), context);
        }
        if recorded.stays_on {
            self.step(Input::StaysOn, context);
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

impl Actor for DestinationActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.mind_secrets(context);
        self.step(Input::ClockReached, context);
        self.learn_keys(context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        // This also runs while a panic unwinds: it only tells, and must not fail.
        self.attempts.values().for_each(JoinHandle::abort);
        let _ = self.registry.try_send(ChildStopped { id: self.destination.id, generation: self.generation });
    }
}

impl Handler<HeadMoved> for DestinationActor {
    type Result = ();
    fn handle(&mut self, moved: HeadMoved, context: &mut Context<Self>) {
        if !self.draining {
            self.step(Input::HeadMoved(moved.0), context);
        }
    }
}

impl Handler<Answered> for DestinationActor {
    type Result = ();
    fn handle(&mut self, answered: Answered, context: &mut Context<Self>) {
        self.answered(answered, context);
    }
}

impl Handler<FlushOutcomes> for DestinationActor {
    type Result = ();
    fn handle(&mut self, _: FlushOutcomes, context: &mut Context<Self>) {
        self.flush(context);
    }
}

impl Handler<Recorded> for DestinationActor {
    type Result = ();
    fn handle(&mut self, recorded: Recorded, context: &mut Context<Self>) {
        self.recorded(recorded, context);
    }
}

impl Handler<ClockReached> for DestinationActor {
    type Result = ();
    fn handle(&mut self, _: ClockReached, context: &mut Context<Self>) {
        self.wake = None;
        self.step(Input::ClockReached, context);
    }
}

impl Handler<Reconfigured> for DestinationActor {
    type Result = ();
    fn handle(&mut self, changed: Reconfigured, context: &mut Context<Self>) {
        let is_moved = changed.0.url != self.destination.url;
        let is_reordered = changed.0.ordering != self.destination.ordering;
        self.destination = changed.0;
        self.recipient = Rc::new(self.around.recipient(&self.destination));
        self.mind_secrets(context);
        let settings = settings_of(&self.destination, &self.around.config);
        if is_moved {
            self.url += 1;
            self.step(Input::Moved, context);
        }
        if is_reordered {
            let keys =
                self.events.iter().map(|(sequence, event)| (*sequence, key_of(event, settings.ordering)));
            self.step(Input::Rekeyed(keys.collect()), context);
        }
        self.step(Input::Reconfigured(settings), context);
        self.learn_keys(context);
    }
}

impl Handler<Drain> for DestinationActor {
    type Result = ();
    fn handle(&mut self, _: Drain, context: &mut Context<Self>) {
        self.draining = true;
        let window = Settings { max_in_flight: 0, ..settings_of(&self.destination, &self.around.config) };
        self.step(Input::Reconfigured(window), context);
    }
}

impl Handler<StopNow> for DestinationActor {
    type Result = ();
    fn handle(&mut self, _: StopNow, context: &mut Context<Self>) {
        context.stop();
    }
}
