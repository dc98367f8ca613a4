//! The world of one run: virtual time, what will happen when, one process with its log, and everybody around it.
//!
//! There are three clocks: the monotonic one that everything happens by, the wall clock that jumps, and the one that machines
//! are given, which is the wall clock of the process's start and never jumps.

use crate::child::{Child, Message};
use crate::dice::Dice;
use crate::endpoint::Mood;
use crate::functions::{Ended, is_function};
use crate::judge::Judge;
use crate::keeper::Wish;
use crate::log::{Log, Write};
use crate::replaying::Runner;
use campanile::delivery::destination::BreakerSettings;
use campanile::delivery::replay;
use campanile::delivery::router::Router;
use campanile::log::Change;
use campanile::model::{Destination, DestinationId, Notice, ReplayId, Requeue, Sequence, UnixMillis};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Milliseconds of the wall clock when a run begins.
const BEGINNING: i64 = 1_800_000_000_000;

/// A run that takes more steps never comes to rest.
const MOST_STEPS: u64 = 400_000;

/// What happens at a time.
pub(crate) enum Happening {
    /// Somebody publishes, or does something to the broker.
    Publish,
    Meddle,
    /// The process is started again.
    Start,
    /// What was being written is durable, or was refused.
    Synced,
    /// The registry hears of a commit, of a change, of what was put back, of a replay's end.
    Route,
    Reconcile,
    Requeued(Requeue),
    ReplayStopped(DestinationId, ReplayId),
    /// A destination's actor is started again after its death.
    StartAgain(DestinationId, u64),
    ToChild(DestinationId, u64, Message),
    ToReplay(ReplayId, u64, replay::Input),
    LookFor(ReplayId, u64),
}

impl Happening {
    fn survives_a_crash(&self) -> bool {
        matches!(self, Self::Publish | Self::Meddle | Self::Start)
    }
}

/// Who hears that a write is durable.
pub(crate) enum Told {
    Nobody,
    /// An actor whose outcomes were written by themselves.
    Outcomes(DestinationId, u64, Vec<Sequence>),
    /// An actor that asked for a change of its destination: whether anything changed.
    Asked(DestinationId, u64, Vec<Sequence>, bool),
    Notice(DestinationId, u64, Notice),
    Replay(ReplayId, u64, replay::Input, Option<Requeue>),
    /// A user whose change of a destination it was.
    Managed,
    Resent(Requeue),
    StoppedReplay(DestinationId, ReplayId),
}

/// What is the same for a whole run.
pub(crate) struct Bounds {
    pub(crate) max_retrying: usize,
    pub(crate) deactivate_after_ms: u64,
    pub(crate) breaker: BreakerSettings,
    /// Whether what happens is told.
    pub(crate) is_told: bool,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) mono: u64,
    /// What the wall clock is ahead of the monotonic one, now and when the process was started.
    pub(crate) wall_ahead: i64,
    pub(crate) anchor: i64,
    agenda: BTreeMap<(u64, u64), Happening>,
    order: u64,
    pub(crate) log: Log,
    pub(crate) bounds: Bounds,
    pub(crate) is_up: bool,
    pub(crate) is_draining: bool,
    pub(crate) children: BTreeMap<DestinationId, Child>,
    pub(crate) generations: u64,
    pub(crate) router: Router,
    pub(crate) routed_to: Sequence,
    pub(crate) reconciled: u64,
    /// Who wants to change a destination, one at a time, and whether one does.
    pub(crate) wishes: VecDeque<Wish>,
    pub(crate) is_managing: bool,
    pub(crate) replays: BTreeMap<ReplayId, Runner>,
    pub(crate) moods: BTreeMap<DestinationId, Mood>,
    pub(crate) judge: Judge,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let bounds = Bounds {
            max_retrying: dice.pick(&[3, 20, 1000]),
            deactivate_after_ms: dice.pick(&[60_000, 600_000, 1_000_000_000]),
            breaker: BreakerSettings {
                after_ms: dice.pick(&[2000, 30_000, 1_000_000_000]),
                pause_ms: 5000,
                pause_max_ms: 60_000,
            },
            is_told: std::env::var_os("CAMPANILE_SEED").is_some(),
        };
        Self {
            dice,
            mono: 0,
            wall_ahead: BEGINNING,
            anchor: BEGINNING,
            agenda: BTreeMap::new(),
            order: 0,
            log: Log::new(),
            bounds,
            is_up: true,
            is_draining: false,
            children: BTreeMap::new(),
            generations: 0,
            router: Router::default(),
            routed_to: Sequence::ZERO,
            reconciled: 0,
            wishes: VecDeque::new(),
            is_managing: false,
            replays: BTreeMap::new(),
            moods: BTreeMap::new(),
            judge: Judge::default(),
        }
    }

    /// Lives through everything that will happen until a time, or until nothing will any more.
    pub(crate) fn live_until(&mut self, until: u64) -> bool {
        for _ in 0..MOST_STEPS {
            let Some(next) = self.agenda.first_entry() else { return true };
            let at = next.key().0;
            if at > until {
                return false;
            }
            let happening = next.remove();
            self.mono = self.mono.max(at);
            self.happen(happening);
        }
        panic!("it does not come to rest");
    }

    /// Says what happens, when a single seed is run.
    pub(crate) fn say(&self, what: impl Fn() -> String) {
        if self.bounds.is_told {
            println!("{:>9} {}", self.mono, what());
        }
    }

    /// Whether nothing will happen but the end of a secret's overlap, which the wall clock may have put off.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.agenda.values().all(|one| matches!(one, Happening::ToChild(_, _, Message::SecretsExpire)))
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Publish => self.publish(),
            Happening::Meddle => self.meddle(),
            Happening::Start => self.start(),
            Happening::Synced => self.synced(),
            Happening::Route => self.route(),
            Happening::Reconcile => self.reconcile(),
            Happening::Requeued(requeue) => self.tell_requeued(requeue),
            Happening::ReplayStopped(id, replay) => self.tell(id, Message::ReplayStopped(replay)),
            Happening::StartAgain(id, generation) => self.start_again(id, generation),
            Happening::ToChild(id, generation, message) => self.child_hears(id, generation, message),
            Happening::ToReplay(id, generation, input) => self.step_replay(id, generation, input),
            Happening::LookFor(id, generation) => self.look_for(id, generation),
        }
    }

    /// The clock that machines are given.
    pub(crate) fn steady(&self) -> UnixMillis {
        UnixMillis(self.mono as i64 + self.anchor)
    }

    pub(crate) fn wall(&self) -> UnixMillis {
        UnixMillis(self.mono as i64 + self.wall_ahead)
    }

    pub(crate) fn later(&mut self, wait: u64, happening: Happening) {
        self.order += 1;
        self.agenda.insert((self.mono + wait, self.order), happening);
    }

    /// A little later: a message to another thread.
    pub(crate) fn soon(&mut self, happening: Happening) {
        let wait = if self.dice.chance(900) { 0 } else { self.dice.between(1, 20) };
        self.later(wait, happening);
    }

    /// Queues a write. What is queued while another one is synced becomes durable together after it.
    pub(crate) fn write(&mut self, write: Write) {
        self.log.queue.push_back(write);
        self.sync();
    }

    fn sync(&mut self) {
        if self.log.syncing == 0 && !self.log.queue.is_empty() {
            self.log.syncing = self.log.queue.len();
            let wait =
                if self.dice.chance(980) { self.dice.between(1, 4) } else { self.dice.between(50, 1500) };
            self.later(wait, Happening::Synced);
        }
    }

    fn synced(&mut self) {
        let is_refused = !self.is_draining && self.dice.chance(4);
        self.judge.counts.refused += u64::from(is_refused);
        let count = std::mem::take(&mut self.log.syncing);
        let version = self.log.management.version;
        let batch: Vec<Write> = self.log.queue.drain(..count).collect();
        for write in batch {
            if !is_refused {
                self.make_durable(&write);
            }
            match write.told {
                Told::Outcomes(id, generation, sequences) if is_refused && is_function(id) => {
                    let outcomes = sequences.into_iter().zip(write.changes).collect();
                    self.soon(Happening::ToChild(id, generation, Message::Refused(outcomes)));
                }
                told => self.heard(told, !is_refused),
            }
        }
        if self.log.management.version != version {
            self.soon(Happening::Reconcile);
        }
        self.soon(Happening::Route);
        self.sync();
    }

    fn make_durable(&mut self, write: &Write) {
        let before: Vec<Arc<Destination>> = self.log.management.destinations.values().cloned().collect();
        let at = self.wall();
        let fresh = self.log.apply(write, at);
        self.say(|| {
            format!(
                "durable {:?} and events {:?}",
                Short(&write.changes),
                fresh
                    .iter()
                    .map(|event| (event.sequence().0, event.event_type().as_str()))
                    .collect::<Vec<_>>()
            )
        });
        for change in &write.changes {
            self.judge.is_durable(change, &self.log, &before);
        }
        for event in fresh {
            self.judge.published(&event, &self.log);
        }
        let concerned = write.changes.iter().filter_map(concerned);
        concerned.for_each(|id| self.judge.look_at_kept(id, &self.log, &self.bounds));
    }

    /// A write ended: durable, or refused whole.
    fn heard(&mut self, told: Told, is_durable: bool) {
        match told {
            Told::Nobody => return,
            Told::Managed => {}
            Told::Outcomes(id, generation, sequences) => {
                let message = Message::Recorded { sequences, is_durable, stays_on: false };
                return self.soon(Happening::ToChild(id, generation, message));
            }
            Told::Asked(id, generation, sequences, is_changed) => {
                let message = Message::Recorded { sequences, is_durable, stays_on: !is_changed };
                self.soon(Happening::ToChild(id, generation, message));
            }
            Told::Notice(id, generation, notice) => {
                let message = Message::Told(is_durable.then_some(notice));
                self.soon(Happening::ToChild(id, generation, message));
            }
            Told::Replay(id, generation, input, requeue) => {
                let input = if is_durable { input } else { replay::Input::Failed };
                if let Some(requeue) = requeue.filter(|_| is_durable) {
                    self.soon(Happening::Requeued(requeue));
                }
                self.soon(Happening::ToReplay(id, generation, input));
            }
            Told::Resent(requeue) => {
                if is_durable {
                    self.soon(Happening::Requeued(requeue));
                }
                return;
            }
            Told::StoppedReplay(id, replay) => {
                if is_durable {
                    self.soon(Happening::ReplayStopped(id, replay));
                }
            }
        }
        self.manage_on();
    }

    /// The process dies. What is being synced may still become durable, and nobody hears of it.
    pub(crate) fn crash(&mut self) {
        if !self.is_up {
            return;
        }
        self.is_up = false;
        self.judge.counts.crashes += 1;
        self.say(|| "crash".to_owned());
        let count = if self.dice.chance(500) { self.log.syncing } else { 0 };
        let batch: Vec<Write> = self.log.queue.drain(..count).collect();
        batch.iter().for_each(|write| self.make_durable(write));
        let ids: Vec<DestinationId> = self.children.keys().copied().collect();
        for id in ids {
            self.lose_attempts(id);
        }
        self.log.crash();
        self.children.clear();
        self.replays.clear();
        self.wishes.clear();
        (self.is_managing, self.router) = (false, Router::default());
        self.agenda.retain(|_, happening| happening.survives_a_crash());
        let down = self.dice.pick(&[10, 1000, 30_000]);
        self.later(down, Happening::Start);
    }

    /// A process is started on what is durable.
    fn start(&mut self) {
        (self.is_up, self.anchor) = (true, self.wall_ahead);
        self.say(|| "start".to_owned());
        (self.routed_to, self.reconciled) = (self.log.head, 0);
        self.judge.process_started();
        self.forget_past_secrets();
        self.reconcile();
    }
}

/// Whose progress a change is about.
fn concerned(change: &Change) -> Option<DestinationId> {
    match change {
        Change::Outcome { .. } | Change::Invoked { .. } => Ended::of(change).map(|ended| ended.id),
        Change::Requeue(requeue) => Some(requeue.destination),
        Change::Resume { destination, .. } | Change::StopReplay { destination, .. } => Some(*destination),
        Change::PutReplay(replay) => Some(replay.destination),
        _ => None,
    }
}

/// Changes in a few words.
struct Short<'c>(&'c [Change]);

impl std::fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for change in self.0 {
            match change {
                Change::PutDestination(one) => {
                    let Destination { id, events, status, ordering, start_after, .. } = &**one;
                    write!(f, "PutDestination({} {events:?} {status:?} {ordering:?} {start_after}) ", id.0)?;
                }
                Change::Outcome { place, .. } | Change::Invoked { place, .. } => {
                    write!(f, "{:?} {place} ", Ended::of(change))?;
                }
                other => write!(f, "{other:?} ")?,
            }
        }
        Ok(())
    }
}
