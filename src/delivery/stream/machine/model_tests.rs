//! Any interleaving of commits, offers, page reads, trims, slow sockets and clocks: the events that are written
//! are the filtered log in order, each once, but for what a gap tells.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Debug, Clone)]
enum Happening {
    /// Events are committed: which of them match.
    Committed(Vec<bool>),
    /// The hub offers what was committed, in parts of this many events; or it has lost track.
    Offered(Option<usize>),
    /// The read under way ends, having looked at this many events at most.
    PageRead(usize),
    /// The socket takes this many pieces.
    Taken(usize),
    /// Retention removes this many events.
    Trimmed(u64),
    /// Time passes.
    Passed(u64),
    /// A read fails for now.
    Failed,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => vec(any::<bool>(), 1..12).prop_map(Happening::Committed),
        4 => proptest::option::weighted(0.85, 1_usize..5).prop_map(Happening::Offered),
        4 => (1_usize..30).prop_map(Happening::PageRead),
        4 => (1_usize..6).prop_map(Happening::Taken),
        1 => (1_u64..20).prop_map(Happening::Trimmed),
        2 => (1_u64..20_000).prop_map(Happening::Passed),
        1 => Just(Happening::Failed),
    ]
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Event(u64),
    Checkpoint(u64),
    /// Everything up to here may be missing.
    Gap(u64),
}

/// The log, the hub and the socket around one machine.
struct World {
    log: Vec<bool>,
    oldest: u64,
    head_offered: u64,
    group_place: u64,
    machine: StreamMachine,
    now: Moment,
    read: Option<(u64, u64)>,
    queue: VecDeque<(Vec<Heard>, usize)>,
    heard: Vec<Heard>,
}

const EVENT_BYTES: usize = 400;

impl World {
    fn new(stored: Vec<bool>, from: u64) -> Self {
        let head = stored.len() as u64;
        let opening = Opening {
            place: Sequence(from.min(head)),
            gap: None,
            oldest: Sequence(1),
            head: Sequence(head),
            ends_at: None,
            pace: Pace::Max,
            fails_on_gap: false,
            key_ends_at: None,
        };
        let settings = Settings { keep_alive_ms: 15_000, client_buffer: 2500, stall_ms: 1 << 40 };
        let mut actions = Vec::new();
        let machine = StreamMachine::open(opening, settings, 0, &mut actions);
        let mut world = Self {
            log: stored,
            oldest: 1,
            head_offered: head,
            group_place: head,
            machine,
            now: 0,
            read: None,
            queue: VecDeque::new(),
            heard: Vec::new(),
        };
        world.perform(actions, &[]);
        world
    }

    fn matching(&self, after: u64, up_to: u64) -> Vec<u64> {
        (after + 1..=up_to).filter(|sequence| self.log[*sequence as usize - 1]).collect()
    }

    fn step(&mut self, input: Input, events: &[u64]) {
        let mut actions = Vec::new();
        self.machine.handle(input, self.now, &mut actions);
        self.perform(actions, events);
    }

    fn perform(&mut self, actions: Vec<Action>, events: &[u64]) {
        for action in actions {
            match action {
                Action::Read { after, up_to, .. } => {
                    assert!(self.read.is_none(), "one read at a time");
                    self.read = Some((after.0, up_to.0));
                }
                Action::Queue => {
                    let heard = events.iter().copied().map(Heard::Event).collect();
                    self.queue.push_back((heard, events.len() * EVENT_BYTES));
                }
                Action::Write(block) => {
                    let heard = match block {
                        Block::Gap { place, .. } => Heard::Gap(place.unwrap().0),
                        Block::Checkpoint(place) => Heard::Checkpoint(place.0),
                        other => panic!("{other:?}"),
                    };
                    self.queue.push_back((vec![heard], 60));
                }
                Action::WakeAt(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let queued: usize = self.queue.iter().map(|(_, bytes)| bytes).sum();
        assert!(queued <= 2500 + 30 * EVENT_BYTES + 200, "memory is bounded: {queued}");
    }

    fn happen(&mut self, happening: Happening) {
        self.now += 1;
        match happening {
            Happening::Committed(events) => self.log.extend(events),
            Happening::Offered(None) => {
                self.head_offered = self.log.len() as u64;
                self.group_place = self.head_offered;
                self.step(Input::HeadMoved(Sequence(self.head_offered)), &[]);
            }
            Happening::Offered(Some(part)) => self.offer(part),
            Happening::PageRead(most) => self.end_read(most),
            Happening::Taken(pieces) => self.take(pieces),
            Happening::Trimmed(count) => {
                self.oldest = (self.oldest + count).min(self.log.len() as u64 + 1);
            }
            Happening::Passed(millis) => {
                self.now += millis;
                // As the hub does: nothing more is for it up to the head that was offered.
                if self.machine.is_live() {
                    let to = Sequence(self.head_offered);
                    let from = Sequence(self.group_place);
                    self.step(Input::Offered(Offer { from, first: to.next(), to, bytes: 0 }), &[]);
                }
                self.step(Input::ClockReached, &[]);
            }
            Happening::Failed => {
                if self.read.take().is_some() {
                    self.step(Input::ReadFailed(Failure::Passing), &[]);
                    self.now += READ_AGAIN_MS;
                    self.step(Input::ClockReached, &[]);
                    // However often it happens here, it is never that often in a row.
                    self.machine.read_failures = 0;
                }
            }
        }
    }

    fn offer(&mut self, part: usize) {
        let head = self.log.len() as u64;
        let matching = self.matching(self.head_offered, head);
        let parts: Vec<&[u64]> = matching.chunks(part).collect();
        for (index, events) in parts.iter().enumerate() {
            let to = if index + 1 == parts.len() { head } else { events[events.len() - 1] };
            let from = std::mem::replace(&mut self.group_place, to);
            let offer = Offer {
                from: Sequence(from),
                first: Sequence(events[0]),
                to: Sequence(to),
                bytes: events.len() * EVENT_BYTES,
            };
            self.step(Input::Offered(offer), events);
        }
        self.head_offered = head;
    }

    fn end_read(&mut self, most: usize) {
        let Some((after, up_to)) = self.read.take() else { return };
        if after + 1 < self.oldest {
            let (oldest, missed) = (Sequence(self.oldest), self.oldest - after - 1);
            return self.step(Input::ReadFailed(Failure::Trimmed { oldest, missed }), &[]);
        }
        let to = up_to.min(after + most as u64);
        let events = self.matching(after, to);
        let bytes = events.len() * EVENT_BYTES;
        self.step(Input::PageRead { scanned_to: Sequence(to), bytes, happened: None }, &events);
    }

    fn take(&mut self, pieces: usize) {
        for _ in 0..pieces {
            let Some((heard, _)) = self.queue.pop_front() else { return };
            self.heard.extend(heard);
            let left = self.queue.iter().map(|(_, bytes)| bytes).sum();
            self.step(Input::Taken { left }, &[]);
        }
    }

    /// Everything ends well: all is offered, read and taken.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.now += READ_AGAIN_MS;
            self.step(Input::ClockReached, &[]);
            self.offer(3);
            self.end_read(30);
            self.take(100);
            if self.machine.is_live() && self.queue.is_empty() && self.head_offered == self.log.len() as u64 {
                return;
            }
        }
        panic!("it does not come to the head: {:?}", self.machine);
    }
}

/// Whether what was heard is the filtered log from a place on, but for what gaps tell.
fn check(heard: &[Heard], log: &[bool], from: u64) -> Result<(), TestCaseError> {
    let mut place = from;
    let missing = |from: u64, to: u64| (from + 1..to).filter(|sequence| log[*sequence as usize - 1]).count();
    for one in heard {
        match *one {
            Heard::Event(sequence) => {
                prop_assert!(sequence > place, "{sequence} after {place}");
                prop_assert_eq!(missing(place, sequence), 0, "between {} and {}", place, sequence);
                place = sequence;
            }
            Heard::Checkpoint(at) => {
                prop_assert!(at >= place, "checkpoint {at} after {place}");
                prop_assert_eq!(missing(place, at + 1), 0, "checkpoint {} after {}", at, place);
                place = at;
            }
            Heard::Gap(at) => {
                prop_assert!(at >= place, "gap {at} after {place}");
                place = at;
            }
        }
    }
    prop_assert_eq!(missing(place, log.len() as u64 + 1), 0, "at the end, after {}", place);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_heard_is_the_filtered_log(
        stored in vec(any::<bool>(), 0..40),
        from in 0_u64..40,
        happenings in vec(happening(), 0..120),
    ) {
        let from = from.min(stored.len() as u64);
        let mut world = World::new(stored, from);
        for happening in happenings {
            world.happen(happening);
        }
        world.settle();
        check(&world.heard, &world.log, from)?;
    }
}
