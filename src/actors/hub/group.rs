//! Streams that want the same: what one of them is offered is joined once and shared by all.

use super::Wanted;
use crate::actors::stream::Client;
use crate::delivery::stream::StreamFormat;
use crate::delivery::stream::format::push_event;
use crate::delivery::stream::machine::Offer;
use crate::log::Work;
use crate::model::{Sequence, StoredEvent};
use bytes::Bytes;
use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// Joined bytes, shared.
pub(crate) type Joined = Bytes;

/// How many joined pages near the head are remembered for streams that come by the same place.
const CACHED: usize = 32;

/// Streams of one thread with the same tenant, filter and format.
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) wanted: Rc<Wanted>,
    /// Its members were offered everything matching up to here; between here and the hub's head nothing matches.
    place: Cell<Sequence>,
    members: RefCell<Vec<Rc<Client>>>,
}

impl Group {
    pub(super) fn new(id: u64, wanted: Wanted, place: Sequence) -> Self {
        Self { id, wanted: Rc::new(wanted), place: Cell::new(place), members: RefCell::default() }
    }

    pub(super) fn place(&self) -> Sequence {
        self.place.get()
    }

    pub(super) fn members(&self) -> Ref<'_, Vec<Rc<Client>>> {
        self.members.borrow()
    }

    /// Takes a member in; `head` is the hub's.
    pub(super) fn add(&self, client: &Rc<Client>, head: Sequence) {
        if self.is_empty() {
            self.place.set(head);
        }
        let mut members = self.members.borrow_mut();
        client.seat.set(Some(members.len()));
        members.push(Rc::clone(client));
    }

    pub(super) fn remove(&self, client: &Client) {
        let Some(seat) = client.seat.take() else { return };
        let mut members = self.members.borrow_mut();
        members.swap_remove(seat);
        if let Some(moved) = members.get(seat) {
            moved.seat.set(Some(seat));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.borrow().is_empty()
    }

    /// Whether anybody takes what is offered.
    pub(super) fn has_live(&self) -> bool {
        self.members.borrow().iter().any(|client| client.is_live())
    }

    /// Its members have been told that the log is here now.
    pub(super) fn move_to(&self, place: Sequence) {
        self.place.set(place);
    }

    pub(super) fn wants(&self, event: &StoredEvent, work: &mut Work) -> bool {
        event.tenant() == self.wanted.tenant && work.matches(&self.wanted.filter, event)
    }

    /// Joins the matching events of a batch that ends at `to` into parts of about `most` bytes, and gives each
    /// part to `give`.
    pub(super) fn join_batch(
        &self,
        events: &[Arc<StoredEvent>],
        to: Sequence,
        most: usize,
        mut give: impl FnMut(Offer, &Joined),
    ) {
        // New events are looked at whatever it takes: each is looked at once for all members.
        let mut work = Work::up_to(u64::MAX);
        let mut matching = events.iter().filter(|event| self.wants(event, &mut work)).peekable();
        let (mut part, mut bytes) = (Vec::new(), 0);
        while let Some(event) = matching.next() {
            part.push(event);
            bytes += event.sse_frame().len();
            let is_last = matching.peek().is_none();
            if bytes < most && !is_last {
                continue;
            }
            let up_to = if is_last { to } else { event.sequence() };
            let joined = join(&part, self.wanted.format);
            let (from, first) = (self.place.replace(up_to), part[0].sequence());
            give(Offer { from, first, to: up_to, bytes: joined.len() }, &joined);
            part.clear();
            bytes = 0;
        }
    }
}

/// The blocks of events one after another. One event in its stored shape is not copied.
pub(crate) fn join(events: &[&Arc<StoredEvent>], format: StreamFormat) -> Joined {
    if let ([only], StreamFormat::Envelope) = (events, format) {
        return only.sse_frame();
    }
    let mut out = Vec::with_capacity(events.iter().map(|event| event.sse_frame().len()).sum());
    for event in events {
        push_event(event, format, &mut out);
    }
    out.into()
}

/// The newest joined pages: streams that come back together read the same ones.
#[derive(Default)]
pub(super) struct Cache(VecDeque<Cached>);

struct Cached {
    group: u64,
    from: Sequence,
    to: Sequence,
    joined: Joined,
}

impl Cache {
    pub(super) fn find(&self, group: u64, from: Sequence, up_to: Sequence) -> Option<(Sequence, Joined)> {
        let same = |page: &&Cached| page.from == from && page.group == group && page.to <= up_to;
        self.0.iter().rev().find(same).map(|page| (page.to, page.joined.clone()))
    }

    pub(super) fn keep(&mut self, group: u64, from: Sequence, to: Sequence, joined: &Joined) {
        if self.0.len() >= CACHED {
            self.0.pop_front();
        }
        self.0.push_back(Cached { group, from, to, joined: joined.clone() });
    }
}
