//! One event stream: the actor that controls it, and the queue between the hub and the socket.
//!
//! The actor starts, reads pages, hears of the clock and of the end; frames never pass through its mailbox: the
//! hub puts them into the queue and wakes the socket. An actor that dies ends its stream, and the client resumes.

use super::hub::{Group, Hub, Joined, PageOrder, page_input};
use super::messages::{ClockReached, Drain, StopNow};
use super::streams::StreamId;
use crate::clock;
use crate::delivery::stream::blocks::OPENING;
use crate::delivery::stream::machine::{Action, Input, Moment, StreamMachine};
use crate::log::{LogError, Page};
use crate::model::{Key, KeyId, Timestamp};
use actix::prelude::*;
use bytes::Bytes;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

/// The socket is given at most this many bytes at a time, so that little is kept for it above the kernel.
const PIECE_BYTES: usize = 16 * 1024;

/// What the hub, the actor and the socket share of a stream.
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) key: KeyId,
    pub(super) expires_at: Cell<Option<Timestamp>>,
    pub(super) group: Rc<Group>,
    /// Its index in the group, when it is a member.
    pub(super) seat: Cell<Option<usize>>,
    state: RefCell<State>,
}

struct State {
    machine: StreamMachine,
    queue: Queue,
    held: Option<Joined>,
    waker: Option<Waker>,
    is_over: bool,
    scheduled: Option<Moment>,
    actor: Option<Addr<StreamActor>>,
    /// Dropped when the stream is over.
    claim: Option<Box<dyn Any>>,
}

/// Bytes that wait for the socket. The first has a place of its own: most streams never have more.
#[derive(Default)]
struct Queue {
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        match &mut self.first {
            empty @ None => *empty = Some(bytes),
            Some(_) => self.rest.push_back(bytes),
        }
    }

    /// The next bytes, at most a piece.
    fn pop(&mut self) -> Option<Bytes> {
        let mut piece = self.first.take()?;
        if piece.len() > PIECE_BYTES {
            let after = piece.split_off(PIECE_BYTES);
            self.first = Some(after);
        } else {
            self.first = self.rest.pop_front();
            if self.rest.is_empty() {
                self.rest = VecDeque::new();
            }
        }
        self.bytes -= piece.len();
        Some(piece)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Client {
    /// A stream that has said its opening bytes and has no actor yet.
    pub(super) fn new(
        id: u64,
        key: &Key,
        group: Rc<Group>,
        claim: Box<dyn Any>,
        machine: StreamMachine,
    ) -> Self {
        let mut queue = Queue::default();
        queue.push(Bytes::from_static(OPENING));
        let state = State {
            machine,
            queue,
            held: None,
            waker: None,
            is_over: false,
            scheduled: None,
            actor: None,
            claim: Some(claim),
        };
        Self {
            id,
            key: key.id,
            expires_at: Cell::new(key.expires_at),
            group,
            seat: Cell::new(None),
            state: RefCell::new(state),
        }
    }

    pub(super) fn set_actor(&self, actor: Addr<StreamActor>) {
        self.state.borrow_mut().actor = Some(actor);
    }

    pub(super) fn is_live(&self) -> bool {
        self.state.borrow().machine.is_live()
    }

    pub(super) fn handle(&self, input: Input, now: Moment, actions: &mut Vec<Action>) {
        let mut state = self.state.borrow_mut();
        if !state.is_over {
            state.machine.handle(input, now, actions);
        }
    }

    /// Says something to its actor. All of it is tiny and harmless when it comes twice.
    pub(super) fn tell<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        StreamActor: Handler<M>,
    {
        if let Some(actor) = &self.state.borrow().actor {
            actor.do_send(message);
        }
    }

    /// Its entry in the hub's timers, which it has no more.
    pub(super) fn unschedule(&self) -> Option<Moment> {
        self.state.borrow_mut().scheduled.take()
    }

    /// Ends it at once, also while something unwinds.
    pub(super) fn abandon(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.cut();
            state.wake();
        }
    }
}

impl State {
    fn cut(&mut self) {
        self.queue.clear();
        self.held = None;
        self.is_over = true;
        self.claim = None;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Hub {
    /// Does what a stream's machine orders. `bytes` came with the input.
    pub(super) fn perform(
        &self,
        client: &Client,
        actions: impl Iterator<Item = Action>,
        bytes: Option<Joined>,
    ) {
        let mut bytes = bytes;
        let mut state = client.state.borrow_mut();
        for action in actions {
            match action {
                Action::Read { after, up_to, one } => {
                    if let Some(actor) = &state.actor {
                        actor.do_send(ReadOn(PageOrder { after, up_to, one }));
                    }
                    continue;
                }
                Action::WakeAt(at) => {
                    let before = state.scheduled.replace(at);
                    self.schedule(client.id, before, at);
                    continue;
                }
                Action::Hold => {
                    state.held = bytes.take();
                    continue;
                }
                Action::Queue => state.queue.push(bytes.take().unwrap_or_default()),
                Action::Release => {
                    let held = state.held.take().unwrap_or_default();
                    state.queue.push(held);
                }
                Action::Write(block) => state.queue.push(block.encode(clock::random_unit()).into()),
                Action::End => state.is_over = true,
                Action::Cut => state.cut(),
            }
            state.wake();
        }
    }
}

/// The stream as its socket sees it. Dropping it closes the stream.
pub struct Subscription {
    hub: Hub,
    client: Rc<Client>,
}

impl Subscription {
    pub(super) fn new(hub: Hub, client: Rc<Client>) -> Self {
        Self { hub, client }
    }

    /// The next bytes; `None` at the end.
    pub fn poll_bytes(&self, context: &mut TaskContext<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.client.state.borrow_mut();
        let Some(piece) = state.queue.pop() else {
            if state.is_over {
                return Poll::Ready(None);
            }
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                state.waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        };
        let left = state.queue.bytes;
        drop(state);
        self.hub.step(&self.client, Input::Taken { left }, None, self.hub.now());
        Poll::Ready(Some(piece))
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("id", &self.client.id).finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.abandon();
        self.hub.close(&self.client);
    }
}

/// Read a page.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ReadOn(pub(super) PageOrder);

/// The control of one stream.
pub(super) struct StreamActor {
    hub: Hub,
    client: Rc<Client>,
    /// As the registry knows it.
    id: StreamId,
    /// Its stream was over when it was told to end.
    was_told: bool,
}

impl StreamActor {
    pub(super) fn new(hub: Hub, client: Rc<Client>) -> Self {
        let id = hub.supervisor().name();
        Self { hub, client, id, was_told: false }
    }

    fn page_read(&mut self, read: Result<Page, LogError>, one: bool) {
        let (input, bytes) = page_input(read, &self.client.group, one);
        self.hub.step(&self.client, input, bytes, self.hub.now());
    }
}

impl Actor for StreamActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.hub.supervisor().started(self.id, context.address().recipient());
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.client.abandon();
        self.hub.supervisor().stopped(self.id, !self.was_told);
    }
}

impl Handler<ReadOn> for StreamActor {
    type Result = ();
    fn handle(&mut self, ReadOn(order): ReadOn, context: &mut Context<Self>) {
        if let Some((scanned_to, joined)) = self.hub.page_in_memory(&self.client.group, order) {
            let read = Input::PageRead { scanned_to, bytes: joined.len(), happened: None };
            return self.hub.step(&self.client, read, Some(joined), self.hub.now());
        }
        let reading = self.hub.log().read(self.hub.query(&self.client.group, order)).into_actor(self);
        context.spawn(reading.map(move |read, actor, _| actor.page_read(read, order.one)));
    }
}

impl Handler<ClockReached> for StreamActor {
    type Result = ();
    fn handle(&mut self, _: ClockReached, _: &mut Context<Self>) {
        self.hub.clock_reached(&self.client);
    }
}

impl Handler<Drain> for StreamActor {
    type Result = ();
    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.hub.step(&self.client, Input::Draining, None, self.hub.now());
    }
}

impl Handler<StopNow> for StreamActor {
    type Result = ();
    fn handle(&mut self, _: StopNow, context: &mut Context<Self>) {
        self.was_told = true;
        context.stop();
    }
}
