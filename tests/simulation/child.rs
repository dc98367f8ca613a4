//! A destination's actor: feeds the machine and performs what it orders, like the one that runs in the program.

use crate::endpoint::reply;
use crate::functions::{Ended, is_function};
use crate::keeper::Wish;
use crate::log::{Page, Write};
use crate::world::{Happening, Told, World};
use campanile::delivery::destination::{Action, DestinationMachine, Ending, Input, Outcome, Settings};
use campanile::delivery::lifecycle::Request;
use campanile::log::Change;
use campanile::model::{
    Destination, DestinationId, DestinationStatus, Heard, Notice, Ordering, ReplayId, Requeue, Sequence,
    StoredEvent, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) enum Message {
    /// What was read; nothing when that failed.
    Page(Option<Page>),
    Answered {
        sequence: Sequence,
        url: u32,
        outcome: Outcome,
    },
    Flush,
    Clock(UnixMillis),
    Recorded {
        sequences: Vec<Sequence>,
        is_durable: bool,
        stays_on: bool,
    },
    /// Outcomes of a function's were not written: they are tried again.
    Refused(Vec<(Sequence, Change)>),
    Told(Option<Notice>),
    HeadMoved(Sequence),
    Reconfigured(Arc<Destination>),
    Requeued(Requeue),
    ReplayStopped(ReplayId),
    Drain,
    SecretsExpire,
}

/// What the registry knows of a destination.
pub(crate) struct Child {
    pub(crate) destination: Arc<Destination>,
    pub(crate) actor: Option<Actor>,
    pub(crate) ending: bool,
    pub(crate) generation: u64,
    pub(crate) deaths: u32,
    /// What it was sent last arrives by then: a mailbox keeps its order.
    pub(crate) mailbox: u64,
}

pub(crate) struct Actor {
    pub(crate) destination: Arc<Destination>,
    pub(crate) machine: DestinationMachine,
    outcomes: Vec<(Sequence, Change)>,
    /// What attempts under way will be answered.
    pub(crate) under_way: BTreeMap<Sequence, Outcome>,
    /// Events that it was given and are not recorded.
    held: BTreeSet<Sequence>,
    url: u32,
    wake: Option<UnixMillis>,
    draining: bool,
}

impl World {
    pub(crate) fn settings_of(&self, destination: &Destination) -> Settings {
        let schedule = destination.retry.schedule_s.iter().filter(|_| destination.retry.enabled);
        Settings {
            max_in_flight: destination.max_in_flight as usize,
            max_retrying: self.bounds.max_retrying,
            schedule_ms: schedule.map(|wait| wait * 1000).collect(),
            rate_limit_per_s: destination.rate_limit_per_s,
            ordering: destination.ordering,
            deactivate_after_ms: if is_function(destination.id) {
                u64::MAX
            } else {
                self.bounds.deactivate_after_ms
            },
            breaker: self.bounds.breaker,
        }
    }

    /// A new actor, from what is durable.
    pub(crate) fn new_actor(&mut self, destination: &Arc<Destination>, generation: u64) {
        let id = destination.id;
        let kept = self.log.consumers[&id].clone();
        self.judge.actor_started(id, &kept, &self.log, &self.bounds);
        let machine = DestinationMachine::new(self.settings_of(destination), kept, self.log.head);
        let actor = Actor {
            destination: Arc::clone(destination),
            machine,
            outcomes: Vec::new(),
            under_way: BTreeMap::new(),
            held: BTreeSet::new(),
            url: 0,
            wake: None,
            draining: false,
        };
        if let Some(child) = self.children.get_mut(&id) {
            child.actor = Some(actor);
        }
        self.mind_secrets(destination, generation);
        self.feed_and_learn(id, Input::ClockReached);
    }

    /// After this input there may be events whose key is unknown.
    fn feed_and_learn(&mut self, id: DestinationId, input: Input) {
        self.feed(id, input);
        let Some(actor) = self.actor(id) else { return };
        let (unknown, ordering) = (actor.machine.of_unknown_key(usize::MAX), actor.destination.ordering);
        if !unknown.is_empty() {
            let key_of = |sequence| self.log.event(sequence).map_or(u64::MAX, |one| lane_of(one, ordering));
            let keys = unknown.into_iter().map(|sequence| (sequence, key_of(sequence))).collect();
            self.feed(id, Input::Keyed(keys));
        }
    }

    fn actor(&mut self, id: DestinationId) -> Option<&mut Actor> {
        self.children.get_mut(&id)?.actor.as_mut()
    }

    fn feed(&mut self, id: DestinationId, input: Input) {
        let now = self.steady();
        let told = if self.bounds.is_told { format!("{input:?}") } else { String::new() };
        let Some(actor) = self.actor(id) else { return };
        let mut actions = Vec::new();
        actor.machine.handle(input, now, &mut actions);
        self.say(|| format!("{} {told} -> {actions:?}", id.0));
        for action in actions {
            self.perform(id, action);
        }
        let Some(actor) = self.actor(id) else { return };
        if actor.draining && actor.machine.in_flight() == 0 {
            self.child_stopped(id);
        }
    }

    pub(crate) fn child_hears(&mut self, id: DestinationId, generation: u64, message: Message) {
        let Some(child) = self.children.get_mut(&id).filter(|child| child.generation == generation) else {
            return;
        };
        let Some(actor) = child.actor.as_mut() else { return };
        match message {
            Message::Page(page) => {
                let input = actor.page_input(page);
                self.feed(id, input);
            }
            Message::Answered { sequence, url, outcome } => self.answered(id, sequence, url, outcome),
            Message::Flush => self.flush(id, generation),
            Message::Clock(at) => {
                actor.wake = actor.wake.filter(|known| *known != at);
                self.feed(id, Input::ClockReached);
            }
            Message::Recorded { sequences, is_durable, stays_on } => {
                if !is_durable {
                    self.lose_attempts(id);
                    return self.child_stopped(id);
                }
                for sequence in sequences {
                    if let Some(actor) = self.actor(id) {
                        actor.held.remove(&sequence);
                    }
                    self.feed(id, Input::Recorded(sequence));
                }
                if stays_on {
                    self.judge.stays_on(id);
                    self.feed(id, Input::StaysOn);
                }
            }
            Message::Refused(outcomes) => {
                if actor.put_before(outcomes) {
                    self.later(1000, Happening::ToChild(id, generation, Message::Flush));
                }
            }
            Message::Told(notice) => self.feed(id, Input::Told(notice)),
            Message::HeadMoved(_) | Message::Requeued(_) if actor.draining => {}
            Message::HeadMoved(head) => self.feed(id, Input::HeadMoved(head)),
            Message::Requeued(requeue) => {
                self.judge.may_probe(id);
                self.judge.told_of(&requeue);
                self.feed_and_learn(id, Input::Requeued(requeue));
            }
            Message::ReplayStopped(replay) => {
                self.judge.replay_stopped(id, replay);
                self.feed(id, Input::ReplayStopped(replay));
            }
            Message::Reconfigured(destination) => self.reconfigured(id, generation, destination),
            Message::Drain => {
                actor.draining = true;
                let destination = Arc::clone(&actor.destination);
                let settings = Settings { max_in_flight: 0, ..self.settings_of(&destination) };
                self.feed(id, Input::Reconfigured(settings));
            }
            Message::SecretsExpire => {
                let destination = Arc::clone(&actor.destination);
                self.forget_secrets(&destination, generation);
            }
        }
    }

    fn reconfigured(&mut self, id: DestinationId, generation: u64, destination: Arc<Destination>) {
        let settings = self.settings_of(&destination);
        self.mind_secrets(&destination, generation);
        let Some(actor) = self.actor(id) else { return };
        let is_moved = destination.url != actor.destination.url;
        let is_reordered = destination.ordering != actor.destination.ordering;
        actor.destination = destination;
        self.judge.may_probe(id);
        if is_moved {
            if let Some(actor) = self.actor(id) {
                actor.url += 1;
            }
            self.judge.moved(id);
            self.feed(id, Input::Moved);
        }
        if is_reordered && let Some(actor) = self.actor(id) {
            let held = actor.held.clone();
            let event = |sequence| {
                self.log.event(sequence).map(|event| (sequence, lane_of(event, settings.ordering)))
            };
            self.feed(id, Input::Rekeyed(held.into_iter().filter_map(event).collect()));
        }
        self.feed_and_learn(id, Input::Reconfigured(settings));
    }

    fn perform(&mut self, id: DestinationId, action: Action) {
        let now = self.steady();
        let Some(child) = self.children.get_mut(&id) else { return };
        let generation = child.generation;
        let Some(actor) = child.actor.as_mut() else { return };
        match action {
            Action::Read { after, limit } => self.read(id, generation, after, limit),
            Action::Send { sequence, attempt, replay } => self.send(id, sequence, attempt, replay),
            Action::Record { sequence, attempt, verdict, place, heard } => {
                self.judge.recording(id, sequence, verdict, &actor.destination, now);
                let ended = Ended { id, sequence, attempt, verdict, at: now };
                if actor.outcomes.is_empty() {
                    self.later(0, Happening::ToChild(id, generation, Message::Flush));
                }
                self.put_outcome(id, sequence, ended.change(place, heard));
            }
            Action::MovePlace(place) => {
                let changes = vec![Change::MovePlace { destination: id, place }];
                self.write(Write { events: Vec::new(), changes, told: Told::Nobody });
            }
            Action::WakeAt(at) => {
                if actor.wake.is_none_or(|known| known > at || known <= now) {
                    actor.wake = Some(at);
                    let wait = at.since(now).max(1);
                    self.later(wait, Happening::ToChild(id, generation, Message::Clock(at)));
                }
            }
            // A function is not switched off, and nobody is told how it does.
            Action::Deactivate(_) if is_function(id) => self.feed(id, Input::StaysOn),
            Action::Tell(notice) if is_function(id) => self.feed(id, Input::Told(Some(notice))),
            Action::Deactivate(why) => {
                self.judge.asks_to_end(id);
                let url = actor.destination.url.clone();
                let request = match why {
                    Ending::Gone => Request::Gone(url),
                    Ending::Failures => Request::Failed(url, actor.machine.failure_report()),
                };
                let outcomes = std::mem::take(&mut actor.outcomes);
                self.wish(Wish::Change { id, generation, request, outcomes });
            }
            Action::Tell(notice) => self.wish(Wish::Tell { id, generation, notice }),
        }
    }

    fn put_outcome(&mut self, id: DestinationId, sequence: Sequence, change: Change) {
        if let Some(actor) = self.actor(id) {
            actor.outcomes.push((sequence, change));
        }
    }

    fn read(&mut self, id: DestinationId, generation: u64, after: Sequence, limit: usize) {
        // A page may be cut short by its bytes.
        let limit = if self.dice.chance(200) { self.dice.between(1, limit as u64) as usize } else { limit };
        let current = &self.log.management.destinations[&id];
        let page = self.log.read(&current.event_filter(), after, limit);
        let page = (!self.dice.chance(10)).then_some(page);
        let wait = self.dice.between(0, 3);
        self.later(wait, Happening::ToChild(id, generation, Message::Page(page)));
    }

    fn send(&mut self, id: DestinationId, sequence: Sequence, attempt: u32, replay: Option<ReplayId>) {
        let (now, wall, mono) = (self.steady(), self.wall(), self.mono);
        let child = &self.children[&id];
        let Some(actor) = &child.actor else { return };
        assert!(!actor.draining, "an actor that ends sends nothing more");
        self.judge.sent(id, (sequence, attempt, replay), &actor.destination, &self.log, now);
        Self::is_signed(&actor.destination, wall);
        let (generation, url, timeout) = (child.generation, actor.url, actor.destination.timeout_ms);
        let (after_ms, outcome) = if self.log.event(sequence).is_some() {
            let reply = reply(self.moods[&id], mono, timeout, &mut self.dice);
            // A function that wants no more of an event says no to it alone.
            let says_no = is_function(id) && reply.outcome == Outcome::Gone;
            (reply.after_ms, if says_no { Outcome::Unreadable } else { reply.outcome })
        } else {
            (1, Outcome::Trimmed)
        };
        if let Some(actor) = self.actor(id) {
            actor.under_way.insert(sequence, outcome);
        }
        let message = Message::Answered { sequence, url, outcome };
        self.later(after_ms, Happening::ToChild(id, generation, message));
    }

    fn answered(&mut self, id: DestinationId, sequence: Sequence, url: u32, outcome: Outcome) {
        let now = self.steady();
        let jitter = self.dice.unit();
        let Some(actor) = self.actor(id) else { return };
        actor.under_way.remove(&sequence);
        actor.held.insert(sequence);
        let outcome = if url == actor.url { outcome } else { outcome.of_an_earlier_url() };
        self.judge.answered(id, sequence, outcome, now, &self.bounds);
        self.feed(id, Input::Answered { sequence, outcome, jitter });
    }

    fn flush(&mut self, id: DestinationId, generation: u64) {
        let Some(actor) = self.actor(id).filter(|actor| !actor.outcomes.is_empty()) else { return };
        let (sequences, changes) = actor.outcomes.drain(..).unzip();
        self.write(Write { events: Vec::new(), changes, told: Told::Outcomes(id, generation, sequences) });
    }

    /// Attempts under way break off: each may have been taken all the same.
    pub(crate) fn lose_attempts(&mut self, id: DestinationId) {
        let Some(actor) = self.actor(id) else { return };
        let under_way = std::mem::take(&mut actor.under_way);
        for (sequence, outcome) in under_way {
            if outcome == Outcome::Success && self.dice.chance(500) {
                self.judge.took(id, sequence);
            }
        }
        self.judge.actor_died(id);
    }

    /// Whether it is to be sent events.
    pub(crate) fn is_wanted(destination: &Destination) -> bool {
        destination.status == DestinationStatus::Active && destination.has_working_filter()
    }
}

impl Actor {
    /// What a function did is not done again because its outcome was refused. Gives whether nothing else waited.
    fn put_before(&mut self, refused: Vec<(Sequence, Change)>) -> bool {
        let is_first = self.outcomes.is_empty();
        self.outcomes.splice(0..0, refused);
        is_first
    }

    fn page_input(&mut self, page: Option<Page>) -> Input {
        let (events, scanned_to) = match page {
            None => return Input::ReadFailed,
            Some(Page::Trimmed(oldest)) => {
                let under_way = &self.under_way;
                self.held.retain(|sequence| *sequence >= oldest || under_way.contains_key(sequence));
                return Input::Trimmed(oldest);
            }
            Some(Page::Events(events, scanned_to)) => (events, scanned_to),
        };
        let wanted =
            events.iter().map(|event| event.sequence()).filter(|sequence| self.machine.wants(*sequence));
        let most = 16 + 4 * self.destination.max_in_flight as usize;
        self.held.extend(wanted.take(most.saturating_sub(self.held.len())));
        // Its window may have been larger.
        assert!(self.held.len() <= most + 64, "{} events in memory", self.held.len());
        let ordering = self.destination.ordering;
        let events = events.iter().map(|event| (event.sequence(), lane_of(event, ordering))).collect();
        Input::PageRead { events, scanned_to }
    }
}

/// Events of the same lane are delivered in order.
pub(crate) fn lane_of(event: &StoredEvent, ordering: Ordering) -> u64 {
    let number = |text: Option<&str>| text.map_or(0, |text| text.parse::<u64>().unwrap() + 1);
    match ordering {
        Ordering::None | Ordering::Strict => 0,
        Ordering::Pipeline => number(event.pipeline()),
        // Lanes of different kinds have nothing in common.
        Ordering::RunId => 1000 + number(event.run_id()),
    }
}

/// What an answer says of its endpoint.
pub(crate) fn heard_of(outcome: Outcome, now: UnixMillis) -> Heard {
    match outcome {
        Outcome::Success => Heard::Success,
        Outcome::Failure { .. } | Outcome::Gone => Heard::Failure(now),
        Outcome::Interrupted | Outcome::Unreadable | Outcome::Trimmed => Heard::Nothing,
    }
}
