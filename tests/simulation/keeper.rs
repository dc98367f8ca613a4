//! Those who change destinations, one at a time, and the registry that starts, wakes and ends their actors.

use crate::child::{Child, Message};
use crate::log::Write;
use crate::world::{Happening, Told, World};
use campanile::delivery::backoff;
use campanile::delivery::lifecycle::{self, Changed, Request};
use campanile::delivery::replay;
use campanile::log::Change;
use campanile::model::{
    ConsumerState, Destination, DestinationId, DestinationStatus, EventDraft, EventType, Notice, Replay,
    ReplayId, ReplayStatus, Requeue, Sequence, Timestamp,
};
use std::sync::Arc;

/// What somebody wants who has to wait for the others.
pub(crate) enum Wish {
    /// An actor asks for a change, with the outcomes that led to it.
    Change {
        id: DestinationId,
        generation: u64,
        request: Request,
        outcomes: Vec<(Sequence, Change)>,
    },
    /// An actor has news of its endpoint's health.
    Tell {
        id: DestinationId,
        generation: u64,
        notice: Notice,
    },
    /// A user switches a destination.
    Switch {
        id: DestinationId,
        request: Request,
        skips: bool,
    },
    /// A user changes what it is.
    Become {
        id: DestinationId,
        edit: Box<dyn Fn(&mut Destination)>,
    },
    Create(Box<Destination>),
    KeepReplay {
        replay: Box<Replay>,
        generation: u64,
        requeue: Option<Requeue>,
        input: replay::Input,
    },
    MakeReplay(Box<Replay>),
    StopReplay(ReplayId),
}

pub(crate) fn draft(name: &str, pipeline: Option<u64>, run: Option<u64>) -> EventDraft {
    EventDraft {
        id: None,
        event_type: EventType::parse(name).unwrap(),
        timestamp: None,
        pipeline: pipeline.map(|number| number.to_string().into()),
        run_id: run.map(|number| number.to_string().into()),
        data: "{}".into(),
        extensions: None,
    }
}

impl World {
    pub(crate) fn wish(&mut self, wish: Wish) {
        self.wishes.push_back(wish);
        if !self.is_managing {
            self.manage_on();
        }
    }

    /// The next one has its turn; it keeps it until what it wrote is durable.
    pub(crate) fn manage_on(&mut self) {
        self.is_managing = false;
        while let Some(wish) = self.wishes.pop_front() {
            if let Some(write) = self.grant(wish) {
                self.is_managing = true;
                return self.write(write);
            }
        }
    }

    fn grant(&mut self, wish: Wish) -> Option<Write> {
        let at = Timestamp::from(self.wall());
        match wish {
            Wish::Change { id, generation, request, outcomes } => {
                let current = Arc::clone(&self.log.management.destinations[&id]);
                let (sequences, outcomes): (_, Vec<Change>) = outcomes.into_iter().unzip();
                let changed = lifecycle::change(&current, request, at).ok().flatten();
                let told = Told::Asked(id, generation, sequences, changed.is_some());
                match changed {
                    Some(changed) => Some(put(&current, changed, None, outcomes, told)),
                    None if outcomes.is_empty() => {
                        self.answer_at_once(told);
                        None
                    }
                    None => Some(Write { events: Vec::new(), changes: outcomes, told }),
                }
            }
            Wish::Tell { id, generation, notice } => self.tell_of_health(id, generation, notice),
            Wish::Switch { id, request, skips } => {
                let current = Arc::clone(&self.log.management.destinations[&id]);
                let skip_to = skips.then_some(self.log.head);
                let changed = lifecycle::change(&current, request, at).ok().flatten()?;
                Some(put(&current, changed, skip_to, Vec::new(), Told::Managed))
            }
            Wish::Become { id, edit } => {
                let current = Arc::clone(&self.log.management.destinations[&id]);
                let mut wanted = (*current).clone();
                edit(&mut wanted);
                let request = Request::Become(Box::new(wanted));
                let changed = lifecycle::change(&current, request, at).ok().flatten()?;
                Some(put(&current, changed, None, Vec::new(), Told::Managed))
            }
            Wish::Create(mut one) => {
                one.start_after = one.start_after.min(self.log.head);
                Some(Write {
                    events: Vec::new(),
                    changes: vec![Change::PutDestination(one)],
                    told: Told::Managed,
                })
            }
            Wish::KeepReplay { replay, generation, requeue, input } => {
                self.keep_replay(replay, generation, requeue, input)
            }
            Wish::MakeReplay(mut replay) => {
                replay.up_to = self.log.head;
                Some(Write {
                    events: Vec::new(),
                    changes: vec![Change::PutReplay(replay)],
                    told: Told::Managed,
                })
            }
            Wish::StopReplay(id) => {
                let kept = self.log.management.replays.get(&id).filter(|kept| !kept.status.has_ended())?;
                let stopped =
                    Replay { status: ReplayStatus::Stopped, ended_at: Some(at), ..(**kept).clone() };
                let destination = stopped.destination;
                let stop = Change::StopReplay { destination, replay: id };
                let changes = vec![Change::PutReplay(Box::new(stopped)), stop];
                Some(Write { events: Vec::new(), changes, told: Told::StoppedReplay(destination, id) })
            }
        }
    }

    fn answer_at_once(&mut self, told: Told) {
        if let Told::Asked(id, generation, sequences, is_changed) = told {
            let message = Message::Recorded { sequences, is_durable: true, stays_on: !is_changed };
            self.soon(Happening::ToChild(id, generation, message));
        }
    }

    fn tell_of_health(&mut self, id: DestinationId, generation: u64, notice: Notice) -> Option<Write> {
        let consumer: &ConsumerState = &self.log.consumers[&id];
        let name = match (consumer.health.notice, notice) {
            (Notice::None, Notice::Failing) if consumer.health.failing.is_some() => {
                "event_destination.failing"
            }
            (Notice::RecoveryDue, Notice::None) => "event_destination.recovered",
            (kept, _) => {
                self.soon(Happening::ToChild(id, generation, Message::Told(Some(kept))));
                return None;
            }
        };
        let changes = vec![Change::Notice { destination: id, notice }];
        Some(Write {
            events: vec![draft(name, None, None)],
            changes,
            told: Told::Notice(id, generation, notice),
        })
    }

    /// Brings the actors in line with what destinations have become.
    pub(crate) fn reconcile(&mut self) {
        let management = self.log.management.clone();
        self.reconciled = management.version;
        for one in management.destinations.values() {
            match self.children.get(&one.id) {
                None => self.start_child(one, 0),
                Some(child) if child.destination == *one => {}
                Some(_) => self.adjust(one),
            }
        }
        self.reconcile_replays();
    }

    fn adjust(&mut self, one: &Arc<Destination>) {
        let is_wanted = Self::is_wanted(one);
        if is_wanted {
            self.router.put(one.id, one.tenant, &one.events);
        } else {
            self.router.remove(one.id);
        }
        let Some(child) = self.children.get_mut(&one.id) else { return };
        child.destination = Arc::clone(one);
        match child.actor {
            None if !is_wanted => drop(self.children.remove(&one.id)),
            None => {}
            Some(_) if child.ending => {}
            Some(_) if is_wanted => self.tell(one.id, Message::Reconfigured(Arc::clone(one))),
            Some(_) => {
                child.ending = true;
                self.tell(one.id, Message::Drain);
            }
        }
    }

    fn start_child(&mut self, destination: &Arc<Destination>, deaths: u32) {
        if !Self::is_wanted(destination) {
            return;
        }
        self.generations += 1;
        let generation = self.generations;
        self.router.put(destination.id, destination.tenant, &destination.events);
        let (destination, mailbox) = (Arc::clone(destination), self.mono);
        let id = destination.id;
        let child = Child {
            destination: Arc::clone(&destination),
            actor: None,
            ending: false,
            generation,
            deaths,
            mailbox,
        };
        self.children.insert(id, child);
        self.new_actor(&destination, generation);
    }

    pub(crate) fn child_stopped(&mut self, id: DestinationId) {
        let Some(child) = self.children.get_mut(&id) else { return };
        child.actor = None;
        let (destination, generation) = (Arc::clone(&child.destination), child.generation);
        if child.ending {
            self.children.remove(&id);
            return self.start_child(&destination, 0);
        }
        child.deaths += 1;
        let pause = backoff::restart(child.deaths).as_millis() as u64;
        self.later(pause, Happening::StartAgain(id, generation));
    }

    pub(crate) fn start_again(&mut self, id: DestinationId, generation: u64) {
        let Some(child) = self.children.get(&id) else { return };
        if child.generation == generation && child.actor.is_none() {
            let (destination, deaths) = (Arc::clone(&child.destination), child.deaths);
            self.start_child(&destination, deaths);
        }
    }

    /// Wakes the destinations that the newest events concern.
    pub(crate) fn route(&mut self) {
        let head = self.log.head;
        if head <= self.routed_to {
            return;
        }
        if self.log.management.version != self.reconciled {
            self.reconcile();
        }
        let batch = self.log.after(self.routed_to).map(|event| (event.tenant(), event.event_type().as_str()));
        let concerned = self.router.concerned(batch);
        self.routed_to = head;
        concerned.into_iter().for_each(|id| self.tell(id, Message::HeadMoved(head)));
    }

    pub(crate) fn tell_requeued(&mut self, requeue: Requeue) {
        let replays = &self.log.management.replays;
        let is_over = |id| replays.get(&id).is_none_or(|replay| replay.status.has_ended());
        if !requeue.replay.is_some_and(is_over) {
            self.tell(requeue.destination, Message::Requeued(requeue));
        }
    }

    /// Puts a message of the registry into a child's mailbox, behind the others.
    pub(crate) fn tell(&mut self, id: DestinationId, message: Message) {
        let wait = if self.dice.chance(900) { 0 } else { self.dice.between(1, 20) };
        let Some(child) = self.children.get_mut(&id).filter(|child| child.actor.is_some()) else { return };
        child.mailbox = child.mailbox.max(self.mono + wait);
        let (wait, generation) = (child.mailbox - self.mono, child.generation);
        self.later(wait, Happening::ToChild(id, generation, message));
    }
}

/// A change with the event that tells of it.
fn put(
    before: &Destination,
    changed: Changed,
    skip_to: Option<Sequence>,
    outcomes: Vec<Change>,
    told: Told,
) -> Write {
    let destination = changed.destination;
    let id = destination.id;
    let is_resumed = destination.status == DestinationStatus::Active && before.status != destination.status;
    let mut changes = outcomes;
    if is_resumed || destination.url != before.url {
        changes.push(Change::Resume { destination: id, skip_to });
    }
    changes.push(Change::PutDestination(Box::new(destination)));
    let name = changed.told.map(|told| match told {
        lifecycle::Told::Activated => "event_destination.activated",
        lifecycle::Told::Deactivated => "event_destination.deactivated",
    });
    let events = name.map(|name| draft(name, None, None)).into_iter().collect();
    Write { events, changes, told }
}
