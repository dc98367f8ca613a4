//! The task of a hub: hears that the log moved, that keys changed, that it is time.

use super::Hub;
use super::group::{Group, Joined, join};
use crate::actors::messages::ClockReached;
use crate::clock;
use crate::delivery::stream::machine::{Failure, Input};
use crate::log::{LogError, MEMORY_WORK, Order, Page, Query, Work, recent_up_to};
use crate::model::{Key, Scope, Sequence, StoredEvent, Timestamp};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How many events of the log's memory are looked at in one go.
const BATCH_EVENTS: usize = 1024;
const PAGE_EVENTS: usize = 512;

/// The task sleeps this long when no stream wants to hear of the clock.
const NOTHING_DUE: Duration = Duration::from_secs(3600);

/// What a read is to find.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageOrder {
    pub(crate) after: Sequence,
    pub(crate) up_to: Sequence,
    pub(crate) one: bool,
}

/// Ends the streams when the task ends, whatever ended it.
struct Watch(Hub);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.0.is_running.set(false);
        for client in self.0.every_client() {
            client.abandon();
        }
    }
}

impl Hub {
    /// Starts the task unless it runs.
    pub(super) fn run(&self) {
        if !self.0.is_running.replace(true) {
            let watch = Watch(self.clone());
            actix_rt::spawn(async move { watch.0.follow().await });
        }
    }

    async fn follow(&self) {
        let (mut bounds, mut management) = (self.0.bounds.clone(), self.0.management.clone());
        loop {
            let sleep = tokio::time::sleep(self.until_due());
            tokio::select! {
                moved = bounds.changed() => match moved {
                    Ok(()) => self.advance(),
                    Err(_) => return,
                },
                changed = management.changed() => match changed {
                    Ok(()) => self.check_keys(),
                    Err(_) => return,
                },
                () = sleep => self.wake_due(),
                () = self.0.earlier.notified() => {}
            }
        }
    }

    fn until_due(&self) -> Duration {
        let first = self.0.timers.borrow().first().copied();
        first.map_or(NOTHING_DUE, |(at, _)| Duration::from_millis(at.saturating_sub(self.now())))
    }

    fn wake_due(&self) {
        let now = self.now();
        loop {
            let mut timers = self.0.timers.borrow_mut();
            let Some((at, id)) = timers.first().copied().filter(|(at, _)| *at <= now) else { return };
            timers.remove(&(at, id));
            drop(timers);
            if let Some(client) = self.0.clients.borrow().get(&id) {
                client.unschedule();
                client.tell(ClockReached);
            }
        }
    }

    /// Offers what the log has committed since the last time.
    pub(super) fn advance(&self) {
        let head = self.0.bounds.borrow().head;
        if head <= self.0.head.get() {
            return;
        }
        let groups: Vec<Rc<Group>> = {
            let groups = self.0.groups.borrow();
            groups.values().filter(|group| !group.is_empty()).cloned().collect()
        };
        while !groups.is_empty() && self.0.head.get() < head {
            let batch = recent_up_to(&*self.0.log, self.0.head.get(), head, BATCH_EVENTS);
            let Some((events, to)) = batch else { break };
            for group in &groups {
                self.offer(group, &events, to);
            }
            self.0.head.set(to);
        }
        if self.0.head.get() < head {
            // What is not in memory any more is read by each at its own pace.
            self.0.head.set(head);
            groups.iter().for_each(|group| self.pass_over(group, head));
        }
    }

    fn offer(&self, group: &Group, events: &[Arc<StoredEvent>], to: Sequence) {
        if !group.has_live() {
            return self.pass_over(group, to);
        }
        let (now, most) = (self.now(), self.0.settings.page_bytes());
        group.join_batch(events, to, most, |offer, joined| {
            for client in group.members().iter() {
                self.step(client, Input::Offered(offer), Some(joined.clone()), now);
            }
        });
    }

    fn pass_over(&self, group: &Group, to: Sequence) {
        let now = self.now();
        for client in group.members().iter() {
            self.step(client, Input::HeadMoved(to), None, now);
        }
        group.move_to(to);
    }

    /// Ends the streams whose keys are not good any more.
    fn check_keys(&self) {
        let (management, now) = (self.0.log.management(), self.now());
        for client in self.every_client() {
            let key = management.keys.get(&client.key).filter(|key| is_good(key));
            match key {
                None => self.step(&client, Input::KeyEnded, None, now),
                Some(key) if key.expires_at != client.expires_at.get() => {
                    client.expires_at.set(key.expires_at);
                    let at = key.expires_at.map(|at| self.moment_of(at));
                    self.step(&client, Input::KeyExpires(at), None, now);
                }
                Some(_) => {}
            }
        }
    }

    /// A page of a group from the log's memory, joined once for all that come by; `None` when it is not there.
    pub(crate) fn page_in_memory(&self, group: &Group, order: PageOrder) -> Option<(Sequence, Joined)> {
        let PageOrder { after, up_to, one } = order;
        if one {
            return None;
        }
        if let Some(known) = self.0.joined.borrow().find(group.id, after, up_to) {
            return Some(known);
        }
        let events = self.0.log.recent(after, PAGE_EVENTS)?;
        let most = self.0.settings.page_bytes();
        let (mut to, mut bytes, mut matching) = (after, 0, Vec::new());
        let mut work = Work::up_to(MEMORY_WORK);
        for event in events.iter().take_while(|event| event.sequence() <= up_to) {
            if bytes >= most || work.is_spent() {
                break;
            }
            to = event.sequence();
            if group.wants(event, &mut work) {
                bytes += event.sse_frame().len();
                matching.push(event);
            }
        }
        if events.len() < PAGE_EVENTS && bytes < most && !work.is_spent() {
            to = up_to;
        }
        let joined = join(&matching, group.wanted.format);
        if !joined.is_empty() {
            self.0.joined.borrow_mut().keep(group.id, after, to, &joined);
        }
        (to > after).then_some((to, joined))
    }

    /// A page of a group from the log.
    pub(crate) fn query(&self, group: &Group, order: PageOrder) -> Query {
        Query {
            tenant: group.wanted.tenant,
            filter: group.wanted.filter.clone(),
            from: order.after,
            up_to: order.up_to,
            order: Order::Ascending,
            limit: if order.one { 1 } else { PAGE_EVENTS },
            max_bytes: self.0.settings.page_bytes(),
        }
    }
}

/// What a read means for a stream, and its bytes.
pub(crate) fn page_input(read: Result<Page, LogError>, group: &Group, one: bool) -> (Input, Option<Joined>) {
    let page = match read {
        Ok(page) => page,
        Err(error) => return (Input::ReadFailed(failure(&error)), None),
    };
    let events: Vec<&Arc<StoredEvent>> = page.events.iter().collect();
    let joined = join(&events, group.wanted.format);
    let happened = events.first().filter(|_| one).map(|event| event.timestamp().as_micros().div_euclid(1000));
    (Input::PageRead { scanned_to: page.scanned_to, bytes: joined.len(), happened }, Some(joined))
}

fn failure(error: &LogError) -> Failure {
    match error {
        LogError::Trimmed { oldest, missed } => Failure::Trimmed { oldest: *oldest, missed: *missed },
        LogError::Corrupt { resume, .. } => Failure::Corrupt(*resume),
        LogError::Closed => Failure::Closed,
        _ => Failure::Passing,
    }
}

/// Whether streams of this key may go on.
fn is_good(key: &Key) -> bool {
    let is_alive = key.expires_at.is_none_or(|at| at > Timestamp::from(clock::now()));
    is_alive && key.scopes.allow(Scope::EventsRead)
}
