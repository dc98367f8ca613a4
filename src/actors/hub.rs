//! The streams of one HTTP thread: follows the log once for all of them, joins what the same filter matches once,
//! and keeps their clock.
//!
//! Everything here lives on one thread: `Rc` and `Cell`, no lock, no atomic. What must hold:
//! - A group's members are offered every matching event after the group's place, in order, before the head moves.
//! - A stream is given its place and the head in one step, so nothing falls between stored and live events.
//! - When the task here dies, the streams end: their clients come back and resume.
//!
//! Each stream's actor answers to the registry (`streams`): it knows them all, counts their deaths, ends them.

mod follow;
mod group;

pub(super) use follow::{PageOrder, page_input};
pub(super) use group::{Group, Joined};

use super::messages::StopNow;
use super::stream::{Client, StreamActor, Subscription};
use super::streams::Supervisor;
use crate::clock;
use crate::config::StreamConfig;
use crate::delivery::stream::machine::{Input, Moment, Offer, Opening, Pace, Settings, StreamMachine};
use crate::delivery::stream::{Begin, Gap, StreamFormat, start};
use crate::log::{Bounds, EventLog};
use crate::model::{EventFilter, Key, Sequence, TenantId, Timestamp};
use actix::Actor;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// What decides which bytes a stream gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Whose events.
    pub tenant: TenantId,
    /// Which of them.
    pub filter: EventFilter,
    /// In which shape.
    pub format: StreamFormat,
}

/// How a stream is opened.
pub struct Setup {
    /// Whose stream it is: it ends with this key.
    pub key: Arc<Key>,
    /// What it gets.
    pub wanted: Wanted,
    /// Where it begins, from [`Hub::start_at`].
    pub from: Start,
    /// Whether it ends where the log ends now.
    pub is_finite: bool,
    /// How fast stored events are written.
    pub pace: Pace,
    /// Whether a gap ends it.
    pub fails_on_gap: bool,
    /// Dropped when the stream is over.
    pub claim: Box<dyn Any>,
}

/// Where a stream begins, and what the log keeps at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// The stream has everything up to here.
    pub place: Sequence,
    /// What it must tell first.
    pub gap: Option<Gap>,
    /// What is kept.
    pub bounds: Bounds,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("wanted", &self.wanted)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// The streams of this thread. Clones are the same hub.
#[derive(Clone)]
pub struct Hub(Rc<Inner>);

struct Inner {
    log: Arc<dyn EventLog>,
    bounds: watch::Receiver<Bounds>,
    supervisor: Supervisor,
    /// Has seen no change since the hub was made: whoever begins to listen hears of what was before, too.
    management: watch::Receiver<u64>,
    settings: Settings,
    began: Instant,
    is_running: Cell<bool>,
    /// Everything up to here was offered.
    head: Cell<Sequence>,
    groups: RefCell<HashMap<Rc<Wanted>, Rc<Group>>>,
    clients: RefCell<HashMap<u64, Rc<Client>>>,
    last_id: Cell<u64>,
    /// When which client wants to hear of the clock; one entry a client at most.
    timers: RefCell<BTreeSet<(Moment, u64)>>,
    /// An earlier moment is wanted than the task sleeps for.
    earlier: Notify,
    joined: RefCell<group::Cache>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("clients", &self.0.clients.borrow().len()).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub for the thread this is called on. It costs nothing before its first stream.
    pub fn new(log: Arc<dyn EventLog>, config: &StreamConfig, supervisor: Supervisor) -> Self {
        let (bounds, management) = (log.bounds(), log.management_changed());
        let head = bounds.borrow().head;
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4);
        let settings = Settings {
            keep_alive_ms: millis(config.keep_alive).max(1),
            client_buffer: config.client_buffer,
            stall_ms: millis(config.stall_timeout).max(1),
        };
        Self(Rc::new(Inner {
            log,
            bounds,
            supervisor,
            management,
            settings,
            began: clock::instant(),
            is_running: Cell::new(false),
            head: Cell::new(head),
            groups: RefCell::default(),
            clients: RefCell::default(),
            last_id: Cell::new(0),
            timers: RefCell::default(),
            earlier: Notify::new(),
            joined: RefCell::default(),
        }))
    }

    /// Where a stream begins. Good for [`Hub::open`] until the caller waits for something.
    pub fn start_at(&self, begin: Begin) -> Start {
        self.advance();
        let bounds = *self.0.bounds.borrow();
        let bounds = Bounds { head: self.0.head.get(), ..bounds };
        let (place, gap) = start(begin, bounds.oldest, bounds.head);
        Start { place, gap, bounds }
    }

    /// Opens a stream on the current actix runtime.
    pub fn open(&self, setup: Setup) -> Subscription {
        self.run();
        let Setup { key, wanted, from, is_finite, pace, fails_on_gap, claim } = setup;
        let opening = Opening {
            place: from.place,
            gap: from.gap,
            oldest: from.bounds.oldest,
            head: self.0.head.get(),
            ends_at: is_finite.then_some(from.bounds.head),
            pace,
            fails_on_gap,
            key_ends_at: key.expires_at.map(|at| self.moment_of(at)),
        };
        let id = self.0.last_id.get() + 1;
        self.0.last_id.set(id);
        let (group, mut actions) = (self.group(wanted), Vec::new());
        let machine = StreamMachine::open(opening, self.0.settings, self.now(), &mut actions);
        let client = Rc::new(Client::new(id, &key, group, claim, machine));
        if !is_finite {
            client.group.add(&client, self.0.head.get());
        }
        self.0.clients.borrow_mut().insert(id, Rc::clone(&client));
        client.set_actor(StreamActor::new(self.clone(), Rc::clone(&client)).start());
        self.perform(&client, actions.drain(..), None);
        Subscription::new(self.clone(), client)
    }

    /// The group of streams that want the same.
    fn group(&self, wanted: Wanted) -> Rc<Group> {
        let mut groups = self.0.groups.borrow_mut();
        if let Some(group) = groups.get(&wanted) {
            return Rc::clone(group);
        }
        let id = self.0.last_id.get();
        let group = Rc::new(Group::new(id, wanted, self.0.head.get()));
        groups.insert(Rc::clone(&group.wanted), Rc::clone(&group));
        group
    }

    /// Forgets a stream that is over.
    pub(super) fn close(&self, client: &Rc<Client>) {
        if self.0.clients.borrow_mut().remove(&client.id).is_none() {
            return;
        }
        if let Some(at) = client.unschedule() {
            self.0.timers.borrow_mut().remove(&(at, client.id));
        }
        client.group.remove(client);
        // Those who still know it: this map and the stream that is closed.
        if Rc::strong_count(&client.group) <= 2 {
            self.0.groups.borrow_mut().remove(&client.group.wanted);
        }
        client.tell(StopNow);
    }

    /// Feeds a stream's machine and does what it orders.
    pub(super) fn step(&self, client: &Client, input: Input, bytes: Option<Joined>, now: Moment) {
        let mut actions = Vec::new();
        client.handle(input, now, &mut actions);
        self.perform(client, actions.drain(..), bytes);
    }

    /// Tells a live stream how far nothing more is for it, and that time has passed.
    pub(super) fn clock_reached(&self, client: &Client) {
        let (from, to, now) = (client.group.place(), self.0.head.get(), self.now());
        if client.is_live() {
            let nothing = Offer { from, first: to.next(), to, bytes: 0 };
            self.step(client, Input::Offered(nothing), None, now);
        }
        self.step(client, Input::ClockReached, None, now);
    }

    pub(super) fn schedule(&self, id: u64, before: Option<Moment>, at: Moment) {
        let mut timers = self.0.timers.borrow_mut();
        if let Some(before) = before {
            timers.remove(&(before, id));
        }
        timers.insert((at, id));
        if timers.first() == Some(&(at, id)) {
            self.0.earlier.notify_one();
        }
    }

    pub(super) fn now(&self) -> Moment {
        clock::instant().duration_since(self.0.began).as_millis() as Moment
    }

    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    pub(super) fn log(&self) -> &Arc<dyn EventLog> {
        &self.0.log
    }

    /// When the wall clock will show this time.
    fn moment_of(&self, time: Timestamp) -> Moment {
        let millis = time.as_micros().div_euclid(1000).saturating_sub(clock::now().0);
        self.now().saturating_add(u64::try_from(millis).unwrap_or(0))
    }

    fn every_client(&self) -> Vec<Rc<Client>> {
        self.0.clients.borrow().values().cloned().collect()
    }
}
