//! Where the long polls of one HTTP thread wait: new events are looked at once for all polls that ask the same.
//!
//! Everything here lives on one thread. What must hold:
//! - Who waits is called when something comes that it may want, and is told up to where nothing did.
//! - Nothing falls between looking and waiting: a poll waits only from a place that has been looked at here too.
//! - A commit costs one look for each different question, and nothing while nobody waits.

use crate::log::{Bounds, EventLog, MEMORY_WORK, Work, recent_up_to};
use crate::model::{EventFilter, Sequence, StoredEvent, TenantId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// How many events in memory are looked at in one go.
const BATCH_EVENTS: usize = 1024;

/// What a poll asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) tenant: TenantId,
    pub(crate) filter: EventFilter,
}

/// Those who ask the same, by number.
type Callers = HashMap<u64, oneshot::Sender<Sequence>>;

/// The waiting polls of this thread. Clones are the same lobby.
#[derive(Clone)]
pub(crate) struct Lobby(Rc<Inner>);

struct Inner {
    log: Arc<dyn EventLog>,
    bounds: watch::Receiver<Bounds>,
    /// Up to here everything was looked at, for everybody who waits.
    place: Cell<Sequence>,
    groups: RefCell<HashMap<Rc<Asked>, Callers>>,
    last_number: Cell<u64>,
    is_running: Cell<bool>,
}

/// A poll that waits; it is forgotten when this is dropped.
pub(crate) struct Waiting {
    lobby: Lobby,
    asked: Rc<Asked>,
    number: u64,
    call: oneshot::Receiver<Sequence>,
}

impl Lobby {
    /// A lobby for the thread this is called on.
    pub(crate) fn new(log: Arc<dyn EventLog>) -> Self {
        let bounds = log.bounds();
        let place = Cell::new(bounds.borrow().head);
        let (groups, last_number, is_running) = (RefCell::default(), Cell::new(0), Cell::new(false));
        Self(Rc::new(Inner { log, bounds, place, groups, last_number, is_running }))
    }

    /// Waits from a place on; `None` when there is something behind it that nobody has looked at yet.
    pub(crate) fn enter(&self, asked: Asked, from: Sequence) -> Option<Waiting> {
        self.advance();
        if from < self.0.place.get() {
            return None;
        }
        let asked = Rc::new(asked);
        let number = self.0.last_number.get() + 1;
        self.0.last_number.set(number);
        let (caller, call) = oneshot::channel();
        self.0.groups.borrow_mut().entry(Rc::clone(&asked)).or_default().insert(number, caller);
        self.run();
        Some(Waiting { lobby: self.clone(), asked, number, call })
    }

    /// Starts the task that follows the log unless it runs.
    fn run(&self) {
        if !self.0.is_running.replace(true) {
            let follower = Follower(self.clone());
            actix_rt::spawn(async move { follower.follow().await });
        }
    }

    /// Looks at what the log has committed since the last time.
    fn advance(&self) {
        let head = self.0.bounds.borrow().head;
        while self.0.place.get() < head && !self.0.groups.borrow().is_empty() {
            let place = self.0.place.get();
            let Some((events, to)) = recent_up_to(&*self.0.log, place, head, BATCH_EVENTS) else {
                // It is in memory no more: each reads for itself.
                self.0.groups.borrow_mut().drain().for_each(|(_, waiting)| call(waiting, place));
                break;
            };
            self.0.groups.borrow_mut().retain(|asked, waiting| match asked.quiet_up_to(place, &events) {
                None => true,
                Some(quiet) => {
                    call(std::mem::take(waiting), quiet);
                    false
                }
            });
            self.0.place.set(to);
        }
        self.0.place.set(self.0.place.get().max(head));
    }
}

fn call(waiting: Callers, quiet: Sequence) {
    for caller in waiting.into_values() {
        // Who is not there any more needs no call.
        let _ = caller.send(quiet);
    }
}

impl Asked {
    /// The place before the first of these events that may be wanted; `None` when none is.
    fn quiet_up_to(&self, place: Sequence, events: &[Arc<StoredEvent>]) -> Option<Sequence> {
        let mut work = Work::up_to(MEMORY_WORK);
        let is_wanted = |event: &&Arc<StoredEvent>| {
            event.tenant() == self.tenant && (work.is_spent() || work.matches(&self.filter, event))
        };
        let wanted = events.iter().find(is_wanted)?;
        Some(wanted.sequence().previous().max(place))
    }
}

/// Calls everybody when the task ends, whatever ended it.
struct Follower(Lobby);

impl Follower {
    async fn follow(&self) {
        let mut bounds = self.0.0.bounds.clone();
        while bounds.changed().await.is_ok() {
            self.0.advance();
            if self.0.0.groups.borrow().is_empty() {
                return;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.0.is_running.set(false);
        // Their calls end, which they take for the end of the log.
        self.0.0.groups.borrow_mut().clear();
    }
}

impl Waiting {
    /// Waits for the call. Gives the place up to which nothing was wanted; `None` when the log is closed.
    pub(crate) async fn call(&mut self) -> Option<Sequence> {
        (&mut self.call).await.ok()
    }

    /// Up to where nothing was wanted so far.
    pub(crate) fn quiet_up_to(&mut self) -> Sequence {
        self.call.try_recv().unwrap_or_else(|_| self.lobby.0.place.get())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut groups = self.lobby.0.groups.borrow_mut();
        let Some(waiting) = groups.get_mut(&self.asked) else { return };
        waiting.remove(&self.number);
        if waiting.is_empty() {
            groups.remove(&self.asked);
        }
    }
}

#[cfg(test)]
mod tests;
